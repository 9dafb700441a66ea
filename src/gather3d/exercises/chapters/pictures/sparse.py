"""Pictures of what chapter 7's exercises want."""

import torch
from torch import Tensor

from gather3d.figures import writes
from gather3d.figures.svg import Canvas, Diagram
from gather3d.sparse import kernel_map as rulebook
from gather3d.voxels import neighbour_index

from .. import sparse as exercises
from .voxels import CELL, grid

TINY = torch.tensor(
    [[0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 1, 2], [0, 0, 2, 3], [0, 0, 2, 4], [0, 0, 3, 0]]
)  # the chapter's slice of 4 by 5
AXES = ["b", "z", "y", "x"]


def on_slice(coords: Tensor, values: Tensor, shape: tuple[int, int], empty: int = 0) -> Tensor:
    """Values at (y, x); `empty` where no voxel is."""
    slice = torch.full(shape, empty)
    slice[coords[:, 2], coords[:, 3]] = values.long()
    return slice


def to_dense() -> Diagram:
    coords = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 2], [1, 0, 0, 0]])
    features = torch.tensor([[11, 12], [21, 22], [31, 32]])
    volume = exercises.to_dense.right(coords, features, 2, (1, 2, 3))
    canvas = Canvas()
    grid(canvas, 0, 0, "coords", coords, "index", columns=AXES)
    grid(canvas, 170, 0, "features", features, "source")
    for b in range(2):
        for c in range(2):
            values = volume[b, c, 0]
            place = (170 * c, 160 + 125 * b)
            title = f"volume[{b}, {c}, 0]"
            grid(canvas, *place, title, values, "result", missing=values == 0)
    return canvas.diagram(
        "Three voxels with two channels each, in two batches of one slice. Each feature goes to "
        "the place that its row of `coords` names; all else is 0. The volume's axes are b, c, z, "
        "y, x.",
        f"Coordinates {coords.tolist()}, features {features.tolist()}, and the volume "
        f"{volume.tolist()}.",
    )


def strided_coords() -> Diagram:
    coords = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 4], [0, 0, 2, 1], [0, 0, 3, 5],
                           [0, 0, 3, 4]])  # fmt: skip
    coarse = exercises.strided_coords.right(coords, 2)
    fine = on_slice(coords, torch.arange(len(coords)), (4, 6), -1)
    canvas = Canvas()
    grid(canvas, 0, 0, "rows of coords", fine, "source", missing=fine < 0)
    for _, _, y, x in coarse.tolist():
        canvas.outline(2 * x * CELL, 2 * y * CELL, 2 * CELL, 2 * CELL, "result", 4)
    grid(canvas, 230, 0, "strided_coords", coarse, "result", columns=AXES)
    return canvas.diagram(
        "Left: six voxels of one slice, and in green the boxes of stride 2 that hold one. Right: "
        "those boxes in coarse coordinates, each once, sorted. The empty box is no voxel.",
        f"Voxels {coords.tolist()} in a slice of 4 by 6, and the coarse voxels {coarse.tolist()} "
        "as boxes of 2 by 2.",
    )


def kernel_map() -> Diagram:
    read, written = exercises.kernel_map.right(TINY, TINY, (0, 1, 1))
    rows = on_slice(TINY, torch.arange(6), (4, 5), -1)
    canvas = Canvas()
    grid(canvas, 0, 0, "row of each voxel", rows, "source", missing=rows < 0)
    for i, o in zip(read.tolist(), written.tolist(), strict=True):
        arrow(canvas, TINY[i, 2:].tolist(), TINY[o, 2:].tolist())
    pairs = [f"pair {p}" for p in range(len(read))]
    grid(canvas, 240, 0, "in", read[:, None], "source", rows=pairs, columns=[""])
    grid(canvas, 290, 0, "out", written[:, None], "result", rows=[""] * len(read), columns=[""])
    return canvas.diagram(
        "Six voxels of one slice and the pairs of offset (0, 1, 1). An arrow leads from the voxel "
        "that is read to the one that is written, which lies one step up and one to the left. "
        "Voxels without a partner are in no pair.",
        f"A slice of 4 by 5 with the rows {rows.tolist()}; the pairs read {read.tolist()} and "
        f"write {written.tolist()}.",
    )


def arrow(canvas: Canvas, start: list[int], end: list[int]) -> None:
    """From the middle of one cell, (y, x), towards another."""
    (y0, x0), (y1, x1) = ([(k + 0.5) * CELL for k in place] for place in (start, end))
    dx, dy = x1 - x0, y1 - y0
    x0, y0, x1, y1 = x0 + 0.25 * dx, y0 + 0.25 * dy, x1 - 0.25 * dx, y1 - 0.25 * dy
    canvas.arrow(f"M{x0} {y0}L{x1} {y1}", (x1, y1), (dx, dy), "index")


def max_pool() -> Diagram:
    features = torch.tensor([[-6.0], [2.0], [-1.0], [-3.0], [4.0]])
    in_index, out_index = torch.tensor([1, 4, 0, 2, 3]), torch.tensor([0, 0, 2, 2, 3])
    pooled = exercises.max_pool.right(features, in_index, out_index, 4)
    return writes(
        features[in_index, 0].long(),
        out_index,
        size=4,
        reduce="amax",
        names=("rows read", "out_index", "pooled"),
        caption="One channel; `features` are −6, 2, −1, −3, 4, read in the order of `in_index` = "
        f"{in_index.tolist()}. Where several pairs meet the largest stays, and all of them may be "
        "negative. Output 1 has no pair and is 0.",
        alt=f"Five values go to the outputs {out_index.tolist()} and give "
        f"{pooled[:, 0].long().tolist()}.",
    )


def subm_conv() -> Diagram:
    features = torch.arange(1.0, 7.0)[:, None]
    result = exercises.subm_conv.right(TINY, features, torch.ones(1, 1, 3, 3, 3))
    given, got = (on_slice(TINY, each[:, 0], (4, 5)) for each in (features, result))
    canvas = Canvas()
    grid(canvas, 0, 0, "features", given, "source", missing=given == 0)
    grid(canvas, 205, 0, "result", got, "result", missing=given == 0)
    return canvas.diagram(
        "Six voxels of one slice, and a kernel of 27 ones: each output is the sum of the active "
        "voxels that touch it, itself included. What was empty stays empty.",
        f"Two slices of 4 by 5. Features {given.tolist()} become {got.tolist()}.",
    )


def wall() -> Diagram:
    n = 4
    zyx = torch.cartesian_prod(torch.tensor([1]), torch.arange(1, n + 1), torch.arange(1, n + 1))
    coords = torch.cat([0 * zyx[:, :1], zyx], 1)
    pairs = (neighbour_index(coords) >= 0).sum(1).reshape(n, n)
    grown = rulebook(coords, (3, n + 2, n + 2)).coords_out
    side = torch.zeros(3, n + 2, dtype=torch.int64)
    side[grown[:, 1], grown[:, 3]] = 1
    canvas, blank = Canvas(), [""] * (n + 2)
    grid(canvas, 0, 0, "pairs of each voxel", pairs, "source", rows=blank, columns=blank)
    canvas.text(190, -24, "one layer on, edge-on", "title")
    for z in range(3):
        for x in range(n + 2):
            role = "source" if z == 1 and 0 < x <= n else "result" if side[z, x] else "missing"
            canvas.cell(190 + x * CELL, z * CELL, CELL, CELL, "", role)
    return canvas.diagram(
        f"A wall of {n}×{n} voxels. Left: how many voxels touch each one, itself included. Right: "
        "the wall seen edge-on, in blue, and in green what one ordinary layer adds to it.",
        f"A square of numbers {pairs.tolist()}; beside it a row of {n} blue cells inside a green "
        f"frame of 3 by {n + 2}.",
    )


PICTURES = {
    "sparse.to_dense": to_dense,
    "sparse.strided_coords": strided_coords,
    "sparse.kernel_map": kernel_map,
    "sparse.max_pool": max_pool,
    "sparse.subm_conv": subm_conv,
    "sparse.wall": wall,
}
