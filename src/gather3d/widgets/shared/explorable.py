"""What the explorables have in common: a module made of shared text and own text, and three words.

An explorable is an anywidget: it works in JupyterLab with its state in step with Python, and on a
page of the book with no kernel. Its front end is text without dependencies: `shared.js`, which
all of them draw with, `space.js` for those that draw in 3D, then NAME.js.
"""

from pathlib import Path

import anywidget
import traitlets

SHARED = Path(__file__).parent


def front_end(own: str, *more: str) -> str:
    """The text of one module: shared.js, more of the files beside it, and an explorable's own."""
    files = [*(SHARED / name for name in ("shared.js", *more)), SHARED.parent / own]
    return "".join(file.read_text(encoding="utf-8") for file in files)


class Explorable(anywidget.AnyWidget):
    """A small instrument that makes one idea visible by letting the reader push it.

    A subclass sets `_esm = front_end("NAME.js", …)`, `caption` (what to try and notice), `alt`
    (what is shown) and `height` (the room that a page keeps for it, in pixels: on a phone, in a
    column under 700 pixels, in a wider one).
    """

    caption = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    height = traitlets.List([400, 400, 400]).tag(sync=True)
