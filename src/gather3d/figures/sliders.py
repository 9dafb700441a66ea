"""A figure with a slider, live where there is a kernel and still a slider where there is none.

The same `draw` function serves both: with a kernel it is called when the slider moves; for a page
without one its pictures are drawn beforehand. Scenes are sent as the frames of one plotly figure,
flat pictures as stills, of which one is seen.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go
from matplotlib.transforms import Bbox

from .inputs import described
from .palette import GRID, INDEX, INK
from .picture import Picture, framed
from .svg import code

#: Room for the slider above a scene, in pixels.
_HEAD = 90


class Slider(ABC):
    """What `slider` returns: `Frames` of a scene, or `Stills` of a flat picture."""

    def __init__(
        self,
        draw: Callable[[Any], Any],
        values: list,
        name: str,
        unit: str,
        start: int,
        meta: dict[str, str],
        first: go.Figure | Picture,
    ) -> None:
        self._draw, self._values, self._name, self._unit = draw, values, name, unit
        self._start, self._meta, self._first = start, meta, first

    @property
    def labels(self) -> list[str]:
        """The text of each step."""
        return [f"{_text(value)} {self._unit}".strip() for value in self._values]

    @abstractmethod
    def form(self) -> dict[str, Any]:
        """The form that needs no kernel, by its MIME type."""

    @abstractmethod
    def live(self, position: int) -> dict[str, Any]:
        """The picture of one value, drawn now, in the axes that all values share."""

    def widget(self) -> ipywidgets.VBox:
        """A slider that calls `draw` when it moves, for a live kernel."""
        output = ipywidgets.Output()
        control = ipywidgets.SelectionSlider(
            options=list(zip(self.labels, range(len(self._values)), strict=True)),
            value=self._start,
            description=self._name,
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "100%", "max_width": "560px"},
        )

        def redraw(change: dict | None = None) -> None:
            # Set, not captured with `with output:`. nbclient answers a capture on the channel on
            # which it waits for the cell's reply; it may miss the reply and sit out its timeout.
            shown = {"output_type": "display_data", "metadata": {}}
            output.outputs = ({**shown, "data": self.live(control.value)},)

        control.observe(redraw, names="value")
        redraw()
        caption = ipywidgets.HTML(code(self._meta["caption"]))
        return ipywidgets.VBox([control, output, caption])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict:
        return self.form() | self.widget()._repr_mimebundle_() | {"text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Slider: {self._name}, {len(self._values)} values: {self._meta['alt']}"

    def _picture(self, position: int) -> Any:
        picture, kind = self._draw(self._values[position]), type(self._first)
        if not isinstance(picture, kind):
            raise ValueError(
                f"draw: got a {type(picture).__name__} for {self._values[position]!r}, "
                f"wanted a {kind.__name__} as for {self._values[self._start]!r}"
            )
        return picture

    def _pictures(self) -> list:
        return [
            self._first if k == self._start else self._picture(k) for k in range(len(self._values))
        ]


class Frames(Slider):
    """A scene for each value, as the frames of one plotly figure."""

    _frozen: go.Figure | None = None

    @property
    def figure(self) -> go.Figure:
        """One plotly figure with a frame for each value."""
        if self._frozen is None:
            self._frozen = self._freeze()
        return self._frozen

    def form(self) -> dict[str, Any]:
        content = self.figure.to_plotly_json() | {"config": {"responsive": True}}
        return {"application/vnd.plotly.v1+json": content}

    def live(self, position: int) -> dict[str, Any]:
        return _in_the_box_of(self.figure, self._picture(position))._repr_mimebundle_()

    def _check_layers(self, pictures: list[go.Figure]) -> None:
        wanted = [trace.type for trace in pictures[self._start].data]
        for label, picture in zip(self.labels, pictures, strict=True):
            got = [trace.type for trace in picture.data]
            if got != wanted:
                raise ValueError(
                    f"draw: gave layers {got} for {label}, wanted {wanted} as for "
                    f"{self.labels[self._start]}: a slider needs the same layers at every value"
                )

    def _freeze(self) -> go.Figure:
        pictures = self._pictures()
        self._check_layers(pictures)
        _share_scales(pictures)
        figures = [picture.to_plotly_json() for picture in pictures]
        _share_boxes(figures)
        base = figures[self._start]
        kinds = [trace["type"] for trace in base["data"]]
        moving = _moving([figure["data"] for figure in figures])
        retitled = sorted(_differing([figure["layout"] for figure in figures]) - {"meta"})
        frames = [
            {
                "name": label,
                "data": [{k: f["data"][t].get(k) for k in keys} | {"type": kinds[t]}
                         for t, keys in moving.items()],
                "traces": list(moving),
                **({"layout": {k: f["layout"].get(k) for k in retitled}} if retitled else {}),
            }
            for label, f in zip(self.labels, figures, strict=True)
        ]  # fmt: skip
        frozen = go.Figure(base["data"], base["layout"], frames)
        top = (base["layout"].get("margin") or {}).get("t", 10)  # the legend's room
        return frozen.update_layout(
            meta=self._meta,
            height=(base["layout"].get("height") or 400) + _HEAD,
            margin={"t": _HEAD + top},
            sliders=[
                {
                    "active": self._start,
                    "currentvalue": {"prefix": f"{self._name}: "},
                    "steps": [_step(label) for label in self.labels],
                    "len": 0.94,
                    "x": 0.03,
                    "y": 1,
                    "yanchor": "bottom",
                    "pad": {"b": top},
                    "bgcolor": GRID,
                    "activebgcolor": INDEX,
                    "bordercolor": INK,
                    "tickcolor": INK,
                }
            ],
        )


class Stills(Slider):
    """A flat picture for each value, of which one is seen."""

    _drawn: list[Picture] | None = None

    @property
    def pictures(self) -> list[Picture]:
        """A picture for each value, all with the same axes and the same colours."""
        if self._drawn is None:
            self._drawn = self._pictures()
            _share_limits(self._drawn)
        return self._drawn

    def form(self) -> dict[str, Any]:
        box = Bbox.union([picture.box() for picture in self.pictures])
        alts = [f"{self._meta['alt']} ({self._name}: {label})" for label in self.labels]
        prefix, labels = escape(f"{self._name}: "), [escape(label) for label in self.labels]
        stills = "".join(
            f'<div class="g3-still" data-label="{label}"{"" if k == self._start else " hidden"}>'
            f"{picture.svg(box, alts[k])}</div>"
            for k, (picture, label) in enumerate(zip(self.pictures, labels, strict=True))
        )
        # a page's script wakes the control; where none runs, the first still is what there is
        control = (
            f'<div class="g3-slider" data-prefix="{prefix}"><span>{prefix}{labels[self._start]}'
            f'</span><input type="range" min="0" max="{len(labels) - 1}" value="{self._start}" '
            f'aria-label="{escape(self._name)}" aria-valuetext="{labels[self._start]}" '
            'autocomplete="off" disabled></div>'
        )
        return {"text/html": framed(control + stills, self._meta["caption"])}

    def live(self, position: int) -> dict[str, Any]:
        picture = self._picture(position)
        _share_limits([picture], self.pictures)
        return {"text/html": framed(picture.svg()), "text/plain": repr(picture)}


def slider(
    draw: Callable[[Any], go.Figure | Picture],
    values: Sequence[Any],
    name: str,
    unit: str = "",
    *,
    caption: str,
    alt: str,
    start: Any = None,
) -> Slider:
    """A picture that depends on one value, with a slider over a few values.

    Args:
        draw: value → picture (`scene`, `chart`, `image` …). Scenes have the same layers for every
            value.
        values: the values, at least two; each is drawn once, so keep them few and light.
        name: of the slider.
        unit: after each value.
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.
        start: the value shown first; the first one if not given.

    Returns:
        An object that a notebook shows as a live widget, and a page without a kernel as frames of
        one plotly figure, or as stills under a plain control.

    Raises:
        ValueError: fewer than two values, two with the same text, a start that is not among them,
            an empty caption or alt, a `draw` that gives something else; when it is drawn: layers of
            a scene that differ from value to value.

    Example:
        >>> from gather3d.figures import chart, line
        >>> def draw(power):
        ...     x = np.linspace(0, 1, 20)
        ...     return chart(line(x, x**power), caption="A curve.", alt="A curve.")
        >>> slider(draw, [1, 2, 3], "power", caption="The curve sinks.", alt="Three curves.")
        Slider: power, 3 values: Three curves.
    """
    meta = described(caption, alt)
    values = list(values)
    if len(values) < 2:
        raise ValueError(f"values: got {len(values)}, wanted at least two")
    texts = [_text(value) for value in values]
    if len(set(texts)) < len(texts):
        raise ValueError(f"values: got {texts}, wanted values with different texts")
    if start is not None and start not in values:
        raise ValueError(f"start: got {start!r}, wanted one of {values}")
    at = values.index(start) if start is not None else 0
    first = draw(values[at])
    if not isinstance(first, (go.Figure, Picture)):
        raise ValueError(
            f"draw: got a {type(first).__name__} for {values[at]!r}, wanted a scene, a chart or "
            "images"
        )
    kind = Stills if isinstance(first, Picture) else Frames
    return kind(draw, values, name, unit, at, meta, first)


# --- helpers ---------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _step(label: str) -> dict:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    return {
        "label": label,
        "method": "animate",
        "args": [[label], {**at_once, "transition": {"duration": 0}}],
    }


def _differing(things: list[dict]) -> set[str]:
    """The keys whose value is not the same in all of these."""
    keys = set().union(*things)
    return {key for key in keys if any(not _same(t.get(key), things[0].get(key)) for t in things)}


def _moving(pictures: list[list[dict]]) -> dict[int, set[str]]:
    """The traces that change, and what of them does: a frame holds nothing else."""
    moving = {t: _differing([p[t] for p in pictures]) for t in range(len(pictures[0]))}
    return {t: keys for t, keys in moving.items() if keys}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return a == b


def _share_limits(pictures: list[Picture], like: list[Picture] | None = None) -> None:
    """The same axes and colours at every value, so that what moves is what the value moves.

    Args:
        like: pictures that have them already.
    """
    like = like or pictures
    for parts in zip(*(picture.axes for picture in like), strict=True):
        place = like[0].axes.index(parts[0])
        for letter in "xy":
            ends = [getattr(axes, f"get_{letter}lim")() for axes in parts]
            low, high = zip(*map(sorted, ends), strict=True)
            span = (min(low), max(high))
            span = span if ends[0][0] <= ends[0][1] else span[::-1]
            for picture in pictures:
                picture.axes[place].set(**{f"{letter}lim": span})
        for k, shown in enumerate([*parts[0].images, *parts[0].collections]):
            if shown.get_array() is None:
                continue
            ends = [[*axes.images, *axes.collections][k].get_clim() for axes in parts]
            low, high = zip(*ends, strict=True)
            for picture in pictures:
                axes = picture.axes[place]
                [*axes.images, *axes.collections][k].set_clim(min(low), max(high))


def _share_scales(pictures: list[go.Figure]) -> None:
    """The same colours for the same number at every value, where no limits were given."""
    for traces in zip(*(picture.data for picture in pictures), strict=True):
        solid = traces[0].type == "mesh3d"
        owners = list(traces) if solid else [trace.marker for trace in traces]
        arrays = [owner["intensity" if solid else "color"] for owner in owners]
        if not all(isinstance(a, np.ndarray) and a.dtype.kind in "iuf" for a in arrays):
            continue
        flat = np.concatenate([a.ravel() for a in arrays]).astype(np.float64)
        flat = flat[np.isfinite(flat)]
        if flat.size and all(owner.cmin is None for owner in owners):
            for owner in owners:
                owner.cmin, owner.cmax = float(flat.min()), float(flat.max())


def _in_the_box_of(frozen: go.Figure, picture: go.Figure) -> go.Figure:
    """A live scene with the box and the limits of colour that all values share."""
    picture.layout.scene = frozen.layout.scene
    for trace, model in zip(picture.data, frozen.data, strict=True):
        if trace.type == "mesh3d":
            trace.update(cmin=model.cmin, cmax=model.cmax)
        else:
            trace.marker.update(cmin=model.marker.cmin, cmax=model.marker.cmax)
    return picture


def _share_boxes(figures: list[dict]) -> None:
    """The same box in space at every value."""
    scenes = [figure["layout"].get("scene") for figure in figures]
    if not all(s and all("range" in s.get(f"{d}axis", {}) for d in "xyz") for s in scenes):
        return
    ends = np.array([[s[f"{d}axis"]["range"] for d in "xyz"] for s in scenes])
    low, high = ends[:, :, 0].min(axis=0), ends[:, :, 1].max(axis=0)
    ratio = (high - low) / (high - low).max()
    for s in scenes:
        for d, letter in enumerate("xyz"):
            s[f"{letter}axis"]["range"] = [float(low[d]), float(high[d])]
        s["aspectratio"] = dict(zip("xyz", ratio.tolist(), strict=True))
        s["camera"] = scenes[0]["camera"]
