"""Posters: what stands in a scene's place until a reader does something, and on paper."""

import io
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Locator

from gather3d_book import posters
from gather3d_book.posters import DENSITY, DESKTOP, PHONE, THEMES

from .browser import Visit, is_blank, served
from .conftest import BUILT
from .small_book import FIGURE, WORDS, SmallBook

SLIDER = """\
from gather3d.figures import points, scene, slider
def draw(power):
    places = [[k, k**power, 0.0] for k in (1.0, 2.0, 3.0)]
    return scene(points(places, size=9), caption="A curve.", alt="A curve.")
slider(draw, [1, 2, 3], "power", start=2, caption="It bends.", alt="Three curves.")"""
ALIKE = 0.3  # of what a picture shows: thin lines drawn at two densities differ by 0.2
SETTLED = 700  # milliseconds in which a page would ask for what it wants
GROUND = {"light": "#ffffff", "dark": "#121212"}  # about what a page is coloured
MESSAGE = "No Chromium or Chrome here"
CHAPTERS = sorted(
    path.relative_to(BUILT).as_posix() for path in (BUILT / "notebooks").glob("*.html")
)


@pytest.fixture(scope="module")
def small(browser, tmp_path_factory):
    """A chapter with a figure, and below it a scene with a slider; built once."""
    book = SmallBook(tmp_path_factory.mktemp("posters"))
    book.chapter(FIGURE.format(WORDS), SLIDER)
    status, output = book.build()
    assert status == 0, output
    assert "Drawing the posters of 2 figures" in output
    return book


@pytest.fixture
def chapter(small):
    with served(small.root / "_build" / "html") as address:
        yield f"{address}/notebooks/01-one.html"


def files(small: SmallBook, folder: str) -> set[str]:
    return {path.name for path in (small.root / "_build" / folder).iterdir()}


def poster(figure: Locator) -> Locator:
    """The poster to be seen, loaded."""
    picture = figure.locator(".g3-poster:visible img")
    picture.evaluate("image => image.complete || new Promise((r) => { image.onload = r })")
    return picture


def place(element: Locator) -> dict:
    """Where an element stands on the page, however far that is scrolled."""
    return element.evaluate(
        """element => {
          const { x, y, width, height } = element.getBoundingClientRect();
          return { x, y: y + scrollY, width, height };
        }"""
    )


def difference(one: bytes, other: bytes) -> float:
    """How much two pictures of one size differ, of all that the first one shows on its ground."""
    first, second = (Image.open(io.BytesIO(png)).convert("RGB") for png in (one, other))
    assert first.size == second.size
    ground = Image.new("RGB", first.size, first.getpixel((2, 2)))
    apart, drawn = (
        sum(ImageStat.Stat(ImageChops.difference(first, image)).sum) for image in (second, ground)
    )
    return apart / drawn


# ---- what is drawn


@pytest.mark.usefixtures("browser")  # a book that is built without one has no posters
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_figure_has_posters(name):
    """In both themes and both widths, of the figure's height; none is blank."""
    page = (BUILT / name).read_text()
    figures = re.findall(r'<div class="g3-plot".*?<figcaption>', page, re.DOTALL)
    assert figures, "a chapter without a figure"
    for figure in figures:
        height = int(re.search(r"height:(\d+)px", figure)[1])
        for theme in THEMES:
            picture = re.search(rf'<picture class="g3-poster g3-{theme}">.*?</picture>', figure)[0]
            narrow, wide = re.search(r'srcset="(.*?)".*?src="(.*?)"', picture).groups()
            for width, address in ((PHONE, narrow), (DESKTOP, wide)):
                image = Image.open((BUILT / name).parent / unquote(address)).convert("RGBA")
                assert image.size == (width * DENSITY, height * DENSITY)
                shown = Image.new("RGBA", image.size, GROUND[theme])
                shown.alpha_composite(image)
                png = io.BytesIO()
                shown.save(png, "PNG")
                assert not is_blank(png.getvalue()), address


def test_no_poster_is_left_over():
    """The book holds the posters that its pages name, and no other."""
    pages = [path.read_text() for path in BUILT.rglob("*.html")]
    named = {name for page in pages for name in re.findall(r"_posters/([\w-]+\.webp)", page)}
    assert {path.name for path in (BUILT / posters.FOLDER).iterdir()} == named


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [375, 1280])
def test_poster_looks_like_its_figure(browser, chapter, width, theme):
    """It has the size of the canvas, pixel for pixel about its look, and moves nothing."""
    with Visit(browser, chapter, width=width) as visit:
        visit.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        figures = visit.page.locator(".g3-plot").all()
        before = []
        for figure in figures:
            assert place(figure)["width"] == {375: PHONE, 1280: DESKTOP}[width]
            assert place(poster(figure)) == place(figure)
            before.append((poster(figure).screenshot(), place(figure)))
        visit.page.mouse.move(5, 5)
        for figure, (png, box) in zip(figures, before, strict=True):
            figure.scroll_into_view_if_needed()
            figure.locator("xpath=self::*[@data-drawn]").wait_for()
            canvas = figure.locator(".g3-canvas")
            assert place(figure) == place(canvas) == box
            assert difference(png, canvas.screenshot()) < ALIKE
        assert visit.faults == []


def test_poster_that_differs_would_be_noticed():
    pictures = []
    for x in (10, 12):
        image = Image.new("RGB", (100, 60), "white")
        image.paste("black", (x, 10, x + 10, 60))
        png = io.BytesIO()
        image.save(png, "PNG")
        pictures.append(png.getvalue())
    assert difference(*pictures) > ALIKE > difference(pictures[0], pictures[0])


# ---- when a figure is live


ACTS = {
    "pointer": lambda page: page.mouse.move(5, 5),
    "wheel": lambda page: page.mouse.wheel(0, 10),
    "key": lambda page: page.keyboard.press("Tab"),
    "scroll": lambda page: page.evaluate("scrollBy(0, 10)"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_figures_wait_for_the_reader(browser, chapter, act):
    """The figures are in sight, and nothing of plotly is loaded before the reader acts."""
    with Visit(browser, chapter) as visit:
        visit.page.wait_for_timeout(SETTLED)
        assert visit.asked_for_figures() == []
        assert visit.page.locator("[data-drawn]").count() == 0
        act(visit.page)
        visit.page.locator(".g3-plot[data-drawn]").first.wait_for()
        assert any("/plotly-" in name for name in visit.asked_for_figures())
        assert visit.faults == []


def test_posters_follow_the_theme(browser, chapter):
    """Each theme has its own poster, and the other's is not loaded."""
    with Visit(browser, chapter) as visit:
        figure = visit.page.locator(".g3-plot").first
        assert poster(figure).get_attribute("src").endswith("-light.webp")
        light = poster(figure).screenshot()
        loaded = visit.page.locator(".g3-dark img").first.evaluate("image => image.complete")
        assert not loaded
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert poster(figure).get_attribute("src").endswith("-dark.webp")
        assert difference(light, poster(figure).screenshot()) > 1
        assert visit.asked_for_figures() == [] and visit.faults == []


def test_slider_is_there_before_the_figure(browser, chapter):
    """It stands where the poster does; a key moves it, and the figure comes to life there."""
    with Visit(browser, chapter) as visit:
        figure = visit.page.locator(".g3-plot:has(.g3-slider)")
        control = figure.locator("input")
        assert control.get_attribute("aria-valuetext") == "2"
        assert control.get_attribute("aria-label") == "power"
        assert poster(figure).is_visible() and visit.asked_for_figures() == []
        control.press("ArrowRight")
        assert control.get_attribute("aria-valuetext") == "3"
        assert "loading" in figure.locator(".g3-words").inner_text()
        figure.locator("xpath=self::*[@data-drawn]").wait_for()
        assert figure.locator(".g3-words").inner_text() == ""
        drawn = figure.locator(".g3-canvas").evaluate("canvas => [...canvas._fullData[0].y]")
        assert drawn == [1, 8, 27]
        assert visit.faults == []


def test_poster_is_back_when_the_figure_gives_its_context_back(browser, book):
    """On a page with more scenes than contexts, each figure shows its canvas or its poster."""
    with Visit(browser, f"{book}/notebooks/01-gather.html") as visit:
        visit.draw_figures()
        states = visit.page.locator(".g3-plot").evaluate_all(
            """plots => plots.map((plot) => [
              "drawn" in plot.dataset,
              Boolean(plot.querySelector(".g3-canvas")),
              getComputedStyle(plot.querySelector(".g3-light")).visibility === "visible",
            ])"""
        )
        assert [True, True, False] in states and [False, False, True] in states
        assert all(drawn is not seen for drawn, _, seen in states)
        assert visit.faults == []


def test_lost_figure_says_so(browser, chapter):
    """plotly.js cannot be loaded: the poster stays, with a line that says so."""
    with Visit(browser, chapter) as visit:
        visit.page.route("**/plotly-*", lambda route: route.abort())
        visit.page.mouse.move(5, 5)
        figure = visit.page.locator(".g3-plot").first
        figure.locator(".g3-words", has_text="could not be loaded").wait_for()
        assert poster(figure).is_visible()


# ---- when the book is built


def test_only_what_changed_is_drawn_again(browser, tmp_path):
    small = SmallBook(tmp_path)
    small.chapter(FIGURE.format(WORDS), SLIDER)
    assert small.build()[0] == 0
    first = files(small, "html/_posters")
    assert first == files(small, ".posters") and len(first) == 2 * 4

    # the text of another page changed: nothing is drawn
    small.page("Another text.")
    status, output = small.build()
    assert status == 0 and "Drawing" not in output, output
    assert files(small, "html/_posters") == first

    # one figure changed: it alone is drawn, and its old posters are gone
    small.chapter(FIGURE.format(WORDS).replace("x=[0, 1]", "x=[0, 2]"), SLIDER)
    status, output = small.build()
    assert status == 0 and "Drawing the posters of 1 figures" in output, output
    second = files(small, "html/_posters")
    assert second == files(small, ".posters") and len(second & first) == len(second - first) == 4
    page = small.html("notebooks/01-one.html")
    assert set(re.findall(r"_posters/([\w-]+\.webp)", page)) == second

    # without a browser: the build says so, and no page names a poster
    status, output = small.build(PATH=str(Path(sys.executable).parent))
    assert status == 0 and MESSAGE in output, output
    assert files(small, "html/_posters") == files(small, ".posters") == set()
    page = small.html("notebooks/01-one.html")
    assert "g3-poster" not in page and "g3-waiting" in page

    # where there are no posters, figures are drawn when they are near
    with (
        served(small.root / "_build" / "html") as address,
        Visit(browser, f"{address}/notebooks/01-one.html") as visit,
    ):
        visit.page.locator(".g3-plot[data-drawn]").first.wait_for()
        assert visit.page.locator(".g3-slider input").is_visible()
        assert visit.faults == []


def test_figure_that_cannot_be_drawn_fails_the_build(browser, small, monkeypatch, tmp_path):
    monkeypatch.setattr(posters, "PATIENCE", 500)
    lost = {"name": "lost", "file": "_figures/lost.js", "digest": "0", "height": 300}
    html = small.root / "_build" / "html"
    with pytest.raises(posters.PosterError, match="the figure lost could not be drawn"):
        posters.draw(browser, html, [{**lost, "page": "notebooks/01-one.html"}], "look", tmp_path)


def test_browser_that_only_says_how_to_install_one(monkeypatch, tmp_path):
    from gather3d_book.browser import find_browser

    command = tmp_path / "chromium-browser"
    command.write_text("#!/bin/sh\necho 'install it with snap'\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() is None
    command.write_text("#!/bin/sh\necho 'Chromium 1.0'\n")
    assert find_browser() == str(command)


# ---- on paper

PAPER = 673  # pixels: what the margins leave of A4
HINT = "\n\n".join(
    [
        "# 1 · One",
        *["A paragraph that takes room."] * 120,
        ":::{admonition} A hint\n:class: dropdown\nIt is to be read.\n:::",
    ]
)
CHROME = (
    ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .bd-footer, .prev-next-area,"
    " .copybtn, .toggle-button, .g3-slider input"
)


@pytest.fixture(scope="module")
def long(browser, tmp_path_factory):
    """A chapter whose figures are far from its beginning."""
    book = SmallBook(tmp_path_factory.mktemp("paper"))
    book.chapter(FIGURE.format(WORDS), SLIDER, "x = '" + "wide " * 60 + "'", text=HINT)
    status, output = book.build()
    assert status == 0, output
    with served(book.root / "_build" / "html") as address:
        yield f"{address}/notebooks/01-one.html"


def pictures_in(pdf: bytes) -> list[int]:
    """The widths in pixels of the pictures of a PDF; one with see-through parts counts twice."""
    headers = re.findall(rb"<<[^<>]*/Subtype /Image[^<>]*>>", pdf)
    return [int(re.search(rb"/Width (\d+)", header)[1]) for header in headers]


def printed(visit: Visit) -> bytes:
    """The page as a PDF.

    Printing makes the browser load what the reader has not come to, but it waits for two seconds
    or three at most. On a busy machine that is short: the PDF is that of a second time.
    """
    visit.page.pdf(format="A4")
    loaded = "[...document.querySelectorAll('.g3-light img')].every((image) => image.complete)"
    visit.page.wait_for_function(loaded)
    return visit.page.pdf(format="A4")


def on_paper(visit: Visit) -> None:
    """The page as it is printed: its handlers have run, its pictures are there."""
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visit.page.emulate_media(media="print")
    visit.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("theme", THEMES)
def test_pdf_has_the_posters(browser, long, theme):
    """Also of figures that the reader never scrolled to, and light ones in the dark theme."""
    with Visit(browser, long, width=1280) as visit:
        visit.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        pdf = printed(visit)
        assert pdf.count(b"/Type /Page\n") >= 3
        assert pictures_in(pdf).count(DESKTOP * DENSITY) == 2 * 2
        loaded = visit.page.evaluate("performance.getEntriesByType('resource').map((e) => e.name)")
        assert sum(name.endswith(f"{DESKTOP}-light.webp") for name in loaded) == 2
        assert visit.page.evaluate("document.documentElement.dataset.theme") == theme
        assert visit.faults == []


@pytest.mark.parametrize("theme", THEMES)
def test_printed_page_is_clean(browser, long, theme):
    """Black on white, nothing wider than the paper, no buttons, the folded hint to be read."""
    with Visit(browser, long, width=PAPER) as visit:
        visit.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert not visit.page.get_by_text("It is to be read.").is_visible()
        on_paper(visit)
        assert visit.page.get_by_text("It is to be read.").is_visible()
        assert visit.page.get_by_text("1 · One").filter(visible=True).count() == 1
        assert visit.page.locator(CHROME).filter(visible=True).all_inner_texts() == []
        visit.measure_width()
        visit.page.locator(".g3-plot").first.scroll_into_view_if_needed()
        image = Image.open(io.BytesIO(visit.page.screenshot())).convert("L")
        dark = sum(image.histogram()[:100]) / (image.width * image.height)
        assert 0 < dark < 0.05
        assert visit.faults == []


def test_live_figure_is_printed_as_its_poster(browser, long):
    with Visit(browser, long, width=PAPER) as visit:
        visit.draw_figures()
        on_paper(visit)
        figure = visit.page.locator(".g3-plot:has(.g3-slider)")
        assert poster(figure).is_visible() and not figure.locator(".g3-canvas").is_visible()
        label = "slider => getComputedStyle(slider, '::before').content"
        assert figure.locator(".g3-slider").evaluate(label) == '"power: 2"'  # it stands at 1 or 3


def test_chapter_prints(browser, book):
    """A real one, from a dark page: all its posters, on white, no wider than the paper."""
    with Visit(browser, f"{book}/notebooks/07-sparse-convolution.html", width=PAPER) as visit:
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        figures = visit.page.locator(".g3-plot").count()
        pdf = printed(visit)
        assert pictures_in(pdf).count(DESKTOP * DENSITY) == 2 * figures
        on_paper(visit)
        visit.measure_width()
        assert visit.faults == []
