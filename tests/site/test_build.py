"""The build is strict, and builds no more than it must: small books with one fault each.

Each is built by `jupyter-book build` with the book's own _config.yml and extension.
"""

import re
import shutil

import nbformat
import pytest
from nbformat.v4 import new_output

from .conftest import ROOT
from .small_book import FIGURE, WORDS, SmallBook

SCENES = """\
import plotly.graph_objects as go
scenes = [go.Scatter3d(scene=f"scene{k}") for k in range(1, 6)]
go.Figure(scenes, {"meta": {"caption": "c", "alt": "a"}})"""
BIBLIOGRAPHY = "\n\n```{bibliography}\n```"


@pytest.fixture
def small(tmp_path):
    return SmallBook(tmp_path)


def test_good_book(small):
    small.chapter("print('it', 'ran')", FIGURE.format(WORDS))
    small.page("`git+<address of this repository>`, a formula $x^2$, {cite}`known`." + BIBLIOGRAPHY)
    status, output = small.build()
    assert status == 0, output
    assert "Executing notebook" in output
    assert "git+&lt;address" in small.html("book/index.html")

    page = small.html("notebooks/01-one.html")
    assert "it ran" in page
    assert '<div class="g3-plot" role="group" aria-label="A line &quot;up&quot;."' in page
    assert 'style="height:300px"' in page
    caption = page[page.index("<figcaption>") : page.index("</figcaption>")]
    assert "<code" in caption and "<math" in caption
    assert "<msup>" in small.html("book/index.html")
    for absent in ("require.js", "require.min.js", "mathjax@", "thebe", "launch", "github.com"):
        assert absent not in page.lower(), absent
    data = small.root / "_build" / "html" / "_figures" / "notebooks" / "01-one-2-0.js"
    assert '"notebooks/01-one-2-0"' in data.read_text()
    assert "scatter3d" in data.read_text() and "scatter3d" not in page

    # again, nothing changed: no page is read, no notebook is executed
    status, output = small.build()
    assert status == 0, output
    assert "Executing notebook" not in output and "no targets are out of date" in output

    # the text changed, the code did not: outputs come from the cache, and the record says they ran
    small.chapter("print('it', 'ran')", FIGURE.format(WORDS), text="# 1 · Another title")
    status, output = small.build()
    assert status == 0, output
    assert "Using cached notebook" in output and "Another title" in small.html(
        "notebooks/01-one.html"
    )

    # what the notebook imports changed: it is executed again
    (small.root / "src" / "operator.py").write_text("changed = True\n")
    status, output = small.build()
    assert status == 0, output
    assert "Executing notebook" in output

    # the pages are gone, what was read is not: figures are written again
    shutil.rmtree(small.root / "_build" / "html")
    status, output = small.build()
    assert status == 0, output
    assert data.exists() and "Executing notebook" not in output


def test_repository_gives_the_links(small):
    small.page("`pip install git+<address of this repository>`")
    status, output = small.build(
        GITHUB_SERVER_URL="https://forge.example",
        GITHUB_REPOSITORY="readers/book",
        GITHUB_REF_NAME="trunk",
        PAGES_URL="https://readers.example/book",
    )
    assert status == 0, output
    assert "git+https://forge.example/readers/book" in small.html("book/index.html")
    page = small.html("notebooks/01-one.html")
    assert "https://forge.example/readers/book/edit/trunk/notebooks/01-one.ipynb" in page
    assert "colab.research.google.com" in page and "mybinder.org" in page
    assert '<link rel="canonical" href="https://readers.example/book/notebooks/01-one.html"' in page


PAGE_FAULTS = {
    "document": ("See {doc}`nowhere`.", "unknown document"),
    "label": ("See {ref}`nowhere`.", "undefined label"),
    "link": ("See [there](missing.md).", "missing.md"),
    "citation": ("As {cite}`nobody` says.", "nobody"),
    "term": ("A {term}`no such word`.", "no such word"),
    "directive": ("```{nonsense}\n```", "nonsense"),
    "formula": (r"$\nosuchcommand{x}$", "formula cannot be shown"),
}

CHAPTER_FAULTS = {
    "exception": ("raise ValueError('the cell failed')", (), "ValueError: the cell failed"),
    "allowed": ("1 / 0", ["raises-exception"], "ZeroDivisionError"),
    "stderr": ("import warnings\nwarnings.warn('beta')", (), "stderr was found"),
    "alt": (FIGURE.format('{"caption": "c"}'), (), "the figure of cell 2 has no alt"),
    "caption": (FIGURE.format('{"alt": "a"}'), (), "the figure of cell 2 has no caption"),
    "scenes": (SCENES, (), "needs 5 WebGL contexts"),
}


def test_every_fault_is_named_and_fails_the_build(small):
    """Each fault is reported as a warning or an error at its own page; one would do to fail."""
    expected = {}
    for name, (text, message) in PAGE_FAULTS.items():
        (small.root / "book" / f"{name}.md").write_text(f"# A page\n\n{text}\n")
        expected[f"book/{name}"] = message
    for name, (source, tags, message) in CHAPTER_FAULTS.items():
        small.chapter(source, tags=tags, name=name)
        expected[f"notebooks/{name}"] = message
    (small.root / "_toc.yml").write_text(
        "\n".join(
            ["format: jb-book", "root: book/index", "chapters:"]
            + [f"  - file: {name}" for name in expected]
        )
    )
    status, output = small.build()
    assert status != 0, output
    reports = re.split(r"^(?=\S*: (?:WARNING|ERROR): )", output, flags=re.MULTILINE)
    for page, message in expected.items():
        found = [r for r in reports if f"/{page}." in r.split(": ", 1)[0] and message in r]
        assert found, f"{page}: no report with {message!r} in\n{output}"


def test_failed_build_fails_again(small):
    """A fault found while reading is found again, though no file has changed since."""
    small.page("```{nonsense}\n```")
    for _ in range(2):
        status, output = small.build()
        assert status != 0 and "nonsense" in output, output


@pytest.mark.parametrize(
    "setting", [{"execute_notebooks": "off"}, {"exclude_patterns": ["notebooks/*"]}]
)
def test_unexecuted_notebook(small, setting):
    """A chapter with stored outputs looks executed, and is not."""
    small.config["execute"] |= setting
    path = small.root / "notebooks" / "01-one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", name="stdout", text="stale\n")]
    nbformat.write(notebook, path)
    status, output = small.build()
    assert status != 0, output
    assert "was not executed" in output


def test_contexts_of_a_figure():
    from gather3d_book.figures import webgl_contexts

    scenes = [{"type": "scatter3d", "scene": f"scene{k}"} for k in range(3)]
    assert webgl_contexts({"data": scenes}) == 3
    assert webgl_contexts({"data": [{"type": "scatter3d"}, {"type": "mesh3d"}]}) == 1
    assert webgl_contexts({"data": [{"type": "scattergl"}, scenes[0]]}) == 4
    assert webgl_contexts({"data": [{"type": "scatter"}]}) == 0


def test_cache_key(tmp_path, monkeypatch):
    """Outputs are used again for the same package, requirements and device, and for no other."""
    from gather3d_book.execution import dependencies_hash

    (tmp_path / "src").mkdir()
    for name in ("src/points.py", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text("as it was")
    hashes = [dependencies_hash(tmp_path)]
    assert dependencies_hash(tmp_path) == hashes[0]
    (tmp_path / "src" / "points.py").write_text("changed")
    hashes.append(dependencies_hash(tmp_path))
    (tmp_path / "requirements.txt").write_text("changed")
    hashes.append(dependencies_hash(tmp_path))
    monkeypatch.setenv("GATHER3D_DEVICE", "another")
    hashes.append(dependencies_hash(tmp_path))
    assert len(set(hashes)) == len(hashes)


def test_stylesheet_knows_the_palette():
    """The figure loader turns the values that figures are drawn in into the page's: the same."""
    from gather3d.figures import palette

    css = (ROOT / "book" / "_static" / "gather3d.css").read_text()
    written = dict(re.findall(r"--g3-python-(\w+): ([^;]+);", css))
    meanings = {name: value for name, value in palette.ROLES.items() if name != "context"}
    expected = meanings | {"ink": palette.INK, "line": palette.GRID}
    assert written == {name: value.lower() for name, value in expected.items()}
    for theme in ("light", "dark"):
        block = css[css.index(f'html[data-theme="{theme}"]') :].partition("}")[0]
        named = set(re.findall(r"--g3-(\w+):", block))
        assert named >= set(expected) | {"paper", "context"}
