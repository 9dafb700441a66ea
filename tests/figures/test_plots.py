"""What every picture asks for, and scenes: words, size, proportions, refusals."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from gather3d import figures

WORDS = {"caption": "What to notice.", "alt": "What it shows."}
RANDOM = torch.Generator().manual_seed(0)
CLOUD = torch.rand(70_000, 3, generator=RANDOM) * torch.tensor([80.0, 40.0, 8.0])
GRID = torch.cartesian_prod(*[torch.arange(12)] * 3)[::2][:800].float()
WORK = {"few": (1e6, 4e6, 1e-3), "many": (1e9, 1e7, 2e-2)}  # operations, bytes, seconds
MACHINE = {"bandwidth": {"memory": 1e10, "cache": 4e10}, "peak": 1e11}


def size(figure: go.Figure) -> int:
    return len(figure.to_json())


PICTURES = {
    "scene": lambda **words: figures.scene(figures.points(CLOUD[:50]), **words),
    "chart": lambda **words: figures.chart(figures.line([0, 1], [2, 3]), **words),
    "roofline": lambda **words: figures.roofline(WORK, **MACHINE, **words),
    "image": lambda **words: figures.image(torch.rand(4, 5), **words),
    "images": lambda **words: figures.images({"a": torch.rand(4, 5)}, **words),
    "slider": lambda **words: figures.slider(PICTURES["chart"], [1, 2], "n", **words),
    "reads": lambda **words: figures.reads(torch.arange(3), torch.tensor([2]), **words),
    "writes": lambda **words: figures.writes(torch.arange(1), torch.tensor([2]), size=3, **words),
    "matrix": lambda **words: figures.matrix(torch.eye(3), **words),
    "tensors": lambda **words: figures.tensors({"x": torch.arange(3)}, **words),
    "tape": lambda **words: figures.tape(32, [3], **words),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("word", ["caption", "alt"])
def test_every_picture_needs_its_words(name, word):
    with pytest.raises(ValueError, match=f"^{word}: got"):
        PICTURES[name](**(WORDS | {word: " "}))
    with pytest.raises(TypeError, match=word):
        PICTURES[name](**{key: value for key, value in WORDS.items() if key != word})


def test_a_scene_carries_words_height_and_no_background():
    figure = PICTURES["scene"](**WORDS)
    assert figure.layout.meta == WORDS
    assert figure.layout.height >= 200
    template = figure.layout.template.layout
    assert template.paper_bgcolor == template.plot_bgcolor == "rgba(0,0,0,0)"
    assert not list(figure.layout.template.data.scatter3d)
    assert len(json.dumps(figure.layout.to_plotly_json()["template"])) < 1500


def test_a_scene_has_equal_aspect_and_shows_everything():
    figure = figures.scene(figures.points(CLOUD), figures.wire([[90.0, 0, 0]], 4), **WORDS)
    box = figure.layout.scene
    spans = [np.ptp(box[f"{d}axis"].range) for d in "xyz"]
    ratios = [box.aspectratio[d] for d in "xyz"]
    assert box.aspectmode == "manual"
    assert np.allclose(np.array(spans) / spans[0], np.array(ratios) / ratios[0])
    assert box.xaxis.range[0] < 0 and box.xaxis.range[1] > 92
    assert [box[f"{d}axis"].title.text for d in "xyz"] == ["x (m)", "y (m)", "z (m)"]
    assert box.bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize("camera", [None, "corner", "front", "side", "top", (1.0, 0.0, 1.0)])
def test_a_camera_looks_from_outside_of_the_box(camera):
    scene = figures.scene(figures.points(CLOUD), camera=camera, **WORDS).layout.scene
    eye = np.array([scene.camera.eye[d] for d in "xyz"])
    corner = np.array([scene.aspectratio[d] for d in "xyz"]) / 2
    assert np.linalg.norm(eye) > np.linalg.norm(corner)


def test_many_points_become_few_and_the_name_says_so():
    layer = figures.points(CLOUD, CLOUD[:, 2], name="scan", label="height (m)")
    assert len(layer.x) == 4000
    assert layer.name == "scan: 4,000 of 70,000"
    assert layer.x.dtype == np.float32
    again = figures.points(CLOUD, CLOUD[:, 2], name="scan")
    assert np.array_equal(layer.x, again.x)
    assert layer.x[0] == pytest.approx(float(CLOUD[0, 0]), abs=1e-3)
    assert layer.x[-1] == pytest.approx(float(CLOUD[-1, 0]), abs=1e-3)


def test_scenes_are_small_enough_for_a_page():
    assert size(figures.scene(figures.points(CLOUD, CLOUD[:, 2]), **WORDS)) < 120_000
    assert size(figures.scene(figures.cubes(GRID, 1.0, GRID[:, 0]), **WORDS)) < 300_000


@pytest.mark.parametrize(
    "layer",
    [
        figures.points,
        lambda xyz: figures.cubes(xyz, 1.0),
        lambda xyz: figures.wire(xyz, 1.0),
        lambda xyz: figures.arrows(xyz, xyz),
        lambda xyz: figures.segments(xyz, xyz),
        lambda xyz: figures.mesh(xyz, torch.tensor([[0, 1, 2]])),
    ],
)
def test_layers_refuse_what_cannot_be_drawn(layer):
    with pytest.raises(ValueError, match=r"1 of 3 rows hold NaN or infinity .*row 1"):
        layer(torch.tensor([[0.0, 0, 0], [0, float("nan"), 0], [1, 1, 1]]))
    with pytest.raises(ValueError, match=r"got no points \(shape \[0, 3\]\)"):
        layer(torch.zeros(0, 3))
    with pytest.raises(ValueError, match=r"got shape \[3, 4\]"):
        layer(torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.scene(**WORDS), "layers: got none"),
        (lambda: figures.roofline({}, **MACHINE, **WORDS), "work: got none"),
        (lambda: figures.roofline(WORK, bandwidth={}, peak=1, **WORDS), "bandwidth: got none"),
        (lambda: figures.roofline(WORK, bandwidth={"a": 1}, peak=0, **WORDS), "peak: got 0"),
        (lambda: figures.roofline({"a": (0, 1, 1)}, **MACHINE, **WORDS), r"a: got \(0, 1, 1\)"),
        (lambda: figures.scene(figures.line([0], [1]), **WORDS), "number 0 is a Layer"),
        (lambda: figures.chart(figures.points(CLOUD[:2]), **WORDS), "number 0 is a scatter3d"),
        (lambda: figures.points(CLOUD[:2], role="blue"), "role: got 'blue'"),
        (lambda: figures.points(CLOUD[:2], [1, 2, 3]), r"values: got shape \[3\], wanted \[2\]"),
        (lambda: figures.points(CLOUD[:2], [1, 2], colors=CLOUD[:2]), "values and colors"),
        (lambda: figures.cubes(CLOUD[:2], 0.0), "size: got 0.0"),
        (lambda: figures.segments(CLOUD[:2], CLOUD[:3]), "start and end"),
        (lambda: figures.mesh(CLOUD[:3], torch.tensor([[0, 1, 3]])), "faces: got rows 0 to 3"),
        (lambda: figures.line([0, 1], [2]), "x and y"),
        (lambda: figures.markers([0], [1], symbol="star"), "symbol: got 'star'"),
        (lambda: figures.markers([0], [1], text=["a", "b"]), "text: got 2 words, wanted 1"),
        (lambda: figures.image(torch.rand(3), **WORDS), r"array: got shape \[3\]"),
        (lambda: figures.images({}, **WORDS), "arrays: got none"),
        (lambda: figures.image(torch.rand(3, 3), origin="left", **WORDS), "origin: got 'left'"),
        (lambda: figures.scene(figures.points(CLOUD[:2]), camera="up", **WORDS), "camera: got"),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_cube_alone_has_six_sides_and_two_neighbours_share_none():
    one = figures.cubes([[0.0, 0, 0]], 1.0)
    assert len(one.i) == 12 and len(one.x) == 8
    two = figures.cubes([[0.0, 0, 0], [1.0, 0, 0]], 1.0, [5, 7])
    assert len(two.i) == 20 and len(two.x) == 12
    assert sorted(set(two.intensity.tolist())) == [5, 7]
    assert two.intensitymode == "cell" and len(two.intensity) == len(two.i)
    assert len(figures.cubes([[0.0, 0, 0], [1.1, 0, 0]], 1.0).i) == 24


def test_cubes_lie_around_their_centres():
    layer = figures.cubes([[1.0, 2.0, 3.0]], (0.5, 1.0, 2.0))
    assert [np.ptp(layer[d]) for d in "xyz"] == pytest.approx([0.5, 1.0, 2.0])
    assert [(layer[d].min() + layer[d].max()) / 2 for d in "xyz"] == pytest.approx([1, 2, 3])


def test_the_faces_of_a_cube_are_on_its_outside():
    layer = figures.cubes([[0.0, 0, 0]], 2.0)
    corner = np.stack([layer.x, layer.y, layer.z], axis=1)
    a, b, c = (corner[layer[name].astype(int)] for name in "ijk")
    normal = np.cross(b - a, c - a)
    assert ((normal * (a + b + c)).sum(axis=1) > 0).all()
    assert np.linalg.norm(normal, axis=1).sum() / 2 == pytest.approx(6 * 4)


def test_a_wire_has_each_edge_once():
    assert len(figures.wire([[0.0, 0, 0]], 1.0).x) == 12 * 3
    assert len(figures.wire([[0.0, 0, 0], [1.0, 0, 0]], 1.0).x) == 20 * 3


@pytest.mark.parametrize("width", [2, 3])
def test_arrows_and_segments_end_where_they_should(width):
    start, end = CLOUD[:5, :width], CLOUD[5:10, :width]
    for layer, step in ((figures.segments(start, end), 3), (figures.arrows(start, end), 6)):
        if width == 3:
            path = np.stack([layer.x, layer.y, layer.z], axis=1)
        else:
            path = figures.chart(layer, **WORDS).axes[0].lines[0].get_xydata()
        assert np.allclose(path[0::step], start, atol=1e-3)
        assert np.allclose(path[1::step], end, atol=1e-3)
        assert np.isnan(path[step - 1 :: step]).all()  # the gap before the next one


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_tensors_of_any_type_are_drawn(dtype):
    layer = figures.points(torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=dtype))
    assert layer.x.tolist() == [1, 4]
    grown = torch.ones(2, 3, requires_grad=True)
    assert figures.points(grown).z.tolist() == [1, 1]
