"""What an operation costs, next to the cheapest thing that moves as many bytes: a plain copy.

An index operation computes next to nothing, so its price is the memory that it moves. `compare`
times a few ways to do the same, and says for each how long it takes and how far it is from a copy.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import torch

# with CUDA's tools and no GPU it would say so on stderr, and no C++ is compiled here
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
from torch.utils.benchmark import Timer  # noqa: E402

_COLUMNS = ("", "time", "must move", "GB/s", "against baseline")


@dataclass(frozen=True)
class Row:
    """One way to do it: how long it takes, and the bytes that it must read and write."""

    name: str
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Comparison:
    """What `compare` returns; a notebook shows it as a table."""

    rows: tuple[Row, ...]
    baseline: str
    machine: str

    def row(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise ValueError(f"name: got {name!r}, wanted one of {[row.name for row in self.rows]}")

    def seconds(self, name: str) -> float:
        """The time of one call."""
        return self.row(name).seconds

    def ratio(self, name: str) -> float:
        """How many times as long as the baseline it takes."""
        return self.seconds(name) / self.seconds(self.baseline)

    def bandwidth(self, name: str) -> float:
        """The bytes that must move, in GB per second (10⁹ bytes)."""
        row = self.row(name)
        return row.bytes / row.seconds / 1e9

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                row.name,
                _duration(row.seconds),
                _size(row.bytes),
                f"{self.bandwidth(row.name):.2f}",
                f"{self.ratio(row.name):.2f} ×",
            )
            for row in self.rows
        ]

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col">{escape(word)}</th>' if word else "<td></td>" for word in _COLUMNS
        )
        body = "".join(
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(
                f'<td style="text-align:right;white-space:nowrap">{escape(word)}</td>'
                for word in words
            )
            + "</tr>"
            for name, *words in self._cells()
        )
        return (
            '<figure class="g3-table g3-cost"><div class="g3-scroll" style="overflow-x:auto" '
            'tabindex="0" role="group" aria-label="measured times"><table class="table">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f"<figcaption>Measured on {escape(self.machine)}; relative to "
            f"{escape(self.baseline)}.</figcaption></figure>"
        )

    def __repr__(self) -> str:
        lines = [_COLUMNS, *self._cells()]
        widths = [max(len(line[k]) for line in lines) for k in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(
                word.ljust(width) if k == 0 else word.rjust(width)
                for k, (word, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )


def compare(
    rows: dict[str, Callable[[], Any]],
    bytes_moved: dict[str, int] | int,
    baseline: str = "plain copy",
    *,
    copy_of: int | None = None,
    device: torch.device | str = "cpu",
    threads: int = 1,
    rounds: int = 8,
    min_run_time: float = 0.02,
    longest: float = 0.4,
) -> Comparison:
    """Time a few ways to do the same, in turns, so that noise hits all of them alike.

    Each turn gives the median of many calls, and a row's time is the least of its turns': whatever
    else the machine does can only add to a time.

    Args:
        rows: name → a function of no arguments. Give it its output (`out=`) where torch lets you:
            a fresh one of that size spends most of its time in page faults.
        bytes_moved: the bytes that must move, read plus written; one number for all rows, or
            name → number.
        baseline: the row that the others are compared with.
        copy_of: add a row, first and called `baseline`, that copies so many bytes between two
            tensors that are there already. It reads them and writes them: it moves twice as many.
        device: where the rows run; the copy runs there too.
        threads: of torch, on a CPU. One by default, so that the access is compared and not how many
            threads each kernel happens to start.
        rounds: how often each row gets its turn (a slow one less often, but at least twice).
        min_run_time: seconds of each turn.
        longest: seconds that one row may take in all; a slow one still gets two turns.

    Raises:
        ValueError: no rows, a row without bytes, a baseline that is not a row.

    Example:
        >>> x, out = torch.rand(1000), torch.empty(1000)
        >>> cost = compare({"copy": lambda: out.copy_(x)}, 8000, baseline="copy", rounds=1)
        >>> cost.ratio("copy")
        1.0
    """
    rows = dict(rows)
    moved = dict.fromkeys(rows, bytes_moved) if isinstance(bytes_moved, int) else dict(bytes_moved)
    if copy_of is not None:
        if baseline in rows:
            raise ValueError(f"copy_of: there is a row called {baseline!r} already")
        rows = {baseline: _copy(copy_of, device), **rows}
        moved[baseline] = 2 * copy_of
    _check(rows, moved, baseline, rounds)
    timers = {
        name: Timer("call()", globals={"call": call}, num_threads=threads)
        for name, call in rows.items()
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    spent = dict.fromkeys(rows, 0.0)
    for turn in range(rounds):
        for name, timer in timers.items():
            if turn >= 2 and spent[name] > longest:
                continue  # it takes so long that a few turns say enough
            start = time.perf_counter()
            times[name].append(timer.blocked_autorange(min_run_time=min_run_time).median)
            spent[name] += time.perf_counter() - start
    measured = tuple(Row(name, min(times[name]), moved[name]) for name in rows)
    return Comparison(measured, baseline, _machine(device, threads))


def _copy(size: int, device: torch.device | str) -> Callable[[], Any]:
    if size < 1:
        raise ValueError(f"copy_of: got {size} bytes, wanted at least 1")
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source).fill_(0)  # written once, so that its pages are there
    return lambda: target.copy_(source)


def _check(rows: dict, moved: dict, baseline: str, rounds: int) -> None:
    if not rows:
        raise ValueError("rows: got none, wanted at least one")
    if moved.keys() != rows.keys():
        raise ValueError(f"bytes_moved: got {list(moved)}, wanted {list(rows)}")
    if baseline not in rows:
        raise ValueError(f"baseline: got {baseline!r}, wanted one of {list(rows)} (or copy_of)")
    if rounds < 1:
        raise ValueError(f"rounds: got {rounds}, wanted at least 1")


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _size(count: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def _machine(device: torch.device | str, threads: int) -> str:
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"a CPU, {threads} thread{'s' if threads > 1 else ''}"
