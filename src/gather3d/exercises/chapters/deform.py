"""Chapter 11's exercises: offsets of a kernel, where its taps read, deformable convolution."""

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Generator, Tensor

from gather3d.sampling import trilinear_sample

from ..exercise import Case, Exercise, Misconception, after, before, integers, numbers
from .sampling import HALF, OUTSIDE, XYZ, eighths, in_strides, read

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


def kz_fastest(of_taps: Tensor, dim: int) -> Tensor:
    """What belongs to the taps, with the taps counted the other way."""
    volume = of_taps.unflatten(dim, (3, 3, 3))
    return volume.transpose(dim, dim + 2).flatten(dim, dim + 2)


def dilated_fast(dilation: Tensor, shape: tuple) -> Tensor:
    return everywhere((dilation - 1) * around().to(dilation.device), shape)


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
            change=after(lambda out, dilation, shape: out + everywhere(around(), shape)),
        ),
        Misconception(
            "from-corner",
            "The taps move away from the kernel's first corner; a dilated kernel keeps its middle "
            "tap where it is.",
            PREDICT,
            change=after(
                lambda out, dilation, shape: out + everywhere((dilation - 1).expand(27, 3), shape)
            ),
        ),
        Misconception(
            "inwards",
            "The taps move the other way: a dilation of 2 draws them together.",
            PREDICT,
            change=after(lambda out, *_: -out),
        ),
        Misconception(
            "planar",
            "The 81 channels are filled as 3 axes of 27 taps; they are 27 taps of 3 axes.",
            ORDER,
            change=after(lambda out, *_: out.unflatten(1, (27, 3)).transpose(1, 2).flatten(1, 2)),
        ),
        Misconception(
            "offset-xyz",
            "The three offsets of a tap are in the order (x, y, z); here they are (z, y, x).",
            ORDER,
            change=after(lambda out, *_: swapped(out)),
        ),
        Misconception(
            "dilation-xyz",
            "The three dilations are read as (x, y, z); here they are (z, y, x).",
            ORDER,
            change=before(lambda dilation, shape: (dilation.flip(0), shape)),
        ),
        Misconception(
            "kz-fastest",
            FASTEST,
            ORDER,
            change=after(lambda out, *_: kz_fastest(out.unflatten(1, (27, 3)), 1).flatten(1, 2)),
        ),
        Misconception(
            "taps-and-axes",
            "The numbers are right, the layout is not: taps and axes share one dimension of 81 "
            "channels.",
            OPERATOR,
            change=after(lambda out, *_: out.unflatten(1, (27, 3))),
        ),
        Misconception(
            "one-dilation",
            "One dilation serves all three axes in your answer; each has its own.",
            PREDICT,
            change=before(lambda dilation, shape: (dilation[:1].expand(3), shape)),
        ),
        Misconception(
            "one-dilation",
            "One dilation serves all three axes in your answer; each has its own.",
            PREDICT,
            change=before(lambda dilation, shape: (dilation[2:].expand(3), shape)),
        ),
        Misconception(
            "rounded",
            "Your dilation is a whole number, as in an ordinary convolution. An offset need not "
            "be.",
            PREDICT,
            change=before(lambda dilation, shape: (dilation.round(), shape)),
        ),
        Misconception(
            "rounded",
            "Your dilation is a whole number, as in an ordinary convolution. An offset need not "
            "be.",
            PREDICT,
            change=before(lambda dilation, shape: (dilation.trunc(), shape)),
        ),
        Misconception(
            "half",
            "The dilation is halved: a kernel of three taps spans two steps, but each of its "
            "outer taps is one step from the middle.",
            PREDICT,
            lambda dilation, shape: everywhere(around() * dilation / 2, shape),
        ),
        Misconception(
            "half",
            "The dilation is halved: a kernel of three taps spans two steps, but each of its "
            "outer taps is one step from the middle.",
            PREDICT,
            change=after(lambda out, *_: out / 2),
        ),
    ),
    page=PREDICT,
    asks={
        "gradient": "A gradient must reach the dilation.",
        "loop": "Use no loop over voxels.",
    },
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


def taps_turned(offset: Tensor) -> Tensor:
    """From the taps as they are counted to the taps with kz fastest."""
    taps = parts(offset)[1]
    return taps.flip(-1) - taps


def leading_to(places: Tensor) -> Tensor:
    """The offsets [B, 81, D, H, W] with which the operator reads at places [B, 27, D, H, W, 3]."""
    channels = places.movedim(-1, 2).flatten(1, 2)
    base, taps, _ = parts(channels)
    return (places - base - taps).movedim(-1, 2).flatten(1, 2)


def tap_for_all(offset: Tensor, tap: int) -> Tensor:
    """One tap's offsets for all 27."""
    return offset[:, 3 * tap : 3 * tap + 3].repeat(1, 27, 1, 1, 1)


def planar(offset: Tensor) -> Tensor:
    """Offsets laid out as all z, all y, all x, as the channels that the operator wants."""
    return offset.unflatten(1, (3, 27)).transpose(1, 2).flatten(1, 2)


def swapped(offset: Tensor) -> Tensor:
    """Offsets laid out as (dx, dy, dz), as the channels that the operator wants."""
    return offset.unflatten(1, (27, 3)).flip(2).flatten(1, 2)


def sites_reshaped(offset: Tensor) -> Tensor:
    base, taps, moved = parts(offset)
    return base + taps + offset.reshape(moved.shape)


PLANAR = "The 81 channels are read as 3 axes of 27 taps; they are 27 taps of 3 axes."

ONE_OFFSET = "One offset moves all taps of a voxel. Each of the 27 has its own."

sites = Exercise(
    id="deform.sites",
    name="sites",
    signature="sites(offset [B, 81, D, H, W]) → [B, 27, D, H, W, 3] (z, y, x)",
    right=sites_loop,
    cases=sites_cases,
    misconceptions=(
        Misconception("planar", PLANAR, ORDER, change=before(lambda offset: (planar(offset),))),
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
            change=after(lambda out, _: out.flip(-1)),
        ),
        Misconception(
            "offset-xyz",
            "The three offsets of a tap are read as (x, y, z); here they are (z, y, x).",
            ORDER,
            change=before(lambda offset: (swapped(offset),)),
        ),
        Misconception(
            "no-voxel",
            "The output voxel is missing in the sum: every voxel reads around the origin.",
            RULE,
            change=after(lambda out, offset: out - parts(offset)[0]),
        ),
        Misconception(
            "no-tap",
            "The tap's own place in the kernel is missing in the sum: without offsets, all 27 taps "
            "would read one voxel.",
            RULE,
            change=after(lambda out, offset: out - parts(offset)[1]),
        ),
        Misconception(
            "not-centred",
            "Everything is moved by one voxel along each axis: the padding is forgotten.",
            RULE,
            change=after(lambda out, _: out + 1),
        ),
        Misconception(
            "kx-slowest",
            "The taps are counted with kz fastest; in the kernel's memory kx is fastest.",
            ORDER,
            change=after(lambda out, offset: out + taps_turned(offset)),
        ),
        Misconception(
            "axis-third",
            "The positions are right, the layout is not: z, y, x belong in the last dimension.",
            OPERATOR,
            change=after(lambda out, _: out.movedim(-1, 2)),
        ),
        Misconception(
            "taps-last",
            "The positions are right, the layout is not: the taps come before the voxels.",
            OPERATOR,
            change=after(lambda out, _: out.movedim(1, -2)),
        ),
        Misconception(
            "one-offset",
            ONE_OFFSET,
            RULE,
            change=before(lambda offset: (tap_for_all(offset, 13),)),
        ),
        Misconception(
            "one-offset",
            ONE_OFFSET,
            RULE,
            change=before(lambda offset: (tap_for_all(offset, 0),)),
        ),
        Misconception(
            "subtracted",
            "The offsets are subtracted: each tap moves the other way.",
            RULE,
            change=before(lambda offset: (-offset,)),
        ),
        Misconception("half-voxel", HALF, RULE, change=after(lambda out, _: out + 0.5)),
        Misconception("half-voxel", HALF, RULE, change=after(lambda out, _: out - 0.5)),
    ),
    page=RULE,
    asks={
        "gradient": "Gradients must reach the offsets.",
        "loop": "Use no loop over voxels; one over the 27 taps is fine.",
    },
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
    return conv_at(input, sites_fast(offset), weight)


def conv_at(input: Tensor, places: Tensor, weight: Tensor, padding: str = "zeros") -> Tensor:
    """The convolution of what is read at places [B, 27, D, H, W, 3]."""
    sampled = trilinear_sample(input, places, padding=padding)  # [B, Ci, 27, D, H, W]
    return torch.einsum("bikdhw,oik->bodhw", sampled, weight.flatten(2))


def conv_border(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return conv_at(input, sites_fast(offset), weight, "border")


LEARN = "11-deformable#an-index-that-cannot-learn"
WHOLE = "The offsets, or the positions, become whole numbers: a tap reads one voxel, not eight."
COUNTED = "Weights and taps are counted in different orders: one has kx fastest, the other kz."


def weight_viewed(weight: Tensor) -> Tensor:
    return weight.reshape(len(weight), 27, -1).mT.reshape(weight.shape)


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
            change=before(lambda x, offset, weight: (x, 0 * offset, weight)),
        ),
        Misconception(
            "rounded",
            WHOLE,
            LEARN,
            change=before(lambda x, offset, weight: (x, offset.round(), weight)),
        ),
        Misconception(
            "rounded",
            WHOLE,
            LEARN,
            change=before(lambda x, offset, weight: (x, offset.trunc(), weight)),
        ),
        Misconception(
            "rounded",
            WHOLE,
            LEARN,
            change=before(
                lambda x, offset, weight: (x, leading_to(sites_fast(offset).trunc()), weight)
            ),
        ),
        Misconception(
            "rounded",
            WHOLE,
            LEARN,
            change=before(
                lambda x, offset, weight: (x, leading_to(sites_fast(offset).floor()), weight)
            ),
        ),
        Misconception(
            "planar",
            PLANAR,
            ORDER,
            change=before(lambda x, offset, weight: (x, planar(offset), weight)),
        ),
        Misconception(
            "offset-xyz",
            "The three offsets of a tap are read as (x, y, z); here they are (z, y, x).",
            ORDER,
            change=before(lambda x, offset, weight: (x, swapped(offset), weight)),
        ),
        Misconception(
            "sites-xyz",
            "The positions are sampled as (x, y, z); here they are (z, y, x).",
            XYZ,
            change=before(
                lambda x, offset, weight: (x, leading_to(sites_fast(offset).flip(-1)), weight)
            ),
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
            change=before(lambda x, offset, weight: (x, offset, weight.flip(2, 3, 4))),
        ),
        Misconception(
            "kx-slowest",
            COUNTED,
            ORDER,
            change=before(lambda x, offset, weight: (x, offset, weight.transpose(2, 4))),
        ),
        Misconception(
            "kx-slowest",
            COUNTED,
            ORDER,
            change=before(
                lambda x, offset, weight: (
                    x,
                    leading_to(sites_fast(offset) + taps_turned(offset)),
                    weight,
                )
            ),
        ),
        Misconception(
            "not-centred",
            "Everything is read one voxel too far along each axis: the padding is forgotten.",
            RULE,
            change=before(lambda x, offset, weight: (x, offset + 1, weight)),
        ),
        Misconception(
            "no-tap",
            "The tap's own place in the kernel is missing: without offsets, all 27 taps would read "
            "one voxel.",
            RULE,
            change=before(
                lambda x, offset, weight: (
                    x,
                    leading_to(sites_fast(offset) - parts(offset)[1]),
                    weight,
                )
            ),
        ),
        Misconception(
            "subtracted",
            "The offsets are subtracted: each tap moves the other way.",
            RULE,
            change=before(lambda x, offset, weight: (x, -offset, weight)),
        ),
        Misconception(
            "one-offset",
            ONE_OFFSET,
            RULE,
            change=before(lambda x, offset, weight: (x, tap_for_all(offset, 13), weight)),
        ),
        Misconception(
            "one-offset",
            ONE_OFFSET,
            RULE,
            change=before(lambda x, offset, weight: (x, tap_for_all(offset, 0), weight)),
        ),
        Misconception(
            "half-voxel",
            HALF,
            RULE,
            change=before(lambda x, offset, weight: (x, offset + 0.5, weight)),
        ),
        Misconception(
            "half-voxel",
            HALF,
            RULE,
            change=before(lambda x, offset, weight: (x, offset - 0.5, weight)),
        ),
        Misconception(
            "weight-viewed",
            "The weight was reshaped where its axes had to be moved: its numbers meet the wrong "
            "taps and channels.",
            OPERATOR,
            change=before(lambda x, offset, weight: (x, offset, weight_viewed(weight))),
        ),
        Misconception(
            "averaged",
            "You take the mean over the taps; a convolution is a sum.",
            RULE,
            change=after(lambda out, *_: out / 27),
        ),
    ),
    page=RULE,
    asks={
        "gradient": "Gradients must reach the input, the offsets and the weight.",
        "loop": "Use no loop over voxels; one over the 27 taps is fine.",
        "without": "You may use `g3.trilinear_sample` and your `sites`, and not "
        "`g3.deform_conv3d`.",
    },
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


def turned_about_x(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad(), 0, 1))


def turned_about_x_back(degrees: Tensor) -> Tensor:
    return turned_by(rotation(-degrees.deg2rad(), 0, 1))


def turned_about_y(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad(), 0, 2))


def turned_corner(degrees: Tensor) -> Tensor:
    return turned_by(rotation(degrees.deg2rad()), around() + 1)


AXIS = "The kernel turns about another axis: about z, no offset has a part in z."


def turned_a_little(degrees: Tensor) -> Tensor:
    """As if sin(a) were a, and cos(a) 1."""
    z, y, x = around().to(degrees).unbind(1)
    angle = degrees.deg2rad()
    return torch.stack([0 * z, angle * x, -angle * y], 1)


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
            change=after(lambda out, degrees: out + around().to(degrees)),
        ),
        Misconception(
            "radians",
            "The angle comes in degrees, and sine and cosine take radians.",
            "10-sampling#a-rotation-pull-do-not-push",
            change=before(lambda degrees: (degrees * (180 / math.pi),)),
        ),
        Misconception(
            "wrong-way",
            "The kernel turns the other way: at +90° the tap at x = +1 goes to y = +1.",
            RULE,
            change=before(lambda degrees: (-degrees,)),
        ),
        Misconception(
            "subtracted",
            "Each offset points backwards, from where the tap should stand to where it stands.",
            RULE,
            change=after(lambda out, _: -out),
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
            change=after(lambda out, _: out.flip(1)),
        ),
        Misconception(
            "kz-fastest", FASTEST, ORDER, change=after(lambda out, _: kz_fastest(out, 0))
        ),
        Misconception(
            "half-angle",
            "The kernel turns by half the angle. That is how a quaternion counts, not a matrix.",
            RULE,
            change=before(lambda degrees: (degrees / 2,)),
        ),
        Misconception(
            "small-angle",
            "sin a is not a, and cos a is not 1, unless the angle is very small: your kernel grows "
            "as it turns.",
            RULE,
            turned_a_little,
        ),
        Misconception(
            "rounded",
            "The taps jump to whole voxels. An offset need not be a whole number, and no gradient "
            "gets past a rounding.",
            LEARN,
            change=after(lambda out, _: out.round()),
        ),
    ),
    page=RULE,
    asks={
        "gradient": "`degrees` is a tensor with one number, so that a network may predict it: a "
        "gradient must reach it.",
    },
    differentiable=("degrees",),
    tolerance=1e-5,
)

EXERCISES = (dilated, sites, conv, turned)
