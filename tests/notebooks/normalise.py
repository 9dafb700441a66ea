"""The one form in which a notebook is kept, and the command that brings it into that form.

    .venv/bin/python -m tests.notebooks.normalise notebooks/*.ipynb            # in place
    .venv/bin/python -m tests.notebooks.normalise --execute notebooks/*.ipynb  # run it first
    .venv/bin/python -m tests.notebooks.normalise --check notebooks/*.ipynb    # say what differs

A normal notebook is nbformat 4.5 with sorted keys, one space of indent, unique cell ids and a
newline at the end. It has no execution metadata and no widget state, and its execution counts are
those of one run from the top (nbval takes a cell without one for a cell that was never run). An
ordinary cell keeps its text outputs, which every test run compares; a cell tagged `figure`,
`widget`, `timing` or `version` keeps none, because its output depends on the machine or on torch's
version, or is far too large, and carries the tag `nbval-ignore-output` for the same reason; so does
a test of the exercises, which shows a report. A figure or a widget keeps its still (stills.py). On
a page the code of a figure or a widget is folded away (`hide-input`): the picture is what is to be
seen.

The command also begins each notebook with the cell of first_cell.py.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nbformat
from nbformat import NotebookNode

from .first_cell import begun

UNSTORED = ("figure", "widget", "timing", "version")
"""Tags of cells whose outputs are not stored."""

IGNORED = "nbval-ignore-output"
"""The tag by which nbval knows them."""

FOLDED = ("figure", "widget")
"""Tags of cells whose code a page folds away, ..."""

HIDDEN = "hide-input"
"""... and the tag by which Jupyter Book knows them."""

KEPT = ("cellView", "jupyter", "mystnb", "nbgrader")
"""What else of a cell's metadata is kept."""

STILL = "still"
"""What marks the picture that a cell of a figure or a widget keeps, in its metadata: stills.py."""

PREDICTION = '<div class="g3-predict"'
"""How the HTML of a prediction begins."""

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
VALID_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
KERNEL_ENVIRONMENT = {  # as the Makefile has it
    "PLOTLY_RENDERER": "plotly_mimetype",
    "PYTHONHASHSEED": "0",
    "GOMP_SPINCOUNT": "3000",
}
CELL_TIMEOUT = 120  # seconds


def normalise(notebook: NotebookNode) -> NotebookNode:
    """The normal form of a notebook; normalising it again changes nothing."""
    metadata = NotebookNode(kernelspec=dict(KERNEL), language_info={"name": "python"})
    if "mystnb" in notebook.metadata:
        metadata.mystnb = deepcopy(notebook.metadata.mystnb)
    if "accelerator" in notebook.metadata:  # in Colab, a GPU
        metadata.accelerator = notebook.metadata.accelerator
        gpu = notebook.metadata.get("colab", {}).get("gpuType", "T4")
        metadata.colab = NotebookNode(gpuType=gpu)

    cells, ids, runs = [], set(), 0
    kept = [cell for cell in notebook.cells if cell.source.strip()]
    for position, cell in enumerate(kept, start=1):
        runs += cell.cell_type == "code"
        cells.append(_normal_cell(cell, _unique_id(cell, position, kept, ids), runs))
    return NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)


def reads(text: str) -> NotebookNode:
    """A notebook from its file's text, as it stands: nbformat.reads would mend ids at random."""
    return nbformat.v4.reads(text)


def dumps(notebook: NotebookNode) -> str:
    """The text of a notebook's normal form, as it stands in the file."""
    return nbformat.writes(normalise(notebook), version=4).rstrip("\n") + "\n"


def execute(
    notebook: NotebookNode,
    folder: Path,
    *,
    allow_errors: bool = False,
    environment: Mapping[str, str] = MappingProxyType({}),
    kernel: Any = None,
) -> NotebookNode:
    """Run every cell in a kernel that works in `folder`, and keep what the cells show.

    The kernel is a fresh one, in this environment besides; or the one of this AsyncKernelManager,
    which stays: the names of the notebook before are forgotten, the modules that it imported are
    still loaded.
    """
    from nbclient import NotebookClient

    notebook = normalise(notebook)
    stills = {cell.id: stills_of(cell) for cell in notebook.cells}
    if kernel is not None and kernel.has_kernel:
        forget = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")])
        NotebookClient(forget, km=kernel).execute()
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL["name"],
        allow_errors=allow_errors,
        km=kernel,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, **KERNEL_ENVIRONMENT, **environment})
    for cell in notebook.cells:
        if stills[cell.id]:
            cell.outputs += stills[cell.id]
    return notebook


def stills_of(cell: NotebookNode) -> list[NotebookNode]:
    """The stills among what a cell shows."""
    outputs = cell.get("outputs", [])
    return [deepcopy(output) for output in outputs if STILL in output.get("metadata", {})]


def _unique_id(cell: NotebookNode, position: int, cells: list, taken: set) -> str:
    """The cell's own id where it is valid and new, else one made from its position."""
    name = cell.get("id", "")
    if not VALID_ID.fullmatch(name) or name in taken:
        reserved = taken | {other.get("id", "") for other in cells}
        name = f"cell-{position:02d}"
        while name in reserved:
            name += "x"
    taken.add(name)
    return name


def _normal_cell(cell: NotebookNode, name: str, run: int) -> NotebookNode:
    tags = list(dict.fromkeys(cell.metadata.get("tags", [])))
    tested = cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade", False)
    unstored = tested or any(tag in UNSTORED for tag in tags)
    if unstored and IGNORED not in tags:
        tags.append(IGNORED)
    if any(tag in FOLDED for tag in tags) and HIDDEN not in tags:
        tags.append(HIDDEN)

    normal = NotebookNode(cell_type=cell.cell_type, id=name, metadata=NotebookNode())
    if tags:
        normal.metadata.tags = tags
    for key in KEPT:
        if key in cell.metadata:
            normal.metadata[key] = deepcopy(cell.metadata[key])
    if "attachments" in cell:
        normal.attachments = deepcopy(cell.attachments)
    lines = [line.rstrip() for line in cell.source.splitlines()]
    normal.source = "\n".join(lines).strip("\n")
    if cell.cell_type == "code":
        normal.execution_count = run
        normal.outputs = stills_of(cell) if unstored else _normal_outputs(cell.outputs, run)
    return normal


def _normal_outputs(outputs: list[NotebookNode], run: int) -> list[NotebookNode]:
    """Text only: streams, merged; values, in plain form, and a prediction as HTML, which works in
    a notebook that nobody runs; errors stay, for the tests to refuse."""
    normal: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            last = normal[-1] if normal else None
            if last and last.output_type == "stream" and last.name == output.name:
                last.text += output.text
            else:
                normal.append(
                    NotebookNode(output_type="stream", name=output.name, text=output.text)
                )
        elif output.output_type == "error":
            normal.append(deepcopy(output))
        elif "text/plain" in output.data:
            html = output.data.get("text/html", "")
            forms = ("text/plain", "text/html") if html.startswith(PREDICTION) else ("text/plain",)
            kept = NotebookNode(
                output_type=output.output_type,
                data=NotebookNode({form: output.data[form] for form in forms}),
                metadata=NotebookNode(),
            )
            if output.output_type == "execute_result":
                kept.execution_count = run
            normal.append(kept)
    return normal


def main(arguments: list[str] | None = None) -> int:
    """Normalise the notebooks named on the command line; 1 if --check found one that differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--execute", action="store_true", help="run it and store its outputs")
    parser.add_argument("--check", action="store_true", help="write nothing, name what differs")
    options = parser.parse_args(arguments)
    if options.execute and options.check:
        parser.error("--execute writes and --check does not: choose one")

    differing = 0
    for path in options.notebooks:
        before = path.read_text(encoding="utf-8")
        notebook = begun(reads(before))
        if options.execute:
            notebook = execute(notebook, path.parent)
        after = dumps(notebook)
        if after == before:
            continue
        differing += 1
        if options.check:
            print(f"{path} is not normal: run `make format`")
        else:
            path.write_text(after, encoding="utf-8")
            print(f"{path} normalised")
    return int(options.check and differing > 0)


if __name__ == "__main__":
    sys.exit(main())
