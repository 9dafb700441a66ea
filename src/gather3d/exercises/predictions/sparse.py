"""Chapter 7's predictions: how an active set grows, `+=` over all taps, zeros after a ReLU."""

from functools import lru_cache

import torch
from torch import Tensor

from gather3d.sparse import KernelMap, SparseVolume, kernel_map
from gather3d.voxels import Voxels, voxelize

from ..predict import Option, Prediction
from .voxels import street

# ---- sparse.grow

LOW, HIGH = torch.tensor([[4.0, -4.4, -3.0], [7.0, -2.0, 1.0]])  # metres


@lru_cache(1)
def patch() -> Voxels:
    """A piece of wall and ground, in voxels of 20 cm."""
    points = street()
    return voxelize(points[((points > LOW) & (points < HIGH)).all(1)], 0.2, origin=LOW - 0.8)


def grown(**how: bool) -> str:
    shape = tuple(size + 5 for size in patch().shape)
    return f"{len(kernel_map(patch().coords, shape, **how).coords_out):,}"


GROW = Prediction(
    "sparse.grow",
    "A piece of wall and ground has 203 active voxels, with air around. How many are active after "
    "one ordinary sparse convolution of 3×3×3?",
    Option(
        "1,008",
        grown,
        "Every voxel that touches an active one. A surface gets two new layers and a rim, five "
        "times as many voxels here.",
    ),
    (
        Option(
            "203",
            lambda: grown(submanifold=True),
            "That is the submanifold convolution, which writes only where something was.",
        ),
        Option(
            "609",
            lambda: f"{3 * len(patch().coords):,}",
            "A closed surface would become three layers thick. This one has edges and gaps, at "
            "which it grows sideways too.",
        ),
        Option(
            "5,481",
            lambda: f"{27 * len(patch().coords):,}",
            "Each voxel writes to 27 places, but neighbours write to the same ones.",
        ),
    ),
)

# ---- sparse.short


@lru_cache(1)
def fine() -> KernelMap:
    """The street's map at 10 cm."""
    voxels = voxelize(street(), 0.1)
    return kernel_map(voxels.coords, voxels.shape, submanifold=True)


def products() -> Tensor:
    """[V]: how many arrive at each row."""
    return torch.cat([out for _, out in fine().pairs]).bincount(minlength=len(fine().coords_out))


def short() -> str:
    """With products of 1, a row is right if it holds as many as arrive."""
    out = torch.cat([out for _, out in fine().pairs])
    total = torch.zeros(len(products()))
    total[out] += torch.ones(len(out))
    return f"{int((total == products()).sum()):,}"


SHORT = Prediction(
    "sparse.short",
    "16,000 voxels, 90,562 products, each with the output row that it belongs to: all 27 taps in "
    "one list. After `out[rows] += products` on zeros, how many rows are right?",
    Option(
        "530",
        short,
        "Rows at which one single product arrives. Where several meet, each is added to the same "
        "old zero, and one of them stays.",
    ),
    (
        Option(
            "16,000",
            lambda: f"{int((products() > 0).sum()):,}",
            "So it would be if `+=` added one product after another. It reads all rows, adds, and "
            "writes all rows.",
        ),
        Option(
            "0",
            lambda: f"{int((products() == 0).sum()):,}",
            "Rows that get one product have nobody to lose it to.",
        ),
        Option(
            "1,418",
            lambda: f"{len(fine().pairs[-1][1]):,}",
            "Those are the rows that the last tap reaches. Being written last helps only if there "
            "was nothing before.",
        ),
    ),
)

# ---- sparse.relu

SIGNS = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])  # [V, C]: each pair once


def kept() -> str:
    coords = torch.nn.functional.pad(torch.arange(4)[:, None], (3, 0))  # b, z, y, x
    x = SparseVolume(coords, SIGNS.relu(), (1, 1, 4), 1)
    return share(torch.tensor(len(SparseVolume.from_dense(x.to_dense()).coords)))


def share(voxels: Tensor) -> str:
    return f"{voxels.item() / len(SIGNS):.0%}"


RELU = Prediction(
    "sparse.relu",
    "Two channels of random numbers, positive as often as negative. After a ReLU the volume is "
    "made dense, and sparse again. How many of the active voxels are still there?",
    Option(
        "75%",
        kept,
        "A dense volume knows a voxel by its numbers only, and one in four has both channels cut "
        "to 0. Keep the coordinates.",
    ),
    (
        Option(
            "100%",
            lambda: share((SIGNS != 0).any(1).sum()),
            "The coordinates were not kept: all that is left of them is where a number is not 0.",
        ),
        Option("50%", lambda: share((SIGNS[:, 0] > 0).sum()), "That is so with one channel."),
        Option(
            "25%",
            lambda: share((SIGNS > 0).all(1).sum()),
            "One zero does not make a voxel empty; all its channels have to be 0.",
        ),
    ),
)

PREDICTIONS = (GROW, SHORT, RELU)
