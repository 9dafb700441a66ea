"""A chapter's sections, each of which runs by itself after the chapter's first cells, and the one
thing in it that a reader is asked to change."""

import re
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from gather3d.exercises.goal import CHANGE

from .normalise import FOLDED

CLOSING = ("In the wild", "Exercises", "What to remember", "Further reading")
"""Sections in which nothing is computed that could be changed."""

SHORT = 3  # code cells of a section that needs nothing to change

ANSWER = re.compile(
    r"<details><summary>One answer</summary>\n\n```python\n(.+)\n```\n\n</details>$", re.S
)

QUICK = """import functools
import gather3d.benchmark
slow = gather3d.benchmark.compare
@functools.wraps(slow)
def quick(*args, **options):
    return slow(*args, **options | {"rounds": 1, "min_run_time": 1e-4, "threads": 1})
gather3d.benchmark.compare = quick"""


def sections(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The cells under each heading of the second rank; under "", those before the first one."""
    parts: dict[str, list[NotebookNode]] = {"": []}
    title = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            title = cell.source.partition("\n")[0].removeprefix("## ")
            parts[title] = []
        parts[title].append(cell)
    return parts


def asks(cell: NotebookNode) -> bool:
    """Whether a line of this cell is to be changed by the reader."""
    return cell.cell_type == "code" and CHANGE in cell.source


def answer(text: str) -> str | None:
    """The line that an answer at the end of a text gives, or None where there is none."""
    match = ANSWER.search(text)
    return match and match[1]


def changed(source: str, line: str) -> str:
    """The source of a cell with this line in the place of the marked one."""
    before = next(one for one in source.splitlines() if CHANGE in one)
    indent = before[: len(before) - len(before.lstrip())]
    return source.replace(before, indent + line.strip())


def without_a_change(notebook: NotebookNode) -> list[str]:
    """The sections that compute and ask for no change."""
    return [
        title
        for title, cells in sections(notebook).items()
        if title
        and title not in CLOSING
        and sum(computes(cell) for cell in cells) >= SHORT
        and not any(map(asks, cells))
    ]


def computes(cell: NotebookNode) -> bool:
    drawn = set(cell.metadata.get("tags", [])) & set(FOLDED)
    return cell.cell_type == "code" and not drawn and not cell.source.startswith("predict(")


def backwards(notebook: NotebookNode) -> NotebookNode:
    """The notebook with its sections from the last to the first, each change made, what is timed
    timed once, and nothing drawn."""
    first, *others = sections(changes_made(notebook)).values()
    cells = [*first, *(cell for section in reversed(others) for cell in section)]
    turned = deepcopy(notebook)
    turned.cells = [new_code_cell(QUICK, id="quick"), *filter(computes, cells)]
    return turned


def changes_made(notebook: NotebookNode) -> NotebookNode:
    """The notebook with each answer in its place."""
    notebook = deepcopy(notebook)
    text = ""
    for cell in notebook.cells:
        if asks(cell):
            cell.source = changed(cell.source, answer(text))
            cell.metadata.tags = [*cell.metadata.get("tags", []), "changed"]
        text = cell.source if cell.cell_type == "markdown" else ""
    return notebook
