"""Plotly outputs become <figure> elements; their data lies beside the page, not inside it.

    figure.layout.meta = {"caption": ..., "alt": ..., "height": pixels (optional)}

The caption says what to notice and may use inline Markdown; the alt text says what is shown. The
build fails without either. `_static/figures.js` draws.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import ClassVar

import plotly
from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer, load_mime_renders
from plotly.offline import get_plotlyjs_version
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html import HTML5Translator

from . import beside, pictures, posters, registry
from .registry import CONTEXTS

logger = logging.getLogger(__name__)

PLOTLY_MIMETYPE = "application/vnd.plotly.v1+json"
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
FOLDER = "_figures"
CAPTION = '<p class="g3-caption">'  # how gather3d.figures begins that of a scene
HEIGHT = 420  # pixels, where a figure does not say

SCENE_TRACES = {
    "cone", "isosurface", "mesh3d", "scatter3d", "streamtube", "surface", "volume",
}  # fmt: skip
FLAT_WEBGL_TRACES = {"heatmapgl", "parcoords", "scattergl", "splom"}


def setup(app: Sphinx) -> None:
    # MyST-NB knows renderers from the entry points of installed packages, and keeps one list of
    # them for the whole run. The book is no package, so it puts its renderer on that list itself.
    if FigureRenderer not in load_mime_renders():
        load_mime_renders().append(FigureRenderer)
    app.add_node(g3_figure, html=(visit_figure, beside.close_figure))
    app.add_js_file(
        "figures.js",
        loading_method="defer",
        **{"data-plotly": f"plotly-{get_plotlyjs_version()}.min.js"},
    )
    app.connect("build-finished", copy_plotly)


class g3_figure(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """Where a figure stands on a page; the node's children are its caption."""


class FigureRenderer:
    """What MyST-NB asks for a figure's nodes; of several forms of one output, it prefers this."""

    mime_priority_overrides: ClassVar = [("*", PLOTLY_MIMETYPE, 5)]

    @staticmethod
    def handle_mime(
        renderer: NbElementRenderer, data: MimeData, inline: bool
    ) -> list[nodes.Node] | None:
        if data.mime_type == "text/html" and str(data.content).startswith(CAPTION):
            # in a notebook it stands under the figure, on a page it is part of it; with no node at
            # all, the plain form of the same output would be shown
            return [nodes.raw("", "", format="html")]
        if data.mime_type != PLOTLY_MIMETYPE or inline:
            return None
        return [figure_node(renderer, data)]


def needs_no_kernel(outputs: dict) -> bool:
    """Whether an output that has a live form has one for a page as well."""
    return PLOTLY_MIMETYPE in outputs or pictures.is_picture(outputs)


def figure_node(renderer: NbElementRenderer, data: MimeData) -> nodes.Node:
    """Write the figure's data to a file of its own; return the node that names it."""
    figure = data.content
    layout = figure.get("layout", {})
    meta = layout.get("meta") or {}
    beside.require_words(renderer, data, "figure", meta, "set figure.layout.meta")
    contexts = webgl_contexts(figure)
    if contexts > CONTEXTS:
        logger.error(
            "the figure of cell %d needs %d WebGL contexts; a page keeps at most %d alive",
            data.cell_index + 1,
            contexts,
            CONTEXTS,
            location=beside.place(renderer, data),
        )

    name = beside.output_name(renderer, data)
    content = {key: figure[key] for key in ("data", "layout", "frames") if figure.get(key)}
    script = beside.assignment("g3Figures", name, content)
    file = f"{name}.js"
    beside.write(renderer, FOLDER, file, script)

    node = g3_figure(
        name=name,
        file=file,
        digest=hashlib.sha256(script).hexdigest(),
        alt=str(meta.get("alt", "")),
        height=int(meta.get("height") or layout.get("height") or HEIGHT),
        contexts=contexts,
        slider=slider_of(layout),
    )
    beside.add_caption(renderer, data, node, str(meta.get("caption", "")))
    registry.note(renderer.renderer.sphinx_env, node, f"{FOLDER}/{file}")
    return node


def slider_of(layout: dict) -> dict | None:
    """What the page's own slider needs before the figure's data is there."""
    if not layout.get("sliders"):
        return None
    (slider,) = layout["sliders"]
    return {
        "active": slider.get("active", 0),
        "prefix": slider.get("currentvalue", {}).get("prefix", ""),
        "labels": [step["label"] for step in slider["steps"]],
    }


def webgl_contexts(figure: dict) -> int:
    """How many contexts a figure holds while it is drawn: one a scene, three for flat WebGL."""
    traces = figure.get("data", [])
    scenes = {trace.get("scene", "scene") for trace in traces if trace.get("type") in SCENE_TRACES}
    flat = any(trace.get("type") in FLAT_WEBGL_TRACES for trace in traces)
    return len(scenes) + (3 if flat else 0)


def visit_figure(self: HTML5Translator, node: g3_figure) -> None:
    builder = self.builder
    uri = f"{beside.bring(self, FOLDER, node['file'])}?v={node['digest'][:8]}"
    page = builder.get_target_uri(builder.current_docname)
    slider = f' data-slider="{self.attval(json.dumps(node["slider"]))}"' if node["slider"] else ""
    alt = self.attval(node["alt"])
    look = builder.config.g3_posters
    self.body.append(
        '<figure class="g3-figure">\n'
        f'<div class="g3-plot" role="group" aria-label="{alt}" style="height:{node["height"]}px"'
        f' data-figure="{self.attval(node["name"])}" data-src="{self.attval(uri)}"'
        f' data-contexts="{node["contexts"]}"{slider}>\n'
        f"{posters.pictures(page, node, look) if look else words_instead(alt)}"
        "</div>\n<figcaption>"
    )


def words_instead(alt: str) -> str:
    """What stands in a figure's place until it is drawn, where it has no poster."""
    return (
        f'<p class="g3-waiting">{alt}</p>\n'
        "<noscript><p>This figure is drawn by JavaScript, which is off here.</p></noscript>\n"
    )


def copy_plotly(app: Sphinx, exception: Exception | None) -> None:
    """One copy of plotly.js for the whole book, from the Python package that drew the figures."""
    if exception or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / f"plotly-{get_plotlyjs_version()}.min.js"
    if not target.exists():
        shutil.copyfile(PLOTLY_JS, target)
