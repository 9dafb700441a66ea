"""Pictures of what chapter 5's exercises want."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gather3d.figures import tensors
from gather3d.figures.svg import Canvas, Diagram
from gather3d.indexing import unravel_index
from gather3d.voxels import voxelize

from .. import voxels as exercises

CELL = 32


def grid(
    canvas: Canvas,
    x: float,
    y: float,
    title: str,
    values: Tensor,
    role: str,
    *,
    mark: Iterable[Sequence[int]] = (),
    missing: Tensor | None = None,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    side: float = CELL,
) -> None:
    """A matrix, cell by cell, its upper left corner at (x, y); `missing` cells are grey.

    `mark` stresses cells; `rows` and `columns` are words instead of numbers.
    """
    marked = set(map(tuple, mark))
    canvas.text(x, y - 24, title, "title")
    for j in range(values.shape[1]):
        name = columns[j] if columns else str(j)
        canvas.text(x + (j + 0.5) * side, y - 8, name, "tiny")
    for i, row in enumerate(values.tolist()):
        canvas.text(x - 6, y + (i + 0.5) * CELL, rows[i] if rows else str(i), "tiny right")
        for j, value in enumerate(row):
            gone = missing is not None and bool(missing[i, j])
            word = f"{value:g}".replace("-", "−")
            what = "missing" if gone else role
            canvas.cell(x + j * side, y + i * CELL, side, CELL, word, what, (i, j) in marked)


def coords() -> Diagram:
    points = torch.tensor([[1.2, 0.3, 0.1], [2.1, 0.9, 0.6], [0.8, -0.2, 0.2]]).double()
    origin, size = torch.tensor([1.0, 0.0, 0.0]).double(), 0.5
    found = exercises.coords.right(points, size, origin)
    canvas = Canvas()
    plan(canvas, points, size, origin)
    names = {"rows": [f"point {n}" for n in range(3)], "side": 40}
    grid(canvas, 0, 190, "points, metres", points, "source", columns=list("xyz"), **names)
    grid(canvas, 0, 346, "voxel_coords", found, "result", columns=list("zyx"), **names)
    return canvas.diagram(
        "Voxels of 0.5 m, seen from above; the orange dot is the origin, at x = 1 m. Point 2 lies "
        "below it in x and y, so its voxel is −1 there. Notice the order of the columns.",
        f"Three points in a plan of squares numbered by x and y. Their coordinates in metres, "
        f"x, y, z, are {points.tolist()}; their voxels, z, y, x, are {found.tolist()}.",
    )


def plan(canvas: Canvas, points: Tensor, size: float, origin: Tensor) -> None:
    """Voxels seen from above, x to the right, y upwards, with the points in them."""
    for row, y in enumerate((1, 0, -1)):
        canvas.text(-6, (row + 0.5) * 40, f"y {y}".replace("-", "−"), "tiny right")
        for column, x in enumerate((-1, 0, 1, 2)):
            canvas.cell(column * 40, row * 40, 40, 40)
            canvas.text((column + 0.5) * 40, 130, f"x {x}".replace("-", "−"), "tiny")
    canvas.dot(40, 80, "index", 5)
    for n, (x, y, _) in enumerate(((points - origin) / size).tolist()):
        canvas.dot((x + 1) * 40, (2 - y) * 40, "source", 4)
        canvas.text((x + 1) * 40 + 9, (2 - y) * 40 - 6, str(n), "tiny")


def ravel() -> Diagram:
    shape = (2, 2, 3)
    cells = unravel_index(torch.arange(24), (2, *shape))
    flat = exercises.ravel.right(cells, shape).reshape(4, 2, 3)
    asked = torch.tensor([[0, 0, 1, 2], [0, 1, 0, 0], [1, 1, 1, 1]])
    canvas = Canvas()
    for panel, (values, (b, z)) in enumerate(zip(flat, cells[::6, :2].tolist(), strict=True)):
        mark = asked[(asked[:, :2] == torch.tensor([b, z])).all(1), 2:].tolist()
        place = (160 * (panel % 2), 130 * (panel // 2))
        grid(canvas, *place, f"b = {b}, z = {z}", values, "result", mark=mark)
    answer = exercises.ravel.right(asked, shape).tolist()
    return canvas.diagram(
        f"Two samples of shape (2, 2, 3), slice by slice, each voxel with its flat index. For the "
        f"stressed voxels `ravel` gives {answer}. Sample 1 counts on where sample 0 ends.",
        f"Four slices of 2 by 3 voxels, numbered 0 to 23 in the order b, z, y, x. The voxels "
        f"{asked.tolist()} are stressed; their numbers are {answer}.",
    )


def knn_features() -> Diagram:
    features = torch.tensor([[0, 1, 2, 3], [10, 11, 12, 13]])
    index = torch.tensor([[2, 0], [1, 3], [3, 3]])
    result = exercises.knn_features.right(features[None], index[None])[0]
    voxel = 1
    asked = [(voxel, k) for k in range(2)]
    return tensors(
        {"features [C, N]": features, "index [V, K]": index, "result [C, V, K]": result},
        mark={
            "features [C, N]": [(c, int(n)) for c in range(2) for n in index[voxel]],
            "index [V, K]": asked,
            "result [C, V, K]": [(c, *at) for c in range(2) for at in asked],
        },
        roles={"features [C, N]": "source", "index [V, K]": "index", "result [C, V, K]": "result"},
        caption="One sample. A feature says its address: 13 is channel 1, point 3. "
        "Stressed: voxel 1 asks for points 1 and 3, and gets them in every channel.",
        alt=f"Features {features.tolist()}, an index of three voxels with two points each, "
        f"{index.tolist()}, and the result {result.tolist()}.",
    )


def first_points() -> Diagram:
    inverse, size, k = torch.tensor([2, 0, 2, 1, 2, 0, 2]), 4, 2
    result = exercises.first_points.right(inverse, size, k)
    left_out = ~torch.isin(torch.arange(len(inverse)), result)
    canvas = Canvas()
    grid(canvas, 0, 0, "inverse, by point", inverse[None], "index", missing=left_out[None],
         rows=["voxel"])  # fmt: skip
    names = [f"voxel {v}" for v in range(size)]
    grid(canvas, 80, 92, "first_points", result, "result", missing=result < 0, rows=names)
    return canvas.diagram(
        "Seven points and the voxel of each, four voxels, `k = 2`. Voxel 2 has four points: the "
        "grey ones come too late. Voxel 1 has one, voxel 3 none, and −1 fills their rows.",
        f"A row of voxel numbers {inverse.tolist()} and a table with a row for each of four "
        f"voxels, {result.tolist()}.",
    )


def neighbours() -> Diagram:
    coords = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 3], [0, 0, 1, 0], [0, 0, 2, 1], [0, 0, 0, 0]])
    table = exercises.neighbours.right(coords)
    rows = torch.full((3, 4), -1)
    rows[coords[:, 2], coords[:, 3]] = torch.arange(5)
    canvas, steps = Canvas(), ["−1", "0", "+1"]
    grid(canvas, 0, 0, "row of each voxel", rows, "source", mark=[(1, 0)], missing=rows < 0)
    around = table[2, 9:18].reshape(3, 3)
    grid(canvas, 200, 0, "neighbours[2]", around, "result", missing=around < 0,
         rows=steps, columns=steps)  # fmt: skip
    canvas.text(-22, 48, "y", "tiny")
    canvas.text(174, 48, "dy", "tiny")
    canvas.text(64, 108, "x", "tiny")
    canvas.text(248, 108, "dx", "tiny")
    return canvas.diagram(
        "Left: one slice with five voxels, numbered by their row in `coords`. Right: nine of the "
        "27 taps of the stressed voxel, those with dz = 0. It is its own neighbour, and row 1, at "
        "the end of the line above, is not one.",
        f"A slice of 3 by 4 with the rows {rows.tolist()}, −1 where nothing is; and the block "
        f"around row 2, {around.tolist()}.",
    )


def voxel_size() -> Diagram:
    steps = torch.arange(0.1, 4.0, 0.35)
    wall = torch.stack([steps, 0.3 + 0.25 * steps, 0 * steps], 1)
    side = torch.stack([0.2 + 0 * steps, steps, 0 * steps], 1)[1:]
    points, canvas, said = torch.cat([wall, side]), Canvas(), []
    for panel, size in enumerate((2.0, 1.0, 0.5)):
        found = voxelize(points, size, origin=torch.zeros(3))
        said.append(f"{len(found.counts)} voxels of {size:g} m")
        canvas.text(140 * panel, -14, said[-1], "left")
        occupied(canvas, 140 * panel, points[:, :2] * 30, found.coords[:, 2:], size * 30)
    return canvas.diagram(
        f"The same {len(points)} points along two walls, in voxels of three sizes, seen from "
        "above. Small voxels keep the shape; large ones hold more points each.",
        f"Three plans of one corner: {', '.join(said)}.",
    )


def occupied(canvas: Canvas, left: float, points: Tensor, coords: Tensor, side: float) -> None:
    """Points, and the voxels (y, x) that hold one, y downwards."""
    canvas.outline(left, 0, 120, 120, heavy=1)
    for y, x in coords.tolist():
        canvas.cell(left + x * side, y * side, side, side, "", "result")
    for x, y in points.tolist():
        canvas.dot(left + x, y, "source", 2)


PICTURES = {
    "voxels.coords": coords,
    "voxels.ravel": ravel,
    "voxels.knn_features": knn_features,
    "voxels.first_points": first_points,
    "voxels.neighbours": neighbours,
    "voxels.voxel_size": voxel_size,
}
