"""Every page of the built book in a browser, and pages broken on purpose."""

import pytest

from .browser import CONTEXTS, Visit, is_blank, served
from .conftest import BUILT

PAGES = sorted(
    path.relative_to(BUILT).as_posix()
    for folder in ("book", "notebooks")
    for path in (BUILT / folder).rglob("*.html")
)


def test_book_is_built():
    assert PAGES, "no built book: run `make book` first (`make test` does)"


@pytest.mark.parametrize("name", PAGES)
def test_page(browser, book, name):
    """No error, no request elsewhere; figures drawn, moved, recoloured; widgets alive; formulas."""
    with Visit(browser, f"{book}/{name}") as visit:
        visit.read_formulas()
        visit.draw_figures()
        visit.mount_widgets()
        visit.switch_theme()
        assert visit.faults == []


@pytest.mark.parametrize("name", PAGES)
def test_page_on_a_phone(browser, book, name):
    with Visit(browser, f"{book}/{name}", width=375) as visit:
        visit.measure_width()
        assert visit.faults == []


def test_landing_page_from_disk(browser):
    """The book also works opened straight from a folder, with no server."""
    with Visit(browser, (BUILT / "book" / "index.html").as_uri()) as visit:
        assert visit.page.locator(".g3-plot").count() > 0
        visit.draw_figures()
        assert visit.faults == []


def test_search_works_offline(browser, book):
    with Visit(browser, f"{book}/search.html?q=voxel") as visit:
        visit.page.locator("#search-results li").first.wait_for()
        assert visit.faults == []


# ---- pages broken on purpose: each fault is noticed

CANVAS = "<canvas width=80 height=80></canvas>"
CONTEXT = "document.body.appendChild(document.createElement('canvas')).getContext('webgl')"
PLOT = '<div class="g3-plot" data-figure="f" {}><div class="g3-canvas">{}</div></div>'

BROKEN = {
    "script from another host": (
        "<script src='http://127.0.0.1:1/widget.js'></script>",
        "request to another host",
    ),
    "missing file": ("<img src='missing.png'>", "404"),
    "error in the console": ("<script>console.error('no')</script>", "console: no"),
    "exception": ("<script>throw new Error('no')</script>", "exception: no"),
    "blank figure": (PLOT.format("data-drawn", CANVAS), "figure f is blank"),
    "too many contexts": (
        PLOT.format("data-drawn", "<svg><circle cx=9 cy=9 r=9 /></svg>")
        + f"<script>for (let k = 0; k <= {CONTEXTS}; k++) {CONTEXT}</script>",
        f"{CONTEXTS + 1} live WebGL contexts",
    ),
    "wide table": ("<div style='width: 900px'>wide</div>", "the page is"),
    "slider that is dead": (
        PLOT.format("data-drawn", "<svg><circle cx=9 cy=9 r=9 /></svg>").replace(
            '<div class="g3-canvas">',
            '<div class=g3-slider><input type=range aria-valuetext=3></div><div class="g3-canvas">',
        ),
        "the slider of figure f did not answer",
    ),
    "figure that ignores its slider": (
        PLOT.format("data-drawn", "<svg><circle cx=9 cy=9 r=9 /></svg>").replace(
            '<div class="g3-canvas">',
            "<div class=g3-slider><input type=range min=0 max=3 aria-valuetext=0 "
            "oninput='this.ariaValueText = this.value'></div><div class=\"g3-canvas\">",
        ),
        "figure f did not follow its slider",
    ),
    "formula left as LaTeX": (r"<p>\(x^2\)</p>", "a formula that is not shown"),
}


@pytest.mark.parametrize(("body", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_page_is_noticed(browser, tmp_path, body, message):
    page = f"<!doctype html><link rel=icon href=data:,><title>p</title><body>{body}"
    (tmp_path / "page.html").write_text(page)
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html", width=375) as visit:
        visit.read_formulas()
        visit.draw_figures()
        visit.measure_width()
        assert any(message in fault for fault in visit.faults), visit.faults


def test_undrawn_figure_is_noticed(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.site.browser.PATIENCE", 200)
    page = "<!doctype html><link rel=icon href=data:,>" + PLOT.format("", CANVAS)
    (tmp_path / "page.html").write_text(page)
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html") as visit:
        visit.draw_figures()
        assert visit.faults == ["figure f was not drawn"]


def test_figure_that_keeps_its_colours_is_noticed(browser, tmp_path):
    script = "document.querySelector('.g3-canvas')._fullLayout = {font: {color: '#000'}}"
    page = "<!doctype html><link rel=icon href=data:,>" + PLOT.format("data-drawn", CANVAS)
    (tmp_path / "page.html").write_text(f"{page}<script>{script}</script>")
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html") as visit:
        visit.page.set_default_timeout(300)
        visit.switch_theme()
        assert visit.faults == ["a figure kept its colours in the dark theme"]


def test_blank_is_told_from_drawn(browser):
    page = browser.new_page()
    page.set_content("<body style='background: white'>")
    assert is_blank(page.screenshot())
    page.set_content("<body style='background: white'>a line of text")
    assert not is_blank(page.screenshot())
    page.close()
