"""The tables of edge cases are filtered by mouse and by keyboard, and say how many rows show."""

import shutil

import pytest

from gather3d.edges import Entry, Outcome, Table

from .browser import Visit, served
from .conftest import BUILT, ROOT

SCRIPT = ROOT / "book" / "_static" / "edges.js"
LARGEST = 4_000  # bytes
PAGE = "notebooks/reference/at-the-edges.html"

KINDS = {"wraps": "silent", "refuses": "raises", "is right": "as meant"}
ENTRIES = [
    Entry(function, case, Outcome(kind, f"{function} at {case}"))
    for function, kind in KINDS.items()
    for case in ("-1", "int32")
]
TABLES = Table(ENTRIES, "One.")._repr_html_() + Table(ENTRIES[:3], "Two.")._repr_html_()
HTML = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Edges</title>"
    f"<link rel=icon href='data:,'><main><h1>Edges</h1>{TABLES}</main>"
    "<script src=edges.js></script>"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "index.html").write_text(HTML, encoding="utf-8")
    shutil.copy(SCRIPT, tmp_path)
    return tmp_path


def rows(visit: Visit, table: int = 0) -> int:
    """How many rows a reader sees."""
    found = visit.page.locator("figure.g3-edges").nth(table).locator("tbody tr")
    return sum(row.is_visible() for row in found.all())


def check_filter(visit: Visit) -> None:
    """Each control alone and two together; what is said is what is seen; the other table stays."""
    form = visit.page.locator(".g3-filter").first
    function, case = form.get_by_label("Function"), form.get_by_label("Case")
    words, silent = form.get_by_label("Words"), form.get_by_label("Only silent errors")

    def left(number: int) -> None:
        assert rows(visit) == number
        assert form.get_by_role("status").inner_text() == f"{number} of 6 rows"

    left(6)
    silent.check()
    left(2)
    case.select_option("−1")
    left(1)
    function.select_option("refuses")
    left(0)
    silent.uncheck()
    left(1)
    function.select_option("all")
    left(3)
    case.select_option("all")
    words.fill("WRAPS at")
    left(2)
    words.fill("")
    left(6)
    assert rows(visit, 1) == 3


def test_filter(browser, folder):
    with served(folder) as address, Visit(browser, address) as visit:
        check_filter(visit)
        visit.check_access()
        assert visit.faults == []


def test_filter_by_keyboard(browser, folder):
    """Tab to each control; Enter in the text does not leave the page."""
    with served(folder) as address, Visit(browser, address) as visit:
        keyboard = visit.page.keyboard
        keyboard.press("Tab")
        keyboard.press("ArrowDown")  # the first function
        assert rows(visit) == 2
        for key in ("Tab", "Tab", "3", "Enter"):
            keyboard.press(key)
        assert rows(visit) == 1 and visit.page.url == f"{address}/"
        keyboard.press("Tab")
        keyboard.press("Space")
        assert visit.page.get_by_role("status").first.inner_text() == "1 of 6 rows"


MUTATIONS = {
    "hides nothing": ("row.hidden =", "row.title ="),
    "one control only": ("(silent.checked &&", "(false &&"),
    "a wrong column": ("text(row.cells[column]))", "text(row.cells[0]))"),
    "both tables": ("figure.querySelectorAll", "document.querySelectorAll"),
    "says nothing": ("status.textContent =", "status.title ="),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_filter_is_noticed(browser, folder, name):
    before, after = MUTATIONS[name]
    script = folder / "edges.js"
    text = script.read_text()
    assert before in text
    script.write_text(text.replace(before, after))
    with served(folder) as address, Visit(browser, address) as visit:
        visit.page.set_default_timeout(500)
        with pytest.raises(Exception):  # noqa: B017  (an assertion, or a choice that is not there)
            check_filter(visit)


def test_without_a_script(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    with served(folder) as address:
        page.goto(address)
        assert page.locator("tbody tr:visible").count() == len(ENTRIES) + 3
        assert page.locator(".g3-filter").count() == 0
    context.close()


def test_light():
    assert SCRIPT.stat().st_size <= LARGEST


def test_the_page_of_the_book(browser, book):
    """There is a filter above each table; it works on a phone, and other pages have no script."""
    with Visit(browser, f"{book}/{PAGE}", width=375) as visit:
        assert visit.page.locator(".g3-filter").count() == 2
        before = rows(visit)
        visit.page.get_by_label("Only silent errors").first.check()
        assert 0 < rows(visit) < before / 2
        visit.measure_width()
        assert visit.faults == []
    pages = [page for page in BUILT.rglob("*.html") if "edges.js" in page.read_text()]
    assert pages == [BUILT / PAGE]
