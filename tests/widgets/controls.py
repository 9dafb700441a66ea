"""The controls of an explorable, worked as a reader works them."""

from playwright.sync_api import Locator

WAYS = ["keyboard", "mouse", "touch"]


def controls(root: Locator) -> list[Locator]:
    found = root.locator("[data-control] input, button[data-control]")
    return [found.nth(k) for k in range(found.count())]


def work(control: Locator, way: str) -> bool:
    """Use a control so that something must change; False where it offers nothing to do now."""
    if not control.is_visible() or control.is_disabled():
        return False
    kind = control.get_attribute("type")
    if kind == "radio" and control.is_checked():
        return False
    if control.get_attribute("aria-pressed") == "true":
        return False
    if kind == "range":
        last = control.input_value() == control.get_attribute("max")
        if way == "keyboard":
            control.press("ArrowLeft" if last else "ArrowRight")
        else:
            box = control.bounding_box()
            point(control, way, {"x": 2 if last else box["width"] - 2, "y": box["height"] / 2})
    elif kind == "text":
        if way != "keyboard":
            point(control, way)
        control.press("ArrowUp")
    elif way == "keyboard":
        control.press("Enter" if kind == "button" else "Space")
    else:
        point(control, way)
    return True


def point(control: Locator, way: str, position: dict[str, float] | None = None) -> None:
    (control.tap if way == "touch" else control.click)(position=position)


def state(root: Locator) -> list:
    """All that a control can change: what the fields hold and what stands on the screen."""
    return root.evaluate(
        """(root) => [root.querySelector(".g3x-stage").innerHTML, root.textContent,
          ...[...root.querySelectorAll("input")].map((i) => [i.value, i.checked]),
          ...[...root.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL())]"""
    )
