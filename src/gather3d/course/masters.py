"""Read the instructor masters: what of them is the student's, and what must never be.

A master is a notebook in nbgrader's format, plus two customs: a cell tagged "instructor" is left
out of the release, and the cells of an exercise share the beginning of their names
("gather-loops-task", "gather-loops-answer", …).
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

INSTRUCTOR = "instructor"
"""The tag of a cell that students never see."""

REGIONS = {
    "solution": ("### BEGIN SOLUTION", "### END SOLUTION"),
    "hidden test": ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"),
    "mark scheme": ("=== BEGIN MARK SCHEME ===", "=== END MARK SCHEME ==="),
}
"""nbgrader's own delimiters."""

PARTS = ("task", "wanted", "hints", "answer", "work", "why", "check", "bonus")
"""What an exercise's cells are called, after its own name."""


class MasterError(ValueError):
    """A master is not as it should be."""


@dataclass(frozen=True)
class Task:
    """One exercise of a master: its cells by their parts."""

    name: str  # "gather-loops"
    cells: dict[str, NotebookNode]

    @property
    def by_hand(self) -> bool:
        """Whether a person grades it."""
        return "check" not in self.cells

    @property
    def points(self) -> float:
        cell = self.cells["answer" if self.by_hand else "check"]
        return float(cell.metadata.nbgrader.points)


@dataclass(frozen=True)
class Master:
    """An instructor's notebook."""

    path: Path
    notebook: NotebookNode

    @classmethod
    def read(cls, path: Path) -> "Master":
        return cls(path, nbformat.read(path, as_version=4))

    @property
    def name(self) -> str:
        """Of the assignment, and of its notebook."""
        return self.path.stem

    @property
    def title(self) -> NotebookNode:
        """The first text: what the exercises practise."""
        return next(cell for cell in self.notebook.cells if cell.cell_type == "markdown")

    @property
    def setup(self) -> NotebookNode:
        """What the notebook imports and loads."""
        return next(cell for cell in self.notebook.cells if cell.id == "setup")

    @property
    def tasks(self) -> list[Task]:
        """The exercises, in their order."""
        found: dict[str, dict[str, NotebookNode]] = {}
        for cell in self.notebook.cells:
            name, _, part = cell.id.rpartition("-")
            if part in PARTS:
                found.setdefault(name, {})[part] = cell
        return [Task(name, cells) for name, cells in found.items()]

    @property
    def functions(self) -> list[str]:
        """The names that students define."""
        return [
            node.name
            for task in self.tasks
            if not task.by_hand
            for node in ast.parse(task.cells["answer"].source).body
            if isinstance(node, ast.FunctionDef)
        ]

    @property
    def order(self) -> list[str]:
        """nbgrader's names of the cells."""
        cells = [
            cell.metadata.nbgrader for cell in self.notebook.cells if "nbgrader" in cell.metadata
        ]
        return [about.grade_id for about in cells]

    def secrets(self) -> Iterator[tuple[str, str]]:
        """What a release must not have: its kind, and its text."""
        for cell in self.notebook.cells:
            about = cell.metadata.get("nbgrader", {})
            if INSTRUCTOR in cell.metadata.get("tags", []):
                yield "instructor's text", cell.source
            elif cell.cell_type == "markdown" and about.get("solution"):
                yield "solution", cell.source  # a model answer, mark scheme and all
            else:
                for kind, (begin, end) in REGIONS.items():
                    yield from ((kind, text) for text in between(cell.source, begin, end))

    def without_secrets(self) -> str:
        """All text that students may see."""
        kept = []
        for cell in self.notebook.cells:
            about = cell.metadata.get("nbgrader", {})
            answer = cell.cell_type == "markdown" and about.get("solution")
            if INSTRUCTOR in cell.metadata.get("tags", []) or answer:
                continue
            text = cell.source
            for begin, end in REGIONS.values():
                text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", "", text, flags=re.S)
            kept.append(text)
        return "\n".join(kept)


def between(text: str, begin: str, end: str) -> list[str]:
    """The regions of a text, without their delimiters."""
    return re.findall(f"{re.escape(begin)}(.*?){re.escape(end)}", text, flags=re.S)


def solution(cell: NotebookNode) -> str:
    """The source with the solution in it and without its delimiters."""
    begin, end = REGIONS["solution"]
    lines = cell.source.splitlines()
    return "\n".join(line for line in lines if line.strip() not in (begin, end))


def masters(folder: Path) -> list[Master]:
    """All masters of a folder, in the order of their names."""
    found = [Master.read(path) for path in sorted(Path(folder).glob("*.ipynb"))]
    if not found:
        raise MasterError(f"masters: no notebook in {folder}")
    return found
