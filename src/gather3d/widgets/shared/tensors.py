"""Nested lists that hold a tensor: what the explorables exchange with their front ends."""

from itertools import chain
from typing import Any

import torch
import traitlets


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """The shape of a nested list.

    Raises:
        traitlets.TraitError: it is not rectangular, or holds something that is no finite number.

    Example:
        >>> shape_of("index", [[0, 1, 2], [3, 4, 5]])
        (2, 3)
    """
    if not isinstance(value, list):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or value != value or abs(value) == float("inf"):
            raise traitlets.TraitError(f"{name}: got {value!r} among its numbers")
        return ()
    shapes = {shape_of(name, item) for item in value}
    if len(shapes) > 1:
        raise traitlets.TraitError(
            f"{name}: got parts of shapes {sorted(shapes)}, wanted one shape"
        )
    return (len(value), *(shapes.pop() if shapes else ()))


def nested(name: str, value: Any) -> list:
    """A tensor, an array or a nested list as a nested list of numbers, checked."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    shape_of(name, value)
    if not isinstance(value, list):
        raise traitlets.TraitError(f"{name}: got {value!r}, wanted a tensor or nested lists")
    return value


def whole(name: str, value: list) -> list:
    """The same list, whose numbers are all whole."""
    numbers = value
    while numbers and isinstance(numbers[0], list):
        numbers = list(chain.from_iterable(numbers))
    for number in numbers:
        if number != int(number):
            raise traitlets.TraitError(f"{name}: got {number!r}, wanted whole numbers")
    return value


def tensor(value: list, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype)
