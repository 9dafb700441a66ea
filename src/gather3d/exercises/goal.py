"""A goal: one thing to change in a cell of a chapter, and what says whether the change did it.

    start = 2                                            # change this
    goal("the last row that is read", start + 3, 7)

shows "Not yet: the last row that is read is 5, wanted 7." until start is 4.
"""

from dataclasses import dataclass
from math import isclose
from typing import Any

import torch
from torch import Tensor

CHANGE = "# change this"
"""What marks the line of the cell that is to be changed."""

CLOSE = 1e-6  # relative, of floats


@dataclass(frozen=True)
class Goal:
    """What `goal` returns; a notebook shows it as a sentence."""

    what: str
    value: Any
    wanted: str
    reached: bool

    def __str__(self) -> str:
        if self.reached:
            return f"Reached: {self.what} is {self.value}."
        return f"Not yet: {self.what} is {self.value}, wanted {self.wanted}."

    __repr__ = __str__


def goal(
    what: str, value: Any, wanted: Any = None, *, at_least: Any = None, at_most: Any = None
) -> Goal:
    """Whether a value is the one that was wanted, or as large or as small.

    Args:
        what: names the value; the sentence goes on with "is".
        value: a number, a string, a list, or a tensor, which is compared as a list.
        wanted: what it must be; floats may differ in their seventh digit.
        at_least: or what it must not be below, ...
        at_most: ... or above; the two can be given together.

    Raises:
        ValueError: nothing is wanted, or a value and a limit.

    Example:
        >>> goal("the sum", 2 + 2, 5)
        Not yet: the sum is 4, wanted 5.
        >>> goal("the share", 0.97, at_least=0.95)
        Reached: the share is 0.97.
    """
    limits = {"at least": at_least, "at most": at_most}
    limits = {words: limit for words, limit in limits.items() if limit is not None}
    if (wanted is None) == (not limits):
        raise ValueError("wanted: give what is wanted, or at_least, at_most or both")
    value, wanted = plain(value), plain(wanted)
    if not limits:
        return Goal(what, shown(value), shown(wanted), same(value, wanted))
    words = " and ".join(f"{words} {shown(plain(limit))}" for words, limit in limits.items())
    above = at_least is None or value >= plain(at_least)
    below = at_most is None or value <= plain(at_most)
    return Goal(what, shown(value), words, above and below)


def plain(value: Any) -> Any:
    """A tensor or a torch.Size as lists and numbers."""
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple | torch.Size) else value


def same(value: Any, wanted: Any) -> bool:
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    if isinstance(value, float) or isinstance(wanted, float):
        numbers = isinstance(value, float | int) and isinstance(wanted, float | int)
        return numbers and (isclose(value, wanted, rel_tol=CLOSE, abs_tol=CLOSE))
    return value == wanted


def shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
