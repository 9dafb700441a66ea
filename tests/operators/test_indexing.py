"""gather and scatter against torch's and numpy's, flat indices against numpy's, `sources` against
autograd's Jacobian."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
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
    assert len(calls) < 10


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
