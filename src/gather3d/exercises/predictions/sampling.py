"""Chapter 10's predictions: mass at the border, fractions in a flat index, the slope at a kink."""

import math

import torch
from torch import Tensor

from gather3d.indexing import ravel_index
from gather3d.sampling import trilinear_sample

from ..predict import REFUSED, Option, Prediction

# ---- sampling.mass

SHAPE, PLACE = (2, 2, 3), (1.0, 1.0, 2.5)
MASS = 8.0


def arrived(padding: str = "zeros") -> str:
    """Of a mass that is sent to where a sample reads: sampling's gradient."""
    volume = torch.zeros(1, 1, *SHAPE, requires_grad=True)
    (trilinear_sample(volume, torch.tensor([[PLACE]]), padding=padding) * MASS).sum().backward()
    return f"{volume.grad.sum():g}"


def inside_or_nothing() -> str:
    inside = all(0 <= at <= size - 1 for at, size in zip(PLACE, SHAPE, strict=True))
    return f"{MASS * inside:g}"


MASS_AT_THE_BORDER = Prediction(
    "sampling.mass",
    "A volume has 2 × 2 × 3 voxels. A mass of 8 is splatted at (z, y, x) = (1, 1, 2.5), half a "
    "voxel beyond the last column. How much of it arrives?",
    Option(
        "4",
        arrived,
        "Half of the weight falls on column 3, which does not exist. A row of the matrix that "
        "hangs over the border sums to less than 1.",
    ),
    (
        Option(
            "8",
            lambda: arrived("border"),
            'That is so inside. Here it would take `padding="border"`, where the last column '
            "stands for all beyond it.",
        ),
        Option(
            "0",
            inside_or_nothing,
            "A sample is not inside or outside as a whole. Each of its eight corners is.",
        ),
        Option(
            REFUSED,
            lambda: str(ravel_index(torch.tensor([[math.ceil(at) for at in PLACE]]), SHAPE)),
            "A flat index of column 3 would be refused; a position may be anywhere.",
        ),
    ),
)

# ---- sampling.flat

SIDE = 8
ASKED = (1.5, 2.0, 3.0)


def place(flat: float) -> str:
    whole = int(flat)  # towards zero, as .long()
    return f"({whole // SIDE**2}, {whole // SIDE % SIDE}, {whole % SIDE})"


def flat(z: float, y: float, x: float) -> float:
    return (z * SIDE + y) * SIDE + x


FLAT = Prediction(
    "sampling.flat",
    "A cube of 8³ is read at `((z * 8 + y) * 8 + x).long()`, with z = 1.5, y = 2 and x = 3 in "
    "floats. Which voxel (z, y, x) is that?",
    Option(
        "(1, 6, 3)",
        lambda: place(flat(*ASKED)),
        "Half a slice is four rows. The fraction of z has become a move in y before anything is "
        "cut off.",
    ),
    (
        Option(
            "(1, 2, 3)",
            lambda: place(flat(*map(math.trunc, ASKED))),
            "So it would be if each coordinate were cut first, and the sum made of whole numbers.",
        ),
        Option(
            "(2, 2, 3)",
            lambda: place(flat(*(math.floor(at + 0.5) for at in ASKED))),
            "`.long()` does not round, and it sees the sum, not z.",
        ),
        Option(
            REFUSED,
            lambda: str(torch.zeros(SIDE**3).gather(0, torch.tensor([flat(*ASKED)]))),
            "A float as an index would be refused. `.long()` is what hides the fraction.",
        ),
    ),
)

# ---- sampling.kink

LINE = torch.tensor([0.0, 1, 4, 9, 16]).reshape(1, 1, 1, 1, 5)
AT = 2.0


def value(x: Tensor) -> Tensor:
    return trilinear_sample(LINE, torch.stack([0 * x, 0 * x, x])[None, None]).sum()


def slope() -> str:
    x = torch.tensor(AT, requires_grad=True)
    value(x).backward()
    return f"{x.grad:g}"


def between(low: float, high: float) -> str:
    """By finite steps."""
    ends = [value(torch.tensor(AT + step)) for step in (low, high)]
    return f"{(ends[1] - ends[0]) / (high - low):g}"


KINK = Prediction(
    "sampling.kink",
    "A line of voxels holds 0, 1, 4, 9, 16. It is sampled at x = 2 exactly, on the 4. What does "
    "autograd give for the slope in x?",
    Option(
        "5",
        slope,
        "9 − 4: the slope of the cell above. At a kink there is no derivative, and autograd takes "
        "one side.",
    ),
    (
        Option(
            "4",
            lambda: between(-0.5, 0.5),
            "That is the mean of both sides, which finite steps find. It is why a gradcheck fails "
            "on whole numbers.",
        ),
        Option(
            "3",
            lambda: between(-0.5, 0.0),
            "4 − 1 is the cell below, and as good a choice. This sampler, like `grid_sample`, "
            "takes the floor of x, and so the cell above.",
        ),
        Option(
            "0",
            lambda: f"{float(LINE.flatten()[int(AT)] - LINE.flatten()[round(AT)]):g}",
            "A gather at index 2 would have no slope. The sampler reads two voxels even here: one "
            "has weight 0, and that weight can grow.",
        ),
    ),
)

PREDICTIONS = (MASS_AT_THE_BORDER, FLAT, KINK)
