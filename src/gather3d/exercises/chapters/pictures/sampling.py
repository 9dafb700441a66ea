"""Chapter 10's wanted results: units, corners, a sample, two matrices, a splat, a valley."""

import math

import torch
from torch import Tensor

from gather3d import figures
from gather3d.figures.svg import Canvas, Diagram
from gather3d.sampling import trilinear_sample

from ..sampling import corners_fast, resize_fast, splat_fast, to_grid_fast
from .curves import Curve, curves

CELL = 36


def grid() -> Diagram:
    shape, at = (4, 5, 6), torch.tensor([0.0, 2.0, 5.0])
    canvas, wide = Canvas(), 62.0
    units = {flag: to_grid_fast(at[None, None], shape, flag)[0, 0] for flag in (True, False)}
    for column, (name, size, c) in enumerate(zip("zyx", shape, at.tolist(), strict=True)):
        x = column * wide
        canvas.text(x + wide / 2, -12, f"{name}, of {size}", "tiny")
        canvas.cell(x, 0, wide, CELL, f"{c:g}", "index", True)
    canvas.text(-8, CELL / 2, "voxels", "right")
    for row, (flag, unit) in enumerate(units.items()):
        top = 116 + row * 74
        canvas.text(-8, top + CELL / 2 - 8, "units", "right")
        canvas.text(-8, top + CELL / 2 + 9, f"align_corners={flag}", "tiny right")
        for column, value in enumerate(unit.tolist()):
            canvas.cell(column * wide, top, wide, CELL, _number(value), "result", True)
            canvas.text((column + 0.5) * wide, top + CELL + 11, "xyz"[column], "tiny")
    for column in range(3):
        x0, x1 = (column + 0.5) * wide, (2.5 - column) * wide
        path = f"M{x0} {CELL + 2}C{x0} {CELL + 40} {x1} 70 {x1} 108"
        canvas.arrow(path, (x1, 114), (0, 1), "index")
    return canvas.diagram(
        "The order turns round, and each number is measured by the length of its own axis. The "
        "last voxel of an axis is 1 with one setting and falls short of 1 with the other.",
        "A position with z = 0, y = 2, x = 5 in a volume of 4 by 5 by 6 voxels. Crossing arrows "
        "lead to the same position in units, x first, once for each setting: "
        + "; ".join(f"{flag}: {[_number(v) for v in u.tolist()]}" for flag, u in units.items())
        + ".",
    )


def corners() -> Diagram:
    at = torch.tensor([[0.5, 1.0, 0.5], [0.0, -0.5, 1.25]])
    index, weight = corners_fast(at, (2, 2, 3))
    return figures.tensors(
        {"coords [M, 3]": at, "index [M, 8]": index, "weight [M, 8]": weight},
        roles={"coords [M, 3]": "context", "index [M, 8]": "index", "weight [M, 8]": "result"},
        mark={"index [M, 8]": [tuple(k) for k in (index >= 0).nonzero().tolist()]},
        caption="In 2 × 2 × 3 voxels. Columns are the corners, dx fastest: the second one is one "
        "voxel further in x. A corner outside is −1 and keeps its weight; each row of weights "
        "sums to 1.",
        alt=f"Two positions, {at.tolist()}; their flat indices {index.tolist()} and their weights "
        f"{weight.tolist()}.",
    )


def trilinear() -> Diagram:
    at = torch.tensor([[[0.25, 1.0, 1.5], [0.5, 0.5, 2.5]]])
    return figures.sources(
        lambda volume: trilinear_sample(volume, at.to(volume)),
        (1, 1, 2, 2, 3),
        caption="Two samples of 2 × 2 × 3 voxels, at (0.25, 1, 1.5) and (0.5, 0.5, 2.5). The first "
        "lies on a face of its cell: four voxels. The second is half a voxel outside: the four "
        "voxels that exist give half, the rest is 0.",
        alt="Twelve voxels above two samples. Four arrows end in each sample, over the weights: "
        "0.38 and 0.12, twice each, in the first; four times 0.12 in the second.",
    )


def matrix() -> Diagram:
    named = {f"align_corners={flag}": resize_fast(3, 5, flag) for flag in (True, False)}
    return figures.tensors(
        named,
        roles=dict.fromkeys(named, "index"),
        mark={name: [tuple(k) for k in m.nonzero().tolist()] for name, m in named.items()},
        caption="Three values become five. A row is an output, and its entries sum to 1. With True "
        "the outputs stand half a voxel apart; with False 0.6 of one, and the first and the last "
        "stand outside the outer centres, where the border goes on.",
        alt="; ".join(
            f"{name}: rows {[[_number(v) for v in row] for row in m.tolist()]}"
            for name, m in named.items()
        ),
    )


def splat() -> Diagram:
    at = torch.tensor([[[0.0, 0.25, 0.5], [0.0, 0.5, 2.5]]])
    return figures.sources(
        lambda values: splat_fast(values, at.to(values), (1, 2, 3)),
        (1, 1, 2),
        caption="Two values go to 1 × 2 × 3 voxels, at (0, 0.25, 0.5) and (0, 0.5, 2.5). The "
        "numbers in a voxel are the weights with which it takes a value. The second value stands "
        "half a voxel outside: two voxels get a quarter each, and half of it is lost.",
        alt="Two values above six voxels in two rows. Four arrows leave the first value and two "
        "the second; each ends in a voxel, over its weight.",
    )


def registration() -> Diagram:
    """The mismatch of a striped disc and its turned copy, sharp and blurred."""
    angles = [float(a) for a in range(-20, 42, 2)]
    images = {"sharp": _stripes(), "blurred": _stripes()}
    for _ in range(3):
        images["blurred"] = torch.nn.functional.avg_pool3d(
            images["blurred"], (1, 5, 5), stride=1, padding=(0, 2, 2)
        )
    roles = {"sharp": "source", "blurred": "result"}
    found = []
    for name, image in images.items():
        wanted = _turned(image, 10.0)
        loss = [float((_turned(image, a) - wanted).square().mean()) for a in angles]
        found.append(Curve(name, angles, [v / max(loss) for v in loss], roles[name]))
    return curves(
        found,
        x="angle that is tried (degrees)",
        y="mismatch",
        caption="A striped disc beside its copy turned by 10°: the mismatch at every angle. Sharp "
        "stripes make a narrow valley and a false one beside it; blurring leaves one wide valley, "
        "with the same lowest point.",
        alt="Two curves over angles from −20 to 40 degrees, both 0 at 10. The sharp one rises "
        "steeply and falls again on both sides; the blurred one rises slowly to both ends.",
    )


def _stripes() -> Tensor:
    axis = torch.arange(31.0) - 15
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    rays = 1 + (14 * torch.atan2(y, x)).cos() + 1.5 * torch.atan2(y, x).cos()
    return (rays * (torch.hypot(y, x) < 14))[None, None, None]


def _turned(image: Tensor, degrees: float) -> Tensor:
    axis, angle = torch.arange(31.0) - 15, math.radians(degrees)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    turned_y = y * math.cos(angle) + x * math.sin(angle)
    turned_x = x * math.cos(angle) - y * math.sin(angle)
    at = torch.stack([torch.zeros_like(y), 15 + turned_y, 15 + turned_x], -1)
    return trilinear_sample(image, at[None])


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


PICTURES = {
    "sampling.grid": grid,
    "sampling.corners": corners,
    "sampling.trilinear": trilinear,
    "sampling.matrix": matrix,
    "sampling.splat": splat,
    "sampling.registration": registration,
}
