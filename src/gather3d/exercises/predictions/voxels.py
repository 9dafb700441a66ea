"""Chapter 5's predictions: the end of a row, how many neighbours a voxel has, trunc and floor."""

import torch
from torch import Tensor

from gather3d import datasets
from gather3d.indexing import ravel_index
from gather3d.voxels import neighbour_index, voxelize

from ..predict import REFUSED, Option, Prediction


def street() -> Tensor:
    """[N, 3]: the street scan's echoes, metres, the scanner in the origin."""
    points = datasets.load("street").points
    return points[points.any(dim=1)]


# ---- voxels.edge

ROWS, COLUMNS = 3, 4
ACTIVE = torch.tensor([[0, 3], [1, 0], [1, 1], [2, 1]])  # y, x
HERE = (0, 3)


def at(key: int) -> str:
    """Which active voxel has this flat index."""
    found = (ravel_index(ACTIVE, (ROWS, COLUMNS)) == key).nonzero().flatten().tolist()
    return f"voxel {tuple(ACTIVE[found[0]].tolist())}" if found else "nothing, −1"


def with_a_margin() -> str:
    coords = torch.nn.functional.pad(ACTIVE, (2, 0))  # b, z, y, x
    place = (coords[:, 2:] == torch.tensor(HERE)).all(1).nonzero().item()
    row = neighbour_index(coords)[place, 14]  # the tap after the middle: dx = 1
    return "nothing, −1" if row < 0 else f"voxel {tuple(ACTIVE[row].tolist())}"


EDGE = Prediction(
    "voxels.edge",
    "A slice has 3 rows and 4 columns; voxels (y, x) = (0, 3), (1, 0), (1, 1) and (2, 1) are "
    "active. To the right of a voxel is the flat index + 1. What does voxel (0, 3), the last of "
    "its row, find there?",
    Option(
        "voxel (1, 0)",
        lambda: at(HERE[0] * COLUMNS + HERE[1] + 1),
        "3 + 1 = 4 is the first voxel of the next row: near in memory, far away in space.",
    ),
    (
        Option(
            "nothing, −1",
            with_a_margin,
            "That is what it ought to find. A flat index does not know where a row ends.",
        ),
        Option(
            REFUSED,
            lambda: at(int(ravel_index(torch.tensor([0, 4]), (ROWS, COLUMNS)))),
            "(0, 4) would be refused: there is no column 4. But nobody forms (0, 4); 4 is a legal "
            "flat index.",
        ),
        Option(
            "voxel (0, 3)",
            lambda: at(HERE[0] * COLUMNS + min(HERE[1] + 1, COLUMNS - 1)),
            "Nothing is clamped here. It would need x, and only the flat index is left.",
        ),
    ),
)

# ---- voxels.company


def company(coords: Tensor) -> str:
    """How many of a voxel's 27 neighbours are active, itself among them: the mean."""
    return f"{float((neighbour_index(coords) >= 0).sum(1).double().mean()):.1f}"


def middle(coords: Tensor) -> str:
    """The same, of the voxel in the middle of a small block."""
    here = (coords[:, 1:] == 2).all(1)
    return f"{int((neighbour_index(coords)[here] >= 0).sum())}"


def block(depth: int) -> Tensor:
    """[V, 4]: a block of 5 × 5 voxels, that many slices of it about slice 2."""
    z = torch.arange(5)[(torch.arange(5) - 2).abs() <= depth // 2]
    return torch.cartesian_prod(torch.zeros(1, dtype=torch.int64), z, *[torch.arange(5)] * 2)


COMPANY = Prediction(
    "voxels.company",
    "The street in voxels of 10 cm: 16,000 are active. How many of the 27 voxels of a 3×3×3 "
    "neighbourhood are active on average, the one in the middle included?",
    Option(
        "5.7",
        lambda: company(voxelize(street(), 0.1).coords),
        "Surfaces are thin, and at a distance the beams are further apart than 10 cm.",
    ),
    (
        Option(
            "27",
            lambda: middle(block(5)),
            "That is the inside of something solid. A scanner sees surfaces only.",
        ),
        Option(
            "9",
            lambda: middle(block(1)),
            "That is a flat wall, hit without a gap. Beams leave gaps.",
        ),
        Option(
            "1.0",
            lambda: company(block(1) * torch.tensor([1, 2, 2, 2])),
            "So alone are points far out. Most of the scan is near, and on surfaces.",
        ),
    ),
)

# ---- voxels.trunc


def renamed(points: Tensor) -> str:
    """How many points get another voxel by .long() than by floor, at 0.5 m."""
    cell = points.double() / 0.5
    return f"{float((cell.floor() != cell.trunc()).any(1).double().mean()):.0%}"


def about_zero() -> str:
    """How many points are in the one cell that trunc makes wider."""
    return f"{float((street().double() / 0.5).abs().lt(1).any(1).double().mean()):.0%}"


TRUNC = Prediction(
    "voxels.trunc",
    "The scanner stands in the origin of the street scan. Voxels are 0.5 m. For how many points "
    "does `(p / 0.5).long()` name another voxel than `floor`?",
    Option(
        "92%",
        lambda: renamed(street()),
        "One negative coordinate is enough, and of eight octants only one has none.",
    ),
    (
        Option(
            "0%",
            lambda: renamed(street().abs()),
            "They agree for positive numbers. `.long()` cuts towards 0, floor goes down.",
        ),
        Option(
            "42%",
            about_zero,
            "So many lie in slabs of double width about 0, where two voxels become one. All "
            "further negative ones are off by one, too.",
        ),
        Option(
            "50%",
            lambda: renamed(street()[:, :1]),
            "You counted one axis. A point is renamed if any of its three coordinates is.",
        ),
    ),
)

PREDICTIONS = (EDGE, COMPANY, TRUNC)
