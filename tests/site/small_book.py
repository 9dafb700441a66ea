"""A small book with the configuration of the real one, and its builds.

Sphinx and its extensions take seconds to load. They are loaded once, by a process that each build
is forked from.
"""

import contextlib
import multiprocessing
import os
import sys
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .conftest import ROOT

FIGURE = """\
import plotly.graph_objects as go
go.Figure(go.Scatter3d(x=[0, 1], y=[0, 1], z=[0, 1]), layout={{"meta": {}, "height": 300}})"""
WORDS = '{"caption": "Two `points`, $x^2$ apart.", "alt": "A line \\"up\\"."}'

LOADED = [
    "tests.site.conftest",  # and with it the book's own extension
    "jupyter_book.cli.main",
    "jupyter_book.sphinx",
    "myst_nb.sphinx_ext",
    "sphinx.builders.html",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_togglebutton",
    "sphinxcontrib.bibtex",
]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(LOADED)


class SmallBook:
    """A landing page and one chapter, with the configuration of the real book."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = yaml.safe_load((ROOT / "_config.yml").read_text())
        self.config["sphinx"]["local_extensions"]["gather3d_book"] = str(ROOT / "book" / "_ext")
        (root / "book").mkdir()
        (root / "notebooks").mkdir()
        (root / "src").mkdir()
        (root / "book" / "_static").symlink_to(ROOT / "book" / "_static")
        (root / "book" / "references.bib").write_text(
            "@book{known, author={A. Author}, title={T}, publisher={P}, year={2020}}\n"
        )
        (root / "_toc.yml").write_text(
            "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/01-one\n"
        )
        for name in ("requirements.txt", "pyproject.toml"):
            (root / name).write_text("")
        self.page("Some text.")
        self.chapter("assert 1 < 2")

    def page(self, text: str) -> None:
        (self.root / "book" / "index.md").write_text(f"# A book\n\n{text}\n")

    def chapter(self, *sources: str, tags=(), text="# 1 · One", name="01-one") -> None:
        cells = [new_code_cell(s, metadata={"tags": list(tags)}) for s in sources]
        notebook = new_notebook(cells=[new_markdown_cell(text), *cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.root / "notebooks" / f"{name}.ipynb")

    def build(self, **environment: str) -> tuple[int, str]:
        """The exit status of `jupyter-book build .` and all that it printed."""
        (self.root / "_config.yml").write_text(yaml.safe_dump(self.config))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PAGES_"))}
        # on the CPU, said so that no build loads torch to find out
        given = kept | {"NO_COLOR": "1", "GATHER3D_DEVICE": "cpu"} | environment
        printed = self.root / "printed.txt"
        process = FORKS.Process(target=build, args=(self.root, given, printed))
        process.start()
        process.join()
        return process.exitcode, printed.read_text()

    def html(self, name: str) -> str:
        return (self.root / "_build" / "html" / name).read_text()


def build(root: Path, environment: dict[str, str], printed: Path) -> None:
    """In a process of its own: `jupyter-book build .`, as its command does it."""
    from jupyter_book.cli.main import main

    os.chdir(root)
    os.environ.clear()
    os.environ.update(environment)
    with printed.open("w") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        with contextlib.redirect_stdout(os.fdopen(1, "w")) as out, contextlib.redirect_stderr(out):
            sys.argv = ["jupyter-book", "build", "."]
            main()
