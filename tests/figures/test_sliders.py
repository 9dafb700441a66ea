"""A slider: one draw function, a live widget and a figure with frames."""

import base64
import json

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from gather3d import figures

WORDS = {"caption": "What to notice.", "alt": "What it shows."}
PLOTLY, WIDGET = "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"


def draw(radius):
    angle = np.linspace(0, 2 * np.pi, 50)
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) * radius
    return figures.scene(
        figures.points(circle, circle[:, 0]), figures.wire([[0, 0, 0]], 1), **WORDS
    )


def decoded(numbers) -> np.ndarray:
    """A typed array as plotly sends it."""
    return np.frombuffer(base64.b64decode(numbers["bdata"]), numbers["dtype"])


def test_frames_hold_what_moves_and_nothing_else():
    figure = figures.slider(draw, [1.0, 2.5], "radius", "m", start=2.5, **WORDS).figure
    assert figure.layout.meta == WORDS
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == ["1 m", "2.5 m"]
    assert slider.active == 1
    assert [frame.name for frame in figure.frames] == ["1 m", "2.5 m"]
    assert [list(step.args[0]) for step in slider.steps] == [["1 m"], ["2.5 m"]]
    for frame, radius in zip(figure.frames, [1.0, 2.5], strict=True):
        assert frame.traces == (0,)  # the wire stands still
        spec = frame.data[0].to_plotly_json()
        assert set(spec) == {"type", "x", "y", "marker"}
        assert np.ptp(decoded(frame.data[0].x)) == pytest.approx(2 * radius, abs=1e-2)
    assert figure.data[0].x == figure.frames[1].data[0].x  # it starts at 2.5


def test_all_values_share_box_and_colours():
    figure = figures.slider(draw, [1.0, 2.5], "radius", **WORDS).figure
    low, high = figure.layout.scene.xaxis.range
    assert low < -2.5 and high > 2.5
    for frame in figure.frames:
        marker = frame.data[0].marker
        assert (marker.cmin, marker.cmax) == pytest.approx((-2.5, 2.5), abs=0.01)
    ratio = figure.layout.scene.aspectratio
    spans = [np.ptp(figure.layout.scene[f"{d}axis"].range) for d in "xyz"]
    assert np.allclose(np.array(spans) / max(spans), [ratio.x, ratio.y, ratio.z])


def test_charts_and_images_share_axes_and_limits():
    def curve(power):
        return figures.chart(figures.line([1, 2, 3], [1, 2**power, 3**power]), **WORDS)

    figure = figures.slider(curve, [1, 3], "power", **WORDS).figure
    assert figure.layout.yaxis.range[1] > 27 and figure.layout.xaxis.range[1] > 3

    def slice_(k):
        return figures.image(torch.full((3, 3), float(k)), **WORDS)

    image = figures.slider(slice_, [0, 5], "slice", **WORDS).figure
    assert (image.data[0].zmin, image.data[0].zmax) == (0, 5)


def test_refusals_name_the_argument():
    with pytest.raises(ValueError, match="values: got 1"):
        figures.slider(draw, [1.0], "radius", **WORDS)
    with pytest.raises(ValueError, match=r"values: got .* different texts"):
        figures.slider(draw, [1.0, 1], "radius", **WORDS)
    with pytest.raises(ValueError, match="start: got 7"):
        figures.slider(draw, [1.0, 2.0], "radius", start=7, **WORDS)
    with pytest.raises(ValueError, match="draw: got a int for 1"):
        _ = figures.slider(lambda value: 3, [1, 2], "n", **WORDS).figure

    def unlike(n):
        return figures.chart(*[figures.line([0, 1], [0, 1])] * n, **WORDS)

    with pytest.raises(ValueError, match=r"draw: gave layers .* for 2"):
        _ = figures.slider(unlike, [1, 2], "n", **WORDS).figure


def test_the_live_control_draws_the_value_that_it_stands_on():
    drawn = []

    def remember(value):
        drawn.append(value)
        return draw(value)

    box = figures.slider(remember, [1.0, 2.0, 3.0], "radius", start=2.0, **WORDS).widget()
    control = box.children[0]
    assert control.label == "2" and drawn[-1] == 2.0
    control.value = 2
    assert control.label == "3" and drawn[-1] == 3.0


def test_a_notebook_gets_both_forms():
    source = (
        "from gather3d import figures\n"
        "words = {'caption': 'What to notice.', 'alt': 'What it shows.'}\n"
        "def draw(n):\n"
        "    return figures.chart(figures.line([0, 1, 2], [0, 1, n]), **words)\n"
        "figures.slider(draw, [1, 2, 3], 'n', **words)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    data = output["data"]
    assert {PLOTLY, WIDGET, "text/plain"} <= set(data)
    assert data["text/plain"] == "Slider: n, 3 values: What it shows."
    assert data[PLOTLY]["layout"]["meta"] == {"caption": "What to notice.", "alt": "What it shows."}
    assert len(data[PLOTLY]["frames"]) == 3
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert data[WIDGET]["model_id"] in state
    (live,) = [m for m in state.values() if m["model_name"] == "OutputModel"]
    assert PLOTLY in live["state"]["outputs"][0]["data"]
    assert len(json.dumps(data[PLOTLY])) < 12_000
