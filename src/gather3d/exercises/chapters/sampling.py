"""Chapter 10's exercises: between voxels, grid_sample's units, corners, a matrix, splatting."""

import math
from collections.abc import Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gather3d.sampling import trilinear_sample

from ..exercise import (
    Case,
    Exercise,
    Misconception,
    after,
    before,
    integers,
    numbers,
    or_refused,
    strided,
)

BETWEEN = "10-sampling#between-eight"
OUTSIDE = "10-sampling#outside"
UNITS = "10-sampling#what-1-and-1-mean-align-corners"
XYZ = "10-sampling#its-positions-are-x-y-z"


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


HALF = (
    "You read half a voxel away. Here whole numbers are the centres of voxels, and nothing is to "
    "be added or subtracted."
)
RENORMALISED = (
    "The weights of the corners that exist were made to sum to 1 again. What lies outside counts "
    "as 0 here, and takes its weight with it."
)


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


def rounded_clamped(volume: Tensor, coords: Tensor) -> Tensor:
    return one_voxel_clamped(volume, coords.round())


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


def border_goes_on(volume: Tensor, coords: Tensor) -> Tensor:
    return trilinear_sample(volume, coords, padding="border")


def weights_swapped(volume: Tensor, coords: Tensor) -> Tensor:
    low = coords.floor()
    return eight_corners(volume, low, 1 - (coords - low))


def nothing_past_the_centres(out: Tensor, volume: Tensor, coords: Tensor) -> Tensor:
    last = torch.tensor(volume.shape[2:]) - 1
    return out * ((coords >= 0) & (coords <= last)).all(-1)[:, None]


def two_flags(volume: Tensor, coords: Tensor) -> Tensor:
    grid = to_grid_fast(coords, tuple(volume.shape[2:]), True)
    return F.grid_sample(volume, grid[:, :, None, None], align_corners=False)[..., 0, 0]


NEAREST = "The positions are rounded: each reads one voxel, the nearest, and the weights are lost."
CUT = "The fractions are cut off: each position reads one voxel, and the weights are lost."
THIRD = "10-sampling#third-error-an-integer-cannot-move-a-little"


def renormalised(out: Tensor, volume: Tensor, coords: Tensor) -> Tensor:
    inside = trilinear_sample(torch.ones_like(volume), coords)
    return out / inside.where(inside > 0, 1)


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
        Misconception(
            "nearest",
            NEAREST,
            THIRD,
            change=before(lambda volume, coords: (volume, coords.round())),
        ),
        Misconception("nearest", NEAREST, THIRD, rounded_clamped),
        Misconception(
            "fraction-cut",
            CUT,
            THIRD,
            change=before(lambda volume, coords: (volume, coords.trunc())),
        ),
        Misconception(
            "fraction-cut",
            CUT,
            THIRD,
            change=before(lambda volume, coords: (volume, coords.floor())),
        ),
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
            change=before(lambda volume, coords: (volume, coords.flip(-1))),
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
            change=after(nothing_past_the_centres),
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
            change=after(lambda out, *_: out[:, :1]),
        ),
        Misconception(
            "first-batch",
            "Every position is read in the volume of batch 0.",
            "10-sampling#the-operator",
            change=before(lambda volume, coords: (volume[:1].expand_as(volume), coords)),
        ),
        Misconception(
            "channels-last",
            "The values are right, the layout is not: channels come before positions.",
            "10-sampling#the-operator",
            change=after(lambda out, *_: out.mT),
        ),
        Misconception(
            "half-voxel",
            HALF,
            UNITS,
            change=before(lambda volume, coords: (volume, coords - 0.5)),
        ),
        Misconception(
            "half-voxel",
            HALF,
            UNITS,
            change=before(lambda volume, coords: (volume, coords + 0.5)),
        ),
        Misconception("renormalised", RENORMALISED, OUTSIDE, change=after(renormalised)),
    ),
    page=BETWEEN,
    asks={
        "gradient": "Gradients must reach the volume and the positions.",
        "loop": "Use no loop over positions.",
        "without": "You may use your `corners` and `g3.gather_points`, and not "
        "`g3.trilinear_sample` or `grid_sample`.",
    },
    without=("trilinear_sample", "grid_sample"),
    differentiable=("volume", "coords"),
    linear_in="volume",
    large=lambda g: {
        "volume": numbers(g, 1, 1, 6, 7, 8),
        "coords": eighths(g, 5, 1, 400, 3),
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


def divided_by_zero(coords: Tensor, shape: tuple, align_corners: bool) -> Tensor:
    if align_corners:
        return (2 * coords / (torch.tensor(shape) - 1) - 1).flip(-1)
    return to_grid_fast(coords, shape, align_corners)


ONE_SIZE = "All three axes are divided by one and the same size; each axis has its own."


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
            change=after(lambda out, *_: out.flip(-1)),
        ),
        Misconception(
            "sizes-reversed",
            "x is divided by the depth and z by the width: the sizes are not in the order of the "
            "coordinates.",
            XYZ,
            change=before(lambda coords, shape, flag: (coords, shape[::-1], flag)),
        ),
        Misconception(
            "always-true",
            "align_corners is not used: −1 and 1 are always the first and the last centre.",
            UNITS,
            change=before(lambda coords, shape, flag: (coords, shape, True)),
        ),
        Misconception(
            "always-false",
            "align_corners is not used: −1 and 1 are always the outer faces.",
            UNITS,
            change=before(lambda coords, shape, flag: (coords, shape, False)),
        ),
        Misconception(
            "flag-crossed",
            "The two settings of align_corners are exchanged.",
            UNITS,
            change=before(lambda coords, shape, flag: (coords, shape, not flag)),
        ),
        Misconception(
            "half-voxel",
            "With align_corners=False you divide by the right length, but count from the first "
            "centre: −1 is the outer face, half a voxel before it.",
            UNITS,
            change=before(
                lambda coords, shape, flag: (coords if flag else coords - 0.5, shape, flag)
            ),
        ),
        Misconception(
            "zero-to-one",
            "The ends of an axis are 0 and 1 in your answer; grid_sample calls them −1 and 1.",
            "10-sampling#the-library-s-own-grid-sample",
            change=after(lambda out, *_: (out + 1) / 2),
        ),
        Misconception(
            "size-for-both",
            "You compute 2 c / size − 1 for both settings. In one of them −1 and 1 are centres, "
            "which are size − 1 apart; in the other −1 is half a voxel before the first.",
            UNITS,
            change=before(lambda coords, shape, flag: (coords - 0.5, shape, False)),
        ),
        Misconception(
            "length-crossed",
            "With align_corners=False you begin half a voxel before the first centre and divide by "
            "size − 1. From face to face it is the size.",
            UNITS,
            change=before(
                lambda coords, shape, flag: (coords if flag else coords + 0.5, shape, True)
            ),
        ),
        Misconception(
            "one-size",
            ONE_SIZE,
            UNITS,
            change=before(lambda coords, shape, flag: (coords, 3 * shape[2:], flag)),
        ),
        Misconception(
            "one-size",
            ONE_SIZE,
            UNITS,
            change=before(lambda coords, shape, flag: (coords, 3 * shape[:1], flag)),
        ),
        Misconception(
            "divides-by-zero",
            "Right, except on an axis of length 1, where size − 1 is 0.",
            UNITS,
            divided_by_zero,
        ),
    ),
    page=UNITS,
    asks={
        "gradient": "Use no loop over positions; gradients flow to them.",
        "loop": "Use no loop over positions; gradients flow to them.",
    },
    differentiable=("coords",),
    large=lambda g: {
        "coords": eighths(g, 5, 1, 400, 3),
        "shape": (6, 7, 8),
        "align_corners": True,
    },
    fast=to_grid_fast,
    tolerance=1e-9,
)


# ---- sampling.corners


def corners_loop(coords: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    index = torch.full((len(coords), 8), -1)
    weight = coords.new_ones(len(coords), 8)
    for m in range(len(coords)):
        for k, corner in enumerate(product((0, 1), repeat=3)):  # (dz, dy, dx), dx fastest
            flat, inside = 0, True
            for step, place, size in zip(corner, coords[m], shape, strict=True):
                voxel = math.floor(place) + step
                weight[m, k] *= 1 - abs(place - voxel)
                inside = inside and 0 <= voxel < size
                flat = flat * size + voxel
            if inside:
                index[m, k] = flat
    return index, weight


def corners_cases(g: Generator) -> Iterator[Case]:
    def case(M, shape, kind="ordinary", dtype=torch.float64):
        axes = [eighths(g, n, M, low=-1, dtype=dtype) for n in shape]
        return Case({"coords": torch.stack(axes, -1), "shape": shape}, kind)

    def given(places, shape, kind):
        return Case({"coords": torch.as_tensor(places).double(), "shape": shape}, kind)

    yield case(1, (2, 3, 4))
    yield case(6, (4, 2, 3))
    yield case(12, (2, 3, 2))
    whole = [integers(g, n, 4) for n in (3, 4, 2)]
    yield given(torch.stack(whole, -1), (3, 4, 2), "ordinary")
    yield case(5, (1, 1, 1), "one")
    yield case(5, (3, 1, 2), "one")
    yield case(0, (2, 3, 4), "empty")
    yield case(6, (3, 2, 4), "dtype", torch.float32)
    yield in_strides(case(5, (2, 4, 3)))
    yield given(eighths(g, 1, 1, 3).repeat(4, 1), (3, 2, 4), "repeated")
    yield given(eighths(g, 0, 4, 3, low=-2), (3, 4, 5), "negative")
    ends = torch.tensor([[0, 0, 0], [1, 2, 3], [2, 3, 4], [-3, 1, 1], [0, 5, 2], [0, 1, 10**6]])
    yield given(ends + eighths(g, 1, 6, 3), (3, 4, 5), "extreme")


def eight(
    coords: Tensor, shape: tuple, low: Tensor | None = None, first: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Corners [.., 8, 3] as whole numbers, their weights [.., 8], and which are inside [.., 8].

    `low` is the lower corner, the floor where none is given; without `first` dz is fastest.
    """
    low = coords.detach().floor() if low is None else low
    step = torch.cartesian_prod(*[torch.arange(2)] * 3)
    step = step if first else step.flip(-1)
    above = (coords - low)[..., None, :]
    weight = torch.where(step == 1, above, 1 - above).prod(-1)
    at = low.long()[..., None, :] + step
    return at, weight, ((at >= 0) & (at < torch.tensor(shape))).all(-1)


def flattened(at: Tensor, shape: tuple) -> Tensor:
    z, y, x = at.unbind(-1)
    return (z * shape[1] + y) * shape[2] + x


def held(at: Tensor, shape: tuple) -> Tensor:
    """Corners moved onto the border where they are outside."""
    return at.clamp(min=0).minimum(torch.tensor(shape) - 1)


def corners_fast(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, inside = eight(coords, shape)
    return flattened(at, shape).where(inside, -1), weight


def corners_towards_zero(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, inside = eight(coords, shape, coords.trunc())
    return flattened(at, shape).where(inside, -1), weight


def corners_z_without_factor(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, inside = eight(coords, shape)
    return flattened(at.flip(-1), shape).where(inside, -1), weight


def corners_in_range(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, _ = eight(coords, shape)
    flat = flattened(at, shape)
    return flat.where((flat >= 0) & (flat < math.prod(shape)), -1), weight


def corners_unchecked(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, _ = eight(coords, shape)
    return flattened(at, shape), weight


def corners_on_the_border(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, _ = eight(coords, shape)
    return flattened(held(at, shape), shape), weight


def corners_floor_and_ceil(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    ends = torch.stack([coords.floor(), coords.ceil()])
    share = torch.stack([ends[1] - coords, coords - ends[0]])
    step = torch.cartesian_prod(*[torch.arange(2)] * 3)
    axis = torch.arange(3)
    at = ends[step, :, axis].movedim(-1, 0).long()  # [M, 8, 3]
    inside = ((at >= 0) & (at < torch.tensor(shape))).all(-1)
    return flattened(at, shape).where(inside, -1), share[step, :, axis].prod(1).T


INSIDE = "10-sampling#the-operator"


def dz_fastest(of_corners: Tensor) -> Tensor:
    return of_corners.unflatten(1, (2, 2, 2)).permute(0, 3, 2, 1).flatten(1)


def corners_renormalised(pair: tuple[Tensor, Tensor], *_) -> tuple[Tensor, Tensor]:
    index, weight = pair
    weight = weight * (index >= 0)
    total = weight.sum(1, keepdim=True)
    return index, weight / total.where(total > 0, 1)


def corners_last_lost(coords: Tensor, shape: tuple) -> tuple[Tensor, Tensor]:
    at, weight, inside = eight(coords, shape)
    lost = (at >= torch.tensor(shape) - 1).any(-1)
    return flattened(at, shape).where(inside & ~lost, -1), weight


corners = Exercise(
    id="sampling.corners",
    name="corners",
    signature="corners(coords [M, 3] (z, y, x), shape (D, H, W)) → "
    "(index [M, 8] int64, weight [M, 8])",
    right=corners_loop,
    cases=corners_cases,
    misconceptions=(
        Misconception(
            "unchecked",
            "A corner outside the volume keeps a flat index, of some voxel or of none; it has "
            "index −1.",
            INSIDE,
            corners_unchecked,
        ),
        Misconception(
            "range-only",
            "You ask only whether the flat index is in range. A corner that leaves one row of the "
            "volume lands in the next, and its flat index is in range.",
            INSIDE,
            corners_in_range,
        ),
        Misconception(
            "border",
            "A corner outside gets the index of the voxel at the border; it has index −1.",
            OUTSIDE,
            corners_on_the_border,
        ),
        Misconception(
            "weightless",
            "A corner outside has weight 0 in your answer. Its index −1 says already that it does "
            "not exist; the eight weights sum to 1 wherever the position is.",
            INSIDE,
            change=after(lambda pair, *_: (pair[0], pair[1] * (pair[0] >= 0))),
        ),
        Misconception(
            "towards-zero",
            "Below 0 the lower corner is the wrong voxel: it was found by going towards zero, "
            "so −0.25 starts at 0.",
            INSIDE,
            corners_towards_zero,
        ),
        Misconception(
            "floor-and-ceil",
            "On a voxel's centre the lower and the upper corner are one voxel in your answer, and "
            "both have weight 0.",
            "10-sampling#between-two-values",
            corners_floor_and_ceil,
        ),
        Misconception(
            "weights-swapped",
            "The right eight voxels, but the weights of lower and upper corners are exchanged: "
            "the nearer voxel counts less.",
            "10-sampling#between-two-values",
            change=after(lambda pair, *_: (pair[0], pair[1].flip(-1))),
        ),
        Misconception(
            "dz-fastest",
            "The right corners with the right weights, in another order: dx changes fastest, dz "
            "slowest.",
            "10-sampling#the-operator",
            change=after(lambda pair, *_: tuple(map(dz_fastest, pair))),
        ),
        Misconception(
            "x-slowest",
            "In the flat index z has no factor; in memory x runs fastest.",
            "10-sampling#first-error-the-order-of-the-flat-index",
            corners_z_without_factor,
        ),
        Misconception(
            "xyz",
            "The coordinates are read as (x, y, z); here they are (z, y, x).",
            "10-sampling#the-operator",
            change=before(lambda coords, shape: (coords.flip(-1), shape)),
        ),
        Misconception(
            "half-voxel",
            HALF,
            UNITS,
            change=before(lambda coords, shape: (coords - 0.5, shape)),
        ),
        Misconception(
            "half-voxel",
            HALF,
            UNITS,
            change=before(lambda coords, shape: (coords + 0.5, shape)),
        ),
        Misconception(
            "renormalised",
            "The weights of the corners that exist were made to sum to 1 again. A corner outside "
            "keeps its weight here.",
            INSIDE,
            change=after(corners_renormalised),
        ),
        Misconception(
            "last-lost",
            "The last voxel of an axis is outside in your answer. Its number is size − 1, and it "
            "is there.",
            INSIDE,
            corners_last_lost,
        ),
    ),
    page=BETWEEN,
    asks={
        "dtype": "The indices are int64.",
        "loop": "Use no loop over positions.",
    },
    large=lambda g: {"coords": eighths(g, 5, 1500, 3), "shape": (6, 7, 8)},
    fast=corners_fast,
    tolerance=1e-9,
)


# ---- sampling.matrix


def resize_loop(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    out = torch.zeros(outputs, inputs)
    for j in range(outputs):
        if align_corners:
            place = j * (inputs - 1) / max(outputs - 1, 1)
        else:
            place = (j + 0.5) * inputs / outputs - 0.5
        place = min(max(place, 0), inputs - 1)  # the border goes on
        low = math.floor(place)
        out[j, low] += 1 - (place - low)
        out[j, min(low + 1, inputs - 1)] += place - low
    return out


def resize_cases(g: Generator) -> Iterator[Case]:
    def case(inputs, outputs, flag, kind="ordinary"):
        given = {"inputs": inputs, "outputs": outputs, "align_corners": flag}
        return Case(given, kind)

    few, more = integers(g, 5, 2, low=2).tolist(), integers(g, 9, 2, low=6).tolist()
    same = integers(g, 8, 1, low=4).item()
    for flag in (True, False):
        yield case(2, 3, flag)
        for n, m in zip(few, more, strict=True):
            yield case(n, m, flag)
            yield case(m, n, flag)
        yield case(1, few[0], flag, "one")
        yield case(more[0], 1, flag, "one")
        yield case(few[0], 0, flag, "empty")
        yield case(same, same, flag, "extreme")
        yield case(7 * few[0], 9 * more[0], flag, "large")


def places(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    """Where the outputs read, before the border stops them."""
    j = torch.arange(outputs)
    if align_corners:
        return j * (inputs - 1) / max(outputs - 1, 1)
    return (j + 0.5) * inputs / max(outputs, 1) - 0.5


def hats(at: Tensor, inputs: int) -> Tensor:
    """The weights of all inputs at each position, 0 where both neighbours are outside."""
    return (1 - (at[:, None] - torch.arange(inputs)).abs()).clamp(min=0)


def resize_fast(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    return hats(places(inputs, outputs, align_corners).clamp(0, inputs - 1), inputs)


def resize_zeros(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    return hats(places(inputs, outputs, align_corners), inputs)


def resize_no_half(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    if align_corners:
        return resize_fast(inputs, outputs, True)
    return hats((torch.arange(outputs) * inputs / max(outputs, 1)).clamp(0, inputs - 1), inputs)


def resize_one_short(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    if align_corners:
        return hats(torch.arange(outputs) * (inputs - 1) / max(outputs, 1), inputs)
    return resize_fast(inputs, outputs, False)


def resize_nearest(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    at = places(inputs, outputs, align_corners).clamp(0, inputs - 1)
    return hats(at.round(), inputs)


def resize_overwritten(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    out, j = torch.zeros(outputs, inputs), torch.arange(outputs)
    at = places(inputs, outputs, align_corners).clamp(0, inputs - 1)
    low = at.long()
    out[j, low] = 1 - (at - low)
    out[j, (low + 1).clamp(max=inputs - 1)] = at - low
    return out


def resize_swapped(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    out, j = torch.zeros(outputs, inputs), torch.arange(outputs)
    at = places(inputs, outputs, align_corners).clamp(0, inputs - 1)
    low = at.long()
    out.index_put_((j, low), at - low, accumulate=True)
    return out.index_put_((j, (low + 1).clamp(max=inputs - 1)), 1 - (at - low), accumulate=True)


def resize_inverted(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    j = torch.arange(outputs)
    if align_corners:
        at = j * (outputs - 1) / max(inputs - 1, 1)
    else:
        at = (j + 0.5) * outputs / inputs - 0.5
    return hats(at.clamp(0, inputs - 1), inputs)


def resize_extrapolated(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    at = places(inputs, outputs, align_corners)
    low = at.floor().clamp(0, max(inputs - 2, 0))
    out, j = torch.zeros(outputs, inputs), torch.arange(outputs)
    out.index_put_((j, low.long()), 1 - (at - low), accumulate=True)
    high = (low.long() + 1).clamp(max=inputs - 1)
    return out.index_put_((j, high), at - low, accumulate=True)


def resize_antialiased(inputs: int, outputs: int, align_corners: bool) -> Tensor:
    """As an image library makes an image smaller: each output looks at all that it stands for."""
    eye, size = torch.eye(inputs)[None, None], (inputs, outputs)
    wide = F.interpolate(eye, size, mode="bilinear", align_corners=align_corners, antialias=True)
    return wide[0, 0].T


matrix = Exercise(
    id="sampling.matrix",
    name="resize_matrix",
    signature="resize_matrix(inputs, outputs, align_corners) → [outputs, inputs]",
    right=resize_loop,
    cases=resize_cases,
    misconceptions=(
        Misconception(
            "transposed",
            "A row belongs to an output and a column to an input; yours is the transpose.",
            "10-sampling#its-matrix",
            change=after(lambda out, *_: out.T),
        ),
        Misconception(
            "always-true",
            "align_corners is not used: the first and the last output always read the first and "
            "the last input.",
            UNITS,
            change=before(lambda inputs, outputs, flag: (inputs, outputs, True)),
        ),
        Misconception(
            "always-false",
            "align_corners is not used: the outputs always divide the whole line, from the outer "
            "face of the first voxel to that of the last.",
            UNITS,
            change=before(lambda inputs, outputs, flag: (inputs, outputs, False)),
        ),
        Misconception(
            "flag-crossed",
            "The two settings of align_corners are exchanged.",
            UNITS,
            change=before(lambda inputs, outputs, flag: (inputs, outputs, not flag)),
        ),
        Misconception(
            "zeros",
            "The rows at the ends sum to less than 1: a corner outside has lost its weight. Here "
            "the border goes on.",
            OUTSIDE,
            resize_zeros,
        ),
        Misconception(
            "overwritten",
            "At the border both corners of an output are one voxel, and the second weight has "
            "overwritten the first.",
            OUTSIDE,
            resize_overwritten,
        ),
        Misconception(
            "half-voxel",
            "With align_corners=False the matrix is not symmetric: you count from the first "
            "centre, and the line begins half a voxel before it.",
            UNITS,
            resize_no_half,
        ),
        Misconception(
            "one-short",
            "With align_corners=True the last output does not reach the last input: M outputs have "
            "M − 1 steps between them.",
            UNITS,
            resize_one_short,
        ),
        Misconception(
            "nearest",
            "Each row has a single 1: the positions are rounded, and the weights are lost.",
            "10-sampling#between-two-values",
            resize_nearest,
        ),
        Misconception(
            "weights-swapped",
            "The right two voxels in each row, but their weights are exchanged: the nearer one "
            "counts less.",
            "10-sampling#between-two-values",
            resize_swapped,
        ),
        Misconception(
            "ratio-inverted",
            "The ratio of the sizes is upside down: with more outputs, each step must be shorter.",
            UNITS,
            resize_inverted,
        ),
        Misconception(
            "extrapolated",
            "Before the first and behind the last centre, the line goes on with its slope, and a "
            "weight is negative. Here the border goes on.",
            OUTSIDE,
            resize_extrapolated,
        ),
        Misconception(
            "antialiased",
            "Fewer outputs are means over all that they stand for, as image libraries do it. "
            "F.interpolate reads two neighbours, however many lie between.",
            "10-sampling#between-two-values",
            or_refused(resize_antialiased),
        ),
    ),
    page="10-sampling#its-matrix",
    asks={
        "dtype": "Write the matrix that does it: a row for each output, a column for each input, "
        "float32.",
        "loop": "Without a loop, and without `F.interpolate`.",
        "without": "Without a loop, and without `F.interpolate`.",
    },
    without=("interpolate",),
    large=lambda g: {"inputs": 200, "outputs": 1500, "align_corners": False},
    fast=resize_fast,
    tolerance=1e-4,
)


# ---- sampling.splat


def splat_loop(values: Tensor, coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    (B, C), M = values.shape[:2], coords.shape[1]
    out = values.new_zeros(B, C, *shape)
    for b, m in product(range(B), range(M)):
        low = coords[b, m].detach().floor()
        above = coords[b, m] - low
        for corner in product((0, 1), repeat=3):
            z, y, x = (int(start) + step for start, step in zip(low, corner, strict=True))
            if 0 <= z < shape[0] and 0 <= y < shape[1] and 0 <= x < shape[2]:
                weight = 1
                for step, part in zip(corner, above, strict=True):
                    weight = weight * (part if step else 1 - part)
                out[b, :, z, y, x] += weight * values[b, :, m]
    return out


def splat_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, M, shape, kind="ordinary", dtype=torch.float64):
        axes = [eighths(g, n, B, M, low=-1, dtype=dtype) for n in shape]
        values = numbers(g, B, C, M, dtype=dtype)
        return Case({"values": values, "coords": torch.stack(axes, -1), "shape": shape}, kind)

    yield case(1, 1, 1, (2, 2, 3))
    yield case(1, 2, 5, (2, 3, 4))
    yield case(2, 3, 12, (3, 2, 4))
    yield case(1, 1, 4, (1, 1, 1), "one")
    yield case(1, 1, 5, (3, 1, 2), "one")
    yield case(2, 3, 0, (2, 3, 4), "empty")
    yield case(0, 3, 2, (2, 3, 4), "empty")
    yield case(2, 2, 6, (2, 2, 2), "dtype", torch.float32)
    yield in_strides(case(2, 2, 5, (2, 3, 4)))
    again = eighths(g, 1, 2, 1, 3).repeat(1, 4, 1)
    yield Case({"values": numbers(g, 2, 2, 4), "coords": again, "shape": (2, 3, 4)}, "repeated")
    below = eighths(g, 0, 1, 4, 3, low=-2)
    yield Case({"values": numbers(g, 1, 2, 4), "coords": below, "shape": (2, 3, 4)}, "negative")
    ends = torch.tensor([[[0, 0, 0], [1, 2, 3], [2, 3, 4], [-3, 1, 1], [0, 5, 2], [0, 1, 10**6]]])
    far = {"values": numbers(g, 1, 2, 6), "coords": ends + eighths(g, 1, 1, 6, 3)}
    yield Case({**far, "shape": (3, 4, 5)}, "extreme")


def added(values: Tensor, flat: Tensor, weight: Tensor, shape: tuple) -> Tensor:
    """Values [B, C, M] with weights [B, M, 8], added up at flat indices [B, M, 8]."""
    B, C, _ = values.shape
    shares = (values[..., None] * weight[:, None]).flatten(2)
    index = flat.flatten(1)[:, None].expand_as(shares)
    return (
        values.new_zeros(B, C, math.prod(shape)).scatter_add(2, index, shares).unflatten(2, shape)
    )


def splat_from(values: Tensor, coords: Tensor, shape: tuple, low: Tensor | None = None) -> Tensor:
    at, weight, inside = eight(coords, shape, low)
    return added(values, flattened(held(at, shape), shape), weight * inside, shape)


def splat_fast(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    return splat_from(values, coords, shape)


def splat_towards_zero(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    return splat_from(values, coords, shape, coords.trunc())


def splat_buffered(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    at, weight, inside = eight(coords, shape)
    flat, weight = flattened(held(at, shape), shape), weight * inside
    out = values.new_zeros(len(values), math.prod(shape), values.shape[1])
    batch = torch.arange(len(values))[:, None]
    for k in range(8):
        out[batch, flat[..., k]] += values.mT * weight[..., k, None]
    return out.mT.unflatten(2, shape)


def splat_last_wins(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    at, weight, inside = eight(coords, shape)
    shares = (values[..., None] * (weight * inside)[:, None]).flatten(2)
    index = flattened(held(at, shape), shape).flatten(1)[:, None].expand_as(shares)
    out = values.new_zeros(*values.shape[:2], math.prod(shape))
    return out.scatter(2, index, shares).unflatten(2, shape)


def splat_on_the_border(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    at, weight, _ = eight(coords, shape)
    return added(values, flattened(held(at, shape), shape), weight, shape)


def splat_in_range(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    at, weight, _ = eight(coords, shape)
    flat, size = flattened(at, shape), math.prod(shape)
    there = (flat >= 0) & (flat < size)
    return added(values, flat.clamp(0, size - 1), weight * there, shape)


def splat_all_or_nothing(values: Tensor, coords: Tensor, shape: tuple) -> tuple:
    inside = ((coords >= 0) & (coords <= torch.tensor(shape) - 1)).all(-1)
    return values * inside[:, None], coords, shape


def splat_mean(total: Tensor, values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    arrived = splat_fast(torch.ones_like(values), coords, shape)
    return total / arrived.where(arrived > 0, 1)


def splat_weights_swapped(values: Tensor, coords: Tensor, shape: tuple) -> Tensor:
    at, weight, inside = eight(coords, shape)
    return added(values, flattened(held(at, shape), shape), weight.flip(-1) * inside, shape)


SPLAT = "10-sampling#to-the-volume-splatting"
LOST = "Where two values meet in a voxel, only the last one stays; splatting adds them up."


def shared_out_anew(values: Tensor, coords: Tensor, shape: tuple) -> tuple:
    _, weight, inside = eight(coords, shape)
    there = (weight * inside).sum(-1)[:, None]
    return values / there.where(there > 0, 1), coords, shape


splat = Exercise(
    id="sampling.splat",
    name="splat",
    signature="splat(values [B, C, M], coords [B, M, 3] (z, y, x), shape (D, H, W)) → "
    "[B, C, D, H, W]",
    right=splat_loop,
    cases=splat_cases,
    misconceptions=(
        Misconception("last-wins", LOST, "02-scatter#a-index-1-loses", splat_buffered),
        Misconception("last-wins", LOST, "02-scatter#when-two-meet", splat_last_wins),
        Misconception(
            "nearest",
            "Each value goes whole to the nearest voxel; it is shared out among eight.",
            THIRD,
            change=before(lambda values, coords, shape: (values, coords.round(), shape)),
        ),
        Misconception(
            "fraction-cut",
            CUT.replace("reads", "fills"),
            THIRD,
            change=before(lambda values, coords, shape: (values, coords.trunc(), shape)),
        ),
        Misconception(
            "fraction-cut",
            CUT.replace("reads", "fills"),
            THIRD,
            change=before(lambda values, coords, shape: (values, coords.floor(), shape)),
        ),
        Misconception(
            "towards-zero",
            "Below 0 the lower corner is the wrong voxel: it was found by going towards zero, "
            "so −0.25 starts at 0.",
            INSIDE,
            splat_towards_zero,
        ),
        Misconception(
            "border",
            "What falls outside piles up in the voxels at the border; there is no voxel for it, "
            "and it is lost.",
            OUTSIDE,
            splat_on_the_border,
        ),
        Misconception(
            "border",
            "What falls outside piles up in the voxels at the border; there is no voxel for it, "
            "and it is lost.",
            OUTSIDE,
            change=before(lambda values, coords, shape: (values, held(coords, shape), shape)),
        ),
        Misconception(
            "range-only",
            "You ask only whether the flat index is in range. A corner that leaves one row of the "
            "volume lands in the next, and its flat index is in range.",
            INSIDE,
            splat_in_range,
        ),
        Misconception(
            "all-or-nothing",
            "A position less than one voxel outside still has corners inside; its value is lost "
            "as a whole in your answer.",
            OUTSIDE,
            change=before(splat_all_or_nothing),
        ),
        Misconception(
            "mean",
            "You divide by the weight that arrived. The transpose of sampling adds and does not "
            "divide.",
            SPLAT,
            change=after(splat_mean),
        ),
        Misconception(
            "weights-swapped",
            "The right eight voxels, but the weights of lower and upper corners are exchanged: "
            "the nearer voxel gets less.",
            "10-sampling#between-two-values",
            splat_weights_swapped,
        ),
        Misconception(
            "xyz",
            "The coordinates are read as (x, y, z); here they are (z, y, x).",
            "10-sampling#the-operator",
            change=before(lambda values, coords, shape: (values, coords.flip(-1), shape)),
        ),
        Misconception(
            "first-batch",
            "Every batch is splatted with the positions of batch 0.",
            "10-sampling#the-operator",
            change=before(
                lambda values, coords, shape: (values, coords[:1].expand_as(coords), shape)
            ),
        ),
        Misconception(
            "half-voxel",
            HALF.replace("read", "write"),
            UNITS,
            change=before(lambda values, coords, shape: (values, coords - 0.5, shape)),
        ),
        Misconception(
            "half-voxel",
            HALF.replace("read", "write"),
            UNITS,
            change=before(lambda values, coords, shape: (values, coords + 0.5, shape)),
        ),
        Misconception(
            "renormalised",
            "What would fall outside was shared out among the corners that exist. It is lost.",
            OUTSIDE,
            change=before(shared_out_anew),
        ),
        Misconception(
            "weights-only",
            "These are the weights that arrive in each voxel; the values have no part in them.",
            SPLAT,
            change=before(lambda values, *rest: (torch.ones_like(values), *rest)),
        ),
    ),
    page=SPLAT,
    asks={
        "gradient": "Gradients must reach the values and the positions.",
        "loop": "Use no loop over positions.",
    },
    differentiable=("values", "coords"),
    linear_in="values",
    large=lambda g: {
        "values": numbers(g, 1, 1, 400),
        "coords": eighths(g, 5, 1, 400, 3),
        "shape": (6, 7, 8),
    },
    fast=splat_fast,
    tolerance=1e-9,
)

EXERCISES = (trilinear, grid, corners, matrix, splat)
