"""Flat pictures: what matplotlib has drawn is part of the page, its images of numbers lie beside.

A picture is HTML that `gather3d.figures` gives, with its words: an SVG in the page's own colours,
and numbers as an image inside it, which a notebook holds as text. A page is lighter without.
"""

import base64
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from . import beside

FOLDER = "_pictures"
FIGURE = '<figure class="g3-picture"'  # how such HTML begins
IMAGE = re.compile(r'href="data:image/png;base64,([^"]+)"')


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", put_beside)


def is_picture(outputs: dict) -> bool:
    """Whether one of the forms of an output is such a picture, which a page then shows."""
    return str(outputs.get("text/html", "")).startswith(FIGURE)


def put_beside(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """When the page is written, write each image to a file that is named after what it holds."""
    page = app.builder.get_target_uri(docname)

    def moved(found: re.Match) -> str:
        content = base64.b64decode(found[1])
        file = f"{FOLDER}/{beside.content_hash(content)}.png"
        (app.outdir / FOLDER).mkdir(exist_ok=True)
        (app.outdir / file).write_bytes(content)
        return f'href="{relative_uri(page, file)}"'

    for node in doctree.findall(nodes.raw):
        if FIGURE in node.astext():
            node[:] = [nodes.Text(IMAGE.sub(moved, node.astext()))]
