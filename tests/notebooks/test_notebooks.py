"""Every chapter is normal, asserts its claims in short cells, and stores only stable outputs."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from .first_cell import begun
from .normalise import dumps, normalise, reads
from .rules import FEWEST_ASSERTS, faults

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
REFERENCE = sorted((FOLDER / "reference").glob("*.ipynb"))


def test_there_are_chapters():
    assert NOTEBOOKS, f"no notebook in {FOLDER.name}/"


@pytest.mark.parametrize("path", NOTEBOOKS + REFERENCE, ids=lambda path: path.stem)
def test_chapter(path):
    text = path.read_text(encoding="utf-8")
    notebook = reads(text)
    found = faults(notebook, text)
    assert not found, "\n".join([path.name, *found])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_title_has_the_number_of_the_file(path):
    """A chapter's number never changes: the table of contents takes it from the title."""
    title = reads(path.read_text(encoding="utf-8")).cells[1]
    assert title.cell_type == "markdown"
    assert title.source.startswith(f"# {int(path.stem.split('-')[0])} · ")


def test_the_chapter_about_gpus_gets_one_in_colab():
    """The others run well on a CPU, and GPUs there are rationed."""
    asking = [path.stem for path in NOTEBOOKS if "accelerator" in reads(path.read_text()).metadata]
    assert asking == ["14-speed"]


# ---- the rules themselves, on notebooks that break one each


def value(text):
    return new_output("execute_result", data={"text/plain": text}, execution_count=1)


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def cell(source, *outputs, tags=()):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def chapter(*cells):
    """A notebook that is right, with `cells` added at its end."""
    claims = "\n".join(f"assert found() > {n}" for n in range(FEWEST_ASSERTS))
    right = [new_markdown_cell("# 1 · Right"), cell(claims), cell("1 + 1", value("2"))]
    return normalise(begun(new_notebook(cells=[*right, *cells])))


RIGHT = {
    "nothing to show": cell("x = 1"),
    "a value": cell("x", value("1")),
    "a silenced value": cell("x;"),
    "a printed line": cell("print(3)", printed("3\n")),
    "a tagged figure": cell("figures.scene(cloud)", tags=["figure"]),
    "a tagged slider": cell("widgets.interact(draw, k=3)", tags=["widget"]),
    "a tagged timing": cell("benchmark.compare(a, b)", tags=["timing"]),
    "metres and bytes": cell("print(1)", printed("0.1 m, 3 MB, 12 rows, 4 shapes, [2, 3] s\n")),
    "a palette's value": cell("figures.palette.SOURCE", value("'#0072B2'")),
    "a magic": cell("%matplotlib inline"),
    "94 signs": cell(f"x = {'1' * 90}"),
    "25 lines": cell("\n".join(f"x{n} = {n}" for n in range(25))),
    "compare elsewhere": cell("filecmp.compare(a, b)"),
    "an assert about what is computed": cell(
        "C, rows = 8, []\nrows.append(f())\nC = len(rows) + g()\nassert C > 8 and len(rows) == 1"
    ),
    "what a version does": cell("print(refusal(lambda: x.gather(0, i)))", tags=["version"]),
    "our own refusal": cell("refusal(lambda: g3.knn(a, b, 3))", value("'ValueError: k'")),
    "the type of an exception": cell(
        "try:\n    f()\nexcept Exception as error:\n    name = type(error).__name__"
    ),
}

WRONG = {
    "an untagged figure": (cell("figures.scene(cloud)"), "figures.scene"),
    "an untagged figure kept in a name": (cell("f = figures.scene(c)\nf", value("F")), "figures"),
    "an untagged plotly figure": (cell("go.Figure()"), "go.Figure"),
    "an untagged display": (cell("display(x)", value("1")), "display"),
    "an untagged benchmark": (cell("benchmark.compare(a, b)"), "no tag timing"),
    "a benchmark tagged figure": (cell("benchmark.compare(a, b)", tags=["figure"]), "tag timing"),
    "an untagged clock": (cell("t = time.perf_counter()"), "no tag timing"),
    "an error": (
        cell("f()", new_output("error", ename="E", evalue="v", traceback=[])),
        "error out",
    ),
    "a warning": (cell("f()", printed("UserWarning: beta\n", name="stderr")), "stderr"),
    "an address": (cell("f", value("<function f at 0x7f3c2a1b>")), "a memory address"),
    "a device": (cell("x", value("tensor([1], device='cuda:0')")), "a device"),
    "a time": (cell("print(1)", printed("took 3.2 ms\n")), "a time"),
    "a speed": (cell("print(1)", printed("12 GB/s\n")), "a speed"),
    "a date": (cell("print(1)", printed("2026-11-22\n")), "a date"),
    "a path": (cell("print(1)", printed("/home/reader/cloud.npz\n")), "a path"),
    "a value not stored": (cell("x"), "no value is stored"),
    "a print not stored": (cell("print(x)"), "no printed output is stored"),
    "26 lines": (cell("\n".join(f"x{n} = {n}" for n in range(26))), "26 lines"),
    "95 signs": (cell(f"x = {'1' * 91}"), "a line of 95 signs"),
    "a skipped cell": (cell("f()", tags=["nbval-skip"]), "nbval-skip"),
    "an allowed exception": (cell("f()", tags=["raises-exception"]), "raises-exception"),
    "torch's words asserted": (
        cell("assert 'size' in refusal(lambda: x.gather(0, i))"),
        "the words of an exception of torch's (refusal(lambda: x.gather(0, i)))",
    ),
    "torch's words kept": (
        cell("try:\n    f()\nexcept Exception as error:\n    said = str(error)"),
        "the words of an exception of torch's (except … as error)",
    ),
    "a fault asserted": (cell("assert wrong", tags=["version"]), "the tag version and an assert"),
    "an assert about constants": (
        cell("C, sizes = 8, {'row': 27 * 4}\nassert sizes['row'] / C > max(1, 2)"),
        "an assert about constants: sizes['row'] / C > max(1, 2)",
    ),
    "an output that is not compared": (cell("f()", tags=["nbval-ignore-output"]), "not compared"),
}


@pytest.mark.parametrize("right", RIGHT.values(), ids=RIGHT.keys())
def test_rules_accept(right):
    notebook = chapter(right)
    assert faults(notebook, dumps(notebook)) == []


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG.keys())
def test_rules_refuse(wrong, message):
    notebook = chapter(wrong)
    found = faults(notebook, dumps(notebook))
    assert len(found) == 1 and message in found[0], found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The second row took 3.2 ms.", ["'3.2 ms'"]),
        ("Sorted it is 4 times as fast, and\nmoves 12 GB/s.", ["'4 times'"]),
        ("Look at the ratio. About 40% of it\nis the sort.", ["'40%'"]),
        ("Which row is the fastest? A row has 64 floats, and 2 columns.", []),
        ("There it was 3.1× ([torch#1](https://github.com/pytorch/pytorch/issues/1)).", []),
        ("Reported were 12 ms {cite:p}`a2020b`.", []),
        ("Look.\n\n## Next\n\nA scanner turns 10 times a second.", []),
    ],
)
def test_rules_refuse_a_number_beside_the_table_that_measures_it(text, found):
    """The reader's table says another one; what others have measured is cited."""
    notebook = chapter(cell("compare(ways)", tags=["timing"]), new_markdown_cell(text))
    noticed = [f for f in faults(notebook, dumps(notebook)) if "measured number" in f]
    assert [fault.rpartition(": ")[2] for fault in noticed] == found


def test_rules_refuse_a_chapter_that_asserts_too_little():
    notebook = normalise(begun(new_notebook(cells=[cell("assert 1 < 2")])))
    assert any("asserts 1 of its claims" in fault for fault in faults(notebook))


def test_rules_refuse_long_cells_throughout():
    source = "\n".join(f"x{n} = {n}" for n in range(9))
    found = faults(chapter(*(cell(source) for _ in range(4))))
    assert found == ["its median cell has 9 lines, wanted 8 at most"]


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells.pop(0),
        lambda cells: cells.insert(1, cells.pop(0)),
        lambda cells: cells[0].update(source=cells[0].source.replace("pip", "conda")),
        lambda cells: cells[0].metadata.tags.remove("remove-cell"),
        lambda cells: cells[0].outputs.append(printed("torch 2.8.0\n")),
    ],
    ids=["missing", "second", "changed", "shown on the page", "with an output"],
)
def test_rules_refuse_another_beginning(change):
    notebook = chapter()
    change(notebook.cells)
    assert any("does not begin with" in fault for fault in faults(notebook))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.rstrip("\n"),
        lambda text: text.replace('\n "cells"', '\n  "cells"'),
        lambda text: text.replace('"metadata": {}', '"metadata": {"scrolled": true}', 1),
        lambda text: text.replace('"execution_count": 2', '"execution_count": 7'),
        lambda text: text.replace('"nbformat_minor": 5', '"nbformat_minor": 4'),
    ],
    ids=["no newline at the end", "indent", "metadata", "count", "version"],
)
def test_rules_refuse_what_is_not_normal(change):
    text = dumps(chapter())
    changed = change(text)
    assert changed != text
    assert faults(reads(changed), changed) == ["it is not normal: run `make format`"]


# ---- the normal form


def messy():
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# 1 · Messy  \n\ntext   \n"),
            new_code_cell(""),
            new_code_cell(
                "print('à')  \nx\n\n",
                id="twice",
                execution_count=41,
                metadata={"scrolled": True, "execution": {"iopub.status.busy": "now"}},
                outputs=[
                    new_output("stream", name="stdout", text="a"),
                    new_output("stream", name="stdout", text="b\n"),
                    new_output(
                        "execute_result",
                        data={"text/plain": "1", "text/html": "<b>1</b>", "image/png": "AA=="},
                        metadata={"image/png": {"width": 3}},
                        execution_count=41,
                    ),
                ],
            ),
            new_code_cell("figures.scene(c)", metadata={"tags": ["figure"]}),
        ],
        metadata={
            "kernelspec": {"name": "gather3d-env", "display_name": "mine"},
            "language_info": {"name": "python", "version": "3.14.1"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
            "accelerator": "GPU",
            "colab": {"gpuType": "T4", "provenance": [], "name": "mine"},
        },
    )
    notebook.cells[3].id = "twice"
    notebook.cells[3].outputs = [new_output("display_data", data={"text/plain": "Figure"})]
    return notebook


def test_normal_form():
    notebook = reads(dumps(messy()))
    text, code, figure = notebook.cells
    assert text.source == "# 1 · Messy\n\ntext"
    assert code.source == "print('à')\nx"
    assert code.metadata == {}
    assert [cell.execution_count for cell in (code, figure)] == [1, 2]
    assert code.outputs == [
        {"output_type": "stream", "name": "stdout", "text": "ab\n"},
        {
            "output_type": "execute_result",
            "data": {"text/plain": "1"},
            "metadata": {},
            "execution_count": 1,
        },
    ]
    assert figure.outputs == []
    assert figure.metadata.tags == ["figure", "nbval-ignore-output", "hide-input"]
    assert code.id == "twice" and figure.id == "cell-03"
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "colab": {"gpuType": "T4"},
    }
    nbformat.validate(notebook)


def test_normal_form_is_a_fixed_point():
    once = dumps(messy())
    assert dumps(reads(once)) == once
    assert "à" in once and once.endswith("}\n")
