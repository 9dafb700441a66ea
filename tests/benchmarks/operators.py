"""The operators beside what a reader would install instead: `make bench`.

    python -m tests.benchmarks.operators                    # all rows
    python -m tests.benchmarks.operators knn trilinear      # those whose names contain a word

Prints for each row the time of ours and of the reference, their ratio beside the aim, the share of
this machine's copy bandwidth that ours reaches, and the peak memory of both; then the time of ours
at four sizes, and its slope in words.

Each row runs in a process of its own, in which both get the same inputs, take turns, and are
compared before they are timed; the least time of seven turns counts, as in the book's own tables.
Outputs are reused: that process's allocator is told to keep what is freed, because a fresh output
of 100 MB costs more in page faults than the gather that fills it. Memory is measured in two more
processes, where it gives back at once what is freed. On a machine with CUDA ours runs there
(`GATHER3D_DEVICE=cpu` says otherwise), and so do torch's own operators.
"""

import argparse
import gc
import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

import gather3d as g3
from gather3d.benchmark import compare

from .rows import ROWS, Row

TURNS = 7
PARTS = (1 / 8, 1 / 4, 1 / 2, 1)
COPY = 1 << 28  # bytes, far more than any cache
MEMORY = 1.5  # times the reference's peak
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}  # glibc's allocator
FREED = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed is given back, and not counted
STATUS = Path("/proc/self/status")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names contain one of these")
    parser.add_argument("--no-sizes", action="store_true", help="leave the second table out")
    parser.add_argument("--measure", choices=tuple(MEASURES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        row = next(row for row in ROWS if [row.name] == given.names)
        torch.set_num_threads(threads(row))
        print(json.dumps(MEASURES[given.measure](row)))
        return
    chosen = [
        row for row in ROWS if not given.names or any(name in row.name for name in given.names)
    ]
    if not chosen:
        parser.error(f"no row is called {given.names}; there are {[row.name for row in ROWS]}")
    bandwidth = report_ratios(chosen)
    print(f"\nA copy of {COPY >> 20} MiB moves {bandwidth:.1f} GB/s, read and written.\n")
    if not given.no_sizes:
        report_sizes(chosen)


# ---- the two tables


def report_ratios(rows: list[Row]) -> float:
    print(f"{cores()} cores, torch {torch.__version__}, ours on {g3.device().type}\n")
    print(
        f"{'operator and work':<64}{'reference':<28}{'ours':>9}{'theirs':>10}{'ratio':>7}{'aim':>6}"
        f"{'of copy':>9}{'memory, MB':>15}{'ratio':>7}"
    )
    bandwidth = 0.0
    for row in rows:
        line = f"{row.operator + ', ' + row.work:<64}{row.reference:<28}"
        if absent := [name for name in row.needs if find_spec(name) is None]:
            print(f"{line}not measured: {', '.join(absent)} is not installed")
            continue
        found = asked(row, "times")
        bandwidth = max(bandwidth, found["copy"])
        ratio = found["ours"] / found["theirs"]
        aim = "" if row.most is None else f"{row.most:.2f}"
        line += (
            f"{1e3 * found['ours']:>6.1f} ms{1e3 * found['theirs']:>7.1f} ms{ratio:>7.2f}{aim:>6}"
        )
        line += f"{found['bandwidth'] / found['copy']:>9.0%}"
        mine, theirs = asked(row, "memory of ours"), asked(row, "memory of theirs")
        if mine and theirs:
            line += f"{mine / 1e6:>7.0f} /{theirs / 1e6:>6.0f}{mine / theirs:>7.2f}"
        missed = ["time"] * (row.most is not None and ratio > row.most)
        if row.most is not None and mine and theirs and mine > MEMORY * theirs:
            missed.append("memory")
        print(line + (f"  missed: {', '.join(missed)}" if missed else ""), flush=True)
    return bandwidth


def report_sizes(rows: list[Row]) -> None:
    print(f"{'operator and work':<64}" + "".join(f"{part:>22.3g}" for part in PARTS) + "   slope")
    seen = set()
    for row in rows:
        if (row.operator, row.work) in seen or any(find_spec(name) is None for name in row.needs):
            continue
        seen.add((row.operator, row.work))
        found = asked(row, "sizes")
        cells = "".join(f"{f'{n:,}: {1e3 * s:.1f} ms':>22}" for n, s in found)
        print(f"{row.operator + ', ' + row.work:<64}{cells}   {slope(found)}", flush=True)


def slope(found: list[tuple[int, float]]) -> str:
    """How the time grows with the count, between the least and the most of them, in words."""
    (few, short), (many, long) = found[0], found[-1]
    power = math.log(long / short) / math.log(many / few)
    for most, words in (
        (0.85, "slower than the size: a part of the cost is fixed"),
        (1.15, "in proportion to the size"),
        (1.6, "faster than the size: what it reads leaves the caches"),
        (2.3, "with the square of the size"),
    ):
        if power < most:
            return f"n^{power:.2f}, {words}"
    return f"n^{power:.2f}"


# ---- measuring, each in a process of its own


def times(row: Row) -> dict[str, float]:
    """Seconds of ours and of the reference, GB/s of ours and of a plain copy, in turns."""
    case = row.make(1)
    case.agree(case.ours(), case.reference())
    table = compare(
        {"ours": case.ours, "theirs": case.reference},
        case.bytes,
        copy_of=COPY,
        device=g3.device(),
        threads=threads(row),
        rounds=TURNS,
        longest=math.inf,
    )
    return {
        "ours": table.seconds("ours"),
        "theirs": table.seconds("theirs"),
        "bandwidth": table.bandwidth("ours"),
        "copy": table.bandwidth("plain copy"),
    }


def sizes(row: Row) -> list[tuple[int, float]]:
    """How many elements there are and the median seconds of ours, at each part of the full size."""
    found = []
    for part in PARTS:
        case = row.make(part)
        case.ours()
        found.append((case.count, median(seconds(case.ours) for _ in range(TURNS))))
    return found


def seconds(function) -> float:
    start = perf_counter()
    function()
    if g3.device().type == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - start


def memory(row: Row, whose: str) -> int | None:
    """The most bytes that inputs, temporaries and results take during a call."""
    on_cuda = g3.device().type == "cuda"
    if not on_cuda and not os.access("/proc/self/clear_refs", os.W_OK):
        return None  # not Linux: nobody to ask for the peak of one call
    small = row.make(1 / 8)
    small.ours(), small.reference()  # their code, and what the libraries keep, is in memory now
    del small
    gc.collect()
    before = resident("VmRSS")
    case = row.make(1)
    function = {"ours": case.ours, "theirs": case.reference}[whose]
    function()
    gc.collect()
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
        function()
        return torch.cuda.max_memory_allocated() or None  # None for a reference on the CPU
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    function()
    return resident("VmHWM") - before


def resident(name: str) -> int:
    """Bytes of this process, as Linux counts them."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


MEASURES = {
    "times": times,
    "sizes": sizes,
    "memory of ours": lambda row: memory(row, "ours"),
    "memory of theirs": lambda row: memory(row, "theirs"),
}


def asked(row: Row, measure: str):
    """One measurement of one row, in a fresh process."""
    environment = os.environ | (FREED if measure.startswith("memory") else KEPT)
    command = [sys.executable, "-m", "tests.benchmarks.operators", "--measure", measure, row.name]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{row.name}: the {measure} could not be measured (above)")
    return json.loads(done.stdout.splitlines()[-1])


def threads(row: Row) -> int:
    return row.threads or cores()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


if __name__ == "__main__":
    main()
