"""The exercises' pages: all of a master that a reader may see, and nothing else of it."""

import re
import shutil

import nbformat
import pytest
from playwright.sync_api import expect

from gather3d.course.masters import between, masters, solution
from gather3d.exercises import picture

from . import markup
from .browser import OUT_OF_REACH, Visit
from .conftest import BUILT, ROOT
from .small_book import SmallBook

MASTERS = {master.name: master for master in masters(ROOT / "notebooks" / "exercises")}
STUDENTS = ROOT / "notebooks" / "exercises" / "students"
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
SCHEME = ("=== BEGIN MARK SCHEME ===", "=== END MARK SCHEME ===")

every_page = pytest.mark.parametrize("name", MASTERS)


def read(name):
    text = (BUILT / "book" / "exercises" / f"{name}.html").read_text()
    return markup.BeautifulSoup(text, "html.parser")


def words(text):
    """What both Markdown and HTML have of a text: its letters and digits."""
    return " ".join(re.findall(r"\w+", getattr(text, "text", text)))


def missing(markdown, tag):
    """What a part of the page lacks of a text; formulas, and marks of lists and code, apart."""
    text = re.sub(r"^(?:\d+\.|```\w*)|</?(?:details|summary)>", "", markdown, flags=re.MULTILINE)
    parts = map(words, re.split(r"\$.*?\$|\n\n", text))
    return [part for part in parts if part not in words(tag)]


# ---- what a page holds


def test_every_chapter_has_its_page():
    assert {path.stem for path in (ROOT / "book" / "exercises").glob("*.md")} == set(MASTERS)


@every_page
def test_exercises(name):
    """Each has its text, a place to link to, points, a picture, hints, a solution and why."""
    page, master = read(name), MASTERS[name]
    assert missing(master.title.source, page.article) == []
    sections = page.select("article section section")
    assert len(sections) == len(master.tasks) >= 5
    for section, task in zip(sections, master.tasks, strict=True):
        id = task.name.replace("-", ".", 1)
        assert section.find(id=re.sub(r"\W|_", "-", id))
        for part in ("task", "hints", "why", "bonus"):
            assert missing(task.cells[part].source, section) == []
        about = section.h2.find_next("p")
        assert f"{task.points:g}\N{NO-BREAK SPACE}points" in about.text
        assert ("given by a person" in about.text) == task.by_hand
        stars = about.find(attrs={"role": "img"})
        assert stars["aria-label"] == f"difficulty {stars.text.count('●')} of 3"

        (drawing,) = section.select("figure.g3-diagram svg[role=img]")
        assert drawing["aria-label"] == picture(id).alt
        assert section.select_one("figure.g3-diagram figcaption").text.strip()

        *hints, solved = section.select("details.sd-dropdown:not([open])")
        assert [words(hint.summary) for hint in hints] == ["Hint 1", "Hint 2", "Hint 3"]
        assert words(solved.summary) == "Solution"
        assert missing(task.cells["why"].source, solved) == []
        shown = solved.select_one(".highlight-python pre").text.strip()
        if task.by_hand:
            whole = solution(task.cells["work"]).strip()
            assert whole.endswith(shown) and whole.removesuffix(shown).strip() in section.text
            assert missing(task.cells["answer"].source.partition(SCHEME[0])[0], solved) == []
        else:
            assert shown == solution(task.cells["answer"])


def secrets(name):
    """The hidden tests and the mark scheme of a master."""
    cells = MASTERS[name].notebook.cells
    return [text for cell in cells for marks in (HIDDEN, SCHEME)
            for text in between(cell.source, *marks)]  # fmt: skip


@every_page
def test_nothing_of_the_tests_or_the_mark_scheme(name):
    """No line of them is on the page, but those that stand in another cell too."""
    rest = "\n".join(cell.source for cell in MASTERS[name].notebook.cells)
    for text in secrets(name):
        rest = rest.replace(text, "")
    lines = [words(line) for text in secrets(name) for line in text.splitlines()]
    lines = [line for line in lines if len(line) > 12 and line not in words(rest)]
    assert len(lines) > 20
    shown = words(read(name))
    assert [line for line in lines if line in shown] == []


def test_no_master_is_published():
    """No file of the book has the longest words of a hidden test or of a mark scheme."""
    texts = [text for name in MASTERS for text in secrets(name)]
    longest = [max(re.findall(r"[\w ,.=()]+", text), key=len) for text in texts]
    assert len(longest) >= 5 * len(MASTERS) and min(map(len, longest)) > 25
    secret = re.compile("|".join(map(re.escape, longest)))
    kinds = {".html", ".ipynb", ".js", ".md", ".json", ".txt"}
    files = [path for path in BUILT.rglob("*") if path.suffix in kinds]
    assert files and [path for path in files if secret.search(path.read_text())] == []
    assert secret.search(MASTERS["01-gather"].path.read_text())


# ---- the students' notebook


@every_page
def test_download(name):
    """The text and the button lead to the notebook that is in the repository, without secrets."""
    page = read(name)
    links = page.select("article a.download, a.btn-download-source-button")
    folder = BUILT / "book" / "exercises"
    assert len(links) == 2 and all(link.has_attr("download") for link in links)
    for link in links:
        saved = (folder / link["href"]).resolve()
        assert saved.name == f"{name}.ipynb"
        assert saved.read_bytes() == (STUDENTS / saved.name).read_bytes()
    cells = nbformat.read(saved, as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    assert "YOUR CODE HERE" in text
    assert [kind for kind, secret in MASTERS[name].secrets() if secret.strip() in text] == []


def test_download_in_a_browser(browser, book):
    with Visit(browser, f"{book}/book/exercises/01-gather.html") as visit:
        with visit.page.expect_download() as waiting:
            visit.page.get_by_role("link", name="Download the notebook").press("Enter")
        assert waiting.value.suggested_filename == "01-gather.ipynb"
        visit.page.get_by_role("link", name="To the chapter").click()
        visit.page.wait_for_url("**/notebooks/01-gather.html")
        assert visit.faults == []


# ---- folding, by keyboard, on a phone, in both themes


@every_page
def test_hints_and_solutions_unfold(browser, book, name):
    with Visit(browser, f"{book}/book/exercises/{name}.html", width=375) as visit:
        page = visit.page
        for kind in ("Hint 1", "Solution"):
            fold = page.locator("details.sd-dropdown", has_text=kind).last
            body = fold.locator(".sd-summary-content")
            expect(body).to_be_hidden()
            fold.locator("summary").focus()
            page.keyboard.press("Enter")
            expect(body).to_be_visible()
            page.keyboard.press("Space")
            expect(body).to_be_hidden()
        page.evaluate("document.querySelectorAll('details').forEach((fold) => fold.open = true)")
        page.wait_for_timeout(300)
        visit.measure_width()
        visit.read_formulas()
        for theme in ("light", "dark"):
            page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            visit.check_access()
        assert page.evaluate(OUT_OF_REACH) == []
        assert visit.faults == []


def test_copy_a_solution(browser, book):
    (task, *_) = MASTERS["01-gather"].tasks
    with Visit(browser, f"{book}/book/exercises/01-gather.html") as visit:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        fold = visit.page.locator("details.g3-solution").first
        fold.locator("summary").press("Enter")
        button = fold.locator("button.copybtn")
        button.press("Enter")
        expect(button).to_have_attribute("data-tooltip", "Copied!")
        copied = visit.page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == solution(task.cells["answer"])
        # what a cell printed has no such button
        assert visit.page.locator(".output button.copybtn").count() == 0


# ---- a small book

SMALL = ("01-gather", "11-deformable")


@pytest.fixture
def small(tmp_path):
    """Two chapters with their exercises."""
    small = SmallBook(tmp_path)
    small.page("(exercises)=\n## Exercises\n\nHow answers are checked.")
    toc = "format: jb-book\nroot: book/index\nchapters:\n"
    students = tmp_path / "notebooks" / "exercises" / "students"
    students.mkdir(parents=True)
    (tmp_path / "book" / "exercises").mkdir()
    for name in SMALL:
        small.chapter("assert 1 < 2", name=name)
        toc += f"  - file: notebooks/{name}\n    sections:\n      - file: book/exercises/{name}\n"
        shutil.copy(ROOT / "book" / "exercises" / f"{name}.md", tmp_path / "book" / "exercises")
        shutil.copy(MASTERS[name].path, students.parent)
        shutil.copy(tmp_path / "notebooks" / f"{name}.ipynb", students)
    (tmp_path / "_toc.yml").write_text(toc)
    return small


def groups(page):
    """The buttons of a page that open a list."""
    return re.findall(r'class="dropdown dropdown-([\w-]+)"', page)


def test_a_page_and_its_master(small):
    """What is missing fails the build in words; buttons are a chapter's; a change comes through."""
    exercises = small.root / "notebooks" / "exercises"
    (exercises / "students" / "01-gather.ipynb").rename(small.root / "away.ipynb")
    broken = nbformat.read(exercises / "11-deformable.ipynb", as_version=4)
    broken.cells = [cell for cell in broken.cells if cell.id != "deform-sites-hints"]
    nbformat.write(broken, exercises / "11-deformable.ipynb")
    status, output = small.build()
    assert status != 0
    faults = [line for line in output.splitlines() if ": ERROR: " in line]
    assert len(faults) == 2, output
    assert "book/exercises/01-gather.md: ERROR: the students' notebook 01-gather.ipynb" in faults[0]
    assert "11-deformable.md: ERROR: deform-sites has no cell deform-sites-hints" in faults[1]
    assert "KeyError" not in output and "[100%]" in output

    (small.root / "away.ipynb").rename(exercises / "students" / "01-gather.ipynb")
    shutil.copy(MASTERS["11-deformable"].path, exercises)
    status, output = small.build(
        GITHUB_SERVER_URL="https://github.com",
        GITHUB_REPOSITORY="readers/book",
        GITHUB_REF_NAME="trunk",
    )
    assert status == 0, output
    page = small.html("book/exercises/01-gather.html")
    path = "notebooks/exercises/students/01-gather.ipynb"
    assert re.findall(r'href="(https://(?:colab|mybinder)\.[^"]*)', page) == [
        f"https://mybinder.org/v2/gh/readers/book/trunk?urlpath=lab/tree/{path}",
        f"https://colab.research.google.com/github/readers/book/blob/trunk/{path}",
    ]
    assert "readers/book/edit/trunk/notebooks/exercises/01-gather.ipynb" in page
    assert groups(page) == groups(small.html("notebooks/01-gather.html"))
    assert "launch-buttons" in groups(page)

    text = MASTERS["01-gather"].path.read_text()
    (exercises / "01-gather.ipynb").write_text(text.replace("Predict the shape", "Foresee it"))
    status, output = small.build()
    assert status == 0, output
    page = small.html("book/exercises/01-gather.html")
    assert "1. Foresee it" in page
    assert "launch-buttons" not in groups(page) and "github.com" not in page
