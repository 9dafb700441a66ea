"""What an answer does when it is called: a value or an exception, gradients, steps, calls, devices.

`Here` asks a function in this process, `check.There` one in a process of its own; to the judge
they are the same. A student's program may raise, print, loop for ever or stop Python, so only the
process that is made for it asks it through `Here`.
"""

import contextlib
import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
        self._printed = Capped()

    @property
    def printed(self) -> str:
        return self._printed.getvalue()

    def call(self, given: Arguments) -> Outcome:
        """The value of a call, or what it raised."""
        arguments = {name: copied(value) for name, value in given.items()}
        try:
            value = self._call(arguments)
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
        counted = Counter(self.function, limit)
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

    def _call(self, arguments: Arguments) -> Any:
        with (
            contextlib.redirect_stdout(self._printed),
            contextlib.redirect_stderr(self._printed),
        ):
            return self.function(*arguments.values())


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


class Capped(io.StringIO):
    """Keeps the beginning of what is printed and drops the flood."""

    def write(self, text: str) -> int:
        room = PRINTED - self.tell()
        if room > 0:
            super().write(text if len(text) <= room else text[:room] + " …")
        return len(text)


# ---- steps


class TooManySteps(BaseException):
    """Enough is counted."""


class Counter:
    """Counts what a call does: lines of Python in its own functions, and calls that they make.

    A torch.utils TorchDispatchMode would count operations, and load a compiler first.
    """

    def __init__(self, function: Callable, limit: float) -> None:
        self.limit = limit
        self.lines = self.calls = 0
        self.own = getattr(function, "__globals__", None)  # shared by all that a notebook defines

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
        if frame.f_globals is not self.own:
            return None
        if event == "line":
            self.lines += 1
            self._enough()
        return self._trace

    def _profile(self, frame, event, _) -> None:
        if event in ("call", "c_call") and frame.f_globals is self.own:
            self.calls += 1
            self._enough()

    def _enough(self) -> None:
        if self.steps > self.limit:
            raise TooManySteps


class Calls:
    """Notes what is called from code that belongs neither to torch nor to this package."""

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
            module = frame.f_globals.get("__name__", "")
            self.names.add(f"{module}.{frame.f_code.co_name}")
            owner = frame.f_locals.get("self")
            if frame.f_code.co_name == "__init__" and owner is not None:
                self.names.add(f"{module}.{type(owner).__name__}")
        elif event == "c_call" and self._own(frame):
            self.names.add(f"{getattr(argument, '__module__', '') or ''}.{argument.__name__}")

    @staticmethod
    def _own(frame) -> bool:
        module = frame.f_globals.get("__name__") or ""
        return module.partition(".")[0] not in ("torch", "gather3d", "contextlib")
