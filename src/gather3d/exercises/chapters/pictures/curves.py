"""A few curves in one small frame, for results that are a course of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from gather3d.figures.palette import css
from gather3d.figures.svg import Canvas, Diagram

WIDTH, HEIGHT = 300, 150
DASHES = ("", "7 4", "2 3", "9 3 2 3")  # no two curves differ by colour alone


@dataclass(frozen=True)
class Curve:
    name: str
    x: Sequence[float]
    y: Sequence[float]
    role: str


def curves(found: Sequence[Curve], *, x: str, y: str, caption: str, alt: str) -> Diagram:
    """Curves in a frame that reaches to 0 at least, their names above it, each with its dash."""
    canvas, left = Canvas(), min(found[0].x)
    right = max(found[0].x)
    low = min(0.0, *(value for curve in found for value in curve.y))
    high = max(value for curve in found for value in curve.y)
    canvas.outline(0, 0, WIDTH, HEIGHT, heavy=1)
    for k, (curve, dash) in enumerate(zip(found, DASHES, strict=False)):
        across = [WIDTH * (value - left) / (right - left) for value in curve.x]
        up = [HEIGHT * (0.97 - 0.94 * (value - low) / (high - low)) for value in curve.y]
        line = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, up, strict=True))
        look = f'style="fill:none;stroke:{css(curve.role)};stroke-width:2"'
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        canvas.add(f'<path d="{line}" {look}{dashes}/>')
        start, line = k % 2 * WIDTH / 2, -14 - 18 * ((len(found) - 1) // 2 - k // 2)
        canvas.add(f'<path d="M{start:.1f} {line}h26" {look}{dashes}/>')
        canvas.text(start + 32, line, curve.name, "left")
    for value, kind in ((left, "tiny left"), ((left + right) / 2, "tiny"), (right, "tiny right")):
        place = WIDTH * (value - left) / (right - left)
        canvas.text(place, HEIGHT + 11, f"{value:g}".replace("-", "−"), kind)
    for value in (low, high):
        place = HEIGHT * (0.97 - 0.94 * (value - low) / (high - low))
        canvas.text(-6, place, f"{round(value, 1) + 0.0:g}".replace("-", "−"), "tiny right")
    canvas.text(WIDTH / 2, HEIGHT + 28, x)
    canvas.text(-30, HEIGHT / 2, y, turn=True)
    return canvas.diagram(caption, alt)
