"""Sampling against scipy's map_coordinates and F.grid_sample; deformable convolution against
F.conv3d, and against its formula with scipy as the sampler."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from torch.autograd import gradcheck, gradgradcheck

import gather3d
from gather3d import sampling

from .inputs import FLOATS, LAYOUTS, SEEDS, SIZES, close, place, values

MODES = {"zeros": "grid-constant", "border": "nearest"}  # scipy's words
PADDINGS = pytest.mark.parametrize("padding", MODES)


def sampled(volume, coords, padding="zeros"):
    """scipy's answer: volume [D, H, W], coords [*S, 3], all numpy."""
    flat = map_coordinates(volume, coords.reshape(-1, 3).T, order=1, mode=MODES[padding])
    return flat.reshape(coords.shape[:-1])


@st.composite
def samples(draw, least=1):
    """(volume, coords): positions inside, outside, and some on whole numbers and on the border."""
    B, C = draw(SIZES), draw(SIZES)
    size = tuple(draw(st.integers(least, 5)) for _ in "zyx")
    S = tuple(draw(st.lists(SIZES, max_size=3)))
    seed, dtype = draw(SEEDS), draw(FLOATS)
    coords = values(seed, (B, *S, 3)) * draw(st.sampled_from([1.0, 10.0])) + 2
    if draw(st.booleans()):
        coords = coords.round()
    return values(seed + 1, (B, C, *size), dtype), coords.to(dtype)


@PADDINGS
@given(samples(), LAYOUTS)
def test_trilinear_sample_against_scipy(device, padding, case, layout):
    volume, coords = case
    got = gather3d.trilinear_sample(
        place(volume, device, layout), place(coords, device, layout), padding
    )
    assert got.dtype == volume.dtype
    assert got.shape == (*volume.shape[:2], *coords.shape[1:-1])
    for b, c in np.ndindex(*volume.shape[:2]):
        wanted = sampled(volume[b, c].double().numpy(), coords[b].double().numpy(), padding)
        close(got[b, c], wanted, rtol=1e-4, atol=1e-5)


@PADDINGS
@given(samples(least=2))
def test_trilinear_sample_against_grid_sample(device, padding, case):
    """Values, and the gradients in both arguments, away from whole numbers."""
    volume, coords = (x.double().to(device) for x in case)
    assume(min(volume.shape[:2]) > 0 and coords.numel() > 0)
    coords = coords.reshape(len(coords), 1, 1, -1, 3)
    coords = coords + 0.001 * ((coords - coords.round()).abs() < 1e-6)
    volume, coords = volume.requires_grad_(), coords.requires_grad_()
    got = gather3d.trilinear_sample(volume, coords, padding)
    last = torch.tensor(volume.shape[2:], device=device) - 1
    grid = (2 * coords / last - 1).flip(-1)  # from -1 to 1, and x first
    wanted = F.grid_sample(volume, grid, "bilinear", padding, align_corners=True)
    close(got, wanted)
    upstream = torch.randn(got.shape, dtype=got.dtype, device=device)
    ours = torch.autograd.grad(got, (volume, coords), upstream)
    theirs = torch.autograd.grad(wanted, (volume, coords), upstream)
    for mine, other in zip(ours, theirs, strict=True):
        close(mine, other, rtol=1e-6, atol=1e-8)


@given(SEEDS, st.integers(0, 6))
def test_an_affine_function_is_sampled_exactly(device, seed, count):
    a, b, c, d = values(seed, (4,)).tolist()
    z, y, x = np.indices((4, 5, 6))
    volume = torch.from_numpy(a * z + b * y + c * x + d).to(device)[None, None]
    rng = np.random.default_rng(seed)
    coords = torch.from_numpy(rng.random((1, count, 3)) * [3, 4, 5]).to(device)
    got = gather3d.trilinear_sample(volume, coords)
    close(got[0, 0], coords[0] @ torch.tensor([a, b, c], dtype=torch.float64, device=device) + d)


def test_whole_numbers_name_centres(device):
    volume = values(0, (1, 2, 3, 4, 5)).to(device)
    coords = torch.from_numpy(np.moveaxis(np.indices((3, 4, 5)), 0, -1)[None]).to(device).double()
    close(gather3d.trilinear_sample(volume, coords), volume)


@PADDINGS
def test_trilinear_sample_gradient(device, padding):
    volume = values(0, (2, 2, 2, 3, 4)).to(device).requires_grad_()
    coords = torch.from_numpy(np.random.default_rng(0).uniform(-1.9, 4.9, (2, 20, 3)))
    assert ((coords - coords.round()).abs() > 1e-3).all()  # between the kinks
    assert (coords < -1).any() and (coords > 4).any()
    coords = coords.to(device).requires_grad_()

    def sample(volume, coords):
        return gather3d.trilinear_sample(volume, coords, padding)

    assert gradcheck(sample, (volume, coords), nondet_tol=1e-12)
    assert gradgradcheck(sample, (volume, coords), nondet_tol=1e-12, fast_mode=True)


@PADDINGS
def test_more_channels_and_samples_than_are_held_at_once(device, padding, monkeypatch):
    """Two blocks of channels and a rest; the backward pass in parts of three samples."""
    monkeypatch.setattr(sampling, "PART", 3)
    volume = values(0, (2, 2 * sampling.BLOCK + 3, 3, 4, 5)).to(device).requires_grad_()
    coords = torch.from_numpy(np.random.default_rng(1).uniform(-1.9, 5.9, (2, 7, 3)))
    coords = coords.to(device).requires_grad_()
    got = gather3d.trilinear_sample(volume, coords, padding)
    grid = 2 * coords / torch.tensor([2, 3, 4], device=device) - 1
    grid = grid.flip(-1)[:, :, None, None]
    wanted = F.grid_sample(volume, grid, "bilinear", padding, align_corners=True)[..., 0, 0]
    close(got, wanted)
    upstream = values(2, tuple(got.shape)).to(device)
    ours = torch.autograd.grad(got, (volume, coords), upstream)
    theirs = torch.autograd.grad(wanted, (volume, coords), upstream)
    for mine, other in zip(ours, theirs, strict=True):
        close(mine, other)


@pytest.mark.parametrize("copies", [1, 40])
@pytest.mark.parametrize("hole", [float("nan"), float("inf")])
def test_what_is_not_read_does_not_show(device, hole, copies):
    """A sample with no corner inside is 0 whatever the volume holds, and so are its gradients;
    half outside, only the voxels that it reads count, as in F.grid_sample. In few samples of a
    volume, and in many."""
    volume = torch.full((1, 1, 3, 3, 3 * (42 - copies)), hole, device=device)
    volume[..., 0] = 2.0
    outside = [[-1.5, 1, 2], [1, 3, 2], [1, 1, 123], [7, -9, 2], [1, 1, 1e9]]
    coords = torch.tensor([[*outside, [0.5, 1.5, -0.5]] * copies], device=device)
    coords.requires_grad_()
    got = gather3d.trilinear_sample(volume, coords)
    assert got[0, 0].tolist() == [0, 0, 0, 0, 0, 1] * copies
    got.sum().backward()
    assert coords.grad[0].tolist() == ([[0, 0, 0]] * 5 + [[0, 0, 2]]) * copies


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_gradients_of_nothing(device, empty):
    """Of no batch, no channel, no sample."""
    B, C, S = (0 if at == empty else 2 for at in range(3))
    volume = torch.zeros(B, C, 2, 2, 2, device=device, requires_grad=True)
    coords = torch.zeros(B, S, 3, device=device, requires_grad=True)
    gather3d.trilinear_sample(volume, coords).sum().backward()
    assert volume.grad.shape == volume.shape and coords.grad.eq(0).all()


@PADDINGS
def test_few_samples_and_many_are_the_same(device, padding, monkeypatch):
    """Where few voxels are read, they are gathered; else all are copied to a table."""
    volume = values(0, (2, 3, 6, 7, 8)).to(device).requires_grad_()
    coords = torch.from_numpy(np.random.default_rng(1).uniform(-1.9, 8.9, (2, 400, 3)))
    coords = coords.to(device).requires_grad_()
    monkeypatch.setattr(sampling, "_WeightedBag", None)  # nothing of it is used by the few
    few = torch.cat(
        [gather3d.trilinear_sample(volume, part, padding) for part in coords.split(5, dim=1)], 2
    )
    monkeypatch.undo()
    many = gather3d.trilinear_sample(volume, coords, padding)
    close(few, many)
    upstream = values(2, tuple(few.shape)).to(device)
    first = torch.autograd.grad(few, (volume, coords), upstream)
    second = torch.autograd.grad(many, (volume, coords), upstream)
    for one, other in zip(first, second, strict=True):
        close(one, other)


@pytest.mark.parametrize("side", [1287, 2000])  # 1290³ < 2³¹ < 2003³
def test_rows_of_a_large_table(side):
    at = torch.tensor([[0.5, side - 1.5]], dtype=torch.float64)
    row, weight = sampling._eight_rows([at, at, at], (side,) * 3)
    low, n = torch.tensor([1, side - 1]), side + 3  # of the table
    wanted = [((low + z) * n + low + y) * n + low + x for z, y, x in np.ndindex(2, 2, 2)]
    assert row[0].long().equal(torch.stack(wanted, dim=1))
    assert weight.eq(1 / 8).all()


@pytest.mark.parametrize(
    ("padding", "slopes"),
    [
        # at -2, -1, 0, 1, 2, 3 of 1, 2, 4: the slope of the cell above
        ("zeros", [0, 1, 1, 2, -4, 0]),
        ("border", [0, 0, 1, 2, 0, 0]),
    ],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradient_at_whole_numbers(device, padding, slopes, axis):
    """One slice has no slope across it, with a border; the last slice has none beyond it."""
    shape = [1, 1, 1, 1, 1]
    shape[2 + axis] = 3
    volume = torch.tensor([1.0, 2.0, 4.0], device=device).reshape(shape)
    coords = torch.zeros(1, 6, 3, device=device)
    coords[0, :, axis] = torch.arange(-2.0, 4.0)
    coords.requires_grad_()
    gather3d.trilinear_sample(volume, coords, padding).sum().backward()
    assert coords.grad[0, :, axis].tolist() == slopes
    if padding == "border":
        across = [a for a in range(3) if a != axis]
        assert coords.grad[0][:, across].eq(0).all()


def test_very_far_outside(device):
    volume = torch.ones(1, 1, 2, 2, 2, device=device)
    coords = torch.tensor([[[1e30, 0, 0], [0, -1e30, 0], [1e9, 1e9, 1e9]]], device=device)
    assert gather3d.trilinear_sample(volume, coords).tolist() == [[[0, 0, 0]]]
    assert gather3d.trilinear_sample(volume, coords, "border").tolist() == [[[1, 1, 1]]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types(device, dtype):
    volume = torch.arange(8.0).reshape(1, 1, 2, 2, 2).to(device, dtype)
    coords = torch.tensor(
        [[[0.5, 0.5, 0.5], [1, 0.25, 0], [1, 1, 1.5]]], device=device, dtype=dtype
    )
    got = gather3d.trilinear_sample(volume, coords)
    assert got.dtype == dtype
    assert got.tolist() == [[[3.5, 4.5, 3.5]]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_exact_positions_in_a_half_volume(device, dtype):
    """Values and weights meet in the wider type, as everywhere in torch."""
    volume = torch.arange(3000.0).to(device, dtype)[None, None, None, None]
    low, high = volume.flatten()[2000:2002].tolist()
    for count in (1, 120):  # few samples, and enough for a table
        coords = torch.tensor([[[0, 0, 2000.25]] * count], device=device)
        got = gather3d.trilinear_sample(volume, coords)
        assert got.dtype == torch.float32
        assert got.eq(0.75 * low + 0.25 * high).all()


KERNELS = st.sampled_from([(1, 1, 1), (3, 3, 3), (1, 3, 2), (2, 1, 3)])
STEPS = st.sampled_from([1, 2, (1, 2, 1)])
PADS = st.sampled_from([0, 1, (0, 1, 2)])
DILATIONS = st.sampled_from([1, 2, (2, 1, 1)])


def three(value):
    return (value,) * 3 if isinstance(value, int) else value


@st.composite
def deformations(draw):
    """(input, weight, bias, sizes, output shape)."""
    B, Ci, Co = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, sizes = draw(KERNELS), (draw(STEPS), draw(PADS), draw(DILATIONS))
    size = tuple(draw(st.integers(1, 5)) for _ in "zyx")
    seed, dtype = draw(SEEDS), draw(FLOATS)
    input, weight = values(seed, (B, Ci, *size), dtype), values(seed + 1, (Co, Ci, *kernel), dtype)
    bias = values(seed + 2, (Co,), dtype) if draw(st.booleans()) else None
    stride, padding, dilation = map(three, sizes)
    shape = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    assume(min(shape) > 0)
    return input, weight, bias, sizes, shape, seed + 3


def deform(device, input, offset, weight, bias, mask, sizes, layout="contiguous"):
    input, offset, weight = (place(x, device, layout) for x in (input, offset, weight))
    bias, mask = (None if x is None else place(x, device, layout) for x in (bias, mask))
    return gather3d.deform_conv3d(input, offset, weight, bias, mask, *sizes)


@given(deformations(), LAYOUTS)
def test_zero_offsets_are_a_convolution(device, case, layout):
    input, weight, bias, sizes, shape, _ = case
    offset = input.new_zeros(len(input), 3 * weight[0, 0].numel(), *shape)
    got = deform(device, input, offset, weight, bias, None, sizes, layout)
    close(got, F.conv3d(input, weight, bias, *sizes), rtol=1e-4, atol=1e-4)


@given(deformations(), LAYOUTS, st.booleans())
def test_deform_conv3d_against_its_formula(device, case, layout, with_mask):
    """Σₖ mₖ · weight[:, :, k] · input(p · stride - padding + k · dilation + Δₖ), read by scipy."""
    input, weight, bias, sizes, shape, seed = case
    stride, padding, dilation = map(three, sizes)
    B, K = len(input), weight[0, 0].numel()
    offset = values(seed, (B, 3 * K, *shape), input.dtype)
    mask = values(seed + 1, (B, K, *shape), input.dtype) if with_mask else None
    got = deform(device, input, offset, weight, bias, mask, sizes, layout)
    wanted = np.zeros((B, len(weight), *shape))
    for b, out in np.ndindex(B, len(weight)):
        for k, tap in enumerate(np.ndindex(tuple(weight.shape[2:]))):
            at = np.stack(
                [
                    np.indices(shape)[a] * stride[a]
                    - padding[a]
                    + tap[a] * dilation[a]
                    + offset[b, 3 * k + a].numpy()
                    for a in range(3)
                ],
                axis=-1,
            )
            for channel in range(input.shape[1]):
                read = sampled(input[b, channel].double().numpy(), at)
                factor = 1 if mask is None else mask[b, k].numpy()
                wanted[b, out] += float(weight[out, channel][tap]) * read * factor
        wanted[b, out] += 0 if bias is None else float(bias[out])
    close(got, wanted, rtol=1e-3, atol=1e-4)


@given(deformations(), st.tuples(*[st.integers(-2, 2)] * 3))
def test_whole_offsets_shift_the_input(device, case, shift):
    """Every tap moved by (dz, dy, dx) reads what an input moved the other way would give."""
    input, weight, bias, sizes, shape, _ = case
    K = weight[0, 0].numel()
    offset = torch.tensor(shift, dtype=input.dtype).repeat(K).reshape(1, 3 * K, 1, 1, 1)
    got = deform(device, input, offset.expand(len(input), -1, *shape), weight, bias, None, sizes)
    moved = F.pad(input, [4] * 6)  # more than enough; then the window that each tap sees
    for axis, (by, p) in enumerate(zip(shift, three(sizes[1]), strict=True), start=2):
        moved = moved.narrow(axis, 4 + by - p, input.shape[axis] + 2 * p)
    close(got, F.conv3d(moved, weight, bias, sizes[0], 0, sizes[2]), rtol=1e-4, atol=1e-4)


@given(deformations())
def test_a_mask_scales(device, case):
    input, weight, _, sizes, shape, seed = case
    K = weight[0, 0].numel()
    offset = values(seed, (len(input), 3 * K, *shape), input.dtype)
    mask = torch.full((len(input), K, *shape), 0.5, dtype=input.dtype)
    plain = deform(device, input, offset, weight, None, None, sizes)
    close(deform(device, input, offset, weight, None, mask, sizes), plain / 2)
    close(deform(device, input, offset, weight, None, mask * 0, sizes), plain * 0)


def test_deform_conv3d_gradient(device):
    """In the input, the offsets, the weight, the bias and the mask, between whole numbers."""
    rng = np.random.default_rng(0)
    input, weight = values(0, (1, 2, 2, 3, 3)), values(1, (2, 2, 1, 2, 2))
    offset = torch.from_numpy(
        rng.integers(-1, 2, (1, 12, 2, 2, 2)) + rng.uniform(0.1, 0.9, (1, 12, 2, 2, 2))
    )
    bias, mask = values(2, (2,)), values(3, (1, 4, 2, 2, 2))
    inputs = tuple(x.to(device).requires_grad_() for x in (input, offset, weight, bias, mask))
    assert gradcheck(gather3d.deform_conv3d, inputs, nondet_tol=1e-12)
    assert gradgradcheck(gather3d.deform_conv3d, inputs, nondet_tol=1e-12, fast_mode=True)


def test_an_empty_batch(device):
    input, weight = torch.zeros(0, 2, 3, 3, 3), torch.ones(4, 2, 3, 3, 3)
    got = deform(device, input, torch.zeros(0, 81, 1, 1, 1), weight, None, None, (1, 0, 1))
    assert got.shape == (0, 4, 1, 1, 1)


@PADDINGS
@given(
    SEEDS, st.sampled_from([(3, 5, 9), (9, 3, 3), (5, 17, 2)]), st.sampled_from([5, 400]), FLOATS
)
@settings(max_examples=30)
def test_nearest_against_grid_sample(device, padding, seed, size, count, dtype):
    """Halves among the positions: both take the even one. And both are 0 or the border outside."""
    random = np.random.default_rng(seed)
    volume = values(seed, (2, 3, *size), dtype).to(device).requires_grad_()
    coords = torch.from_numpy(random.integers(-8, 40, (2, count, 3)) / 4).to(device, dtype)
    got = gather3d.trilinear_sample(volume, coords, padding, mode="nearest")
    grid = 2 * coords / (torch.tensor(size, device=device) - 1) - 1  # exact: powers of two
    grid = grid.flip(-1)[:, :, None, None]
    wanted = F.grid_sample(volume, grid, "nearest", padding, align_corners=True)[..., 0, 0]
    assert torch.equal(got, wanted)
    upstream = values(seed + 1, tuple(got.shape), dtype).to(device)
    ours, theirs = (torch.autograd.grad(out, volume, upstream)[0] for out in (got, wanted))
    close(ours, theirs, rtol=1e-4, atol=1e-4)


@PADDINGS
@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int16, torch.int64, torch.bool, torch.float16, torch.complex64]
)
def test_labels_stay_labels(device, padding, dtype):
    """numpy reads them at the same places; numbers beyond float32 among them."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2**62 if dtype == torch.int64 else 2, (2, 2, 3, 4, 5))
    coords = random.uniform(-2, 7, (2, 6, 7, 3))
    got = gather3d.trilinear_sample(
        torch.from_numpy(labels).to(device, dtype),
        torch.from_numpy(coords).to(device, torch.float32),
        padding,
        mode="nearest",
    )
    last = np.array([2, 3, 4])
    place = np.rint(coords).astype(int)
    inside = ((place >= 0) & (place <= last)).all(-1)[:, None]
    z, y, x = np.moveaxis(place.clip(0, last), -1, 0)
    wanted = np.stack([labels[b, :, z[b], y[b], x[b]] for b in (0, 1)])
    wanted = np.moveaxis(wanted, -1, 1) * (inside | (padding == "border"))
    assert got.dtype == dtype and got.is_contiguous()
    assert torch.equal(got.cpu(), torch.from_numpy(wanted).to(dtype))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_far_outside_in_each_mode(device, mode):
    volume = torch.ones(1, 1, 2, 2, 2, device=device)
    coords = torch.tensor([[[1e30, 0, 0], [0, -1e30, 0], [1e9, 1e9, 1e9]]], device=device)
    assert gather3d.trilinear_sample(volume, coords, mode=mode).tolist() == [[[0, 0, 0]]]
    assert gather3d.trilinear_sample(volume, coords, "border", mode).tolist() == [[[1, 1, 1]]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 1000])
def test_half_gradients_of_a_voxel_read_many_times(device, dtype, size):
    """In half 2048 + 1 is 2048. In a small volume, and in one of which little is read."""
    volume = torch.full((1, 2, 1, 20, 20 * size), 300.0, dtype=dtype, device=device)
    coords = torch.full((1, 5000, 3), 0.5, device=device, dtype=dtype)
    coords[..., 0] = 0
    volume.requires_grad_(), coords.requires_grad_()
    out = gather3d.trilinear_sample(volume, coords)
    out.backward(torch.full_like(out, 300))
    wanted = torch.zeros(volume.shape, device=device)
    wanted[..., :2, :2] = 0.25 * 5000 * 300
    close(volume.grad, wanted.to(dtype))
    assert coords.grad[..., 1:].eq(0).all()  # level there; 2 · 300 · 300 is beyond float16


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_offsets_move_exact_places(device, dtype):
    """Place 3000 and an offset of ½ are 3000.5, which no half type holds."""
    input = (torch.arange(4099.0) % 7).to(device, dtype)[None, None, None, None]
    offset = torch.zeros(1, 3, 1, 1, 4099, dtype=dtype, device=device)
    offset[:, 2] = 0.5
    weight = torch.ones(1, 1, 1, 1, 1, dtype=dtype, device=device)
    got = gather3d.deform_conv3d(input, offset, weight)
    wanted = (input + F.pad(input, (0, 1))[..., 1:]) / 2
    assert got.dtype == dtype and torch.equal(got, wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_taps_are_added_up_in_float32(device, dtype):
    """The first tap alone is beyond float16, and the last takes it back."""
    input = torch.full((1, 4, 1, 1, 3), 200.0, dtype=dtype, device=device)
    weight = torch.tensor([100.0, 0.25, -100.0]).expand(1, 4, 1, 1, 3).to(device, dtype)
    offset = torch.zeros(1, 9, 1, 1, 1, dtype=dtype, device=device)
    got = gather3d.deform_conv3d(input, offset, weight)
    assert got.dtype == dtype and got.item() == 200


@pytest.mark.usefixtures("autocast")
def test_values_places_and_factors_are_taken_in_the_widest(device):
    input, offset = torch.ones(1, 1, 1, 1, 3), torch.zeros(1, 3, 1, 1, 3)
    weight, mask = torch.ones(1, 1, 1, 1, 1), torch.full((1, 1, 1, 1, 3), 1 / 3).double()
    input, offset, weight, mask = (t.to(device) for t in (input, offset, weight, mask))
    got = gather3d.deform_conv3d(input.half(), offset, weight)
    assert got.dtype == torch.float32
    got = gather3d.deform_conv3d(input, offset.half(), weight.double(), mask=mask)
    assert got.dtype == torch.float64 and torch.equal(got.flatten(), mask.flatten())
    with torch.autocast(device, torch.bfloat16):
        got = gather3d.deform_conv3d(input.bfloat16(), offset, weight, torch.ones(1, device=device))
    assert got.dtype == torch.bfloat16 and got.eq(2).all()


@given(deformations(), st.integers(2, 3), st.booleans(), LAYOUTS)
@settings(max_examples=30)
def test_offset_groups(device, case, groups, with_mask, layout):
    """Each group of channels, with its own offsets and mask, is a call of its own; they add up."""
    input, weight, bias, sizes, shape, seed = case
    B, K, Ci = len(input), weight[0, 0].numel(), input.shape[1] * groups
    input = values(seed, (B, Ci, *input.shape[2:]), input.dtype)
    weight = values(seed + 1, (len(weight), Ci, *weight.shape[2:]), input.dtype)
    offset = values(seed + 2, (B, groups * 3 * K, *shape), input.dtype)
    mask = values(seed + 3, (B, groups * K, *shape), input.dtype) if with_mask else None
    got = deform(device, input, offset, weight, bias, mask, sizes, layout)
    wanted = 0 if bias is None else bias.reshape(-1, 1, 1, 1).to(device)
    for i, o, w, m in zip(
        input.chunk(groups, 1),
        offset.chunk(groups, 1),
        weight.chunk(groups, 1),
        [None] * groups if mask is None else mask.chunk(groups, 1),
        strict=True,
    ):
        wanted = wanted + deform(device, i, o, w, None, m, sizes, layout)
    close(got, wanted, rtol=1e-4, atol=1e-4)


def test_offset_groups_of_a_slice_are_torchvision_s(device):
    """Its documented formula, in 2D, by scipy: channel c reads with group c // (Ci / G); offsets
    [G, K, (y, x)], masks [G, K]."""
    random = np.random.default_rng(0)
    G, Ci, Co, n, k = 2, 4, 3, 6, 3
    image, weight = random.standard_normal((Ci, n, n)), random.standard_normal((Co, Ci, k, k))
    offset = random.standard_normal((G, k * k, 2, n, n))
    mask = random.uniform(0, 1, (G, k * k, n, n))
    wanted = np.zeros((Co, n, n))
    for c, tap in np.ndindex(Ci, k * k):
        group, (i, j) = c // (Ci // G), divmod(tap, k)
        y, x = np.indices((n, n)) + np.array([i, j])[:, None, None] - 1 + offset[group, tap]
        read = map_coordinates(image[c], [y, x], order=1, mode="grid-constant")
        wanted += weight[:, c, i, j, None, None] * read * mask[group, tap]
    zyx = np.concatenate([np.zeros((G, k * k, 1, n, n)), offset], axis=2)
    got = gather3d.deform_conv3d(
        torch.from_numpy(image)[None, :, None].to(device),
        torch.from_numpy(zyx).reshape(1, -1, 1, n, n).to(device),
        torch.from_numpy(weight)[:, :, None].to(device),
        mask=torch.from_numpy(mask).reshape(1, -1, 1, n, n).to(device),
        padding=(0, 1, 1),
    )
    close(got[0, :, 0], wanted)
