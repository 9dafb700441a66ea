"""Predictions on a page: what a reader chose first is counted by `_static/predict.js`.

The question with its options is HTML that `gather3d.exercises.predict` shows; it works by itself.
"""

from docutils import nodes
from sphinx.application import Sphinx

MARK = '<div class="g3-predict"'


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_script)


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """The script comes with the pages that ask something."""
    if MARK in context.get("body", ""):
        app.add_js_file("predict.js", loading_method="defer")
