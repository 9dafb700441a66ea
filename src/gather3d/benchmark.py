"""What an operation costs, next to the cheapest thing that moves as many bytes: a plain copy.

An index operation computes next to nothing, so its price is the memory that it moves. `compare`
times a few ways to do the same, and says for each how long it takes and how far it is from a copy.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import torch

# with CUDA's tools and no GPU it would say so on stderr, and no C++ is compiled here
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
from torch.utils.benchmark import Timer  # noqa: E402

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # Linux says there how large they are


@dataclass(frozen=True)
class Row:
    """One way to do it: how long it takes, the bytes that it must read and write, and how long it
    would take if nothing else counted (None where nobody said).

    `seconds` is on one thread, or on a GPU; `on_all` is on all of torch's threads (None where that
    was not measured).
    """

    name: str
    seconds: float
    bytes: int
    predicted: float | None = None
    on_all: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` returns; a notebook shows it as a table."""

    rows: tuple[Row, ...]
    baseline: str
    machine: str
    threads: tuple[int, ...] = (1,)

    def row(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise ValueError(f"name: got {name!r}, wanted one of {[row.name for row in self.rows]}")

    def seconds(self, name: str) -> float:
        """The time of one call, on one thread."""
        return self.row(name).seconds

    def ratio(self, name: str) -> float:
        """How many times as long as the baseline it takes, each on one thread."""
        return self.seconds(name) / self.seconds(self.baseline)

    def bandwidth(self, name: str) -> float:
        """The bytes asked for, in GB per second (10⁹ bytes). What the memory moved for them is
        another number: more where lines are read for a part of them, less where a cache held them.
        """
        row = self.row(name)
        return row.bytes / row.seconds / 1e9

    def predicted(self, name: str) -> float:
        """The seconds that were predicted: by whoever wrote the row, or from its bytes and the
        speed of the copy."""
        if (seconds := self.row(name).predicted) is None:
            raise ValueError(f"name: nothing was predicted for {name!r}")
        return seconds

    def _columns(self) -> list[tuple[str, Callable[[Row], str]]]:
        times = [("time", lambda row: _duration(row.seconds))]
        if len(self.threads) > 1:
            times = [
                ("1 thread", times[0][1]),
                (f"{self.threads[1]} threads", lambda row: _duration(row.on_all)),
            ]
        if any(row.predicted is not None for row in self.rows):
            times.insert(0, ("predicted", lambda row: _duration(row.predicted)))
        return [
            ("", lambda row: row.name),
            ("asked", lambda row: _size(row.bytes)),
            *times,
            ("asked GB/s", lambda row: _two(self.bandwidth(row.name))),
            ("against baseline", lambda row: f"{_two(self.ratio(row.name))} ×"),
        ]

    def _cells(self) -> list[tuple[str, ...]]:
        return [tuple(words(row) for _, words in self._columns()) for row in self.rows]

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col">{escape(word)}</th>' if word else "<td></td>"
            for word, _ in self._columns()
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
        both = "; speed and ratio are those of one thread" if len(self.threads) > 1 else ""
        return (
            '<figure class="g3-table g3-cost"><div class="g3-scroll" style="overflow-x:auto" '
            'tabindex="0" role="group" aria-label="measured times"><table class="table">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f"<figcaption>Measured on {escape(self.machine)}, against {escape(self.baseline)}"
            f"{both}.</figcaption></figure>"
        )

    def __repr__(self) -> str:
        lines = [tuple(word for word, _ in self._columns()), *self._cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
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
    predicted: dict[str, float] | None = None,
    device: torch.device | str = "cpu",
    threads: int | None = None,
    rounds: int = 8,
    min_run_time: float = 0.02,
    longest: float = 0.4,
) -> Comparison:
    """Time a few ways to do the same, in turns, so that noise hits all of them alike.

    Each turn gives the median of many calls, and a row's time is the least of its turns': whatever
    else the machine does can only add to a time. Two digits are shown; more would be noise.

    Args:
        rows: name → a function of no arguments. Give it its output (`out=`) where torch lets you:
            a fresh one of that size spends most of its time in page faults.
        bytes_moved: the bytes that must move, read plus written; one number for all rows, or
            name → number.
        baseline: the row that the others are compared with.
        copy_of: add a row, first and called `baseline`, that copies so many bytes between two
            tensors that are there already. It reads them and writes them: it moves twice as many.
        predicted: name → the seconds you expect on one thread. Any other row, where there is a
            copy, is expected to move its bytes at the copy's speed.
        device: where the rows run; the copy runs there too.
        threads: of torch, on a CPU. None: one, so that the access is compared and not how many
            threads a kernel happens to start, and then all of them, as a program runs.
        rounds: how often each row gets its turn (a slow one less often, but at least twice).
        min_run_time: seconds of each turn.
        longest: seconds that one row may take in all; a slow one still gets two turns.

    Raises:
        ValueError: no rows, a row without bytes, a baseline or a prediction that is not a row.

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
    _check(rows, moved, baseline, predicted or {}, rounds)
    counts = _threads(device, threads)
    times = [_times(rows, count, rounds, min_run_time, longest) for count in counts]
    seconds = times[0]
    rate = None if copy_of is None else seconds[baseline] / moved[baseline]
    expected = {name: rate and rate * moved[name] for name in rows} | (predicted or {})
    measured = tuple(
        Row(
            name, seconds[name], moved[name], expected[name], times[-1][name] if times[1:] else None
        )
        for name in rows
    )
    return Comparison(measured, baseline, _machine(device, counts), counts)


def cache_bytes(device: torch.device | str = "cpu") -> int:
    """The size of the last cache before the memory, which a table must exceed to be measured in
    memory: a GPU's L2; of a CPU what Linux or macOS says, or 32 MiB where neither does.

    Example:
        >>> cache_bytes() > 2**18
        True
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).L2_cache_size
    sizes = [_kilobytes(file.read_text()) for file in CACHES.glob("index*/size")]
    if not sizes and sys.platform == "darwin":
        told = subprocess.run(["sysctl", "-n", "hw.l2cachesize"], capture_output=True, text=True)
        sizes = [int(word) for word in told.stdout.split()]
    return max(sizes, default=2**25)


def _kilobytes(text: str) -> int:
    """32768K, as Linux writes it, in bytes."""
    return int(text.strip().rstrip("K")) * 2**10


def _threads(device: torch.device | str, threads: int | None) -> tuple[int, ...]:
    if threads is not None or torch.device(device).type == "cuda":
        return (threads or 1,)
    return tuple(sorted({1, torch.get_num_threads()}))


def _times(
    rows: dict, threads: int, rounds: int, min_run_time: float, longest: float
) -> dict[str, float]:
    """The seconds of each row, on so many threads."""
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
    return {name: min(turns) for name, turns in times.items()}


def _copy(size: int, device: torch.device | str) -> Callable[[], Any]:
    if size < 1:
        raise ValueError(f"copy_of: got {size} bytes, wanted at least 1")
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source).fill_(0)  # written once, so that its pages are there
    return lambda: target.copy_(source)


def _check(rows: dict, moved: dict, baseline: str, predicted: dict, rounds: int) -> None:
    if not rows:
        raise ValueError("rows: got none, wanted at least one")
    if moved.keys() != rows.keys():
        raise ValueError(f"bytes_moved: got {list(moved)}, wanted {list(rows)}")
    if baseline not in rows:
        raise ValueError(f"baseline: got {baseline!r}, wanted one of {list(rows)} (or copy_of)")
    if unknown := predicted.keys() - rows.keys():
        raise ValueError(f"predicted: got {sorted(unknown)}, wanted some of {list(rows)}")
    if rounds < 1:
        raise ValueError(f"rounds: got {rounds}, wanted at least 1")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if _rounded(seconds) >= scale:
            return f"{_two(seconds / scale)} {unit}"
    return f"{_two(seconds / 1e-9)} ns"


def _size(count: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def _two(number: float) -> str:
    """With two digits, and none of them an exponent: 0.047, 4.7, 470."""
    return f"{Decimal(str(_rounded(number))):f}".removesuffix(".0") if number else "0"


def _rounded(number: float) -> float:
    return float(f"{number:.1e}")


def _machine(device: torch.device | str, threads: tuple[int, ...]) -> str:
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    counts = " and ".join(map(str, threads))
    return f"a CPU, {counts} thread{'s' if threads[-1] > 1 else ''}"
