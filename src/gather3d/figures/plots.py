"""Pictures that plotly draws: a scene in space, a chart, a roofline, an image, several images.

Each is one call, needs a `caption` (what to notice) and an `alt` (what it shows), and is a
plotly figure that you may change as you like. Backgrounds are transparent and lines are middle
grey, so that the same figure reads on a light page and on a dark one.
"""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .inputs import compact, described, evenly, numbers
from .layers import _bar, _ends, line
from .palette import GRID, GRID_IN_SPACE, INDEX, INK, RESULT, SCALE, SOURCE, SYMBOLS, WRONG

_AXIS = {
    "gridcolor": GRID,
    "linecolor": INK,
    "zerolinecolor": GRID,
    "automargin": True,
    "title": {"standoff": 8},
}
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
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}
#: Pixels that the numbers and the title of a horizontal axis need, a legend, and a colour bar.
_AXIS_ROOM, _LEGEND_ROOM, _BAR_ROOM = 46, 30, 56

_VIEWS = {
    "front": (0.0, -1.0, 0.12),
    "side": (1.0, 0.0, 0.12),
    "top": (0.0, -0.02, 1.0),
}


def scene(
    *layers: Any,
    caption: str,
    alt: str,
    camera: str | tuple[float, float, float] | dict | None = None,
    height: int = 460,
    units: str = "m",
) -> go.Figure:
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
    return go.Figure(
        traces,
        {
            "template": _TEMPLATE,
            "meta": meta,
            "height": height,
            "margin": _margin(traces, height, 0),
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


def chart(
    *layers: Any,
    caption: str,
    alt: str,
    x: str = "",
    y: str = "",
    log_x: bool = False,
    log_y: bool = False,
    equal: bool = False,
    height: int = 340,
) -> go.Figure:
    """A picture in the plane.

    Args:
        layers: from `line`, `bars`, `markers`; or `segments` and `arrows` of `[N, 2]`.
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.
        x, y: the axes' titles, with units.
        log_x, log_y: a logarithmic axis.
        equal: one unit is as long on both axes (for a map).
        height: in pixels.

    Raises:
        ValueError: no layer, a layer of another kind, or an empty caption or alt.
    """
    meta = described(caption, alt)
    traces = _traces(layers, ("scatter", "scattergl", "bar", "heatmap", "histogram", "box"))
    return go.Figure(
        traces,
        {
            "template": _TEMPLATE,
            "meta": meta,
            "height": height,
            "margin": _margin(traces, height, _AXIS_ROOM),
            "xaxis": {"title": {"text": x}, **({"type": "log"} if log_x else {})},
            "yaxis": {
                "title": {"text": y},
                **({"type": "log"} if log_y else {}),
                **({"scaleanchor": "x"} if equal else {}),
            },
        },
    )


def roofline(
    work: dict[str, tuple[float, float, float]],
    *,
    bandwidth: dict[str, float],
    peak: float,
    caption: str,
    alt: str,
    height: int = 400,
) -> go.Figure:
    """The roofline of a machine, and under it what some work reached.

    roof(I) = min(peak, bandwidth · I),   I = operations / bytes that must move

    Args:
        work: name → (operations, bytes that must move, seconds), each above 0.
        bandwidth: name → bytes a second, one slope for each kind of memory.
        peak: operations a second, where memory does not matter.
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.
        height: in pixels.

    Raises:
        ValueError: no work, no bandwidth, a number that is not above 0, or an empty caption or alt.

    Example:
        >>> figure = roofline(
        ...     {"sum": (1e6, 4e6, 1e-3)}, bandwidth={"memory": 1e10}, peak=1e11,
        ...     caption="A quarter of an operation a byte.", alt="A slope, a level line, a dot."
        ... )
        >>> figure.data[-1].x, figure.data[-1].y
        ((0.25,), (1.0,))
    """
    if not work or not bandwidth:
        raise ValueError(f"{'bandwidth' if work else 'work'}: got none, wanted at least one")
    for name, amounts in (*work.items(), *bandwidth.items(), ("peak", peak)):
        if not (np.asarray(amounts) > 0).all():
            raise ValueError(f"{name}: got {amounts}, wanted numbers above 0")
    intensity = {name: operations / moved for name, (operations, moved, _) in work.items()}
    left = min(intensity.values()) / 2
    right = 4 * max(*intensity.values(), peak / min(bandwidth.values()))
    roofs = []
    for k, (name, slope) in enumerate(bandwidth.items()):
        x = [left, peak / slope, right]
        y = [min(peak, slope * at) / 1e9 for at in x]
        roofs.append(line(x, y, role="missing" if k else "context", name=name))
    middle = math.sqrt(left * right)
    rank = {name: k for k, name in enumerate(sorted(intensity, key=intensity.get))}
    beside = [  # a name leans to the middle, above and below in turn: names do not meet
        f"{('top', 'bottom')[rank[name] % 2]} {'right' if x < middle else 'left'}"
        for name, x in intensity.items()
    ]
    reached = go.Scatter(
        x=tuple(intensity.values()),
        y=tuple(operations / seconds / 1e9 for operations, _, seconds in work.values()),
        mode="markers+text",
        text=list(work),
        textposition=beside,
        marker={"color": RESULT, "symbol": SYMBOLS["result"], "size": 10},
        hovertemplate="%{text}: %{x:.3g} a byte, %{y:.3g} billion a second<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )
    return chart(
        *roofs,
        reached,
        caption=caption,
        alt=alt,
        x="operations for each byte that must move",
        y="billion operations a second",
        log_x=True,
        log_y=True,
        height=height,
    )


def image(
    array: Any,
    *layers: Any,
    caption: str,
    alt: str,
    label: str = "",
    rows: str = "row",
    columns: str = "column",
    scale: str | list[str] = SCALE,
    limits: tuple[float, float] | None = None,
    extent: tuple[float, float, float, float] | None = None,
    origin: str = "upper",
    height: int = 400,
    limit: int = 256,
) -> go.Figure:
    """An image of numbers, with other layers over it.

    Args:
        array: `[H, W]`; NaN stays empty. Booleans and integers stay as they are.
        layers: from `markers`, `line`, `segments`, `arrows` (x = column, y = row).
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.
        label: what the values are, with their unit.
        rows, columns: the names of the two axes.
        limits: the values at the two ends of the scale.
        extent: (left, right, first row, last row): the outer edges of the first and last columns
            and rows in your units. Without it a column is 1 wide and column j is centred at j.
        origin: "upper" puts row 0 at the top, "lower" at the bottom (as on a map).
        limit: at most so many rows and columns, evenly spaced; the axis titles say so.

    Raises:
        ValueError: not `[H, W]`, empty, or an empty caption or alt.
    """
    meta = described(caption, alt)
    trace, names = _heatmap(array, "array", scale, limits, label, extent, limit, rows, columns)
    traces = [trace, *_traces(layers, ("scatter",))] if layers else [trace]
    return go.Figure(
        traces,
        {
            "template": _TEMPLATE,
            "meta": meta,
            "height": height,
            "margin": _margin(traces, height, _AXIS_ROOM),
            "xaxis": {"title": {"text": names[1]}, "constrain": "domain", "showgrid": False},
            "yaxis": _rows_axis(names[0], "x", origin),
        },
    )


def images(
    arrays: dict[str, Any],
    *,
    caption: str,
    alt: str,
    label: str = "",
    rows: str = "row",
    columns: str = "column",
    scale: str | list[str] = SCALE,
    limits: tuple[float, float] | None = None,
    extent: tuple[float, float, float, float] | None = None,
    origin: str = "upper",
    across: int = 2,
    height: int | None = None,
    limit: int = 160,
) -> go.Figure:
    """Several images side by side, on one scale of colour.

    Args:
        arrays: title → `[H, W]`.
        across: how many in a row.
        height: in pixels; 240 a row if not given.

    The other arguments are those of `image`.

    Raises:
        ValueError: no arrays, one that is not `[H, W]`, or an empty caption or alt.
    """
    meta = described(caption, alt)
    if not arrays:
        raise ValueError("arrays: got none, wanted at least one title and array")
    across = min(across, len(arrays))
    down = math.ceil(len(arrays) / across)
    height = height or 130 + 240 * down
    figure = make_subplots(
        rows=down,
        cols=across,
        subplot_titles=list(arrays),
        horizontal_spacing=0.04,
        vertical_spacing=0.2 / down,
    )
    # make_subplots places the axes and titles; the template stays ours.
    titles = [
        note | {"font": {"size": 13}} for note in figure.layout.to_plotly_json()["annotations"]
    ]
    layout = figure.layout.to_plotly_json() | {
        "annotations": titles,
        "template": _TEMPLATE,
        "meta": meta,
        "height": height,
    }
    traces = []
    low, high = limits or _range(arrays)
    for k, (title, array) in enumerate(arrays.items()):
        trace, names = _heatmap(
            array, f"arrays[{title!r}]", scale, (low, high), label, extent, limit, rows, columns
        )
        number = str(k + 1) if k else ""
        first_column, last_row = k % across == 0, k + across >= len(arrays)
        trace.update(xaxis=f"x{number}", yaxis=f"y{number}", showscale=k == 0)
        layout[f"xaxis{number}"] |= {
            "title": {"text": names[1] if last_row else ""},
            "constrain": "domain",
            "showgrid": False,
        }
        layout[f"yaxis{number}"] |= _rows_axis(
            names[0] if first_column else "", f"x{number}", origin
        )
        traces.append(trace)
    layout["margin"] = _margin(traces, height, _AXIS_ROOM) | {"t": 30}
    return go.Figure(traces, layout)


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


def _margin(traces: list, height: int, axis: int) -> dict[str, int]:
    """The margins, in pixels, with the colour bars side by side in the lower one."""
    bars = []
    for trace in traces:
        owner = trace if trace.type in ("mesh3d", "heatmap") else trace.marker
        valued = trace.type == "heatmap" or getattr(owner, "colorscale", None) is not None
        if valued and getattr(owner, "showscale", None) is not False:
            bars.append(owner.colorbar)
    named = any(trace.showlegend for trace in traces)
    top = _LEGEND_ROOM if named else 10
    bottom = axis + (_BAR_ROOM if bars else 10)
    for k, bar in enumerate(bars):
        bar.len = 0.7 if len(bars) == 1 else 0.9 / len(bars)
        bar.x = (k + 0.5) / len(bars)
        bar.y = -axis / (height - top - bottom)
    return {"t": top, "b": bottom}


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


def _heatmap(array, name, scale, limits, label, extent, limit, rows, columns):
    array = numbers(array, name)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name}: got shape {list(array.shape)}, wanted [H, W] with no 0")
    height, width = array.shape
    left, right, first, last = extent or (-0.5, width - 0.5, -0.5, height - 0.5)
    down, across = evenly(height, limit), evenly(width, limit)
    if len(down) < height or len(across) < width:
        array = array[np.ix_(down, across)]
        rows = rows + (f", {len(down)} of {height}" if len(down) < height else "")
        columns = columns + (f", {len(across)} of {width}" if len(across) < width else "")
    trace = go.Heatmap(
        z=compact(array),
        x0=left + (right - left) / len(across) / 2,
        dx=(right - left) / len(across),
        y0=first + (last - first) / len(down) / 2,
        dy=(last - first) / len(down),
        colorscale=scale,
        colorbar=_bar(label),
        hovertemplate="%{y}, %{x}: %{z:.4g}<extra></extra>",
        **_ends(limits, "zmin", "zmax"),
    )
    return trace, (rows, columns)


def _rows_axis(title: str, anchor: str, origin: str) -> dict:
    if origin not in ("upper", "lower"):
        raise ValueError(f"origin: got {origin!r}, wanted 'upper' or 'lower'")
    return {
        "title": {"text": title},
        "scaleanchor": anchor,
        "constrain": "domain",
        "constraintoward": "top",
        "showgrid": False,
        **({"autorange": "reversed"} if origin == "upper" else {}),
    }


def _range(arrays: dict[str, Any]) -> tuple[float, float]:
    """The lowest and highest of all values: what makes one scale of colour honest."""
    flat = np.concatenate(
        [numbers(a, f"arrays[{t!r}]").reshape(-1).astype(np.float64) for t, a in arrays.items()]
    )
    flat = flat[np.isfinite(flat)]
    return (float(flat.min()), float(flat.max())) if flat.size else (0.0, 1.0)
