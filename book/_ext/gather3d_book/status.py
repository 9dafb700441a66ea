"""The table of the status page: every notebook, its cells, its run time, and the machine it ran on.

    ```{notebook-status}
    ```

The outputs on a page may come from an earlier build, so what is known about an execution is written
down when it happens, in the folder of the cache that keeps its outputs, and lives as long as they
do. The page is made again whenever the table would say something else.
"""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from docutils import nodes
from myst_nb.core.read import create_nb_reader
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from .execution import EXECUTIONS
from .figures import g3_figure
from .machine import machine

HEAD = ("Notebook", "Code cells", "Text cells", "Figures", "Seconds", "Executed (UTC)", "Device")
COUNTED = ("code", "text", "figures", "runtime")
DRAWN = re.compile('<figure class="g3-(diagram|picture)"')  # figures that need no plotly


def setup(app: Sphinx) -> None:
    app.add_node(notebook_status)
    app.add_directive("notebook-status", NotebookStatus)
    app.add_post_transform(WriteStatus)
    app.connect("doctree-read", remember_execution)
    app.connect("env-updated", outdated_pages)


class notebook_status(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """Where the tables will stand."""


class NotebookStatus(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        NbMetadataCollector.set_doc_data(self.env, self.env.docname, "has_status", True)
        return [notebook_status()]


# ---- while the notebooks are read


def remember_execution(app: Sphinx, doctree: nodes.document) -> None:
    """Keep with the cached outputs when and where they were made, and note what the page holds."""
    env = app.env
    executed = NbMetadataCollector.get_exec_data(env, env.docname)
    if not executed:
        return
    file = Path(app.config.nb_execution_cache_path) / EXECUTIONS / f"{env.docname}.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    # The run time has so many digits that no other execution has it: the cache gives it back as
    # it was, while the date that it gives is local time on one day and UTC on another.
    if record.get("runtime") != executed["runtime"]:
        record = {
            "runtime": executed["runtime"],
            "executed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            "machine": machine(),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record, indent=1))
    cells = Counter(cell.cell_type for cell in source_cells(env))
    row = {**record, "code": cells["code"], "text": cells["markdown"], "figures": figures(doctree)}
    NbMetadataCollector.set_doc_data(env, env.docname, "status", row)


def source_cells(env: BuildEnvironment) -> list:
    """The cells of the notebook that is being read, be it .ipynb or Markdown."""
    path = env.doc2path(env.docname)
    content = Path(path).read_text(encoding="utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, content)
    return reader.read(content).cells


def figures(doctree: nodes.document) -> int:
    drawn = sum(len(DRAWN.findall(node.astext())) for node in doctree.findall(nodes.raw))
    return drawn + sum(1 for _ in doctree.findall(g3_figure))


# ---- when all have been read


def notebooks(env: BuildEnvironment) -> dict[str, dict]:
    """What is known of each notebook, in the order of the book."""
    known = NbMetadataCollector.get_doc_data(env)
    order = [env.config.root_doc, *reading_order(env, env.config.root_doc)]
    return {name: known[name]["status"] for name in order if "status" in known.get(name, {})}


def reading_order(env: BuildEnvironment, docname: str) -> list[str]:
    found = []
    for child in env.toctree_includes.get(docname, []):
        found += [child, *reading_order(env, child)]
    return found


def outdated_pages(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages with a table, where it would not be the one that they have."""
    now = [(name, env.titles[name].astext(), row) for name, row in notebooks(env).items()]
    if now == getattr(env, "notebook_status", None):
        return []
    env.notebook_status = now
    known = NbMetadataCollector.get_doc_data(env)
    return [name for name, data in known.items() if data.get("has_status")]


# ---- while the page is written


class WriteStatus(SphinxPostTransform):
    """Put the tables in the place of the directive."""

    default_priority = 8  # before references are resolved

    def run(self, **_: object) -> None:
        for node in list(self.document.findall(notebook_status)):
            node.replace_self([self.notebooks(), *self.machines()])

    def notebooks(self) -> nodes.table:
        known = notebooks(self.env)
        rows = [
            [self.link(name), *counts(row), row["executed"], row["machine"]["Device"]]
            for name, row in known.items()
        ]
        total = {key: sum(row[key] for row in known.values()) for key in COUNTED}
        return table(
            [*rows, ["All", *counts(total), "", ""]], "The notebooks", "g3-status", head=HEAD
        )

    def link(self, docname: str) -> nodes.Node:
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        return nodes.reference("", self.title(docname), internal=True, refuri=uri)

    def title(self, docname: str) -> str:
        return self.env.titles[docname].astext()

    def machines(self) -> list[nodes.Node]:
        """A table for each machine. Where there are several, each says which notebooks it ran."""
        groups: dict[tuple, list[str]] = {}
        for name, row in notebooks(self.env).items():
            groups.setdefault(tuple(row["machine"].items()), []).append(self.title(name))
        return [
            table(
                [*[["Notebooks", ", ".join(titles)]] * (len(groups) > 1), *facts],
                "The machine" if len(groups) == 1 else f"Machine {k}",
                "g3-machine",
            )
            for k, (facts, titles) in enumerate(groups.items(), 1)
        ]


def counts(row: dict) -> list[str]:
    return [f"{row[key]:.1f}" if key == "runtime" else str(row[key]) for key in COUNTED]


def table(rows: list, title: str, name: str, head: tuple[str, ...] = ()) -> nodes.table:
    """A table whose first column names the row."""
    width = len(rows[0])
    group = nodes.tgroup(cols=width)
    group += [nodes.colspec(colwidth=1, stub=k == 0) for k in range(width)]
    if head:
        group += nodes.thead("", table_row(head))
    group += nodes.tbody("", *map(table_row, rows))
    # with an anchor, which Sphinx asks of every table that has a title
    anchor = nodes.make_id(title)
    return nodes.table("", nodes.title("", title), group, classes=[name], ids=[anchor])


def table_row(cells: list | tuple) -> nodes.row:
    texts = [cell if isinstance(cell, nodes.Node) else nodes.Text(cell) for cell in cells]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))
