"""A real browser on built pages, and what is wrong with a page as a list."""

import functools
import gzip
import http.server
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page

COMPRESSED = (".html", ".css", ".js", ".svg", ".json")
SHIFT = 0.02  # how much of what is in sight may move by itself while a page loads
CONTEXTS = 4  # WebGL contexts that may live on a page at once
FEW = 100  # pixels: less than a drawn line has
PAUSE = 200  # milliseconds between two looks
PATIENCE = 20_000  # milliseconds for a figure to be drawn, on a busy machine with no GPU
REACHABLE = "button, input, select, textarea, a[href], [tabindex]:not([tabindex='-1'])"
KEYS = ("ArrowRight", "Enter", "ArrowLeft", "ArrowDown", "Space")  # one of them moves a control

COUNT_CONTEXTS = """
window.webglContexts = new Set();
for (const Canvas of [HTMLCanvasElement, window.OffscreenCanvas].filter(Boolean)) {
  const getContext = Canvas.prototype.getContext;
  Canvas.prototype.getContext = function (kind, ...rest) {
    const context = getContext.call(this, kind, ...rest);
    if (context && /webgl/.test(kind)) window.webglContexts.add(context);
    return context;
  };
}
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries()) {
    if (!hadRecentInput) window.layoutShift += value;
  }
}).observe({ type: "layout-shift", buffered: true });
window.liveContexts = () => [...window.webglContexts].filter((c) => !c.isContextLost()).length;
"""

# the roles of which the first figure that is drawn shows the colours that Python wrote
LIGHT_ROLES = """() => {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim().toLowerCase();
  const { data = [] } = document.querySelector(".g3-plot[data-drawn] .g3-canvas");
  const plain = (key, value) => (ArrayBuffer.isView(value) ? 0 : value);
  const text = JSON.stringify(data, plain).toLowerCase();
  return ["source", "index", "result", "wrong"].filter((role) => text.includes(
    JSON.stringify(colour(`--g3-python-${role}`))));
}"""

AXE = Axe()
CONTRAST = "color-contrast"  # the rule
STOP = r"""() => {
  const stop = document.activeElement;
  if (!stop || stop === document.body) return null;
  document.getAnimations().forEach((animation) => animation.finish());
  const label = stop.matches("[type=radio]") && !stop.checkVisibility({ opacityProperty: true });
  const seen = label ? stop.labels[0] : stop; // of a tab
  const style = getComputedStyle(seen);
  const box = seen.getBoundingClientRect();
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part > 0.04045 ? ((part + 0.055) / 1.055) ** 2.4 : part / 12.92));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const ground = (box) => { // what the ring is drawn on
    const colour = box ? getComputedStyle(box).backgroundColor : "rgb(255, 255, 255)";
    return /, 0\)$/.test(colour) ? ground(box.parentElement) : colour;
  };
  const paper = light(ground(stop.parentElement));
  const drawn = (style.boxShadow.match(/rgba?\([^)]*\)/g) ?? []).concat(
    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 ? style.outlineColor : []);
  const outlined = drawn.map(light).some((line) => Math.max(line / paper, paper / line) >= 3);
  const shown = seen.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const scrolls = stop.scrollWidth > stop.clientWidth || stop.scrollHeight > stop.clientHeight;
  const control = stop.matches(`a, button, input, summary, select, textarea, label,
    [role=slider], [role=gridcell], [role=application]`);
  return {
    name: stop.outerHTML.slice(0, 100),
    live: Boolean(stop.closest(".g3-plot")), // its buttons come and go with the figure
    faults: [
      !outlined && "is not seen to have the focus",
      !(shown && box.width && box.height) && "has the focus and is not seen",
      !(control || scrolls || stop.tagName === "BODY") && "is a stop and does nothing",
    ].filter(Boolean),
  };
}"""
# Each element that Tab would reach, focused in turn: so long as a key was pressed last, the browser
# shows the focus as it does after Tab.
STOPS = rf"""() => {{
  const found = [];
  for (const stop of document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex]")) {{
    const group = stop.type === "radio" && !stop.checked
      && document.querySelector(`input[name="${{stop.name}}"]:checked`);
    if (stop.tabIndex < 0 || stop.disabled || group
        || !stop.checkVisibility({{ visibilityProperty: true }})) continue;
    stop.focus({{ preventScroll: true }});
    if (document.activeElement === stop) found.push(({STOP})());
  }}
  return found.filter(Boolean);
}}"""
# Of all text that has one colour, size, weight and ground, the first is marked; their number.
MARK_LOOKS = r"""() => {
  const seen = new Set();
  const opacity = (part) => part
    ? getComputedStyle(part).opacity * opacity(part.parentElement) : 1;
  const ground = (part) => {
    const { backgroundColor, backgroundImage } = part ? getComputedStyle(part) : {};
    return part && /, 0\)$/.test(backgroundColor) && backgroundImage === "none"
      ? ground(part.parentElement) : `${backgroundColor} ${backgroundImage}`;
  };
  const look = (part) => {
    const { color, fontSize, fontWeight, textShadow } = getComputedStyle(part);
    return [color, fontSize, fontWeight, textShadow, opacity(part), ground(part)].join(" ");
  };
  for (const part of document.body.querySelectorAll("*")) {
    part.removeAttribute("data-look");
    const reads = [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!(reads || part.matches("input, select")) || !part.checkVisibility()) continue;
    if (!seen.has(look(part))) part.dataset.look = "";
    seen.add(look(part));
  }
  return seen.size;
}"""
CUT_OFF = """() => [...document.querySelectorAll(".cell_input pre")]
    .filter(code => code.scrollWidth > code.clientWidth).map(code => code.textContent)"""
OUT_OF_REACH = """() => [...document.querySelectorAll("article *")].filter((box) => {
  const { overflowX, position } = getComputedStyle(box);
  return ["auto", "scroll"].includes(overflowX) && box.scrollWidth > box.clientWidth + 1
    && box.tabIndex < 0 && !box.querySelector("a, button, [tabindex='0']");
}).map((box) => `${box.outerHTML.slice(0, 100)} scrolls and cannot be reached`)"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: what a page lacks is a fault of that page."""


class GzipHandler(QuietHandler):
    """Compresses what compresses, as a web host does."""

    def send_head(self) -> BinaryIO | None:
        path = Path(self.translate_path(self.path))
        if not path.is_file() or path.suffix not in COMPRESSED:
            return super().send_head()
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", f"{self.guess_type(path)}; charset=utf-8")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves a page drops its connections: no fault. The rest is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def served(folder: Path, *, gzipped: bool = False) -> Iterator[str]:
    """The folder's address on this machine, for as long as the context lasts."""
    handler = functools.partial(GzipHandler if gzipped else QuietHandler, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Visit:
    """One page, opened; `faults` grows with all that goes wrong while it is open."""

    def __init__(
        self, browser: Browser, address: str, width: int = 1400, touch: bool = False
    ) -> None:
        self.faults: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, reduced_motion="reduce", has_touch=touch
        )
        self.page: Page = self.context.new_page()
        self.host = urlsplit(address).netloc
        self.page.add_init_script(COUNT_CONTEXTS)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.address = address
        self.page.goto(address, wait_until="load")

    def again(self) -> None:
        """The page as one meets it first, but for what the browser keeps of its files."""
        self.page.evaluate("localStorage.clear()")
        self.page.emulate_media(color_scheme="null", reduced_motion="reduce")
        self.page.mouse.move(0, 0)
        self.faults.clear()
        self.page.goto(self.address, wait_until="load")

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def _heard(self, message) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _asked(self, request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "about") and address.netloc != self.host:
            self.faults.append(f"request to another host: {request.url}")

    def _answered(self, response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    # ---- what to look at

    def draw_figures(self, most: int | None = None) -> None:
        """Scroll to every figure in turn (or to so many), then back to the first: each is drawn,
        its slider moves it, and the live contexts stay few.

        A figure with a poster waits for a reader who does something: the pointer moves once.
        """
        self.page.mouse.move(5, 5)
        figures = self.page.locator(".g3-plot")
        count = figures.count() if most is None else min(most, figures.count())
        for k in [*range(count), *range(count > 1)]:
            figure = figures.nth(k)
            name = figure.get_attribute("data-figure")
            figure.scroll_into_view_if_needed()
            try:
                figure.locator("xpath=self::*[@data-drawn]").wait_for(timeout=PATIENCE)
            except Error:
                self.faults.append(f"figure {name} was not drawn")
                continue
            if is_blank(figure.locator(".g3-canvas").screenshot()):
                self.faults.append(f"figure {name} is blank")
            self.move_slider(figure, name)
            self.count_contexts()

    def count_contexts(self) -> None:
        live = self.page.evaluate("liveContexts()")
        if live > CONTEXTS:
            self.faults.append(f"{live} live WebGL contexts, wanted {CONTEXTS} at most")

    def move_slider(self, figure: Locator, name: str) -> None:
        """Where a figure has a slider, it answers to the keyboard and the figure follows."""
        control = figure.locator(".g3-slider input[type=range]")
        if not control.count():
            return
        before = figure.locator(".g3-canvas").screenshot()
        words = control.get_attribute("aria-valuetext")
        last = control.input_value() == control.get_attribute("max")
        control.press("ArrowLeft" if last else "ArrowRight")
        if control.get_attribute("aria-valuetext") == words:
            self.faults.append(f"the slider of figure {name} did not answer to a key")
            return
        for _ in range(10):
            self.page.wait_for_timeout(PAUSE)
            if figure.locator(".g3-canvas").screenshot() != before:
                return
        self.faults.append(f"figure {name} did not follow its slider")

    def swap_stills(self) -> None:
        """Each slider of a flat picture answers to the keyboard: another still is seen."""
        for control in self.page.locator(".g3-picture > .g3-slider input").all():
            name = control.get_attribute("aria-label")
            stills = control.locator("xpath=../../*[contains(@class, 'g3-still')]")
            seen = stills.evaluate_all("all => all.map((still) => still.checkVisibility())")
            last = control.input_value() == control.get_attribute("max")
            control.press("ArrowLeft" if last else "ArrowRight")
            now = stills.evaluate_all("all => all.map((still) => still.checkVisibility())")
            if sum(seen) != 1 or sum(now) != 1 or seen == now:
                self.faults.append(f"the slider {name} does not swap its stills")

    def mount_widgets(self) -> None:
        """Scroll to every widget in turn: each is there, shows something, and answers to a key."""
        widgets = self.page.locator(".g3-widget")
        for k in range(widgets.count()):
            widget = widgets.nth(k)
            name = f"{k + 1} ({widget.get_attribute('aria-label')})"
            widget.scroll_into_view_if_needed()
            try:
                widget.locator("xpath=self::*[@data-mounted]").wait_for(
                    state="attached", timeout=PATIENCE
                )
            except Error:
                self.faults.append(f"widget {name} was not mounted")
                continue
            if not widget.is_visible() or is_blank(widget.screenshot()):
                self.faults.append(f"widget {name} is blank")
                continue
            self.press_keys(widget, name)

    def press_keys(self, widget: Locator, name: str) -> None:
        """A key on the first part that the keyboard reaches changes what the widget says."""
        control = widget.locator(REACHABLE).locator("visible=true").first
        if not control.count():
            self.faults.append(f"no part of widget {name} is reached by keyboard")
            return
        view = widget.locator(".g3-view")
        before = view.inner_html()
        for key in KEYS:
            control.press(key)
            self.page.wait_for_timeout(PAUSE)
            if view.inner_html() != before:
                return
        self.faults.append(f"widget {name} did not answer to a key")

    def switch_theme(self) -> None:
        """The figure in sight takes on the colours of the other theme."""
        figure = self.page.locator(".g3-plot[data-drawn]").first
        if not figure.count():
            return
        ink = (
            "() => document.querySelector('.g3-plot[data-drawn] .g3-canvas')._fullLayout.font.color"
        )
        before = self.page.evaluate(ink)
        theme = self.page.evaluate(
            "document.documentElement.dataset.theme = "
            "document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'"
        )
        try:
            self.page.wait_for_function(f"before => ({ink})() !== before", arg=before)
        except Error:
            self.faults.append(f"a figure kept its colours in the {theme} theme")
        if theme == "dark" and (light := self.page.evaluate(LIGHT_ROLES)):
            self.faults.append(f"a figure kept the light theme's colours of {', '.join(light)}")

    def measure_width(self) -> None:
        """The page does not scroll sideways: what is wide scrolls inside itself."""
        wide, window = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if wide > window:
            self.faults.append(f"the page is {wide} px wide in a window of {window} px")

    def measure_code(self) -> None:
        """Code is seen whole on a laptop: shapes stand at the end of a line, and no reader has to
        scroll for them."""
        size = self.page.viewport_size
        self.page.set_viewport_size({"width": 1280, "height": size["height"]})
        self.faults += [
            f"a line of code is cut off: {code}" for code in self.page.evaluate(CUT_OFF)
        ]
        self.page.set_viewport_size(size)

    def check_focus(self) -> None:
        """Whatever Tab reaches is seen, is seen to have the focus, and does something; whatever
        scrolls is reached."""
        self.page.keyboard.press("Tab")
        for stop in self.page.evaluate(STOPS):
            self.faults += [f"{stop['name']} {fault}" for fault in stop["faults"]]
        self.faults += self.page.evaluate(OUT_OF_REACH)

    def stay_at_rest(self) -> None:
        """Nothing that makes figures live is loaded before the reader does something."""
        self.page.wait_for_load_state("networkidle")
        self.faults += [f"loaded at rest: {name}" for name in self.asked_for_figures()]

    def asked_for_figures(self) -> list[str]:
        """What this page has loaded so that figures are live: plotly.js and data."""
        names = self.page.evaluate("performance.getEntriesByType('resource').map((e) => e.name)")
        return [name for name in names if "/plotly-" in name or "/_figures/" in name]

    def measure_shift(self) -> None:
        """What the reader sees keeps its place while the page loads."""
        self.page.wait_for_load_state("networkidle")
        shift = self.page.evaluate("layoutShift")
        if shift > SHIFT:
            self.faults.append(f"the layout shifted by {shift:.3f}, wanted {SHIFT} at most")

    def check_access(self) -> None:
        """Axe finds nothing that keeps a reader out.

        Most of its time would be for contrast, where a page has thousands of words in some dozen
        colours: it is given one of each look.
        """
        apart = {"rules": {CONTRAST: {"enabled": False}}, "resultTypes": ["violations"]}
        found = AXE.run(self.page, options=apart).response["violations"]
        if self.page.evaluate(MARK_LOOKS):
            alone = {"runOnly": [CONTRAST], "resultTypes": ["violations"]}
            looks = {"include": ["[data-look]"]}
            found += AXE.run(self.page, context=looks, options=alone).response["violations"]
        for violation in found:
            places = ", ".join(str(node["target"][0]) for node in violation["nodes"][:3])
            self.faults.append(f"axe, {violation['id']}: {violation['help']} ({places})")

    def loaded(self) -> dict[str, int]:
        """What the page has asked for so far: address, and the bytes that came over the network."""
        self.page.wait_for_load_state("networkidle")
        return dict(
            self.page.evaluate(
                """[...performance.getEntriesByType("navigation"),
                    ...performance.getEntriesByType("resource")]
                   .map((entry) => [entry.name, entry.transferSize])"""
            )
        )

    def read_formulas(self) -> None:
        """Formulas are elements, not the LaTeX they were written in."""
        left = self.page.evaluate(
            r"""() => {
              const latex = /\$\$|\\\(|\\\[|\\(frac|sum|mathbf|mathrm|begin)\b/;
              const apart = "pre, code, script, style, math, noscript";
              const article = document.querySelector("article") ?? document.body;
              const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
              const errors = [...article.querySelectorAll("merror")];
              const found = errors.map((error) => error.textContent);
              while (walker.nextNode()) {
                const node = walker.currentNode;
                if (node.parentElement.closest(apart) || !latex.test(node.data)) continue;
                found.push(node.data.trim().slice(0, 80));
              }
              return found;
            }"""
        )
        self.faults += [f"a formula that is not shown: {text}" for text in left]


def is_blank(png: bytes) -> bool:
    """Nothing was drawn: all pixels but a few have one colour."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    counts = image.getcolors(maxcolors=image.width * image.height)
    most = max(count for count, _ in counts)
    return image.width * image.height - most < FEW
