"""What holds for each explorable, whatever it shows."""

from pathlib import Path

import pytest
from tests.site.browser import Visit

from gather3d import widgets

from .conftest import EXPLORABLES
from .controls import WAYS, controls, state, work

LIMIT = 12_000  # bytes of JavaScript of an explorable's own
FOLDER = Path(widgets.__file__).parent


def own_script(name: str) -> Path:
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return FOLDER / f"{words[1:]}.js"


@pytest.mark.parametrize("name", EXPLORABLES)
def test_script_is_small_and_asks_for_nothing(name):
    text = own_script(name).read_text()
    assert len(text.encode()) <= LIMIT
    assert "import " not in text and "http" not in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_a_reader_out(browser, shown, theme):
    """Every explorable mounts, answers to a key, and axe finds nothing, in either theme."""
    with Visit(browser, shown) as visit:
        visit.page.emulate_media(color_scheme=theme)
        visit.mount_widgets()
        visit.check_access()
        assert visit.page.locator(".g3x").count() == len(EXPLORABLES)
        assert visit.faults == []


def test_on_a_phone(browser, shown):
    with Visit(browser, shown, width=375) as visit:
        visit.mount_widgets()
        visit.measure_width()
        wide = visit.page.evaluate(
            """() => [...document.querySelectorAll(".g3x")].filter((root) => {
              const right = root.getBoundingClientRect().right + 1;
              const scrolls = (el) => el !== root && (
                ["auto", "scroll", "hidden"].includes(getComputedStyle(el).overflowX)
                || scrolls(el.parentElement));
              return [...root.querySelectorAll("*")].some((el) =>
                el.getBoundingClientRect().right > right && !scrolls(el) && !el.closest("svg"));
            }).map((root) => root.getAttribute("aria-label"))"""
        )
        assert wide == [] and visit.faults == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EXPLORABLES)
def test_every_control_answers(instrument, name, way):
    """Each control changes what is shown, and words say what is seen."""
    shown = instrument(name, touch=way == "touch")
    answered = 0
    for control in controls(shown.root):
        before = state(shown.root)
        if not work(control, way):
            continue
        shown.settle()
        assert state(shown.root) != before, f"{control} of {name}"
        answered += 1
    assert answered
    assert shown.said or shown.refusal
