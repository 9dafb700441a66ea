"""A control that needs Python, on a page that has none: what it is and where it stands, in words.

Nothing here looks as though it would answer. What an Output widget has caught is shown as if the
cell itself had shown it.
"""

import dataclasses
import re
from typing import Any

import nbformat
from docutils import nodes
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE, MimeData, NbElementRenderer

from .figures import needs_no_kernel

HOW_TO_RUN = "This needs Python: download this page as a notebook and run it to use it."
DISPLAYS = {  # nothing to move
    "FloatProgressModel", "HTMLMathModel", "HTMLModel",
    "IntProgressModel", "LabelModel", "ValidModel",
}  # fmt: skip


def controls(models: list[dict]) -> nodes.container:
    """Neighbouring controls, one line each, and how to run them."""
    block = nodes.container("", *map(line, models), classes=["g3-rest"])
    if any(model["model_name"] not in DISPLAYS for model in models):
        block += nodes.paragraph("", HOW_TO_RUN, classes=["g3-live-only"])
    return block


def line(model: dict) -> nodes.Node:
    state = model["state"]
    if model["model_name"] in ("HTMLModel", "HTMLMathModel"):
        return nodes.raw("", f"<div>{state['value']}</div>", format="html")
    if model["model_name"] == "LabelModel":
        return nodes.paragraph("", state["value"])
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model["model_name"].removesuffix("Model"))
    label = str(state.get("description") or "").strip().rstrip(":") or kind.capitalize()
    text = standing(model["model_name"], state)
    return nodes.paragraph("", "", nodes.strong("", label), nodes.Text(f": {text}"))


def standing(kind: str, state: dict) -> str:
    """Where a control stands, and where it could be moved."""
    if "_options_labels" in state:
        options = [str(option) for option in state["_options_labels"]]
        index = state.get("index")
        places = [index] if isinstance(index, int) else index or []
        chosen = ", ".join(options[place] for place in places) or "none"
        return f"{chosen} (of {', '.join(options)})"
    value = state.get("value")
    if state.get("min") is not None and state.get("max") is not None:
        low, high, step = state["min"], state["max"], state.get("step")
        if kind == "FloatLogSliderModel":  # its ends and its step are exponents
            low, high, step = state["base"] ** low, state["base"] ** high, None
        steps = f" in steps of {number(step)}" if step and kind not in DISPLAYS else ""
        return f"{number(value)} (from {number(low)} to {number(high)}{steps})"
    if isinstance(value, bool):
        return "on" if value else "off"
    if kind == "ButtonModel":
        return "a button"
    if isinstance(value, str | int | float):
        return str(value) or "empty"
    return "a widget that only a notebook shows"


def number(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(number, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def outputs(renderer: NbElementRenderer, data: MimeData, caught: list[dict]) -> list[nodes.Node]:
    """What an Output widget holds, through the renderer that renders the outputs of cells."""
    shown: list[nodes.Node] = []
    for place, output in enumerate(map(nbformat.from_dict, caught)):
        where = (output, data.cell_metadata, data.cell_index, data.line)
        if output.output_type == "stream":
            render = renderer.render_stdout if output.name == "stdout" else renderer.render_stderr
            shown += render(*where)
        elif output.output_type == "error":
            shown += renderer.render_error(*where)
        else:
            shown.append(bundle(renderer, data, output, place))
    return shown


def bundle(
    renderer: NbElementRenderer, data: MimeData, output: nbformat.NotebookNode, place: int
) -> nodes.container:
    """All forms of one output; MyST-NB keeps the best when it writes the page."""
    forms = nodes.container(nb_element="mime_bundle")
    for mime_type, content in output.data.items():
        if mime_type == WIDGET_VIEW_MIMETYPE and needs_no_kernel(output.data):
            continue
        inner = dataclasses.replace(
            data,
            mime_type=mime_type,
            content=content,
            output_metadata=output.get("metadata", {}),
            output_index=f"{data.output_index}-{place}",
        )
        form = nodes.container("", *renderer.render_mime_type(inner), mime_type=mime_type)
        if form.children:
            forms += form
    return forms
