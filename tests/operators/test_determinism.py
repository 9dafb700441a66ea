"""The same bits every time: on the CPU always, on CUDA where no two values are added in one place.

On every device there is, an operator runs 20 times on inputs large enough for several threads (on
the stand-in twice, on small ones: its kernels are the CPU's). And for CUDA, which a machine may
lack, its additions are found on the CPU: PyTorch's list of operations that are not deterministic
there names scatter_add, index_add and others, and they are, unless two values meet in one element
and their sum has to be rounded.
"""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .operators import CASES, PROMISES

RUNS, SIZE, FEW = 20, 10_000, 100
names = {"ids": lambda case: case.name}
LISTED = {  # by PyTorch's documentation, of a CUDA tensor, unless it says CPU
    "scatter_add": ":func:`torch.Tensor.scatter_add_` when called on a CUDA tensor",
    "index_add": ":func:`torch.index_add` when called on CUDA tensor",
    "scatter_reduce": ":func:`torch.Tensor.scatter_reduce` when ``reduce='sum'`` or",
    "index_put": ":func:`torch.Tensor.index_put` with ``accumulate=True`` when called on a CPU",
}
WORSE = {  # what would throw under torch.use_deterministic_algorithms, and is never called here
    "cumsum": ":func:`torch.cumsum` when called on a CUDA tensor when dtype is floating point",
    "put": ":func:`torch.Tensor.put_` when ``accumulate=False``",
    "bincount": ":func:`torch.bincount` when called on a CUDA tensor and ``weights``",
    "histc": ":func:`torch.histc` when called on a CUDA tensor",
    "grid_sampler_3d_backward": ":func:`torch.nn.functional.grid_sample` when attempting to",
}
EARLIER = {"kthvalue"}  # of a CUDA tensor: on that list in earlier releases


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def deterministic(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS wants for it
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def results(case, device: str, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """Values in float32, and the gradients of their weighted sum."""
    run, tensors = case.build(device, size)
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    leaves = [
        t.requires_grad_() for t in tensors.values() if case.gradient and t.dtype.is_floating_point
    ]
    values = list(run(**tensors))
    if not case.gradient:
        return values, []
    floats = [v for v in values if v.dtype.is_floating_point]
    random = torch.Generator().manual_seed(0)
    cotangents = [torch.randn(v.shape, generator=random).to(device) for v in floats]
    return values, list(torch.autograd.grad(floats, leaves, cotangents))


def same_bits(case, device: str, runs: int, parts: tuple[int, ...] = (0, 1)) -> None:
    size = SIZE if device != "standin" else FEW
    first, *others = (results(case, device, size) for _ in range(runs))
    for other in others:
        for part in parts:
            assert all(map(torch.equal, first[part], other[part]))


@pytest.mark.parametrize("case", CASES, **names)
@pytest.mark.usefixtures("two_threads")
def test_20_runs_give_the_same_bits(device, case):
    order = PROMISES[case.operator].any_order if device == "cuda" else ()
    parts = [part for part, what in enumerate(("values", "gradients")) if what not in order]
    same_bits(case, device, 2 if device == "standin" else RUNS, tuple(parts))


@pytest.mark.parametrize("case", CASES, **names)
@pytest.mark.usefixtures("two_threads", "deterministic")
def test_so_do_deterministic_algorithms_on_every_device(device, case):
    """And none of them refuses. On the CPU nothing is left to them, so a few runs will do."""
    same_bits(case, device, RUNS if device == "cuda" else 2)


class Additions(TorchDispatchMode):
    """The listed operations that add two numbers in one element, where the order can be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self.worse = set(), set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name, kwargs = func._schema.name.removeprefix("aten::").rstrip("_"), kwargs or {}
        if name in WORSE.keys() | EARLIER and not (
            name == "cumsum" and not args[0].is_floating_point()
        ):
            self.worse.add(name)
        if name in LISTED and self.meet(name, args, kwargs):
            self.found.add(name)
        return func(*args, **kwargs)

    @staticmethod
    def meet(name: str, args: tuple, kwargs: dict) -> bool:
        if name == "index_put":  # self, indices, values, accumulate
            if not (len(args) > 3 and args[3]):
                return False
            index, source = torch.stack([i.flatten() for i in args[1] if i is not None]), args[2]
            alike = index.shape[1] > index.unique(dim=1).shape[1]
        else:  # self, dim, index, source
            if name == "scatter_reduce" and args[4] not in ("sum", "mean"):
                return False
            dim, index, source = args[1:4]
            lines = index.movedim(dim, -1).flatten(0, -2) if index.ndim > 1 else index[None]
            alike = any(len(line.unique()) < len(line) for line in lines)
        source = torch.view_as_real(source) if source.is_complex() else source
        whole = not source.is_floating_point() or bool((source == source.round()).all())
        return alike and not whole  # whole numbers give one sum in any order


@pytest.mark.parametrize("case", CASES, **names)
def test_what_is_added_in_any_order(case):
    """The promise names what the operators of this kind add where two meet, and no more."""
    found = {}
    for part in ("values", "gradients"):
        with Additions() as additions:
            run, tensors = case.build(size=4000)  # where searches are not by all pairs
            tensors = {
                name: (t * 1.1).requires_grad_(case.gradient) if t.is_floating_point() else t
                for name, t in tensors.items()
            }
            outputs = [out for out in run(**tensors) if out.is_floating_point()]
            if part == "gradients" and case.gradient:
                additions.found.clear()
                leaves = [t for t in tensors.values() if t.requires_grad]
                torch.autograd.grad([out.square().sum() for out in outputs], leaves)
        found[part] = additions.found
        assert not additions.worse and "index_put" not in additions.found
    parts = {part for part in found if found[part]}
    # the other reductions of one operator add, and the other mode does, in its gradient
    exact = case.name.endswith(("amax", "amin", "nearest"))
    assert parts == ({*PROMISES[case.operator].any_order} if not exact else set())


def test_the_list_is_pytorch_s():
    said = " ".join(torch.use_deterministic_algorithms.__doc__.split())
    for line in (LISTED | WORSE).values():
        assert line in said


def test_an_addition_in_any_order_is_found():
    index, source = torch.tensor([0, 2, 0]), torch.tensor([0.1, 0.2, 0.3])
    with Additions() as additions:
        torch.zeros(3).index_add(0, index, torch.ones(3))
        torch.zeros(3).index_add(0, index[:2], source[:2])
    assert not additions.found
    with Additions() as additions:
        torch.zeros(3).index_add(0, index, source)
        torch.zeros(3).scatter_add_(0, index, source)
        torch.zeros(3).index_put_((index,), source, accumulate=True)
        source.cumsum(0)
    assert additions.found == {"index_add", "scatter_add", "index_put"}
    assert additions.worse == {"cumsum"}
