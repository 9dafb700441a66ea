"""What figures and widgets share: their words, and the files that lie beside a page.

Data travels in scripts that do nothing but assign, because a page that is opened from disk may load
scripts but may not fetch files.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.util import logging
from sphinx.util.osutil import relative_uri
from sphinx.writers.html import HTML5Translator

logger = logging.getLogger(__name__)


# ---- while a page is read


def place(renderer: NbElementRenderer, data: MimeData) -> tuple[str, int | None]:
    """Where an output stands, as a logger wants it."""
    return renderer.renderer.sphinx_env.docname, data.line


def output_name(renderer: NbElementRenderer, data: MimeData) -> str:
    """The name of an output in this book; a path, because the name of a page is one."""
    docname = renderer.renderer.sphinx_env.docname
    return f"{docname}-{data.cell_index}-{data.output_index}"


def require_words(
    renderer: NbElementRenderer, data: MimeData, kind: str, words: dict, remedy: str
) -> None:
    """Report an output that has no caption or no alt text, which fails the build."""
    for name in ("caption", "alt"):
        if not str(words.get(name, "")).strip():
            logger.error(
                "the %s of cell %d has no %s: %s",
                kind,
                data.cell_index + 1,
                name,
                remedy,
                location=place(renderer, data),
            )


def add_caption(renderer: NbElementRenderer, data: MimeData, node: nodes.Node, text: str) -> None:
    """Put the caption into the node; its inline Markdown is rendered."""
    with renderer.renderer.current_node_context(node):
        renderer.renderer.nested_render_text(text, data.line or 0, inline=True)


def assignment(store: str, name: str, content: Any) -> bytes:
    """A script that puts JSON content under a name into a store of the page.

    The same content gives the same bytes: an output that comes from the cache has its keys sorted.
    """
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return f"(window.{store}??={{}})[{json.dumps(name)}]={text};\n".encode()


def write(renderer: NbElementRenderer, folder: str, file: str, content: bytes) -> None:
    """Keep a file until the pages that use it are written."""
    renderer.write_file([folder, *file.split("/")], content, overwrite=True)


def content_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


# ---- while a page is written


def bring(self: HTML5Translator, folder: str, file: str) -> str:
    """Copy a file that was kept into the built book; return its address, seen from this page."""
    builder = self.builder
    source = Path(builder.env.mystnb_config.output_folder) / folder / file
    target = Path(builder.outdir) / folder / file
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return relative_uri(builder.get_target_uri(builder.current_docname), f"{folder}/{file}")


def close_figure(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</figcaption>\n</figure>\n")
