"""Chapter 1's predictions: the shape of a gather, the fill of a maximum, the gradient."""

import torch
from torch import Tensor

from gather3d.indexing import gather_points

from ..predict import REFUSED, Option, Prediction

# ---- gather.shape

FEATURES, INDEX = torch.zeros(2, 3, 6), torch.zeros(2, 1, 4, dtype=torch.int64)


def shape(size: torch.Size | list[int]) -> str:
    return f"`{list(size)}`"


def strict() -> str:
    """As if all sizes but that along the dimension had to agree."""
    sizes = list(zip(FEATURES.shape, INDEX.shape, strict=True))
    if any(one != other for dim, (one, other) in enumerate(sizes) if dim != 2):
        raise ValueError(REFUSED)
    return shape(INDEX.shape)


SHAPE = Prediction(
    "gather.shape",
    "`features` is `[2, 3, 6]` and `index` is `[2, 1, 4]`. What is the shape of "
    "`features.gather(2, index)`?",
    Option(
        "`[2, 1, 4]`",
        lambda: shape(FEATURES.gather(2, INDEX).shape),
        "The output has the shape of the index, in every dimension. Channels 1 and 2 are not read.",
    ),
    (
        Option(
            "`[2, 3, 4]`",
            lambda: shape(torch.take_along_dim(FEATURES, INDEX, 2).shape),
            "That is what broadcasting would make of it. `gather` does not broadcast: a size of 1 "
            "in the index reads one channel and drops the others.",
        ),
        Option(
            "`[2, 1, 6]`",
            lambda: shape([*INDEX.shape[:2], FEATURES.shape[2]]),
            "The length of what is read says which numbers an index may hold. How many there are, "
            "the index says alone.",
        ),
        Option(
            REFUSED,
            strict,
            "The sizes need not match. In each dimension but the one that is read along, the index "
            "may be smaller, and then less is read.",
        ),
    ),
)

# ---- gather.fill

HEIGHTS = torch.tensor([[[-1.0, -2, -3, 2]]])  # [B, C, N], metres
BALLS = torch.tensor([[[0, 1, 2], [0, 3, -1], [0, 1, -1]]])  # [B, M, K]


def members(fill: float) -> Tensor:
    return gather_points(HEIGHTS, BALLS, fill)[0, 0]  # [M, K]


def highest(fill: float) -> Tensor:
    return members(fill).amax(1)


def balls(wrong: Tensor) -> str:
    names = ("the first's", "the second's", "the third's")
    found = [name for name, is_wrong in zip(names, wrong.tolist(), strict=True) if is_wrong]
    return " and ".join(found) or "nobody's"


FILL = Prediction(
    "gather.fill",
    "Three balls hold points of these heights. The first: −1, −2, −3. The second: −1, 2, and a "
    "free place. The third: −1, −2, and a free place. A free place is gathered as 0; then the "
    "maximum is taken. Whose maximum is wrong?",
    Option(
        "the third's",
        lambda: balls(highest(0.0) != highest(-torch.inf)),
        "The 0 wins where a place is free and every member lies below it: the third ball gets a "
        "height that no point has.",
    ),
    (
        Option(
            "nobody's",
            lambda: balls(members(0.0).sum(1) != members(torch.nan).nansum(1)),
            "0 changes no sum. A maximum asks for another neutral number: −∞.",
        ),
        Option(
            "the second's and the third's",
            lambda: balls((BALLS[0] < 0).any(1)),
            "The second has a free place, too, but its own 2 is above 0, so the 0 loses.",
        ),
        Option(
            "the first's and the third's",
            lambda: balls(highest(-torch.inf).clamp(min=0) != highest(-torch.inf)),
            "The first lies below 0, too, but it is full: no 0 takes part in its maximum.",
        ),
    ),
)

# ---- gather.readers

READ = torch.tensor([5, 0, 2, 2])


def readers() -> Tensor:
    x = torch.zeros(6, requires_grad=True)
    x[READ].sum().backward()
    return x.grad


def row(values: Tensor) -> str:
    return f"`[{', '.join(f'{value:g}' for value in values.tolist())}]`"


READERS = Prediction(
    "gather.readers",
    "`x` has six elements, and `x[[5, 0, 2, 2]].sum().backward()` has run. What is `x.grad`?",
    Option(
        "`[1, 0, 2, 0, 0, 1]`",
        lambda: row(readers()),
        "Each reader sends its 1 back, and they add up: the gradient counts the readers.",
    ),
    (
        Option(
            "`[1, 1, 1, 1, 1, 1]`",
            lambda: row(torch.ones(6)),
            "That is the gradient of `x.sum()`. Elements 1, 3 and 4 were not read, so nothing "
            "depends on them.",
        ),
        Option(
            "`[1, 0, 1, 0, 0, 1]`",
            lambda: row(readers().clamp(max=1)),
            "Element 2 stands in the sum twice. If it grows by 1, the sum grows by 2.",
        ),
        Option(
            "`[1, 0, 0.5, 0, 0, 1]`",
            lambda: row(torch.where(readers() > 0, 1 / readers(), 0)),
            "Readers do not share a gradient among themselves: each depends on the element in "
            "full.",
        ),
    ),
)

PREDICTIONS = (SHAPE, FILL, READERS)
