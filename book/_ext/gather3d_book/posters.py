"""Posters: each plotly figure as it looks before it is live, a picture drawn with the book.

A page that is only read shows pictures and asks for no plotly.js. They are drawn by the page's own
stylesheets and `_static/figures.js`, in the machine's Chromium, so that a figure that becomes live
looks as its poster did. What is drawn is kept beside the cache of the notebooks, named after all
that it depends on, and is drawn once. A machine without a browser builds a book without posters,
whose figures are drawn when the reader comes near.
"""

import hashlib
import io
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Error, Page
from plotly.offline import get_plotlyjs_version
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import SphinxError
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

from .browser import find_browser, started
from .registry import CONTEXTS, all_figures

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parents[2] / "_static"
FOLDER = "_posters"  # in the built book
CACHE = ".posters"  # beside it
THEMES = ("light", "dark")
WIDTHS = PHONE, DESKTOP = 343, 752  # pixels: the column of text in windows of 375 and of 1280
FORMS = list(product(THEMES, WIDTHS))
NARROW = "(max-width: 575px)"  # the windows that show the poster of a phone
DENSITY = 2  # pixels of a poster for one of the page
FEW = 4096  # colours: with more, a picture that is kept exactly is larger
QUALITY = 80  # of a picture that is not
PATIENCE = 60_000  # milliseconds for one figure, on a busy machine with no GPU


def setup(app: Sphinx) -> None:
    # Pages name their posters, so all pages are written again when the posters' look changes.
    app.add_config_value("g3_posters", "", "html", [str])
    app.connect("config-inited", choose_look)
    app.connect("build-finished", make_posters, priority=950)  # when all a page needs is in place


class PosterError(SphinxError):
    category = "Poster error"


def choose_look(app: Sphinx, config: Config) -> None:
    """A digest of all that a poster depends on apart from its figure; empty without a browser."""
    if find_browser() is None:
        logger.info("No Chromium or Chrome here: figures have no posters, and are drawn when near.")
        return
    facts = [
        get_plotlyjs_version(),
        (STATIC / "figures.js").read_text(),
        # of the stylesheet, its colours: no other rule is to be seen in a poster
        *re.findall(r"--g3-[\w-]+:[^;]+;", (STATIC / "gather3d.css").read_text()),
        (DENSITY, FEW, QUALITY),
    ]
    config.g3_posters = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def poster_file(figure: Mapping, look: str, theme: str, width: int) -> str:
    """The name of a poster says what it shows: another figure, or another look, is another file."""
    facts = f"{figure['digest']} {figure['height']} {look}"
    return f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}-{width}-{theme}.webp"


# ---- in the page


def pictures(page: str, figure: Mapping, look: str) -> str:
    """The elements that show a figure's posters on the page of this address.

    The stylesheet hides those of the other theme, and what is hidden is not fetched.
    """

    def address(theme: str, width: int) -> str:
        return relative_uri(page, f"{FOLDER}/{poster_file(figure, look, theme, width)}")

    height = figure["height"]
    # `dark-light` keeps the theme from darkening a picture that has a form for the dark
    return "".join(
        f'<picture class="g3-poster g3-{theme}">'
        f'<source media="{NARROW}" srcset="{address(theme, PHONE)}"'
        f' width="{PHONE}" height="{height}">'
        f'<img class="dark-light" src="{address(theme, DESKTOP)}" alt=""'
        f' width="{DESKTOP}" height="{height}" loading="lazy" decoding="async">'
        "</picture>\n"
        for theme in THEMES
    )


# ---- when the book is built


def make_posters(app: Sphinx, exception: Exception | None) -> None:
    """Draw what the cache lacks, put what the pages show into the book, and drop the rest."""
    if exception or app.builder.format != "html":
        return
    look = app.config.g3_posters
    figures = all_figures(app) if look else []
    files = {poster_file(figure, look, *form): figure for figure in figures for form in FORMS}
    cache, shown = Path(app.outdir).parent / CACHE, Path(app.outdir) / FOLDER
    for folder in (cache, shown):
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            if file.name not in files:
                file.unlink()

    missing = {
        figure["digest"]: figure for file, figure in files.items() if not (cache / file).exists()
    }
    if missing:
        logger.info("Drawing the posters of %d figures ...", len(missing))
        with started(find_browser()) as browser:
            draw(browser, Path(app.outdir), list(missing.values()), look, cache)
    for file in files:
        shutil.copyfile(cache / file, shown / file)


def draw(browser: Browser, book: Path, figures: list[Mapping], look: str, cache: Path) -> None:
    """Draw these figures in all forms, into the cache.

    Each width has a page of its own, on which one figure after the other is shown. The pages draw
    at the same time; the theme is switched under what they show, which is quicker than drawing
    twice.
    """
    stage = book / FOLDER / "stage.html"
    stage.write_text(stage_html(book, figures))
    height = max(figure["height"] for figure in figures)
    pages = {}
    for width in WIDTHS:
        window = {"width": width, "height": height}
        pages[width] = browser.new_page(viewport=window, device_scale_factor=DENSITY)
        pages[width].goto(stage.as_uri(), wait_until="load")
    themes = THEMES
    with ThreadPoolExecutor() as pool:
        written = []
        for k, figure in enumerate(figures):
            for page in pages.values():
                page.evaluate("k => show(k)", k)
            for theme in themes:
                for page in pages.values():
                    page.evaluate("theme => switch_to(theme)", theme)
                for width, page in pages.items():
                    png = picture(page, figure, theme)
                    file = cache / poster_file(figure, look, theme, width)
                    written.append(pool.submit(write_webp, png, file))
            themes = themes[::-1]  # the next figure begins in the theme that is there
        for task in written:
            task.result()
    for page in pages.values():
        page.close()
    stage.unlink()


def picture(page: Page, figure: Mapping, theme: str) -> bytes:
    """The figure that this page shows, as soon as it is drawn in the theme."""
    place = page.locator(f"[data-drawn={theme}]:visible")
    try:
        place.wait_for(timeout=PATIENCE)
    except Error as error:
        raise PosterError(f"the figure {figure['name']} could not be drawn: {error}") from error
    return place.screenshot(omit_background=True)


def stage_html(book: Path, figures: list[Mapping]) -> str:
    """A page with the head of one of the book's own, and these figures, on no ground.

    `show(k)` shows one of them, `switch_to(theme)` switches the theme. Each figure says that it
    needs all the contexts there are, so that the loader keeps no other alive.
    """
    like = book / figures[0]["page"]
    head = re.search(r"<head>(.*)</head>", like.read_text(), re.DOTALL)[1]
    plots = "".join(
        f'<div class="g3-plot" hidden aria-label="" style="height:{figure["height"]}px"'
        f' data-figure="{escape(figure["name"])}" data-contexts="{CONTEXTS}"'
        f' data-src="{(book / figure["file"]).as_uri()}"></div>'
        for figure in figures
    )
    script = """
      const show = (shown) => {
        document.querySelectorAll(".g3-plot").forEach((plot, k) => { plot.hidden = k !== shown; });
      };
      const switch_to = (theme) => { document.documentElement.dataset.theme = theme; };"""
    return (
        f'<!doctype html><html lang="en"><head><base href="{like.as_uri()}">{head}</head>'
        f'<body style="margin:0;background:none">{plots}<script>{script}</script></body></html>'
    )


def write_webp(png: bytes, file: Path) -> None:
    """Write the picture as WebP, kept exactly where its colours are few and that is smaller."""
    image = Image.open(io.BytesIO(png))
    kinds = [{"quality": QUALITY}]
    if image.getcolors(FEW) is not None:
        kinds.append({"lossless": True})
    contents = []
    for options in kinds:
        content = io.BytesIO()
        image.save(content, "WEBP", **options)
        contents.append(content.getvalue())
    file.write_bytes(min(contents, key=len))
