"""Stills: a picture of each figure and explorable of a chapter, kept in the notebook's outputs.

    .venv/bin/python -m tests.notebooks.stills      # takes those that are missing or out of date

So a chapter shows its pictures where nothing has run: on GitHub, in nbviewer, in a Colab or a
JupyterLab that has it open. A still is taken from the built page, in its light form and with its
caption, and is a PNG of few colours. Beside it stands a digest of what it shows: of its cell, of
the cells that make what this one names, and of an explorable's own files. A still is taken again
when the digest differs; a test compares the digests and takes none.
"""

import ast
import base64
import hashlib
import io
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image
from playwright.sync_api import Locator, Page

from .normalise import STILL, dumps, reads, stills_of
from .rules import parse

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "notebooks"
BUILT = ROOT / "_build" / "html" / "notebooks"
WIDGETS = ROOT / "src" / "gather3d" / "widgets"

SHOWN = {"figure", "widget"}  # tags of the cells in question
LISTING = "figures.source("  # shows code, which is in the package
MOST = 25_000  # bytes of a still
ALL = 4_000_000  # of those of the book
SIZES = ((1, 64), (1, 32), (1, 16), (0.75, 32), (0.75, 16), (0.5, 16), (0.5, 8))  # scale, colours
PATIENCE = 120_000  # milliseconds for a page or a picture to be there, on a busy machine
HIDDEN = """  /* what only a page has, and what lies over it */
  details, input[type=range], .bd-header-article, #pst-back-to-top { display: none !important }
"""


# ---- which cells, and what they show


def pictured(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that show a figure or an explorable, and not only define one."""
    return [cell for cell in tagged(notebook) if shows(cell)]


def tagged(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in code(notebook) if SHOWN & set(cell.metadata.get("tags", []))]


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shows(cell: NotebookNode) -> bool:
    body = parse(cell.source).body
    return bool(body) and isinstance(body[-1], ast.Expr) and LISTING not in cell.source


def digest(notebook: NotebookNode, cell: NotebookNode) -> str:
    """Of all that decides what a cell shows, as far as its notebook says."""
    made = {}  # name -> the cells that bind it, so far
    needed = {}
    for other in code(notebook):
        tree = parse(other.source)
        bound, used = set(names(tree, ast.Store)), set(names(tree, ast.Load))
        own = set().union({other.id}, *(made.get(name, set()) for name in used | bound))
        needed[other.id] = own
        for name in bound:
            made[name] = own
        if other is cell:
            break
    parts = [other.source for other in code(notebook) if other.id in needed[cell.id]]
    for name in re.findall(r"\b([A-Z]\w+)Explorer\b", cell.source):
        parts += [
            (WIDGETS / f"{name.lower()}_explorer.{kind}").read_text() for kind in ("py", "js")
        ]
    return hashlib.sha256("\n\0".join(parts).encode()).hexdigest()[:16]


def names(tree: ast.Module, context: type) -> Iterable[str]:
    """The names that code binds (Store), or uses (Load)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, context):
            yield node.id
        elif context is ast.Store and isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif context is ast.Store and isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def faults(notebook: NotebookNode) -> list[str]:
    """The stills that are missing, out of date or too heavy, and those that show nothing now."""
    found, wanted = [], pictured(notebook)
    for number, cell in enumerate(code(notebook), start=1):
        stills = stills_of(cell)
        if cell not in wanted:
            found += [f"code cell {number}: a still of nothing"] * bool(stills)
        elif len(stills) != 1:
            found.append(f"code cell {number}: {len(stills)} stills: run `make stills`")
        elif stills[0].metadata[STILL] != digest(notebook, cell):
            found.append(f"code cell {number}: its still is out of date: run `make stills`")
        elif (size := len(picture(stills[0]))) > MOST:
            found.append(f"code cell {number}: a still of {size} bytes, wanted {MOST} at most")
    return found


def picture(output: NotebookNode) -> bytes:
    return base64.b64decode(output.data["image/png"])


# ---- taking them


def take(page: Page, notebook: NotebookNode) -> int:
    """Take the stills that the notebook lacks from its built page; return how many."""
    cells = page.locator("div.cell.tag_figure, div.cell.tag_widget").all()
    taken = 0
    for place, cell in zip(cells, tagged(notebook), strict=True):
        now = digest(notebook, cell)
        cell.outputs = stills_of(cell) if shows(cell) else []
        if not shows(cell) or [still.metadata[STILL] for still in cell.outputs] == [now]:
            continue
        figure = place.locator("figure").first
        ready(figure)
        data = {"image/png": base64.b64encode(small(figure.screenshot())).decode() + "\n"}
        data["text/plain"] = words(figure)
        cell.outputs = [
            NotebookNode(
                output_type="display_data",
                data=NotebookNode(data),
                metadata=NotebookNode({STILL: now}),
            )
        ]
        taken += 1
    return taken


def ready(figure: Locator) -> None:
    """The explorable is there, the images are loaded."""
    figure.scroll_into_view_if_needed()
    for widget in figure.locator(".g3-widget").all():
        widget.locator("xpath=self::*[@data-mounted]").wait_for()
    figure.evaluate(
        """figure => Promise.all([...figure.querySelectorAll("img")]
          .filter((image) => image.checkVisibility()).map((image) => image.decode()))"""
    )


def words(figure: Locator) -> str:
    """What the picture shows, for who cannot see it."""
    label = figure.locator("[aria-label]").locator("visible=true").first
    return label.get_attribute("aria-label")


def small(png: bytes) -> bytes:
    """The same picture as large, and in as many colours, as fits into the bytes that there are."""
    whole = Image.open(io.BytesIO(png)).convert("RGB")
    for scale, colours in SIZES:
        image = whole.resize([round(side * scale) for side in whole.size], Image.Resampling.LANCZOS)
        few = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        content = io.BytesIO()
        few.save(content, "PNG", optimize=True)
        if content.tell() <= MOST:
            return content.getvalue()
    raise ValueError(f"a still of {content.tell()} bytes, wanted {MOST} at most")


def main() -> int:
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    from gather3d_book.browser import find_browser, started

    browser = find_browser()
    if browser is None:
        sys.exit("stills are taken in Chromium or Chrome: `make system` installs one")
    with started(browser) as chromium:
        for path in sorted(CHAPTERS.glob("*.ipynb")):
            before = path.read_text(encoding="utf-8")
            notebook = reads(before)
            if not faults(notebook):
                continue
            page = chromium.new_page(viewport={"width": 1280, "height": 1600})
            page.set_default_timeout(PATIENCE)
            page.goto((BUILT / f"{path.stem}.html").as_uri(), wait_until="load")
            page.evaluate("document.documentElement.dataset.theme = 'light'")
            page.add_style_tag(content=HIDDEN)
            taken = take(page, notebook)
            page.close()
            after = dumps(notebook)
            if after != before:
                path.write_text(after, encoding="utf-8")
            print(f"{path.name}: {taken} stills taken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
