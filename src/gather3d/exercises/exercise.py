"""What an exercise is made of: the loop that defines it, cases to try, the usual wrong turns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import torch
from torch import Generator, Tensor

#: What is special about a case; where only such cases fail, that is the diagnosis.
KINDS = {
    "ordinary": "an ordinary case",
    "one": "sizes of one",
    "empty": "a size of zero",
    "strided": "an input that is not contiguous in memory",
    "dtype": "another dtype",
    "repeated": "an index that repeats",
    "extreme": "the first and the last index",
    "negative": "coordinates below zero",
    "missing": "missing entries, −1",
    "refused": "input that must be refused",
    "large": "a large input",
}


#: What a check enforces besides the values of ordinary cases, and an exercise's task must say.
ASKS = {
    "refused": "input that is to be refused",
    "gradient": "gradients that flow to an argument",
    "dtype": "a result of a dtype that no argument has",
    "int32": "an argument in int32",
    "loop": "no Python loop over elements",
    "without": "functions that may not be called",
}

#: What every check enforces; the first cell of every notebook of exercises says it.
EVERYWHERE = {
    "in-place": "The tensors that your function is given stay as they are.",
    "size": "A size may be 1, and 0 where that makes sense.",
    "strided": "Tensors need not be contiguous in memory.",
    "device": "What you make is on the device of what you are given.",
    "dtype": "A result has the dtype of the values that it is made of, unless the task says "
    "otherwise.",
}


@dataclass(frozen=True, eq=False)
class Case:
    """One call: the arguments, in the order of the signature, and what is special about them.

    With `refuse`, the answer must raise this exception (or one derived from it).
    """

    arguments: Mapping[str, Any]
    kind: str = "ordinary"
    refuse: type[Exception] | tuple[type[Exception], ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: got {self.kind!r}, wanted one of {', '.join(KINDS)}")

    @property
    def size(self) -> tuple[bool, int]:
        """Empty or not, and how many elements: the smaller, the easier to see what is wrong."""
        sizes = [value.numel() for value in self.arguments.values() if isinstance(value, Tensor)]
        return 0 in sizes, sum(sizes)


class RefusalError(Exception):
    """What a wrong turn raises where an answer may raise anything."""


Change = Callable[[Callable], Callable]
"""What a wrong turn makes of a program: of the right one, or of one with a mistake of its own."""


def before(edit: Callable[..., tuple]) -> Change:
    """The program, given other arguments than those that came."""
    return lambda program: lambda *given: program(*edit(*given))


def after(edit: Callable[..., Any]) -> Change:
    """The program, with something done to its result. `edit` gets the arguments, too."""
    return lambda program: lambda *given: edit(program(*given), *given)


def or_refused(program: Callable) -> Callable:
    """The program, where another one may raise something else."""

    def tried(*given: Any) -> Any:
        try:
            return program(*given)
        except Exception:
            raise RefusalError from None

    return tried


@dataclass(frozen=True)
class Misconception:
    """A wrong turn that students take, as the program that it leads to.

    An answer that does what that program does in every case has taken it. The program is `wrong`,
    or what `change` makes of the right one. A wrong turn that is a change goes together with any
    other: an answer may have taken both.
    """

    key: str
    words: str
    page: str  # where the book explains it: "01-gather#the-trap"
    wrong: Callable | None = None
    change: Change | None = None


@dataclass(frozen=True, eq=False)
class Exercise:
    """What a student writes, and how the answer is judged.

    Args:
        id: "gather.pick_points".
        name: of the function that the student writes.
        signature: with shapes, as the student sees it.
        right: the loop that defines the operation. Differentiable where the answer must be: it
            moves tensor elements, not numbers.
        cases: from a seeded generator, different cases for each seed.
        misconceptions: the most specific first.
        page: where the book explains the operation.
        differentiable: arguments to which a gradient must flow, where they are floating point.
        linear_in: the argument in which the operation is linear, for the picture of sources.
        large: arguments on which a Python loop over elements shows; None where loops are the task.
        fast: the operation in a few tensor operations, to say how much slower a loop is.
        without: names of functions that the answer may not call: the finished operator, for one.
            Those of this package's exercises are never allowed.
        normal: brings a result into a normal form where more than one is right.
        tolerance: of floating-point results, relative and absolute; 0 compares exactly.
        asks: what the check enforces besides the values, for each of ASKS a sentence that stands
            in the task. The report quotes it.
    """

    id: str
    name: str
    signature: str
    right: Callable
    cases: Callable[[Generator], Iterator[Case]]
    misconceptions: tuple[Misconception, ...]
    page: str
    differentiable: tuple[str, ...] = ()
    linear_in: str | None = None
    large: Callable[[Generator], Mapping[str, Any]] | None = None
    fast: Callable | None = None
    without: tuple[str, ...] = ()
    normal: Callable[[Any], Any] = field(default=lambda result: result)
    tolerance: float = 0.0
    asks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := set(self.asks) - set(ASKS):
            raise ValueError(f"asks: got {unknown}, wanted some of {', '.join(ASKS)}")

    def asked(self, what: str) -> str:
        """The sentence of the task, or of the notebook's beginning, that a report quotes."""
        if what in self.asks:
            return f" The task says: “{self.asks[what]}”"
        return f" The first cell says: “{EVERYWHERE[what]}”" if what in EVERYWHERE else ""

    @property
    def quick(self) -> Callable:
        """The operation, as quickly as it is known; only the loop refuses in words of its own."""
        return self.right if self.fast is None or "refused" in self.asks else self.fast

    def program(self, *taken: Misconception) -> Callable:
        """What taking these wrong turns leads to, each but the last of them a change."""
        *changes, last = taken
        program = last.wrong or last.change(self.quick)
        for misconception in reversed(changes):
            program = misconception.change(program)
        return program

    def pairs(self) -> Iterator[tuple[Misconception, Misconception]]:
        """All two wrong turns that an answer may have taken together, in both orders."""
        for one, other in permutations(self.misconceptions, 2):
            if one.change is not None and one.key != other.key:
                yield one, other


# ---- what cases are made of


def integers(generator: Generator, high: int, *shape: int, low: int = 0) -> Tensor:
    """Random int64 numbers, low to high - 1."""
    return torch.randint(low, high, shape, generator=generator)


def numbers(generator: Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Distinct whole numbers in random order: a wrong element shows, and no sum is rounded."""
    count = torch.Size(shape).numel()
    return (1 + torch.randperm(count, generator=generator)).reshape(shape).to(dtype)


def transposed(tensor: Tensor) -> Tensor:
    """The same values, not contiguous: the last two dimensions lie in memory the other way round.

    `view` refuses to flatten these; it takes what `strided` gives.
    """
    return tensor.mT.contiguous().mT


def strided(tensor: Tensor) -> Tensor:
    """The same values, not contiguous: every second element of a wider tensor."""
    if not tensor.ndim:
        return tensor
    return torch.stack([tensor, torch.zeros_like(tensor)], -1).flatten(-2)[..., ::2]
