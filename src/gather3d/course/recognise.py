"""Find the master's cells in a student's notebook again, whatever became of them.

nbgrader knows a cell by its metadata. Here a cell is known by that name, else by its id, else by
what is in it; and what a student wrote in another place than the one for it is looked for: code by
the name of its function, a written answer in the cells around its place, then in all the others.
Nothing that was handed in is left out: what has no place stands in a cell of its own.
"""

import ast
import copy
import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from .reading import distinct

FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n(.*?)^\1[ ]*$", re.M | re.S)
ELSEWHERE = "*Nothing is written in this cell. What follows stands in other cells of the notebook.*"


def recognised(notebook: NotebookNode, release: NotebookNode) -> list[str]:
    """Give the cells nbgrader's metadata as they were handed out; what was found is put in place.

    Args:
        notebook: the student's, changed in place.
        release: what was handed out.

    Returns:
        what a person should know of it.
    """
    desk = Desk(notebook, release)
    desk.name()
    desk.find_functions()
    desk.find_answers()
    desk.put_back()
    distinct(notebook.cells)
    return desk.notes


def named(cell: NotebookNode) -> str | None:
    """The grade_id, if the cell has one that makes sense."""
    about = cell.metadata.get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def same(one: str, other: str) -> bool:
    """Whether two sources say the same: blanks at the ends of lines do not count."""
    return [s.rstrip() for s in one.strip().splitlines()] == [
        s.rstrip() for s in other.strip().splitlines()
    ]


def parsed(source: str) -> ast.Module | None:
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.parse(source)
    return None


def functions(source: str) -> set[str]:
    """The names of the functions that a source defines at its left margin, if it parses or not."""
    return set(re.findall(r"^(?:async )?def (\w+)", source, re.M))


def unsolved(source: str) -> bool:
    """Whether it only defines functions, and none of them does anything."""
    tree = parsed(source)
    return (
        bool(tree and tree.body)
        and all(isinstance(node, ast.FunctionDef) for node in tree.body)
        and all(idle(statement) for node in tree.body for statement in node.body)
    )


def idle(statement: ast.stmt) -> bool:
    """A docstring, `pass`, `...` or `raise NotImplementedError`."""
    if isinstance(statement, ast.Raise):
        return "NotImplementedError" in ast.dump(statement)
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def unfenced(source: str) -> str:
    """The code in a text: what is fenced, else all of it."""
    return "\n".join(code for _, code in FENCED.findall(source)) or source


def is_prose(source: str) -> bool:
    """Whether a code cell holds words: it does not parse, or has comments and strings only."""
    tree = parsed(source)
    if tree is None:
        return not functions(source)
    return all(isinstance(node, ast.Expr) and idle(node) for node in tree.body)


def as_text(cell: NotebookNode) -> str:
    """What a person should read of a cell: code in a fence."""
    if cell.cell_type != "code" or is_prose(cell.source):
        return cell.source.strip()
    return f"```python\n{cell.source.strip()}\n```"


class Desk:
    """A student's notebook beside what was handed out."""

    def __init__(self, notebook: NotebookNode, release: NotebookNode) -> None:
        self.notebook = notebook
        self.handed_out = release.cells
        self.given = {name: cell for cell in release.cells if (name := named(cell))}
        self.known: dict[str, NotebookNode] = {}
        self.doubles: dict[str, list[NotebookNode]] = {}  # answers with a name that is taken
        self.notes: list[str] = []

    def locked(self, name: str) -> bool:
        return bool(self.given[name].metadata.nbgrader.get("locked"))

    def by_hand(self, name: str) -> bool:
        return not self.locked(name) and bool(self.given[name].metadata.nbgrader.get("grade"))

    # ---- which cell is which

    def name(self) -> None:
        """Give each name to one cell; of the other cells that claim it, keep what is new."""
        claims = {id(cell): self.claim(cell) for cell in self.notebook.cells}
        chosen = {}
        for name in self.given:
            if candidates := [c for c in self.notebook.cells if claims[id(c)] == name]:
                chosen[name] = self.choose(name, candidates)
        cells: list[NotebookNode] = []
        for cell in self.notebook.cells:
            name = claims[id(cell)]
            cell.metadata.pop("nbgrader", None)
            if name is None:
                cells.append(cell)
            elif cell is not chosen[name]:
                cells += self.spare(name, cell)
            else:
                cells += self.place(name, cell)
        self.notebook.cells = cells

    def claim(self, cell: NotebookNode) -> str | None:
        """The name of the cell that this is, or was."""
        for name in (named(cell), cell.get("id")):
            if name in self.given:
                return name
        source = cell.source.strip()
        for name, given in self.given.items():
            if same(source, given.source):
                return name
        for name, given in self.given.items():  # more was written into it, or above the rest
            heading = given.source.partition("\n")[0]
            if self.locked(name) and heading.startswith("## ") and heading in source.splitlines():
                return name
        return None

    def choose(self, name: str, candidates: list[NotebookNode]) -> NotebookNode:
        """Of cells with one name: written ones before those as handed out, the right type first."""
        given = self.given[name]

        def key(cell: NotebookNode) -> tuple[bool, bool]:
            fits = cell.cell_type == given.cell_type
            return (not fits,) if self.locked(name) else (not self.written(name, cell), not fits)

        return min(candidates, key=key)

    def place(self, name: str, cell: NotebookNode) -> list[NotebookNode]:
        """The cell under its name and in its type; what was written into a locked one beside it."""
        given, beside = self.given[name], []
        if self.locked(name):
            beside = self.beside(name, cell)
            cell.source = given.source
        if cell.cell_type != given.cell_type:
            if not self.locked(name):
                self.notes.append(f"{name}: its cell had become {cell.cell_type}")
            cell = retyped(cell, given)
        cell.metadata.nbgrader = given.metadata.nbgrader
        self.known[name] = cell
        return [cell, *beside]

    def spare(self, name: str, cell: NotebookNode) -> list[NotebookNode]:
        """What is the student's of another cell with a name that is taken."""
        if same(cell.source, self.given[name].source):
            return []
        if self.locked(name):
            return self.beside(name, cell)
        if self.by_hand(name) and cell.source.strip():
            self.doubles.setdefault(name, []).append(cell)
        return [cell]

    def beside(self, name: str, cell: NotebookNode) -> list[NotebookNode]:
        """What a student wrote into a locked cell, as a cell of its own."""
        added = self.added(name, cell)
        if not added.strip():
            return []
        code = cell.cell_type == "code" or (functions(added) and parsed(added) is not None)
        kind = new_code_cell if code else new_markdown_cell
        own = kind(added, id=f"own-{name}"[:64])
        if not code and "attachments" in cell:
            own.attachments = cell.attachments
        return [own]

    def added(self, name: str, cell: NotebookNode) -> str:
        """The source without what was handed out: this cell's, and what was merged with it."""
        given = self.given[name]
        if cell.cell_type == "code" and (tree := parsed(cell.source)) is not None:
            known = {dump for one in self.handed_out for dump in dumps(one)}
            lines = cell.source.splitlines()
            new = [node for node in tree.body if ast.dump(node) not in known]
            return "\n".join("\n".join(lines[first(node) : node.end_lineno]) for node in new)
        source = cell.source
        for one in self.handed_out:
            if one is not given and len(one.source) > 40:
                source = source.replace(one.source.strip(), "")
        before, after = given.source.splitlines(), source.splitlines()
        steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        kept = [line for kind, _, _, i, j in steps if kind != "equal" for line in after[i:j]]
        stubs = {one.source.strip() for one in self.handed_out}
        return "\n".join(line for line in kept if line.strip() not in stubs - {""}).strip("\n")

    # ---- code, by the names of its functions

    def find_functions(self) -> None:
        """Code that stands in a text: as a cell that runs, if no other cell defines the same."""
        wanted = {
            function: name
            for name, cell in self.given.items()
            if cell.cell_type == "code" and not self.locked(name)
            for function in functions(cell.source)
            if f"{name.rpartition('-')[0]}-check" in self.given
        }
        code = [c.source for c in self.notebook.cells if c.cell_type == "code"]
        solved = {f for source in code if not unsolved(source) for f in functions(source)}
        for cell in list(self.notebook.cells):
            if cell.cell_type == "code" or self.is_known(cell):
                continue
            source = unfenced(cell.source)
            if found := sorted(functions(source) & set(wanted) - solved):
                solved.update(found)
                place = next(i for i, each in enumerate(self.notebook.cells) if each is cell)
                self.notebook.cells.insert(place + 1, new_code_cell(source))
                names = ", ".join(wanted[function] for function in found)
                self.notes.append(f"{names}: found in a {cell.cell_type} cell")

    def is_known(self, cell: NotebookNode) -> bool:
        """Whether it was handed out, with a name or, as the title and the predictions, without."""
        plain = (each for each in self.handed_out if not named(each))
        return among(cell, self.known.values()) or any(same(cell.source, p.source) for p in plain)

    # ---- written answers

    def find_answers(self) -> None:
        for name in filter(self.by_hand, self.given):
            cell = self.known.get(name)
            if cell is None or not self.written(name, cell):
                self.find_answer(name)
            else:
                self.complete(name, cell)

    def written(self, name: str, cell: NotebookNode) -> bool:
        """Whether a cell has more in it than what was handed out."""
        return bool(cell.source.strip()) and not same(cell.source, self.given[name].source)

    def complete(self, name: str, cell: NotebookNode) -> None:
        """Put the texts that follow an answer to it, and a copy of what else has its name."""
        cells = self.notebook.cells
        place = next(i for i, each in enumerate(cells) if each is cell)
        end = place + 1
        while end < len(cells) and cells[end].cell_type != "code" and not self.is_known(cells[end]):
            end += 1
        after = [each for each in cells[place + 1 : end] if each.source.strip()]
        elsewhere = [each for each in self.doubles.get(name, []) if not among(each, after)]
        for each in after:
            cell.source += f"\n\n{each.source.strip()}"
        for each in elsewhere:
            cell.source += f"\n\n*Also written, in another cell:*\n\n{as_text(each)}"
        for each in (*after, *elsewhere):
            if "attachments" in each and cell.cell_type == "markdown":
                cell.attachments = NotebookNode({**each.attachments, **cell.get("attachments", {})})
        if after:
            self.notes.append(f"{name}: written in {counted(1 + len(after))}, put together")
            cells[place + 1 : end] = [each for each in after if "attachments" in each]
        if elsewhere:
            self.notes.append(f"{name}: written twice, look at both")

    def find_answer(self, name: str) -> None:
        """Something for a person to read, from wherever it is."""
        here, everywhere = self.own(name.rpartition("-")[0]), self.own(None)
        texts = [cell for cell in here if cell.cell_type != "code" or is_prose(cell.source)]
        gone, cell = name not in self.known, self.known.get(name)
        whose = "it had lost its name" if gone else "its own cell is as it was handed out"
        if cell is not None and not cell.source.strip():
            whose = "its own cell is empty"
        if len(texts) == 1 and texts[0].cell_type != "code":  # no doubt that this is it
            self.notes.append(f"{name}: found in a {texts[0].cell_type} cell; {whose}")
            self.promote(name, texts[0])
            return
        prose = [cell for cell in everywhere if cell.cell_type != "code" or is_prose(cell.source)]
        if found := texts or [*prose, *(cell for cell in here if not among(cell, prose))]:
            self.notes.append(f"{name}: look at {counted(len(found))} elsewhere; {whose}")
            self.attach(name, found)
        elif gone:
            self.notes.append(f"{name}: its cell is gone, and no text of the student's was found")

    def own(self, exercise: str | None) -> list[NotebookNode]:
        """What a student wrote that has no place of its own, in one exercise or in all."""
        names = {id(cell): name for name, cell in self.known.items()}
        found, here = [], ""
        for cell in self.notebook.cells:
            name = names.get(id(cell))
            here = name.rpartition("-")[0] if name else here
            if exercise not in (None, here) or not cell.source.strip():
                continue
            copied = any(same(cell.source, one.source) for one in self.handed_out)
            if not copied and name in (None, f"{exercise}-work"):
                found.append(cell)
        return found

    def promote(self, name: str, cell: NotebookNode) -> None:
        """This cell is the answer."""
        if (empty := self.known.get(name)) is not None:
            self.notebook.cells = [each for each in self.notebook.cells if each is not empty]
        place = next(i for i, each in enumerate(self.notebook.cells) if each is cell)
        cell = self.notebook.cells[place] = retyped(cell, self.given[name])
        cell.metadata.nbgrader = self.given[name].metadata.nbgrader
        self.known[name] = cell

    def attach(self, name: str, found: list[NotebookNode]) -> None:
        """Copies of what was found, in the answer's cell."""
        if name not in self.known:
            self.put_back([name])
        cell = self.known[name]
        cell.source = "\n\n".join([ELSEWHERE, *map(as_text, found)])
        attached = {}
        for each in reversed(found):
            attached.update(each.get("attachments", {}))
        if attached and cell.cell_type == "markdown":
            cell.attachments = NotebookNode(attached)

    # ---- what is missing

    def put_back(self, names: Iterable[str] | None = None) -> None:
        """Missing cells, after the one before them; not those of code, which may be elsewhere."""
        before = -1
        for name, given in self.given.items():
            if name in self.known:
                cells = self.notebook.cells
                before = next(i for i, each in enumerate(cells) if each is self.known[name])
            elif (names is None or name in names) and (self.locked(name) or self.by_hand(name)):
                before += 1
                for own in self.notebook.cells:
                    if own.get("id") == given.id:
                        own.id = f"own-{given.id}"[:64]
                self.known[name] = copy.deepcopy(given)
                self.notebook.cells.insert(before, self.known[name])


def retyped(cell: NotebookNode, given: NotebookNode) -> NotebookNode:
    """The cell in the type of another one."""
    if given.cell_type == "code":
        made = new_code_cell(unfenced(cell.source))
    else:
        made = new_markdown_cell(as_text(cell))
        if "attachments" in cell:
            made.attachments = cell.attachments
    made.id, made.metadata = cell.id, cell.metadata
    return made


def among(cell: NotebookNode, others: Iterable[NotebookNode]) -> bool:
    """Whether it is one of them, and not only like one."""
    return any(cell is each for each in others)


def dumps(cell: NotebookNode) -> Iterator[str]:
    tree = parsed(cell.source) if cell.cell_type == "code" else None
    yield from (ast.dump(node) for node in tree.body) if tree else ()


def first(node: ast.stmt) -> int:
    """The line on which it begins, counted from 0, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]) - 1


def counted(number: int) -> str:
    return "a cell" if number == 1 else f"{number} cells"
