"""What docutils writes for a reader with a screen reader and ARIA has given up since."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html import HTML5Translator


def setup(app: Sphinx) -> None:
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))


def visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """A work is an item of a list; docutils' own role, doc-biblioentry, is deprecated."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div role="list" class="citation-list">\n')
    self.body.append(self.starttag(node, "div", classes=["citation"], role="listitem"))


def depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        self.body.append("</div>\n")
