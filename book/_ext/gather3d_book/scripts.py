"""Scripts that come only with the pages on which they have something to do.

What they serve is HTML that a cell shows (`gather3d.exercises.predict`, `gather3d.edges`), and
works by itself; `predict.js` counts what a reader chose first, `edges.js` filters the tables.
"""

from docutils import nodes
from sphinx.application import Sphinx

SCRIPTS = {
    '<div class="g3-predict"': "predict.js",
    '<figure class="g3-table g3-edges"': "edges.js",
}
"""By how what they serve begins."""


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_scripts)


def add_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    for mark, script in SCRIPTS.items():
        if mark in context.get("body", ""):
            app.add_js_file(script, loading_method="defer")
