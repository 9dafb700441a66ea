"""The diagrams: what stands in which cell is what torch computes."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch

from gather3d import figures

WORDS = {"caption": "What to notice.", "alt": "What it shows."}
SVG = "{http://www.w3.org/2000/svg}"
TABLE = torch.arange(20).reshape(4, 5) * 10


def cells(diagram) -> dict[str, str]:
    """cell → its text, of a drawing that must be XML."""
    root = ElementTree.fromstring(diagram.svg)
    found = {}
    for group in root.iter(f"{SVG}g"):
        if "data-cell" in group.attrib:
            texts = [text.text for text in group.iter(f"{SVG}text")]
            found[group.attrib["data-cell"]] = texts[0] if texts else ""
    return found


def arrows(diagram) -> set[str]:
    root = ElementTree.fromstring(diagram.svg)
    return {g.attrib["data-arrow"] for g in root.iter(f"{SVG}g") if "data-arrow" in g.attrib}


def written(name: str, tensor: torch.Tensor) -> dict[str, str]:
    return {
        f"{name}:{','.join(map(str, at))}": str(int(tensor[tuple(at)])).replace("-", "−")
        for at in torch.ones(tensor.shape).nonzero().tolist()
    }


@pytest.mark.parametrize(
    ("input", "index", "dim"),
    [
        (torch.tensor([10, 20, 30]), torch.tensor([2, 0, 0, 1]), 0),
        (TABLE, torch.tensor([[0, 4], [3, 3], [1, 0]]), 1),
        (TABLE, torch.tensor([[0, 3, 1], [1, 1, 2]], dtype=torch.int32), 0),
        (TABLE, torch.tensor([[0, 4], [3, 3], [1, 0]]), -1),
    ],
)
def test_reads_shows_what_gather_reads(input, index, dim):
    diagram = figures.reads(input, index, dim, **WORDS)
    output = torch.gather(input, dim, index)
    wanted = written("input", input) | written("index", index) | written("output", output)
    assert cells(diagram) == wanted
    # Every way leads from a cell of the input to the cell of the output with the same number.
    shown = cells(diagram)
    ways = arrows(diagram)
    assert len(ways) == (2 if input.dim() == 1 else 1) * index.numel()
    for way in ways:
        start, end = way.split(">")
        assert end.startswith("index:") or start.startswith("index:") or shown[start] == shown[end]


def test_reads_names_the_source_of_each_output():
    index = torch.tensor([[4, 0], [1, 1]])
    ways = arrows(figures.reads(TABLE, index, 1, show=[(0, 0), (1, 1)], **WORDS))
    assert ways == {"input:0,4>output:0,0", "input:1,1>output:1,1"}
    ways = arrows(figures.reads(torch.arange(3), torch.tensor([2, 1]), show=[0], **WORDS))
    assert ways == {"input:2>index:0", "index:0>output:0"}


def test_reads_draws_a_few_ways_of_many():
    index = torch.randint(0, 5, (4, 5), generator=torch.Generator().manual_seed(0))
    assert len(arrows(figures.reads(TABLE, index, 1, **WORDS))) == 5


def test_a_missing_index_gives_the_fill_value_and_no_way():
    input, index = torch.tensor([10, 20, 30]), torch.tensor([2, -1])
    diagram = figures.reads(input, index, fill=7, **WORDS)
    assert cells(diagram)["output:1"] == "7" and cells(diagram)["index:1"] == "−1"
    assert arrows(diagram) == {"input:2>index:0", "index:0>output:0"}
    groups = ElementTree.fromstring(diagram.svg).iter(f"{SVG}g")
    missing = {g.get("data-cell") for g in groups if "missing" in g.get("class", "").split()}
    assert missing == {"index:1", "output:1"}
    with pytest.raises(IndexError, match="index: got -1, wanted 0 to 2"):
        figures.reads(input, index, **WORDS)


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin", "prod"])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("include", [True, False])
def test_writes_shows_what_scatter_reduce_writes(reduce, dim, include):
    random = torch.Generator().manual_seed(1)
    src = torch.randint(-4, 9, (3, 3), generator=random)
    index = torch.randint(0, 4, (3, 3), generator=random)
    shape = (4, 3) if dim == 0 else (3, 4)
    before = torch.full(shape, 2) if include else torch.zeros(shape, dtype=torch.int64)
    wanted = before.scatter_reduce(dim, index, src, reduce, include_self=include)
    start = {"input": before} if include else {"size": 4}
    diagram = figures.writes(src, index, dim, reduce=reduce, **start, **WORDS)
    shown = cells(diagram)
    assert {k: v for k, v in shown.items() if k.startswith("output")} == written("output", wanted)
    assert len(arrows(diagram)) == 9


def test_writes_without_reduce_admits_what_is_not_promised():
    src, index = torch.tensor([1, 2, 3, 3, 9]), torch.tensor([0, 2, 2, 4, 4])
    shown = cells(figures.writes(src, index, size=6, **WORDS))
    assert [shown[f"output:{k}"] for k in range(6)] == ["1", "0", "?", "0", "?", "0"]
    same = cells(figures.writes(torch.tensor([3, 3]), torch.tensor([1, 1]), size=2, **WORDS))
    assert same["output:1"] == "3"
    assert "×2" in figures.writes(src, index, size=6, **WORDS).svg


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: figures.reads(TABLE, torch.tensor([0]), **WORDS), ValueError, "index: got 1 dim"),
        (lambda: figures.reads(TABLE, TABLE / 2, **WORDS), ValueError, "index: got torch.float32"),
        (lambda: figures.reads(TABLE, TABLE, 2, **WORDS), ValueError, "dim: got 2"),
        (lambda: figures.reads(TABLE, TABLE, 1, **WORDS), IndexError, "index: got 10"),
        (
            lambda: figures.reads(TABLE[:1], TABLE[:2] * 0, 1, **WORDS),
            ValueError,
            "index: got 2 along dimension 0, wanted at most 1",
        ),
        (
            lambda: figures.reads(TABLE, TABLE * 0, show=[(4, 0)], **WORDS),
            IndexError,
            r"got position \(4, 0\)",
        ),
        (lambda: figures.writes(TABLE, TABLE * 0, **WORDS), ValueError, "size and input"),
        (
            lambda: figures.writes(TABLE, TABLE * 0, size=1, reduce="max", **WORDS),
            ValueError,
            "reduce: got 'max'",
        ),
        (
            lambda: figures.writes(TABLE, TABLE[:2] * 0, size=1, **WORDS),
            ValueError,
            "src and index",
        ),
        (lambda: figures.matrix(torch.zeros(3), **WORDS), ValueError, r"m: got shape \[3\]"),
        (
            lambda: figures.matrix(torch.eye(3), row_labels=["a"], **WORDS),
            ValueError,
            "row_labels: got 1",
        ),
        (lambda: figures.tensors({}, **WORDS), ValueError, "named: got no"),
        (
            lambda: figures.tensors({"x": TABLE}, mark={"y": [0]}, **WORDS),
            ValueError,
            "mark: got 'y'",
        ),
        (
            lambda: figures.tensors({"x": TABLE}, roles={"x": "blue"}, **WORDS),
            ValueError,
            "role: got 'blue'",
        ),
        (lambda: figures.tape(8, [8], **WORDS), IndexError, "read: got position 8"),
        (lambda: figures.tape(8, [0], itemsize=3, **WORDS), ValueError, "line: got 64"),
        (lambda: figures.table([], caption="None."), ValueError, "data: got no rows"),
        (lambda: figures.table([{"a": 1}], caption=""), ValueError, "caption: got"),
        (
            lambda: figures.table([{"a": 1}, {"b": 1}], caption="Two."),
            ValueError,
            "data: row 1",
        ),
        (
            lambda: figures.table({"a": [1], "b": [1, 2]}, caption="Two."),
            ValueError,
            "data: got columns",
        ),
    ],
)
def test_refusals_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("layout", ["dense", "coo", "csr"])
def test_a_matrix_fills_its_nonzeros_and_prints_what_is_not_one(layout):
    m = torch.tensor([[1.0, 0, 0], [0, 0.25, 0.75]])
    sparse = {"dense": m, "coo": m.to_sparse(), "csr": m.to_sparse_csr()}[layout]
    diagram = figures.matrix(sparse, rows="samples", columns="voxels", **WORDS)
    assert cells(diagram) == {"m:0,0": "", "m:1,1": "0.25", "m:1,2": "0.75"}
    assert "samples (2)" in diagram.svg and "voxels (3)" in diagram.svg
    assert "3 nonzeros" in diagram.svg


def test_a_sparse_matrix_with_the_same_place_twice_shows_the_sum():
    m = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 2), check_invariants=True)
    assert cells(figures.matrix(m, **WORDS)) == {"m:0,1": "3"}


def test_tensors_of_three_dimensions_are_slabs():
    volume = torch.arange(12).reshape(2, 2, 3)
    diagram = figures.tensors({"v": volume}, mark={"v": [(1, 0, 2)]}, **WORDS)
    assert cells(diagram) == written("v", volume)


def test_a_tape_outlines_the_lines_that_move():
    diagram = figures.tape(64, {"x": [0, 1], "z": [0, 33]}, values=range(64), **WORDS)
    assert cells(diagram)["tape:33"] == "33"
    assert "3 elements in 2 lines: 12 of 128 bytes used" in diagram.svg
    outlines = re.findall(r'fill:none;stroke:var\(--g3-index[^"]*"', diagram.svg)
    assert len(outlines) == 2


def test_text_is_escaped():
    words = {"caption": "`a<b` & <script>", "alt": 'x < "y" & z'}
    html = figures.tensors({"<b>&": torch.arange(2)}, **words)._repr_html_()
    assert "<script>" not in html and "<b>" not in html
    assert "<code>a&lt;b</code> &amp; &lt;script&gt;" in html
    root = ElementTree.fromstring(html)
    svg = root.find(f".//{SVG}svg")
    assert root.attrib["class"] == "g3-diagram"
    assert svg.attrib["role"] == "img" and svg.attrib["aria-label"] == words["alt"]
    table = figures.table([{"<i>": "<script>"}], caption="<u>")._repr_html_()
    assert "<script>" not in table and "<i>" not in table and "<u>" not in table


def test_a_wide_drawing_scrolls_by_key_and_a_narrow_one_does_not():
    wide = figures.tensors({"x": torch.arange(40)}, **WORDS)._repr_html_()
    narrow = figures.tensors({"x": torch.arange(4)}, **WORDS)._repr_html_()
    assert 'tabindex="0" role="group"' in wide and "min-width" in wide
    assert "tabindex" not in narrow


def test_colours_are_variables_and_text_is_the_pages_own():
    html = figures.reads(torch.arange(3), torch.tensor([2]), **WORDS)._repr_html_()
    for role in ("source", "index", "result"):
        assert f"var(--g3-{role}, #" in html
    assert "var(--g3-ink,currentColor)" in html


def test_a_repr_has_no_address():
    diagram = figures.matrix(torch.eye(2), **WORDS)
    assert repr(diagram) == "Diagram: What it shows."
    assert repr(figures.table({"a": [True]}, caption="One.")) == "a\nyes"
