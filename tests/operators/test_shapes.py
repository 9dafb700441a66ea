"""The shapes in the operators' signatures are checked while these tests run, and can fail."""

import inspect

import beartype
import pytest
import torch
from jaxtyping import Float, TypeCheckError, jaxtyped
from torch import Tensor

import gather3d

from .inputs import place
from .operators import CASES, PROMISES

FUNCTIONS = [
    member
    for name in gather3d.__all__
    if name != "device"
    for thing in [getattr(gather3d, name)]
    for own in ({name: thing} if inspect.isfunction(thing) else vars(thing),)
    for called, member in own.items()
    if inspect.isfunction(member) and not called.startswith("__")
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__qualname__)
def test_every_operator_is_checked(function):
    assert function.__wrapped__.__code__.co_filename.startswith(gather3d.__path__[0])


def test_a_wrong_argument_is_caught(device):
    features, index = torch.zeros(2, 1, 3, device=device), torch.zeros(1, 3, device=device).long()
    with pytest.raises(TypeCheckError, match=r"parameters of gather3d.indexing.gather_points"):
        gather3d.gather_points(features, index)


def test_a_wrong_result_is_caught(device, monkeypatch):
    """knn finds one neighbour too many while interpolate calls it: caught where it happens."""
    search = gather3d.points.search
    monkeypatch.setattr(
        gather3d.points, "search", lambda q, p, k, **more: search(q, p, k + 1, **more)
    )
    points, features = torch.zeros(1, 3, 3, device=device), torch.zeros(1, 1, 3, device=device)
    with pytest.raises(TypeCheckError, match=r"return value of gather3d.points.knn"):
        gather3d.interpolate(points, points, features, k=2)


def broken(features: Float[Tensor, "B C N"], k: int) -> Float[Tensor, "B C {k}"]:
    return features[..., : k - 1]


def test_a_broken_function_is_caught():
    checked = jaxtyped(broken, typechecker=beartype.beartype)
    assert broken(torch.zeros(1, 2, 3), 2).shape == (1, 2, 1)
    with pytest.raises(TypeCheckError, match="return value"):
        checked(torch.zeros(1, 2, 3), 2)


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_what_comes_back_is_contiguous(device, case, layout):
    """Other libraries read the memory as it lies. The promise names what does not."""
    run, tensors = case.build(device)
    tensors = {name: place(t, device, layout) for name, t in tensors.items()}
    apart = not all(out.is_contiguous() for out in run(**tensors))
    assert apart == bool(PROMISES[case.operator].layout)


def test_the_voxels_of_a_dense_volume_are_contiguous(device):
    """`nonzero` gives its columns one after another; spconv reads them as rows."""
    dense = torch.ones(2, 3, 2, 3, 4, device=device)
    sparse = gather3d.SparseVolume.from_dense(dense)
    voxels = gather3d.voxelize(torch.rand(9, 3, device=device), 0.4)
    for tensor in (sparse.coords, sparse.features, sparse.to_dense(), *vars(voxels).values()):
        assert not isinstance(tensor, Tensor) or tensor.is_contiguous()
    assert voxels.centres().is_contiguous()
