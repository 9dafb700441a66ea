"""A reader may run any section after the chapter's first cells, and each change that a chapter asks
for can be made: the sections run from the last to the first, with the answers in their places."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .normalise import execute, reads
from .sections import answer, asks, backwards, changed, sections

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_from_the_last_section_to_the_first(path):
    ran = execute(backwards(reads(path.read_text(encoding="utf-8"))), path.parent)
    made = [cell for cell in ran.cells if "changed" in cell.metadata.get("tags", [])]
    assert [said(cell) for cell in made if not said(cell).startswith("Reached: ")] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_to_be_changed_is_not_reached_yet(path):
    cells = list(filter(asks, reads(path.read_text(encoding="utf-8")).cells))
    assert cells
    assert [said(cell) for cell in cells if not said(cell).startswith("Not yet: ")] == []


def said(cell) -> str:
    return "".join(
        output.get("data", {}).get("text/plain", output.get("text", "")) for output in cell.outputs
    )


# ---- on a small notebook

ASKED = (
    "Read row 9.\n\n<details><summary>One answer</summary>\n\n```python\nrow = 9\n```\n\n</details>"
)


def small(*, leak: bool = False, line: str = "row = 9"):
    """Two sections; with `leak`, the second one needs a name of the first."""
    return new_notebook(
        cells=[
            new_markdown_cell("# 1 · Small"),
            new_code_cell("from gather3d.exercises import goal\nshift = 0"),
            new_markdown_cell("## One"),
            new_code_cell("own = 1"),
            new_markdown_cell("## Two"),
            new_code_cell("shift = own" if leak else "shift = 0"),
            new_markdown_cell(ASKED.replace("row = 9", line)),
            new_code_cell('row = 2  # change this\ngoal("the row", row + shift, 9)'),
        ]
    )


def test_sections_by_their_titles():
    parts = sections(small())
    assert list(parts) == ["", "One", "Two"] and len(parts["Two"]) == 4


def test_the_answer_takes_the_place_of_the_line():
    assert answer(ASKED) == "row = 9" and answer("Read row 9.") is None
    assert changed("if x:\n    row = 2  # change this\nrow", "row = 9") == "if x:\n    row = 9\nrow"


def test_a_right_answer_reaches_the_goal(tmp_path):
    ran = execute(backwards(small()), tmp_path)
    assert "Reached: the row is 9." in [said(cell) for cell in ran.cells]


def test_a_wrong_answer_does_not(tmp_path):
    ran = execute(backwards(small(line="row = 8")), tmp_path)
    assert "Not yet: the row is 8, wanted 9." in [said(cell) for cell in ran.cells]


def test_a_section_that_needs_another_fails(tmp_path):
    with pytest.raises(Exception, match="name 'own' is not defined"):
        execute(backwards(small(leak=True)), tmp_path)
