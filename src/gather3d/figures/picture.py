"""What a call that draws in the plane returns: matplotlib's Figure, with its words and numbers."""

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from .palette import INDEX, INK, RESULT, SOURCE, WRONG
from .svg import code, html_table
from .vector import LARGEST, drawing

WIDTH = 400  # a picture's own units: on a phone each is a little less than a pixel

#: How the book draws, whatever else the reader's matplotlib is told.
STYLE = {
    **{key: value for key, value in matplotlib.rcParamsDefault.items() if "backend" not in key},
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.prop_cycle": matplotlib.cycler(color=[SOURCE, INDEX, RESULT, WRONG, INK]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 6),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.xmargin": 0.03,
    "grid.color": "#808080",
    "grid.alpha": 0.25,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "legend.borderpad": 0.2,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "lines.solid_capstyle": "butt",
    "hatch.linewidth": 1.2,
    "image.interpolation": "none",
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "svg.fonttype": "none",
    "svg.hashsalt": "gather3d",
}
_PAD = 0.03  # inches around all that is drawn
_NOTHING = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # a file says no more than it shows

_LOOK = """
.g3-picture{margin:1em auto;color:inherit}
.g3-picture svg{display:block;width:100%;height:auto;margin:0 auto;overflow:visible}
.g3-picture text{font-family:var(--pst-font-family-base,system-ui),system-ui,sans-serif}
.g3-picture text:not([fill]){fill:var(--g3-ink,currentColor)}
.g3-picture [hidden]{display:none}
.g3-picture figcaption{margin-top:.4em}
.g3-picture details{margin-top:.3em;font-size:.85em}
.g3-picture summary{cursor:pointer;width:fit-content}
.g3-picture details>div{overflow:auto;max-height:20em}
.g3-picture .g3-slider{display:grid;gap:.25rem;max-width:34rem;margin:0 auto .5rem}
"""


class Picture(Figure):
    """A matplotlib Figure that a notebook and a page show as SVG, with its words under it.

    Attributes:
        caption: what to notice.
        alt: what it shows.
        numbers: columns and rows of the table under it, or None.
    """

    def __init__(self, caption: str, alt: str, height: float, layout: str = "constrained") -> None:
        size = (WIDTH / 72, height / LARGEST / 72)
        super().__init__(size, layout=layout, facecolor="none")
        self.caption, self.alt = caption, alt
        self.numbers: tuple[list[str], list[list[Any]]] | None = None

    @matplotlib.rc_context(STYLE)
    def box(self) -> Bbox:
        """What of the figure is drawn on, in inches."""
        self.draw_without_rendering()
        return self.get_tightbbox().padded(_PAD)

    @matplotlib.rc_context(STYLE)
    def svg(self, box: Bbox | None = None, alt: str | None = None) -> str:
        """The picture as an element for a page; the same picture gives the same bytes."""
        file = io.StringIO()
        room = {"bbox_inches": box or "tight", "pad_inches": _PAD}
        self.savefig(file, format="svg", metadata=_NOTHING, **room)
        return drawing(file.getvalue(), alt or self.alt)

    def _repr_html_(self) -> str:
        return framed(self.svg(), self.caption, self.numbers)

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"


def framed(
    inside: str, caption: str = "", numbers: tuple[list[str], list[list[Any]]] | None = None
) -> str:
    """A figure for a page: the picture, its caption, and its numbers one step away."""
    words = code(caption)
    if numbers:
        region = '<div tabindex="0" role="group" aria-label="the numbers">'
        rows = html_table(*numbers)
        words += f"<details><summary>The numbers</summary>{region}{rows}</div></details>"
    words = f"<figcaption>{words}</figcaption>" if words else ""
    return f'<figure class="g3-picture"><style>{_LOOK}</style>{inside}{words}</figure>'
