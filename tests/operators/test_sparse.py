"""Sparse convolution against F.conv3d of the dense volume, at every output and in its gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

import gather3d
from gather3d import SparseVolume

from .inputs import FLOATS, INTS, LAYOUTS, SEEDS, close, place, values, whole

KERNELS = st.sampled_from([1, 2, 3, 4, (1, 3, 3), (3, 1, 2), (2, 3, 1), (1, 1, 5)])
STEPS = st.sampled_from([1, 2, 3, (1, 2, 2), (3, 1, 2)])
PADDINGS = st.sampled_from([None, 0, 1, 2, (0, 1, 2), (2, 0, 1)])
DILATIONS = st.sampled_from([1, 2, (1, 2, 1), (2, 1, 3)])


def three(value):
    return (value,) * 3 if isinstance(value, int) else value


@st.composite
def volumes(draw, dtype=None):
    """Dense volumes of whole numbers, mostly empty or mostly full; no active voxel is 0."""
    shape = [
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        *(draw(st.integers(1, 5)) for _ in "zyx"),
    ]
    rng = np.random.default_rng(draw(SEEDS))
    on = rng.random((shape[0], 1, *shape[2:])) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    filled = rng.integers(1, 5, shape) * rng.choice([-1, 1], shape)
    return torch.from_numpy(filled * on).to(dtype or draw(FLOATS))


@given(volumes(), LAYOUTS)
def test_round_trip(device, dense, layout):
    sparse = SparseVolume.from_dense(place(dense, device, layout))
    close(sparse.to_dense(), dense)
    close(sparse.coords, np.argwhere((dense != 0).any(1).numpy()).reshape(-1, 4))
    b, z, y, x = sparse.coords.cpu().numpy().T
    close(sparse.features, dense.numpy()[b, :, z, y, x])
    assert (sparse.shape, sparse.batch_size) == (tuple(dense.shape[2:]), len(dense))
    again = SparseVolume.from_dense(sparse.to_dense())
    close(again.coords, sparse.coords)
    close(again.features, sparse.features)


@pytest.mark.parametrize(
    "shape", [(0, 2, 3, 3, 3), (2, 0, 3, 3, 3), (2, 2, 3, 0, 3), (1, 2, 3, 3, 3)]
)
def test_nothing_active(device, shape):
    dense = torch.zeros(shape, device=device)
    sparse = SparseVolume.from_dense(dense)
    assert len(sparse.coords) == 0
    close(sparse.to_dense(), dense)
    out = gather3d.sparse_conv3d(sparse, torch.ones(4, shape[1], 3, 3, 3, device=device))
    close(out.to_dense(), torch.zeros(shape[0], 4, *shape[2:]))


def convolutions(
    dense,
    weight,
    bias,
    device,
    *sizes,
    submanifold=False,
    layout="contiguous",
    int_dtype=torch.int64,
):
    """The sparse result, the dense one, and which of its outputs read an active voxel."""
    x = SparseVolume.from_dense(dense.to(device))
    x = SparseVolume(
        place(x.coords.to(int_dtype), device, layout),
        place(x.features, device, layout),
        x.shape,
        x.batch_size,
    )
    got = gather3d.sparse_conv3d(
        x,
        place(weight, device, layout),
        None if bias is None else bias.to(device),
        *sizes,
        submanifold=submanifold,
    )
    stride, padding, dilation = sizes
    kernel = tuple(weight.shape[2:])
    padding = tuple(k // 2 for k in kernel) if padding is None else padding
    sizes = {"stride": stride, "padding": padding, "dilation": dilation}
    wanted = F.conv3d(dense, weight, bias, **sizes)
    on = (dense != 0).any(1, keepdim=True).to(dense.dtype)
    reached = F.conv3d(on, torch.ones(1, 1, *kernel, dtype=dense.dtype), **sizes)[:, 0] > 0
    return x, got, wanted, reached


@given(
    volumes(),
    KERNELS,
    STEPS,
    PADDINGS,
    DILATIONS,
    st.integers(0, 3),
    SEEDS,
    LAYOUTS,
    INTS,
    st.booleans(),
)
def test_sparse_conv3d(
    device, dense, kernel, stride, padding, dilation, Co, seed, layout, ints, with_bias
):
    kernel = three(kernel)
    pads = tuple(k // 2 for k in kernel) if padding is None else three(padding)
    room = zip(dense.shape[2:], kernel, pads, three(dilation), strict=True)
    assume(all(n + 2 * p > d * (k - 1) for n, k, p, d in room))
    weight = whole(seed, (Co or 1, dense.shape[1], *kernel), dense.dtype)
    bias = whole(seed + 1, (len(weight),), dense.dtype) if with_bias else None
    _, got, wanted, reached = convolutions(
        dense, weight, bias, device, stride, padding, dilation, layout=layout, int_dtype=ints
    )
    close(got.coords, reached.nonzero())  # active where a tap reads an active voxel, and sorted
    assert (got.shape, got.batch_size) == (tuple(wanted.shape[2:]), len(dense))
    close(got.to_dense(), wanted * reached[:, None])
    if bias is None:
        close(got.to_dense(), wanted)


@given(
    volumes(),
    st.sampled_from([1, 3, 5, (1, 3, 3), (3, 5, 1)]),
    DILATIONS,
    SEEDS,
    LAYOUTS,
    st.booleans(),
)
def test_submanifold(device, dense, kernel, dilation, seed, layout, with_bias):
    kernel = three(kernel)
    weight = whole(seed, (2, dense.shape[1], *kernel), dense.dtype)
    bias = whole(seed + 1, (2,), dense.dtype) if with_bias else None
    centred = tuple(d * (k // 2) for k, d in zip(kernel, three(dilation), strict=True))
    x = SparseVolume.from_dense(dense.to(device))
    got = gather3d.sparse_conv3d(
        x,
        place(weight, device, layout),
        None if bias is None else bias.to(device),
        dilation=dilation,
        submanifold=True,
    )
    close(got.coords, x.coords)
    on = (dense != 0).any(1, keepdim=True)
    close(got.to_dense(), F.conv3d(dense, weight, bias, padding=centred, dilation=dilation) * on)


@given(volumes(), KERNELS, STEPS, PADDINGS, DILATIONS)
def test_kernel_map(device, dense, kernel, stride, padding, dilation):
    """(i, o) is a pair of tap k exactly where in = out · stride - padding + k · dilation."""
    kernel, steps, dilations = three(kernel), three(stride), three(dilation)
    pads = tuple(k // 2 for k in kernel) if padding is None else three(padding)
    room = zip(dense.shape[2:], kernel, pads, dilations, strict=True)
    assume(all(n + 2 * p > d * (k - 1) for n, k, p, d in room))
    coords = SparseVolume.from_dense(dense.to(device)).coords
    got = gather3d.kernel_map(coords, tuple(dense.shape[2:]), kernel, stride, padding, dilation)
    row = {tuple(c): i for i, c in enumerate(coords.tolist())}
    assert len(got.pairs) == np.prod(kernel)
    for tap, (i, o) in zip(np.ndindex(kernel), got.pairs, strict=True):
        wanted = set()
        for at, (b, *out) in enumerate(got.coords_out.tolist()):
            read = [
                c * s - p + k * d
                for c, s, p, k, d in zip(out, steps, pads, tap, dilations, strict=True)
            ]
            if (b, *read) in row:
                wanted.add((row[(b, *read)], at))
        pairs = list(zip(i.tolist(), o.tolist(), strict=True))
        assert len(pairs) == len(set(pairs)) and set(pairs) == wanted


@given(volumes(), st.sampled_from([1, 3, (1, 3, 5), (5, 1, 3)]), DILATIONS, SEEDS, st.booleans())
def test_submanifold_kernel_map(device, dense, kernel, dilation, seed, shuffled):
    """Pairs of active voxels; in the order of the outputs, if the coordinates are in order."""
    coords = SparseVolume.from_dense(dense).coords
    if shuffled:
        order = torch.Generator().manual_seed(seed % 2**31)
        coords = coords[torch.randperm(len(coords), generator=order)]
    shape, kernel, apart = tuple(dense.shape[2:]), three(kernel), three(dilation)
    got = gather3d.kernel_map(coords.to(device), shape, kernel, dilation=dilation, submanifold=True)
    close(got.coords_out, coords)
    row = {tuple(c): i for i, c in enumerate(coords.tolist())}
    for tap, (i, o) in zip(np.ndindex(kernel), got.pairs, strict=True):
        step = [(k - n // 2) * d for k, n, d in zip(tap, kernel, apart, strict=True)]
        read = [(b, *np.add(zyx, step).tolist()) for b, *zyx in coords.tolist()]
        wanted = [(row[place], at) for at, place in enumerate(read) if place in row]
        pairs = list(zip(i.tolist(), o.tolist(), strict=True))
        assert (sorted(pairs) if shuffled else pairs) == (sorted(wanted) if shuffled else wanted)


def test_a_tap_of_the_same_rows_on_both_sides(device):
    """Every row with itself needs no gather; some rows with themselves are not every row."""
    features, weight = values(0, (4, 2)).to(device), values(1, (3, 2, 1, 1, 1)).to(device)
    rows = torch.tensor([2, 0, 3, 1], device=device)
    coords = torch.tensor([[0, 0, 0, x] for x in range(4)], device=device)
    for count in (4, 2, 0):
        some = rows[:count]
        rulebook = gather3d.KernelMap(((some, some),), coords, (1, 1, 4), coords, (1, 1, 4))
        wanted = torch.zeros(4, 3, dtype=torch.float64, device=device)
        wanted[some] = features[some] @ weight[:, :, 0, 0, 0].T
        close(gather3d.apply_kernel_map(features, weight, rulebook), wanted)


@given(volumes(), KERNELS, STEPS, st.sampled_from([0, 1, (0, 1, 0)]), DILATIONS, SEEDS)
def test_transpose(device, dense, kernel, stride, padding, dilation, seed):
    """The rulebook read backwards is F.conv_transpose3d, at the voxels it was made from."""
    kernel, steps, pads, dilations = map(three, (kernel, stride, padding, dilation))
    room = list(zip(dense.shape[2:], kernel, steps, pads, dilations, strict=True))
    assume(all(n + 2 * p > d * (k - 1) for n, k, _, p, d in room))
    x = SparseVolume.from_dense(dense.to(device))
    rulebook = gather3d.kernel_map(x.coords, x.shape, kernel, stride, padding, dilation)
    small = whole(seed, (len(rulebook.coords_out), 2), dense.dtype)
    weight = whole(
        seed + 1, (2, 3, *kernel), dense.dtype
    )  # [in, out, ...], as transposed ones have it
    got = gather3d.apply_kernel_map(
        small.to(device), weight.to(device).transpose(0, 1), rulebook.transpose()
    )
    y = SparseVolume(rulebook.coords_out, small.to(device), rulebook.shape_out, x.batch_size)
    left = [(n + 2 * p - d * (k - 1) - 1) % s for n, k, s, p, d in room]  # what the stride skipped
    full = F.conv_transpose3d(
        y.to_dense().cpu(), weight, None, steps, pads, tuple(left), 1, dilations
    )
    b, *zyx = x.coords.cpu().numpy().T
    close(got, full.numpy()[b, :, *zyx])


def test_coords_in_any_order(device):
    """A kernel map does not ask for sorted coordinates, and a submanifold one keeps their order."""
    coords = torch.tensor([[0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], device=device)
    features = torch.tensor([[1.0], [2.0], [3.0], [4.0]], device=device)
    weight = values(0, (1, 1, 3, 3, 3), torch.float32)
    dense = torch.zeros(2, 1, 2, 2, 2)
    b, *zyx = coords.cpu().numpy().T
    dense[b, 0, *zyx] = features[:, 0].cpu()
    wanted = F.conv3d(dense, weight, padding=1)
    for submanifold in (True, False):
        rulebook = gather3d.kernel_map(coords, (2, 2, 2), 3, submanifold=submanifold)
        got = gather3d.apply_kernel_map(features, weight.to(device), rulebook)
        b, *zyx = rulebook.coords_out.cpu().numpy().T
        close(got[:, 0], wanted.numpy()[b, 0, *zyx])
        if submanifold:
            close(rulebook.coords_out, coords)


@pytest.mark.parametrize("submanifold", [False, True])
@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3)])
def test_gradients(device, submanifold, kernel):
    dense = whole(0, (2, 2, 2, 3, 3)) * (whole(1, (2, 1, 2, 3, 3)) > 1)
    x = SparseVolume.from_dense(dense.to(device))
    assert 3 < len(x.coords) < 20
    weight, bias = values(2, (2, 2, *kernel)).to(device), values(3, (2,)).to(device)

    def convolve(features, weight, bias):
        volume = SparseVolume(x.coords, features, x.shape, x.batch_size)
        stride = 1 if submanifold else (1, 2, 1)
        return gather3d.sparse_conv3d(
            volume, weight, bias, stride=stride, submanifold=submanifold
        ).to_dense()

    inputs = tuple(t.clone().requires_grad_() for t in (x.features, weight, bias))
    assert gradcheck(convolve, inputs, nondet_tol=1e-12, fast_mode=True)
    assert gradgradcheck(convolve, inputs, nondet_tol=1e-12, fast_mode=True)


def test_from_dense_gradient(device):
    dense = (
        (whole(0, (1, 2, 2, 2, 3)) * (whole(1, (1, 1, 2, 2, 3)) > 0)).to(device).requires_grad_()
    )
    SparseVolume.from_dense(dense).features.square().sum().backward()
    close(dense.grad, 2 * dense.detach())


def test_a_voxel_twice(device):
    for coords in ([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], [[0, 0, 0, 1], [0, 0, 0, 1]]):
        for submanifold in (True, False):
            with pytest.raises(ValueError, match=r"^coords: got .* twice, wanted each voxel once$"):
                gather3d.kernel_map(
                    torch.tensor(coords, device=device), (1, 1, 2), submanifold=submanifold
                )


def test_half_types(device):
    dense = whole(0, (1, 2, 3, 3, 3)) * (whole(1, (1, 1, 3, 3, 3)) > 0)
    weight = whole(2, (2, 2, 3, 3, 3))
    for dtype in (torch.float16, torch.bfloat16):
        x = SparseVolume.from_dense(dense.to(device, dtype))
        got = gather3d.sparse_conv3d(x, weight.to(device, dtype))
        assert got.features.dtype == dtype
        close(got.to_dense().float(), F.conv3d(dense, weight, padding=1), rtol=0.02, atol=1)


@st.composite
def several(draw, channels=None):
    """Two or three volumes of one shape, each with its own voxels."""
    first = draw(volumes())
    random = np.random.default_rng(draw(SEEDS))
    others = []
    for _ in range(draw(st.integers(1, 2))):
        C = first.shape[1] if channels == "same" else draw(st.integers(0, 3))
        shape = (len(first), C, *first.shape[2:])
        on = random.random((shape[0], 1, *shape[2:])) < draw(st.sampled_from([0.0, 0.2, 1.0]))
        others.append(torch.from_numpy(random.integers(1, 5, shape) * on).to(first.dtype))
    return [first, *others]


def sparsely(dense, device, int_dtype=torch.int64):
    x = SparseVolume.from_dense(dense.to(device))
    return SparseVolume(x.coords.to(int_dtype), x.features, x.shape, x.batch_size)


@given(several("same"), INTS)
def test_the_sum_is_the_dense_sum(device, dense, ints):
    one, other = (sparsely(x, device, i) for x, i in zip(dense, (ints, torch.int64), strict=False))
    got = one + other
    close(got.to_dense(), dense[0] + dense[1])
    on = ((dense[0] != 0) | (dense[1] != 0)).any(1)
    close(got.coords, on.nonzero())  # what cancels stays active
    assert (got.shape, got.batch_size) == (one.shape, one.batch_size)


@given(several(), INTS)
def test_concatenation_is_the_dense_one(device, dense, ints):
    got = gather3d.concatenate([sparsely(x, device, ints) for x in dense])
    close(got.to_dense(), torch.cat(dense, dim=1))
    close(got.coords, torch.stack([(x != 0).any(1) for x in dense]).any(0).nonzero())


def test_a_volume_with_itself(device):
    x = sparsely(whole(0, (2, 3, 2, 3, 4)), device)
    close((x + x).features, 2 * x.features)
    close((x + x).coords, x.coords)
    close(gather3d.concatenate([x]).features, x.features)


def test_whole_numbers_are_joined(device):
    """Labels and masks are no floats."""
    for dtype in (torch.int64, torch.uint8, torch.bool):
        dense = torch.tensor([0, 1, 1, 0]).reshape(1, 1, 1, 1, 4).to(dtype)
        one, other = sparsely(dense, device), sparsely(dense.roll(1, -1), device)
        close((one + other).to_dense(), dense + dense.roll(1, -1))
        assert gather3d.concatenate([one, other]).features.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("submanifold", [False, True])
def test_half_types_are_added_up_in_float32(device, dtype, submanifold):
    """A tap's product beyond float16, and the next one takes it back; and many small ones."""
    coords = torch.tensor([[0, 0, 0, x] for x in range(3)], device=device)
    x = SparseVolume(coords, torch.full((3, 4), 200, dtype=dtype, device=device), (1, 1, 3), 1)
    weight = torch.tensor([100.0, 0.25, -100.0]).expand(1, 4, 1, 1, 3).to(device, dtype)
    got = gather3d.sparse_conv3d(x, weight, submanifold=submanifold).features
    assert got.dtype == dtype and got[1].item() == 200
    bias = torch.tensor([-60000.0], device=device, dtype=dtype)
    large = torch.tensor([0.0, 100, 0]).expand(1, 4, 1, 1, 3).to(device, dtype)
    got = gather3d.sparse_conv3d(x, large, bias, submanifold=submanifold).features
    wanted = F.conv3d(x.to_dense().float(), large.float(), bias.float(), padding=(0, 0, 1))
    close(got.flatten(), wanted.flatten())
    features = torch.ones(1, 1, dtype=dtype, device=device, requires_grad=True)
    centre = torch.tensor([[0, 8, 8, 8]], device=device)
    y = SparseVolume(centre, features, (17, 17, 17), 1)
    ones = torch.ones(1, 1, 15, 15, 15, dtype=dtype, device=device)
    gather3d.sparse_conv3d(y, ones).features.sum().backward()
    close(features.grad, [[3375.0]])  # outputs that read it


@pytest.mark.usefixtures("autocast")
def test_autocast_keeps_its_dtype(device):
    """Products in half, sums not, and a bias of float32."""
    coords = torch.tensor([[0, 0, 0, x] for x in range(3)], device=device)
    x = SparseVolume(coords, torch.full((3, 4), 10.0, device=device), (1, 1, 3), 1)
    weight = torch.full((2, 4, 1, 1, 3), 10.0, device=device)
    with torch.autocast(device, torch.bfloat16):
        got = gather3d.sparse_conv3d(x, weight, torch.ones(2, device=device), submanifold=True)
        with pytest.raises(TypeError, match=r"^weight: got torch.float64, wanted torch.float32"):
            gather3d.sparse_conv3d(x, weight.double())
    assert got.features.dtype == torch.bfloat16
    close(got.features[1], torch.full((2,), 1201.0))
