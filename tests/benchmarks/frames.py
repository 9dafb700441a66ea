"""How long the explorables take for a frame: a measurement by hand, not a test.

    python -m tests.benchmarks.frames                    every explorable, 200 interactions each
    python -m tests.benchmarks.frames VoxelExplorer      this one
    python -m tests.benchmarks.frames --interactions 50

A session pulls sliders, presses radios and ticks, points at cells and turns scenes, in turn. For
each interaction the table has the processor's time of the page's main thread, event to paint, which
other programs on the machine can slow down but not add to, and the longest gap between two frames
on the clock. At 60 frames a second each has 16.7 ms; 32 ms is the most we accept.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Locator, Page, sync_playwright

from ..site.browser import Visit, served
from ..site.conftest import find_browser
from ..site.small_book import SmallBook

LIMIT = 32  # ms

WATCH = """() => {
  window.gap = 0;
  let last = performance.now();
  const tick = (now) => {
    gap = Math.max(gap, now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
SETTLE = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
#: Where the middle of each of these is, as far as a reader sees and can use them.
PLACES = """(root, what) => [...root.querySelectorAll(what)]
  .filter((el) => el.checkVisibility() && !el.disabled && !el.checked)
  .map((el) => el.getBoundingClientRect())
  .map(({ x, y, width, height }) => [x + width / 2, y + height / 2])
  .filter(([x, y]) => y > 0 && y < innerHeight && x > 0 && x < innerWidth)"""


class Reader:
    """Somebody with a mouse, who does one thing after another, always another one."""

    def __init__(self, page: Page, root: Locator) -> None:
        self.mouse, self.page, self.root = page.mouse, page, root
        self.turns = 0

    def places(self, what: str) -> list[list[float]]:
        found = self.root.evaluate(PLACES, what)
        return found[self.turns * 7 % len(found) :][:1] if found else []

    def plan(self, k: int) -> Callable[[], None]:
        """What comes as number k: all that takes looking is done before it starts."""
        self.turns = k // 4
        kinds = ["input[type=range]", "[data-place]", "canvas", "input[type=radio]"]
        kind = kinds[k % 4]
        places = self.places(kind) or self.places("[data-place], [data-control] *")
        assert places, f"nothing to do: {kind}"
        x, y = places[0]
        if kind == "canvas":
            return lambda: self.drag(x, y, 3 * (k % 11) - 15, 2 * (k % 7) - 6)
        if kind == "[data-place]":
            return lambda: self.mouse.move(x, y)
        return lambda: self.mouse.click(x + (k % 90 - 45 if "range" in kind else 0), y)

    def drag(self, x: float, y: float, across: float, down: float) -> None:
        self.mouse.move(x, y)
        self.mouse.down()
        self.mouse.move(x + across, y + down)
        self.mouse.up()


def session(page: Page, root: Locator, interactions: int) -> list[tuple[float, float]]:
    """The main thread's time and the longest gap, in ms, for each interaction."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    reader = Reader(page, root)
    page.evaluate(WATCH)
    times = []
    for k in range(interactions):
        act = reader.plan(k)
        page.evaluate(f"{SETTLE}.then(() => {{ gap = 0; }})")
        start = spent()
        act()
        page.evaluate(SETTLE)
        times.append((spent() - start, page.evaluate("gap")))
    return times


def main() -> None:
    from gather3d import widgets

    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("names", nargs="*", default=widgets.__all__, metavar="EXPLORABLE")
    asked.add_argument("--interactions", type=int, default=200)
    options = asked.parse_args()
    if unknown := set(options.names) - set(widgets.__all__):
        asked.error(
            f"got {', '.join(sorted(unknown))}, wanted some of {', '.join(widgets.__all__)}"
        )

    columns = "{:20}{:>14}{:>10}{:>10}{:>12}{:>14}{:>12}"
    print(columns.format("", "main, median", "95 %", "most", "over 32 ms", "gap, median", "most"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        small = SmallBook(Path(folder))
        small.chapter("from gather3d import widgets", *[f"widgets.{n}()" for n in options.names])
        status, output = small.build()
        assert status == 0, output
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        with served(Path(folder) / "_build" / "html") as address:
            for k, name in enumerate(options.names):
                with Visit(browser, f"{address}/notebooks/01-one.html", width=1200) as visit:
                    visit.page.set_viewport_size({"width": 1200, "height": 1600})  # all of it
                    root = visit.page.locator(".g3-widget").nth(k)
                    root.scroll_into_view_if_needed()
                    root.locator(".g3x").wait_for()
                    root.evaluate("(el) => el.scrollIntoView({ block: 'center' })")
                    times = session(visit.page, root.locator(".g3x"), options.interactions)
                    assert visit.faults == [], visit.faults
                work, gaps = (sorted(column) for column in zip(*times, strict=True))
                at = [median(work), work[len(work) * 95 // 100], work[-1]]
                over = sum(ms > LIMIT for ms in work)
                numbers = [*(f"{ms:.1f} ms" for ms in at), over]
                numbers += [f"{ms:.1f} ms" for ms in (median(gaps), gaps[-1])]
                print(columns.format(name, *numbers), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
