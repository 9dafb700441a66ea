"""Grade one submission: the student's cells in a sandbox, the instructor's tests here.

The two never share a process. The student's kernel gives up its functions as bytes, and the tests,
which are the instructor's own cells, call stand-ins: each call runs in a second sandbox. So nothing
that a submission puts in the place of `check`, `assert` or `torch.equal` reaches a test.
"""

import ast
import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from gather3d.exercises.catalogue import EXERCISES
from gather3d.exercises.check import Elsewhere, Worker
from gather3d.exercises.report import Report

from .kernel import failed, run
from .recognise import functions, unsolved
from .sandbox import Limits, Sandbox, Watch, end

FIGURE = "figure"
"""The tag of cells that only draw: the student's kernel need not run them."""

HIDDEN = "hidden-case"
"""The diagnosis where the public checks passed and a hidden test did not."""


def graded(
    text: str,
    names: Sequence[str],
    order: Sequence[str],
    limits: Limits,
    unsandboxed: bool = False,
) -> str:
    """The notebook with the outputs of a run from the top.

    Args:
        text: of a notebook whose locked cells are the instructor's (nbgrader has restored them).
        names: of the functions that students write.
        order: of the instructor's cells, by their grade_id, whatever order they are in now.
        limits: of the student's processes.
        unsandboxed: go on where this machine has no bubblewrap.

    Returns:
        the notebook's text again. The metadata of a graded cell says under "gather3d" which
        exercise it is, and the diagnosis.
    """
    sandbox = Sandbox.here(limits, unsandboxed=unsandboxed)
    notebook = nbformat.reads(text, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    locked = sorted(filter(is_locked, code), key=lambda cell: order.index(name_of(cell)))
    given = [cell for cell in locked if not is_graded(cell) and not is_figure(cell)]
    students = [*given, *(cell for cell in code if not is_locked(cell))]
    students.sort(key=lambda cell: not is_locked(cell) and not unsolved(cell.source))  # stubs first
    refused: dict[str, str] = {}
    found = run(students, names, sandbox, refused)
    with tempfile.TemporaryDirectory(prefix="g3-") as folder:
        worker = ConfinedWorker(sandbox, Path(folder))
        try:
            known = {name: Elsewhere(sent, worker) for name, sent in found.items()}
            why = {name: why_not(name, students, refused) for name in names if name not in found}
            tests = Tests({**dict.fromkeys(names), **known}, why)
            for cell in locked:
                tests.run(cell)
        finally:
            worker.stop()
    return nbformat.writes(notebook)


def name_of(cell: NotebookNode) -> str:
    return cell.metadata.nbgrader.grade_id


def is_locked(cell: NotebookNode) -> bool:
    about = cell.metadata.get("nbgrader", {})
    return bool(about.get("locked")) and not about.get("solution")


def is_graded(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def is_figure(cell: NotebookNode) -> bool:
    return FIGURE in cell.metadata.get("tags", [])


def why_not(name: str, cells: Sequence[NotebookNode], refused: dict[str, str]) -> str:
    """Why there is no such function, for a person."""
    if name in refused:
        return f"There is a {name}, but {refused[name]}."
    defining = [cell for cell in cells if name in functions(cell.source)]
    if not defining:
        return f"Not solved yet: no cell defines {name}."
    errors = [out.ename for out in defining[-1].get("outputs", []) if out.output_type == "error"]
    return f"The cell that defines {name} ends with {errors[-1]}." if errors else ""


class ConfinedWorker(Worker):
    """The process in which functions are called, in a sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        super().__init__()
        self.sandbox, self.folder = sandbox, folder
        self.watch: Watch | None = None

    def start(self) -> None:
        self.prefix = self.sandbox.command([], self.folder)
        super().start()
        self.watch = Watch(self.process.pid, self.folder, self.sandbox.limits)
        self.watch.__enter__()

    def stop(self) -> None:
        if self.watch is not None:
            self.watch.__exit__()
            self.watch = None
        if self.process is not None:
            end(self.process.pid)
        super().stop()


class Tests:
    """The instructor's cells, run here one after the other, as a kernel would."""

    def __init__(self, functions: dict[str, Callable | None], why: dict[str, str]) -> None:
        self.functions = functions
        self.why = why  # there is no function, by its name
        self.space: dict[str, Any] = {"__name__": "__main__", "display": self.display}
        self.outputs: list[NotebookNode] = []

    def run(self, cell: NotebookNode) -> None:
        """Run it and keep what it shows; a test's report goes into its metadata."""
        self.outputs, printed = [], io.StringIO()
        self.space |= self.functions
        for name in ("report", "hidden"):
            self.space.pop(name, None)
        tree = ast.parse(cell.source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                exec(compile(tree, name_of(cell), "exec"), self.space)
                if last is not None:
                    value = eval(compile(ast.Expression(last.value), "", "eval"), self.space)
                    if value is not None:
                        self.display(value)
            error = None
        except Exception as raised:  # a test that fails is what this is for
            error = raised
            self.outputs.append(failed(type(raised).__name__, str(raised)))
        if text := printed.getvalue():
            self.outputs.insert(0, new_output("stream", name="stdout", text=text))
        cell.outputs = self.outputs
        if is_graded(cell):
            self._note(cell, error)

    def display(self, *values: Any) -> None:
        for value in values:
            data = {"text/plain": repr(value)}
            if hasattr(value, "_repr_html_"):
                data["text/html"] = value._repr_html_()
            self.outputs.append(new_output("display_data", data=data))

    def _note(self, cell: NotebookNode, error: Exception | None) -> None:
        report = self.space.get("report")
        if not isinstance(report, Report):
            return
        diagnosis, words = report.diagnosis, report.words
        exercise = EXERCISES.get(report.exercise)
        if exercise is not None and (why := self.why.get(exercise.name)):
            words = why
            cell.outputs.append(new_output("stream", name="stdout", text=f"{why}\n"))
        if error is not None and report.passed:
            diagnosis, words = HIDDEN, str(error)
        cell.metadata.gather3d = {
            "exercise": report.exercise,
            "passed": error is None,
            "diagnosis": diagnosis,
            "words": words,
        }
