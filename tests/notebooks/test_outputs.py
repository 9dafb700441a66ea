"""What the build of the book computed is what the chapters have stored, compared by nbval.

The build has executed every cell, so none is executed here again. `pytest --nbval notebooks` does
both, and runs on another device.
"""

from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from nbformat.v4 import new_output
from nbval.plugin import IPyNbFile, coalesce_streams

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "_build" / ".jupyter_cache"
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REFERENCE = sorted((ROOT / "notebooks" / "reference").glob("*.ipynb"))


@pytest.fixture(scope="module")
def cache():
    """What the build of the book keeps; it makes a folder for each state of what chapters import,
    and drops the others."""
    (folder,) = CACHE.iterdir()
    return get_cache(folder)


def executed(cache, path: Path) -> list[nbformat.NotebookNode]:
    """The code cells of this chapter as the build has run them; there is none of another text."""
    notebook = nbformat.read(path, as_version=4)
    record = cache.match_cache_notebook(notebook)
    cells = cache.get_cache_bundle(record.pk).nb.cells
    return [cell for cell in cells if cell.cell_type == "code"]


def differences(stored: Path, ran: list[nbformat.NotebookNode], session) -> list[str]:
    """Each cell whose outputs differ, and how."""
    asked = list(IPyNbFile.from_parent(session, path=stored).collect())
    found = []
    for one, other in zip(asked, ran, strict=True):
        both = map(coalesce_streams, (other.outputs, one.cell.outputs))
        if one.options["check"] and not one.compare_outputs(*both):
            found.append("\n".join([f"{one.name}: {one.cell.source}", *one.comparison_traceback]))
    return found


@pytest.mark.parametrize("path", CHAPTERS + REFERENCE, ids=lambda path: path.stem)
def test_stored_outputs_are_what_the_build_computed(path, cache, request):
    assert differences(path, executed(cache, path), request.session) == []


def is_compared(cell) -> bool:
    """It shows a value, and no picture: a still is compared with its sources, not with the run."""
    ignored = "nbval-ignore-output" in cell.metadata.get("tags", [])
    return not ignored and "text/plain" in cell.outputs[0].get("data", {})


def changed(cell) -> None:
    cell.outputs[0].data["text/plain"] += "."


def missing(cell) -> None:
    cell.outputs.clear()


def one_more(cell) -> None:
    cell.outputs.append(new_output("stream", name="stdout", text="more"))


@pytest.mark.parametrize("change", [changed, missing, one_more])
def test_another_output_is_noticed(tmp_path, cache, request, change):
    path = CHAPTERS[0]
    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c in notebook.cells if c.get("outputs") and is_compared(c))
    change(cell)
    stored = tmp_path / path.name
    nbformat.write(notebook, stored)
    (found,) = differences(stored, executed(cache, path), request.session)
    assert cell.source in found
