"""Bad input is refused by the operator that gets it, in words that name the argument, what came and
what was wanted. `refusals.txt` has the calls and what each one says."""

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, zeros

import gather3d
from gather3d.refusals import check_finite, check_range

from .inputs import SEEDS, values

pytestmark = pytest.mark.usefixtures("own_errors")

NAN, INF, T = float("nan"), float("inf"), torch.tensor


def whole(*shape: int) -> Tensor:
    return zeros(shape, dtype=torch.int64)


def one(value: float, *shape: int) -> Tensor:
    """Zeros, but for one value in the middle."""
    tensor = zeros(shape)
    tensor.view(-1)[tensor.numel() // 2] = value
    return tensor


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor on a second device, one that every machine has."""
    return zeros(shape, dtype=dtype, device="meta")


def meta_whole(*shape: int) -> Tensor:
    return meta(*shape, dtype=torch.int64)


def voxels() -> gather3d.Voxels:
    return gather3d.voxelize(T([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]]), 1.0)


def rulebook() -> gather3d.KernelMap:
    return gather3d.kernel_map(T([[0, 0, 0, 0], [0, 0, 0, 1]]), (2, 2, 2))


def sparse(**changed: object) -> gather3d.SparseVolume:
    arguments = {
        "coords": T([[0, 0, 0, 0], [0, 0, 0, 1]]),
        "features": zeros(2, 3),
        "shape": (2, 2, 2),
        "batch_size": 1,
    }
    return gather3d.SparseVolume(**arguments | changed)


def deform(**changed: object) -> Tensor:
    arguments = {
        "input": zeros(1, 2, 3, 3, 3),
        "offset": zeros(1, 81, 1, 1, 1),
        "weight": zeros(4, 2, 3, 3, 3),
    }
    return gather3d.deform_conv3d(**arguments | changed)


LISTED = (Path(__file__).parent / "refusals.txt").read_text(encoding="utf-8")
CASES = re.findall(r"^(\w[\w ]*): (.+)\n    (\w+): (.+)$", LISTED, re.MULTILINE)
NAMES = globals() | {name: getattr(gather3d, name) for name in gather3d.__all__}


@pytest.mark.parametrize(("kind", "call", "error", "message"), CASES, ids=[c[1] for c in CASES])
def test_refuses(device, kind, call, error, message):
    where = str(zeros(0, device=device).device)
    with torch.device(device), pytest.raises((ValueError, TypeError, IndexError)) as caught:
        eval(call, NAMES)
    assert type(caught.value).__name__ == error
    said = str(caught.value).replace(f", device='{where}'", "")  # of a tensor that is shown
    assert said == message.format(device=where)
    assert re.match(r"[\w.:\[\], ]+: got .+, wanted .+", message)


def test_the_list_is_read_whole():
    lines = [line for line in LISTED.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 2 * len(CASES) > 300


OPERATORS = {
    name: inspect.signature(getattr(gather3d, name)).parameters
    for name in gather3d.__all__
    if inspect.isfunction(getattr(gather3d, name)) and name != "device"
}


def operators(*, tensors: int = 1) -> set[str]:
    """The operators that take so many tensors, or more."""
    counts = {
        name: sum("Tensor" in str(p.annotation) for p in parameters.values())
        for name, parameters in OPERATORS.items()
    }
    return {name for name, count in counts.items() if count >= tensors}


EXPECTED = {
    "dimensions": operators() - {"sources", "unravel_index"},
    "tensor": operators(),
    "devices": operators(tensors=2),
    "NaN": {n for n, p in OPERATORS.items() if {"points", "query", "offset"} & set(p)},
    "float": {n for n, p in OPERATORS.items() if {"index", "coords", "flat", "points"} & set(p)},
    "range": {n for n, p in OPERATORS.items() if {"index", "flat", "start"} & set(p)},
    "below": {n for n, p in OPERATORS.items() if {"index", "flat", "batch", "start"} & set(p)},
    "k": {n for n, p in OPERATORS.items() if {"k", "m"} & set(p)},
    "word": {n for n, p in OPERATORS.items() if {"reduce", "padding"} & set(p)}
    - {"kernel_map", "sparse_conv3d", "deform_conv3d"},  # their padding is a number
    "class": {n for n, p in OPERATORS.items() if {"voxels", "rulebook", "x"} & set(p)},
    "too large": {"ravel_index", "unravel_index", "voxelize", "neighbour_index", "kernel_map"},
    "empty": {"knn", "interpolate", "farthest_point_sample", "voxelize", "trilinear_sample"},
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_no_operator_is_forgotten(kind):
    listed = {
        call.split("(")[0].replace("deform", "deform_conv3d")
        for its_kind, call, *_ in CASES
        if its_kind == kind
    }
    assert EXPECTED[kind] and EXPECTED[kind] - listed == set()


@given(SEEDS, st.integers(0, 39), st.sampled_from([5, 6, 2**40, -2, -3, -(2**40)]))
def test_one_bad_index_among_many(device, seed, at, bad):
    index = torch.from_numpy(np.random.default_rng(seed).integers(-1, 5, (2, 20)))
    index.view(-1)[at] = bad
    index = index.to(device)
    with pytest.raises(IndexError, match=rf"^index: got {bad}, wanted -1 … 4$"):
        gather3d.gather_points(zeros(2, 1, 5, device=device), index)
    with pytest.raises(IndexError, match=rf"^index: got {bad}, wanted -1 … 4$"):
        gather3d.scatter_points(zeros(2, 1, 20, device=device), index, 5)


@given(SEEDS, st.integers(0, 29), st.sampled_from([NAN, INF, -INF]))
def test_one_bad_coordinate_among_many(device, seed, at, bad):
    points = values(seed, (10, 3))
    points.view(-1)[at] = bad
    points = points.to(device)
    with pytest.raises(ValueError, match=rf"^points: got {bad} at \[{at // 3}, {at % 3}\]"):
        gather3d.voxelize(points, 0.1)
    with pytest.raises(ValueError, match=rf"^points: got {bad} at \[0, {at // 3}, {at % 3}\]"):
        gather3d.farthest_point_sample(points[None], 2)


@given(SEEDS, st.integers(0, 29), st.sampled_from([7, -1, 2**40]))
def test_one_bad_coordinate_names_its_column(device, seed, at, bad):
    coords = torch.from_numpy(np.random.default_rng(seed).integers(0, 5, (2, 5, 3)))
    coords.view(-1)[at] = bad
    with pytest.raises(IndexError, match=rf"^coords\[\.\.\., {at % 3}\]: got {bad}, wanted 0 … 4$"):
        gather3d.ravel_index(coords.to(device), (5, 5, 5))


def test_large_coordinates_are_finite(device):
    """Their sum is not; the second look finds nothing to refuse."""
    points = torch.full((4, 3), 3e38, device=device)
    check_finite("points", points)
    check_finite("points", torch.full((70, 3), 6e4, dtype=torch.float16, device=device))
    points[2, 1] = NAN
    with pytest.raises(ValueError, match=r"^points: got nan at \[2, 1\], wanted finite"):
        check_finite("points", points)
    with pytest.raises(ValueError, match=r"^points: got inf at \[0, 0\], wanted finite"):
        check_finite("points", T([[INF, -INF, 0.0]], device=device))


def test_the_range_says_what_is_least(device):
    index = T([[3, -1, 0]], device=device)
    assert check_range("index", index, -1, 4) == -1
    assert check_range("index", index.clamp(min=2).int(), -1, 4) == 2
    assert check_range("index", index[:, :0], -1, 4) == -1  # nothing to read: the worst that may be


def test_unchecked_reads_no_value(device, monkeypatch):
    """Neither an index's ends nor a sum of coordinates; shapes and dtypes are refused as ever."""
    x, index = torch.rand(2, 3, 5, device=device), T([[3, -1, 0], [1, 1, 4]], device=device)
    wanted = gather3d.gather_points(x, index)
    monkeypatch.setattr(torch, "aminmax", None)
    with pytest.raises(TypeError, match="not callable"):
        gather3d.gather_points(x, index)
    with gather3d.refusals.unchecked():
        assert torch.equal(gather3d.gather_points(x, index), wanted)
        check_finite("points", T([NAN], device=device))
        coords = T([[0, 0, 0, 1], [0, 0, 0, 0]], device=device)  # in no order
        gather3d.SparseVolume(coords, zeros(2, 1, device=device), (1, 1, 2), 1)
        assert gather3d.invert_permutation(T([0, 0], device=device)).shape == (2,)
        with pytest.raises(ValueError, match=r"^index: got shape"):
            gather3d.gather_points(x, index[:1])
        with pytest.raises(TypeError, match=r"^index: got torch.float32"):
            gather3d.gather_points(x, index.float())
    with pytest.raises(ValueError, match=r"^points: got nan"):
        check_finite("points", T([NAN], device=device))


def test_unchecked_is_one_threads_word():
    with gather3d.refusals.unchecked(), ThreadPoolExecutor(1) as other:
        check_range("index", T([9]), 0, 4)
        asked = other.submit(check_range, "index", T([9]), 0, 4)
        with pytest.raises(IndexError, match=r"^index: got 9"):
            asked.result()


def test_unchecked_ends_with_an_error():
    with pytest.raises(KeyError), gather3d.refusals.unchecked():
        raise KeyError
    with pytest.raises(IndexError, match=r"^index: got 9"):
        check_range("index", T([9]), 0, 4)


def test_meta_tensors_have_no_values_to_check():
    """So shapes can be tried where no memory would hold the numbers."""
    with torch.device("meta"):
        index = whole(2, 2**31)
        assert gather3d.gather_points(zeros(2, 64, 5), index).shape == (2, 64, 2**31)
        sent = gather3d.scatter_points(zeros(2, 64, 2**31), index, 2**32, "mean")
        assert sent.shape == (2, 64, 2**32)
        assert gather3d.ravel_index(whole(2**31, 3), (9, 9, 9)).shape == (2**31,)
        check_finite("points", zeros(2**31, 3))


def test_numpy_numbers_are_numbers(device):
    points = zeros(1, 3, 3, device=device)
    assert gather3d.knn(points, points, np.int64(2))[1].shape == (1, 3, 2)
    assert gather3d.voxelize(points[0], np.float32(0.5)).voxel_size == 0.5
    coords = zeros(1, 4, dtype=torch.int64, device=device)
    assert gather3d.kernel_map(coords, (1, 1, 1), np.int32(3)).shape_out == (1, 1, 1)
