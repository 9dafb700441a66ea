"""Pictures of what chapter 1's exercises want."""

import torch
from torch import Tensor

from gather3d.figures import reads, tensors
from gather3d.figures.svg import Canvas, Diagram
from gather3d.indexing import gather_points

from ..gather import along as take_along
from ..gather import result_shape as shapes

CELL = 24
SOURCE, INDEX, RESULT = "source", "index", "result"


def addresses(*shape: int) -> Tensor:
    """Each element tells its own address: 123 is at [1, 2, 3]."""
    places = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    return sum(place * 10**d for d, place in enumerate(reversed(places)))


def result_shape() -> Diagram:
    input_shape, dim = (3, 4), 1
    canvas = Canvas()
    for row, asked in enumerate([(3, 6), (2, 3), (4, 2)]):
        y = row * (CELL * 4 + 40)
        panel(canvas, 0, y, f"input {list(input_shape)}", input_shape, asked, dim)
        panel(canvas, 6.5 * CELL, y, f"index {list(asked)}", asked, input_shape, dim)
    return canvas.diagram(
        "The input is `[3, 4]`, and `dim=1`. Left: the rows of the input that are visited. Right: "
        "the index; its shape is the result's, unless it has a row that the input lacks.",
        "Three pairs of grids. An index of 3 by 6 gives a result of 3 by 6. An index of 2 by 3 "
        "gives 2 by 3, and the last row of the input is not visited. An index of 4 by 2 is "
        "refused: its fourth row is marked, and the input has no fourth row.",
    )


def panel(
    canvas: Canvas, x: float, y: float, title: str, shape: tuple, other: tuple, dim: int
) -> None:
    """A grid of this shape; what `title` says of it depends on the rows of the other one."""
    of_index = title.startswith("index")
    if of_index:
        title += f" → {answer(other, dim, shape)}"
    canvas.text(x, y, title, "title")
    for i in range(shape[0]):
        beyond = i >= other[0]
        role = ("wrong" if beyond else RESULT) if of_index else ("context" if beyond else SOURCE)
        for j in range(shape[1]):
            canvas.cell(x + j * CELL, y + 14 + i * CELL, CELL, CELL, "", role)


def answer(input_shape: tuple, dim: int, index_shape: tuple) -> str:
    try:
        return str(shapes.right(torch.tensor(input_shape), dim, torch.tensor(index_shape)).tolist())
    except ValueError:
        return "refused"


def loops() -> Diagram:
    input = addresses(3, 4)
    index = torch.tensor([[2, 2, 0], [1, 3, 0]])
    return reads(
        input,
        index,
        dim=1,
        show=[(0, 0), (0, 1), (1, 1)],
        caption="Along `dim=1` each output stays in its row, and the index names the column. A "
        "value says its address: 13 stood in row 1, column 3.",
        alt=f"Input {input.tolist()}, index {index.tolist()}, output "
        f"{input.gather(1, index).tolist()}; arrows show three of the reads.",
    )


def of_points(index: Tensor, caption: str, **look: float) -> Diagram:
    """Features of two clouds, an index for each, and what it picks in every channel."""
    features = addresses(2, 2, 4)
    result = gather_points(features.double(), index, **look)
    whole = result.long() if result.isfinite().all() else result
    named = {"features [B, C, N]": features, "index [B, M]": index, "result [B, C, M]": whole}
    k = int(index[0, 0])
    return tensors(
        named,
        mark={
            "features [B, C, N]": [(0, c, k) for c in range(2)],
            "index [B, M]": [(0, 0)],
            "result [B, C, M]": [(0, c, 0) for c in range(2)],
        },
        roles=dict(zip(named, (SOURCE, INDEX, RESULT), strict=True)),
        caption=caption,
        alt=f"Features {features.tolist()}, index {index.tolist()}, result {whole.tolist()}.",
    )


def pick_points() -> Diagram:
    return of_points(
        torch.tensor([[2, 0, 2], [1, 1, 3]]),
        "Every channel of a cloud is read with the index of that cloud. A value says its address: "
        "112 is cloud 1, channel 1, point 2. Stressed: the first point that cloud 0 asks for.",
    )


def padded() -> Diagram:
    return of_points(
        torch.tensor([[2, -1, 0], [-1, 1, -1]]),
        "With `fill=-9`: where the index says −1, nothing is read, and −9 stands there. "
        "Point 0 is a point like any other.",
        fill=-9.0,
    )


def along() -> Diagram:
    wide, narrow = addresses(3, 4), addresses(3, 4)[2:]
    one, each = torch.tensor([[1, -1]]), torch.tensor([[3, 0], [1, 1], [-2, 2]])
    results = [take_along.right(*given, 1) for given in ((wide, one), (narrow, each))]
    named = {"input": wide, "index": one, "result": results[0]}
    named |= {"an input of one row": narrow, "its index": each, "its result": results[1]}
    return tensors(
        named,
        mark={
            "input": [(i, 3) for i in range(3)],
            "index": [(0, 1)],
            "result": [(i, 1) for i in range(3)],
            "an input of one row": [(0, 2)],
            "its index": [(2, 0)],
            "its result": [(2, 0)],
        },
        roles=dict(zip(named, 2 * (SOURCE, INDEX, RESULT), strict=True)),
        caption="With `dim=1`: above, the index has one row, and every row of the input uses it. "
        "Below, the input has one row, and every row of the index reads from it. −1 is the last "
        "column, −2 the one before.",
        alt=f"Input {wide.tolist()} with index {one.tolist()} gives {results[0].tolist()}. Input "
        f"{narrow.tolist()} with index {each.tolist()} gives {results[1].tolist()}.",
    )


def review() -> Diagram:
    features = torch.tensor([[[-3.0, -1.0, -2.0]], [[5.0, 4.0, 6.0]]])
    index = torch.tensor([[[0, 2], [1, -1]], [[1, 0], [2, -1]]])
    result = gather_points(features, index, float("-inf")).amax(3)
    named = {
        "features [B, C, N]": features.long(),
        "index [B, M, K]": index,
        "result [B, C, M]": result.long(),
    }
    return tensors(
        named,
        mark={
            "features [B, C, N]": [(0, 0, 1)],
            "index [B, M, K]": [(0, 1, 0), (0, 1, 1)],
            "result [B, C, M]": [(0, 0, 1)],
        },
        roles=dict(zip(named, (SOURCE, INDEX, RESULT), strict=True)),
        caption="What all three programs are meant to give: the highest value of each group of "
        "K = 2. Stressed: a group with one member, which has the value −1; the other place is "
        "empty.",
        alt=f"Features {features.tolist()}, index {index.tolist()}, result {result.tolist()}.",
    )


PICTURES = {
    "gather.result_shape": result_shape,
    "gather.loops": loops,
    "gather.pick_points": pick_points,
    "gather.padded": padded,
    "gather.along": along,
    "gather.review": review,
}
