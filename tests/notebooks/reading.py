"""What a chapter owes to its readers, as a list of what is missing: that it says what it is for,
asks before it tells, is short, has something to change in each section, and keeps one meaning for
one letter."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from .first_cell import NAME
from .rules import call_name, loads, parse
from .sections import CHANGE, SHORT, answer, asks, sections, without_a_change

MOST_CELLS = 110  # predictions not counted
MOST_WORDS = 3_800  # of text

OPENING = ("**Time:**", "**You will be able to**", "**You need**")
INTERPOLATES = {"trilinear_sample", "grid_sample", "interpolate", "pool", "deform_conv3d"}

ROW = re.compile(r"^\| (\$?[^|]+?) \| ", re.M)  # of a table of notation.md


def owed(notebook: NotebookNode, notation: str) -> list[str]:
    """Everything that is missing; `notation` is the text of notation.md."""
    return [
        *too_long(notebook),
        *opening_faults(notebook),
        *change_faults(notebook),
        *code_faults(notebook),
        *letter_faults(notebook, letters(notation)),
    ]


def too_long(notebook: NotebookNode) -> Iterator[str]:
    cells = [cell for cell in notebook.cells if not cell.source.startswith("predict(")]
    if len(cells) > MOST_CELLS:
        yield f"{len(cells)} cells, wanted {MOST_CELLS} at most"
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    if words > MOST_WORDS:
        yield f"{words:,} words, wanted {MOST_WORDS:,} at most"


def opening_faults(notebook: NotebookNode) -> Iterator[str]:
    """The first cells say what the chapter is for, and ask what the explorable answers."""
    cells = sections(notebook)[""]
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for words in OPENING:
        if words not in text:
            yield f"its opening does not say {words}"
    asked = ""
    for cell in cells:
        if "widget" in cell.metadata.get("tags", []):
            if "?" not in asked:
                yield f"{cell.id}: no question stands before the explorable"
            break
        asked = cell.source if cell.cell_type == "markdown" else asked


def change_faults(notebook: NotebookNode) -> Iterator[str]:
    """One line a section to change, an answer to it, and a goal that says whether it is reached."""
    for title in without_a_change(notebook):
        yield f"## {title}: {SHORT} cells of code or more, and no line marked {CHANGE}"
    text = ""
    for cell in notebook.cells:
        if asks(cell):
            if cell.source.count(CHANGE) > 1:
                yield f"{cell.id}: more than one line is marked {CHANGE}"
            if not answer(text):
                yield f"{cell.id}: the text before it does not end with one answer"
            if not cell.source.splitlines()[-1].startswith("goal("):
                yield f"{cell.id}: its last line is no goal(…)"
        text = cell.source if cell.cell_type == "markdown" else ""


def code_faults(notebook: NotebookNode) -> Iterator[str]:
    """Nothing is imported on the way, and nothing that is private is taught."""
    first = sections(notebook)[""]
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.id == NAME:
            continue
        for node in ast.walk(parse(cell.source)):
            if isinstance(node, ast.Import | ast.ImportFrom) and cell not in first:
                yield f"{cell.id}: an import after the first cells: {ast.unparse(node)}"
            if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                yield f"{cell.id}: a private name: {ast.unparse(node)}"


def letters(notation: str) -> set[str]:
    """The capital letters that notation.md gives a meaning."""
    return {
        letter
        for row in ROW.findall(notation)
        for letter in re.split(r", ", row.strip("$"))
        if re.fullmatch("[A-Z]", letter)
    }


def letter_faults(notebook: NotebookNode, known: set[str]) -> Iterator[str]:
    """One letter, one meaning: each is in notation.md; D is a depth, never alone; S selects."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(parse(cell.source)):
            for letter, beside, value in bound(node):
                if letter not in known:
                    yield f"{cell.id}: the letter {letter} is not in notation.md"
                if letter == "D" and "H" not in beside:
                    yield f"{cell.id}: D, which is the depth of a volume, stands for something else"
                called = {call_name(inner).rpartition(".")[2] for inner in ast.walk(value)}
                if letter == "S" and called & INTERPOLATES:
                    yield f"{cell.id}: S, which selects, is given an interpolation: T or A"


def bound(node: ast.AST) -> Iterator[tuple[str, set[str], ast.AST]]:
    """The capital letters that an assignment or a function binds, those beside each, the value."""
    if isinstance(node, ast.Assign):
        targets = [inner for target in node.targets for inner in ast.walk(target)]
        names = {n.id for n in targets if isinstance(n, ast.Name) and not loads(n)}
        value = node.value
    elif isinstance(node, ast.FunctionDef | ast.Lambda):
        names, value = {argument.arg for argument in node.args.args}, ast.Constant(None)
    else:
        return
    capitals = {name for name in names if re.fullmatch("[A-Z]", name)}
    yield from ((letter, capitals, value) for letter in sorted(capitals))


def notation(root: Path) -> str:
    return (root / "book/notation.md").read_text(encoding="utf-8")
