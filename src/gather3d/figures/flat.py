"""Pictures in the plane: a chart, a roofline, an image, several images, a large matrix.

Each is one call, needs a `caption` (what to notice) and an `alt` (what it shows), and is a
matplotlib Figure that you may change as you like: its axes are in `.axes`. In a notebook and on a
page it is shown as SVG. Its colours are the page's, so that it reads in the light and in the dark.
"""

import math
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    ScalarFormatter,
)

from .inputs import described, evenly, numbers
from .marks import Layer, colours, line, markers
from .palette import SCALE, colour
from .picture import STYLE, WIDTH, Picture

_ROWS = 24  # of a table under a picture: more are not read
_PIXELS = 64  # numbers of an image that a table lists
_IN_LEGEND = 6  # units: any marker
_SPOTS = 180  # of a large matrix, along its longer side: as many as can be told apart


@matplotlib.rc_context(STYLE)
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
) -> Picture:
    """A picture in the plane.

    Args:
        layers: from `line`, `bars`, `markers`; or `segments` and `arrows` of `[N, 2]`.
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.
        x, y: the axes' titles, with units.
        log_x, log_y: a logarithmic axis.
        equal: one unit is as long on both axes (for a map).
        height: in pixels, on a screen that is wide enough; on a narrow one all is smaller.

    Raises:
        ValueError: no layer, a layer of another kind, or an empty caption or alt.

    Example:
        >>> figure = chart(line([1, 2], [3, 5]), x="n", caption="It rises.", alt="A line.")
        >>> figure.axes[0].set_xlim(0, 3)
        (0.0, 3.0)
        >>> figure
        Picture: A line.
    """
    words, layers = described(caption, alt), _layers(layers)
    figure = Picture(**words, height=height, layout="compressed" if equal else "constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    if equal:
        axes.set_aspect("equal")
    _paint(figure, axes, layers)
    for letter, log in (("x", log_x), ("y", log_y)):
        if log:
            _logarithmic(axes, letter)
    _label(axes, layers)
    figure.numbers = _table(layers, x, y)
    return figure


@matplotlib.rc_context(STYLE)
def roofline(
    work: dict[str, tuple[float, float, float]],
    *,
    bandwidth: dict[str, float],
    peak: float,
    caption: str,
    alt: str,
    height: int = 400,
) -> Picture:
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
        >>> figure.numbers[1][-1]
        ['sum', 0.25, 1.0]
    """
    if not work or not bandwidth:
        raise ValueError(f"{'bandwidth' if work else 'work'}: got none, wanted at least one")
    for name, amounts in (*work.items(), *bandwidth.items(), ("peak", peak)):
        if not (np.asarray(amounts) > 0).all():
            raise ValueError(f"{name}: got {amounts}, wanted numbers above 0")
    intensity = {name: operations / moved for name, (operations, moved, _) in work.items()}
    left = min(intensity.values()) / 2
    right_end = 4 * max(*intensity.values(), peak / min(bandwidth.values()))
    roofs = []
    for k, (name, slope) in enumerate(bandwidth.items()):
        x = [left, peak / slope, right_end]
        y = [min(peak, slope * at) / 1e9 for at in x]
        roofs.append(line(x, y, role="missing" if k else "context", name=name))
    reached = [operations / seconds / 1e9 for operations, _, seconds in work.values()]
    figure = chart(
        *roofs,
        markers(list(intensity.values()), reached, role="result", size=10),
        caption=caption,
        alt=alt,
        x="operations for each byte that must move",
        y="billion operations a second",
        log_x=True,
        log_y=True,
        height=height,
    )
    places = dict(zip(intensity, zip(intensity.values(), reached, strict=True), strict=True))
    figure.numbers = (
        ["", "operations a byte", "billion a second"],
        [[name, *place] for name, place in places.items()],
    )
    for rank, name in enumerate(sorted(intensity, key=intensity.get)):
        # a name leans to the middle, above and below in turn: names do not meet
        right, above = places[name][0] < math.sqrt(left * right_end), rank % 2 == 0
        figure.axes[0].annotate(
            name,
            places[name],
            (6 if right else -6, 5 if above else -5),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom" if above else "top",
        )
    return figure


@matplotlib.rc_context(STYLE)
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
) -> Picture:
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
        height: in pixels, on a screen that is wide enough; less where that is too high.
        limit: at most so many rows and columns, evenly spaced; the axis titles say so.

    Raises:
        ValueError: not `[H, W]`, empty, or an empty caption or alt.
    """
    words = described(caption, alt)
    values, names, edges = _values(array, "array", extent, limit, rows, columns)
    figure = Picture(**words, height=height, layout="compressed")
    axes = figure.subplots()
    shown = _show(axes, values, scale, limits, edges, origin)
    axes.set(xlabel=names[1], ylabel=names[0])
    _colour_bar(figure, shown, label)
    _paint(figure, axes, _layers(layers) if layers else [])
    if values.size <= _PIXELS:
        figure.numbers = _grid({"": values}, rows)
    return figure


@matplotlib.rc_context(STYLE)
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
) -> Picture:
    """Several images side by side, on one scale of colour.

    Args:
        arrays: title → `[H, W]`.
        across: how many in a row.
        height: in pixels, on a screen that is wide enough; 240 a row if not given.

    The other arguments are those of `image`.

    Raises:
        ValueError: no arrays, one that is not `[H, W]`, or an empty caption or alt.
    """
    words = described(caption, alt)
    if not arrays:
        raise ValueError("arrays: got none, wanted at least one title and array")
    across = min(across, len(arrays))
    down = math.ceil(len(arrays) / across)
    figure = Picture(**words, height=height or 130 + 240 * down, layout="compressed")
    places = figure.subplots(down, across, squeeze=False, sharex="all", sharey="all").ravel()
    every = {
        title: _values(array, f"arrays[{title!r}]", extent, limit, rows, columns)
        for title, array in arrays.items()
    }
    limits = limits or _range([values for values, _, _ in every.values()])
    for k, (title, (values, names, edges)) in enumerate(every.items()):
        shown = _show(places[k], values, scale, limits, edges, origin)
        last_row, first_column = k + across >= len(arrays), k % across == 0
        places[k].set(title=title)
        places[k].set(xlabel=names[1] if last_row else "", ylabel=names[0] if first_column else "")
        places[k].tick_params(labelbottom=last_row)
    for place in places[len(every) :]:
        place.remove()
    _colour_bar(figure, shown, label)
    if sum(values.size for values, _, _ in every.values()) <= _PIXELS:
        figure.numbers = _grid({title: values for title, (values, _, _) in every.items()}, rows)
    return figure


@matplotlib.rc_context(STYLE)
def spy(
    places: np.ndarray,
    shape: tuple[int, int],
    *,
    caption: str,
    alt: str,
    rows: str,
    columns: str,
    role: str,
) -> Picture:
    """A large matrix: a spot where it is not zero. (`matrix` calls it, and is the public name.)

    Args:
        places: `[2, nonzeros]`, rows and columns.
        shape: of the matrix. Where it has more rows or columns than can be told apart, a spot
            stands for several.
    """
    step = max(1.0, max(shape) / _SPOTS)
    raster = np.zeros([math.ceil(size / step) for size in shape], dtype=bool)
    raster[tuple((places / step).astype(np.int64))] = True
    figure = Picture(**described(caption, alt), height=440, layout="compressed")
    axes = figure.subplots()
    # spots side by side are one bar, and all bars one path
    begin, end = (
        np.diff(np.pad(raster.astype(np.int8), ((0, 0), (1, 1)))) == sign for sign in (1, -1)
    )
    row, left = begin.nonzero()
    _, right = end.nonzero()
    corner = np.stack([left, row, right, row, right, row + 1, left, row + 1, left, row])
    corner = corner.T.reshape(-1, 5, 2) * step - 0.5
    codes = np.tile([Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY], len(corner))
    axes.add_patch(
        PathPatch(Path(corner.reshape(-1, 2), codes), facecolor=colour(role), linewidth=0)
    )
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5), aspect="equal")
    axes.set(xlabel=f"{columns} ({shape[1]:,})", ylabel=f"{rows} ({shape[0]:,})")
    count = places.shape[1]
    axes.set_title(f"{count:,} nonzeros, {100 * count / math.prod(shape):.3g} %", fontsize=10)
    axes.spines[:].set_visible(True)
    axes.grid(False)
    return figure


# --- helpers ---------------------------------------------------------------------------------


def _layers(given: tuple) -> list[Layer]:
    layers = []
    for position, layer in enumerate(given):
        for one in layer if isinstance(layer, (list, tuple)) else [layer]:
            if not isinstance(one, Layer):
                kind = getattr(one, "type", type(one).__name__)
                raise ValueError(
                    f"layers: number {position} is a {kind}, wanted line, bars, markers, or "
                    "segments or arrows with two columns"
                )
            layers.append(one)
    if not layers:
        raise ValueError("layers: got none, wanted at least one")
    return layers


def _paint(figure: Picture, axes: Axes, layers: list[Layer]) -> None:
    """All layers, a bar for each scale of colour, and a legend above in as few lines as it fits."""
    for layer in layers:
        if (shown := layer.paint(axes)) is not None:
            _colour_bar(figure, shown, layer.label)
    named = [layer for layer in layers if layer.name]
    for columns in range(len(named), 0, -1):
        legend = figure.legend(loc="outside upper left", ncols=columns)
        for mark in legend.legend_handles:
            mark.set_alpha(1)
            if isinstance(mark, Line2D) and mark.get_linestyle().lower() == "none":
                mark.set_markersize(_IN_LEGEND)
        if columns == 1 or legend.get_window_extent().width <= WIDTH:
            break
        legend.remove()


def _colour_bar(figure: Picture, shown: Any, label: str) -> None:
    bar = figure.colorbar(
        shown, ax=figure.axes, location="bottom", shrink=0.8, aspect=36, pad=0.06, label=label
    )
    bar.outline.set_visible(False)


def _logarithmic(axes: Axes, letter: str) -> None:
    """Powers of ten, and between few of them 2 and 5 as well, written as a reader would."""
    axes.set(**{f"{letter}scale": "log"})
    axis: Axis = getattr(axes, f"{letter}axis")
    low, high = axis.get_view_interval()
    between = (1, 2, 5) if math.log10(high / low) < 2.2 else (1,)
    axis.set_major_locator(LogLocator(subs=between, numticks=9))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _written(value, 1e5)))


def _written(value: float, large: float = 1e7) -> str:
    """A number beside an axis; from `large` on as a power of ten.

    Example:
        >>> _written(0.05), _written(-2000), _written(5e5, 1e5), _written(1e-7)
        ('0.05', '−2,000', '5·10⁵', '10⁻⁷')
    """
    if not value or 1e-4 <= abs(value) < large:
        return f"{value:,.7g}".replace("-", "−")
    digits, _, power = f"{value:.0e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    digits = digits.replace("-", "−")
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"


def _label(axes: Axes, layers: list[Layer]) -> None:
    """Numbers beside the axes, whole ones under bars; words that do not fit stand upright."""
    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(axis.get_major_formatter(), ScalarFormatter):
            axis.set_major_formatter(FuncFormatter(lambda value, _: _written(value)))
    places = [place for layer in layers if layer.kind == "bars" for place in layer.numbers["x"]]
    if not places:
        return
    axes.grid(False, axis="x")
    if not isinstance(places[0], str):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif 6.5 * sum(map(len, places)) > 0.8 * WIDTH:
        axes.tick_params(axis="x", rotation=90, labelsize=10)


def _table(layers: list[Layer], x: str, y: str) -> tuple[list[str], list[list]] | None:
    """The numbers of a chart's layers, or None where there are none that a table could list.

    Layers with the same x share its column. A line of many values is listed at a few of them,
    evenly spaced; of many markers, which are a cloud, nothing is.
    """
    listed = [
        layer
        for layer in layers
        if layer.numbers and (layer.kind != "markers" or len(layer.numbers["x"]) <= _ROWS)
    ]
    if not listed:
        return None
    places = [list(layer.numbers["x"]) for layer in listed]
    if all(place == places[0] for place in places) and not any(layer.label for layer in listed):
        keep = evenly(len(places[0]), _ROWS)
        some = f", {len(keep)} of {len(places[0]):,}" if len(keep) < len(places[0]) else ""
        heads = [(x or "x") + some, *(layer.name or y or "y" for layer in listed)]
        columns = [listed[0].numbers["x"], *(layer.numbers["y"] for layer in listed)]
        return heads, [[_number(column[k]) for column in columns] for k in keep]
    share, rows = max(2, _ROWS // len(listed)), []
    for layer in listed:
        keep = evenly(len(layer.numbers["x"]), share)
        rows += [[layer.name or "", *(_number(c[k]) for c in layer.numbers.values())] for k in keep]
    labels = [layer.label or "value" for layer in listed if "values" in layer.numbers][:1]
    return ["", x or "x", y or "y", *labels], [
        row + [""] * (3 + len(labels) - len(row)) for row in rows
    ]


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _grid(images: dict[str, np.ndarray], rows: str) -> tuple[list[str], list[list]]:
    """Small images as a table: a row of it is a row of an image."""
    width = max(image.shape[1] for image in images.values())
    table = [
        [f"{title} {k}".strip(), *map(_number, row)]
        for title, image in images.items()
        for k, row in enumerate(image)
    ]
    return [rows, *map(str, range(width))], table


def _values(
    array: Any,
    name: str,
    extent: tuple[float, float, float, float] | None,
    limit: int,
    rows: str,
    columns: str,
) -> tuple[np.ndarray, tuple[str, str], tuple[float, float, float, float]]:
    """The numbers to show, what the axes are called, and where the outer edges lie."""
    array = numbers(array, name)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name}: got shape {list(array.shape)}, wanted [H, W] with no 0")
    height, width = array.shape
    edges = extent or (-0.5, width - 0.5, -0.5, height - 0.5)
    down, across = evenly(height, limit), evenly(width, limit)
    if len(down) < height or len(across) < width:
        array = array[np.ix_(down, across)]
        rows = rows + (f", {len(down)} of {height}" if len(down) < height else "")
        columns = columns + (f", {len(across)} of {width}" if len(across) < width else "")
    return array, (rows, columns), edges


def _show(
    axes: Axes,
    values: np.ndarray,
    scale: str | list[str],
    limits: tuple[float, float] | None,
    edges: tuple[float, float, float, float],
    origin: str,
) -> AxesImage:
    if origin not in ("upper", "lower"):
        raise ValueError(f"origin: got {origin!r}, wanted 'upper' or 'lower'")
    left, right, first, last = edges
    low, high = limits or _range([values])
    # matplotlib wants the edges from the bottom up
    extent = (left, right, last, first) if origin == "upper" else edges
    shown = axes.imshow(
        values.astype(np.float64),
        cmap=colours(scale),
        vmin=low,
        vmax=high,
        extent=extent,
        origin=origin,
    )
    axes.grid(False)
    axes.tick_params(length=3)
    sides = ((axes.yaxis, first, last), (axes.xaxis, left, right))
    for (axis, begin, end), cells in zip(sides, values.shape, strict=True):
        if abs(end - begin) == cells and (begin + 0.5) % 1 == 0:  # centres are whole numbers
            axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    return shown


def _range(arrays: list[np.ndarray]) -> tuple[float, float]:
    """The lowest and highest of all values: what makes one scale of colour honest."""
    flat = np.concatenate([array.reshape(-1).astype(np.float64) for array in arrays])
    flat = flat[np.isfinite(flat)]
    return (float(flat.min()), float(flat.max())) if flat.size else (0.0, 1.0)
