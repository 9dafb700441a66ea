"""A page for a chapter's exercises, made from the instructor's master when the page is read.

    ---
    exercises: notebooks/exercises/01-gather.ipynb
    ---

is all that the source of such a page says. Each exercise becomes a section: task and picture, then
the hints and the solution, each folded. Tests and mark schemes stay in the master. What the page's
buttons save and launch is the students' notebook, in students/ beside the master.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx_book_theme.header_buttons.launch import add_launch_buttons

if TYPE_CHECKING:
    from gather3d.course.masters import Task

logger = logging.getLogger(__name__)

NAMED = re.compile(r"\A---\nexercises: *(\S+)\n---\n")
ABOUT = re.compile(r"^`(?P<id>\w+\.\w+)` · (?P<stars>[●○]{3}) · (?P<time>.+)$", re.MULTILINE)
HINT = re.compile(r"<details><summary>(.+?)</summary>\n(.+?)</details>", re.DOTALL)
NBSP = "\N{NO-BREAK SPACE}"
FENCE = 9  # characters: longer than any fence inside

HOW = (
    "On this page hints and solutions are folded. The notebook has no solutions; there `check(…)` "
    "says how your answer does, and {{ref}}`what lies behind a mistake <exercises>`. There are "
    "{points:g} points in all."
)


def setup(app: Sphinx) -> None:
    app.connect("source-read", write_page)
    app.connect("html-page-context", give_buttons, priority=510)  # the theme has made its own


# ---- while the page is read


def write_page(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put the exercises of the master that the page names into its text."""
    named = NAMED.match(content[0])
    if not named:
        return
    master = app.srcdir / named[1]
    for file in (master, students(master), Path(__file__), *package()):
        app.env.note_dependency(str(file))
    try:
        text = page(master, os.path.relpath(students(master), (app.srcdir / docname).parent))
    except (OSError, ValueError) as error:
        logger.error("%s", error, location=docname)
        text = f"# {docname}\n"
    content[0] += text


def students(master: Path) -> Path:
    return master.parent / "students" / master.name


def package() -> list[Path]:
    """What the pictures depend on."""
    import gather3d

    return sorted(Path(gather3d.__file__).parent.rglob("*.py"))


def page(path: Path, download: str) -> str:
    """All exercises of a master, as the Markdown of a page."""
    from gather3d.course.masters import Master

    master = Master.read(path)
    if not students(path).exists():
        raise ValueError(
            f"the students' notebook {path.name} is missing beside its master, in students/: "
            "`make course` writes it"
        )
    title, _, about = master.title.source.partition("\n")
    places = f"{{download}}`Download the notebook <{download}>`\n" + (
        f"{{doc}}`To the chapter <../../notebooks/{path.stem}>`"
    )
    points = sum(task.points for task in master.tasks)
    parts = [title, fenced("div", places, "g3-places"), about]
    parts.append(HOW.format(points=points))
    parts.append(folded("How the notebook begins", code(master.setup.source)))
    for task in master.tasks:
        parts += section(task)
    return "\n\n".join(parts) + "\n"


def section(task: "Task") -> Iterator[str]:
    """The parts of one exercise, in their order."""
    from gather3d.exercises import picture

    text = part(task, "task").source
    about = ABOUT.search(text)
    if not about:
        raise ValueError(f"{task.name}-task has no line like `gather.loops` · ●○○ · 10 minutes")
    yield f"({about['id']})="
    yield text.replace(about[0], line_of(task, about))
    yield fenced("raw", picture(about["id"])._repr_html_(), "html")
    if task.by_hand and (begun := given(part(task, "work"))):
        yield "The cell for your work begins with"
        yield code(begun)
    hints = HINT.findall(part(task, "hints").source)
    if not hints:
        raise ValueError(f"{task.name}-hints has no <details><summary>Hint 1</summary> …")
    for name, hint in hints:
        yield folded(name, hint.strip())
    yield folded("Solution", "\n\n".join(solved(task)), "g3-solution")
    yield part(task, "bonus").source


def part(task: "Task", name: str) -> NotebookNode:
    if name not in task.cells:
        raise ValueError(f"{task.name} has no cell {task.name}-{name}")
    return task.cells[name]


def line_of(task: "Task", about: re.Match) -> str:
    """An exercise's id, difficulty, minutes and points."""
    number = about["stars"].count("●")
    stars = f'<span role="img" aria-label="difficulty {number} of 3">{about["stars"]}</span>'
    time, points = (text.replace(" ", NBSP) for text in (about["time"], f"{task.points:g} points"))
    by = ", given by a person" if task.by_hand else ""
    return f"`{about['id']}` · {stars} · {time} · {points}{by}"


def given(cell: NotebookNode) -> str:
    """The lines before the solution, where they do something."""
    from gather3d.course.masters import REGIONS

    lines, begin, _ = cell.source.partition(REGIONS["solution"][0])
    return lines.strip() if begin and ast.parse(lines).body else ""


def solved(task: "Task") -> Iterator[str]:
    from gather3d.course.masters import REGIONS, solution

    if task.by_hand:
        work = part(task, "work")
        yield code(solution(work).strip().removeprefix(given(work)).strip())
        if printed := "".join(out.text for out in work.outputs if out.output_type == "stream"):
            yield "It prints"
            yield fenced("code-block", ":class: output\n\n" + printed.rstrip(), "text")
        yield "**A model answer**"
        begin, end = map(re.escape, REGIONS["mark scheme"])
        answer = part(task, "answer").source
        yield re.sub(f"{begin}.*?{end}", "", answer, flags=re.DOTALL).strip()
    else:
        yield code(solution(part(task, "answer")))
    yield part(task, "why").source


# ---- Markdown


def code(text: str) -> str:
    return fenced("code-block", text, "python")


def folded(title: str, text: str, name: str = "") -> str:
    return fenced("dropdown", f":class-container: g3-fold {name}\n\n{text}", title, ":")


def fenced(directive: str, text: str, argument: str = "", mark: str = "`") -> str:
    fence = FENCE * mark
    return f"{fence}{{{directive}}} {argument}\n{text}\n{fence}"


# ---- while the page is written


def give_buttons(
    app: Sphinx, docname: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """The buttons of a chapter, for the students' notebook; an edit is one of the master."""
    master = app.env.metadata.get(docname, {}).get("exercises")
    if not master:
        return
    notebook = students(Path(master)).as_posix()
    if notebook not in app.env.dlfiles:
        return  # the page could not be made, and the build has said why
    _, saved = app.env.dlfiles[notebook]
    for group in context["header_buttons"]:
        for button in group.get("buttons", [group]):
            if button.get("label") == "download-source-button":
                button["url"] = context["pathto"](f"_downloads/{saved}", 1)
                button["text"] = ".ipynb"
            elif button.get("label") == "source-edit-button":
                button["url"] = button["url"].replace(f"{docname}.md", master)
    launch: list[dict] = []
    as_if = {"page_source_suffix": ".ipynb", "sourcename": notebook, "header_buttons": launch}
    name = notebook.removesuffix(".ipynb")
    add_launch_buttons(app, name, template, context | as_if | {"pagename": name}, doctree)
    context["header_buttons"][:0] = launch
