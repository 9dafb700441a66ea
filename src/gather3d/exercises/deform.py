"""Chapter 11's exercises: offsets of a kernel, where its taps read, deformable convolution."""

import math
from collections.abc import Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gather3d.sampling import deform_conv3d, trilinear_sample

from .exercise import Case, Exercise, Misconception, integers, numbers
from .sampling import OUTSIDE, XYZ, eighths, in_strides, read

RULE = "11-deformable#the-rule"
OPERATOR = "11-deformable#the-operator"
ORDER = "11-deformable#eighty-one-channels-in-the-wrong-order"


# ---- deform.dilated


def dilated_loop(dilation: Tensor, shape: tuple[int, int, int]) -> Tensor:
    out = dilation.new_zeros(1, 81, *shape)
    for k, tap in enumerate(product(range(3), repeat=3)):  # (kz, ky, kx), kx fastest
        for axis in range(3):  # z, y, x
            wanted = dilation[axis] * (tap[axis] - 1)  # from the middle of the kernel
            out[0, 3 * k + axis] = wanted - (tap[axis] - 1)
    return out


def dilated_cases(g: Generator) -> Iterator[Case]:
    def given(dilation, shape, kind="ordinary"):
        return Case({"dilation": torch.as_tensor(dilation).double(), "shape": shape}, kind)

    yield given(eighths(g, 4, 3, low=1), (2, 1, 3))
    yield given(eighths(g, 3, 3, low=2), (1, 2, 2))
    yield given([2, 2, 2], (1, 2, 1))
    yield given(2 + torch.randperm(3, generator=g), (2, 1, 1))
    yield given(eighths(g, 5, 3, low=1), (1, 1, 1), "one")
    yield given(eighths(g, 5, 3, low=1), (2, 0, 3), "empty")
    single = given(eighths(g, 5, 3, low=1), (2, 1, 2), "dtype").arguments
    yield Case({**single, "dilation": single["dilation"].float()}, "dtype")
    yield in_strides(given(eighths(g, 5, 3, low=1), (1, 3, 2)))
    yield given([0, 1, 2 + integers(g, 3, 1).item()], (1, 2, 2), "extreme")
    yield given(-eighths(g, 3, 3, low=1), (2, 1, 1), "negative")


def everywhere(channels: Tensor, shape: tuple) -> Tensor:
    """[27, 3] as the offsets of every voxel, [1, 81, D, H, W]."""
    return channels.reshape(1, 81, 1, 1, 1).expand(1, 81, *shape)


def around() -> Tensor:
    """The 27 taps as seen from the middle of the kernel, [27, 3] of -1, 0, 1."""
    return torch.cartesian_prod(*[torch.arange(-1, 2)] * 3)


def dilated_fast(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere((dilation - 1) * around().to(dilation.device), shape)


def dilated_positions(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere(dilation * around(), shape)


def dilated_from_corner(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere((dilation - 1) * (around() + 1), shape)


def dilated_inwards(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere((1 - dilation) * around(), shape)


def dilated_planar(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere(((dilation - 1) * around()).T, shape)


def dilated_xyz(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere(((dilation - 1) * around()).flip(1), shape)


def dilated_sizes_xyz(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere((dilation.flip(0) - 1) * around(), shape)


def dilated_kz_fastest(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere((dilation - 1) * around().flip(1), shape)


def dilated_taps(dilation: Tensor, shape: tuple) -> Tensor:
    return dilated_fast(dilation, shape).reshape(1, 27, 3, *shape)


PREDICT = "11-deformable#three-offsets-that-you-can-predict"
FASTEST = "The taps are counted with kz fastest; in the kernel's memory kx is fastest."

dilated = Exercise(
    id="deform.dilated",
    name="dilated",
    signature="dilated(dilation [3] (z, y, x), shape (D, H, W)) → [1, 81, D, H, W]",
    right=dilated_loop,
    cases=dilated_cases,
    misconceptions=(
        Misconception(
            "positions",
            "These are the places where the taps should stand. An offset is the way there, from "
            "where the tap stands already.",
            PREDICT,
            dilated_positions,
        ),
        Misconception(
            "from-corner",
            "The taps move away from the kernel's first corner; a dilated kernel keeps its middle "
            "tap where it is.",
            PREDICT,
            dilated_from_corner,
        ),
        Misconception(
            "inwards",
            "The taps move the other way: a dilation of 2 draws them together.",
            PREDICT,
            dilated_inwards,
        ),
        Misconception(
            "planar",
            "The 81 channels are filled as 3 axes of 27 taps; they are 27 taps of 3 axes.",
            ORDER,
            dilated_planar,
        ),
        Misconception(
            "offset-xyz",
            "The three offsets of a tap are in the order (x, y, z); here they are (z, y, x).",
            ORDER,
            dilated_xyz,
        ),
        Misconception(
            "dilation-xyz",
            "The three dilations are read as (x, y, z); here they are (z, y, x).",
            ORDER,
            dilated_sizes_xyz,
        ),
        Misconception("kz-fastest", FASTEST, ORDER, dilated_kz_fastest),
        Misconception(
            "taps-and-axes",
            "The numbers are right, the layout is not: taps and axes share one dimension of 81 "
            "channels.",
            OPERATOR,
            dilated_taps,
        ),
    ),
    page=PREDICT,
    differentiable=("dilation",),
    large=lambda g: {"dilation": eighths(g, 3, 3, low=1), "shape": (8, 9, 10)},
    fast=dilated_fast,
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
            OPERATOR,
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
            RULE,
            sites_no_voxel,
        ),
        Misconception(
            "no-tap",
            "The tap's own place in the kernel is missing in the sum: without offsets, all 27 taps "
            "would read one voxel.",
            RULE,
            sites_no_tap,
        ),
        Misconception(
            "not-centred",
            "Everything is moved by one voxel along each axis: the padding is forgotten.",
            RULE,
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
            OPERATOR,
            sites_axis_third,
        ),
        Misconception(
            "taps-last",
            "The positions are right, the layout is not: the taps come before the voxels.",
            OPERATOR,
            sites_taps_last,
        ),
    ),
    page=RULE,
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
            RULE,
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
            OPERATOR,
            conv_flipped,
        ),
        Misconception("kx-slowest", COUNTED, ORDER, conv_kx_slowest),
        Misconception("kx-slowest", COUNTED, ORDER, conv_sites_kx_slowest),
        Misconception(
            "not-centred",
            "Everything is read one voxel too far along each axis: the padding is forgotten.",
            RULE,
            conv_not_centred,
        ),
        Misconception(
            "no-tap",
            "The tap's own place in the kernel is missing: without offsets, all 27 taps would read "
            "one voxel.",
            RULE,
            conv_no_tap,
        ),
        Misconception(
            "subtracted",
            "The offsets are subtracted: each tap moves the other way.",
            RULE,
            conv_subtracted,
        ),
    ),
    page=RULE,
    without=("deform_conv3d",),
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


# ---- deform.turned


def turned_loop(degrees: Tensor) -> Tensor:
    angle = degrees * (math.pi / 180)
    out = degrees.new_zeros(27, 3)
    for k, (_, ky, kx) in enumerate(product(range(3), repeat=3)):
        y, x = ky - 1, kx - 1  # from the middle
        out[k, 1] = y * angle.cos() + x * angle.sin() - y
        out[k, 2] = x * angle.cos() - y * angle.sin() - x
    return out


def turned_cases(g: Generator) -> Iterator[Case]:
    def case(degrees, kind="ordinary", dtype=torch.float64):
        return Case({"degrees": torch.as_tensor(degrees).to(dtype)}, kind)

    yield case(90.0)
    yield case(eighths(g, 80, 1, low=5)[0])
    yield case(eighths(g, 170, 1, low=100)[0])
    yield case(eighths(g, 350, 1, low=190)[0])
    yield case(0.0, "extreme")
    yield case(45.0 * (1 + 2 * integers(g, 4, 1).item()), "extreme")
    yield case(360.0 * (1 + integers(g, 3, 1).item()), "extreme")
    yield case(-eighths(g, 80, 1, low=5)[0], "negative")
    yield case(-eighths(g, 350, 1, low=190)[0], "negative")
    yield case(eighths(g, 80, 1, low=5)[0], "dtype", torch.float32)
    yield case(eighths(g, 350, 1, low=100)[0], "dtype", torch.float32)


def rotation(angle: Tensor, first: int = 1, second: int = 2) -> Tensor:
    """The matrix [3, 3] that turns (z, y, x) from the second axis towards the first."""
    out = torch.eye(3, dtype=angle.dtype)
    out[first, first] = out[second, second] = angle.cos()
    out[first, second], out[second, first] = angle.sin(), -angle.sin()
    return out


def turned_by(matrix: Tensor, taps: Tensor | None = None) -> Tensor:
    taps = (around() if taps is None else taps).to(matrix)
    return taps @ matrix.T - taps


def turned_fast(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad()))


def turned_positions(degrees: Tensor) -> Tensor:
    return around().to(degrees) @ rotation(degrees.deg2rad()).T


def turned_radians(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees))


def turned_back(degrees: Tensor) -> Tensor:
    return turned_by(rotation(-degrees.deg2rad()))


def turned_subtracted(degrees: Tensor) -> Tensor:
    return -turned_fast(degrees)


def turned_about_x(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad(), 0, 1))


def turned_about_x_back(degrees: Tensor) -> Tensor:
    return turned_by(rotation(-degrees.deg2rad(), 0, 1))


def turned_about_y(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad(), 0, 2))


def turned_corner(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad()), around() + 1)


def turned_xyz(degrees: Tensor) -> Tensor:
    return turned_fast(degrees).flip(1)


def turned_kz_fastest(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad()), around().flip(1))


AXIS = "The kernel turns about another axis: about z, no offset has a part in z."

turned = Exercise(
    id="deform.turned",
    name="turned",
    signature="turned(degrees []) → [27, 3] (z, y, x)",
    right=turned_loop,
    cases=turned_cases,
    misconceptions=(
        Misconception(
            "positions",
            "These are the places where the taps should stand. An offset is the way there, from "
            "where the tap stands already.",
            RULE,
            turned_positions,
        ),
        Misconception(
            "radians",
            "The angle comes in degrees, and sine and cosine take radians.",
            "10-sampling#a-rotation-pull-do-not-push",
            turned_radians,
        ),
        Misconception(
            "wrong-way",
            "The kernel turns the other way: at +90° the tap at x = +1 goes to y = +1.",
            RULE,
            turned_back,
        ),
        Misconception(
            "subtracted",
            "Each offset points backwards, from where the tap should stand to where it stands.",
            RULE,
            turned_subtracted,
        ),
        Misconception("axis", AXIS, RULE, turned_about_x),
        Misconception("axis", AXIS, RULE, turned_about_x_back),
        Misconception("axis", AXIS, RULE, turned_about_y),
        Misconception(
            "corner",
            "The kernel turns about its corner: its middle tap moves, and should stay.",
            RULE,
            turned_corner,
        ),
        Misconception(
            "xyz",
            "The offsets come out as (x, y, z); here they are (z, y, x).",
            ORDER,
            turned_xyz,
        ),
        Misconception("kz-fastest", FASTEST, ORDER, turned_kz_fastest),
    ),
    page=RULE,
    differentiable=("degrees",),
    tolerance=1e-5,
)

EXERCISES = (dilated, sites, conv, turned)
