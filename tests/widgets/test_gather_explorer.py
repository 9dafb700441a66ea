"""GatherExplorer: what stands on the page is what torch gathers, or what torch says."""

import random

import pytest
import torch
import traitlets

from gather3d.widgets import GatherExplorer


def state(seed: int) -> dict:
    """A random tensor, index and dim; in one of four the index does not fit."""
    draw = random.Random(seed)
    n = draw.choice([1, 2, 3])
    shape = [draw.randint(1, 4) for _ in range(n)]
    dim = draw.randrange(n)
    index_shape = [draw.randint(1, size) for size in shape]
    index_shape[dim] = draw.randint(1, 5)
    if draw.random() < 0.25:
        index_shape[draw.randrange(n)] += 1
    wild = 2 if draw.random() < 0.25 else 0
    torch.manual_seed(seed)
    return {
        "input": torch.randint(-99, 100, shape).tolist(),
        "index": torch.randint(-wild, shape[dim] + wild, index_shape).tolist(),
        "dim": dim,
        "expand": n == 3 and index_shape[1] == 1 and draw.random() < 0.5,
    }


def test_fifty_states(instrument):
    shown = instrument("GatherExplorer")
    answered = refused = 0
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = GatherExplorer(**values)
        if python.output is None:
            refused += 1
            assert shown.refusal == f"torch refuses: {python.refusal}", values
            assert shown.numbers("output") == {}
        else:
            answered += 1
            assert shown.refusal == ""
            wanted = {
                tuple(place): float(python.output[tuple(place)])
                for place in torch.ones_like(python.output).nonzero().tolist()
            }
            assert shown.numbers("output") == wanted, values
    assert answered > 10 and refused > 10


def test_pointing_lights_the_way(instrument):
    shown = instrument("GatherExplorer")
    shown.cell("output", 2, 1).hover()
    shown.settle()
    assert shown.marked("output") == shown.marked("index") == [(2, 1)]
    assert shown.marked("input") == [(2, 2)]
    assert shown.line == "out[2][1] = input[2][index[2][1]] = input[2][2] = 22"
    assert shown.root.locator(".g3x-arrows g").count() == 2
    assert "reads input 2,2" in shown.said


def test_keyboard(instrument):
    shown = instrument("GatherExplorer")
    shown.cell("output", 0, 0).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowRight")
    shown.settle()
    assert shown.marked("output") == [(1, 1)]
    shown.cell("index", 1, 1).focus()
    shown.page.keyboard.press("ArrowUp")
    shown.settle()
    assert shown.get("index")[1][1] == 2 and shown.numbers("output")[1, 1] == 12
    shown.page.keyboard.type("3")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("index")[1][1] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7", "index 7 is out of bounds"),
        ("x", "wanted a whole number"),
        ("NaN", "wanted a whole number"),
    ],
)
def test_bad_input_is_refused_in_words(instrument, text, words):
    shown = instrument("GatherExplorer")
    shown.cell("index", 0, 0).fill(text)
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert words in shown.refusal


def test_the_channel_trap(instrument):
    shown = instrument("GatherExplorer")
    shown.control("dimensions").get_by_label("3-D").check()
    shown.settle()
    assert "only channel 0" in shown.said and set(shown.numbers("output")) == {
        (0, 0, 0),
        (0, 0, 1),
        (1, 0, 0),
        (1, 0, 1),
    }
    shown.control("expand").locator("input").check()
    shown.settle()
    input, index, dim = (torch.tensor(shown.get(name)) for name in ("input", "index", "dim"))
    wanted = input.gather(int(dim), index.expand(-1, 3, -1))
    assert shown.numbers("output") == {
        tuple(p): float(wanted[tuple(p)]) for p in torch.ones_like(wanted).nonzero().tolist()
    }


def test_python_refuses():
    explorer = GatherExplorer()
    with pytest.raises(traitlets.TraitError, match="index: got parts of shapes"):
        explorer.index = [[0, 1], [2]]
    with pytest.raises(traitlets.TraitError, match="input: got nan"):
        explorer.input = [float("nan")]
    with pytest.raises(traitlets.TraitError, match=r"index: got 1\.5, wanted whole numbers"):
        explorer.index = [1.5]
