"""What a picture in the plane is made of: each function turns tensors into one layer.

Layers go into `chart`, or over an `image`, where matplotlib draws them. (`segments` and `arrows`
are in `layers`, because they go into a scene as well.)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap

from .inputs import column, entry, evenly, numbers, own_colours
from .palette import DASHES, INK, SCALE, SYMBOLS, colour

#: matplotlib's names for what the palette says in plotly's.
_SHAPES = {"circle": "o", "diamond": "D", "square": "s", "circle-open": "o", "cross": "P"}
_STROKES = {"solid": "-", "dot": (0, (1, 1.6)), "dash": (0, (4, 2))}
_HATCHES = {"missing": "///", "wrong": "xxx"}
_LEVELS = 64  # of a scale of colour: a picture of numbers has few colours, and few bytes
_SIZES = 0.75  # of a picture's own units to a pixel on the page


@dataclass(frozen=True)
class Layer:
    """How a layer is drawn, what the legend calls it, and the numbers that it shows.

    Attributes:
        kind: "line", "bars", "markers" or "path".
        paint: draws it on axes; gives what a colour bar explains, or None.
        name: in the legend, or None.
        numbers: of each axis and of the colours ("x", "y", "values"), where a table may list them.
        label: of the colours.
    """

    kind: str
    paint: Callable[[Axes], ScalarMappable | None]
    name: str | None = None
    numbers: dict[str, list | np.ndarray] = field(default_factory=dict)
    label: str = ""


def line(
    x: Any,
    y: Any,
    *,
    role: str = "source",
    name: str | None = None,
    width: float = 2,
    dots: bool = False,
    steps: bool = False,
) -> Layer:
    """A line through (x, y).

    Args:
        dots: a marker at each value.
        steps: level from each x to the next, where y jumps.

    Raises:
        ValueError: x and y that are not of one length, or none at all.
    """
    x, y = _xy(x, y)
    look = {
        "color": colour(role),
        "linewidth": width * 0.9,
        "linestyle": _STROKES[DASHES[role]],
        "drawstyle": "steps-post" if steps else "default",
        "label": name,
    }
    if dots:
        look |= {"marker": _SHAPES[SYMBOLS[role]], "markersize": 5}

    def paint(axes: Axes) -> None:
        axes.plot(x, y, **look)

    return Layer("line", paint, name, {"x": x, "y": y})


def bars(
    x: Any,
    y: Any,
    *,
    role: str = "source",
    name: str | None = None,
) -> Layer:
    """A bar of height y at each x; x may be a list of words.

    Raises:
        ValueError: x and y that are not of one length.
    """
    y = numbers(y, "y")
    x = list(x) if _is_words(x) else numbers(x, "x")
    if y.ndim != 1 or len(x) != len(y):
        raise ValueError(
            f"x and y: got {len(x)} and {list(y.shape)} values, wanted as many of each"
        )

    def paint(axes: Axes) -> None:
        look = {"facecolor": colour(role), "edgecolor": "#ffffff", "linewidth": 0}
        axes.bar(x, y, label=name, hatch=_HATCHES.get(role), **look)

    return Layer("bars", paint, name, {"x": x, "y": y})


def markers(
    x: Any,
    y: Any,
    values: Any = None,
    *,
    role: str = "source",
    name: str | None = None,
    size: float = 6,
    limit: int = 4000,
    colors: Any = None,
    scale: str | list[str] = SCALE,
    label: str = "",
    limits: tuple[float, float] | None = None,
    opacity: float = 1.0,
    text: list[str] | None = None,
    symbol: str | None = None,
) -> Layer:
    """A marker at each (x, y).

    Args:
        x, y: `[N]` each.
        values: one number a marker `[N]`, shown by colour on `scale`, with a bar named `label`.
        role: what the markers mean; decides colour and shape where there are no values.
        name: an entry in the legend.
        size: of a marker, in pixels.
        limit: draw at most so many, evenly spaced in their order; the name says so.
        colors: the markers' own colours `[N, 3]`, 0 to 255 (or 0 to 1 if floats).
        limits: the values at the two ends of the scale.
        text: a word to write into each marker, which is then pale: a cell.
        symbol: the shape, if not that of the role: "circle", "diamond", "square" or "cross".

    Raises:
        ValueError: x and y that are not of one length, or both values and colors.
    """
    x, y = _xy(x, y)
    total, keep = len(x), evenly(len(x), limit)
    if values is not None and colors is not None:
        raise ValueError("values and colors: got both, wanted one of them")
    if text is not None and len(text) != total:
        raise ValueError(f"text: got {len(text)} words, wanted {total}")
    symbol = symbol or (SYMBOLS[role] if values is None and colors is None else "circle")
    if symbol not in _SHAPES:
        raise ValueError(f"symbol: got {symbol!r}, wanted one of {', '.join(map(repr, _SHAPES))}")
    shown, across = entry(name, "points", len(keep), total), size * _SIZES
    x, y, own = x[keep], y[keep], colour(role)
    if values is not None:
        values = column(values, "values", total)[keep]
        low, high = limits or (None, None)
        look = {"c": values, "cmap": colours(scale), "vmin": low, "vmax": high}
    elif colors is not None:
        look = {"c": own_colours(colors, total)[keep].tolist()}
    else:
        pale = symbol == "circle-open" or text is not None
        fill = own if not pale else "none" if text is None else f"{own}40"
        look = {"markerfacecolor": fill, "markeredgecolor": own, "markeredgewidth": float(pale)}

    def paint(axes: Axes) -> ScalarMappable | None:
        if values is not None or colors is not None:
            area = {"s": across**2, "marker": _SHAPES[symbol], "linewidths": 0}
            drawn = axes.scatter(x, y, alpha=opacity, label=shown, **area, **look)
            return drawn if values is not None else None
        shape = {"marker": _SHAPES[symbol], "markersize": across, "linestyle": "none"}
        axes.plot(x, y, alpha=None if text else opacity, label=shown, **shape, **look)
        for place in zip(x, y, text or (), strict=bool(text)):
            axes.annotate(place[2], place[:2], color=INK, ha="center", va="center_baseline")
        return None

    text = None if text is None else [text[k] for k in keep]
    listed = {} if text is not None else {"x": x, "y": y}
    if values is not None and listed:
        listed["values"] = values
    return Layer("markers", paint, shown, listed, label)


def path(
    places: np.ndarray, role: str, name: str | None, width: float, opacity: float, dash: str
) -> Layer:
    """A line through places `[P, 2]`, broken where they are NaN."""

    def paint(axes: Axes) -> None:
        look = {"color": colour(role), "linewidth": width * 0.7, "alpha": opacity}
        axes.plot(*places.T, linestyle=_STROKES[dash], label=name, **look)

    return Layer("path", paint, name)


def colours(scale: str | list[str]) -> Colormap:
    """A scale of colour by its list of colours, or by the name under which plotly has it."""
    if not isinstance(scale, str):
        return LinearSegmentedColormap.from_list("scale", scale, _LEVELS)
    from matplotlib import colormaps

    return colormaps[scale.lower() if scale.lower() in colormaps else scale].resampled(_LEVELS)


# --- helpers ---------------------------------------------------------------------------------


def _xy(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = numbers(x, "x"), numbers(y, "y")
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y: got {list(x.shape)} and {list(y.shape)}, wanted [N] twice")
    if len(x) == 0:
        raise ValueError("x and y: got no values, wanted at least one")
    return x, y


def _is_words(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(isinstance(word, str) for word in x)
