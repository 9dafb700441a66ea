"""The ledger of the CPU and the GPU, as `make ledger` wrote it, on its page.

    ```{ledger}
    ```

Until a GPU has run it, the page says what will stand there. Where operators or chapters are no
longer what was measured, it names them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from . import digest
from .status import table

FILE = Path("book", "ledger.json")
OPERATORS = ("Operator", "Calls", "Differ", "Values", "Gradients", "Ties")
COUNTED = ("compared", "differing", "ties")
CHAPTERS = ("Notebook", "Code cells", "Compared", "Differ")
TESTS = ("Tests of the operators", "Passed", "Failed", "Skipped")


def setup(app: Sphinx) -> None:
    app.add_directive("ledger", Ledger)


class Ledger(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        sources = [*(root / "src/gather3d").glob("*.py"), *(root / "notebooks").glob("*.ipynb")]
        for path in (root / FILE, *sources):
            self.env.note_dependency(str(path))
        ledger = json.loads((root / FILE).read_text(encoding="utf-8"))
        return [*shown(ledger, root, self.env.docname)]


def shown(ledger: Mapping, root: Path, docname: str) -> Iterator[nodes.Node]:
    """The ledger on the page `docname` of the book in `root`."""
    if ledger["machine"] is None:
        yield not_yet()
        return
    yield from warnings(ledger, root)
    yield table(list(ledger["machine"].items()), "Measured on", "g3-machine")
    yield from tests(ledger["tests"])
    yield operators(ledger["operators"])
    yield from differences(ledger["operators"])
    if ledger["notebooks"]:
        yield chapters(ledger["notebooks"], root, docname)
        yield from cells(ledger["notebooks"])


# ---- words around the tables


def not_yet() -> nodes.Node:
    return told(
        "Not yet measured",
        "No GPU has run the operators as they are now. Once one has, this place has the device "
        "with its driver, the versions of CUDA and torch, the date and the commit; for each "
        "operator the calls that were repeated and the largest differences of values and of "
        "gradients; for each chapter the cells that print something else on a GPU, and why.",
    )


def warnings(ledger: Mapping, root: Path) -> Iterator[nodes.Node]:
    if ledger["rehearsal"]:
        words = "Both sides ran on the CPU: this tries the machinery, and says nothing of a GPU."
        yield told("A rehearsal", words)
    if changed := digest.changed(ledger, root):
        words = f"Since then these have changed: {', '.join(changed)}. What follows is of before."
        yield told("Older than the book", words)
    if ledger["lost"]:
        words = f"The device was lost, and later calls were not repeated: {ledger['lost']}"
        yield told("Broken off", words)


def told(title: str, words: str) -> nodes.topic:
    return nodes.topic("", nodes.title("", title), nodes.paragraph("", words))


# ---- the operators


def tests(found: Mapping) -> Iterator[nodes.Node]:
    rows = [
        [
            {"no device": "without a device"}.get(where, f"on {where}"),
            *(str(counts.get(outcome, 0)) for outcome in ("passed", "failed", "skipped")),
        ]
        for where, counts in sorted(found["devices"].items())
    ]
    yield table(rows, "The tests", "g3-machine", head=TESTS)
    if found["failures"]:
        yield nodes.paragraph("", "Those that failed:")
        yield listed(
            [
                nodes.literal("", failure["test"].rpartition("/")[2]),
                nodes.Text(f": {failure['what']}"),
            ]
            for failure in found["failures"]
        )


def operators(pages: Mapping[str, Mapping]) -> nodes.table:
    """A row for each, and one for all; on a phone the last column is not shown."""
    rows = []
    for name, group in [*((name, [page]) for name, page in pages.items()), ("All", pages.values())]:
        calls, differ, ties = (f"{sum(page[count] for page in group):,}" for count in COUNTED)
        gaps = (largest(group, kind) for kind in ("value", "gradient"))
        rows.append([nodes.inline("", "", *breakable(name)), calls, differ, *gaps, ties])
    return table(rows, "The operators, differences in eps", "g3-status", head=OPERATORS)


def largest(pages: Iterable[Mapping], kind: str) -> str:
    """The widest gap of a kind, over all dtypes; a dash where nothing was compared."""
    found = [
        float(gap["relative"])
        for page in pages
        for key, gap in page["largest"].items()
        if key.startswith(kind)
    ]
    if not found:
        return "–"
    most = max(found)
    return "∞" if most == float("inf") else f"{most:,.0f}" if most >= 100 else f"{most:.3g}"


def differences(pages: Mapping[str, Mapping]) -> Iterator[nodes.Node]:
    """Each operator's first differences, with the test that showed them and the reason."""
    items = [
        [nodes.literal("", name), nodes.Text(f", {place(note)}: {note['what']}; {note['why']} ("),
         test_name(note), nodes.Text(")")]
        for name, page in pages.items()
        for note in page["differences"]
    ]  # fmt: skip
    if items:
        yield nodes.paragraph("", "Where they differ, by the first tests that showed it:")
        yield listed(items)


def test_name(note: Mapping) -> nodes.literal:
    """Without the folders of its file."""
    path, _, name = note["test"].partition("::")
    return nodes.literal("", "", *breakable(f"{path.rpartition('/')[2]}::{name}"))


def breakable(name: str) -> list[nodes.Node]:
    """A long name, which a narrow page may break after each _ and : and dot."""
    parts = re.split(r"(?<=[_:.])(?=[^_:.])", name)
    between = [nodes.raw("", "<wbr>", format="html") for _ in parts]
    pairs = zip(map(nodes.Text, parts), between, strict=True)
    return [node for pair in pairs for node in pair][:-1]


def place(note: Mapping) -> str:
    return f"{note['kind']} {note['where']}".strip()


# ---- the chapters


def chapters(rows: list[Mapping], root: Path, docname: str) -> nodes.table:
    found = [
        [
            link(row["notebook"], root, docname),
            *map(str, (row["cells"], row["compared"], differing(row))),
        ]
        for row in rows
    ]
    return table(found, "The chapters", "g3-machine", head=CHAPTERS)


def link(notebook: str, root: Path, docname: str) -> nodes.Node:
    """To the chapter, under its title; only the name of one that the book no longer has."""
    if not (root / "notebooks" / f"{notebook}.ipynb").exists():
        return nodes.Text(notebook)
    return addnodes.pending_xref(
        "",
        nodes.inline("", notebook),
        refdomain="std",
        reftype="doc",
        refexplicit=False,
        reftarget=f"/notebooks/{notebook}",
        refdoc=docname,
        refwarn=True,
    )


def differing(row: Mapping) -> int:
    return len(row["differing"])


def cells(rows: list[Mapping]) -> Iterator[nodes.Node]:
    """Each cell that prints something else on the device, with the reason."""
    items = [
        [nodes.Text(f"{row['notebook']}, code cell {cell['cell']}: on the CPU "),
         nodes.literal("", cell["cpu"]), nodes.Text(", there "), nodes.literal("", cell["device"]),
         nodes.Text(f"; {cell['why']}")]
        for row in rows
        for cell in row["differing"]
    ]  # fmt: skip
    if items:
        yield nodes.paragraph("", "The first line that differs, cell by cell:")
        yield listed(items)


def listed(items: Iterable[list[nodes.Node]]) -> nodes.bullet_list:
    return nodes.bullet_list(
        "", *(nodes.list_item("", nodes.paragraph("", "", *parts)) for parts in items)
    )
