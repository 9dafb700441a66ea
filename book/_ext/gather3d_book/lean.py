"""A page asks for what it needs, and nothing that it does not need first holds up its first paint.

Scripts wait until the page is parsed. FontAwesome's script, for a dozen icons, is left out: the
stylesheet has them. Code is coloured without a <span> around what has the colour of the text. The
styles that every diagram of a notebook brings along are on a page once. The head of a page is in
`_templates/layout.html`, its stylesheet is made in `stylesheet.py`.
"""

import re
from collections.abc import Iterator

from docutils import nodes
from pygments.formatters import HtmlFormatter
from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge

UNUSED = {"design-tabs.js"}  # no page has tabs
STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
NEEDS_OPTIONS = "DOCUMENTATION_OPTIONS."


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", let_scripts_wait, priority=900)
    app.connect("doctree-read", keep_one_of_each_style)
    PygmentsBridge.html_formatter = LeanFormatter


def let_scripts_wait(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Scripts in the head run in their order, after the page is parsed and painted.

    A line in the page that uses what a script defines waits too: as a module, in the same order.
    """
    kept = []
    for script in context["script_files"]:
        if script.filename in {f"_static/{name}" for name in UNUSED}:
            continue
        if script.filename and "async" not in script.attributes:
            script.attributes["defer"] = "defer"
        elif NEEDS_OPTIONS in script.attributes.get("body", ""):
            script.attributes["type"] = "module"
        if script not in kept:
            kept.append(script)
    context["script_files"] = kept


def keep_one_of_each_style(app: Sphinx, doctree: nodes.document) -> None:
    """Of the same <style> in several outputs of a page, the first is enough."""
    seen: set[str] = set()

    def first(style: re.Match) -> str:
        if style[0] in seen:
            return ""
        seen.add(style[0])
        return style[0]

    for node in doctree.findall(nodes.raw):
        if node.get("format") == "html" and "<style>" in node.astext():
            html = STYLE.sub(first, node.astext())
            node.replace_self(nodes.raw("", html, **node.attributes))


class LeanFormatter(HtmlFormatter):
    """Pygments' HTML without a <span> around names, punctuation and spaces.

    Most of a highlighted line is these, and they have the colour of the text around them: half of a
    chapter's bytes were such spans.
    """

    PLAIN = re.compile(r'<span class="(?:n|p|w|nn|nx|pm)">([^<]*)</span>')

    def wrap(self, source: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        return super().wrap((is_code, self.PLAIN.sub(r"\1", line)) for is_code, line in source)
