"""What turns the notebooks into the site: a Sphinx extension, loaded by _config.yml.

strict       warnings are errors, and a failed build does not pass when it is repeated
execution    which cached outputs may be used; no page whose notebook was not executed
figures      plotly outputs become <figure> elements whose data travels beside the page
posters      each figure as it looks before it is live, drawn by the machine's browser
registry     all figures of the book, from build to build
images       image outputs have alt text
mathml       formulas are turned into MathML when the book is built
repository   launch buttons and links, from the repository that publishes the book
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from . import execution, figures, images, mathml, posters, registry, repository, strict

STATIC = Path(__file__).parents[2] / "_static"


def setup(app: Sphinx) -> dict:
    for part in (strict, execution, registry, figures, posters, images, mathml, repository):
        part.setup(app)
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book sets it for sphinx_comments
    app.connect("config-inited", add_static_files)
    app.add_css_file("gather3d.css")
    app.add_css_file("print.css", media="print")
    app.add_js_file("print.js", loading_method="defer")
    # the version of what this extension keeps in Sphinx's environment: another one reads all again
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}


def add_static_files(app: Sphinx, config: Config) -> None:
    config.html_static_path = [*config.html_static_path, str(STATIC)]
