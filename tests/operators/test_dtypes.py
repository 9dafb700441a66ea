"""Every operator in every dtype that it promises: the dtype comes back, the value is float64's."""

import pytest
import torch

import gather3d

from .operators import CASES, PROMISES, Case

HALVES = [torch.float16, torch.bfloat16]
FLOATS = [c for c in CASES if PROMISES[c.operator].floats]
INTS = [c for c in CASES if PROMISES[c.operator].indices]
names = {"ids": lambda value: value.name if isinstance(value, Case) else str(value).split(".")[-1]}


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32], **names)
@pytest.mark.parametrize("case", FLOATS, **names)
def test_a_float_dtype_differs_by_its_rounding(device, case, dtype):
    """Values and gradients; the inputs are the same numbers in all dtypes."""
    run, tensors = case.build(device)
    results = {}
    for precision in (torch.float64, dtype):
        leaves = {
            name: t.to(precision).requires_grad_(case.gradient) if t.is_floating_point() else t
            for name, t in tensors.items()
        }
        outputs = run(**leaves)
        results[precision] = list(outputs)
        if case.gradient:
            floats = [t for t in outputs if t.is_floating_point()]
            wanted = [t for t in leaves.values() if t.is_floating_point()]
            results[precision] += torch.autograd.grad([t.sum() for t in floats], wanted)
    for got, exact in zip(results[dtype], results[torch.float64], strict=True):
        if exact.is_floating_point():
            assert got.dtype == dtype
            scale = max(1, float(exact.abs().max()))
            error = float((got.double() - exact).abs().max())
            assert error <= 16 * torch.finfo(dtype).eps * scale
        else:
            assert torch.equal(got, exact)


@pytest.mark.parametrize("case", INTS, **names)
def test_int32_gives_what_int64_gives(device, case):
    run, tensors = case.build(device)
    wanted = run(**tensors)
    integers = [name for name, t in tensors.items() if not t.is_floating_point()]
    for name in integers:
        got = run(**tensors | {name: tensors[name].int()})
        for a, b in zip(got, wanted, strict=True):
            # what is computed is int64; coordinates that are handed through stay what they were
            assert a.dtype in (b.dtype, torch.int32)
            assert torch.equal(a, b.to(a.dtype))
    assert integers


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint8, torch.bool, torch.float32], **names)
@pytest.mark.parametrize("case", INTS, **names)
@pytest.mark.usefixtures("own_errors")
def test_no_other_dtype_is_an_index(device, case, dtype):
    run, tensors = case.build(device)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            with pytest.raises(TypeError, match=rf"^[\w.]+.*: got {dtype}, wanted int64 or int32"):
                run(**tensors | {name: tensor.clamp(min=0).to(dtype)})


@pytest.mark.parametrize("case", [c for c in CASES if PROMISES[c.operator].floats], **names)
@pytest.mark.usefixtures("own_errors")
def test_coordinates_are_floating_point(device, case):
    """Positions in whole metres as int64 are refused: rounding them later would hide it."""
    run, tensors = case.build(device)
    for name in {"query", "points", "offset"} & tensors.keys():
        with pytest.raises(TypeError, match=rf"^{name}: got torch.int64, wanted a floating-point"):
            run(**tensors | {name: tensors[name].long()})


@pytest.mark.parametrize("half", HALVES, **names)
def test_autocast_runs(half):
    """Inside torch.autocast a matrix product comes in half, and what it is added to does not."""
    coords = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]])
    x = gather3d.SparseVolume(coords, torch.ones(2, 3), (1, 1, 2), 1)
    with torch.autocast("cpu", half):
        out = gather3d.sparse_conv3d(x, torch.ones(4, 3, 1, 1, 3), torch.ones(4)).features
        offset = torch.zeros(1, 9, 1, 1, 2)
        dense = gather3d.deform_conv3d(
            x.to_dense(), offset, torch.ones(4, 3, 1, 1, 3), torch.ones(4), padding=(0, 0, 1)
        )
    assert torch.equal(out.float(), torch.full((2, 4), 7.0))
    assert torch.equal(dense.float(), torch.full((1, 4, 1, 1, 2), 7.0))
