"""Tables of edge cases can be filtered on a page, by `_static/edges.js`.

The table is HTML that `gather3d.edges` shows; without a script, all of its rows are there.
"""

from docutils import nodes
from sphinx.application import Sphinx

MARK = '<figure class="g3-table g3-edges"'


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_script)


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """The script comes with the pages that have such a table."""
    if MARK in context.get("body", ""):
        app.add_js_file("edges.js", loading_method="defer")
