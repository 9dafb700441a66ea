"""Every page of the built book in a browser, and pages broken on purpose."""

import random

import pytest
from fontTools.ttLib import TTFont

from . import weight
from .browser import CONTEXTS, Visit, is_blank, served
from .conftest import BUILT

PAGES = [path.relative_to(BUILT).as_posix() for path in weight.pages()]


def test_book_is_built():
    assert PAGES, "no built book: run `make book` first (`make test` does)"


@pytest.mark.parametrize("name", PAGES)
def test_page(browser, book, name):
    """No error, no request elsewhere; figures drawn, moved, recoloured; widgets alive; formulas
    and code shown whole; nothing that keeps a reader out, in either theme; the focus seen."""
    with Visit(browser, f"{book}/{name}") as visit:
        visit.measure_shift()
        visit.stay_at_rest()
        visit.read_formulas()
        if name.startswith("notebooks/"):  # elsewhere, captions may be long
            visit.measure_code()
        visit.check_access()
        visit.draw_figures()
        visit.swap_stills()
        visit.mount_widgets()
        visit.check_focus()
        visit.switch_theme()
        visit.check_access()
        assert visit.faults == []


@pytest.mark.parametrize("name", PAGES)
def test_page_on_a_phone(browser, book, name):
    """Light before the reader does anything, and no wider than the screen."""
    with Visit(browser, f"{book}/{name}", width=375) as visit:
        loaded = visit.loaded()
        assert loaded[visit.page.url] > 0
        assert sum(loaded.values()) <= weight.FIRST_LOAD, loaded
        visit.measure_width()
        assert visit.faults == []


@pytest.mark.parametrize("name", PAGES)
def test_page_from_disk(browser, name):
    """The book also works opened straight from a folder, with no server. All figures come by the
    same way, and `test_page` draws each."""
    with Visit(browser, (BUILT / name).as_uri()) as visit:
        visit.draw_figures(most=1)
        visit.mount_widgets()
        visit.switch_theme()
        assert visit.faults == []


def test_weights():
    assert weight.faults({name: weight.weigh(BUILT / name) for name in PAGES}) == []


def test_heavy_pages_are_noticed(tmp_path):
    noise = random.Random(0).randbytes(300_000).hex()
    (tmp_path / "figure.js").write_text(noise * 3)
    (tmp_path / "inline.html").write_text(f"<script>{noise * 4}</script>")
    (tmp_path / "also.html").write_text(f"<script>{noise * 4}</script>")
    (tmp_path / "beside.html").write_text('<div data-src="figure.js?v=1"></div>')
    found = weight.faults({p.name: weight.weigh(p) for p in tmp_path.glob("*.html")})
    assert any("half of the pages have more than 2400" in fault for fault in found)
    assert any("inline.html" in fault and "gzipped" in fault for fault in found)
    assert any("beside.html: 1800000 bytes of figure data" in fault for fault in found)


def test_every_icon_is_in_a_font():
    """The icon fonts are cut down to what the stylesheet names: none that it names is cut off."""
    css = (BUILT / "_static" / "book.css").read_text()
    named = {ord(character) for character in css if "\ue000" <= character <= "\uf8ff"}
    fonts = (BUILT / "_static" / "fonts").glob("icons-*.woff2")
    held = set().union(*(TTFont(font).getBestCmap() for font in fonts))
    assert named and named - held == set()


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
    "layout that moves": (
        "<p id=late></p><p style='height: 800px'>text</p><script>setTimeout(() => "
        "{ document.getElementById('late').style.height = '400px'; }, 300)</script>",
        "the layout shifted by",
    ),
    "image that says nothing": (
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
        "image-alt",
    ),
    "pale word": ("<p>read <span style='color: #bbb'>this</span></p>", "color-contrast"),
    "black on black": (
        "<p>read this</p><div style='background: #222'><p>read this</p></div>",
        "color-contrast",
    ),
    "text that fades": ("<p>read</p><div style='opacity: 0.4'><p>this</p></div>", "color-contrast"),
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
    "code that is cut off": (
        f"<div class=cell_input><pre style='overflow: auto'>{'x' * 999}</pre></div>",
        "a line of code is cut off",
    ),
    "figure that does not wait": (
        "<img alt=i src='data:,'><script>fetch('/_figures/f.js')</script>",
        "loaded at rest: ",
    ),
    "stills that stay": (
        "<figure class=g3-picture><div class=g3-slider><input type=range max=3 aria-label=n></div>"
        "<div class=g3-still>one</div><div class=g3-still hidden>two</div></figure>",
        "the slider n does not swap its stills",
    ),
    "formula left as LaTeX": (r"<p>\(x^2\)</p>", "a formula that is not shown"),
}


@pytest.mark.parametrize(("body", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_page_is_noticed(browser, tmp_path, body, message):
    page = f"<!doctype html><link rel=icon href=data:,><title>p</title><body>{body}"
    (tmp_path / "page.html").write_text(page)
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html", width=375) as visit:
        visit.measure_shift()
        visit.stay_at_rest()
        visit.read_formulas()
        visit.measure_code()
        visit.check_access()
        visit.draw_figures()
        visit.swap_stills()
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


def test_points_that_keep_their_colours_are_noticed(browser, tmp_path):
    script = """
      const canvas = document.querySelector(".g3-canvas"), root = document.documentElement;
      canvas.data = [{ marker: { color: "#0072B2" }, x: new Float32Array(3) }];
      Object.defineProperty(canvas, "_fullLayout", { get() {
        return { font: { color: root.dataset.theme } };
      } });"""
    page = "<!doctype html><link rel=icon href=data:,>" + PLOT.format("data-drawn", CANVAS)
    style = "<style>:root { --g3-python-source: #0072b2; --g3-python-index: #e69f00 }</style>"
    (tmp_path / "page.html").write_text(f"{page}{style}<script>{script}</script>")
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html") as visit:
        visit.switch_theme()
        assert visit.faults == ["a figure kept the light theme's colours of source"]


def test_blank_is_told_from_drawn(browser):
    page = browser.new_page()
    page.set_content("<body style='background: white'>")
    assert is_blank(page.screenshot())
    page.set_content("<body style='background: white'>a line of text")
    assert not is_blank(page.screenshot())
    page.close()
