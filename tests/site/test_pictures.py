"""Flat pictures on a page: without a script, in both themes, on a phone, on paper."""

import re

import pytest

from gather3d_book import pictures

from .browser import Visit, served
from .test_build import SmallBook

CHART = """\
from gather3d.figures import chart, line
chart(line([1, 2, 3], [1, 4, 9], name="squares"), x="n", caption="`It` bends.", alt="A curve.")"""
IMAGE = """\
import torch
from gather3d.figures import image
image(torch.arange(200.0).reshape(10, 20), caption="It climbs.", alt="A slope.")"""
SLIDER = """\
def draw(power):
    return chart(line([1, 2, 3], [1, 2**power, 3**power]), caption="A curve.", alt="A curve.")
from gather3d.figures import slider
slider(draw, [1, 2, 3], "power", start=2, caption="It bends.", alt="Three curves.")"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    book = SmallBook(tmp_path_factory.mktemp("pictures"))
    book.chapter(CHART, IMAGE, SLIDER)
    status, output = book.build()
    assert status == 0, output
    assert "Drawing" not in output  # no poster
    return book


@pytest.fixture
def chapter(small):
    with served(small.root / "_build" / "html") as address:
        yield f"{address}/notebooks/01-one.html"


def ink(visit: Visit) -> tuple[str, str]:
    """The colours of the words and of the line of the first picture."""
    return tuple(
        visit.page.evaluate(
            """() => {
              const svg = document.querySelector(".g3-picture svg");
              const line = svg.querySelector("path[stroke*=source]");
              return [getComputedStyle(svg.querySelector("text")).fill,
                getComputedStyle(line).stroke];
            }"""
        )
    )


def test_pictures_are_part_of_the_page(small):
    """With their words and numbers; an image of numbers is a file, and there is no plotly."""
    page = small.html("notebooks/01-one.html")
    assert page.count(pictures.FIGURE) == 3 and page.count('<svg xmlns="') == 1 + 1 + 3
    assert "<code>It</code> bends." in page and "<summary>The numbers</summary>" in page
    assert "data:image/png" not in page and "g3-plot" not in page and "g3-widget" not in page
    files = {path.name for path in (small.root / "_build" / "html" / pictures.FOLDER).iterdir()}
    assert files == set(re.findall(rf'href="../{pictures.FOLDER}/([^"]+)"', page)) and files


def test_the_theme_recolours_without_a_request(browser, chapter):
    with Visit(browser, chapter) as visit:
        visit.page.evaluate("document.documentElement.dataset.theme = 'light'")
        before, loaded = ink(visit), visit.loaded()
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert all(old != new for old, new in zip(before, ink(visit), strict=True))
        assert visit.loaded().keys() == loaded.keys()
        visit.check_access()
        assert visit.faults == []


def test_words_are_legible_on_a_phone(browser, chapter):
    """Nine pixels at least, in a page that does not scroll sideways."""
    with Visit(browser, chapter, width=375) as visit:
        sizes = visit.page.locator(".g3-picture text:visible").evaluate_all(
            """texts => texts.map((text) => {
              const { a, b } = text.getScreenCTM();
              return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
            })"""
        )
        assert len(sizes) > 20 and min(sizes) >= 8.9
        visit.measure_width()
        assert visit.faults == []


def test_stills_follow_their_slider(browser, chapter):
    with Visit(browser, chapter) as visit:
        control = visit.page.get_by_role("slider", name="power")
        seen = visit.page.locator(".g3-still:visible svg")
        assert seen.get_attribute("aria-label") == "Three curves. (power: 2)"
        assert control.get_attribute("aria-valuetext") == "2"
        control.press("ArrowRight")
        assert seen.get_attribute("aria-label") == "Three curves. (power: 3)"
        assert control.get_attribute("aria-valuetext") == "3"
        assert visit.page.get_by_text("power: 3").is_visible()
        assert visit.faults == []


def test_pictures_need_no_script(browser, chapter):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(chapter)
    assert page.locator(".g3-picture svg").filter(visible=True).count() == 3
    assert page.get_by_role("slider", name="power").is_disabled()
    context.close()


def test_an_image_of_numbers_is_drawn(browser, chapter):
    """Each of its numbers has a colour of its own, the first on top at the left."""
    with Visit(browser, chapter) as visit:
        visit.loaded()
        natural = visit.page.evaluate(
            """async () => {
              const image = new Image();
              image.src = document.querySelector(".g3-picture image").href.baseVal;
              await image.decode();
              return [image.naturalWidth, image.naturalHeight];
            }"""
        )
        assert natural == [20, 10]
        assert visit.faults == []


def test_a_scene_has_its_caption_once(tmp_path):
    """In a notebook it stands under the scene; on a page it is the figure's own."""
    book = SmallBook(tmp_path)
    book.chapter(
        "from gather3d.figures import points, scene\n"
        'scene(points([[0, 0, 0], [1, 1, 1]]), caption="Two points.", alt="Two.")'
    )
    status, output = book.build(PATH="")
    assert status == 0, output
    page = book.html("notebooks/01-one.html")
    assert page.count("Two points.</") == 1 and "g3-caption" not in page
    assert "HTML object" not in page
