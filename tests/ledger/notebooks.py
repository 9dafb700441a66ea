"""Each chapter is executed on both devices, and what its cells print is compared.

Text outputs only, as `pytest --nbval` compares them: a cell tagged `figure`, `widget` or `timing`
must run, and may show something else.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from pathlib import Path

from nbformat import NotebookNode
from tests.devices import environment
from tests.notebooks.normalise import execute, normalise, reads

from .reasons import CELLS

SHOWN = 200  # characters of an output that differs


def compare_all(
    paths: list[Path], ours: list[NotebookNode], theirs: list[NotebookNode]
) -> list[dict]:
    """A row for each notebook, in their order, from how they ran on the CPU and on the device."""
    rows = zip(paths, ours, theirs, strict=True)
    return [{"notebook": path.stem, **compare(path.stem, *pair)} for path, *pair in rows]


def executed_all(paths: list[Path], device: str, workers: int) -> list[NotebookNode]:
    """All notebooks on one device, some at a time; each has a kernel of its own."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(partial(executed, device=device), paths))


def executed(path: Path, device: str) -> NotebookNode:
    """The notebook with the outputs that it has now.

    A cell that raises keeps the exception as its output; where the kernel ends, none has outputs.
    """
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook, start = reads(path.read_text(encoding="utf-8")), time.monotonic()
    try:
        notebook = execute(
            notebook, path.parent, allow_errors=True, environment=environment(device)
        )
    except (CellTimeoutError, DeadKernelError) as error:
        notebook.metadata["ended"] = type(error).__name__
    print(f"{path.stem} on {device}: {time.monotonic() - start:.0f} s", flush=True)
    return notebook


def compare(name: str, here: NotebookNode, there: NotebookNode) -> dict:
    """How many cells there are, how many are compared, and those that differ, with the reason."""
    ended = [run.metadata.get("ended") for run in (here, there)]
    if any(ended):
        what = {"cell": 0, "cpu": ended[0] or "ran", "device": ended[1] or "ran"}
        return {"cells": 0, "compared": 0, "differing": [what | {"why": reason(name, "")}]}
    pairs = [
        (cell.id, printed(cell), printed(other))
        for cell, other in zip(*map(code_cells, (here, there)), strict=True)
    ]
    differing = [
        {"cell": number, **first_difference(ours, theirs), "why": reason(name, key)}
        for number, (key, ours, theirs) in enumerate(pairs, start=1)
        if ours != theirs
    ]
    compared = sum(bool(ours or theirs) for _, ours, theirs in pairs)
    return {"cells": len(pairs), "compared": compared, "differing": differing}


def code_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """In the normal form, which keeps the text outputs that are to be the same everywhere ..."""
    errors = [
        [output for output in cell.outputs if output.output_type == "error"]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    normal = [cell for cell in normalise(notebook).cells if cell.cell_type == "code"]
    for cell, raised in zip(normal, errors, strict=True):
        cell.outputs = cell.outputs or raised  # ... and the exceptions of all cells
        yield cell


def printed(cell: NotebookNode) -> list[str]:
    """The lines of a cell's outputs; of an exception its name."""
    lines = []
    for output in cell.outputs:
        if output.output_type == "error":
            lines.append(f"{output.ename} is raised")
        elif output.output_type == "stream":
            lines += output.text.splitlines()
        else:
            lines += output.data["text/plain"].splitlines()
    return lines


def first_difference(ours: list[str], theirs: list[str]) -> dict[str, str]:
    pair = next(pair for pair in zip_longest(ours, theirs, fillvalue="") if pair[0] != pair[1])
    return {"cpu": pair[0][:SHOWN], "device": pair[1][:SHOWN]}


def reason(name: str, cell: str) -> str:
    return CELLS.get((name, cell), "unexplained")
