"""SampleExplorer: its numbers are those of the sampler, of grid_sample and of autograd."""

import random
import re

import pytest
import torch
import torch.nn.functional as F
import traitlets
from tests.widgets.numbers import close, numbers, words

from gather3d import trilinear_sample
from gather3d.widgets import SampleExplorer


def state(seed: int) -> dict:
    """A random volume, a position inside or up to a voxel outside, a mode, a flag."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    shape = [draw.randint(2, 5) for _ in range(3)]
    coords = [round(draw.uniform(-1.2, n + 0.2), 2) for n in shape]
    if draw.random() < 0.3:
        coords = [float(round(c)) for c in coords]  # on the kinks
    elif draw.random() < 0.2:
        coords = [round(c) + 0.5 for c in coords]  # half way: round to even
    return {
        "volume": torch.randint(-50, 200, shape).tolist(),
        "coords": coords,
        "mode": draw.choice(["nearest", "truncated", "trilinear", "trilinear"]),
        "align_corners": draw.random() < 0.5,
    }


def library(volume: torch.Tensor, grid: torch.Tensor, mode: str, align: bool) -> float:
    """grid_sample's answer for one position (x, y, z)."""
    mode = {"trilinear": "bilinear"}.get(mode, mode)
    read = F.grid_sample(
        volume[None, None], grid.reshape(1, 1, 1, 1, 3), mode=mode, align_corners=align
    )
    return float(read)


def test_fifty_states(instrument):
    shown = instrument("SampleExplorer")
    seen = set()
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = SampleExplorer(**values)
        volume = torch.tensor(values["volume"]).double()
        coords = torch.tensor(values["coords"], dtype=torch.float64, requires_grad=True)
        mode, align = values["mode"], values["align_corners"]
        seen.add((mode, align))

        assert shown.refusal == ""
        read = words(shown)
        assert [numbers(read[f"corner-{k}"]) for k in range(8)] == python.corners.tolist()
        weights = [numbers(read[f"weight-{k}"])[0] for k in range(8)]
        close(weights, python.weights, values)
        close(numbers(read["value"])[0], python.value, values)
        close(numbers(read["gradient"]), python.gradient, values)
        close(numbers(read["grid"]), python.grid, values)
        close(numbers(read["elsewhere"]), python.elsewhere, values)
        close(numbers(read["value_elsewhere"])[0], python.value_elsewhere, values)

        # the same by other roads: the operator, autograd, grid_sample with both flags
        if mode == "trilinear":
            value = trilinear_sample(volume[None, None], coords[None, None]).sum()
            gradient = torch.autograd.grad(value, coords)[0]
            close(numbers(read["value"])[0], value.detach(), values)
            close(numbers(read["gradient"]), gradient, values)
        else:
            assert numbers(read["gradient"]) == [0, 0, 0] and sorted(weights)[:7] == [0] * 7
        half = any(float(c) % 1 == 0.5 for c in python.elsewhere.tolist() + values["coords"])
        if mode == "trilinear" or (mode == "nearest" and not half):
            close(numbers(read["value"])[0], library(volume, python.grid, mode, align), values)
            other = library(volume, python.grid, mode, not align)
            close(numbers(read["value_elsewhere"])[0], other, values)
    assert len(seen) == 6


def test_truncation_is_towards_zero_and_says_that_nothing_is_learned(instrument):
    shown = instrument("SampleExplorer")
    assert shown.root.locator('[data-plane="slice"] path[style*="--result-c"]').count() == 1
    shown.control("mode").get_by_label("truncated").check()
    shown.set(coords=[-0.3, 2.9, 1.2])
    assert shown.line.startswith("coords.long() = (0, 2, 1): volume[0, 2, 1] = ")
    assert "gradient is 0" in shown.said
    assert shown.root.locator('[data-plane="slice"] path[style*="--result-c"]').count() == 0


def test_dragging(instrument):
    shown = instrument("SampleExplorer")
    box = shown.root.locator('[data-plane="slice"] svg').bounding_box()
    rows, columns = 7, 8  # from -1 to 6 and to 7

    def spot(y, x):
        return box["x"] + (x + 1) / columns * box["width"], box["y"] + (y + 1) / rows * box[
            "height"
        ]

    shown.page.mouse.move(*spot(4.35, 2.35))
    shown.page.mouse.down()
    shown.page.mouse.move(*spot(1.5, 4.25), steps=5)
    shown.page.mouse.up()
    shown.page.mouse.move(*spot(5, 5))
    shown.settle()
    z, y, x = shown.get("coords")
    assert z == 1.35 and abs(y - 1.5) < 0.02 and abs(x - 4.25) < 0.02
    deep = shown.root.locator('[data-plane="depth"] svg').bounding_box()
    shown.page.mouse.click(deep["x"] + 10, deep["y"] + deep["height"] * 0.75)
    shown.settle()
    assert abs(shown.get("coords")[0] - 2) < 0.03 and shown.get("coords")[1:] == [y, x]


def test_keyboard(instrument):
    shown = instrument("SampleExplorer")
    shown.set(coords=[1.0, 2.0, 3.0])
    shown.root.locator('[data-plane="slice"] svg').focus()
    for key in ("ArrowDown", "ArrowRight", "PageDown", "Shift+ArrowRight"):
        shown.page.keyboard.press(key)
    assert shown.get("coords") == [1.05, 2.05, 3.55]
    shown.root.locator('[data-plane="depth"] svg').focus()
    shown.page.keyboard.press("ArrowUp")
    shown.settle()
    assert shown.get("coords") == [1, 2.05, 3.55]
    assert shown.root.locator('[data-plane="depth"] svg').get_attribute("aria-valuenow") == "1"
    shown.page.keyboard.press("Escape")
    assert not shown.root.evaluate("root => root.contains(document.activeElement)")
    field = shown.control("y")
    field.focus()
    shown.page.keyboard.press("ArrowUp")
    shown.settle()
    assert field.input_value() == "2.1"
    field.fill("−0.25")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("coords")[1] == -0.25
    shown.set(coords=[0.5, -0.25, 0.5])
    assert "4 of 8 corners are outside" in shown.said
    radio = shown.control("align_corners").get_by_label("False")
    radio.focus()
    shown.page.keyboard.press("Space")
    shown.settle()
    assert shown.get("align_corners") is False


def test_a_finger_drags_the_handle_and_taps_elsewhere(instrument):
    shown = instrument("SampleExplorer", width=375)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 375
    touch = """(svg, [type, clientX, clientY, handle]) =>
        (handle ? svg.querySelector('[data-handle] circle') : svg).dispatchEvent(new PointerEvent(
          type, { bubbles: true, pointerType: 'touch', clientX, clientY, pointerId: 1 }))"""
    svg = shown.root.locator('[data-plane="slice"] svg')
    svg.evaluate("svg => { svg.setPointerCapture = () => {} }")
    box = svg.bounding_box()
    spot = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    before = shown.get("coords")
    svg.evaluate(touch, ["pointerdown", *spot, False])
    svg.evaluate(touch, ["pointermove", *spot, False])
    assert shown.get("coords") == before  # the page may scroll
    svg.evaluate(touch, ["click", *spot, False])
    assert shown.get("coords")[1:] == pytest.approx([2.5, 3], abs=0.03)
    svg.evaluate(touch, ["pointerdown", *spot, True])
    svg.evaluate(touch, ["pointermove", spot[0] + box["width"] / 8, spot[1], False])
    assert shown.get("coords")[1:] == pytest.approx([2.5, 4], abs=0.03)


@pytest.mark.parametrize("text", ["x", "NaN", "", "1e999", "1,5"])
def test_bad_input_is_refused_in_words(instrument, text):
    shown = instrument("SampleExplorer")
    before = shown.get("coords")
    shown.control("x").fill(text)
    shown.page.keyboard.press("Enter")
    shown.page.keyboard.press("Tab")
    shown.settle()
    assert re.search(r"coords: got .* for x, wanted a finite number", shown.refusal)
    assert shown.get("coords") == before
    shown.control("x").fill("2")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal == "" and shown.get("coords")[2] == 2


@pytest.mark.parametrize(
    "traits",
    [{"volume": []}, {"volume": [[[1, 2]], [[3]]]}, {"coords": [0, None, 1]}, {"coords": []}],
)
def test_a_state_that_python_would_refuse_is_words_too(instrument, traits):
    shown = instrument("SampleExplorer")
    shown.set(**traits)
    assert "wanted" in shown.refusal


def test_far_away_there_is_nothing(instrument):
    shown = instrument("SampleExplorer")
    shown.set(coords=[1e12, -7, 300])
    read = words(shown)
    assert numbers(read["value"]) == [0] and numbers(read["gradient"]) == [0, 0, 0]
    assert "8 of 8 corners are outside" in shown.said


def test_python_refuses():
    with pytest.raises(traitlets.TraitError, match=r"volume: got shape \[1, 2, 2\]"):
        SampleExplorer(volume=torch.zeros(1, 2, 2))
    with pytest.raises(traitlets.TraitError, match="volume: got parts of shapes"):
        SampleExplorer(volume=[[[0, 1], [2]]])
    explorer = SampleExplorer()
    with pytest.raises(traitlets.TraitError, match="coords: got nan"):
        explorer.coords = [0, float("nan"), 0]
    with pytest.raises(traitlets.TraitError, match=r"coords: got .*, wanted three numbers"):
        explorer.coords = [0, 1]
    with pytest.raises(traitlets.TraitError, match="mode"):
        explorer.mode = "cubic"
