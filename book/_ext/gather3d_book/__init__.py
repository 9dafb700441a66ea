"""What turns the notebooks into the site: a Sphinx extension, loaded by _config.yml.

strict       warnings are errors, and a failed build does not pass when it is repeated
execution    which cached outputs may be used; no page whose notebook was not executed
figures      plotly outputs become <figure> elements whose data travels beside the page
pictures     what matplotlib has drawn is part of the page, its images of numbers lie beside it
widgets      widgets run without a kernel; a control that needs one is shown at rest (rest)
posters      each scene as it looks before it is live, drawn by the machine's browser
registry     all figures of the book, from build to build
images       image outputs have alt text
mathml       formulas are turned into MathML when the book is built
cards        what a term means and which work is cited, on a card beside the link
exercises    a page for the exercises of a chapter, made from the instructor's master
scripts      what predictions and tables of edge cases add by script, on the pages that have them
status       the table of all notebooks: cells, run times, the machine they ran on
ledger       how far the CPU and a GPU agree, and whether that is older than the book (digest)
page         what a page says about itself: description, viewport, names of its controls
repository   launch buttons and links, from the repository that publishes the book
lean         scripts that wait, code with fewer tags
access       roles that screen readers know
stylesheet   one stylesheet, of the rules that pages can use
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from . import (
    access,
    cards,
    execution,
    exercises,
    figures,
    images,
    lean,
    ledger,
    mathml,
    page,
    pictures,
    posters,
    registry,
    repository,
    scripts,
    status,
    strict,
    stylesheet,
    widgets,
)

PARTS = (
    strict,
    execution,
    registry,
    figures,
    pictures,
    posters,
    images,
    widgets,
    mathml,
    cards,
    exercises,
    scripts,
    status,
    ledger,
    page,
    repository,
    lean,
    access,
    stylesheet,
)
BOOK = Path(__file__).parents[2]


def setup(app: Sphinx) -> dict:
    for part in PARTS:
        part.setup(app)
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book sets it for sphinx_comments
    app.connect("config-inited", add_folders)
    app.add_css_file("gather3d.css")
    app.add_css_file("print.css", media="print")
    app.add_js_file("print.js", loading_method="defer")
    # raise env_version when the parts keep something else about a page: all pages are read again
    return {"env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}


def add_folders(app: Sphinx, config: Config) -> None:
    config.html_static_path = [*config.html_static_path, str(BOOK / "_static")]
    config.templates_path = [*config.templates_path, str(BOOK / "_templates")]
