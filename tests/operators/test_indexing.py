"""gather and scatter against torch's and numpy's, flat indices against numpy's, `sources` against
autograd's Jacobian."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.functional import jacobian

import gather3d

from .inputs import (
    FLOATS,
    INTS,
    LAYOUTS,
    REDUCES,
    SEEDS,
    SIZES,
    close,
    distinct,
    indices,
    place,
    values,
    whole,
)


@st.composite
def gathers(draw, most=4):
    """(shape of input, dim, index): index no larger than input except along dim."""
    shape = draw(st.lists(st.integers(0, 3), min_size=1, max_size=most))
    dim = draw(st.integers(0, len(shape) - 1))
    inner = [draw(st.integers(0, size)) for size in shape]
    inner[dim] = draw(SIZES) if shape[dim] else 0
    return tuple(shape), dim, draw(indices(tuple(inner), 0, max(shape[dim], 1)))


def along(index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """Every position of index, as numpy's fancy indexing wants it, with index itself along dim."""
    at = list(np.indices(index.shape))
    at[dim] = index
    return tuple(at)


@given(
    gathers(), SEEDS, st.sampled_from([torch.float32, torch.int64]), INTS, LAYOUTS, st.booleans()
)
def test_gather_loops(device, case, seed, dtype, int_dtype, layout, negative):
    shape, dim, index = case
    input = whole(seed, shape, dtype)
    got = gather3d.gather_loops(
        place(input, device, layout),
        dim - len(shape) if negative else dim,
        place(index.to(int_dtype), device, layout),
    )
    close(got, input.gather(dim, index))
    cropped = input.numpy()[
        tuple(slice(n) if d != dim else slice(None) for d, n in enumerate(index.shape))
    ]
    close(got, np.take_along_axis(cropped, index.numpy(), dim))


@given(gathers(), SEEDS, FLOATS, INTS, LAYOUTS)
def test_scatter_loops_keeps_the_last(device, case, seed, dtype, int_dtype, layout):
    shape, dim, index = case
    input, src = whole(seed, shape, dtype), values(seed, index.shape, dtype)
    start = place(input, device, layout)
    got = gather3d.scatter_loops(
        start, dim, index.to(device, int_dtype), place(src, device, layout)
    )
    wanted = input.numpy().copy()
    wanted[along(index.numpy(), dim)] = src.numpy()  # numpy keeps the last of those that meet
    close(got, wanted)
    close(start, input)


def test_scatter_loops_where_nothing_meets(device):
    index = torch.stack([torch.randperm(5) for _ in range(3)], 1).to(device)
    input, src = torch.randn(5, 4, device=device), torch.randn(6, 3, device=device)
    got = gather3d.scatter_loops(input, 0, index, src)
    close(got, input.scatter(0, index, src))


@pytest.mark.parametrize("reduce", [*REDUCES, "prod"])
@given(gathers(), SEEDS, st.sampled_from([torch.float64, torch.int64]), st.booleans())
def test_scatter_loops_reduce(device, reduce, case, seed, dtype, include_self):
    shape, dim, index = case
    input, src = (
        whole(seed, shape, dtype).to(device),
        whole(seed + 1, index.shape, dtype).to(device),
    )
    index = index.to(device)
    got = gather3d.scatter_loops(input, dim, index, src, reduce, include_self)
    close(got, input.scatter_reduce(dim, index, src, reduce, include_self=include_self))
    at = {"sum": np.add.at, "amax": np.maximum.at, "amin": np.minimum.at, "prod": np.multiply.at}
    if include_self and reduce in at:
        wanted = input.cpu().numpy().copy()
        at[reduce](wanted, along(index.cpu().numpy(), dim), src.cpu().numpy())
        close(got, wanted)


@st.composite
def picks(draw, missing=True):
    """(features' shape, index): -1 among the indices, repeated ones too, and empty ones."""
    B, C, N = draw(SIZES), draw(SIZES), draw(SIZES)
    S = tuple(draw(st.lists(SIZES, max_size=3)))
    if N == 0 and not missing:
        S = (0,)
    low = -1 if missing else 0
    return (B, C, N), draw(indices((B, *S), low, max(N, low + 1)))


def numpy_pick(features: np.ndarray, index: np.ndarray, fill: float) -> np.ndarray:
    """Features with one more point that holds the fill, which numpy reads for -1."""
    B, C, _ = features.shape
    wide = np.concatenate([features, np.full((B, C, 1), fill, features.dtype)], axis=2)
    flat = np.broadcast_to(index.reshape(B, 1, math.prod(index.shape[1:])), (B, C, index[:1].size))
    flat = np.where(flat < 0, wide.shape[2] - 1, flat)
    return np.take_along_axis(wide, flat, axis=2).reshape(B, C, *index.shape[1:])


@given(picks(), SEEDS, FLOATS, INTS, LAYOUTS, st.sampled_from([0.0, -2.5, float("inf")]))
def test_gather_points(device, case, seed, dtype, int_dtype, layout, fill):
    shape, index = case
    features = values(seed, shape, dtype)
    got = gather3d.gather_points(
        place(features, device, layout), place(index.to(int_dtype), device, layout), fill
    )
    assert got.dtype == dtype
    if index.shape[0]:
        close(got, numpy_pick(features.numpy(), index.numpy(), fill), rtol=0, atol=0)
    else:
        assert got.shape == (0, shape[1], *index.shape[1:])


AT = {"sum": np.add.at, "mean": np.add.at, "amax": np.maximum.at, "amin": np.minimum.at}
START = {"sum": 0, "mean": 0, "amax": -np.inf, "amin": np.inf}


@pytest.mark.parametrize("reduce", REDUCES)
@given(picks(), SEEDS, FLOATS, INTS, LAYOUTS)
def test_scatter_points(device, reduce, case, seed, dtype, int_dtype, layout):
    (B, C, size), index = case
    sent = whole(seed, (B, C, *index.shape[1:]), dtype)
    got = gather3d.scatter_points(
        place(sent, device, layout), place(index.to(int_dtype), device, layout), size, reduce
    )
    b, *rest = np.nonzero(index.numpy() >= 0)
    slot = (b, slice(None), index.numpy()[(b, *rest)])
    wanted, met = np.full((B, C, size), START[reduce], sent.numpy().dtype), np.zeros((B, C, size))
    AT[reduce](wanted, slot, sent.numpy()[(b, slice(None), *rest)])
    np.add.at(met, slot, 1)
    if reduce == "mean":
        wanted = wanted / np.maximum(met, 1)
    assert got.dtype == dtype
    close(got, np.where(met > 0, wanted, 0))


@given(picks(), SEEDS)
def test_scatter_points_is_the_adjoint(device, case, seed):
    """⟨gather(x), y⟩ = ⟨x, scatter(y)⟩, exactly, because the numbers are whole."""
    (B, C, N), index = case
    x, y = whole(seed, (B, C, N)).to(device), whole(seed + 1, (B, C, *index.shape[1:])).to(device)
    index = index.to(device)
    left = (gather3d.gather_points(x, index) * y).sum()
    right = (x * gather3d.scatter_points(y, index, N)).sum()
    assert left == right


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("reduce", REDUCES)
def test_half_types(device, dtype, reduce):
    index = torch.tensor([[2, -1, 0, 2]], device=device)
    features = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, -6.0]]], dtype=dtype, device=device)
    got = gather3d.gather_points(features, index)
    assert got.dtype == dtype
    assert got.tolist() == [[[3, 0, 1, 3], [-6, 0, 4, -6]]]
    back = gather3d.scatter_points(got, index, 3, reduce)
    assert back.dtype == dtype
    twice = 2 if reduce == "sum" else 1
    assert back.tolist() == [[[1, 0, 3 * twice], [4, 0, -6 * twice]]]


REPEATED = torch.tensor([[[3, 0], [-1, 3], [1, 3]], [[-1, -1], [2, 0], [0, 0]]])


@pytest.mark.parametrize("reduce", REDUCES)
def test_with_and_without_a_missing_index(device, reduce):
    """Nothing missing takes a shorter way: the rest may not notice one -1 more."""
    index = REPEATED.to(device).clamp(min=0).flatten(1)  # [B, S]
    longer = F.pad(index, (0, 1), value=-1)
    x = whole(0, (2, 3, 4)).to(device)
    picked, padded = (gather3d.gather_points(x, i, 7.0) for i in (index, longer))
    close(padded, F.pad(picked, (0, 1), value=7.0))
    sent = F.pad(picked, (0, 1), value=1e3)  # what goes nowhere must not be seen anywhere
    got, wanted = (
        gather3d.scatter_points(v, i, 5, reduce) for v, i in ((sent, longer), (picked, index))
    )
    assert got.shape == wanted.shape == (2, 3, 5)
    close(got, wanted)


def test_inputs_are_not_changed(device):
    x, index = whole(0, (2, 3, 4)).to(device), REPEATED.to(device)
    before = x.clone(), index.clone()
    picked = gather3d.gather_points(x, index)
    for reduce in REDUCES:
        gather3d.scatter_points(picked, index, 4, reduce)
    close(x, before[0])
    close(index, before[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_mean_counts_past_what_the_dtype_can(device, dtype):
    """float16 cannot count on from 2048, nor bfloat16 from 256: the count is a whole number."""
    index = torch.zeros(1, 3000, dtype=torch.int64, device=device)
    sent = torch.zeros(1, 1, 3000, dtype=dtype, device=device)
    sent[..., 0] = 3000.0  # alone, so that the sum is not rounded
    mean = gather3d.scatter_points(sent, index, 1, "mean")
    close(mean.double(), torch.ones(1, 1, 1).double(), rtol=0.01, atol=0)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("clouds", [1, 2])
def test_one_cloud_or_more(device, clouds, missing):
    """One cloud may be read in another way: values and both derivatives are those of the loop."""
    index = REPEATED.to(device) if missing else REPEATED.to(device).clamp(min=0)
    index = index[:clouds]
    x = values(0, (2, 3, 4))[:clouds].to(device).requires_grad_()
    picked = gather3d.gather_points(x, index, 7.0)
    alike = [x[b][:, index[b].clamp(min=0)] for b in range(clouds)]
    close(picked, torch.stack(alike).where(index[:, None] >= 0, 7.0), rtol=0, atol=0)

    def read(x):  # squared, so that there is a second derivative
        return gather3d.gather_points(x, index, 7.0).square()

    assert gradcheck(read, x, nondet_tol=1e-12) and gradgradcheck(read, x, nondet_tol=1e-12)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("reduce", REDUCES)
def test_second_derivatives(device, reduce, missing):
    index = REPEATED.to(device) if missing else REPEATED.to(device).clamp(min=0)
    sent = distinct(0, (2, 3, 3, 2)).to(device).requires_grad_()

    def write(y):
        return gather3d.scatter_points(y, index, 5, reduce).square()

    assert gradgradcheck(write, sent, nondet_tol=1e-12)


@pytest.mark.parametrize("fill", [0.0, 7.0])
def test_gather_points_gradient(device, fill):
    features = values(0, (2, 3, 4)).to(device).requires_grad_()
    index = REPEATED.to(device)
    assert gradcheck(lambda x: gather3d.gather_points(x, index, fill), features, nondet_tol=1e-12)


def test_a_missing_neighbour_has_no_gradient(device):
    features = torch.full((1, 1, 2), float("nan"), device=device, requires_grad=True)
    gather3d.gather_points(features, torch.tensor([[-1, -1]], device=device)).sum().backward()
    assert features.grad.tolist() == [[[0, 0]]]


@pytest.mark.parametrize("reduce", REDUCES)
def test_scatter_points_gradient(device, reduce):
    sent = distinct(0, (2, 3, 3, 2)).to(device).requires_grad_()
    index = REPEATED.to(device)
    assert gradcheck(lambda x: gather3d.scatter_points(x, index, 5, reduce), sent, nondet_tol=1e-12)


def test_loops_gradient(device):
    input, src = distinct(0, (3, 2)).to(device), distinct(1, (4, 2)).to(device)
    index = torch.tensor([[0, 1], [0, 0], [2, 1], [2, 2]], device=device)
    input, src = input.requires_grad_(), src.add(0.1).requires_grad_()
    assert gradcheck(lambda x: gather3d.gather_loops(x, 0, index), input)
    for reduce in [None, *REDUCES, "prod"]:
        assert gradcheck(
            lambda x, y, r=reduce: gather3d.scatter_loops(x, 0, index, y, r), (input, src)
        )


# ---- sums are rounded once


def exact_sums(values: Tensor, index: Tensor, size: int, mean: bool) -> np.ndarray:
    """numpy's, in float64 (complex128, int64)."""
    kind = {"c": np.complex128, "f": np.float64}
    sent = values.double() if values.is_floating_point() else values
    sent = sent.numpy()
    out = np.zeros((*sent.shape[:2], size), kind.get(sent.dtype.kind, np.int64))
    met = np.zeros((len(sent), 1, size))
    for b, s in zip(*np.nonzero(index.numpy() >= 0), strict=True):
        out[b, :, index[b, s]] += sent[b, :, s]
        met[b, :, index[b, s]] += 1
    return out / np.maximum(met, 1) if mean else out


WAYS = {  # (elements from which a cloud is large, elements that are widened at a time)
    "small": (1 << 40, 1 << 40),
    "in pieces": (1 << 40, 5),
    "large": (1, 1 << 40),
    "large, in pieces": (1, 7),
}
EACH = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.int8]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", EACH, ids=str)
def test_a_sum_is_rounded_once(device, monkeypatch, way, dtype):
    """However it is cut up, and whatever the number that meet: far from zero, where each rounding
    shows, the result is float64's to the last bit."""
    monkeypatch.setattr(gather3d.sums, "LARGE", WAYS[way][0])
    monkeypatch.setattr(gather3d.sums, "BLOCK", WAYS[way][1])
    monkeypatch.setattr(gather3d.sums, "BLOCK_ON_A_GPU", WAYS[way][1])
    for S, size, low in [
        (40, 30, 0),
        (40, 30, -1),
        (40, 3, -1),
        (3, 20, -1),
        (9, 99, 0),
        (4, 1, -1),
    ]:
        random = np.random.default_rng(S + size)
        index = torch.from_numpy(random.integers(low, size, (2, S)))
        sent = torch.from_numpy(random.standard_normal((2, 5, S)) + 1000).to(dtype)
        sent[..., index[0].argmin()] = 100 if low == 0 else 120  # and what is missing is not seen
        for reduce in ("sum", "mean") if dtype != torch.int8 else ("sum",):
            got = gather3d.scatter_points(sent.to(device), index.to(device), size, reduce)
            wanted = torch.from_numpy(exact_sums(sent, index, size, reduce == "mean"))
            assert got.is_contiguous()
            assert got.dtype == (torch.int64 if dtype == torch.int8 else dtype)
            tolerance = 0 if dtype != torch.float64 and device == "cpu" else 1e-12
            close(got, wanted, rtol=tolerance, atol=0)


def test_missing_values_that_are_not_numbers_are_not_seen(device, monkeypatch):
    monkeypatch.setattr(gather3d.sums, "LARGE", 1)
    index = torch.tensor([[-1, 0, 1, -1]], device=device)
    for dtype in (torch.float32, torch.float64):
        sent = torch.tensor([[[math.nan, 1, 2, math.inf]]], device=device, dtype=dtype)
        for reduce in REDUCES:
            assert gather3d.scatter_points(sent, index, 3, reduce).tolist() == [[[1, 2, 0]]]
            none_at_0 = index + (index >= 0)
            assert gather3d.scatter_points(sent, none_at_0, 3, reduce).tolist() == [[[0, 1, 2]]]
        assert gather3d.scatter_points(sent, index.clamp(max=0), 3, "mean").tolist() == [
            [[1.5, 0, 0]]
        ]


@pytest.mark.parametrize("corner", [(206494.75, 0, 0), (5e5, 4.6e6, 100)])
@pytest.mark.parametrize("step", [0.05, 0.3, 0.7])
def test_centroids_of_far_points_lie_in_their_voxels(device, corner, step):
    axis = torch.arange(0, 10, step, dtype=torch.float64)
    flat = torch.cartesian_prod(axis, axis, torch.zeros(1, dtype=torch.float64))
    points = (flat + torch.tensor(corner, dtype=torch.float64)).float().to(device)
    voxels = gather3d.voxelize(points, 1.0)
    got = gather3d.pool(points, voxels)
    wanted = np.zeros(got.shape)
    np.add.at(wanted, voxels.inverse.cpu().numpy(), points.double().cpu().numpy())
    close(got, wanted / voxels.counts.cpu().numpy()[:, None], rtol=0, atol=0)
    low = voxels.origin + voxels.coords[:, 1:].flip(1)
    assert ((low <= got) & (got <= low + 1)).all()


def test_more_ones_than_float32_counts(device):
    """From 2²⁴ on, adding one to a float32 changes nothing."""
    many = 2**24 + 10
    one = torch.ones(1, 1, 1, device=device).expand(1, 1, many)
    index = torch.zeros(1, 1, dtype=torch.int32, device=device).expand(1, many)
    assert gather3d.scatter_points(one, index, 1, "mean").item() == 1
    assert gather3d.scatter_points(one, index, 1).item() == many
    point = torch.zeros(1, 1, 1, device=device, requires_grad=True)
    gather3d.gather_points(point, index).backward(one)
    assert point.grad.item() == many


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_neither_overflow_nor_vanish(device, dtype):
    def reduced(values, reduce):
        sent = torch.as_tensor(values, dtype=dtype, device=device).reshape(1, 1, -1)
        zeros = torch.zeros(1, sent.numel(), dtype=torch.int64, device=device)
        return gather3d.scatter_points(sent, zeros, 1, reduce).item()

    assert reduced([1] * 100_000, "mean") == 1
    assert reduced([100] * 1000, "mean") == 100
    assert reduced([65280, 65280], "mean") == 65280
    assert reduced([65280, 65280, -65280], "sum") == 65280
    assert reduced([2.0**-14] * 2**14, "sum") == 1

    # and so do the gradients: of a point that is picked 100,000 times, and of a mean of as many
    index = torch.zeros(1, 100_000, dtype=torch.int64, device=device)
    point = torch.zeros(1, 1, 1, dtype=dtype, device=device, requires_grad=True)
    gather3d.gather_points(point, index).backward(
        torch.full((1, 1, 100_000), 2.0**-3, dtype=dtype, device=device)
    )
    close(point.grad, torch.tensor([[[12_500.0]]]))
    sent = torch.zeros(1, 1, 100_000, dtype=dtype, device=device, requires_grad=True)
    gather3d.scatter_points(sent, index, 1, "mean").sum().backward()
    close(sent.grad.double(), torch.full((1, 1, 100_000), 1e-5).double(), rtol=0.01, atol=0)


def test_the_mean_of_two_large_numbers(device, monkeypatch):
    """Their sum is beyond float32, in a cloud of either size."""
    for large in (1, 1 << 40):
        monkeypatch.setattr(gather3d.sums, "LARGE", large)
        sent = torch.full((1, 1, 2), 3e38, device=device)
        index = torch.zeros(1, 2, dtype=torch.int64, device=device)
        close(gather3d.scatter_points(sent, index, 1, "mean"), sent[..., :1], rtol=0, atol=0)


def test_loops_round_a_sum_once(device):
    input = torch.zeros(1, dtype=torch.float16, device=device)
    src = torch.full((8,), 60000.0, dtype=torch.float16, device=device)
    index = torch.zeros(8, dtype=torch.int64, device=device)
    assert gather3d.scatter_loops(input, 0, index, src, "mean", False).item() == 60000


# ---- whole numbers, bools, complex numbers

WHOLE = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool]
INDEX_OF_3 = torch.tensor([[0, 2, 0, -1, 0]])


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
def test_whole_numbers(device, dtype):
    sent = torch.tensor([[[100, 2, 100, 7, 90]]]).to(dtype)
    if dtype not in (torch.uint8, torch.bool):
        sent = -sent
    index = INDEX_OF_3.to(device)
    at = [sent[0, 0, [0, 2, 4]], sent[0, 0, [1]]]
    wanted = {
        "sum": [int(at[0].sum()), 0, int(at[1].sum())],
        "amax": [at[0].amax().item(), 0, at[1].amax().item()],
        "amin": [at[0].amin().item(), 0, at[1].amin().item()],
    }
    for reduce, each in wanted.items():
        got = gather3d.scatter_points(sent.to(device), index, 3, reduce)
        assert got.dtype == (torch.int64 if reduce == "sum" else dtype)
        assert got.tolist() == [[each]]


DTYPES = [
    torch.bool,
    *(getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16),
    *(torch.float32, torch.float64, torch.complex32, torch.complex64, torch.complex128),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.filterwarnings("ignore:ComplexHalf support")
def test_gather_points_takes_every_dtype(dtype):
    features = torch.tensor([[[0.0, 1, 3, 5]]]).to(dtype)
    got = gather3d.gather_points(features, torch.tensor([[3, -1, 1]]), fill=1)
    assert got.dtype == dtype
    five = 1 if dtype == torch.bool else 5
    assert got.to(torch.complex128).tolist() == [[[five, 1, 1]]]


@pytest.mark.usefixtures("own_errors")
def test_what_a_float_may_be_filled_with():
    features, index = torch.zeros(1, 1, 1), torch.tensor([[-1]])
    for fill in (math.nan, -math.inf, np.float32(0.1), np.int64(3), 7):
        close(
            gather3d.gather_points(features, index, fill), np.full((1, 1, 1), fill), equal_nan=True
        )
    got = gather3d.gather_points(features.cfloat(), index, 1 + 2j)
    assert got.item() == 1 + 2j
    assert gather3d.gather_points(features.bool(), index, True).item() is True


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_complex_gradients(device, reduce):
    sent = torch.randn(2, 3, 3, 2, dtype=torch.complex128, device=device, requires_grad=True)
    index = REPEATED.to(device)
    for order in (gradcheck, gradgradcheck):
        assert order(lambda x: gather3d.scatter_points(x, index, 5, reduce), sent, nondet_tol=1e-12)
        x = sent.detach().flatten(2).requires_grad_()
        assert order(lambda x: gather3d.gather_points(x, index, 1j), x, nondet_tol=1e-12)


# ---- the gradient of a maximum

NAN, INF = math.nan, math.inf
ROWS = [[-INF, -INF], [INF, INF, 1], [0.0, 0, -1], [NAN, 1, 2], [NAN, NAN], [3, 3, 3], [-INF, 2]]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_the_start_takes_no_part_in_the_gradient(device, monkeypatch, reduce, compiled):
    """Every slot's gradient is that of torch.amax over the values that are sent there."""
    rows = [
        torch.tensor(row, dtype=torch.float32).mul(1 if reduce == "amax" else -1) for row in ROWS
    ]
    index = torch.cat([torch.full((len(row),), n) for n, row in enumerate(rows)])
    sent = torch.cat(rows).to(device)[None, None].requires_grad_()

    if compiled:  # the way that a graph takes
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    out = gather3d.scatter_points(sent, index[None].to(device), len(rows) + 1, reduce)
    weight = torch.arange(1.0, len(rows) + 2, device=device)
    (got,) = torch.autograd.grad(out, sent, weight[None, None])
    alone = [row.requires_grad_() for row in rows]
    values = torch.stack([getattr(torch, reduce)(row, 0) for row in alone])
    (values * weight[:-1].cpu()).sum().backward()
    close(out[0, 0], torch.cat([values, torch.zeros(1)]), equal_nan=True)
    close(got[0, 0], torch.cat([row.grad for row in alone]), equal_nan=True)


@pytest.mark.parametrize("reduce", REDUCES)
def test_forward_derivatives(device, reduce):
    """torch.func.jvp is the transpose of the backward pass, and vmap takes it."""
    index = REPEATED.to(device)
    sent, along_ = distinct(0, (2, 3, 3, 2)).to(device), values(1, (2, 3, 3, 2)).to(device)

    def write(y):
        return gather3d.scatter_points(y, index, 5, reduce)

    def read(x):
        return gather3d.gather_points(x, index, 7.0)

    for function, at, tangent in (write, sent, along_), (read, write(sent), write(along_)):
        jacobian_ = torch.func.jacrev(function)(at)
        out, forward = torch.func.jvp(function, (at,), (tangent,))
        close(out, function(at))
        close(forward, torch.tensordot(jacobian_, tangent, at.ndim))
        close(torch.func.jacfwd(function)(at), jacobian_)


# ---- which value won, and a permutation undone


@given(
    picks(),
    SEEDS,
    st.sampled_from([torch.float64, torch.int32, torch.float16]),
    INTS,
    st.booleans(),
)
def test_scatter_argmax(device, case, seed, dtype, int_dtype, holes):
    """numpy's lexsort by (slot, value falling, position): the first of each slot has won."""
    (B, C, size), index = case
    sent = whole(seed, (B, C, *index.shape[1:]), dtype)
    if holes and dtype.is_floating_point:
        sent[sent > 3], sent[sent < -3] = NAN, -INF
    got = gather3d.scatter_argmax(sent.to(device), index.to(device, int_dtype), size)
    wanted = np.full((B, C, size), -1)
    place = np.arange(math.prod(index.shape[1:]))
    for b, c in np.ndindex(B, C):
        slot = index[b].flatten().numpy()
        rank = np.nan_to_num(-sent[b, c].flatten().double().numpy(), nan=-INF, posinf=INF)
        order = np.lexsort((place, rank, slot))
        order = order[slot[order] >= 0]
        at, first = np.unique(slot[order], return_index=True)
        wanted[b, c, at] = order[first]
    assert got.dtype == torch.int64 and got.is_contiguous()
    assert np.array_equal(got.cpu().numpy(), wanted)


def test_what_won_is_the_maximum_and_gets_the_gradient(device):
    index = REPEATED.to(device)
    sent = whole(0, (2, 3, 3, 2)).to(device).requires_grad_()
    won = gather3d.scatter_argmax(sent, index, 5)
    picked = sent.flatten(2).gather(2, won.clamp(min=0)).where(won >= 0, 0)
    close(picked, gather3d.scatter_points(sent, index, 5, "amax"))
    picked.sum().backward()
    hot = torch.zeros(2, 3, 7).scatter_(2, won.cpu().where(won.cpu() >= 0, 6), 1)[..., :6]
    close(sent.grad.flatten(2), hot)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("cache", [0, 1 << 21], ids=["one by one", "two at a time"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_channels_that_are_added_together_do_not_meet(device, monkeypatch, cache, channels, dtype):
    """Not even where one of them holds what is infinite or no number."""
    monkeypatch.setattr(gather3d.sums, "CACHE", cache)
    sent = values(0, (2, channels, 30)).to(dtype)
    sent[0, 0, 3], sent[1, -1, 4] = math.inf, math.nan
    index = torch.randint(-1, 5, (2, 30), generator=torch.Generator().manual_seed(0))
    index[0, 3], index[1, 4] = 2, 4
    for reduce, of in (("sum", np.sum), ("mean", np.mean)):
        got = gather3d.scatter_points(sent.to(device), index.to(device), 5, reduce)
        for b, c, slot in np.ndindex(2, channels, 5):
            met = sent[b, c, index[b] == slot].double().numpy()
            wanted = torch.tensor(of(met) if met.size else 0.0, dtype=torch.float64)
            torch.testing.assert_close(got[b, c, slot].cpu(), wanted.to(dtype), equal_nan=True)


def test_scatter_argmax_a_few_channels_at_a_time(device, monkeypatch):
    index = REPEATED.to(device)
    sent = whole(0, (2, 3, 3, 2)).to(device)
    wanted = gather3d.scatter_argmax(sent, index, 5)
    monkeypatch.setattr(gather3d.indexing, "BLOCK", 1)
    assert torch.equal(gather3d.scatter_argmax(sent, index, 5), wanted)


@given(st.lists(SIZES, max_size=2), st.integers(0, 9), SEEDS, INTS, LAYOUTS)
def test_invert_permutation(device, batch, N, seed, dtype, layout):
    random = np.random.default_rng(seed)
    p = random.permuted(np.broadcast_to(np.arange(N), (*batch, N)), axis=-1)
    got = gather3d.invert_permutation(place(torch.from_numpy(p).to(dtype), device, layout))
    assert got.dtype == torch.int64 and got.is_contiguous()
    assert np.array_equal(got.cpu().numpy(), p.argsort(-1))
    close(torch.from_numpy(p).gather(-1, got.cpu()), np.broadcast_to(np.arange(N), p.shape))


# ---- where and how it is called

CALLS = {
    **{r: lambda x, i, r=r: gather3d.scatter_points(x, i, np.int64(5), r) for r in REDUCES},
    "argmax": lambda x, i: gather3d.scatter_argmax(x, i, np.int32(5)),
    "gather": lambda x, i: gather3d.gather_points(x.flatten(2), i, 0.5),
    "loops": lambda x, i: gather3d.scatter_loops(x, 1, i[:, None].clamp(0, 2), x, "mean"),
    "ravel": lambda x, i: gather3d.ravel_index(i.clamp(min=0).mT, (4, 4, 4)),
    "unravel": lambda x, i: gather3d.unravel_index(i.clamp(min=0).mT, (4, 4, 4)),
    "invert": lambda x, i: gather3d.invert_permutation(i.flatten().argsort()),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("own_errors")
def test_nothing_depends_on_what_is_around(name):
    """Neither on a default device, nor on autocast; and the result is contiguous."""
    x, index = distinct(0, (2, 3, 3, 2)).float().requires_grad_(), REPEATED
    for missing in (index, index.clamp(min=0)):
        plain = CALLS[name](x, missing)
        assert plain.is_contiguous()
        results = [plain]
        with torch.device("meta"):
            results.append(CALLS[name](x, missing))
        with torch.autocast("cpu", torch.bfloat16):
            results.append(CALLS[name](x, missing))
        for out in results:
            assert out.dtype == plain.dtype and torch.equal(out, plain)
        if plain.requires_grad:
            with torch.device("meta"):
                grads = [torch.autograd.grad(out.sum(), x)[0] for out in results]
            assert torch.equal(grads[0], grads[1]) and torch.equal(grads[0], grads[2])


@st.composite
def grids(draw, largest=7):
    """(shape, coords [*S, k] inside it)."""
    shape = tuple(draw(st.lists(st.integers(1, largest), min_size=1, max_size=5)))
    S = tuple(draw(st.lists(SIZES, max_size=2)))
    columns = [draw(indices(S, 0, size)) for size in shape]
    return shape, torch.stack(columns, dim=-1)


@given(st.one_of(grids(), grids(largest=4000)), INTS, LAYOUTS)
def test_ravel_and_unravel(device, case, dtype, layout):
    shape, coords = case
    flat = gather3d.ravel_index(place(coords.to(dtype), device, layout), shape)
    assert flat.dtype == torch.int64
    close(
        flat,
        np.ravel_multi_index(tuple(coords.numpy().reshape(-1, len(shape)).T), shape).reshape(
            coords.shape[:-1]
        ),
    )
    back = gather3d.unravel_index(place(flat, device, layout), shape)
    assert back.dtype == torch.int64
    close(back, np.stack(np.unravel_index(flat.cpu().numpy(), shape), axis=-1))
    close(back, coords)


@given(st.data())
def test_ravel_beyond_int32(device, data):
    shape = (3, 2**20, 2**20, 2**20)
    coords = torch.stack([data.draw(indices((4,), 0, size)) for size in shape], dim=-1)
    flat = gather3d.ravel_index(coords.to(device, torch.int32), shape)
    close(flat, np.ravel_multi_index(tuple(coords.numpy().T), shape))
    close(gather3d.unravel_index(flat, shape), coords)


def test_an_empty_grid_holds_nothing(device):
    nothing = torch.zeros(0, 2, dtype=torch.int64, device=device)
    assert gather3d.ravel_index(nothing, (3, 0)).shape == (0,)
    assert gather3d.unravel_index(nothing[:, 0], (3, 0)).shape == (0, 2)
    assert gather3d.ravel_index(torch.zeros(5, 0, dtype=torch.int64, device=device), ()).eq(0).all()
    one_cell = gather3d.unravel_index(torch.zeros(5, dtype=torch.int32, device=device), ())
    assert one_cell.shape == (5, 0) and one_cell.dtype == torch.int64


INDEX = torch.tensor([[3, -1, 0, 3, 1]])
COORDS = values(3, (1, 6, 3)).mul(2)
LINEAR = {
    "flip": ((2, 6), lambda x: x.flip(0)),
    "permute": ((2, 3, 4), lambda x: x.permute(2, 0, 1)),
    "roll": ((2, 6), lambda x: x.roll(1, dims=1)),
    "sum": ((2, 6), lambda x: x.sum()),
    "of one number": ((), lambda x: 3 * x),
    "mean": ((2, 6), lambda x: x.mean(1)),
    "cumsum": ((2, 6), lambda x: x.cumsum(0)),
    "diff": ((2, 6), lambda x: x.diff(dim=1)),
    "zero": ((2, 6), lambda x: x * 0),
    "twice": ((5,), lambda x: 2 * x),
    "minus": ((5,), lambda x: -x),
    "pad": ((2, 3), lambda x: F.pad(x, (1, 2))),
    "gather": ((2, 4), lambda x: x.gather(1, torch.tensor([[0, 0, 3], [1, 1, 0]]))),
    "gather_points": ((1, 2, 4), lambda x: gather3d.gather_points(x, INDEX)),
    "scatter_points": ((1, 2, 5), lambda x: gather3d.scatter_points(x, INDEX, 4)),
    "scatter_points mean": ((1, 2, 5), lambda x: gather3d.scatter_points(x, INDEX, 4, "mean")),
    "trilinear": ((1, 1, 2, 3, 2), lambda x: gather3d.trilinear_sample(x, COORDS)),
    "upsample": ((1, 2, 4), lambda x: F.interpolate(x, scale_factor=2, mode="linear")),
    "float32": ((3,), lambda x: (x * 0.1).float()),
}


@pytest.mark.parametrize("name", LINEAR)
def test_sources_is_the_jacobian(name):
    shape, fn = LINEAR[name]
    found = gather3d.sources(fn, shape)
    wanted = jacobian(fn, torch.zeros(shape, dtype=torch.float64))
    out_shape = tuple(wanted.shape[: wanted.ndim - len(shape)])
    assert (found.input_shape, found.output_shape) == (shape, out_shape)
    assert found.matrix.layout == torch.sparse_coo and found.matrix.dtype == torch.float64
    close(found.matrix.to_dense(), wanted.reshape(math.prod(out_shape), math.prod(shape)))


@pytest.mark.parametrize("shape", [(0,), (3,), (0, 2)])
def test_sources_of_nothing(shape):
    assert gather3d.sources(lambda x: x[:0], shape).matrix.shape == (0, math.prod(shape))
    assert gather3d.sources(lambda x: x.sum() + x.new_zeros(4), shape).output_shape == (4,)


@given(gathers(most=3))
def test_sources_of_a_gather_has_one_weight_in_a_row(case):
    shape, dim, index = case
    matrix = gather3d.sources(lambda x: x.gather(dim, index), shape).matrix
    numbered = np.arange(math.prod(shape)).reshape(shape)
    cropped = numbered[
        tuple(slice(n) if d != dim else slice(None) for d, n in enumerate(index.shape))
    ]
    columns = np.take_along_axis(cropped, index.numpy(), dim).ravel()
    assert matrix.shape == (index.numel(), math.prod(shape))
    assert matrix.indices().tolist() == [list(range(index.numel())), columns.tolist()]
    assert matrix.values().tolist() == [1.0] * index.numel()


@given(st.integers(0, 5), st.integers(0, 5), SEEDS)
def test_sources_finds_any_matrix(rows, columns, seed):
    wanted = whole(seed, (rows, columns)) * whole(seed + 1, (rows, columns)).relu()
    got = gather3d.sources(lambda x: wanted @ x, (columns,)).matrix
    close(got.to_dense(), wanted)
    assert got._nnz() == int(wanted.count_nonzero())


def test_sources_calls_a_selection_a_few_times_only():
    calls = []
    gather3d.sources(lambda x: calls.append(1) or x.flip(0), (1000,))
    assert len(calls) < 20


NOT_LINEAR = {
    "relu": torch.relu,
    "amax": lambda x: x.amax(0),
    "add": lambda x: x + 1,
    "square": lambda x: x * x,
    "abs": torch.abs,
    "sort": lambda x: x.sort(0)[0],
    "round": torch.round,
    "clamp": lambda x: x.clamp(max=50),
    "where": lambda x: torch.where(x > 0, x, 2 * x),
    "a shape that depends on values": lambda x: x[x > 0],
    "divide": lambda x: x / x.sum(),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_sources_refuses(name):
    with pytest.raises(ValueError, match=r"^fn: got .*, wanted a linear function$"):
        gather3d.sources(NOT_LINEAR[name], (3, 2))


def test_sources_refuses_what_gives_no_tensor():
    with pytest.raises(TypeError, match=r"^fn: got float back, wanted a tensor"):
        gather3d.sources(lambda x: float(x.sum()), (3,))


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_scatter_points_shares_the_gradient_of_a_tie_as_torch_amax_does(reduce, device):
    for tied in (0.0, 3.0):  # 0 is also what an untouched slot holds, and may take no share
        values = torch.full((1, 1, 2), tied, device=device, requires_grad=True)
        index = torch.zeros(1, 2, dtype=torch.int64, device=device)
        gather3d.scatter_points(values, index, 2, reduce).sum().backward()
        alone = torch.full((2,), tied, device=device, requires_grad=True)
        getattr(torch, reduce)(alone, 0).backward()
        assert values.grad.flatten().tolist() == alone.grad.tolist() == [0.5, 0.5]
