"""A picture that a cell draws as an image has words for the reader who cannot see it.

They are written in the cell's metadata: {"mystnb": {"image": {"alt": "what the picture shows"}}}.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", refuse_images_without_words)


def refuse_images_without_words(app: Sphinx, doctree: nodes.document) -> None:
    for cell in doctree.findall(is_code_cell):
        for image in cell.findall(nodes.image):
            if not image.get("alt", "").strip():
                logger.error(
                    "the image that cell %d draws has no alt text: write what it shows into the "
                    'metadata of the cell, as {"mystnb": {"image": {"alt": "..."}}}',
                    cell["cell_index"] + 1,
                    location=(app.env.docname, cell.line),
                )


def is_code_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("cell_index") is not None
