"""torch.compile(fullgraph=True) gives what the operator gives, or says why it cannot.

Each graph is made from one set of values and then used on another, with missing indices where there
were none, so that a value that was built into it shows.
"""

import importlib.util
import sys
from operator import attrgetter

import pytest
import torch
from tests.needs import SEARCH
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd

import gather3d

from . import operators
from .operators import CASES, PROMISES, Run, all_there


@pytest.fixture(autouse=True)
def as_installed(monkeypatch):
    """A second copy of the package, without the checks of its annotations, which no graph can hold
    and which nobody has outside these tests."""
    if (name := "gather3d_as_installed") not in sys.modules:
        where = gather3d.__spec__
        spec = importlib.util.spec_from_file_location(
            name, where.origin, submodule_search_locations=where.submodule_search_locations
        )
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    monkeypatch.setattr(operators, "g", sys.modules[name])
    # by default in newer versions of torch, in a whole graph
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        yield


TAKEN = [c for c in CASES if PROMISES[c.operator].graph is None]
REFUSED = [c for c in CASES if PROMISES[c.operator].graph is not None]


def compiled(run: Run, backend: str) -> Run:
    torch._dynamo.reset()
    return torch.compile(run, fullgraph=True, backend=backend)


def gradients(outputs: tuple[Tensor, ...], tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    floats = [out for out in outputs if out.is_floating_point()]
    leaves = [t for t in tensors.values() if t.requires_grad]
    return torch.autograd.grad([out.square().sum() for out in floats], leaves)


@pytest.mark.usefixtures("graphs")
@pytest.mark.parametrize("case", TAKEN, ids=lambda c: c.name)
def test_one_graph_gives_the_same(device, case):
    """Values and gradients, through the graph that every backend starts from."""
    run, tensors = case.build(device)
    for t in tensors.values():
        t.requires_grad_(case.gradient and t.is_floating_point())
    graph = compiled(run, "aot_eager")
    graph(**all_there(tensors))
    got, wanted = graph(**tensors), run(**tensors)
    if case.gradient:
        got += gradients(got, tensors)
        wanted += gradients(wanted, tensors)
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b)


# no processes to compile in beside this one, and no trials of which vector instructions there are
ONCE = {"compile_threads": 1, "cpp.vec_isa_ok": True}
ONE_OF_EACH = {case.operator: case for case in reversed(TAKEN)}
MODULES = {attrgetter(name)(gather3d).__module__: name for name in reversed(ONE_OF_EACH)}
INDUCED = ONE_OF_EACH if SEARCH else MODULES.values()  # where there is time, every operator


@pytest.mark.usefixtures("graphs", "compiler")
@pytest.mark.parametrize("case", [ONE_OF_EACH[name] for name in INDUCED], ids=lambda c: c.name)
def test_the_default_backend_gives_the_same(device, case):
    """Through inductor, which writes C++ (or Triton) and compiles it: some seconds each."""
    run, tensors = case.build(device)
    with torch._inductor.config.patch(ONCE):
        graph = compiled(run, "inductor")
        graph(**all_there(tensors))
        got = graph(**tensors)
    for a, b in zip(got, run(**tensors), strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b)


def steps(function, *tensors: Tensor) -> list[int]:
    """How many operations the compiler gets: of the call, and of its gradient."""
    counts = []

    def counted(graph, inputs):
        counts.append(sum(node.op == "call_function" for node in graph.graph.nodes))
        return graph.forward

    torch._dynamo.reset()
    out = torch.compile(
        function, fullgraph=True, backend=aot_autograd(fw_compiler=counted, bw_compiler=counted)
    )(*tensors)
    if out.requires_grad:
        out.sum().backward()
    return counts


def deformed(kernel: tuple[int, ...], groups: int = 1) -> list[int]:
    K = kernel[0] * kernel[1] * kernel[2]
    pad = tuple(k // 2 for k in kernel)
    tensors = [torch.rand(2, 4, 5, 6, 7), torch.rand(2, groups * 3 * K, 5, 6, 7)]
    tensors += [torch.rand(3, 4, *kernel), torch.rand(2, groups * K, 5, 6, 7)]
    leaves = [t.requires_grad_() for t in tensors]
    call = operators.g.deform_conv3d
    return steps(lambda x, offset, w, mask: call(x, offset, w, None, mask, padding=pad), *leaves)


def neighbours(size: int) -> list[int]:
    coords = torch.ones(3, 3, 3).nonzero()
    coords = torch.cat([coords[:, :1] * 0, coords], dim=1)
    return steps(lambda coords: operators.g.neighbour_index(coords, size), coords)


def sampled(channels: int, samples: int) -> list[int]:
    volume = torch.rand(1, channels, 3, 4, 5).requires_grad_()
    coords = torch.rand(1, samples, 3).requires_grad_()
    return steps(operators.g.trilinear_sample, volume, coords)


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (lambda: deformed((1, 1, 3), groups=2), lambda: deformed((3, 3, 3), groups=2)),
        (lambda: neighbours(3), lambda: neighbours(5)),
        (lambda: sampled(3, 40), lambda: sampled(40, 70_000)),
    ],
    ids=["taps and groups of deform_conv3d", "taps of neighbour_index", "channels and samples"],
)
def test_a_graph_does_not_grow_with_its_sizes(few, many):
    """A loop over taps, or over parts that fit in a cache, is compiled time after time."""
    assert few() == many()


@pytest.mark.usefixtures("graphs")
@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c.name)
def test_what_cannot_be_one_graph_says_so(device, case):
    run, tensors = case.build(device)
    with pytest.raises((torch._dynamo.exc.TorchDynamoException, IndexError)):
        compiled(run, "eager")(**tensors)
