"""A picture in space, drawn by plotly: to turn and to zoom.

It is a plotly figure that you may change as you like. Backgrounds are transparent and lines are
middle grey, so that the same figure reads on a light page and on a dark one.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from IPython.display import HTML, display

from .inputs import described
from .palette import GRID_IN_SPACE, INDEX, INK, RESULT, SOURCE, WRONG
from .svg import code

_TEMPLATE = {
    "layout": {
        "font": {"color": INK, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": [SOURCE, INDEX, RESULT, WRONG, INK],
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
        },
    }
}
#: Pixels that a legend needs, and a colour bar.
_LEGEND_ROOM, _BAR_ROOM = 30, 56

_VIEWS = {
    "front": (0.0, -1.0, 0.12),
    "side": (1.0, 0.0, 0.12),
    "top": (0.0, -0.02, 1.0),
}


class Scene(go.Figure):
    """A plotly figure that a notebook shows with its caption under it."""

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        display(HTML(f'<p class="g3-caption">{code(self.layout.meta["caption"])}</p>'))


def scene(
    *layers: Any,
    caption: str,
    alt: str,
    camera: str | tuple[float, float, float] | dict | None = None,
    height: int = 460,
    units: str = "m",
) -> Scene:
    """A picture in space, to turn and to zoom: one metre is as long on every axis.

    Args:
        layers: from `points`, `cubes`, `wire`, `segments`, `arrows`, `mesh`.
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.
        camera: "corner" (the default), "front", "side" or "top"; or the direction (x, y, z)
            from which to look; or a camera as plotly writes it.
        height: in pixels.
        units: of the axes; "" for none.

    Raises:
        ValueError: no layer, a layer of another kind, or an empty caption or alt.

    Example:
        >>> from gather3d.figures import points
        >>> figure = scene(points([[0, 0, 0], [4, 2, 1]]), caption="Two points.", alt="Two points.")
        >>> figure.layout.scene.xaxis.title.text, figure.layout.meta["alt"]
        ('x (m)', 'Two points.')
    """
    meta = described(caption, alt)
    traces = _traces(layers, ("scatter3d", "mesh3d", "cone", "surface", "volume", "isosurface"))
    low, high = _bounds(traces)
    middle, longest = (low + high) / 2, float((high - low).max()) or 1.0
    # A margin, since plotly cuts what lies on the box; more where the box is very thin.
    extent = np.maximum(high - low + 0.02 * longest, 0.05 * longest)
    ratio = extent / extent.max()
    axes = {
        f"{letter}axis": {
            "range": [float(middle[d] - extent[d] / 2), float(middle[d] + extent[d] / 2)],
            "title": {"text": f"{letter} ({units})" if units else letter},
            "showbackground": False,
            "gridcolor": GRID_IN_SPACE,
            "linecolor": INK,
            "zeroline": False,
            "showspikes": False,
            "nticks": max(2, round(8 * ratio[d])),
        }
        for d, letter in enumerate("xyz")
    }
    return Scene(
        traces,
        {
            "template": _TEMPLATE,
            "meta": meta,
            "height": height,
            "margin": _margin(traces),
            "legend": {"itemsizing": "constant"},
            "scene": {
                **axes,
                "aspectmode": "manual",
                "aspectratio": dict(zip("xyz", ratio.tolist(), strict=True)),
                "bgcolor": "rgba(0,0,0,0)",
                "camera": _camera(camera, ratio),
            },
        },
    )


# --- helpers ---------------------------------------------------------------------------------


def _traces(layers: tuple, kinds: tuple[str, ...]) -> list:
    traces = []
    for position, layer in enumerate(layers):
        for trace in layer if isinstance(layer, (list, tuple)) else [layer]:
            kind = getattr(trace, "type", type(trace).__name__)
            if kind not in kinds:
                raise ValueError(
                    f"layers: number {position} is a {kind}, wanted one of {', '.join(kinds)}"
                )
            traces.append(trace)
    if not traces:
        raise ValueError("layers: got none, wanted at least one")
    return traces


def _margin(traces: list) -> dict[str, int]:
    """The margins, in pixels, with the colour bars side by side in the lower one."""
    bars = []
    for trace in traces:
        owner = trace if trace.type == "mesh3d" else trace.marker
        valued = getattr(owner, "colorscale", None) is not None
        if valued and getattr(owner, "showscale", None) is not False:
            bars.append(owner.colorbar)
    for k, bar in enumerate(bars):
        bar.len = 0.7 if len(bars) == 1 else 0.9 / len(bars)
        bar.x = (k + 0.5) / len(bars)
        bar.y = 0
    named = any(trace.showlegend for trace in traces)
    return {"t": _LEGEND_ROOM if named else 10, "b": _BAR_ROOM if bars else 10}


def _bounds(traces: list) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest x, y, z of all that is drawn."""
    spans = []
    for trace in traces:
        values = [np.asarray(getattr(trace, letter), dtype=np.float64) for letter in "xyz"]
        spans.append([(np.nanmin(v), np.nanmax(v)) for v in values])
    spans = np.array(spans)
    return spans[:, :, 0].min(axis=0), spans[:, :, 1].max(axis=0)


def _camera(camera: Any, ratio: np.ndarray) -> dict:
    """Far enough to show the whole box, in a window that may be narrow."""
    if isinstance(camera, dict):
        return camera
    if camera is None or camera == "corner":
        # From a corner, turned so that the longer side runs across the screen.
        direction = np.array([0.75 * ratio[1], -ratio[0], 0.6 * max(ratio[:2])])
    elif isinstance(camera, str):
        if camera not in _VIEWS:
            raise ValueError(f"camera: got {camera!r}, wanted corner, {', '.join(_VIEWS)}")
        direction = np.array(_VIEWS[camera])
    else:
        direction = np.asarray(camera, dtype=np.float64)
        if direction.shape != (3,) or not np.linalg.norm(direction):
            raise ValueError(f"camera: got {camera!r}, wanted a direction (x, y, z)")
    eye = direction / np.linalg.norm(direction) * 1.2 * np.linalg.norm(ratio)
    return {"eye": dict(zip("xyz", eye.tolist(), strict=True))}
