"""Small helpers that draw: cells, arrows and words in SVG, and the figure they end up in.

A drawing is a `Canvas` that grows as things are put on it. Text takes the page's own colour, and
colours are CSS variables, so one drawing serves the light page, the dark page and JupyterLab.
"""

import math
import re
from dataclasses import dataclass
from html import escape
from typing import Any

from .palette import ROLES, css

#: Below this a drawing may shrink with the screen; a wider one scrolls inside its figure.
NARROW = 430

_STYLE = """
.g3-diagram{margin:1em auto;color:inherit}
.g3-diagram .g3-scroll{overflow-x:auto}
.g3-diagram svg{display:block;width:100%;height:auto;margin:0 auto;overflow:visible}
.g3-diagram text{fill:var(--g3-ink,currentColor);font:13px system-ui,sans-serif;
  text-anchor:middle;dominant-baseline:central}
.g3-diagram text.num{font-variant-numeric:tabular-nums}
.g3-diagram text.tiny{font-size:10.5px;opacity:.8}
.g3-diagram text.title{font-weight:600}
.g3-diagram text.title,.g3-diagram text.left{text-anchor:start}
.g3-diagram text.right{text-anchor:end}
.g3-diagram figcaption{text-align:center;margin-top:.4em}
.g3-diagram g>rect{fill:var(--c);fill-opacity:.16;stroke:var(--c)}
.g3-diagram .mark{background:none}
.g3-diagram g.mark>rect{fill-opacity:.42}
.g3-diagram g.mark>rect,.g3-diagram g.wrong>rect{stroke-width:2.5}
.g3-diagram g.context>rect{fill-opacity:.04}
.g3-diagram g.missing>rect{fill-opacity:.1;stroke-dasharray:4 3}
.g3-diagram path.hatch{stroke:var(--c);stroke-width:.8;stroke-opacity:.6}
.g3-diagram path.foot{stroke:var(--c);stroke-width:3}
""" + "".join(f".g3-diagram .{role}{{--c:{css(role)}}}\n" for role in ROLES)


def code(text: str) -> str:
    """Text for HTML: escaped, and `words in backticks` set as code.

    Example:
        >>> code("`a < b` & c")
        '<code>a &lt; b</code> &amp; c'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def say(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def html_table(columns: list[str], rows: list[list[Any]]) -> str:
    """A table whose first column names the row."""
    head = "".join(f'<th scope="col">{code(str(c))}</th>' for c in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{code(say(v))}</th>' if k == 0 else f"<td>{code(say(v))}</td>"
            for k, v in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


@dataclass(frozen=True)
class Diagram:
    """A drawing that a notebook shows as HTML, with its words."""

    svg: str
    caption: str
    alt: str
    width: float

    def _repr_html_(self) -> str:
        # A drawing wider than a phone keeps a size that can be read, and can be scrolled by key.
        wide = self.width > NARROW
        region = f' tabindex="0" role="group" aria-label="{escape(self.alt)}"' if wide else ""
        return (
            f'<figure class="g3-diagram"><style>{_STYLE}</style>'
            f'<div class="g3-scroll"{region}>{self.svg}</div>'
            f"<figcaption>{code(self.caption)}</figcaption></figure>"
        )

    def __repr__(self) -> str:
        return f"Diagram: {self.alt}"


class Canvas:
    """A list of SVG elements and the room that they take."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.left = self.top = math.inf
        self.right = self.bottom = -math.inf

    def room(self, left: float, top: float, right: float, bottom: float) -> None:
        """Make the drawing reach at least so far."""
        self.left, self.top = min(self.left, left), min(self.top, top)
        self.right, self.bottom = max(self.right, right), max(self.bottom, bottom)

    def add(self, element: str) -> None:
        self.parts.append(element)

    def cell(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        text: str = "",
        role: str = "context",
        mark: bool = False,
        name: str = "",
        note: str = "",
    ) -> None:
        """A cell of a tensor. Its shape says its role too: index cells are round, results have a
        heavy foot, missing ones a dashed border, wrong ones a hatch and a heavy border.

        Args:
            mark: this is one of the cells that the drawing is about.
            note: a small word under the text.
            name: says which cell this is, for a program that reads the drawing.
        """
        self.room(x, y, x + width, y + height)
        classes = f"{role} mark" if mark else role
        data = f' data-cell="{escape(name)}"' if name else ""
        radius = min(width, height) * 0.3 if role == "index" else 1.5
        stroke = 2.5 if mark or role == "wrong" else 1
        inset = stroke / 2
        self.add(
            f'<g class="{classes}"{data}><rect x="{_n(x + inset)}" y="{_n(y + inset)}" '
            f'width="{_n(width - stroke)}" height="{_n(height - stroke)}" rx="{_n(radius)}"/>'
        )
        if role in ("wrong", "missing"):
            self.add(_hatch(x + 2, y + 2, width - 4, height - 4, 6 if role == "missing" else 4))
        if role == "result":
            line = f"M{_n(x + 1)} {_n(y + height - 2)}H{_n(x + width - 1)}"
            self.add(f'<path class="foot" d="{line}"/>')
        if text:
            middle = y + height * (0.36 if note else 0.5)
            self.add(
                f'<text class="num" x="{_n(x + width / 2)}" y="{_n(middle)}">{escape(text)}</text>'
            )
        if note:
            self.text(x + width / 2, y + height * 0.74, note, "tiny")
        self.add("</g>")

    def text(self, x: float, y: float, text: str, kind: str = "", turn: bool = False) -> None:
        """Words centred on (x, y); kind is any of tiny, title, left, right."""
        size = 5.8 if "tiny" in kind else 8.3 if "title" in kind else 7.4
        span = size * len(text)
        before = span / 2
        if "right" in kind:
            before = span
        elif "left" in kind or "title" in kind:
            before = 0
        if turn:
            self.room(x - 8, y - span / 2, x + 8, y + span / 2)
        else:
            self.room(x - before, y - 9, x - before + span, y + 9)
        turned = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turn else ""
        kind = f' class="{kind}"' if kind else ""
        self.add(f'<text{kind} x="{_n(x)}" y="{_n(y)}"{turned}>{escape(text)}</text>')

    def arrow(
        self,
        path: str,
        tip: tuple[float, float],
        direction: tuple[float, float],
        role: str = "index",
        name: str = "",
    ) -> None:
        """A curve along `path` that ends at `tip`, going in `direction`."""
        (x, y), length = tip, math.hypot(*direction)
        dx, dy = direction[0] / length, direction[1] / length
        head = [
            (x, y),
            (x - 7 * dx - 3.6 * dy, y - 7 * dy + 3.6 * dx),
            (x - 7 * dx + 3.6 * dy, y - 7 * dy - 3.6 * dx),
        ]
        corners = " ".join(f"{_n(a)},{_n(b)}" for a, b in head)
        data = f' data-arrow="{escape(name)}"' if name else ""
        dash = ' stroke-dasharray="5 3"' if role == "wrong" else ""
        self.add(
            f'<g{data}><path d="{path}" style="fill:none;stroke:{css(role)};stroke-width:1.8"'
            f'{dash}/><polygon points="{corners}" style="fill:{css(role)}"/></g>'
        )

    def dot(self, x: float, y: float, role: str = "index", radius: float = 3) -> None:
        self.add(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{radius}" style="fill:{css(role)}"/>')

    def outline(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        role: str = "context",
        heavy: float = 2,
    ) -> None:
        self.room(x, y, x + width, y + height)
        self.add(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="2" '
            f'style="fill:none;stroke:{css(role)};stroke-width:{heavy}"/>'
        )

    def diagram(self, caption: str, alt: str) -> Diagram:
        """Close the drawing and give it its words."""
        pad = 4
        width, height = self.right - self.left + 2 * pad, self.bottom - self.top + 2 * pad
        box = f"{_n(self.left - pad)} {_n(self.top - pad)} {_n(width)} {_n(height)}"
        least = f";min-width:{_n(width * 0.8)}px" if width > NARROW else ""
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(alt)}" '
            f'viewBox="{box}" style="max-width:{_n(width * 1.15)}px{least}">'
            f"{''.join(self.parts)}</svg>"
        )
        return Diagram(svg, caption, alt, width)


def _hatch(x: float, y: float, width: float, height: float, gap: float) -> str:
    """Slanted lines over a box: drawn, since a pattern would need an id that no other has."""
    steps = []
    offset = gap
    while offset < width + height:
        x0, y0 = (x + offset, y) if offset <= width else (x + width, y + offset - width)
        x1, y1 = (x, y + offset) if offset <= height else (x + offset - height, y + height)
        steps.append(f"M{_n(x0)} {_n(y0)}L{_n(x1)} {_n(y1)}")
        offset += gap
    return f'<path class="hatch" d="{"".join(steps)}"/>'


def _n(value: float) -> str:
    """A coordinate with one digit after the point, if it needs one."""
    return f"{value:.1f}".removesuffix(".0")
