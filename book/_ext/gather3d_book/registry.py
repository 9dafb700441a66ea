"""All figures of the book, also those of pages that this build does not read again.

Sphinx keeps its environment from build to build; the figures are noted there, page by page.
"""

from collections.abc import Mapping

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

FACTS = ("name", "digest", "height")
CONTEXTS = 4  # WebGL contexts that may live on a page at once: figures.js has the same number


def setup(app: Sphinx) -> None:
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)


def all_figures(app: Sphinx) -> list[dict]:
    """What is noted of each figure, with the file of the page that it stands on."""
    return [
        {**figure, "page": app.builder.get_target_uri(docname)}
        for docname, figures in sorted(noted(app.env).items())
        for figure in figures
    ]


def note(env: BuildEnvironment, figure: Mapping, file: str) -> None:
    """Note a figure of the page that is being read, and the file of its data in the built book."""
    facts = {fact: figure[fact] for fact in FACTS} | {"file": file}
    noted(env).setdefault(env.docname, []).append(facts)


def noted(env: BuildEnvironment) -> dict[str, list[dict]]:
    if not hasattr(env, "g3_figures"):
        env.g3_figures = {}
    return env.g3_figures


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    noted(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what another process read."""
    noted(env).update({name: noted(other)[name] for name in docnames if name in noted(other)})
