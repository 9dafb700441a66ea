"""Widgets on a page that has no kernel: one small book, and what its page does in a browser."""

import pytest

from .browser import Visit, served
from .small_book import SmallBook

WORDS = """
    caption = traitlets.Unicode("The `count` grows, $n + 1$ at a time.").tag(sync=True)
    alt = traitlets.Unicode('A "counter".').tag(sync=True)
    height = traitlets.Int(120).tag(sync=True)
"""

SHARED = """\
//#region shared
globalThis.sharedRuns = (globalThis.sharedRuns ?? 0) + 1;
export const line = (el, name) => {
  const made = el.appendChild(document.createElement(name));
  return made;
};
//#endregion
"""

COUNTER = """\
globalThis.moduleRuns = (globalThis.moduleRuns ?? 0) + 1;
const show = (model, said) => { said.textContent = `count ${model.get("count")}`; };
export default () => ({
  initialize({ model }) {
    globalThis.initialized = (globalThis.initialized ?? 0) + 1;
    globalThis.counters = [...globalThis.counters ?? [], model];
  },
  render({ model, el }) {
    const button = line(el, "button");
    const said = line(el, "p");
    button.textContent = "one more";
    said.setAttribute("role", "status");
    button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
    model.on("change:count", () => show(model, said));
    show(model, said);
  },
});
"""

BYTES = """\
export default { render({ model, el }) {
  const view = model.get("data"), inner = model.get("nested").points[1];
  el.textContent = `${view.constructor.name} ${view.getFloat32(0, true)} ${inner.getUint8(2)}`;
  el.tabIndex = 0;
  el.className += " fst-italic";
  el.onkeydown = () => { el.textContent = "pressed"; };
} };
"""

PARENT = """\
export default { async render({ model, el, host }) {
  const life = new AbortController();
  const child = await host.getWidget(model.get("child"));
  const seen = await model.widget_manager.get_model(model.get("other").slice("IPY_MODEL_".length));
  const box = el.appendChild(document.createElement("div"));
  await child.render({ el: box, signal: life.signal });
  const said = el.appendChild(document.createElement("p"));
  said.className = "said";
  said.textContent = `${child.exports.answer} ${seen.get("value")}`;
  const button = el.appendChild(document.createElement("button"));
  button.textContent = "send it away";
  button.onclick = () => life.abort();
} };
"""

CHILD = """\
export default {
  initialize() { return { answer: 42 }; },
  render({ el }) {
    el.textContent = "here";
    return () => { el.textContent = "gone"; };
  },
};
"""

SETUP = f"""
import anywidget, ipywidgets, traitlets

class Words(anywidget.AnyWidget):{WORDS}

class Counter(Words):
    _esm = {SHARED + COUNTER!r}
    _css = ".g3-view button {{ color: var(--g3-ink); background: var(--g3-paper); }}"
    count = traitlets.Int(0).tag(sync=True)

class Other(Words):
    _esm = {SHARED + COUNTER.replace("count ", "other ")!r}
    count = traitlets.Int(7).tag(sync=True)

class Bytes(Words):
    _esm = {BYTES!r}
    data = traitlets.Bytes().tag(sync=True)
    nested = traitlets.Dict().tag(sync=True)

class Child(Words):
    _esm = {CHILD!r}

class Parent(Words):
    _esm = {PARENT!r}
    child = anywidget.WidgetTrait().tag(sync=True)
    other = traitlets.Any().tag(sync=True, **ipywidgets.widget_serialization)

class Thrower(Words):
    _esm = "export default {{ render() {{ throw new Error('no picture'); }} }};"

counter = Counter(count=3)
"""
LIVE = (
    "counter",
    "Counter(count=10)",
    "counter",
    "Other()",
    "import struct\nBytes(data=struct.pack('<f', 2.5), nested={'points': [1, b'abc']})",
    "Parent(child=Child(), other=ipywidgets.IntSlider(5))",
    "ipywidgets.VBox([Counter(count=20), ipywidgets.HBox([Other(), ipywidgets.Label('between')])])",
    "caught = ipywidgets.Output()\nwith caught:\n    display(Counter(count=30))\ncaught",
)
REST = (
    "ipywidgets.IntSlider(4, 1, 9, description='taps')",
    "ipywidgets.interact(lambda k: print('k is', k), k=(0, 8, 2));",
    "ipywidgets.Dropdown(options=['cube', 'ball'], value='ball', description='kernel')",
    "ipywidgets.FloatRangeSlider(value=[0.25, 0.5], min=0, max=1, step=0.05)",
    "ipywidgets.HTML('<em>words</em> of HTML')",
    "import plotly.graph_objects as go\nfrom IPython.display import display\n"
    "box = ipywidgets.Output()\nwith box:\n"
    "    display(go.Figure(go.Scatter(y=[1, 2]), {'meta': {'caption': 'c', 'alt': 'kept line'}}))\n"
    "ipywidgets.Accordion([ipywidgets.Checkbox(True, description='padded'), box],"
    " titles=['first', 'second'])",
    # a cell whose output has a plotly form too: the page shows that one
    "class Both(ipywidgets.IntSlider):\n"
    "    def _repr_mimebundle_(self, **_):\n"
    "        words = {'meta': {'caption': 'c', 'alt': 'frozen line'}}\n"
    "        figure = go.Figure(go.Scatter(y=[1, 2]), words)\n"
    "        return super()._repr_mimebundle_() | {\n"
    "            'application/vnd.plotly.v1+json': figure.to_plotly_json()}\n"
    "Both(description='not shown')",
)
FAULTY = {
    "silent": ("class W(anywidget.AnyWidget):\n    _esm = ''\nW()", "has no alt"),
    "unsaid": ("class W(Words):\n    _esm = ''\nW(caption=' ')", "has no caption"),
    "module": (
        "class W(Words):\n    _esm = 'import d3 from \"https://elsewhere.example/d3\";'\nW()",
        'loads from another host: from "https://elsewhere',
    ),
    "style": (
        "class W(Words):\n    _esm = ''\n    _css = 'p { src: url(//elsewhere.example/f) }'\nW()",
        "loads from another host: url(//elsewhere.example/f",
    ),
    "address": (
        "class W(Words):\n    _esm = 'https://elsewhere.example/w.js'\nW()",
        "loads from another host: https://",
    ),
}


def add_chapters(small, names):
    toc = small.root / "_toc.yml"
    toc.write_text(toc.read_text() + "".join(f"  - file: notebooks/{name}\n" for name in names))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A book with a page of all that works, and a page with a widget that throws."""
    small = SmallBook(tmp_path_factory.mktemp("widgets"))
    small.chapter(SETUP, *LIVE, *REST)
    small.chapter(SETUP, "Thrower()", name="02-throws")
    add_chapters(small, ["02-throws"])
    status, output = small.build()
    assert status == 0, output
    return small.root / "_build" / "html"


@pytest.fixture(scope="module", params=["http", "file"])
def opened(request, browser, site):
    """A function that opens a page of the book, from a server or straight from disk."""
    if request.param == "file":
        yield lambda page, **how: Visit(browser, (site / page).as_uri(), **how)
    else:
        with served(site) as address:
            yield lambda page, **how: Visit(browser, f"{address}/{page}", **how)


CHAPTER = "notebooks/01-one.html"
SHOWN = "button, p:not(.g3-waiting)"


def near(visit, place):
    """The widget at this place of the page, mounted."""
    widget = visit.page.locator(".g3-widget").nth(place)
    widget.scroll_into_view_if_needed()
    widget.locator("xpath=self::*[@data-mounted]").wait_for()
    return widget


# ---- in the page


def test_every_widget_is_alive(opened):
    with opened(CHAPTER) as visit:
        visit.mount_widgets()
        assert visit.page.locator(".g3-widget[data-mounted]").count() == 9
        if visit.host:  # axe asks for the stylesheet, and a page from disk may not
            visit.check_access()
        assert visit.faults == []


def test_every_widget_is_alive_on_a_phone(opened):
    with opened(CHAPTER, width=375) as visit:
        visit.mount_widgets()
        visit.measure_width()
        assert visit.faults == []


def test_keys_and_views(opened):
    """A key moves the counter; two views of one model move together, another instance stays."""
    with opened(CHAPTER) as visit:
        first, other, second = (near(visit, place) for place in range(3))
        first.locator("button").press("Enter")
        second.locator("button").press("Enter")
        said = [widget.locator("[role=status]").inner_text() for widget in (first, other, second)]
        assert said == ["count 5", "count 10", "count 5"]
        assert visit.faults == []


def test_code_is_loaded_once(opened):
    """Counters of two classes that share a region: each text is fetched once and run once."""
    with opened("book/index.html") as visit:
        asked = []
        visit.page.on("request", lambda request: asked.append(request.url.partition("?")[0]))
        visit.page.goto(visit.page.url.replace("book/index.html", CHAPTER))
        near(visit, 0)
        assert not [url for url in asked if "-8-0" in url], "a widget far away was loaded"
        visit.mount_widgets()
        runs = visit.page.evaluate("[sharedRuns, moduleRuns, initialized]")
        assert runs == [1, 2, 6]  # the models are 5 counters and 2 others; 2 views share a model
        code = [url for url in asked if "/_widgets/modules/" in url]
        assert len(code) == len(set(code)) == 7
        assert visit.page.locator("link[href*='/_widgets/']").count() == 1


def test_state_arrives(opened):
    """Bytes come as a DataView, at the path where they were; widgets find each other."""
    with opened(CHAPTER) as visit:
        assert near(visit, 4).locator(".g3-view").inner_text() == "DataView 2.5 99"
        parent = near(visit, 5)
        assert parent.locator(".said").inner_text() == "42 5"
        assert parent.locator(".g3-view > div").inner_text() == "here"
        parent.locator("button").press("Enter")
        assert parent.locator(".g3-view > div").inner_text() == "gone"


def test_model_events(opened):
    """As in a notebook: set tells of each new value, then once of all; what is equal is silent."""
    with opened(CHAPTER) as visit:
        near(visit, 0)
        heard = visit.page.evaluate("""() => {
          const model = counters.find((each) => each.get("count") === 3), heard = [];
          const tell = (name) => (source, value) =>
            heard.push(`${name} ${source.get("count")} ${name === "change" ? "" : value}`.trim());
          const forget = tell("forgotten");
          model.on("change:count change:more", tell("one"));
          model.on("change", tell("change"));
          model.on("change:count", forget);
          model.off("change:count", forget);
          model.set("count", 8);
          model.set({ count: 9, more: [1, { two: 3 }] });
          model.set("more", [1, { two: 3 }]);
          model.set("bytes", new Uint8Array([1, 2]));
          model.set("bytes", new Uint8Array([1, 2]));
          model.set("bytes", new Uint8Array([1, 3]));
          model.save_changes();
          model.send({ any: "thing" });
          model.off();
          model.set("count", 10);
          return heard;
        }""")
        assert heard == [
            *("one 8 8", "change 8"),
            *("one 9 9", "one 9 1,[object Object]", "change 9"),
            *("change 9", "change 9"),  # the bytes, twice
        ]
        assert near(visit, 0).locator("[role=status]").inner_text() == "count 10"  # a view's own


def test_theme_reaches_a_widget(opened):
    with opened(CHAPTER) as visit:
        button = near(visit, 0).locator("button")
        colours = []
        for theme in ("light", "dark"):
            visit.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            colours.append(button.evaluate("element => getComputedStyle(element).color"))
        assert colours[0] != colours[1]


def test_room_is_kept(opened):
    """Nothing on the page moves when a widget comes."""
    with opened(CHAPTER) as visit:
        place = "document.querySelectorAll('figcaption')[1].getBoundingClientRect().top + scrollY"
        visit.page.evaluate("document.querySelector('.g3-widget').scrollIntoView()")
        before = visit.page.evaluate(place)
        near(visit, 1)
        assert visit.page.evaluate(place) == before


def test_widget_that_throws(opened):
    """The page says so in words, and whoever visits notices."""
    with opened("notebooks/02-throws.html") as visit:
        widget = visit.page.locator(".g3-widget")
        visit.page.wait_for_function("document.body.innerText.includes('could not be run')")
        assert widget.inner_text() == 'This widget could not be run. It shows: A "counter".'
        assert any("no picture" in fault for fault in visit.faults)


# ---- what is written


def test_html_of_a_widget(site):
    page = (site / CHAPTER).read_text()
    assert "vnd.jupyter" not in page
    rooms = "--phone:120px;--narrow:120px;--wide:120px"
    assert page.count(f'role="group" aria-label="A &quot;counter&quot;." style="{rooms}"') == 9
    caption = page[page.index("<figcaption>") : page.index("</figcaption>")]
    assert "<code" in caption and "<math" in caption
    assert "widgets.js" in page and "widgets.js" not in (site / "book" / "index.html").read_text()


def test_stylesheet_knows_what_modules_use(site):
    """A rule of the theme that only a widget's module asks for is not left out."""
    css = (site / "_static" / "book.css").read_text()
    assert ".fst-italic" in css and ".fst-normal" not in css


def test_controls_at_rest(opened):
    """A control that needs Python says what it is; nothing looks as though it would answer."""
    with opened(CHAPTER) as visit:
        article = visit.page.locator("article")
        shown = article.inner_text()
        for words in (
            "taps: 4 (from 1 to 9 in steps of 1)",
            "k: 4 (from 0 to 8 in steps of 2)",
            "k is 4",
            "kernel: ball (of cube, ball)",
            "Float range slider: 0.25 to 0.5 (from 0 to 1 in steps of 0.05)",
            "padded: on",
            "second",
            "words of HTML",
            "run it to use it",
        ):
            assert words in shown, words
        assert "not shown" not in shown.replace("description='not shown'", "")
        assert article.locator("input, select").count() == 0
        alts = [plot.get_attribute("aria-label") for plot in article.locator(".g3-plot").all()]
        assert alts == ["kept line", "frozen line"]
        visit.draw_figures()
        assert visit.faults == []


def test_builds_are_the_same(site, tmp_path):
    """The kernel names widgets at random, and the cache sorts them; the files show neither."""
    small = SmallBook(tmp_path)
    again = small.root / "_build" / "html"
    for title, line in (("# 1 · One", "Executed notebook"), ("# 1 · Other", "Using cached")):
        small.chapter(SETUP, *LIVE, *REST, text=title)
        status, output = small.build()
        assert status == 0 and line in output, output
        paths = [path.relative_to(again) for path in again.glob("_[wf]*/**/*.*")]
        assert len(paths) > 10
        for path in paths:
            assert (again / path).read_bytes() == (site / path).read_bytes(), path


def test_faulty_widgets_fail_the_build(tmp_path):
    small = SmallBook(tmp_path)
    for name, (source, _) in FAULTY.items():
        small.chapter(
            f"import anywidget, traitlets\nclass Words(anywidget.AnyWidget):{WORDS}\n{source}",
            name=name,
        )
    add_chapters(small, FAULTY)
    status, output = small.build()
    assert status != 0, output
    for name, (_, message) in FAULTY.items():
        reports = [line for line in output.splitlines() if f"/{name}." in line and "ERROR" in line]
        assert any(message in report for report in reports), (name, message, reports)


def test_loads_from_elsewhere():
    from gather3d_book.widgets import ELSEWHERE

    for text in ("import('//a.example/b')", "@import 'https://a.example'", 'url("http://a/b")'):
        assert ELSEWHERE.search(text), text
    for text in ("// from https://a.example", 'import { a } from "./a.js"', "url(#hatch)"):
        assert not ELSEWHERE.search(text), text


def test_shared_regions():
    from gather3d_book.widget_state import EXPORT, code_files

    text = "//#region shared\nexport const a = 1;\nexport function b() {}\n//#endregion\nb();\n"
    files = code_files({"_esm": text})
    shared, own = (content.decode() for content in files.values())
    assert '"names":["a","b"]' in own and '"text":"b();\\n"' in own
    assert "export const a" in shared and "b();" not in shared
    assert list(files) == list(code_files({"_esm": text}))
    declared = "export async function c() {}\nexport class D {}\nconst e = 1;\nexport let $f = 2;"
    assert EXPORT.findall(declared) == ["c", "D", "$f"]


def test_shared_region_in_a_notebook(browser):
    """There the shared text and the widget's own are one module, as they stand."""
    page = browser.new_page()
    shown = page.evaluate(
        """async (text) => {
          const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
          const { default: widget } = await import(address);
          const el = document.createElement("div");
          widget().render({ el, model: { get: () => 6, on() {} } });
          return el.innerText;
        }""",
        SHARED + COUNTER,
    )
    page.close()
    assert "count 6" in shown


# ---- pages broken on purpose: each fault is noticed

PLACE = (
    '<div class="g3-widget" aria-label="a" style="height: 60px" {}>'
    '<div class="g3-view">{}</div></div>'
)
BROKEN = {
    "never mounted": (PLACE.format("", "<button>b</button>"), "widget 1 (a) was not mounted"),
    "blank": (PLACE.format("data-mounted", ""), "widget 1 (a) is blank"),
    "without height": (
        PLACE.format("data-mounted", "").replace("60px", "0"),
        "widget 1 (a) is blank",
    ),
    "out of reach": (
        PLACE.format("data-mounted", "<p onclick='this.remove()'>click me</p>"),
        "no part of widget 1 (a) is reached by keyboard",
    ),
    "dead to keys": (
        PLACE.format("data-mounted", "<button>nothing happens</button>"),
        "widget 1 (a) did not answer to a key",
    ),
}


@pytest.mark.parametrize(("body", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_widget_is_noticed(browser, tmp_path, monkeypatch, body, message):
    if "data-mounted" not in body:  # what is there may be slow to be seen
        monkeypatch.setattr("tests.site.browser.PATIENCE", 300)
    page = f"<!doctype html><link rel=icon href=data:,><title>p</title><body>{body}"
    (tmp_path / "page.html").write_text(page)
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html") as visit:
        visit.mount_widgets()
        assert visit.faults == [message]


@pytest.mark.parametrize(
    "control",
    [
        "<button onclick='this.nextSibling.textContent = 1'>b</button><p></p>",
        "<input type=range value=100 oninput='this.nextSibling.textContent = 1'><p></p>",
        "<select oninput='this.nextSibling.textContent = 1'><option>a<option>b</select><p></p>",
        "<svg width=40 height=40 tabindex=0 onkeydown='this.append(1)'><circle r=20 /></svg>",
    ],
)
def test_answers_are_noticed(browser, tmp_path, control):
    body = PLACE.format("data-mounted", control)
    (tmp_path / "page.html").write_text(f"<!doctype html><link rel=icon href=data:,>{body}")
    with served(tmp_path) as address, Visit(browser, f"{address}/page.html") as visit:
        visit.mount_widgets()
        assert visit.faults == []
