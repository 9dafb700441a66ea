"""The ledger of the CPU, the stand-in and the GPU, as `make ledger` wrote it, on its page.

    ```{ledger}
    ```

Until a GPU has run it, the page says what will stand there. Where operators or chapters are no
longer what was measured, it names them.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from . import digest
from .status import table

FILE = Path("book", "ledger.json")
DEVICES = {"standin": "Stand-in", "cuda": "GPU"}
"""The ledger's columns, each beside the CPU, and their names on the page."""

OPERATORS = ("Operator", "Calls", *DEVICES.values(), "Values", "Gradients", "Ties")
CHAPTERS = ("Notebook", "Code cells", "Compared", *DEVICES.values())
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
    if ledger["cuda"] is None:
        yield not_yet()
    columns = {device: ledger[device] for device in DEVICES if ledger[device]}
    for device, column in columns.items():
        yield from warnings(DEVICES[device], column, root)
    if not columns:
        return
    yield machines(columns)
    yield from tests([column["tests"] for column in columns.values()])
    pages = by_name({device: column["operators"] for device, column in columns.items()})
    yield operators(pages)
    yield from differences(pages)
    rows = {
        device: {row["notebook"]: row for row in column["notebooks"]}
        for device, column in columns.items()
    }
    if rows := by_name(rows):
        yield chapters(rows, root, docname)
        yield from cells(rows)


Rows = Mapping[str, Mapping[str, Mapping]]
"""What was found of an operator or a chapter, by its name and then by device."""


def by_name(found: Rows) -> Rows:
    """The same, by device and then by name."""
    names = dict.fromkeys(name for rows in found.values() for name in rows)
    return {name: {d: rows[name] for d, rows in found.items() if name in rows} for name in names}


# ---- words around the tables


def not_yet() -> nodes.Node:
    return told(
        "Not yet measured",
        "No GPU has run the operators as they are now. Once one has, this place has the device "
        "with its driver, the versions of CUDA and torch, the date and the commit; for each "
        "operator the calls that were repeated and the largest differences of values and of "
        "gradients; for each chapter the cells that print something else on a GPU, and why.",
    )


def warnings(name: str, column: Mapping, root: Path) -> Iterator[nodes.Node]:
    if changed := digest.changed(column, root):
        words = f"Since then these have changed: {', '.join(changed)}. What follows is of before."
        yield told(f"{name}: older than the book", words)
    if column["lost"]:
        words = f"The device was lost, and later calls were not repeated: {column['lost']}"
        yield told(f"{name}: broken off", words)


def told(title: str, words: str) -> nodes.topic:
    return nodes.topic("", nodes.title("", title), nodes.paragraph("", words))


def machines(columns: Mapping[str, Mapping]) -> nodes.table:
    facts = dict.fromkeys(fact for column in columns.values() for fact in column["machine"])
    rows = [
        [fact, *(column["machine"].get(fact, "–") for column in columns.values())] for fact in facts
    ]
    head = ("", *(DEVICES[device] for device in columns))
    return table(rows, "Measured on", "g3-machine", head=head)


# ---- the operators


def tests(found: list[Mapping]) -> Iterator[nodes.Node]:
    """Each device's own, and what ran beside the last of them on the CPU and without a device."""
    outcomes = {}
    for of_device in found:
        outcomes |= of_device["devices"]
    rows = [
        [
            {"no device": "without a device"}.get(where, f"on {where}"),
            *(str(counts.get(outcome, 0)) for outcome in ("passed", "failed", "skipped")),
        ]
        for where, counts in sorted(outcomes.items())
    ]
    yield table(rows, "The tests", "g3-machine", head=TESTS)
    failures = [failure for of_device in found for failure in of_device["failures"]]
    if failures:
        yield nodes.paragraph("", "Those that failed:")
        yield listed(
            [
                nodes.literal("", failure["test"].rpartition("/")[2]),
                nodes.Text(f": {failure['what']}"),
            ]
            for failure in failures
        )


def operators(pages: Rows) -> nodes.table:
    """A row for each, and one for all; on a phone the last column is not shown."""
    groups = {name: [found] for name, found in pages.items()}
    rows = []
    for name, group in (groups | {"All": list(pages.values())}).items():
        calls = sum(max(page["compared"] for page in found.values()) for found in group)
        on_gpu = [found["cuda"] for found in group if "cuda" in found]
        rows.append(
            [
                nodes.inline("", "", *breakable(name)),
                f"{calls:,}",
                *(count(group, device, lambda page: page["differing"]) for device in DEVICES),
                *(largest(on_gpu, kind) for kind in ("value", "gradient")),
                count(group, "cuda", lambda page: page["ties"]),
            ]
        )
    return table(rows, "The operators, differences in eps", "g3-status", head=OPERATORS)


def count(group: Iterable[Mapping], device: str, number: Callable[[Mapping], int]) -> str:
    """The sum over what a device has answered; a dash where it has answered nothing."""
    found = [number(pages[device]) for pages in group if device in pages]
    return f"{sum(found):,}" if found else "–"


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


def differences(pages: Rows) -> Iterator[nodes.Node]:
    """Each operator's first differences, with the test that showed them and the reason."""
    items = [
        [nodes.literal("", name),
         nodes.Text(f", {DEVICES[device]}, {place(note)}: {note['what']}; {note['why']} ("),
         test_name(note), nodes.Text(")")]
        for name, found in pages.items()
        for device, page in found.items()
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


def chapters(rows: Rows, root: Path, docname: str) -> nodes.table:
    found = []
    for name, on in rows.items():
        run = next(iter(on.values()))
        differ = [count([on], device, lambda row: len(row["differing"])) for device in DEVICES]
        counts = map(str, (run["cells"], run["compared"]))
        found.append([link(name, root, docname), *counts, *differ])
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


def cells(rows: Rows) -> Iterator[nodes.Node]:
    """Each cell that prints something else on a device, with the reason."""
    items = [
        [nodes.Text(f"{name}, code cell {cell['cell']}: on the CPU "),
         nodes.literal("", cell["cpu"]), nodes.Text(f", {DEVICES[device]} "),
         nodes.literal("", cell["device"]), nodes.Text(f"; {cell['why']}")]
        for name, found in rows.items()
        for device, row in found.items()
        for cell in row["differing"]
    ]  # fmt: skip
    if items:
        yield nodes.paragraph("", "The first line that differs, cell by cell:")
        yield listed(items)


def listed(items: Iterable[list[nodes.Node]]) -> nodes.bullet_list:
    return nodes.bullet_list(
        "", *(nodes.list_item("", nodes.paragraph("", "", *parts)) for parts in items)
    )
