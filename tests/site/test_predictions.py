"""Predictions on the pages: chosen by mouse, by touch and by keyboard, and counted at the end."""

import pytest

from .browser import Visit
from .conftest import BUILT

CHAPTERS = sorted(
    path.relative_to(BUILT).as_posix() for path in (BUILT / "notebooks").glob("*.html")
)
LARGEST = 4_000  # bytes of script and style for a page's predictions


def score(visit: Visit) -> str:
    return visit.page.locator(".g3-score p").inner_text()


@pytest.mark.parametrize("name", CHAPTERS)
def test_answered_wrongly_and_rightly(browser, book, name):
    """Each prediction of a page, first by each wrong option, then by the right one."""
    with Visit(browser, f"{book}/{name}") as visit:
        questions = visit.page.locator(".g3-predict").all()
        assert len(questions) >= 3 and not visit.page.locator(".g3-score").is_visible()
        for number, question in enumerate(questions, start=1):
            assert question.locator("details[open]").count() == 0
            assert not question.get_by_text("Right.").is_visible()
            for option in question.locator("details:not([data-right])").all():
                option.locator("summary").click()
                said = option.locator("p")
                assert said.is_visible() and said.inner_text().startswith("Not so. ")
            right = question.locator("details[data-right]")
            right.locator("summary").click()
            assert right.locator("p").inner_text().startswith("Right. ")
            assert question.locator("details[open]").count() == 1, "the others are closed"
            assert f"{number} of the {len(questions)} predictions" in score(visit)
            assert "0 right at first sight" in score(visit)
        assert visit.faults == []


def test_first_choices_are_kept_and_forgotten(browser, book):
    """By keyboard: one right at first, one wrong. They are there when the page is loaded again."""
    with Visit(browser, f"{book}/notebooks/01-gather.html") as visit:
        first, second = visit.page.locator(".g3-predict").all()[:2]
        first.locator("[data-right] summary").press("Enter")
        second.locator("details:not([data-right]) summary").first.press("Space")
        second.locator("[data-right] summary").press("Enter")
        words = "2 of the 3 predictions of this page made, 1 right at first sight."
        assert score(visit) == words
        visit.page.reload()
        assert score(visit) == words
        assert visit.page.locator(".g3-predict details[open]").count() == 0
        visit.page.get_by_role("button", name="Forget my answers").click()
        focused = "document.activeElement.closest('.g3-predict')?.dataset.id"
        assert visit.page.evaluate(focused) == "gather.shape"
        assert not visit.page.locator(".g3-score").is_visible()
        visit.page.reload()
        assert not visit.page.locator(".g3-score").is_visible()
        assert visit.faults == []


def test_a_browser_that_keeps_nothing(browser, book):
    """Where storage is not allowed, the choices last for the visit."""
    with Visit(browser, "about:blank") as visit:
        visit.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException() } })"
        )
        visit.page.goto(f"{book}/notebooks/01-gather.html")
        visit.page.locator(".g3-predict [data-right] summary").first.click()
        assert "1 right at first sight" in score(visit)


def test_without_a_script(browser, book):
    """The questions work by themselves; nothing is counted."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{book}/notebooks/01-gather.html")
    option = page.locator(".g3-predict details").first
    option.locator("summary").click()
    assert option.locator("p").is_visible()
    assert page.locator(".g3-score").count() == 0
    context.close()


def test_a_thumb_can_hit_an_option(browser, book):
    with Visit(browser, f"{book}/notebooks/01-gather.html", width=375) as visit:
        for summary in visit.page.locator(".g3-predict summary").all():
            box = summary.bounding_box()
            assert box["height"] >= 24 and box["width"] >= 24


def test_pages_that_ask_nothing_load_nothing():
    assert "predict.js" not in (BUILT / "book" / "index.html").read_text()
    style = (BUILT / "_static" / "gather3d.css").read_text()
    rules = style.partition("/* ---- predictions")[2].partition("/* ----")[0]
    script = (BUILT / "_static" / "predict.js").read_bytes()
    assert len(rules) > 300 and len(script) + len(rules) <= LARGEST
