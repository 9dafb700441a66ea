"""`figures.sources`: arrows, marks and colours are the matrix; the words are the function's."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gather3d
from gather3d import figures

SVG = "{http://www.w3.org/2000/svg}"
PICK = torch.tensor([[5, 0, 2, 2]])
NAMES = ("cloud", "channel", "point")
QUERIES = torch.tensor([[[0, 1, 2], [0, 0, 0.5], [0.5, 0.5, 1.5], [1, 1, 2.5]]]).double()
GRID = torch.rand(1, 1, 1, 30, 3, generator=torch.Generator().manual_seed(0)).double() * 1.6 - 0.8


def right(x):
    return x.gather(2, PICK[:, None].expand(-1, 3, -1))


def trap(x):
    return x.gather(2, PICK[:, None])


SMALL = {
    "column": ([4, 4], lambda x: x[:, 0]),
    "gather": ([1, 3, 6], right),
    "transpose": ([3, 4], lambda x: x.T),
    "missing": ([1, 1, 6], lambda x: gather3d.gather_points(x, torch.tensor([[5, -1, 2, 2]]))),
    "mean": ([4, 4], lambda x: F.avg_pool2d(x[None], 2)),
    "sum": ([5], lambda x: x.new_zeros(4).index_add(0, torch.tensor([0, 2, 2, 0, 3]), x)),
    "trilinear": ([2, 2, 3], lambda x: gather3d.trilinear_sample(x[None, None], QUERIES)),
    "twice": ([3], lambda x: 2 * x),
    "difference": ([6], lambda x: x.diff()),
    "to one number": ([2, 3], lambda x: x[1, 1]),
    "from one number": ([], lambda x: x.expand(2, 2)),
}


def parts(diagram) -> dict[str, ElementTree.Element]:
    """What a drawing that must be XML is made of, by the name that each part carries."""
    found = {}
    for element in ElementTree.fromstring(diagram.svg).iter():
        for key in ("data-cell", "data-arrow", "data-line"):
            if key in element.attrib:
                assert element.attrib[key] not in found
                found[element.attrib[key]] = element
    return found


def said(part: ElementTree.Element) -> list[str]:
    return [text.text for text in part.iter(f"{SVG}text")]


def looks(part: ElementTree.Element) -> set[str]:
    """What a part is drawn as: classes and the names of colours."""
    classes = [word for each in part.iter() for word in each.get("class", "").split()]
    return {*classes, *re.findall(r"--g3-(\w+)", ElementTree.tostring(part, encoding="unicode"))}


@pytest.mark.parametrize("name", SMALL)
def test_an_arrow_is_a_weight_of_the_matrix(name):
    shape, fn = SMALL[name]
    found = gather3d.sources(fn, shape)
    drawn = torch.zeros(found.matrix.shape, dtype=torch.float64)
    for name in parts(figures.sources(fn, shape)):
        if match := re.fullmatch(r"(\d+)>(\d+) (.+)", name):
            drawn[int(match[2]), int(match[1])] = float(match[3])
    torch.testing.assert_close(drawn, found.matrix.to_dense(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_cells_show_how_often_they_are_read_and_what_they_are(name):
    shape, fn = SMALL[name]
    found, shown = gather3d.sources(fn, shape), parts(figures.sources(fn, shape))
    for i, count in enumerate(found.reads().flatten().tolist()):
        cell = shown[f"input:{i}"]
        assert said(cell) == [str(i), *([f"×{count}"] if count > 1 else [])]
        assert ("source" in looks(cell)) == (count > 0)
        assert ("mark" in looks(cell)) == (count > 1)
    for o, row in enumerate(found.matrix.to_dense()):
        cell, weights = shown[f"output:{o}"], row[row != 0].tolist()
        assert ("missing" in looks(cell)) == (not weights)
        if weights == [1]:
            assert said(cell) == [str(int(row.argmax()))]
        elif not weights:
            assert said(cell) == ["0"]
    assert sum(name.startswith("output:") for name in shown) == found.matrix.shape[0]


def test_weights_are_written_where_they_are_not_one():
    shown = parts(figures.sources(SMALL["twice"][1], [3]))
    assert [said(shown[f"output:{o}"]) for o in range(3)] == [["2·0"], ["2·1"], ["2·2"]]
    mean = parts(figures.sources(SMALL["mean"][1], [4, 4]))
    assert said(mean["output:3"]) == ["mean"]
    total = parts(figures.sources(SMALL["sum"][1], [5]))
    assert [said(total[f"output:{o}"])[0] for o in range(4)] == ["sum", "0", "sum", "4"]
    quarter = figures.sources(lambda x: 0.25 * x[:1] - 0.75 * x[1:], [2])
    assert ">.25<" in quarter.svg and ">−.75<" in quarter.svg


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_touched_cache_lines_are_heavy(dtype):
    diagram = figures.sources(lambda x: x[1::20], [36], dtype=dtype)
    lines = [name for name in parts(diagram) if name.startswith("line:")]
    per_line = 64 // dtype.itemsize
    touched = [f"line:{at // per_line} touched" for at in (1, 21)]
    assert len(lines) == -(-36 // per_line)
    assert [name for name in lines if "touched" in name] == list(dict.fromkeys(touched))
    counts = gather3d.sources(lambda x: x[1::20], [36]).counts(dtype)
    assert f"{counts.useful_bytes} of {counts.moved_bytes} bytes" in diagram.caption


def test_the_words_are_the_functions():
    diagram = figures.sources(lambda x: x[:, 0], [4, 4])
    assert diagram.caption == (
        "Reads column 0 of every row; 12 of 16 inputs are never read. "
        "4 reads of 4 inputs touch 1 cache line: 16 of 64 bytes are used (float32)."
    )
    assert diagram.alt.startswith("16 input cells [4, 4] above 4 output cells [4], an arrow for")
    own = figures.sources(lambda x: x[:, 0], [4, 4], caption="Mine.", alt="My own.")
    assert (own.caption, own.alt) == ("Mine.", "My own.")


def test_an_answer_beside_the_right_one():
    diagram = figures.sources(trap, [1, 3, 6], compare=right, names=NAMES)
    shown = parts(diagram)
    absent = {name for name in shown if "absent" in name}
    assert absent == {f"yours: absent:{place}" for place in range(4, 12)}
    assert sum(name.startswith("wanted: output") for name in shown) == 12
    assert "Yours: reads channel 0, points 5, 0, 2 and 2;" in diagram.caption
    assert "The output of yours is [1, 1, 4], not [1, 3, 4]." in diagram.caption
    assert "wrong" not in diagram.svg  # what is there is right


def test_outputs_that_differ_are_wrong():
    def answer(x):
        return trap(x).expand(-1, 3, -1)

    diagram = figures.sources(
        answer, [1, 3, 6], compare=right, titles=("the answer", "what was meant")
    )
    shown = parts(diagram)
    wrong = {name for name, part in shown.items() if "wrong" in looks(part)}
    assert {name for name in wrong if "output" in name} == {
        f"the answer: output:{o}" for o in range(4, 12)
    }
    assert {name.split(">")[1].split()[0] for name in wrong if ">" in name} == {
        str(o) for o in range(4, 12)
    }
    assert diagram.caption.endswith("8 of 12 outputs differ.")
    same = figures.sources(right, [1, 3, 6], compare=right)
    assert same.caption.startswith("The same reads: ") and "wrong" not in same.svg


def test_a_wide_drawing_scrolls_by_key():
    assert 'tabindex="0"' in figures.sources(right, [1, 3, 6])._repr_html_()


# --- large tensors -------------------------------------------------------------------------------


def test_a_large_table_is_an_image_of_its_reads():
    index = torch.randint(20, (30, 5), generator=torch.Generator().manual_seed(0))
    figure = figures.sources(lambda x: x.gather(1, index), [30, 20])
    wanted = np.zeros((30, 20))
    np.add.at(wanted, (np.arange(30)[:, None], index.numpy()), 1)
    axes = figure.axes[0]
    assert np.array_equal(axes.images[0].get_array(), wanted)
    assert axes.get_ylabel() == "row" and axes.get_xlabel() == "column"
    assert figure.caption.startswith("Reads columns chosen by an index in every row")
    assert figure.alt.startswith("How often each of 600 inputs is read.")


def test_a_long_line_is_folded_into_cache_lines():
    figure = figures.sources(lambda x: x[::16], [100])
    shown = figure.axes[0].images[0].get_array().filled(np.nan)
    assert shown.shape == (7, 16) and np.isnan(shown[6, 4:]).all()
    assert (shown[:, 0] == 1).all() and np.nansum(shown) == 7
    halves = figures.sources(lambda x: x[::16], [100], dtype=torch.float64)
    assert halves.axes[0].images[0].get_array().shape == (13, 8)


def test_two_tables_share_a_scale():
    figure = figures.sources(
        lambda x: x[:, [0, 0]], [20, 20], compare=lambda x: x[[0, 0]], titles=("a", "b")
    )
    first, second = (axes.images[0] for axes in figure.axes[:2])
    assert first.get_clim() == second.get_clim() == (0, 2)
    assert np.array_equal(first.get_array().T, second.get_array())


def test_a_volume_shows_the_voxels_that_are_read():
    def one_voxel(x):
        return x[0, 0, 2:3, 5, 7]

    figure = figures.sources(one_voxel, [1, 1, 8, 9, 10])
    box, cube = figure.data
    assert {tuple(c) for c in zip(cube.x, cube.y, cube.z, strict=True)} == {
        (7 + a, 5 + b, 2 + c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)
    }
    spans = [(np.nanmin(v), np.nanmax(v)) for v in (box.x, box.y, box.z)]
    assert spans == [(-0.5, 9.5), (-0.5, 8.5), (-0.5, 7.5)]
    sample = figures.sources(
        lambda x: F.grid_sample(x, GRID, align_corners=True), [1, 1, 16, 16, 16]
    )
    reads = gather3d.sources(
        lambda x: F.grid_sample(x, GRID, align_corners=True), [1, 1, 16, 16, 16]
    ).reads()
    assert set(np.unique(sample.data[1].intensity)) == set(reads[reads > 0].unique().tolist())


def test_many_voxels_are_points_and_channels_are_summed():
    figure = figures.sources(lambda x: x.flip(2), [1, 3, 12, 12, 12])
    assert figure.data[1].type == "scatter3d" and len(figure.data[1].x) == 12**3
    assert set(figure.data[1].marker.color) == {3}


def test_two_volumes_show_what_only_one_reads():
    figure = figures.sources(
        lambda x: x[:4, 0, 0], [5, 6, 7], compare=lambda x: x[1:, 0, 0], titles=("mine", "meant")
    )
    assert [trace.name for trace in figure.data[1:]] == ["both read", "only mine", "only meant"]
    heights = [(trace.z.min(), trace.z.max()) for trace in figure.data[1:]]
    assert heights == [(0.5, 3.5), (-0.5, 0.5), (3.5, 4.5)]
    assert "4 of 4 outputs differ" in figure.layout.meta["caption"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.sources(torch.relu, [3]), "fn: got .*, wanted a linear function"),
        (lambda: figures.sources(lambda x: x, [3], compare=torch.relu), "fn: got .*, wanted a lin"),
        (lambda: figures.sources(lambda x: x[:0], [3]), r"fn: got from \[3\] to \[0\], wanted"),
        (lambda: figures.sources(lambda x: x, [0, 2]), r"fn: got from \[0, 2\] to"),
        (lambda: figures.sources(lambda x: x, [3], alt=" "), "^alt: got"),
        (lambda: figures.sources(lambda x: x, [3], caption=""), "^caption: got"),
        (lambda: figures.sources(lambda x: x, [3], names=("a", "b")), "^names: got"),
        (lambda: figures.sources(lambda x: x, [3], line=10), "^line: got 10"),
        (lambda: figures.sources(trap, [1, 3, 6], compare=right, line=10), "^line: got 10"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
