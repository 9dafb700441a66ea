"""What a term means and which work is cited, on a card beside the link: the text of the cards.

`_static/cards.js` shows a card on hover and on keyboard focus. The cards of the whole book are one
file, asked for when a reader first comes to such a link, so that a page weighs nothing more for
having them and a changed definition needs no page to be written again. sphinx-tippy does the same
with two libraries from another host, a file of cards for each page that is written (and only then),
and no way to close a card from the keyboard; browsers have popovers of their own now.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from pybtex.plugin import find_plugin
from sphinx.application import Sphinx

FILE = "definitions.js"  # cards.js knows the name


def setup(app: Sphinx) -> None:
    app.add_js_file("cards.js", loading_method="defer")
    app.connect("doctree-resolved", drop_titles)
    app.connect("build-finished", write_cards)


def drop_titles(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """A citation has a card: the same text in a `title` would lie over it, for the mouse only."""
    for reference in doctree.findall(nodes.reference):
        if "bibtex-citation" in reference.parent["classes"]:
            reference.attributes.pop("reftitle", None)


def write_cards(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    cards = {
        f"{app.builder.get_target_uri(docname)}#{anchor}": rendered(app, content)
        for docname, anchor, content in [*terms(app), *works(app)]
    }
    text = json.dumps(cards, ensure_ascii=False, separators=(",", ":"))
    file = Path(app.outdir) / "_static" / FILE
    file.write_text(f"window.g3Cards={text};\n", encoding="utf-8")


def terms(app: Sphinx) -> Iterator[tuple[str, str, list[nodes.Node]]]:
    """Each term of a glossary with the first paragraph of its definition."""
    env = app.env
    found = {
        (docname, anchor)
        for (kind, _), (docname, anchor) in env.get_domain("std").objects.items()
        if kind == "term"
    }
    for docname in sorted({docname for docname, _ in found}):
        doctree = env.get_and_resolve_doctree(docname, app.builder)
        for item in doctree.findall(nodes.definition_list_item):
            first = next(item.findall(nodes.definition)).children[0]
            for term in item.findall(nodes.term):
                anchors = [anchor for anchor in term["ids"] if (docname, anchor) in found]
                if anchors:
                    name = nodes.paragraph("", "", nodes.strong("", term.astext()))
                    yield docname, anchors[0], [name, first]


def works(app: Sphinx) -> Iterator[tuple[str, str, list[nodes.Node]]]:
    """Each work of a bibliography, as it stands there."""
    backend = find_plugin("pybtex.backends", "docutils")()
    for citation in app.env.get_domain("cite").citations:
        text = backend.paragraph(citation.formatted_entry)
        yield citation.bibliography_key.docname, citation.citation_id, [text]


def rendered(app: Sphinx, content: list[nodes.Node]) -> str:
    """HTML with nothing in it to be focused, and no name that the page may have already."""
    box = nodes.container("", *(node.deepcopy() for node in content))
    for node in [*box.findall(nodes.reference), *box.findall(nodes.inline)]:
        node.parent.replace(node, node.children)
    for node in box.findall(nodes.Element):
        node["ids"] = []
    return "".join(app.builder.render_partial(node)["fragment"].strip() for node in box.children)
