"""Widgets live on a page that has no kernel: their modules and their state lie beside the page.

A widget of the book is an anywidget that also says what it is, in three more traits:

    class Picker(anywidget.AnyWidget):
        _esm = Path("picker.js")
        caption = traitlets.Unicode("What to notice; inline Markdown.").tag(sync=True)
        alt = traitlets.Unicode("What it shows.").tag(sync=True)
        height = traitlets.Int(260).tag(sync=True)

The build fails without caption and alt. `height` is the room, in pixels, that the page keeps before
the widget is there (240 where a widget does not say), or a list of three: on a phone, in a column
of less than 700 pixels, in a wider one. A widget may grow beyond it. `_static/widgets.js` is the
host: it gives the module the front-end interface of anywidget (initialize,
render, what they return; a model with get, set, on, off, save_changes, send; the host's getModel
and getWidget). A page differs from a notebook in this:

- A module is evaluated once for a page, in a notebook once for each widget. State belongs into
  `initialize` and `render`, or into a default export that is a function.
- `send` reaches nobody, `save_changes` saves nothing, `experimental.invoke` fails. What a reader
  changes lasts until the page is left.
- `widget_manager.create_view`, links between widgets (`jslink`) and ipywidgets' layout and style
  are not there.
- A module, or a style sheet, that loads from another host fails the build.

Code that several widgets share is written once in Python, too, as text before their own:

    _esm = Path("shared.js").read_text() + Path("picker.js").read_text()

where shared.js begins with the line `//#region shared`, or another name, and ends with the line
`//#endregion`, and declares what it gives as `export function`, `export class` or `export const`;
picker.js uses these names and imports nothing. In a notebook the two are one module with one scope,
so names must differ. Here each region becomes a module of its own, which a page loads once.

Inside boxes, tabs and accordions the parts stand in their order, one under another. What is neither
an anywidget nor a container is shown at rest: see rest.py.
"""

import re
from typing import ClassVar

from docutils import nodes
from myst_nb.core.render import (
    WIDGET_VIEW_MIMETYPE,
    MimeData,
    NbElementRenderer,
    load_mime_renders,
)
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html import HTML5Translator

from . import beside, rest
from .figures import needs_no_kernel
from .widget_state import Models, code_files, of_notebook

logger = logging.getLogger(__name__)

FOLDER = "_widgets"
MODULES = "modules"  # inside it; no chapter has that name
HEIGHT = 240  # pixels, where a widget does not say

ELSEWHERE = re.compile(
    r"""^https?://|(?:\bfrom|\bimport)[\s(]*["'](?:https?:)?//[^"']*"""
    r"""|url\(\s*["']?(?:https?:)?//[^"')]*"""
)


def setup(app: Sphinx) -> None:
    if WidgetRenderer not in load_mime_renders():
        load_mime_renders().append(WidgetRenderer)
    app.add_node(g3_widget, html=(visit_widget, beside.close_figure))
    app.connect("doctree-read", drop_widget_state)
    app.connect("html-page-context", add_host)


class g3_widget(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """Where a live widget stands on a page; the node's children are its caption."""


class WidgetRenderer:
    """What MyST-NB asks for a widget's nodes."""

    mime_priority_overrides: ClassVar = []

    @staticmethod
    def handle_mime(
        renderer: NbElementRenderer, data: MimeData, inline: bool
    ) -> list[nodes.Node] | None:
        if data.mime_type != WIDGET_VIEW_MIMETYPE:
            return None
        if inline:
            return [nodes.inline("", "(a widget, shown where the notebook runs)")]
        if has_figure(renderer, data):
            return []
        return widget_nodes(renderer, data)


def has_figure(renderer: NbElementRenderer, data: MimeData) -> bool:
    """Whether the output has a form too that needs no kernel, which a page then shows."""
    if not isinstance(data.output_index, int):  # inside an Output widget, where rest.py chooses
        return False
    _, outputs = renderer.renderer.nb_client.code_cell_outputs(data.cell_index)
    return needs_no_kernel(outputs[data.output_index].data)


# ---- the parts of a displayed widget, in their order


def widget_nodes(renderer: NbElementRenderer, data: MimeData) -> list[nodes.Node]:
    models = of_notebook(renderer)
    root = data.content["model_id"]
    if root not in models:
        logger.error(
            "the widget of cell %d has left no state in the notebook",
            data.cell_index + 1,
            location=beside.place(renderer, data),
        )
        return []
    file = f"{beside.output_name(renderer, data)}.js"
    shown: list[nodes.Node] = []
    alive: list[str] = []
    waiting: list[dict] = []  # controls that will stand in one block

    def show_controls() -> None:
        if waiting:
            shown.append(rest.controls(waiting))
            waiting.clear()

    for key, title in models.parts(root):
        model = models[key]
        if title:
            show_controls()
            shown.append(nodes.paragraph("", "", nodes.strong("", title)))
        if "_esm" in model["state"]:
            show_controls()
            shown.append(live(renderer, data, models, key, file))
            alive.append(key)
        elif "outputs" in model["state"]:
            show_controls()
            shown += rest.outputs(renderer, data, model["state"]["outputs"])
        else:
            waiting.append(model)
    show_controls()

    if alive:
        needed = dict.fromkeys(each for key in alive for each in models.reachable(key))
        content = {models.name(key): models.page_form(key) for key in needed}
        script = beside.assignment("g3Widgets", file, content)
        beside.write(renderer, FOLDER, file, script)
        for node in shown:
            if isinstance(node, g3_widget):
                node["version"] = beside.content_hash(script)
    return shown


# ---- one live widget


def live(
    renderer: NbElementRenderer, data: MimeData, models: Models, key: str, file: str
) -> g3_widget:
    """Write the modules that a page of this widget needs; return the node that names them."""
    state = models[key]["state"]
    beside.require_words(renderer, data, "widget", state, "give the class such a synced trait")
    code: dict[str, bytes] = {}
    for each in models.reachable(key):
        refuse_elsewhere(renderer, data, models[each]["state"])
        code |= code_files(models[each]["state"])
    for name, content in code.items():
        beside.write(renderer, FOLDER, f"{MODULES}/{name}", content)
    node = g3_widget(
        model=models.name(key),
        file=file,
        kept=[file, *(f"{MODULES}/{name}" for name in code)],
        alt=str(state.get("alt", "")),
        rooms=rooms(state.get("height")),
    )
    beside.add_caption(renderer, data, node, str(state.get("caption", "")))
    return node


def rooms(height: object) -> list[int]:
    """The height to keep on a phone, in a narrow and in a wide column."""
    given = height if isinstance(height, list) else [height] * 3
    fits = len(given) == 3 and all(isinstance(room, int) and room > 0 for room in given)
    return given if fits else [HEIGHT] * 3


def refuse_elsewhere(renderer: NbElementRenderer, data: MimeData, state: dict) -> None:
    for trait in ("_esm", "_css"):
        found = ELSEWHERE.search(state.get(trait) or "")
        if found:
            logger.error(
                "a widget of cell %d loads from another host: %s",
                data.cell_index + 1,
                found[0],
                location=beside.place(renderer, data),
            )


# ---- the page


def visit_widget(self: HTML5Translator, node: g3_widget) -> None:
    addresses = {file: beside.bring(self, FOLDER, file) for file in node["kept"]}
    src = f"{addresses[node['file']]}?v={node['version']}"
    depth = self.builder.get_target_uri(self.builder.current_docname).count("/")
    alt = self.attval(node["alt"])
    kept = zip(("phone", "narrow", "wide"), node["rooms"], strict=True)
    style = ";".join(f"--{column}:{room}px" for column, room in kept)
    self.body.append(
        '<figure class="g3-figure">\n'
        f'<div class="g3-widget" role="group" aria-label="{alt}"'
        f' style="{style}" data-widget="{node["model"]}"'
        f' data-name="{self.attval(node["file"])}" data-src="{self.attval(src)}"'
        f' data-modules="{"../" * depth}{FOLDER}/{MODULES}/">\n'
        f'<p class="g3-waiting">{self.encode(node["alt"])}</p>\n'
        "<noscript><p>This widget is run by JavaScript, which is off here.</p></noscript>\n"
        "</div>\n<figcaption>"
    )


def drop_widget_state(app: Sphinx, doctree: nodes.document) -> None:
    """A page has no widget manager: the state that MyST-NB embeds for one is dead weight."""
    metadata = getattr(app.env, "nb_metadata", {}).get(app.env.docname, {})
    metadata.get("js_files", {}).pop("ipywidgets_state", None)


def add_host(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """The host comes with the pages that have a widget."""
    if doctree and any(doctree.findall(g3_widget)):
        app.add_js_file("widgets.js", loading_method="defer")
