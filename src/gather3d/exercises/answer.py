"""What an answer does when it is called: a value or an exception, gradients, steps, calls, devices.

`Here` asks a function in this process, `check.There` one in a process of its own; to the judge
they are the same. A student's program may raise, print, loop for ever or stop Python, so only the
process that is made for it asks it through `Here`.
"""

import contextlib
import io
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

PRINTED = 2000  # characters
SHOWN = 1200  # characters of a value
DEEP = 8  # lists in lists, at most

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Raised:
    """An exception: the names of its class and of that one's bases, and what it says."""

    names: tuple[str, ...]
    text: str

    @classmethod
    def of(cls, error: BaseException) -> "Raised":
        names = tuple(each.__name__ for each in type(error).__mro__)
        return cls(names, quoted(error, str))

    def is_a(self, *kinds: type[BaseException]) -> bool:
        return any(kind.__name__ in self.names for kind in kinds)

    def __str__(self) -> str:
        return f"{self.names[0]}: {self.text}"


@dataclass(frozen=True)
class Strange:
    """Something that no exercise asks for: its type's name, and how it shows itself."""

    name: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What a call gave: a value or an exception; and which of its arguments it changed."""

    value: Any = None
    error: Raised | None = None
    changed: tuple[str, ...] = ()


class Answer(Protocol):
    """What the judge may ask of an answer."""

    printed: str

    def call(self, given: Arguments) -> Outcome: ...

    def gradients(self, given: Arguments, names: list[str]) -> list[Tensor | None]: ...

    def steps(self, given: Arguments, limit: float) -> int: ...

    def calls(self, given: Arguments) -> list[str]: ...

    def seconds(self, given: Arguments) -> float: ...

    def devices(self, given: Arguments, device: str) -> list[str] | Raised: ...


class Here:
    """A function, asked in this process."""

    def __init__(self, function: Callable) -> None:
        self.function = function
        self._printed = Beginning()

    @property
    def printed(self) -> str:
        return self._printed.text

    def call(self, given: Arguments) -> Outcome:
        """The value of a call, or what it raised."""
        arguments = {name: copied(value) for name, value in given.items()}
        try:
            value = self._call(arguments, self._printed)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the answer's
            return Outcome(error=Raised.of(error))
        changed = [name for name, value in given.items() if not same(value, arguments[name])]
        return Outcome(plain(value), changed=tuple(changed))

    def gradients(self, given: Arguments, names: list[str]) -> list[Tensor | None]:
        """Of a random sum of the result, with respect to the named arguments in float64."""
        arguments = {name: copied(value) for name, value in given.items()}
        for name in names:
            arguments[name] = arguments[name].double().requires_grad_()
        inputs = [arguments[name] for name in names]
        try:
            result = self._call(arguments)
            if not result.requires_grad:
                return [None] * len(names)
            generator = Generator().manual_seed(result.numel())
            weights = torch.rand(result.shape, generator=generator, dtype=result.dtype)
            total = (result * weights).sum()  # grad with weights of its own would import sympy
            return list(torch.autograd.grad(total, inputs, allow_unused=True))
        except Exception:  # numpy() of a tensor that wants a gradient, for one
            return [None] * len(names)

    def steps(self, given: Arguments, limit: float = float("inf")) -> int:
        """Lines of Python or calls that it takes, counted a little past the limit."""
        counted = Counter(limit)
        with contextlib.suppress(TooManySteps), counted:
            self._call({name: copied(value) for name, value in given.items()})
        return counted.steps

    def calls(self, given: Arguments) -> list[str]:
        """Names of the functions that are called by the answer's own code, and in which module."""
        called = Calls()
        with contextlib.suppress(Exception), called:
            self._call({name: copied(value) for name, value in given.items()})
        return sorted(called.names)

    def seconds(self, given: Arguments) -> float:
        """How long a call takes."""
        arguments = {name: copied(value) for name, value in given.items()}
        start = time.perf_counter()
        self._call(arguments)
        return time.perf_counter() - start

    def devices(self, given: Arguments, device: str) -> list[str] | Raised:
        """Where the tensors of the result are, when those of the call are on this device."""
        moved = {
            name: copied(value, device) if isinstance(value, Tensor) else value
            for name, value in given.items()
        }
        try:
            return [part.device.type for part in parts(self._call(moved))]
        except Exception as error:  # whatever the answer raises is reported
            return Raised.of(error)

    def _call(self, arguments: Arguments, printed: "Beginning | None" = None) -> Any:
        """What is printed is kept for the report where a page for it is given: once for a case."""
        page = Page(printed or Beginning())
        with contextlib.redirect_stdout(page), contextlib.redirect_stderr(page):
            return self._ask(list(arguments.values()))

    def _ask(self, values: list[Any]) -> Any:
        return self.function(*values)


# ---- values


def copied(value: Any, device: str | None = None) -> Any:
    """The same, strides included, in memory of its own."""
    if not isinstance(value, Tensor):
        return value
    fresh = torch.empty_strided(
        value.shape, value.stride(), dtype=value.dtype, device=device or value.device
    )
    target = fresh
    for axis, (size, step) in enumerate(zip(value.shape, value.stride(), strict=True)):
        if size > 1 and step == 0:  # expanded: one place in memory, to be written once
            value, target = value.narrow(axis, 0, 1), target.narrow(axis, 0, 1)
    target.copy_(value)
    return fresh


def plain(value: Any, depth: int = 0) -> Any:
    """The value as tensors, numbers, texts, tuples and lists of these; the rest is strange."""
    if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized:
        return value.detach().as_subclass(Tensor)
    if type(value) in (tuple, list) and depth < DEEP:
        return type(value)(plain(part, depth + 1) for part in value)
    if value is None or value is ... or type(value) in (bool, int, float, str):
        return value
    return Strange(type(value).__name__, quoted(value))


def parts(value: Any) -> list[Tensor]:
    """All tensors of a result."""
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in parts(part)]
    return [value] if isinstance(value, Tensor) else []


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Equal in type, shape, dtype and values; nan equals nan."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
            return False
        if a.is_floating_point() or a.is_complex():
            return torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        return torch.equal(a, b)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)


def quoted(value: Any, words: Callable[[Any], str] = repr) -> str:
    try:
        return words(value)[:SHOWN]
    except Exception as error:  # an object of the answer's may raise anything
        return f"(cannot be shown: {type(error).__name__})"


# ---- what is printed


class Beginning(io.RawIOBase):
    """Keeps the beginning of what is printed and drops the flood."""

    def __init__(self) -> None:
        self.kept, self.more = b"", False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        room = 4 * PRINTED - len(self.kept)  # a character has up to four bytes
        self.kept += bytes(data[:room])
        self.more = self.more or len(data) > room
        return len(data)

    def close(self) -> None:
        """Not with the page: the next call writes on."""

    @property
    def text(self) -> str:
        text = self.kept.decode(errors="ignore")
        return f"{text[:PRINTED]} …" if self.more or len(text) > PRINTED else text


class Page(io.TextIOWrapper):
    """Standard output and standard error of an answer, to Python and to what lies below it."""

    def __init__(self, kept: Beginning) -> None:
        super().__init__(kept, "utf-8", "backslashreplace", "", write_through=True)


def display(*shown: Any, **_: Any) -> None:
    """A notebook's `display`, where there is none: it prints."""
    print(*map(repr, shown), sep="\n")


OURS = {function.__code__ for function in (Beginning.write, Beginning.writable, display)}
"""What runs when an answer prints is no call of the answer's."""


# ---- whose code it is

LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(torch.__file__).parent),
    str(Path(__file__).parents[1]),
)


@cache
def of_a_library(file: str) -> bool:
    """Whether a module or code with this file belongs to Python, to a package or to this one.

    The rest is the student's: cells, files beside the notebook, what is made with `exec`.
    """
    parts = Path(file).parts
    return (
        file.startswith("<frozen")
        or "site-packages" in parts
        or "dist-packages" in parts
        or any(Path(file).is_relative_to(folder) for folder in LIBRARIES)
    )


# ---- steps


class TooManySteps(BaseException):
    """Enough is counted."""


class Counter:
    """Counts what a call does: lines of the student's Python, and calls that these make.

    A torch.utils TorchDispatchMode would count operations, and load a compiler first.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.lines = self.calls = 0

    @property
    def steps(self) -> int:
        return max(self.lines, self.calls)

    def __enter__(self) -> "Counter":
        self._before = sys.gettrace(), sys.getprofile()
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error) -> None:
        sys.settrace(self._before[0])
        sys.setprofile(self._before[1])

    def _trace(self, frame, event, _) -> Callable | None:
        if not self._counts(frame):
            return None
        if event == "line":
            self.lines += 1
            self._enough()
        return self._trace

    def _profile(self, frame, event, _) -> None:
        if event in ("call", "c_call") and self._counts(frame):
            self.calls += 1
            self._enough()

    @staticmethod
    def _counts(frame) -> bool:
        """Not a library's, nor what beartype writes to check a call."""
        file = frame.f_code.co_filename
        return not (of_a_library(file) or file.startswith("<@beartype("))

    def _enough(self) -> None:
        if self.steps > self.limit:
            raise TooManySteps


class Calls:
    """Notes what the student's own code calls, and the answer itself, which may be a library's.

    What a library does on its behalf (a print that reaches the page, an import, a logger, the
    wrapper of a decorator) is not the student's doing.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __enter__(self) -> "Calls":
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error) -> None:
        sys.setprofile(self._before)

    def _note(self, frame, event, argument) -> None:
        if event == "call" and frame.f_back is not None and self._own(frame.f_back):
            own = frame.f_back.f_code is ASKED and not of_a_library(frame.f_code.co_filename)
            if frame.f_code in OURS or own:  # an answer may have the name of what it does without
                return
            module = frame.f_globals.get("__name__", "")
            self.names.add(f"{module}.{frame.f_code.co_name}")
            owner = frame.f_locals.get("self")
            if frame.f_code.co_name == "__init__" and owner is not None:
                self.names.add(f"{module}.{type(owner).__name__}")
        elif event == "c_call" and self._own(frame):
            self.names.add(f"{getattr(argument, '__module__', '') or ''}.{argument.__name__}")

    @staticmethod
    def _own(frame) -> bool:
        return frame.f_code is ASKED or not of_a_library(frame.f_code.co_filename)


ASKED = Here._ask.__code__
