"""The page of the ledger: what it says before a GPU has run, after it, and when that is old."""

import io
import json
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from gather3d_book import digest, ledger

from .markup import BeautifulSoup

NOTHING = {"absolute": 0.0, "relative": 0.0}
PAGE = {
    "calls": 1200,
    "compared": 1100,
    "ties": 2,
    "differing": 1,
    "kinds": {},
    "largest": {
        "value float32": {"absolute": 1e-6, "relative": 3.14159},
        "value int64": NOTHING,
        "gradient float64": {"absolute": "inf", "relative": "inf"},
    },
    "differences": [
        {
            "test": "tests/operators/test_points.py::test_knn[cpu]",
            "kind": "gradient",
            "where": "points",
            "what": "inf apart, inf eps",
            "why": "unexplained",
        }
    ],
}
MEASURED = {
    "machine": {"Device": "NVIDIA H100", "Driver": "580.1", "torch": "2.11", "Commit": "abc"},
    "lost": "",
    "tests": {
        "devices": {"cpu": {"passed": 5}, "cuda": {"passed": 4, "failed": 1}},
        "failures": [{"test": "tests/operators/test_points.py::test_ball[cuda]", "what": "1 != 2"}],
    },
    "operators": {"knn": PAGE, "pool": PAGE | {"largest": {}, "differences": []}},
    "notebooks": [
        {
            "notebook": "01-one",
            "cells": 9,
            "compared": 7,
            "differing": [{"cell": 4, "cpu": "1.0", "device": "2.0", "why": "atomics"}],
        },
        {"notebook": "99-gone", "cells": 1, "compared": 1, "differing": []},
    ],
}
# the other device, on which one operator and one chapter ran, and nothing differed
STANDIN = MEASURED | {
    "machine": {"Device": "none", "torch": "2.13"},
    "tests": {"devices": {"cpu": {"passed": 3}, "standin": {"passed": 4}}, "failures": []},
    "operators": {"knn": PAGE | {"compared": 1200, "differing": 0, "differences": []}},
    "notebooks": [{"notebook": "01-one", "cells": 9, "compared": 7, "differing": []}],
}


@pytest.fixture
def root(tmp_path):
    """A book of two pages, a module of operators and a chapter."""
    for folder in ("book", "notebooks", "src/gather3d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/gather3d/points.py").write_text("k = 8\n")
    (tmp_path / "notebooks/01-one.ipynb").write_text(json.dumps(new_notebook()))
    (tmp_path / "notebooks/01-one.rst").write_text("1 · One\n=======\n")
    (tmp_path / "index.rst").write_text(
        "The ledger\n==========\n\n.. ledger::\n\n.. toctree::\n   notebooks/01-one\n"
    )
    return tmp_path


def keep(root: Path, **columns: dict | None) -> None:
    """The ledger, of a book as it is now."""
    digests = {"digests": digest.operators(root) | digest.notebooks(root)}
    columns = {"standin": None, "cuda": None} | columns
    ledger = {device: column and digests | column for device, column in columns.items()}
    (root / "book/ledger.json").write_text(json.dumps(ledger))


def words(root: Path) -> str:
    """What the directive gives, as words."""
    found = json.loads((root / "book/ledger.json").read_text())
    return "\n".join(node.astext() for node in ledger.shown(found, root, "index"))


def build(root: Path) -> BeautifulSoup:
    """The page, by Sphinx with this directive alone; what it warns of is an error."""
    out = str(root / "_build")
    said = io.StringIO()
    with docutils_namespace():
        settings = {"extensions": ["gather3d_book.ledger"], "html_theme": "basic"}
        app = Sphinx(str(root), None, out, out, "html", settings, status=None, warning=said)
        app.build()
    assert not said.getvalue()
    return BeautifulSoup((root / "_build/index.html").read_text(), "html.parser")


def test_not_yet_measured(root):
    keep(root)
    assert words(root).startswith("Not yet measured")
    keep(root, standin=STANDIN)
    said = words(root)
    assert said.startswith("Not yet measured") and "on standin" in said and "on cuda" not in said


def test_warnings(root):
    keep(root, cuda=MEASURED, standin=STANDIN)
    assert not any(w in words(root) for w in ("Not yet", "older than", "broken off"))
    keep(root, cuda=MEASURED | {"lost": "test_knn: CUDA error", "digests": {"points": "before"}})
    said = words(root)
    assert "GPU: broken off" in said and "CUDA error" in said
    assert "GPU: older than the book" in said and "these have changed: 01-one, points." in said


def test_page(root):
    """What was measured, in tables; once an operator changes, the page says so."""
    keep(root, cuda=MEASURED, standin=STANDIN)
    page = build(root)
    machine, tests, operators, chapters = (
        [[cell.get_text(strip=True) for cell in row.select("th, td")] for row in table.select("tr")]
        for table in page.select("table")
    )
    assert machine[:2] == [["", "Stand-in", "GPU"], ["Device", "none", "NVIDIA H100"]]
    assert machine[-2:] == [["Driver", "–", "580.1"], ["Commit", "–", "abc"]]
    assert tests[1:] == [
        ["on cpu", "5", "0", "0"],
        ["on cuda", "4", "1", "0"],
        ["on standin", "4", "0", "0"],
    ]
    assert operators == [
        ["Operator", "Calls", "Stand-in", "GPU", "Values", "Gradients", "Ties"],
        ["knn", "1,200", "0", "1", "3.14", "∞", "2"],
        ["pool", "1,100", "–", "1", "–", "–", "2"],
        ["All", "2,300", "0", "2", "3.14", "∞", "4"],
    ]
    assert chapters == [
        ["Notebook", "Code cells", "Compared", "Stand-in", "GPU"],
        ["1 · One", "9", "7", "0", "1"],
        ["99-gone", "1", "1", "–", "0"],
    ]
    said = page.get_text()
    assert "knn, GPU, gradient points: inf apart, inf eps; unexplained (test_points.py::" in said
    assert "01-one, code cell 4: on the CPU 1.0, GPU 2.0; atomics" in said
    assert "test_points.py::test_ball[cuda]: 1 != 2" in said
    assert "older than the book" not in said

    (root / "src/gather3d/points.py").write_text("k = 9\n")
    assert "these have changed: points." in build(root).get_text()
