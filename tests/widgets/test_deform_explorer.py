"""DeformExplorer: what stands on the page is what deform_conv3d gathers with the same offsets."""

import random

import pytest
import torch
import torch.nn.functional as F
import traitlets
from tests.widgets.numbers import close, numbers, words

from gather3d import deform_conv3d
from gather3d.widgets import DeformExplorer
from gather3d.widgets.deform_explorer import KINDS, head

VOLUME = head().double()


def state(seed: int) -> dict:
    draw = random.Random(seed)
    torch.manual_seed(seed)
    return {
        "voxel": [draw.randrange(7), draw.randrange(40), draw.randrange(40)],
        "kind": KINDS[seed % len(KINDS)],
        "strength": draw.choice([0, 1, 2, round(draw.uniform(0, 3), 2)]),
        "seed": draw.randrange(8),
        "modulation": draw.random() < 0.5,
        "mask": torch.rand(3, 3, 3).double().round(decimals=2).tolist(),
        "weight": (torch.randn(3, 3, 3) / 27).double().tolist(),
    }


def convolved(python: DeformExplorer, offset: torch.Tensor) -> float:
    """gather3d.deform_conv3d of a volume of these offsets, not by way of the explorer."""
    everywhere = offset.reshape(1, 81, 1, 1, 1).expand(1, 81, *VOLUME.shape)
    mask = torch.tensor(python.mask).double() if python.modulation else torch.ones(3, 3, 3).double()
    out = deform_conv3d(
        VOLUME[None, None],
        everywhere,
        torch.tensor(python.weight).double()[None, None],
        mask=mask.reshape(1, 27, 1, 1, 1).expand(1, 27, *VOLUME.shape),
        padding=1,
    )
    return float(out[(0, 0, *python.voxel)])


def test_fifty_states(instrument):
    shown = instrument("DeformExplorer")
    outside = 0
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = DeformExplorer(**values)
        read = words(shown)
        note = {name: values[name] for name in ("voxel", "kind", "strength", "seed", "modulation")}
        reads = shown.numbers("reads")
        close([reads[k // 9, k // 3 % 3, k % 3] for k in range(27)], python.reads, note)
        close(numbers(read["output"])[0], convolved(python, python.offset), note)
        plain = F.conv3d(
            VOLUME[None, None], torch.tensor(python.weight).double()[None, None], padding=1
        )
        close(numbers(read["plain"])[0], plain[(0, 0, *python.voxel)], note)
        if seed % 5 == 0:
            close(numbers(read["output"])[0], python.output, note)
        assert shown.refusal == ""
        k = random.Random(seed).randrange(27)
        shown.cell("reads", k // 9, k // 3 % 3, k % 3).dispatch_event("pointerover")
        shown.settle()
        line = numbers(shown.line)  # tap, home, offset, site, what it reads, its weight
        close(line[6:9], python.offset[k], note)
        close(line[9:12], python.taps[k], note)
        close(
            line[12:14],
            [float(python.reads[k]), float(torch.tensor(python.weight).flatten()[k])],
            note,
        )
        if values["modulation"]:
            gate = values["mask"][k // 9][k // 3 % 3][k % 3]
            assert line[14] == gate == shown.numbers("mask")[k // 9, k // 3 % 3, k % 3]
        lost = shown.root.locator('[data-table="reads"] .missing').count()
        outside += lost > 0
        assert (f"{lost} read outside" in shown.said) == (lost > 0)
    assert outside > 3


def test_offsets_that_you_can_predict():
    """The kinds mean what the chapter derives of them."""
    explorer = DeformExplorer(kind="none")
    assert explorer.output == explorer.plain
    explorer.kind, explorer.strength = "shift", 1
    z, y, x = explorer.voxel
    beside = DeformExplorer(kind="none", voxel=[z, y, x + 1])
    assert torch.isclose(explorer.output, beside.plain)
    explorer.kind = "widen"
    wide = F.conv3d(
        explorer.volume[None, None],
        torch.full((1, 1, 3, 3, 3), 1 / 27).double(),
        padding=2,
        dilation=2,
    )
    assert torch.isclose(explorer.output, wide[(0, 0, *explorer.voxel)])
    weight = torch.randn(3, 3, 3).double()
    explorer = DeformExplorer(kind="turn", strength=2, weight=weight)
    turned = torch.rot90(weight, 1, (1, 2)), torch.rot90(weight, -1, (1, 2))
    quarter = [F.conv3d(explorer.volume[None, None], w[None, None], padding=1) for w in turned]
    assert any(torch.isclose(explorer.output, q[(0, 0, *explorer.voxel)]) for q in quarter)
    climbed = DeformExplorer(kind="towards bright", strength=0.5)
    assert climbed.output > climbed.plain


def test_picking_by_mouse_and_keyboard(instrument):
    shown = instrument("DeformExplorer")
    svg = shown.root.locator('[data-plane="slice"] svg')
    box = svg.bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + 30.5 / 40 * box["width"], box["y"] + 10.5 / 40 * box["height"])
    shown.page.mouse.up()
    shown.settle()
    assert shown.get("voxel") == [3, 10, 30]
    svg.focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "PageUp", "PageUp", "PageDown", "ArrowLeft"):
        shown.page.keyboard.press(key)
    shown.settle()
    assert shown.get("voxel") == [2, 9, 31] and "At (2, 9, 31)" in shown.said
    for _ in range(12):
        shown.page.keyboard.press("ArrowUp")
    assert shown.get("voxel")[1] == 0  # it stays inside
    shown.page.keyboard.press("Escape")
    assert not shown.root.evaluate("root => root.contains(document.activeElement)")


def test_pointing_at_a_tap(instrument):
    shown = instrument("DeformExplorer")
    shown.set(kind="none")
    box = shown.root.locator('[data-plane="lens"] svg').bounding_box()
    voxel = box["width"] / 11
    shown.page.mouse.click(box["x"] + 6.5 * voxel, box["y"] + 4.5 * voxel)  # (y - 1, x + 1)
    shown.settle()
    assert shown.marked("reads") == [(1, 0, 2)]
    cell = shown.cell("reads", 1, 0, 2)
    cell.focus()
    shown.page.keyboard.press("ArrowDown")
    shown.settle()
    assert shown.marked("reads") == [(1, 1, 2)] and shown.line.startswith(
        "tap (1, 1, 2): (3, 31, 6)"
    )


def test_controls(instrument):
    shown = instrument("DeformExplorer")
    assert not shown.control("seed").is_visible() and not shown.cell("mask", 0, 0, 0).is_visible()
    first = shown.root.locator('[data-value="output"]').text_content()
    for kind in KINDS:
        shown.control("kind").get_by_label(kind, exact=True).check()
        shown.settle()
        assert shown.get("kind") == kind
        assert shown.control("seed").is_visible() == (kind == "random")
        if kind == "none":
            assert "what the ordinary one does" in shown.said
            assert "0 of 27 taps have left" in shown.said
    shown.control("kind").get_by_label("towards bright").focus()
    shown.page.keyboard.press("ArrowLeft")
    shown.settle()
    shown.control("seed").locator("input").focus()
    shown.page.keyboard.press("ArrowRight")
    shown.control("strength").locator("input").focus()
    shown.page.keyboard.press("ArrowLeft")
    shown.settle()
    assert [shown.get(name) for name in ("kind", "seed", "strength")] == ["random", 1, 1.45]
    shown.control("modulation").focus()
    shown.control("modulation").locator("input").focus()
    shown.page.keyboard.press("Space")
    shown.settle()
    assert shown.get("modulation") is True
    assert shown.root.locator('[data-value="output"]').text_content() != first


def test_gates(instrument):
    shown = instrument("DeformExplorer")
    shown.set(modulation=True, mask=torch.ones(3, 3, 3).tolist())
    cell = shown.cell("mask", 1, 1, 2)
    cell.focus()
    shown.page.keyboard.press("ArrowUp")
    for left in (0.75, 0.5, 0.25, 0, 0):
        shown.page.keyboard.press("ArrowDown")
        shown.settle()
        assert shown.get("mask")[1][1] == [1, 1, left]
    assert shown.marked("mask") == [(1, 1, 2)]
    python = DeformExplorer(modulation=True, mask=shown.get("mask"))
    close(numbers(words(shown)["output"])[0], python.output, "one gate closed")
    for text in ("2", "-0.1", "NaN", "", "x"):
        cell.fill(text)
        shown.page.keyboard.press("Enter")
        shown.settle()
        assert "wanted a number from 0 to 1" in shown.refusal, text
        assert shown.get("mask")[1][1] == [1, 1, 0]
    cell.fill("0.25")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal == "" and shown.get("mask")[1][1] == [1, 1, 0.25]


def test_narrow(instrument):
    shown = instrument("DeformExplorer", width=375)
    shown.set(modulation=True)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 375
    edge = shown.root.bounding_box()
    for plane in shown.root.locator(".g3x-plane").all():
        box = plane.bounding_box()
        assert box["width"] > 100 and box["x"] + box["width"] <= edge["x"] + edge["width"] + 1


def test_python_refuses():
    with pytest.raises(traitlets.TraitError, match=r"volume: got torch.float32 \[3, 3, 3\]"):
        DeformExplorer(volume=torch.zeros(3, 3, 3))
    with pytest.raises(traitlets.TraitError, match=r"volume: got torch.uint8 \[2, 3, 3\]"):
        DeformExplorer(volume=torch.zeros(2, 3, 3, dtype=torch.uint8))
    explorer = DeformExplorer()
    for wrong in ([7, 0, 0], [0, -1, 0], [0, 0]):
        with pytest.raises(traitlets.TraitError, match=r"voxel: got .*, wanted"):
            explorer.voxel = wrong
    with pytest.raises(traitlets.TraitError, match=r"mask: got 1\.5, wanted numbers from 0 to 1"):
        explorer.mask = [[[1.5] * 3] * 3] * 3
    with pytest.raises(traitlets.TraitError, match=r"mask: got shape \[3\], wanted \[3, 3, 3\]"):
        explorer.mask = [1, 1, 1]
    with pytest.raises(traitlets.TraitError, match="weight: got nan"):
        explorer.weight = [[[float("nan")] * 3] * 3] * 3
    with pytest.raises(traitlets.TraitError, match="kind"):
        explorer.kind = "bent"
    with pytest.raises(traitlets.TraitError, match="strength"):
        explorer.strength = -1
