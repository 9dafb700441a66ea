"""What a chapter tries in passing: a call that is refused, a switch that is put back.

with threads(1), deterministic():
    refusal(lambda: out.scatter_(0, index, values))
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def refusal(call: Callable[[], Any]) -> str:
    """What call() raises, its type and the first line of its message, or "nothing was raised".

    Example:
        >>> refusal(lambda: [1, 2][2])
        'IndexError: list index out of range'
    """
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    return "nothing was raised"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """On a CPU, torch with so many threads; afterwards with as many as before, come what may.

    Example:
        >>> with threads(1):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic(wanted: bool = True) -> Iterator[None]:
    """torch.use_deterministic_algorithms, switched on; afterwards as it was before.

    Example:
        >>> with deterministic():
        ...     torch.are_deterministic_algorithms_enabled()
        True
    """
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(wanted)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warns)
