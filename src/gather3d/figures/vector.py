"""matplotlib's SVG as a page wants it: small, in the page's own colours, with names of its own.

Text stays text, in the page's font: it is light, can be searched, and grows with the reader's. The
room for it was reckoned with DejaVu Sans, which comes with matplotlib and is wider than most.
"""

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from .palette import INK, ROLES, css

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"

#: How much larger than its own units a picture may be shown, in pixels.
LARGEST = 1.35

_NAMED = re.compile(r"url\(#([\w-]+)\)")
_WORD = re.compile(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?")
_VARIABLES = {colour.lower(): css(role) for role, colour in reversed(ROLES.items())}
_COLOUR = re.compile("|".join(_VARIABLES), re.IGNORECASE)
_MANY = 50  # markers: fewer stay what they are
_ROUND = re.compile(r"M 0 ([\d.]+) *\n?C")  # how matplotlib begins a circle
#: What SVG has without being told, and what the drawing says once for all.
_PLAIN = {
    ("stroke-linejoin", "miter"), ("stroke-linejoin", "round"), ("stroke-linecap", "butt"),
    ("stroke-width", "1"), ("stroke-opacity", "1"), ("fill-opacity", "1"),
    ("text-anchor", "start"), ("font-weight", "normal"), ("font-style", "normal"),
}  # fmt: skip


def drawing(text: str, alt: str) -> str:
    """An element to stand in a page, from the file that matplotlib writes.

    Args:
        text: the file.
        alt: what the picture shows.
    """
    root = ElementTree.fromstring(text)
    width, height = (float(size) for size in root.get("viewBox").split()[2:])
    writer = _Writer(root, hashlib.sha256(f"{text}{alt}".encode()).hexdigest()[:6])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" style="max-width:{_n(width * LARGEST)}px" '
        f'stroke-linejoin="round">{"".join(map(writer.element, root))}</svg>'
    )


class _Writer:
    """Writes a drawing anew, whose names begin with `prefix`."""

    def __init__(self, root: ElementTree.Element, prefix: str) -> None:
        self.shapes = {}  # what something in the drawing points to, by its name
        targets = {}
        for element in root.iter():
            self.shapes[element.get("id")] = element
            targets |= dict.fromkeys(_NAMED.findall(" ".join(element.attrib.values())))
            target = element.get(f"{XLINK}href", "")
            targets |= {target[1:]: None} if target.startswith("#") else {}
        self.names = {target: f"g3-{prefix}-{k}" for k, target in enumerate(targets)}

    def element(self, element: ElementTree.Element) -> str:
        """An element and what is in it, without what is not seen."""
        tag = element.tag.removeprefix(SVG)
        if tag in ("metadata", "style"):
            return ""
        if tag == "image":
            return _image(element)
        attributes = dict(self.attributes(element))
        if tag == "text":
            words = escape("".join(element.itertext()))
            return f"<text{_written(attributes)}>{words}</text>"
        if tag == "path" and attributes.get("fill") == "none" and "stroke" not in attributes:
            return ""
        inside = self.dots(element) or "".join(map(self.element, element))
        if (tag == "g" and not (attributes and inside)) or (tag == "defs" and not inside):
            return inside
        end = f">{inside}</{tag}>" if inside else "/>"
        return f"<{tag}{_written(attributes)}{end}"

    def attributes(self, element: ElementTree.Element) -> Iterator[tuple[str, str]]:
        for key, value in element.attrib.items():
            if key == "id":
                if value in self.names:
                    yield "id", self.names[value]
            elif key == f"{XLINK}href":
                yield "href", f"#{self.names[value[1:]]}"
            elif key == "style":
                yield from self.style(value, element.tag == f"{SVG}text")
            elif key == "d":
                yield "d", _shorter(value)
            elif key in ("x", "y", "width", "height"):
                yield key, _n(float(value))
            elif key == "transform":
                if not value.startswith("rotate(-0 "):
                    yield key, re.sub(r"-?\d+\.\d+", lambda number: _n(float(number[0])), value)
            else:
                yield key, self.renamed(value)

    def style(self, text: str, words: bool) -> Iterator[tuple[str, str]]:
        """Declarations as attributes; words have the page's font, and the page's ink for ours."""
        for key, value in re.findall(r"([\w-]+): ([^;]+)", text):
            if key == "font":
                yield "font-size", _n(float(re.search(r"([\d.]+)px", value)[1]))
            elif key == "font-size":
                yield key, _n(float(value.removesuffix("px")))
            elif not ((key, value) in _PLAIN or key == "font-family" or (words and value == INK)):
                yield key, self.renamed(value)

    def renamed(self, value: str) -> str:
        """A value with the page's colours, and with the names that things have now."""
        value = _COLOUR.sub(lambda found: _VARIABLES[found[0].lower()], value)
        return _NAMED.sub(lambda found: f"url(#{self.names[found[1]]})", value)

    def dots(self, group: ElementTree.Element) -> str:
        """Many round markers of one look as one path: a line of no length has round ends."""
        looks = {(child.tag, child.get("style"), child.get(f"{XLINK}href")) for child in group}
        if len(group) < _MANY or len(looks) > 1:
            return ""
        ((tag, style, target),) = looks
        if tag != f"{SVG}use" or not (round_ := _ROUND.match(self.shapes[target[1:]].get("d"))):
            return ""
        look = dict(self.style(style, False))
        width = 2 * float(round_[1])
        written = {
            "stroke": look.get("fill", "#000000"),
            "stroke-linecap": "round",
            "stroke-width": _n(width),
            "stroke-opacity": look.get("fill-opacity", look.get("opacity", "1")),
        }
        # those nearer than half their width can hardly be told apart: one is enough
        step = max(1, round(5 * width))
        places = [[round(10 * float(child.get(k)) / step) * step for k in "xy"] for child in group]
        path, (x, y) = "", (0, 0)
        for u, v in dict.fromkeys(map(tuple, places)):
            path += f"m{_n((u - x) / 10)} {_n((v - y) / 10)}h0"
            x, y = u, v
        return f'<path d="{path.replace(" -", "-")}"{_written(written)}/>'


def _written(attributes: dict[str, str]) -> str:
    return "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())


def _shorter(path: str) -> str:
    """The same path to a tenth of a unit, its straight pieces as steps from place to place."""
    parts, at, words = [], None, _WORD.findall(path)
    while words:
        command = words.pop(0)
        count = {"M": 2, "L": 2, "Q": 4, "C": 6, "z": 0, "Z": 0}[command]
        numbers = [round(float(words.pop(0)) * 10) for _ in range(count)]
        if command == "L" and at is not None:
            step = [numbers[0] - at[0], numbers[1] - at[1]]
            if step == [0, 0]:
                continue
            x, y = (_n(part / 10) for part in step)
            parts.append(f"h{x}" if y == "0" else f"v{y}" if x == "0" else f"l{x} {y}")
        else:
            parts.append(command + " ".join(_n(number / 10) for number in numbers))
        at = numbers[-2:] if numbers else at
        if command == "M":
            start = at
        elif not numbers:
            at = start
    return "".join(parts).replace(" -", "-")


def _image(element: ElementTree.Element) -> str:
    """An image of numbers, upright, in as few colours as it has."""
    _, _, content = element.get(f"{XLINK}href").partition("base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    width, height = float(element.get("width")), float(element.get("height"))
    kind, numbers = re.match(r"(\w+)\((.*?)\)", element.get("transform")).groups()
    if kind == "matrix":  # of its own pixels to the picture
        a, _, _, d, left, top = map(float, numbers.split())
        width, height = a * width, d * height
    else:  # scale(1 -1) and back down
        left, top, height = float(element.get("x")), -float(element.get("y")), -height
    if height < 0:
        image, top, height = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), top + height, -height
    content = io.BytesIO()
    _few(image).save(content, "PNG", optimize=True)
    box = {"x": left, "y": top, "width": width, "height": height}
    look = {key: _n(value) for key, value in box.items()} | {"preserveAspectRatio": "none"}
    data = base64.b64encode(content.getvalue()).decode()
    return (
        f'<image{_written(look)} style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}"/>'
    )


def _few(image: Image.Image) -> Image.Image:
    """The image with a list of its colours, where that has room for all of them."""
    pixels = np.asarray(image.convert("RGBA"))
    listed, place = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(listed) > 256:
        return image
    few = Image.fromarray(place.reshape(pixels.shape[:2]).astype(np.uint8))
    few.putpalette(listed.tobytes(), "RGBA")
    return few


def _n(value: float) -> str:
    """A number with one digit after the point, if it needs one, and none before it, if it is 0."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text in ("-0", "0") else re.sub(r"^(-?)0\.", r"\1.", text)
