"""Reading the book: links, keyboard, phone, search, cards, notebooks to take away, status."""

import json
import re
import shutil

import nbformat
import pytest
import yaml
from playwright.sync_api import expect

from . import markup
from .browser import OUT_OF_REACH, STOP, STOPS, Visit, served
from .conftest import BUILT, ROOT
from .small_book import SmallBook

CHAPTER = "notebooks/07-sparse-convolution"
SHORTER = "notebooks/11-deformable"  # with a figure that comes to life while Tab passes
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
LISTED = [
    entry
    for part in TOC["parts"]
    for page in part["chapters"]
    for entry in (page, *page.get("sections", []))
]
ORDER = [TOC["root"], *(entry["file"] for entry in LISTED)]
SHORT = {entry["file"]: entry["title"] for entry in LISTED if "title" in entry}


@pytest.fixture(scope="session")
def on_disk():
    """The address of the built book as a folder, with no server."""
    return BUILT.as_uri()


@pytest.fixture
def small(tmp_path):
    return SmallBook(tmp_path)


# ---- the HTML


@pytest.fixture(scope="session")
def pages():
    return {
        path.relative_to(BUILT).as_posix(): page for path, page in markup.read_pages(BUILT).items()
    }


def test_markup():
    """Links lead somewhere and say where; names are given once; every page describes itself."""
    assert markup.faults(BUILT) == []


GOOD = (
    '<!doctype html><html lang="en"><head><title>t</title><meta name="viewport" content="w">'
    '<meta name="description" content="what"></head><body><h1 id="top">h</h1>'
    '<a href="#top">to the top</a></body></html>'
)
WRONG = {
    "language": (' lang="en"', "", "no language"),
    "title": ("<title>t</title>", "", "no title"),
    "viewport": ("</head>", '<meta name="viewport" content="w"></head>', "2 tags for the viewport"),
    "description": ("</body>", "", "another page has this description"),
    "no description": ('name="description"', "", "0 tags for the description"),
    "heading": ("</body>", "<h1>again</h1></body>", "2 first headings"),
    "name": ("</body>", '<p id="top"></body>', "the name top is given twice"),
    "page": ('href="#top"', 'href="gone.html"', "the link to gone.html leads nowhere"),
    "place": ('href="#top"', 'href="good.html#gone"', "the link to good.html#gone leads nowhere"),
    "words": ("to the top", "here", "the link to #top says 'here'"),
    "no words": ("to the top", "<i></i>", "the link to #top says ''"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG.keys())
def test_broken_markup_is_noticed(tmp_path, old, new, message):
    (tmp_path / "good.html").write_text(GOOD)
    assert markup.faults(tmp_path) == []
    other = GOOD if "another" in message else GOOD.replace('content="what"', 'content="else"')
    (tmp_path / "page.html").write_text(other.replace(old, new))
    assert f"page.html: {message}" in markup.faults(tmp_path)


def test_contents_on_every_page(pages):
    """All chapters, numbered, in the order of _toc.yml; previous and next lead along it."""
    titles = {name: re.sub(r"#$", "", pages[f"{name}.html"].h1.get_text()) for name in ORDER}
    for name in ORDER:
        if chapter := re.match(r"notebooks/(\d+)-", name):
            assert titles[name].startswith(f"{int(chapter[1])} · "), titles[name]
    for k, name in enumerate(ORDER):
        page = pages[f"{name}.html"]
        listed = [link.get_text(strip=True) for link in page.select(".bd-docs-nav a")]
        assert listed == [SHORT.get(other, titles[other]) for other in ORDER], name
        for which, other in (("left-prev", k - 1), ("right-next", k + 1)):
            link = page.select_one(f"a.{which} .prev-next-title")
            if 0 <= other < len(ORDER):
                assert link.get_text(strip=True) == titles[ORDER[other]]
            else:
                assert link is None
        places = [link["href"] for link in page.select("#pst-page-toc-nav a")]
        headings = [f"#{section['id']}" for section in page.select("article section section[id]")]
        assert [place for place in places if place in headings] == places
        assert len(places) == len(page.select("article h2, article h3")), name


def test_search_covers_every_page():
    index = (BUILT / "searchindex.js").read_text()
    names = json.loads(re.search(r'"docnames":\s*(\[.*?\])', index)[1])
    assert set(names) == set(ORDER)


# ---- the keyboard


def walk(page) -> tuple[list[dict], list[str]]:
    """Press Tab from the first stop of the page to the last: the stops, and what is wrong there."""
    stops, found = [], []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            return stops, found + page.evaluate(OUT_OF_REACH)
        stops.append(stop)
        assert len(stops) < 2000, "the focus does not leave the page"
        found += [f"{stop['name']} {fault}" for fault in stop["faults"]]


def lasting(stops: list[dict]) -> int:
    """How many of them stay while figures come to life and are put away."""
    return sum(not stop["live"] for stop in stops)


def test_focus_by_tab(browser, book):
    """What `test_page` focuses on every page are the stops of Tab, and Tab finds no others."""
    with Visit(browser, f"{book}/{SHORTER}.html") as visit:
        stops, found = walk(visit.page)
        assert found == [] and lasting(stops) > 100
        visit.page.keyboard.press("Tab")
        focused = visit.page.evaluate(STOPS)
        assert 0.9 * lasting(stops) < lasting(focused) <= lasting(stops)
        assert visit.faults == []


def test_focus_is_seen_on_a_phone_in_the_dark(browser, book):
    with Visit(browser, f"{book}/{SHORTER}.html", width=375) as visit:
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        visit.page.locator(".g3-plot").first.scroll_into_view_if_needed()
        visit.page.locator(".g3-plot[data-drawn] .modebar-btn").first.wait_for()
        stops, found = walk(visit.page)
        assert found == [] and any(stop["live"] for stop in stops)


LOST = {
    "faint": (
        "<style>body { background: #111 } :focus-visible { outline: 2px solid #222 }</style>"
        "<button>b</button>",
        "is not seen to have the focus",
    ),
    "no outline": ("<button style='outline: none'>b</button>", "is not seen to have the focus"),
    "hidden": ("<button style='opacity: 0'>b</button>", "has the focus and is not seen"),
    "idle stop": ("<div tabindex=0>d</div>", "is a stop and does nothing"),
    "no stop": (
        "<article><div tabindex=-1 style='overflow-x: auto; width: 50px'>"
        "<p style='width: 500px'>w</div></article>",
        "scrolls and cannot be reached",
    ),
}


@pytest.mark.parametrize(("body", "message"), LOST.values(), ids=LOST.keys())
def test_lost_focus_is_noticed(browser, tmp_path, body, message):
    page = f"<!doctype html><link rel=icon href=data:,><title>p</title><body>{body}"
    (tmp_path / "page.html").write_text(page)
    with Visit(browser, (tmp_path / "page.html").as_uri()) as visit:
        _, found = walk(visit.page)
        assert any(message in fault for fault in found), found
        visit.check_focus()
        assert any(message in fault for fault in visit.faults), visit.faults


def test_skip_link(browser, book):
    with Visit(browser, f"{book}/{CHAPTER}.html") as visit:
        visit.page.keyboard.press("Tab")
        expect(visit.page.get_by_text("Skip to main content")).to_be_focused()
        visit.page.keyboard.press("Enter")
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.closest('main') !== null")


def test_theme_by_keyboard_is_remembered(browser, book):
    theme = "document.documentElement.dataset.theme"
    with Visit(browser, f"{book}/{CHAPTER}.html") as visit:
        button = visit.page.locator(".theme-switch-button").first
        button.focus()
        for _ in range(3):
            visit.page.keyboard.press("Enter")
            if visit.page.evaluate(theme) == "dark":
                break
        assert visit.page.evaluate(theme) == "dark"
        visit.page.locator("a.right-next").press("Enter")
        visit.page.wait_for_url("**/exercises/07-sparse-convolution.html")
        assert visit.page.evaluate(theme) == "dark"
        assert visit.faults == []


def test_copy_button_by_keyboard(browser, book):
    """A cell's source, and nothing else, is on the clipboard."""
    notebook = nbformat.read(ROOT / f"{CHAPTER}.ipynb", as_version=4)
    tagged = [(c, c.metadata.get("tags", [])) for c in notebook.cells if c.cell_type == "code"]
    code = [(cell, tags) for cell, tags in tagged if "remove-cell" not in tags]
    k, source = next((k, c.source) for k, (c, tags) in enumerate(code) if "hide-input" not in tags)
    with Visit(browser, f"{book}/{CHAPTER}.html") as visit:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        button = visit.page.locator(".cell_input button.copybtn").nth(k)
        button.focus()
        visit.page.keyboard.press("Enter")
        expect(button).to_have_attribute("data-tooltip", "Copied!")
        expect(button).to_be_focused()
        assert visit.page.evaluate("navigator.clipboard.readText()") == source
        cells = visit.page.locator(".cell_input")
        buttons = visit.page.locator(".cell_input button.copybtn")
        assert buttons.count() == cells.count()
        printed = ".cell_output :is(.stream, .text_plain) button.copybtn"
        assert visit.page.locator(printed).count() == 0


# ---- a phone


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_sidebar_on_a_phone(browser, book, side):
    with Visit(browser, f"{book}/{CHAPTER}.html", width=375) as visit:
        button = visit.page.locator(f".{side}-toggle").first
        dialog = visit.page.locator(f"#pst-{side}-sidebar-modal")
        button.focus()
        visit.page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        assert visit.page.evaluate("document.activeElement.closest('dialog') !== null")
        visit.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(button).to_be_focused()

        button.click()
        expect(dialog).to_be_visible()
        visit.page.mouse.click(370 if side == "primary" else 5, 600)
        expect(dialog).to_be_hidden()
        assert visit.faults == []


def test_contents_of_the_page_on_a_phone(browser, book):
    """A link to a place on the page shows the place, not the contents before it."""
    with Visit(browser, f"{book}/{CHAPTER}.html", width=375) as visit:
        visit.page.locator(".secondary-toggle").first.click()
        link = visit.page.locator("#pst-secondary-sidebar-modal a:visible").nth(2)
        place = link.get_attribute("href")
        link.click()
        expect(visit.page.locator("#pst-secondary-sidebar-modal")).to_be_hidden()
        expect(visit.page.locator(f"{place} > h2")).to_be_in_viewport()


# ---- search


@pytest.mark.parametrize("where", ["book", "on_disk"])
def test_search(request, browser, where):
    address = request.getfixturevalue(where)
    with Visit(browser, f"{address}/{CHAPTER}.html", width=375) as visit:
        visit.page.keyboard.press("Control+k")
        visit.page.keyboard.type("rulebook")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**/search.html?q=rulebook")
        results = visit.page.locator("#search-results li a")
        results.first.wait_for()
        expect(visit.page.locator("#search-results")).to_contain_text("Sparse convolution")
        visit.measure_width()
        results.first.click()
        visit.page.wait_for_url("**/glossary.html#term-rulebook")
        assert visit.faults == []


# ---- cards


def card_of(visit: Visit):
    return visit.page.locator("#g3-card")


def first_term(visit: Visit):
    """The first link to a term, once nothing on the page will move it from under the pointer."""
    visit.page.wait_for_load_state("networkidle")
    return visit.page.locator("article a:has(.std-term)").first


@pytest.mark.parametrize("where", ["book", "on_disk"])
@pytest.mark.parametrize("width", [1400, 375])
def test_card_on_hover(request, browser, where, width):
    """It opens beside the term, stays while the pointer is on it, and goes when it leaves."""
    address = request.getfixturevalue(where)
    with Visit(browser, f"{address}/{CHAPTER}.html", width=width) as visit:
        link = first_term(visit)
        link.hover()
        card = card_of(visit)
        expect(card).to_be_visible()
        expect(card).to_contain_text("A sensor that sends out laser pulses")
        box = card.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        beside = link.bounding_box()
        assert 0 <= box["y"] - beside["y"] - beside["height"] < 20
        visit.measure_width()

        visit.page.mouse.move(box["x"] + 20, box["y"] + 20, steps=5)
        visit.page.wait_for_timeout(600)
        expect(card).to_be_visible()
        visit.page.mouse.move(1, 1)
        expect(card).to_be_hidden()
        assert visit.faults == []


def test_card_on_focus(browser, book):
    """A citation's card opens with the focus; Escape closes it and leaves the focus where it is."""
    with Visit(browser, f"{book}/{CHAPTER}.html") as visit:
        link = visit.page.locator(".bibtex-citation a").first
        link.focus()
        visit.page.keyboard.press("Shift+Tab")
        visit.page.keyboard.press("Tab")
        expect(link).to_be_focused()
        card = card_of(visit)
        expect(card).to_be_visible()
        expect(card).to_contain_text("3D semantic segmentation with submanifold sparse")
        expect(link).to_have_attribute("aria-describedby", "g3-card")
        assert link.get_attribute("title") is None

        visit.page.keyboard.press("Escape")
        expect(card).to_be_hidden()
        expect(link).to_be_focused()
        assert link.get_attribute("aria-describedby") is None

        visit.page.keyboard.press("Shift+Tab")
        visit.page.keyboard.press("Tab")
        expect(card).to_be_visible()
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**/references.html#*")
        assert visit.faults == []


def test_cards_in_both_themes(browser, book):
    """On the landing page: the card is as dark as the page."""
    light = {}
    with Visit(browser, f"{book}/book/index.html") as visit:
        first_term(visit).hover()
        expect(card_of(visit)).to_be_visible()
        for theme in ("light", "dark"):
            visit.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            colour = card_of(visit).evaluate("card => getComputedStyle(card).backgroundColor")
            light[theme] = sum(map(int, re.findall(r"\d+", colour)[:3]))
        assert visit.faults == []
    assert light["light"] > 600 and light["dark"] < 150


def test_tap_follows_the_link(browser, book):
    context = browser.new_context(viewport={"width": 375, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{book}/{CHAPTER}.html")
    page.locator("article a:has(.std-term)").first.tap()
    page.wait_for_url("**/glossary.html#term-LiDAR")
    expect(page.locator("#g3-card")).to_be_hidden()
    context.close()


def test_every_term_and_citation_has_a_card(pages):
    text = (BUILT / "_static" / "definitions.js").read_text()
    cards = json.loads(text.removeprefix("window.g3Cards=").rstrip(";\n"))
    for name, page in pages.items():
        for link in page.select("article a:has(> .std-term), .bibtex-citation a"):
            target, _, place = link["href"].partition("#")
            address = (BUILT / name).parent.joinpath(target).resolve() if target else BUILT / name
            assert f"{address.relative_to(BUILT).as_posix()}#{place}" in cards, link
    for card in cards.values():
        assert "<a " not in card and " id=" not in card and len(card) > 20


def test_links_work_without_cards(browser, tmp_path):
    """Where the texts are missing the link is a link."""
    shutil.copytree(BUILT, tmp_path / "html", ignore=shutil.ignore_patterns("_figures"))
    (tmp_path / "html" / "_static" / "definitions.js").unlink()
    with served(tmp_path / "html") as book, Visit(browser, f"{book}/{CHAPTER}.html") as visit:
        link = first_term(visit)
        with visit.page.expect_response("**/definitions.js"):
            link.hover()
        visit.page.wait_for_timeout(300)
        expect(card_of(visit)).to_be_hidden()
        link.click()
        visit.page.wait_for_url("**/glossary.html#term-LiDAR")


def test_cards_of_a_small_book(small):
    small.page(
        ":::{glossary}\nnorm\n  The root of $x^2$, as in {cite}`known`: `norm()`.\n\n  More.\n"
        ":::\n\nA {term}`norm`.\n\n```{bibliography}\n```"
    )
    status, output = small.build()
    assert status == 0, output
    text = (small.root / "_build" / "html" / "_static" / "definitions.js").read_text()
    cards = json.loads(text.removeprefix("window.g3Cards=").rstrip(";\n"))
    term = cards["book/index.html#term-norm"]
    assert "<strong>norm</strong>" in term and "<msup>" in term and "norm()</span></code>" in term
    assert "Author, 2020" in term and "More" not in term
    (work,) = (card for address, card in cards.items() if "term" not in address)
    assert "Author. <em>T</em>. P, 2020." in work


# ---- notebooks to take away


def test_download(browser, book, on_disk):
    source = (ROOT / f"{CHAPTER}.ipynb").read_bytes()
    for address in (book, on_disk):
        with Visit(browser, f"{address}/{CHAPTER}.html") as visit:
            button = visit.page.get_by_label("Download this page")
            button.press("Enter")
            link = visit.page.locator(".btn-download-source-button")
            expect(link).to_be_visible()
            if address == book:
                with visit.page.expect_download() as waiting:
                    link.click()
                assert waiting.value.suggested_filename == f"{CHAPTER.split('/')[1]}.ipynb"
                assert waiting.value.path().read_bytes() == source
            else:  # a browser shows a file that is on the disk already, beside the page
                with visit.context.expect_page() as waiting:
                    link.click()
                assert (BUILT / "_sources" / f"{CHAPTER}.ipynb").as_uri() == waiting.value.url
                assert (BUILT / "_sources" / f"{CHAPTER}.ipynb").read_bytes() == source
            assert visit.page.url == f"{address}/{CHAPTER}.html"
            assert visit.faults == []


def test_launch_buttons_open_the_notebook(small):
    """And a page that is no notebook of the repository has none."""
    small.page("```{code-cell} python3\n1 + 1\n```")
    index = small.root / "book" / "index.md"
    index.write_text(f"---\nfile_format: mystnb\n---\n{index.read_text()}")
    status, output = small.build(
        GITHUB_SERVER_URL="https://github.com",
        GITHUB_REPOSITORY="readers/book",
        GITHUB_REF_NAME="trunk",
    )
    assert status == 0, output
    found = re.findall(
        r'href="(https://(?:colab|mybinder)\.[^"]*)', small.html("notebooks/01-one.html")
    )
    path = "notebooks/01-one.ipynb"
    assert sorted(found) == [
        f"https://colab.research.google.com/github/readers/book/blob/trunk/{path}",
        f"https://mybinder.org/v2/gh/readers/book/trunk?urlpath=lab/tree/{path}",
    ]
    for name in ("book/index.html", "search.html", "genindex.html"):
        assert not re.search(r"colab\.research|mybinder", small.html(name)), name


@pytest.mark.parametrize("where", ["book", "on_disk"])
def test_entrance(request, browser, where):
    address = request.getfixturevalue(where)
    with Visit(browser, f"{address}/index.html") as visit:
        visit.page.wait_for_url("**/book/index.html")
        assert visit.faults == []


# ---- the status page

FIGURE = """\
import plotly.graph_objects as go
go.Figure(go.Scatter(x=[0, 1], y=[0, 1]), layout={"meta": {"caption": "c", "alt": "a"}})"""


def status_of(small: SmallBook) -> list[list[list[str]]]:
    """The tables of the status page, as words."""
    page = markup.BeautifulSoup(small.html("book/status.html"), "html.parser")
    return [
        [[cell.get_text(strip=True) for cell in row.select("th, td")] for row in table.select("tr")]
        for table in page.select("article table")
    ]


def test_status_page(small):
    small.chapter("1 + 1", FIGURE, name="01-one")
    small.chapter("2 + 2", name="02-two", text="# 2 · Two")
    (small.root / "book" / "status.md").write_text("# Status\n\n```{notebook-status}\n```\n")
    (small.root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n"
        "  - file: book/status\n  - file: notebooks/01-one\n  - file: notebooks/02-two\n"
    )
    status, output = small.build()
    assert status == 0, output
    notebooks, machine = status_of(small)
    one, two, everything = notebooks[1:]
    assert one[:4] == ["1 · One", "2", "1", "1"] and two[:4] == ["2 · Two", "1", "1", "0"]
    assert everything[:4] == ["All", "3", "2", "1"]
    assert float(one[4]) > 0
    assert abs(float(everything[4]) - float(one[4]) - float(two[4])) < 0.2
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", one[5])
    facts = dict(machine)
    assert one[6] == facts["Device"] and facts["torch"][0].isdigit() and facts["Processor"]
    page = small.html("book/status.html")
    assert 'href="../notebooks/01-one.html"' in page
    assert str(small.root) not in page and markup.__file__.split("/tests")[0] not in page

    # nothing changed: nothing is written
    status, output = small.build()
    assert status == 0 and "no targets are out of date" in output, output

    # one notebook changed: its row is new, the other's stays, though the status page's source did
    records = {path.stem: path for path in small.root.rglob("executions/**/*.json")}
    kept = json.loads(records["01-one"].read_text())
    kept["executed"] = "2001-02-03 04:05"
    kept["machine"]["Device"] = "cuda:0"
    records["01-one"].write_text(json.dumps(kept))
    small.chapter("1 + 1", FIGURE, name="01-one", text="# 1 · Another title")
    small.chapter("2 + 2", "3 + 3", name="02-two", text="# 2 · Two")
    status, output = small.build()
    assert status == 0, output
    notebooks, *machines = status_of(small)
    assert notebooks[1][0] == "1 · Another title" and notebooks[1][4:] == [
        one[4],
        "2001-02-03 04:05",
        "cuda:0",
    ]
    assert notebooks[2][1] == "2" and notebooks[2][5] != "2001-02-03 04:05"

    # they ran on two machines: each is described, with what it ran
    assert [machine[0] for machine in machines] == [
        ["Notebooks", "1 · Another title"],
        ["Notebooks", "2 · Two"],
    ]
    assert dict(machines[0])["Device"] == "cuda:0"


def test_status_page_of_the_book(pages):
    page = pages["book/status.html"]
    links = [link["href"] for link in page.select(".g3-status tbody a")]
    chapters = [f"../{name}.html" for name in ORDER if name.startswith("notebooks/")]
    assert links == ["index.html", *chapters]
    assert all(len(row.select("td")) == 6 for row in page.select(".g3-status tbody tr"))


def test_outputs_without_a_record_are_made_again(small):
    """Nobody knows when and where they were made."""
    assert small.build()[0] == 0
    for folder in small.root.rglob("executions"):
        shutil.rmtree(folder)
    small.chapter("assert 1 < 2", text="# 1 · Another title")
    status, output = small.build()
    assert status == 0 and "Executing notebook" in output, output
