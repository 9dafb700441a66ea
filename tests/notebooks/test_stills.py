"""Stills: every figure of a chapter has a picture in the notebook, of what it shows now."""

import base64
import io
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from . import stills
from .normalise import STILL, normalise, reads

CHAPTERS = {path.name: reads(path.read_text()) for path in sorted(stills.CHAPTERS.glob("*.ipynb"))}


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_figure_has_its_still(name):
    assert stills.faults(CHAPTERS[name]) == []


def test_stills_are_pictures_with_words_and_light_together():
    kept = [
        output
        for notebook in CHAPTERS.values()
        for cell in stills.pictured(notebook)
        for output in cell.outputs
    ]
    assert len(kept) > 70
    for output in kept:
        image = Image.open(io.BytesIO(stills.picture(output)))
        assert image.width > 300 and len(image.getcolors()) > 1
        assert len(output.data["text/plain"]) > 4
    assert sum(len(stills.picture(output)) for output in kept) <= stills.ALL


def png(size: int) -> str:
    content = io.BytesIO()
    Image.effect_noise((size, size), 90).convert("RGB").save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def kept(notebook: nbformat.NotebookNode, cell: nbformat.NotebookNode, size: int = 8) -> None:
    now = stills.digest(notebook, cell)
    data = {"image/png": png(size), "text/plain": "noise"}
    cell.outputs = [nbformat.v4.new_output("display_data", data, metadata={STILL: now})]


@pytest.fixture
def chapter():
    """A figure that rests on two cells, and one that rests on the first alone."""
    sources = [
        "from gather3d import figures\na = 1",
        "b = a + 1",
        "figures.chart(b)",
        "figures.f(a)",
    ]
    cells = [new_code_cell(source) for source in sources]
    for cell in cells[2:]:
        cell.metadata.tags = ["figure"]
    notebook = new_notebook(cells=cells)
    for cell in cells[2:]:
        kept(notebook, cell)
    assert stills.faults(notebook) == []
    return notebook


def test_a_still_is_out_of_date_when_what_it_rests_on_has_changed(chapter):
    chapter.cells[1].source = "b = a + 2"
    assert stills.faults(chapter) == ["code cell 3: its still is out of date: run `make stills`"]
    chapter.cells[0].source += "\nc = 3"
    assert len(stills.faults(chapter)) == 2


def test_a_still_that_is_missing_heavy_or_of_nothing_is_noticed(chapter):
    chapter.cells[2].outputs = []
    assert stills.faults(chapter) == ["code cell 3: 0 stills: run `make stills`"]
    kept(chapter, chapter.cells[2], size=400)
    assert "wanted 25000 at most" in stills.faults(chapter)[0]
    chapter.cells[2].source = "c = figures.chart(b)"
    assert stills.faults(chapter) == ["code cell 3: a still of nothing"]


def test_an_explorables_own_files_count(chapter, monkeypatch, tmp_path):
    for kind in ("py", "js"):
        (tmp_path / f"gather_explorer.{kind}").write_text("one")
    monkeypatch.setattr(stills, "WIDGETS", Path(tmp_path))
    cell = chapter.cells[3]
    cell.source = "GatherExplorer()"
    kept(chapter, cell)
    assert stills.faults(chapter) == []
    (tmp_path / "gather_explorer.js").write_text("two")
    assert stills.faults(chapter) == ["code cell 4: its still is out of date: run `make stills`"]


def test_a_still_is_kept_where_other_outputs_are_not(chapter):
    cell = chapter.cells[2]
    cell.outputs.append(nbformat.v4.new_output("display_data", {"text/html": "<svg>"}))
    normal = normalise(chapter).cells[2]
    assert [list(output.metadata) for output in normal.outputs] == [[STILL]]


def test_a_picture_loses_colours_and_size_until_it_fits():
    noise = Image.effect_noise((180, 180), 90).convert("RGB")
    content = io.BytesIO()
    noise.save(content, "PNG")
    assert content.tell() > stills.MOST
    assert len(stills.small(content.getvalue())) <= stills.MOST
