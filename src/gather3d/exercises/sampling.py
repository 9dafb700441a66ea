"""Exercises of chapters 10 and 11: between voxels, grid_sample's units, deformable convolution."""

from collections.abc import Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gather3d.sampling import deform_conv3d, trilinear_sample

from .exercise import Case, Exercise, Misconception, integers, numbers, strided

BETWEEN = "10-sampling#between-eight"
OUTSIDE = "10-sampling#outside"
UNITS = "10-sampling#what-1-and-1-mean-align-corners"
XYZ = "10-sampling#its-positions-are-x-y-z"
ORDER = "11-deformable#eighty-one-channels-in-the-wrong-order"


def eighths(
    g: Generator, high: int, *shape: int, low: int = 0, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Positions from low to high with a fraction of 1, 3, 5 or 7 eighths: products are exact.

    None is a whole number, where a gradient has two sides.
    """
    fraction = (2 * integers(g, 4, *shape) + 1).to(dtype) / 8
    return integers(g, high, *shape, low=low) + fraction


def in_strides(case: Case) -> Case:
    """The same call with tensors that are not contiguous."""
    given = {
        name: strided(value) if isinstance(value, Tensor) else value
        for name, value in case.arguments.items()
    }
    return Case(given, "strided")


# ---- sampling.trilinear


def read(volume: Tensor, place: Tensor) -> Tensor:
    """The values [C] of one volume [C, D, H, W] at one position [3], (z, y, x)."""
    low = place.detach().floor()
    above = (place - low).unbind()
    value = volume.new_zeros(len(volume))
    for corner in product((0, 1), repeat=3):
        voxel = [int(start) + step for start, step in zip(low.tolist(), corner, strict=True)]
        if any(not 0 <= v < size for v, size in zip(voxel, volume.shape[1:], strict=True)):
            continue  # outside: counts as 0
        weight = 1
        for step, part in zip(corner, above, strict=True):
            weight = weight * (part if step else 1 - part)
        z, y, x = voxel
        value = value + weight * volume[:, z, y, x]
    return value


def trilinear_loop(volume: Tensor, coords: Tensor) -> Tensor:
    (B, C), M = volume.shape[:2], coords.shape[1]
    out = volume.new_zeros(B, C, M)
    for b in range(B):
        for m in range(M):
            out[b, :, m] = read(volume[b], coords[b, m])
    return out


def trilinear_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, size, M, kind="ordinary", dtype=torch.float64):
        axes = [eighths(g, n, B, M, low=-1, dtype=dtype) for n in size]
        volume = numbers(g, B, C, *size, dtype=dtype)
        return Case({"volume": volume, "coords": torch.stack(axes, -1)}, kind)

    yield case(1, 1, (2, 2, 3), 1)
    yield case(1, 2, (2, 3, 4), 5)
    yield case(2, 3, (4, 2, 3), 12)
    level = (1 + integers(g, 9, 1, 1, 1, 1, 1)).expand(1, 1, 3, 3, 4).double()
    centres = [1 + integers(g, n - 2, 1, 2) for n in (3, 3, 4)]  # no slope, so none has two sides
    yield Case({"volume": level.contiguous(), "coords": torch.stack(centres, -1).double()})
    yield case(1, 1, (1, 1, 1), 4, "one")
    yield case(1, 1, (3, 1, 2), 5, "one")
    yield case(2, 3, (2, 3, 4), 0, "empty")
    yield case(0, 3, (2, 3, 4), 2, "empty")
    yield case(2, 2, (2, 2, 2), 6, "dtype", torch.float32)  # grid_sample is exact, too
    yield in_strides(case(2, 2, (2, 3, 4), 5))
    again = eighths(g, 1, 2, 1, 3).repeat(1, 4, 1)
    yield Case({"volume": numbers(g, 2, 2, 2, 3, 4), "coords": again}, "repeated")
    D, H, W = 3, 4, 5
    places = [[0, 0, 0], [D - 2, H - 2, W - 2], [-1, -1, -1], [D - 1, H - 1, W - 1]]
    places += [[-2, 1, 1], [1, H, 2], [0, 1, 10**6], [-1000, 2, 3]]
    coords = torch.tensor([places]) + eighths(g, 1, 1, len(places), 3)
    yield Case({"volume": numbers(g, 1, 2, D, H, W), "coords": coords}, "extreme")


def eight_corners(volume: Tensor, low: Tensor, above: Tensor) -> Tensor:
    """The eight voxels from low on, with the weight above [B, M, 3] for the upper ones."""
    size = torch.tensor(volume.shape[2:])
    batch = torch.arange(len(volume))[:, None]
    out = 0
    for corner in torch.cartesian_prod(*[torch.arange(2)] * 3):
        weight = torch.where(corner == 1, above, 1 - above).prod(-1)  # [B, M]
        voxel = low.long() + corner
        inside = ((voxel >= 0) & (voxel < size)).all(-1)
        z, y, x = voxel.clamp(min=0).minimum(size - 1).unbind(-1)
        out = out + volume[batch, :, z, y, x] * (weight * inside)[..., None]
    return out.mT


def one_voxel(volume: Tensor, whole: Tensor) -> Tensor:
    """The voxel at whole coordinates, 0 outside."""
    return eight_corners(volume, whole, torch.zeros_like(whole))


def one_voxel_clamped(volume: Tensor, whole: Tensor) -> Tensor:
    size = torch.tensor(volume.shape[2:])
    return one_voxel(volume, whole.clamp(min=0).minimum(size - 1))


def rounded(volume: Tensor, coords: Tensor) -> Tensor:
    return one_voxel(volume, coords.round())


def rounded_clamped(volume: Tensor, coords: Tensor) -> Tensor:
    return one_voxel_clamped(volume, coords.round())


def cut(volume: Tensor, coords: Tensor) -> Tensor:
    return one_voxel(volume, coords.trunc())


def cut_down(volume: Tensor, coords: Tensor) -> Tensor:
    return one_voxel(volume, coords.floor())


def cut_clamped(volume: Tensor, coords: Tensor) -> Tensor:
    return one_voxel_clamped(volume, coords.trunc())


def flat_of_fractions(volume: Tensor, coords: Tensor) -> Tensor:
    _, C, D, H, W = volume.shape
    z, y, x = coords.unbind(-1)
    flat = ((z * H + y) * W + x).long().clamp(0, D * H * W - 1)
    return volume.flatten(2).gather(2, flat[:, None].expand(-1, C, -1))


def towards_zero(volume: Tensor, coords: Tensor) -> Tensor:
    low = coords.trunc()
    return eight_corners(volume, low, coords - low)


def between_floor_and_ceil(volume: Tensor, coords: Tensor) -> Tensor:
    fractional = (coords != coords.floor()).all(-1)
    return trilinear_sample(volume, coords) * fractional[:, None]


def xyz_coords(volume: Tensor, coords: Tensor) -> Tensor:
    return trilinear_sample(volume, coords.flip(-1))


def border_goes_on(volume: Tensor, coords: Tensor) -> Tensor:
    return trilinear_sample(volume, coords, padding="border")


def weights_swapped(volume: Tensor, coords: Tensor) -> Tensor:
    low = coords.floor()
    return eight_corners(volume, low, 1 - (coords - low))


def nothing_past_the_centres(volume: Tensor, coords: Tensor) -> Tensor:
    last = torch.tensor(volume.shape[2:]) - 1
    inside = ((coords >= 0) & (coords <= last)).all(-1)
    return trilinear_sample(volume, coords) * inside[:, None]


def first_channel(volume: Tensor, coords: Tensor) -> Tensor:
    return trilinear_sample(volume[:, :1], coords)


def first_volume(volume: Tensor, coords: Tensor) -> Tensor:
    return trilinear_sample(volume[:1].expand_as(volume), coords)


def channels_last(volume: Tensor, coords: Tensor) -> Tensor:
    return trilinear_sample(volume, coords).mT


def two_flags(volume: Tensor, coords: Tensor) -> Tensor:
    grid = to_grid_fast(coords, tuple(volume.shape[2:]), True)
    return F.grid_sample(volume, grid[:, :, None, None], align_corners=False)[..., 0, 0]


NEAREST = "The positions are rounded: each reads one voxel, the nearest, and the weights are lost."
CUT = "The fractions are cut off: each position reads one voxel, and the weights are lost."
THIRD = "10-sampling#third-error-an-integer-cannot-move-a-little"

trilinear = Exercise(
    id="sampling.trilinear",
    name="trilinear",
    signature="trilinear(volume [B, C, D, H, W], coords [B, M, 3] (z, y, x)) → [B, C, M]",
    right=trilinear_loop,
    cases=trilinear_cases,
    misconceptions=(
        Misconception(
            "flat-fraction",
            "The flat index is made of fractions: a part of z becomes a move in y or x.",
            "10-sampling#second-error-one-flat-index-from-three-fractions",
            flat_of_fractions,
        ),
        Misconception("nearest", NEAREST, THIRD, rounded),
        Misconception("nearest", NEAREST, THIRD, rounded_clamped),
        Misconception("fraction-cut", CUT, THIRD, cut),
        Misconception("fraction-cut", CUT, THIRD, cut_down),
        Misconception("fraction-cut", CUT, THIRD, cut_clamped),
        Misconception(
            "towards-zero",
            "Below 0 the lower corner is the wrong voxel: it was found by going towards zero, "
            "so −0.25 starts at 0.",
            BETWEEN,
            towards_zero,
        ),
        Misconception(
            "floor-and-ceil",
            "On a voxel's centre the lower and the upper corner are one voxel in your answer, and "
            "both have weight 0: the value is lost.",
            "10-sampling#between-two-values",
            between_floor_and_ceil,
        ),
        Misconception(
            "weights-swapped",
            "The right eight voxels, but the weights of lower and upper corners are exchanged: "
            "the nearer voxel counts less.",
            "10-sampling#between-two-values",
            weights_swapped,
        ),
        Misconception(
            "xyz",
            "The coordinates are read as (x, y, z); here they are (z, y, x).",
            "10-sampling#the-operator",
            xyz_coords,
        ),
        Misconception(
            "border",
            "Outside, the border goes on: a corner that does not exist keeps its weight and reads "
            "the voxel next to it.",
            OUTSIDE,
            border_goes_on,
        ),
        Misconception(
            "all-or-nothing",
            "A position less than one voxel outside still has corners inside; you gave 0 for it.",
            OUTSIDE,
            nothing_past_the_centres,
        ),
        Misconception(
            "two-flags",
            "The grid is made for one setting of align_corners and read with the other.",
            "10-sampling#mixing-them-up-half-a-voxel",
            two_flags,
        ),
        Misconception(
            "first-channel",
            "Only channel 0 is sampled; a position has a value in every channel.",
            "10-sampling#the-operator",
            first_channel,
        ),
        Misconception(
            "first-batch",
            "Every position is read in the volume of batch 0.",
            "10-sampling#the-operator",
            first_volume,
        ),
        Misconception(
            "channels-last",
            "The values are right, the layout is not: channels come before positions.",
            "10-sampling#the-operator",
            channels_last,
        ),
    ),
    page=BETWEEN,
    differentiable=("volume", "coords"),
    linear_in="volume",
    large=lambda g: {
        "volume": numbers(g, 1, 1, 6, 7, 8),
        "coords": eighths(g, 5, 1, 1500, 3),
    },
    fast=trilinear_sample,
    tolerance=1e-9,
)


# ---- sampling.grid


def to_grid_loop(coords: Tensor, shape: tuple[int, int, int], align_corners: bool) -> Tensor:
    out = torch.zeros_like(coords)
    for b in range(coords.shape[0]):
        for m in range(coords.shape[1]):
            for axis in range(3):  # z, y, x
                c, size = coords[b, m, axis], shape[axis]
                if align_corners:
                    out[b, m, 2 - axis] = 2 * c / max(size - 1, 1) - 1
                else:
                    out[b, m, 2 - axis] = (2 * c + 1) / size - 1
    return out


def to_grid_cases(g: Generator) -> Iterator[Case]:
    def case(B, M, shape, flag, kind="ordinary", dtype=torch.float64):
        axes = [integers(g, 8 * n - 7, B, M).to(dtype) / 8 for n in shape]
        given = {"coords": torch.stack(axes, -1), "shape": shape, "align_corners": flag}
        return Case(given, kind)

    for flag in (True, False):
        yield case(1, 1, (4, 5, 6), flag)
        yield case(1, 4, (7, 3, 4), flag)
        yield case(2, 5, (3, 6, 11), flag)
        yield case(1, 2, (4, 1, 3), flag, "one")
        yield case(2, 0, (2, 3, 4), flag, "empty")
        shape = (3, 5, 9) if flag else (2, 4, 8)  # powers of two divide: exact in float32
        yield case(2, 3, shape, flag, "dtype", torch.float32)
        yield in_strides(case(2, 4, (4, 5, 6), flag))
        last = 1 + integers(g, 5, 3, low=1)
        ends = torch.stack([0 * last, last, 0 * last - 0.5, last + 0.5]).double()
        given = {"coords": ends[None], "shape": tuple((last + 1).tolist()), "align_corners": flag}
        yield Case(given, "extreme")


def to_grid_fast(coords: Tensor, shape: tuple[int, int, int], align_corners: bool) -> Tensor:
    size = torch.tensor(shape, device=coords.device)
    if align_corners:
        return (2 * coords / (size - 1).clamp(min=1) - 1).flip(-1)
    return ((2 * coords + 1) / size - 1).flip(-1)


def zyx_kept(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    return to_grid_fast(coords, shape, align_corners).flip(-1)


def sizes_reversed(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    return to_grid_fast(coords, shape[::-1], align_corners)


def always_true(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    return to_grid_fast(coords, shape, True)


def always_false(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    return to_grid_fast(coords, shape, False)


def flag_crossed(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    return to_grid_fast(coords, shape, not align_corners)


def no_half_voxel(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    if align_corners:
        return to_grid_fast(coords, shape, True)
    return (2 * coords / torch.tensor(shape) - 1).flip(-1)


def zero_to_one(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    return (to_grid_fast(coords, shape, align_corners) + 1) / 2


grid = Exercise(
    id="sampling.grid",
    name="to_grid",
    signature="to_grid(coords [B, M, 3] (z, y, x), shape (D, H, W), align_corners) → [B, M, 3]",
    right=to_grid_loop,
    cases=to_grid_cases,
    misconceptions=(
        Misconception(
            "zyx",
            "The numbers are right, their order is not: grid_sample wants (x, y, z).",
            XYZ,
            zyx_kept,
        ),
        Misconception(
            "sizes-reversed",
            "x is divided by the depth and z by the width: the sizes are not in the order of the "
            "coordinates.",
            XYZ,
            sizes_reversed,
        ),
        Misconception(
            "always-true",
            "align_corners is not used: −1 and 1 are always the first and the last centre.",
            UNITS,
            always_true,
        ),
        Misconception(
            "always-false",
            "align_corners is not used: −1 and 1 are always the outer faces.",
            UNITS,
            always_false,
        ),
        Misconception(
            "flag-crossed",
            "The two settings of align_corners are exchanged.",
            UNITS,
            flag_crossed,
        ),
        Misconception(
            "half-voxel",
            "With align_corners=False you divide by the right length, but count from the first "
            "centre: −1 is the outer face, half a voxel before it.",
            UNITS,
            no_half_voxel,
        ),
        Misconception(
            "zero-to-one",
            "The ends of an axis are 0 and 1 in your answer; grid_sample calls them −1 and 1.",
            "10-sampling#the-library-s-own-grid-sample",
            zero_to_one,
        ),
    ),
    page=UNITS,
    differentiable=("coords",),
    large=lambda g: {
        "coords": eighths(g, 5, 1, 1500, 3),
        "shape": (6, 7, 8),
        "align_corners": True,
    },
    fast=to_grid_fast,
    tolerance=1e-9,
)


# ---- deform.sites


def sites_loop(offset: Tensor) -> Tensor:
    B, _, D, H, W = offset.shape
    out = offset.new_zeros(B, 27, D, H, W, 3)
    taps = product(range(3), repeat=3)  # (kz, ky, kx), kx fastest
    for k, (kz, ky, kx) in enumerate(taps):
        for b, z, y, x in product(range(B), range(D), range(H), range(W)):
            out[b, k, z, y, x, 0] = z + kz - 1 + offset[b, 3 * k, z, y, x]
            out[b, k, z, y, x, 1] = y + ky - 1 + offset[b, 3 * k + 1, z, y, x]
            out[b, k, z, y, x, 2] = x + kx - 1 + offset[b, 3 * k + 2, z, y, x]
    return out


def sites_cases(g: Generator) -> Iterator[Case]:
    def case(B, size, kind="ordinary", dtype=torch.float64):
        return Case({"offset": numbers(g, B, 81, *size, dtype=dtype)}, kind)

    yield case(1, (1, 1, 2))
    yield case(1, (2, 3, 1))
    yield case(2, (1, 2, 3))
    yield case(1, (1, 1, 1), "one")
    yield case(2, (1, 1, 1), "one")
    yield case(0, (2, 3, 4), "empty")
    yield case(2, (2, 0, 3), "empty")
    yield case(1, (2, 1, 3), "dtype", torch.float32)
    yield in_strides(case(1, (3, 2, 1)))


def parts(offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output voxels [D, H, W, 3], taps [27, 1, 1, 1, 3], offsets [B, 27, D, H, W, 3]."""

    def axis(n: int) -> Tensor:
        return torch.arange(n, device=offset.device, dtype=offset.dtype)

    size = offset.shape[2:]
    base = torch.stack(torch.meshgrid(*map(axis, size), indexing="ij"), -1)
    taps = torch.cartesian_prod(*[axis(3) - 1] * 3)[:, None, None, None]
    return base, taps, offset.unflatten(1, (27, 3)).movedim(2, -1)


def sites_fast(offset: Tensor) -> Tensor:
    base, taps, moved = parts(offset)
    return base + taps + moved


def planar(offset: Tensor) -> Tensor:
    """Offsets laid out as all z, all y, all x, as the channels that the operator wants."""
    return offset.unflatten(1, (3, 27)).transpose(1, 2).flatten(1, 2)


def swapped(offset: Tensor) -> Tensor:
    """Offsets laid out as (dx, dy, dz), as the channels that the operator wants."""
    return offset.unflatten(1, (27, 3)).flip(2).flatten(1, 2)


def sites_planar(offset: Tensor) -> Tensor:
    return sites_fast(planar(offset))


def sites_reshaped(offset: Tensor) -> Tensor:
    base, taps, moved = parts(offset)
    return base + taps + offset.reshape(moved.shape)


def sites_xyz(offset: Tensor) -> Tensor:
    return sites_fast(offset).flip(-1)


def sites_offset_xyz(offset: Tensor) -> Tensor:
    return sites_fast(swapped(offset))


def sites_no_voxel(offset: Tensor) -> Tensor:
    _, taps, moved = parts(offset)
    return taps + moved


def sites_no_tap(offset: Tensor) -> Tensor:
    base, _, moved = parts(offset)
    return base + moved


def sites_not_centred(offset: Tensor) -> Tensor:
    return sites_fast(offset) + 1


def sites_kx_slowest(offset: Tensor) -> Tensor:
    base, taps, moved = parts(offset)
    return base + taps.flip(-1) + moved


def sites_axis_third(offset: Tensor) -> Tensor:
    return sites_fast(offset).movedim(-1, 2)


def sites_taps_last(offset: Tensor) -> Tensor:
    return sites_fast(offset).movedim(1, -2)


PLANAR = "The 81 channels are read as 3 axes of 27 taps; they are 27 taps of 3 axes."

sites = Exercise(
    id="deform.sites",
    name="sites",
    signature="sites(offset [B, 81, D, H, W]) → [B, 27, D, H, W, 3] (z, y, x)",
    right=sites_loop,
    cases=sites_cases,
    misconceptions=(
        Misconception("planar", PLANAR, ORDER, sites_planar),
        Misconception(
            "reshaped",
            "The shape is right, but reshape does not move an axis: the offsets of different "
            "voxels and axes are mixed.",
            "11-deformable#the-operator",
            sites_reshaped,
        ),
        Misconception(
            "xyz",
            "The positions come out as (x, y, z); here they are (z, y, x).",
            ORDER,
            sites_xyz,
        ),
        Misconception(
            "offset-xyz",
            "The three offsets of a tap are read as (x, y, z); here they are (z, y, x).",
            ORDER,
            sites_offset_xyz,
        ),
        Misconception(
            "no-voxel",
            "The output voxel is missing in the sum: every voxel reads around the origin.",
            "11-deformable#the-rule",
            sites_no_voxel,
        ),
        Misconception(
            "no-tap",
            "The tap's own place in the kernel is missing in the sum: without offsets, all 27 taps "
            "would read one voxel.",
            "11-deformable#the-rule",
            sites_no_tap,
        ),
        Misconception(
            "not-centred",
            "Everything is moved by one voxel along each axis: the padding is forgotten.",
            "11-deformable#the-rule",
            sites_not_centred,
        ),
        Misconception(
            "kx-slowest",
            "The taps are counted with kz fastest; in the kernel's memory kx is fastest.",
            ORDER,
            sites_kx_slowest,
        ),
        Misconception(
            "axis-third",
            "The positions are right, the layout is not: z, y, x belong in the last dimension.",
            "11-deformable#the-operator",
            sites_axis_third,
        ),
        Misconception(
            "taps-last",
            "The positions are right, the layout is not: the taps come before the voxels.",
            "11-deformable#the-operator",
            sites_taps_last,
        ),
    ),
    page="11-deformable#the-rule",
    differentiable=("offset",),
    large=lambda g: {"offset": numbers(g, 1, 81, 8, 9, 10)},
    fast=sites_fast,
)


# ---- deform.conv


def deform_conv_loop(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    B, _, D, H, W = input.shape
    out = input.new_zeros(B, len(weight), D, H, W)
    for b, z, y, x in product(range(B), range(D), range(H), range(W)):
        total = 0
        for k, (kz, ky, kx) in enumerate(product(range(3), repeat=3)):
            move = offset[b, 3 * k : 3 * k + 3, z, y, x]  # (z, y, x)
            site = move + move.new_tensor([z + kz - 1, y + ky - 1, x + kx - 1])
            total = total + weight[:, :, kz, ky, kx] @ read(input[b], site)
        out[b, :, z, y, x] = total
    return out


def deform_conv_cases(g: Generator) -> Iterator[Case]:
    def case(B, Ci, Co, size, kind="ordinary"):
        given = {
            "input": numbers(g, B, Ci, *size),
            "offset": eighths(g, 2, B, 81, *size, low=-2),
            "weight": numbers(g, Co, Ci, 3, 3, 3),
        }
        return Case(given, kind)

    yield case(1, 1, 1, (1, 1, 2))
    yield case(1, 2, 3, (1, 3, 2))
    yield case(2, 2, 1, (2, 1, 3))
    yield case(1, 1, 1, (1, 1, 1), "one")
    yield case(2, 1, 3, (1, 1, 1), "one")
    yield case(0, 2, 3, (2, 3, 2), "empty")
    yield in_strides(case(1, 2, 2, (2, 1, 2)))
    small = {  # halves and small numbers: no sum is rounded in float32
        "input": integers(g, 5, 1, 2, 1, 2, 2, low=1),
        "offset": integers(g, 2, 1, 81, 1, 2, 2, low=-2) + 0.5,
        "weight": integers(g, 4, 2, 2, 3, 3, 3, low=-3),
    }
    yield Case({name: value.float() for name, value in small.items()}, "dtype")
    far = case(1, 1, 2, (2, 1, 1))
    far.arguments["offset"][:, :41] *= 1001  # odd eighths stay odd eighths
    yield Case(far.arguments, "extreme")


def deform_conv_fast(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv3d(input, offset, weight, padding=1)


def conv_at(input: Tensor, places: Tensor, weight: Tensor, padding: str = "zeros") -> Tensor:
    """The convolution of what is read at places [B, 27, D, H, W, 3]."""
    sampled = trilinear_sample(input, places, padding=padding)  # [B, Ci, 27, D, H, W]
    return torch.einsum("bikdhw,oik->bodhw", sampled, weight.flatten(2))


def conv_rounded(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, offset.round(), weight)


def conv_cut(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, offset.trunc(), weight)


def conv_sites_cut(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_fast(offset).trunc(), weight)


def conv_sites_cut_down(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_fast(offset).floor(), weight)


def conv_ordinary(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return F.conv3d(input, weight, padding=1)


def conv_planar(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, planar(offset), weight)


def conv_offset_xyz(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, swapped(offset), weight)


def conv_sites_xyz(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_xyz(offset), weight)


def conv_border(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_fast(offset), weight, "border")


def conv_flipped(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, offset, weight.flip(2, 3, 4))


def conv_kx_slowest(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, offset, weight.transpose(2, 4))


def conv_sites_kx_slowest(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_kx_slowest(offset), weight)


def conv_not_centred(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_not_centred(offset), weight)


def conv_no_tap(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_no_tap(offset), weight)


def conv_subtracted(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv_fast(input, -offset, weight)


LEARN = "11-deformable#an-index-that-cannot-learn"
WHOLE = "The offsets, or the positions, become whole numbers: a tap reads one voxel, not eight."
COUNTED = "Weights and taps are counted in different orders: one has kx fastest, the other kz."

conv = Exercise(
    id="deform.conv",
    name="deform_conv",
    signature="deform_conv(input [B, Ci, D, H, W], offset [B, 81, D, H, W], "
    "weight [Co, Ci, 3, 3, 3]) → [B, Co, D, H, W]",
    right=deform_conv_loop,
    cases=deform_conv_cases,
    misconceptions=(
        Misconception(
            "offset-ignored",
            "The offsets are not used: this is the ordinary convolution.",
            "11-deformable#the-rule",
            conv_ordinary,
        ),
        Misconception("rounded", WHOLE, LEARN, conv_rounded),
        Misconception("rounded", WHOLE, LEARN, conv_cut),
        Misconception("rounded", WHOLE, LEARN, conv_sites_cut),
        Misconception("rounded", WHOLE, LEARN, conv_sites_cut_down),
        Misconception("planar", PLANAR, ORDER, conv_planar),
        Misconception(
            "offset-xyz",
            "The three offsets of a tap are read as (x, y, z); here they are (z, y, x).",
            ORDER,
            conv_offset_xyz,
        ),
        Misconception(
            "sites-xyz",
            "The positions are sampled as (x, y, z); here they are (z, y, x).",
            XYZ,
            conv_sites_xyz,
        ),
        Misconception(
            "border",
            "Outside the volume you read the border voxel again; there the input is 0.",
            OUTSIDE,
            conv_border,
        ),
        Misconception(
            "kernel-flipped",
            "The kernel is turned round: the first tap is multiplied by the last weight.",
            "11-deformable#the-operator",
            conv_flipped,
        ),
        Misconception("kx-slowest", COUNTED, ORDER, conv_kx_slowest),
        Misconception("kx-slowest", COUNTED, ORDER, conv_sites_kx_slowest),
        Misconception(
            "not-centred",
            "Everything is read one voxel too far along each axis: the padding is forgotten.",
            "11-deformable#the-rule",
            conv_not_centred,
        ),
        Misconception(
            "no-tap",
            "The tap's own place in the kernel is missing: without offsets, all 27 taps would read "
            "one voxel.",
            "11-deformable#the-rule",
            conv_no_tap,
        ),
        Misconception(
            "subtracted",
            "The offsets are subtracted: each tap moves the other way.",
            "11-deformable#the-rule",
            conv_subtracted,
        ),
    ),
    page="11-deformable#the-rule",
    differentiable=("input", "offset", "weight"),
    linear_in="input",
    large=lambda g: {
        "input": numbers(g, 1, 1, 4, 5, 6),
        "offset": integers(g, 9, 1, 81, 4, 5, 6, low=-8).double() / 8,
        "weight": numbers(g, 1, 1, 3, 3, 3),
    },
    fast=deform_conv_fast,
    tolerance=1e-9,
)

EXERCISES = (trilinear, grid, sites, conv)
