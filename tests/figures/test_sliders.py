"""A slider: one draw function, a live widget and a figure with frames."""

import base64
import json

import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
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

    pictures = figures.slider(curve, [1, 3], "power", **WORDS).pictures
    limits = {(picture.axes[0].get_xlim(), picture.axes[0].get_ylim()) for picture in pictures}
    ((left, right), (low, high)) = limits.pop()
    assert not limits and left < 1 and right > 3 and low < 1 and high > 27

    def slice_(k):
        return figures.image(torch.arange(3.0)[:, None] * k, **WORDS)

    stills = figures.slider(slice_, [1, 5], "slice", **WORDS).pictures
    assert {still.axes[0].images[0].get_clim() for still in stills} == {(0, 10)}
    assert {still.axes[0].get_ylim() for still in stills} == {(2.5, -0.5)}  # row 0 is on top


def test_stills_have_one_size_and_one_is_seen():
    def curve(scale):
        return figures.chart(figures.line([0, 1], [0, 10.0**scale]), **WORDS)

    slider = figures.slider(curve, [1, 2, 3], "scale", "m", start=2, **WORDS)
    page = BeautifulSoup(slider.form()["text/html"], "html.parser")
    assert len({svg["viewbox"] for svg in page.select("svg")}) == 1
    stills = page.select(".g3-still")
    assert [still.has_attr("hidden") for still in stills] == [True, False, True]
    assert [still["data-label"] for still in stills] == ["1 m", "2 m", "3 m"]
    assert stills[1].svg["aria-label"] == "What it shows. (scale: 2 m)"
    control = page.select_one("input")
    assert (control["min"], control["max"], control["value"]) == ("0", "2", "1")
    assert control.has_attr("disabled")  # until a script is there that moves it
    assert page.select_one("figcaption").get_text() == "What to notice."
    names = [tag["id"] for tag in page.select("[id]")]
    assert len(set(names)) == len(names)


def test_refusals_name_the_argument():
    with pytest.raises(ValueError, match="values: got 1"):
        figures.slider(draw, [1.0], "radius", **WORDS)
    with pytest.raises(ValueError, match=r"values: got .* different texts"):
        figures.slider(draw, [1.0, 1], "radius", **WORDS)
    with pytest.raises(ValueError, match="start: got 7"):
        figures.slider(draw, [1.0, 2.0], "radius", start=7, **WORDS)
    with pytest.raises(ValueError, match="draw: got a int for 1"):
        figures.slider(lambda value: 3, [1, 2], "n", **WORDS)

    def unlike(n):
        return figures.scene(*[figures.points([[0, 0, 0], [1, 1, n]])] * n, **WORDS)

    with pytest.raises(ValueError, match=r"draw: gave layers .* for 2"):
        _ = figures.slider(unlike, [1, 2], "n", **WORDS).figure

    def mixed(n):
        return unlike(1) if n == 1 else figures.chart(figures.line([0], [1]), **WORDS)

    with pytest.raises(ValueError, match="draw: got a Picture for 2, wanted a Scene as for 1"):
        _ = figures.slider(mixed, [1, 2], "n", **WORDS).figure


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


FORMS = {
    PLOTLY: "figures.scene(figures.points([[0, 0, 0], [1, 2, n]]), **words)",
    "text/html": "figures.chart(figures.line([0, 1, 2], [0, 1, n]), **words)",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_notebook_gets_both_forms(form):
    source = (
        "from gather3d import figures\n"
        "words = {'caption': 'What to notice.', 'alt': 'What it shows.'}\n"
        "def draw(n):\n"
        f"    return {FORMS[form]}\n"
        "figures.slider(draw, [1, 2, 3], 'n', **words)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    data = output["data"]
    assert set(data) == {form, WIDGET, "text/plain"}
    assert data["text/plain"] == "Slider: n, 3 values: What it shows."
    if form == PLOTLY:
        assert data[form]["layout"]["meta"] == WORDS
        assert len(data[form]["frames"]) == 3
    assert len(json.dumps(data[form])) < 20_000
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert data[WIDGET]["model_id"] in state
    (live,) = [m for m in state.values() if m["model_name"] == "OutputModel"]
    assert form in live["state"]["outputs"][0]["data"]
    assert any(m["state"].get("value") == "What to notice." for m in state.values())
