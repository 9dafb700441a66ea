"""What a page says about itself, once: its description, its viewport, the names of its controls.

`_templates/layout.html` leaves out what the theme writes twice; `_static/page.js` does what is only
known in the browser: which boxes scroll, where the focus was, whether the page is a file.
"""

import re
import textwrap
from pathlib import Path

from docutils import nodes
from markupsafe import escape
from sphinx.application import Sphinx

ENOUGH = 100  # characters of a description; one paragraph may be a question of five words
LENGTH = 160  # characters that search engines show
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'
UNNAMED = '<summary aria-label="Toggle hidden content">'  # MyST-NB hides the words that are shown
TOGGLE = re.compile(r"(>([^<>]+)</a><details[^>]*><summary)>")  # of a chapter, in the contents

ENTRANCE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{title}">
<meta http-equiv="refresh" content="0; url={first}">
<link rel="icon" href="_static/{icon}">
<title>{title}</title>
</head>
<body><p><a href="{first}">{title}</a></p></body>
</html>
"""


def setup(app: Sphinx) -> None:
    app.add_js_file("page.js", loading_method="defer")
    app.connect("html-page-context", describe_page)
    app.connect("html-page-context", name_toggles, priority=900)
    app.connect("build-finished", write_entrance)


def describe_page(
    app: Sphinx, name: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    text = (doctree and description(doctree)) or f"{app.config.html_title}: {name}"
    tag = f'<meta name="description" content="{escape(text)}" />'
    context["metatags"] = context.get("metatags", "").replace(VIEWPORT, "") + tag
    if "body" in context:
        context["body"] = context["body"].replace(UNNAMED, "<summary>")


def name_toggles(
    app: Sphinx, name: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """In the book's contents, what unfolds the pages below a chapter says which chapter's."""
    contents = context["generate_toctree_html"]

    def named(*args: object, **options: object) -> str:
        return TOGGLE.sub(r'\1 aria-label="Below \2">', str(contents(*args, **options)))

    context["generate_toctree_html"] = named


def description(doctree: nodes.document) -> str:
    """The first words of a page: paragraphs of its text until there are enough."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        plain = isinstance(paragraph.parent, nodes.section) and not paragraph.next_node(nodes.math)
        if plain and len(text) < ENOUGH:
            words = " ".join(paragraph.astext().split())
            text += words + (" " if words.endswith((".", "?", "!", ":")) else ". ")
    return textwrap.shorten(text, LENGTH, placeholder=" …")


def write_entrance(app: Sphinx, exception: Exception | None) -> None:
    """The folder's own index.html leads to the first page, also where nothing is redirected."""
    if exception or app.builder.format != "html":
        return
    first = app.builder.get_target_uri(app.config.root_doc)
    icon = Path(app.config.html_favicon).name
    text = ENTRANCE.format(first=first, icon=icon, title=escape(app.config.html_title))
    (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")
