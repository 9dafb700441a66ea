"""Chapter 14's wanted results: what moves, and what it adds up to."""

import torch
from torch import Tensor

from gather3d.figures import tensors
from gather3d.figures.svg import Canvas, Diagram

from .. import speed as exercises
from .voxels import grid

CELL = 32


def bytes_moved() -> Diagram:
    features = torch.arange(8).reshape(2, 4) + torch.tensor([[0], [6]])  # 0 … 3 and 10 … 13
    index = torch.tensor([2, 0, 2]).expand(2, 3)
    result, canvas = features.gather(1, index), Canvas()
    total = exercises.bytes_moved.right(features.float()[None], index[None])
    picked = [(c, int(k)) for c in range(2) for k in index[0]]
    grid(canvas, 0, 0, "features [C, N], float32", features, "source", mark=picked)
    canvas.text(142, 20, "6 values read", "left")
    canvas.text(142, 40, "6 × 4 bytes", "left")
    repeated = torch.tensor([[False] * 3, [True] * 3])
    grid(canvas, 0, 120, "index [C, M], int64, expanded", index, "index", missing=repeated)
    canvas.text(142, 140, "3 entries stored", "left")
    canvas.text(142, 160, "3 × 8 bytes", "left")
    grid(canvas, 0, 240, "result [C, M], float32", result, "result")
    canvas.text(142, 260, "6 values written", "left")
    canvas.text(142, 280, "6 × 4 bytes", "left")
    return canvas.diagram(
        f"{total} bytes in all. Two columns of the features are read, one of them twice, and two "
        "move nothing. The second row of the index is grey: it is expanded, and the same three "
        "entries in memory serve both channels.",
        f"Features of two channels and four points; the index {index[0].tolist()}, stored once for "
        f"both channels; the result {result.tolist()}; and the bytes of each.",
    )


def sectors() -> Diagram:
    position = torch.tensor([[3, 17, 1, -1, 30, 16, 3, 25]])
    (count,) = exercises.sectors.right(position, 4).tolist()
    memory, canvas, side = torch.arange(32).reshape(4, 8), Canvas(), 28
    asked = [divmod(k, 8) for k in position[0].tolist() if k >= 0]
    names = [f"sector {row}" for row in range(4)]
    canvas.text(0, -38, "position[0], float32", "title")
    for t, k in enumerate(position[0].tolist()):
        role = "missing" if k < 0 else "index"
        canvas.cell(t * side, -22, side, CELL, str(k).replace("-", "−"), role)
    grid(canvas, 0, 62, "memory, 32 bytes a row", memory, "source", mark=asked, rows=names,
         columns=8 * [""], side=side)  # fmt: skip
    for row in {row for row, _ in asked}:
        canvas.outline(-1, 62 + row * CELL - 1, 8 * side + 2, CELL + 2, "result", 3)
    return canvas.diagram(
        f"Above, what eight threads of a warp ask for; below, the memory in sectors. The outlined "
        f"ones have to come: {count}. Sector 1 stays where it is, two threads want element 3 and "
        "get it once, and one thread asks for nothing.",
        f"The positions {position[0].tolist()}, and thirty-two elements in four rows of eight. "
        f"The elements asked for are stressed, and {count} of the four rows are outlined.",
    )


def reorder() -> Diagram:
    features = torch.tensor([[10, 11], [20, 21], [30, 31]])
    table, order = torch.tensor([[1, 2], [0, -1], [-1, 1]]), torch.tensor([2, 0, 1])
    moved, renamed = exercises.reorder.right(features, table, order)
    named = {
        "features [V, C]": features,
        "table [V, K]": table,
        "order [V]": order,
        "features, moved": moved,
        "table, moved": renamed,
    }
    return tensors(
        named,
        mark={
            "features [V, C]": [(2, 0), (2, 1)],
            "table [V, K]": [(2, 0), (2, 1)],
            "order [V]": [0],
            "features, moved": [(0, 0), (0, 1)],
            "table, moved": [(0, 0), (0, 1)],
        },
        roles=dict(zip(named, ("source", "index", "index", "result", "result"), strict=True)),
        caption="The first entry of the order is 2, so row 2 becomes row 0 (stressed): its "
        "features as they are, its neighbours under new names. It had voxel 1 for a neighbour, "
        "which is now voxel 2; −1 stays −1.",
        alt="; ".join(f"{name}: {t.tolist()}" for name, t in named.items()),
    )


def segment_sum() -> Diagram:
    values, start = torch.tensor([5, 1, 2, 4, 1, 3]), torch.tensor([0, 2, 2, 5, 6])
    sums = exercises.segment_sum.right(values[:, None].double(), start)[:, 0].int()
    canvas = Canvas()
    canvas.text(0, -26, "values [N], C = 1", "title")
    canvas.text(0, 100, "segment_sum [S]", "title")
    for n, value in enumerate(values.tolist()):
        canvas.text((n + 0.5) * CELL, -9, str(n), "tiny")
        canvas.cell(n * CELL, 0, CELL, CELL, str(value), "source")
    step = len(values) * CELL / len(sums)
    for s, (first, end) in enumerate(zip(start.tolist(), start.tolist()[1:], strict=False)):
        middle, under = (first + end) / 2 * CELL, (s + 0.5) * step
        canvas.cell(under - CELL / 2, 126, CELL, CELL, str(int(sums[s])), "result")
        canvas.text(under, 170, str(s), "tiny")
        if end > first:
            canvas.outline(first * CELL + 1, -1, (end - first) * CELL - 2, CELL + 2, "index")
            path = f"M{middle:.1f} {CELL + 4}L{under:.1f} 88"
            canvas.arrow(path, (under, 88), (under - middle, 84 - CELL))
    return canvas.diagram(
        f"`start` is `{start.tolist()}`. Segment 0 has the rows 0 and 1, segment 2 the rows 2 to "
        "4. Segment 1 begins and ends at row 2: it is empty, and its sum is 0.",
        f"Six values {values.tolist()} in three outlined runs, and below them the four sums "
        f"{sums.tolist()}, the second without an arrow.",
    )


def bag() -> Diagram:
    rows = torch.tensor([[1, 2], [10, 20], [100, 200]])
    index, weight = torch.tensor([[2, 0], [1, -1]]), torch.tensor([[0.5, 1.0], [2.0, 3.0]])
    result = exercises.bag.right(rows.double(), index, weight.double())
    canvas, names = Canvas(), ["bag 0", "bag 1"]
    grid(canvas, 0, 0, "rows [N, C]", rows, "source", mark=[(2, 0), (2, 1), (0, 0), (0, 1)],
         side=40)  # fmt: skip
    first = [(0, 0), (0, 1)]
    nobody = index < 0
    grid(canvas, 190, 0, "index [M, K]", index, "index", mark=first, missing=nobody, rows=names)
    grid(canvas, 190, 122, "weight [M, K]", weight, "index", mark=first, missing=nobody, rows=names)
    grid(canvas, 0, 154, "result [M, C]", result, "result", mark=first, side=40)
    return canvas.diagram(
        "Bag 0 (stressed) is half of row 2 plus once row 0. Bag 1 is twice row 1; its second "
        "entry is −1, so nothing is read there, and the weight 3 has no effect.",
        f"Rows {rows.tolist()}, index {index.tolist()}, weights {weight.tolist()}, and the result "
        f"{result.tolist()}.",
    )


SMALL = 20


def order() -> Diagram:
    """Voxels of a plane, numbered line by line and block by block, and two ways to ask."""
    lines = torch.arange(32).reshape(4, 8)
    blocks = lines.reshape(2, 4, 2, 2).transpose(1, 2).reshape(4, 8)  # [Y, y, X, x]
    orders = {"lines": lines, "blocks": blocks}
    asked = {
        "four neighbours along x": [(1, x) for x in range(4)],
        "nine around one voxel": [(y, x) for y in range(3) for x in range(3, 6)],
    }
    canvas, said = Canvas(), {}
    for down, (question, places) in enumerate(asked.items()):
        canvas.text(0, down * 140 - 40, question, "title")
        for across, (name, rows) in enumerate(orders.items()):
            read = torch.stack([rows[at] for at in places])
            count = int(exercises.sectors.right(read[None], 8))
            said[name, question] = count
            words = f"{name}: {count} sector{'s' if count > 1 else ''}"
            numbered(canvas, across * 180, down * 140, words, rows, places)
    few, many = ([said[name, question] for name in orders] for question in asked)
    return canvas.diagram(
        f"Thirty-two voxels of a plane, each with the number of its row in memory, four rows to a "
        f"sector. Left, rows follow the lines; right, they follow blocks of 2 × 2. Which order is "
        f"better depends on the question: {few[0]} sector against {few[1]} above, {many[0]} "
        f"against {many[1]} below.",
        f"Four grids of 4 by 8, numbered line by line on the left and block by block on the right. "
        f"Above, four cells of a line are stressed, in {few[0]} and {few[1]} outlined sectors. "
        f"Below, a square of nine, in {many[0]} and {many[1]}.",
    )


def numbered(
    canvas: Canvas, left: float, top: float, title: str, rows: Tensor, asked: list[tuple[int, int]]
) -> None:
    """A plane of voxels with their rows in memory; the sectors of those asked for are outlined."""
    canvas.text(left, top - 14, title, "left")
    for y, line in enumerate(rows.tolist()):
        for x, row in enumerate(line):
            place = (left + x * SMALL, top + y * SMALL)
            canvas.cell(*place, SMALL, SMALL, str(row), "source", (y, x) in asked)
    for sector in sorted({int(rows[at]) // 4 for at in asked}):
        y, x = (rows // 4 == sector).nonzero().T
        wide, high = (int(at.max() - at.min() + 1) * SMALL for at in (x, y))
        corner = (left + int(x.min()) * SMALL, top + int(y.min()) * SMALL)
        canvas.outline(*corner, wide, high, "result", 3)


PICTURES = {
    "speed.bytes_moved": bytes_moved,
    "speed.sectors": sectors,
    "speed.reorder": reorder,
    "speed.segment_sum": segment_sum,
    "speed.bag": bag,
    "speed.order": order,
}
