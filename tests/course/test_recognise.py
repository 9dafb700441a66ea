"""Whatever became of a cell: an answer is found, and shown to the person who grades it."""

import copy
import json
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from gather3d.course.reading import readable
from gather3d.course.recognise import recognised, unsolved
from gather3d.course.submission import why_not

STUDENTS = Path(__file__).parents[2] / "notebooks" / "exercises" / "students"
RELEASE = nbformat.read(STUDENTS / "01-gather.ipynb", as_version=4)
ANSWER, TASK, WORK = "gather-review-answer", "gather-review-task", "gather-review-work"
TEXT = "Program one counts an empty place as 0 (a written answer)."
LOOPS = "def gather(input, dim, index):\n    return input + 1"


class Desk:
    """The released notebook, and what a student does to it."""

    def __init__(self) -> None:
        self.notebook = copy.deepcopy(RELEASE)
        self.cells = self.notebook.cells

    def __getitem__(self, id: str) -> NotebookNode:
        return next(cell for cell in self.cells if cell.id == id)

    def place(self, id: str) -> int:
        return self.cells.index(self[id])

    def remove(self, id: str) -> NotebookNode:
        return self.cells.pop(self.place(id))

    def write(self, text: str = TEXT, id: str = ANSWER) -> NotebookNode:
        self[id].source = text
        return self[id]

    def add(self, place: int, text: str = TEXT, kind=new_markdown_cell) -> None:
        self.cells.insert(place, kind(text))

    def copy_of(self, id: str, text: str, place: int) -> None:
        """As an editor copies a cell: with its metadata, under another id."""
        cell = copy.deepcopy(self[id])
        cell.update(id="copied", source=text)
        self.cells.insert(place, cell)

    def forget(self) -> None:
        """As a program saves a notebook that keeps no metadata."""
        for cell in self.cells:
            cell.metadata, cell.id = NotebookNode(), f"new-{cell.id}"


def as_it_should_be(desk):
    desk.write()


def retyped(desk):
    desk.write().update(metadata=NotebookNode(), id="mine")


def raw(desk):
    desk.write().cell_type = "raw"


def code(desk):
    desk.write().update(cell_type="code", outputs=[], execution_count=None)


def retyped_as_code(desk):
    place = desk.place(ANSWER)
    desk.remove(ANSWER)
    desk.add(place, kind=new_code_cell)


def split(desk):
    desk.write("The first half.")
    desk.add(desk.place(ANSWER) + 1)


def copied_as_it_splits(desk):
    desk.write("The first half.")
    desk.copy_of(ANSWER, TEXT, desk.place(ANSWER) + 1)


def stub_left(desk):
    desk.add(desk.place(ANSWER) + 1)
    desk.add(desk.place(ANSWER) + 1, "More.")


def emptied(desk):
    desk.write("")
    desk.add(desk.place(ANSWER) + 1)


def in_the_task(desk):
    desk[TASK].source += f"\n\n{TEXT}"


def merged_with_the_task(desk):
    desk[TASK].source += f"\n\n{TEXT}"
    desk.remove(ANSWER)


def merged_with_the_bonus(desk):
    desk["gather-review-bonus"].source = f"{TEXT}\n\n{desk['gather-review-bonus'].source}"
    desk.remove(ANSWER)


def in_another_task(desk):
    desk["gather-padded-task"].source += f"\n\n{TEXT}"


def moved(desk):
    cell = desk.write()
    desk.cells.remove(cell)
    desk.cells.insert(3, cell)


def moved_and_retyped(desk):
    desk.remove(ANSWER)
    desk.add(0)


def copied_before(desk):
    desk.copy_of(ANSWER, "YOUR ANSWER HERE", 2)
    desk.write()


def written_twice(desk):
    desk.copy_of(ANSWER, "Another one.", 2)
    desk.write()


def all_names_lost(desk):
    desk.write()
    desk.forget()


def all_names_lost_and_merged(desk):
    merged_with_the_task(desk)
    desk.forget()


def a_comment_in_the_work(desk):
    desk.remove(ANSWER)
    desk.write(f"# {TEXT}", WORK)


def a_string_in_a_check(desk):
    desk["gather-loops-check"].source += f"\n'''{TEXT}'''"


HURRIED = [
    as_it_should_be, retyped, raw, code, retyped_as_code, split, copied_as_it_splits, stub_left,
    emptied, in_the_task, merged_with_the_task, merged_with_the_bonus, in_another_task, moved,
    moved_and_retyped, copied_before, written_twice, all_names_lost, all_names_lost_and_merged,
    a_comment_in_the_work, a_string_in_a_check,
]  # fmt: skip
SILENT = {as_it_should_be, moved, copied_before}
"""Nothing needs to be said of these."""


def taken(change) -> tuple[dict[str, NotebookNode], list[NotebookNode], list[str]]:
    desk = Desk()
    change(desk)
    notebook, fault, said = readable(json.dumps(desk.notebook).encode())
    assert not fault and not said
    notes = recognised(notebook, RELEASE)
    nbformat.validate(notebook)
    names = [about.grade_id for c in notebook.cells if (about := c.metadata.get("nbgrader"))]
    assert len(names) == len(set(names))
    by_name = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
    for cell in RELEASE.cells:  # the instructor's are there, and say what they said
        if cell.metadata.get("nbgrader", {}).get("locked"):
            assert by_name[cell.id].source == cell.source
            assert by_name[cell.id].cell_type == cell.cell_type
    return by_name, notebook.cells, notes


@pytest.mark.parametrize("change", HURRIED, ids=lambda change: change.__name__)
def test_a_written_answer_is_found(change):
    by_name, _, notes = taken(change)
    assert TEXT in by_name[ANSWER].source and by_name[ANSWER].cell_type == "markdown"
    assert bool(notes) == (change not in SILENT)
    assert all(note.startswith(f"{ANSWER}: ") and "\n" not in note for note in notes)


def test_both_of_two_answers_are_shown():
    by_name, _, notes = taken(written_twice)
    assert {"Another one.", TEXT} <= set(by_name[ANSWER].source.split("\n\n"))
    assert notes == [f"{ANSWER}: written twice, look at both"]


def test_pictures_come_with_the_text():
    def change(desk):
        retyped(desk)
        cell = desk["mine"]
        cell.attachments = {"a.png": {"image/png": "aGVsbG8="}}

    by_name, _, _ = taken(change)
    assert by_name[ANSWER].attachments == {"a.png": {"image/png": "aGVsbG8="}}


def test_nothing_written_is_nothing_found():
    by_name, cells, notes = taken(lambda desk: None)
    assert by_name[ANSWER].source == "YOUR ANSWER HERE" and notes == []
    assert len(cells) == len(RELEASE.cells)
    by_name, _, notes = taken(lambda desk: desk.remove(ANSWER))
    assert by_name[ANSWER].source == "YOUR ANSWER HERE"
    assert notes == [f"{ANSWER}: its cell is gone, and no text of the student's was found"]


def test_work_without_words_is_shown():
    by_name, _, (note,) = taken(lambda desk: desk.write("x = 1", WORK))
    assert "```python\nx = 1\n```" in by_name[ANSWER].source
    assert note.startswith(f"{ANSWER}: look at a cell elsewhere")


def code_lost(desk):
    desk.write(LOOPS, "gather-loops-answer").update(metadata=NotebookNode(), id="mine")


def code_raw(desk):
    desk.write(LOOPS, "gather-loops-answer").update(cell_type="raw")


def code_in_words(desk):
    desk.add(0, f"I think that\n\n```python\n{LOOPS}\n```\n\nis right.")


def code_in_the_check(desk):
    desk["gather-loops-check"].source = f"{LOOPS}\n{desk['gather-loops-check'].source}"


def code_in_the_hints(desk):
    desk["gather-loops-hints"].source += f"\n\n{LOOPS}"


def code_in_a_copy(desk):
    desk.copy_of("gather-loops-answer", LOOPS, desk.place("gather-loops-answer"))


CODE = [code_lost, code_raw, code_in_words, code_in_the_check, code_in_the_hints, code_in_a_copy]


@pytest.mark.parametrize("change", CODE, ids=lambda change: change.__name__)
def test_code_is_found_by_the_name_of_its_function(change):
    """In a code cell that runs, once; a stub beside it does nothing."""
    _, cells, _ = taken(change)
    defining = [c for c in cells if c.cell_type == "code" and "def gather(" in c.source]
    assert [c.source.strip() for c in defining if not unsolved(c.source)] == [LOOPS]


def test_what_stands_in_the_setup_is_kept():
    def change(desk):
        desk["setup"].source += "\nimport itertools\n\n@torch.no_grad()\ndef mine():\n    pass"

    _, cells, _ = taken(change)
    added = [cell.source for cell in cells if cell.id == "own-setup"]
    assert added == ["import itertools\n@torch.no_grad()\ndef mine():\n    pass"]


def test_a_function_that_is_not_there_has_its_reason():
    error = {"output_type": "error", "ename": "SyntaxError", "evalue": "", "traceback": []}
    broken = new_code_cell("def gather(input:", outputs=[NotebookNode(error)])
    assert why_not("gather", [broken], {}) == "The cell that defines gather ends with SyntaxError."
    assert why_not("gather", [], {}) == "Not solved yet: no cell defines gather."
    assert (
        why_not("gather", [], {"gather": "it is a list"}) == "There is a gather, but it is a list."
    )
