"""The explorables' colours are the book's, in the light and in the dark."""

import re
from pathlib import Path

from gather3d import widgets

SHARED = (Path(widgets.__file__).parent / "shared" / "shared.js").read_text()
PAGE = (Path(__file__).parents[2] / "book" / "_static" / "gather3d.css").read_text()


def colours(rule: str) -> dict[str, str]:
    return dict(re.findall(r"--g3-(\w+):\s*(#\w{6})", rule))


def test_light():
    page = colours(PAGE[PAGE.index(":root") : PAGE.index('html[data-theme="dark"]')])
    own = dict(re.findall(r"var\(--g3-(\w+),(#\w{6})\)", SHARED))
    assert len(own) == 5 and own.items() <= page.items()


def test_dark():
    page = colours(PAGE[PAGE.index('html[data-theme="dark"]') :].split("}")[0])
    own = colours(SHARED[SHARED.index("[data-jp-theme-light=false]") :].split("}")[0])
    assert len(own) == 5 and own.items() <= page.items()
