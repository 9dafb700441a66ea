"""What the tests of the explorables of clouds have in common."""

import torch

GIVE = """(root, bytes) => {
    root.model.set({ cloud: new DataView(Uint8Array.from(bytes).buffer) });
}"""
PLACE = "(canvas, point) => canvas.place(point).slice(0, 2)"


def give(shown, points: torch.Tensor) -> None:
    """As when Python sets another cloud."""
    shown.root.evaluate(GIVE, list(points.float().numpy().tobytes()))
    shown.settle()


def row(shown, table: str) -> list[float]:
    """The numbers of a table of one row."""
    numbers = shown.numbers(table)
    return [numbers[(j,)] for j in range(len(numbers))]


def value(shown, name: str) -> str:
    return shown.root.locator(f'[data-value="{name}"]').text_content()


def canvas(shown):
    return shown.root.locator("canvas")


def camera(shown) -> tuple[float, ...]:
    """Direction round z, height, zoom."""
    return tuple(map(float, canvas(shown).get_attribute("data-camera").split(",")))


def tap(shown, point: list[float]) -> None:
    """Click where a point of the cloud is painted, with a hand that trembles."""
    canvas(shown).scroll_into_view_if_needed()
    x, y = canvas(shown).evaluate(PLACE, point)
    box, before = canvas(shown).bounding_box(), camera(shown)
    mouse = shown.page.mouse
    mouse.move(box["x"] + x + 1, box["y"] + y + 1)
    mouse.down()
    mouse.move(box["x"] + x, box["y"] + y)
    mouse.up()
    shown.settle()
    assert camera(shown) == before


def together(shown, one: list[float], other: list[float]) -> bool:
    """Whether two points are painted in the same place."""
    a, b = (canvas(shown).evaluate(PLACE, point) for point in (one, other))
    return max(abs(s - t) for s, t in zip(a, b, strict=True)) < 2


def check_camera(shown, home: tuple[float, ...]) -> None:
    """A drag, the keys and the buttons turn, zoom and go back; a turn picks nothing."""
    assert camera(shown) == home
    place = canvas(shown)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
    mouse = shown.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 30, y - 20, steps=3)
    mouse.up()
    shown.settle()
    yaw, pitch, zoom = camera(shown)
    assert yaw < home[0] and pitch < home[1] and zoom == home[2]
    mouse.move(x + 90, y + 60)  # no button is down
    shown.settle()
    assert camera(shown) == (yaw, pitch, zoom)
    place.focus()
    for key, change in {
        "ArrowLeft": (-0.1, 0),
        "ArrowRight": (0.1, 0),
        "ArrowUp": (0, 0.1),
        "ArrowDown": (0, -0.1),
    }.items():
        before = camera(shown)
        shown.page.keyboard.press(key)
        shown.settle()
        after = camera(shown)
        assert [round(b - a, 2) for a, b in zip(before, after, strict=True)][:2] == list(change)
    shown.page.keyboard.press("+")
    shown.settle()
    assert camera(shown)[2] > zoom
    shown.page.keyboard.press("-")
    shown.settle()
    assert abs(camera(shown)[2] - zoom) < 0.01
    for name, axis, way in [("zoom in", 2, 1), ("zoom out", 2, -1), ("tilt", 1, 1)]:
        before = camera(shown)[axis]
        shown.root.get_by_role("button", name=name, exact=True).click()
        shown.settle()
        assert (camera(shown)[axis] - before) * way > 0, name
    shown.root.get_by_role("button", name="first view").click()
    shown.settle()
    assert camera(shown) == home
    place.focus()
    shown.page.keyboard.press("ArrowUp")
    shown.page.keyboard.press("Home")
    shown.settle()
    assert camera(shown) == home
    shown.page.keyboard.press("Escape")
    assert shown.page.evaluate("document.activeElement.tagName") != "CANVAS"


def check_theme(shown) -> None:
    """The canvas is painted anew when the page, or JupyterLab, goes from light to dark."""
    for target, name in [("documentElement", "data-theme"), ("body", "data-jp-theme-light")]:
        pictures = set()
        for word in ("dark", "light"):
            # JupyterLab's own colours are not on this page, so they are given here
            shown.root.evaluate(
                f"""(root, word) => {{
                    const ink = word === "dark" ? "#ffffff" : "#000000";
                    root.style.setProperty("--g3-ink", ink);
                    document.{target}.setAttribute("{name}", word);
                }}""",
                word,
            )
            shown.settle()
            pictures.add(canvas(shown).evaluate("canvas => canvas.toDataURL()"))
        assert len(pictures) == 2, name


def check_narrow(shown) -> None:
    """At 375 px nothing is wider than the frame, save what scrolls inside itself by keyboard."""
    wide = shown.root.evaluate(
        """(root) => [...root.querySelectorAll("*")].filter((el) => {
            const inside = el.closest('[style*="overflow-x"]');
            if (inside && inside !== el) return inside.tabIndex !== 0;
            const { right, left } = el.getBoundingClientRect();
            return right > innerWidth || left < 0;
        }).map((el) => el.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


RENDER = """async ([text, traits, bytes]) => {
    // as in a notebook: one module, its model on the kernel's side
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const { default: widget } = await import(address);
    traits.cloud = new DataView(Uint8Array.from(bytes).buffer);
    const heard = [], targets = [];
    const model = {
        get: (name) => traits[name], set() {}, save_changes() {},
        on: (name, act) => { heard.push([name, act]); },
        off: (name, act) => {
            heard.splice(heard.findIndex((one) => one[0] === name && one[1] === act), 1);
        },
    };
    const add = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, act, options) {
        const lasting = this === window || (this instanceof Node && document.contains(this));
        if (options?.signal || lasting) targets.push(options?.signal);
        return add.call(this, type, act, options);
    };
    let observers = 0;
    for (const kind of ["MutationObserver", "ResizeObserver"]) {
        const { observe, disconnect } = window[kind].prototype, alive = new Set();
        window[kind].prototype.observe = function (...what) {
            if (!alive.has(this)) observers += 1;
            alive.add(this);
            return observe.apply(this, what);
        };
        window[kind].prototype.disconnect = function () {
            if (alive.delete(this)) observers -= 1;
            return disconnect.apply(this);
        };
    }
    const el = document.body.appendChild(document.createElement("div"));
    const end = await widget.render({ model, el });
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const before = { heard: heard.length, targets: targets.length, observers };
    end();
    return { before, heard: heard.length, observers, left: el.children.length,
             alive: targets.filter((signal) => !signal || !signal.aborted).length };
}"""


def check_ends(browser, explorer) -> None:
    """A view that ends leaves no listener, no observer and no element; as one module, too."""
    page = browser.new_page()
    try:
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        traits = explorer.get_state()
        cloud, text = traits.pop("cloud"), traits.pop("_esm")
        told = page.evaluate(RENDER, [text, traits, list(cloud)])
        assert min(told.pop("before").values()) > 0
        assert told == {"heard": 0, "observers": 0, "left": 0, "alive": 0}
        assert faults == []
    finally:
        page.close()
