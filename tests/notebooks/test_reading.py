"""Every chapter owes nothing to its readers, and each debt is noticed on a notebook that has it."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .first_cell import begun
from .normalise import normalise, reads
from .reading import MOST_CELLS, MOST_WORDS, letters, notation, owed

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTATION = notation(ROOT)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter(path):
    found = owed(reads(path.read_text(encoding="utf-8")), NOTATION)
    assert not found, "\n".join([path.name, *found])


# ---- on a notebook that owes one thing each

OPENING = """- **Time:** 60 minutes.
- **You will be able to** read.
- **You need** tensors.

Which row?"""
ANSWER = "<details><summary>One answer</summary>\n\n```python\nrow = 9\n```\n\n</details>"
ASKS = 'row = 2  # change this\ngoal("the row", row, 9)'


def chapter(*cells, opening=OPENING, text=f"Read row 9.\n\n{ANSWER}", asks=ASKS):
    """A notebook that owes nothing, with `cells` added to its section."""
    right = [
        new_markdown_cell("# 1 · Right"),
        new_markdown_cell(opening),
        new_code_cell("Explorer()", metadata={"tags": ["widget"]}),
        new_code_cell("import torch"),
        new_markdown_cell("## The rule"),
        new_code_cell("B, D, H, W = volume.shape"),
        new_code_cell("S = g3.sources(gather, x)"),
        new_code_cell("T = g3.sources(g3.trilinear_sample, x)"),
        new_markdown_cell(text),
        new_code_cell(asks),
    ]
    return normalise(begun(new_notebook(cells=[*right, *cells])))


def test_a_chapter_that_owes_nothing():
    assert owed(chapter(), NOTATION) == []


WRONG = {
    "too many cells": (
        chapter(*(new_code_cell(f"x{n} = 1") for n in range(MOST_CELLS))),
        f"{MOST_CELLS + 11} cells, wanted {MOST_CELLS} at most",
    ),
    "too many words": (
        chapter(new_markdown_cell("word " * MOST_WORDS)),
        "words, wanted 3,800 at most",
    ),
    "no reading time": (
        chapter(opening=OPENING.replace("**Time:**", "Time:")),
        "its opening does not say **Time:**",
    ),
    "no question": (
        chapter(opening=OPENING.replace("Which row?", "The rows.")),
        "no question stands before the explorable",
    ),
    "nothing to change": (
        chapter(asks="row = 2", text="Read row 9."),
        "## The rule: 3 cells of code or more, and no line marked # change this",
    ),
    "two things to change": (
        chapter(asks=f"a = 1  # change this\n{ASKS}"),
        "more than one line is marked # change this",
    ),
    "no answer": (chapter(text="Read row 9."), "does not end with one answer"),
    "an answer in the middle": (
        chapter(text=f"Read row 9.\n\n{ANSWER}\n\nSo it is."),
        "does not end with one answer",
    ),
    "no goal": (chapter(asks="row = 2  # change this"), "its last line is no goal(…)"),
    "a late import": (
        chapter(new_code_cell("from math import pi")),
        "an import after the first cells: from math import pi",
    ),
    "a private name": (
        chapter(new_code_cell("g3.sums._pick(x)")),
        "a private name: g3.sums._pick",
    ),
    "an unknown letter": (chapter(new_code_cell("L = 3")), "the letter L is not in notation.md"),
    "an unknown letter of a function": (
        chapter(new_code_cell("size = lambda L: L + 1")),
        "the letter L is not in notation.md",
    ),
    "D for counts": (
        chapter(new_code_cell("D = torch.diag(counts)")),
        "D, which is the depth of a volume, stands for something else",
    ),
    "S that interpolates": (
        chapter(new_code_cell("S = g3.sources(lambda v: g3.trilinear_sample(v, p), v)")),
        "S, which selects, is given an interpolation",
    ),
}


@pytest.mark.parametrize(("notebook", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_debt_is_noticed(notebook, message):
    found = owed(notebook, NOTATION)
    assert len(found) == 1 and message in found[0], found


def test_the_letters_are_those_of_the_tables():
    assert letters("| letter | meaning |\n|---|---|\n| B | batch |\n| D, H, W | sizes |\n") == set(
        "BDHW"
    )
    assert letters("| $S$ | selects |\n| $S^\\top$ | its transpose |\n| $N_v$ | points |\n") == {
        "S"
    }
    assert set("BCNMKVPRDHWSTAQXY") <= letters(NOTATION)
