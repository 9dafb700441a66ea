"""Chapter 2's predictions: what a slot held, `+=` with duplicates, sums in another order."""

import torch
from torch import Tensor

from gather3d import datasets

from ..predict import REFUSED, Option, Prediction

# ---- scatter.held

SLOT = torch.zeros(2, dtype=torch.int64)


def held(reduce: str, **given: bool) -> str:
    out = torch.tensor([10.0]).scatter_reduce(0, SLOT, torch.tensor([3.0, 4.0]), reduce, **given)
    return f"{round(out.item(), 2):g}"


HELD = Prediction(
    "scatter.held",
    'A slot holds 10. The values 3 and 4 are sent to it by `scatter_reduce` with `"mean"`. What '
    "does it hold then?",
    Option(
        "5.67",
        lambda: held("mean"),
        "What the slot held takes part: (10 + 3 + 4) / 3. `include_self=False` leaves it out.",
    ),
    (
        Option(
            "3.5",
            lambda: held("mean", include_self=False),
            "The mean of what arrives is what one usually wants, and `include_self=False` gives "
            "it. The default is another.",
        ),
        Option("17", lambda: held("sum"), "That is the sum; a mean divides it by 3."),
        Option(
            "10",
            lambda: held("amax"),
            "The slot gives no protection to what it held: that is one value among three.",
        ),
    ),
)

# ---- scatter.plus

TARGET = torch.tensor([0, 0, 0, 1])


def plus() -> str:
    a = torch.zeros(2, dtype=torch.int64)
    a[TARGET] += 1
    return str(a.tolist())


def looped() -> str:
    a = torch.zeros(2, dtype=torch.int64)
    for slot in TARGET.tolist():
        a[slot] += 1
    return str(a.tolist())


def only_once() -> str:
    if len(TARGET.unique()) < len(TARGET):
        raise ValueError(REFUSED)
    return plus()


PLUS = Prediction(
    "scatter.plus",
    "`a` is `[0, 0]`. What is it after `a[[0, 0, 0, 1]] += 1`?",
    Option(
        "[1, 1]",
        plus,
        "Read, add, write. All four read 0 before anyone writes, and the three that write slot 0 "
        "write the same 1.",
    ),
    (
        Option(
            "[3, 1]",
            looped,
            "A loop would count to 3. The line is one read and one write of all slots together, so "
            "no one sees what another has added.",
        ),
        Option(
            REFUSED,
            only_once,
            "No index function looks for duplicates: that would cost a sort.",
        ),
        Option(
            "[1, 1] or [3, 1], as it happens",
            lambda: f"{plus()} or {looped()}, as it happens",
            "It is a race in which all runners carry the same number: whoever comes last, slot 0 "
            "holds 1.",
        ),
    ),
)

# ---- scatter.shuffle


def changed(*columns: tuple[str, Tensor]) -> str:
    """Which sums by cell of 2 m change at least one bit when the points come in another order."""
    points = datasets.load("aerial").points
    place = (points[:, :2] / 2.0).floor().long()
    cell = place[:, 1] * (int(place[:, 0].max()) + 1) + place[:, 0]
    order = torch.randperm(len(cell), generator=torch.Generator().manual_seed(0))
    names = []
    for name, values in columns:
        start = values.new_zeros(int(cell.max()) + 1)
        sums = [start.scatter_add(0, cell[by], values[by]) for by in (slice(None), order)]
        if not torch.equal(*sums):
            names.append(name)
    return "; ".join(names) or "none of them"


def heights(dtype: torch.dtype) -> Tensor:
    return datasets.load("aerial").points[:, 2].to(dtype)


def thirds(values: Tensor) -> Tensor:
    """The same numbers with digits that no sum holds."""
    return values / 3


SINGLE, DOUBLE, WHOLE = "heights in float32", "heights in float64", "whole numbers in float32"

SHUFFLE = Prediction(
    "scatter.shuffle",
    "The points of the aerial scan are added up by cells of 2 m, then shuffled and added up again, "
    "on one thread: their heights in float32, the same heights in float64, and their intensities, "
    "which are whole numbers, in float32. Which sums change?",
    Option(
        SINGLE,
        lambda: changed(
            (SINGLE, heights(torch.float32)),
            (DOUBLE, heights(torch.float64)),
            (WHOLE, datasets.load("aerial").intensity.float()),
        ),
        "A float32 sum is rounded at every addition, so the order shows. In float64 there is room "
        "for all digits of a few hundred float32 numbers; so there is in float32 for whole numbers "
        "below 2²⁴. What is never rounded has no order.",
    ),
    (
        Option(
            "none of them",
            lambda: changed(
                (SINGLE, heights(torch.float32).round()),
                (DOUBLE, heights(torch.float64).round()),
                (WHOLE, datasets.load("aerial").intensity.float()),
            ),
            "Addition of real numbers does not care for the order. Addition of floats rounds, and "
            "(a + b) + c is not always a + (b + c).",
        ),
        Option(
            f"{SINGLE}; {DOUBLE}",
            lambda: changed(
                (SINGLE, heights(torch.float32)),
                (DOUBLE, thirds(heights(torch.float64))),
                (WHOLE, datasets.load("aerial").intensity.float()),
            ),
            "float64 rounds as well, but here it need not: these heights came from float32, 24 "
            "digits each, and 53 hold their sums.",
        ),
        Option(
            f"{SINGLE}; {DOUBLE}; {WHOLE}",
            lambda: changed(
                (SINGLE, heights(torch.float32)),
                (DOUBLE, thirds(heights(torch.float64))),
                (WHOLE, thirds(datasets.load("aerial").intensity.float())),
            ),
            "Only what is rounded depends on the order. Whole numbers below 2²⁴ are exact in "
            "float32, and so are their sums.",
        ),
    ),
)

PREDICTIONS = (HELD, PLUS, SHUFFLE)
