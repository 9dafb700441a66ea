"""RulebookExplorer: the pairs, sums and active voxels on the page are gather3d's and F.conv3d's."""

import random
import re

import pytest
import torch
import torch.nn.functional as F
import traitlets

from gather3d import SparseVolume, kernel_map, sparse_conv3d
from gather3d.widgets import RulebookExplorer

TRAITS = ("coords", "features", "shape", "weight", "tap", "submanifold", "stride")


def state(seed: int) -> dict:
    """A random active set, features, weights and tap; from none to all voxels are active."""
    draw = random.Random(seed)
    shape = [draw.randint(1, 4), draw.randint(1, 5), draw.randint(1, 6)]
    torch.manual_seed(seed)
    coords = (torch.rand(1, *shape) < draw.choice([0, 0.1, 0.3, 0.6, 1])).nonzero()
    halves = draw.random() < 0.3
    features = torch.randint(-9, 10, (len(coords),)) / (2 if halves else 1)
    return {
        "coords": coords.tolist(),
        "features": features.tolist(),
        "shape": shape,
        "weight": torch.randint(-3, 4, (3, 3, 3)).tolist(),
        "tap": draw.randrange(27),
        "submanifold": draw.random() < 0.5,
        "stride": draw.choice([1, 1, 2]),
    }


def page_state(shown) -> dict:
    return {name: shown.get(name) for name in TRAITS}


def voxels(shown, name: str) -> dict[tuple[int, ...], float]:
    """The numbers of a volume by voxel; an empty cell is not active."""
    texts = shown.root.locator(f'[data-table="{name}"] [data-place]').evaluate_all(
        "cells => cells.map((cell) => [cell.dataset.place, cell.textContent])"
    )
    return {
        tuple(map(int, place.split(","))): float(text.replace("−", "-"))
        for place, text in texts
        if text
    }


def count(shown, name: str) -> int:
    return int(shown.root.locator(f'[data-value="{name}"]').text_content())


def check(shown, values: dict) -> None:
    """Compare everything on the page with kernel_map, sparse_conv3d and F.conv3d."""
    tap, stride, V = values["tap"], values["stride"], len(values["coords"])
    coords = torch.tensor(values["coords"], dtype=torch.int64).reshape(-1, 4)
    features = torch.tensor(values["features"], dtype=torch.float64).reshape(-1, 1)
    x = SparseVolume(coords, features, tuple(values["shape"]), 1)
    weight = torch.tensor(values["weight"], dtype=torch.float64).reshape(1, 1, 3, 3, 3)

    def convolved(taps: int) -> SparseVolume:
        part = weight.clone()
        part.view(-1)[taps:] = 0
        return sparse_conv3d(x, part, stride=stride, submanifold=values["submanifold"])

    rulebook = kernel_map(coords, x.shape, stride=stride, submanifold=values["submanifold"])
    before, after = convolved(tap), convolved(tap + 1)
    sums = {
        tuple(voxel[1:]): float(number)
        for voxel, number in zip(after.coords.tolist(), after.features, strict=True)
    }
    assert voxels(shown, "input") == {
        tuple(v[1:]): f for v, f in zip(values["coords"], values["features"], strict=True)
    }
    assert voxels(shown, "output") == sums, values

    part = weight.clone()
    part.view(-1)[tap + 1 :] = 0
    dense = F.conv3d(x.to_dense(), part, stride=stride, padding=1)[0, 0]
    assert all(abs(dense[voxel] - number) < 1e-9 for voxel, number in sums.items())
    if not values["submanifold"]:
        assert set(map(tuple, dense.nonzero().tolist())) <= set(sums)

    i, o = rulebook.pairs[tap]
    gathered = features[i, 0]
    columns = [
        i, gathered, gathered * weight.view(-1)[tap], o, before.features[o, 0], after.features[o, 0]
    ]  # fmt: skip
    wanted = {(p, c): float(column[p]) for c, column in enumerate(columns) for p in range(len(i))}
    assert shown.numbers("pairs") == wanted, values
    assert set(shown.marked("input")) == {tuple(coords[k, 1:].tolist()) for k in i}
    assert set(shown.marked("output")) == {tuple(after.coords[k, 1:].tolist()) for k in o}
    assert shown.numbers("weight") == {
        tuple(at): float(weight[0, 0, *at]) for at in torch.ones(3, 3, 3).nonzero().tolist()
    }
    assert shown.marked("weight") == [(tap // 9, tap // 3 % 3, tap % 3)]

    sizes = [len(i) for i, _ in rulebook.pairs]
    assert count(shown, "active_in") == V
    assert count(shown, "active_out") == len(after.coords)
    assert count(shown, "pairs_done") == sum(sizes[: tap + 1])
    assert shown.said.startswith(
        f"Tap {tap}: {sizes[tap]} pairs; {sum(sizes[: tap + 1])} of {sum(sizes)} are added."
    )
    check_line(shown.line, values, rulebook, before, after)


def check_line(line: str, values: dict, rulebook, before, after) -> None:
    """The line of code is one of this tap's pairs, or says why there is none."""
    number = r"(−?[\d.]+)"
    found = re.fullmatch(
        rf"out\[(\d+)\] \+= input\[(\d+)\] \* weight\[(\d), (\d), (\d)\] = "
        rf"{number} \+ {number} · {number} = {number}",
        line,
    )
    if not found:
        assert re.search(r"not active|outside", line), line
        return
    o, i, *at = map(int, found.groups()[:5])
    was, feature, weight, total = (float(text.replace("−", "-")) for text in found.groups()[5:])
    tap = values["tap"]
    assert at == [tap // 9, tap // 3 % 3, tap % 3]
    assert (i, o) in set(zip(*(rows.tolist() for rows in rulebook.pairs[tap]), strict=True))
    assert (was, total) == (float(before.features[o, 0]), float(after.features[o, 0]))
    assert feature == values["features"][i]
    assert weight == values["weight"][at[0]][at[1]][at[2]]


def test_fifty_states(instrument):
    shown = instrument("RulebookExplorer")
    compared = refused = 0
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = RulebookExplorer(**values)
        if python.refusal:
            refused += 1
            assert shown.refusal == f"gather3d refuses: {python.refusal}"
            assert voxels(shown, "output") == shown.numbers("pairs") == {}
            assert len(voxels(shown, "input")) == len(values["coords"])
        else:
            compared += 1
            assert shown.refusal == ""
            check(shown, values)
            assert voxels(shown, "output") == {
                tuple(voxel[1:]): float(number)
                for voxel, number in zip(python.output.coords.tolist(), python.running, strict=True)
            }
    assert compared > 30 and refused > 3


def test_it_starts_with_the_idea(instrument):
    shown = instrument("RulebookExplorer")
    check(shown, page_state(shown))
    assert 40 <= count(shown, "active_in") == count(shown, "active_out") <= 150
    assert shown.line.startswith("out[") and shown.root.locator(".g3x-arrows g").count() == 1
    assert shown.root.locator('[data-table="input"] .window').count() == 27


def test_the_active_set_stays_grows_and_shrinks(instrument):
    shown = instrument("RulebookExplorer")
    V = count(shown, "active_in")
    grown = shown.root.locator('[data-table="output"] .grown:not(.air)')
    assert grown.count() == 0 and f"The {V} active voxels stay." in shown.said
    shown.control("submanifold").get_by_label("ordinary").check()
    shown.settle()
    check(shown, page_state(shown))
    U = count(shown, "active_out")
    assert U > 2 * V and grown.count() == U - V
    assert f"{V} active voxels become {U}." in shown.said
    shown.control("stride").get_by_label("2").check()
    shown.settle()
    check(shown, page_state(shown))
    assert count(shown, "active_out") < V / 2
    shown.control("submanifold").get_by_label("submanifold").check()
    shown.settle()
    assert shown.refusal == ("gather3d refuses: stride: got (2, 2, 2), wanted 1 for submanifold")
    assert voxels(shown, "output") == {}
    assert not shown.root.locator('[data-value="active_out"]').is_visible()
    assert "Choose ordinary, or stride 1." in shown.said
    shown.control("stride").get_by_label("1").check()
    shown.settle()
    assert shown.refusal == ""
    check(shown, page_state(shown))


def test_controls_by_mouse(instrument):
    shown = instrument("RulebookExplorer")
    for name, tap in [("step", 17), ("step", 18), ("back", 17)]:
        shown.control(name).click()
        shown.settle()
        assert shown.get("tap") == tap
        check(shown, page_state(shown))
    shown.cell("weight", 0, 0, 2).click()
    shown.settle()
    assert shown.get("tap") == 2
    check(shown, page_state(shown))
    slider = shown.control("tap").locator("input")
    box = slider.bounding_box()
    shown.page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    shown.settle()
    assert shown.get("tap") == 26
    check(shown, page_state(shown))
    shown.control("step").click()
    assert shown.get("tap") == 0


def test_play_steps_until_the_last_tap(instrument):
    shown = instrument("RulebookExplorer")
    shown.set(tap=23)
    shown.control("play").click()
    assert shown.get("tap") == 24 and shown.control("play").text_content() == "pause"
    shown.page.wait_for_function(
        "(root) => root.querySelector('[data-control=play]').textContent === 'play'",
        arg=shown.root.element_handle(),
    )
    assert shown.get("tap") == 26
    shown.settle()
    check(shown, page_state(shown))
    shown.control("play").click()  # and from the last one again from the first
    assert shown.get("tap") == 0
    shown.control("play").click()
    shown.page.wait_for_timeout(900)
    assert shown.get("tap") == 0


def test_keyboard(instrument):
    shown = instrument("RulebookExplorer")
    press = shown.page.keyboard.press

    def pressed(*keys: str) -> int:
        for key in keys:
            press(key)
        shown.settle()
        return shown.get("tap")

    shown.control("tap").locator("input").focus()
    assert pressed("Home") == 0
    assert pressed("ArrowRight", "ArrowRight") == 2
    assert pressed("End") == 26
    shown.control("back").focus()
    assert pressed("Enter") == 25
    assert pressed("Tab", "Tab", "Enter") == 26  # past play
    assert pressed("Tab") == 26  # the kernel: coming by does not choose
    assert pressed("ArrowUp") == 23
    assert pressed("ArrowLeft", "ArrowLeft", "ArrowLeft") == 14  # and into the slab before
    check(shown, page_state(shown))
    shown.control("submanifold").get_by_label("submanifold").focus()
    press("ArrowDown")
    shown.settle()
    assert shown.get("submanifold") is False
    shown.control("stride").get_by_label("1").focus()
    press("ArrowDown")
    shown.settle()
    assert shown.get("stride") == 2
    check(shown, page_state(shown))
    shown.control("play").focus()
    assert pressed("Space") == 15
    assert shown.control("play").text_content() == "pause"
    press("Space")
    assert shown.control("play").text_content() == "play"


def test_pointing_at_a_voxel(instrument):
    shown = instrument("RulebookExplorer")
    shown.set(coords=[[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 3]], features=[2, 3, 5])
    shown.set(shape=[1, 2, 4], weight=[[[2] * 3] * 3] * 3, tap=14)
    shown.cell("output", 0, 0, 0).hover()
    shown.settle()
    assert shown.line == "out[0] += input[1] * weight[1, 1, 2] = 4 + 3 · 2 = 10"
    assert shown.root.locator('[data-table="input"] .chosen').get_attribute("data-place") == "0,0,1"
    shown.cell("output", 0, 0, 1).hover()
    shown.settle()
    assert shown.line == "out[1] += nothing: voxel (0, 0, 2) is not active"
    assert shown.root.locator(".g3x-arrows g").count() == 0
    shown.cell("output", 0, 0, 3).hover()
    shown.settle()
    assert shown.line == "out[2] += nothing: voxel (0, 0, 4) is outside"
    shown.cell("output", 0, 1, 1).hover()
    shown.settle()
    assert shown.line == "output voxel (0, 1, 1) is not active"
    shown.cell("input", 0, 0, 1).hover()
    shown.settle()
    assert shown.line.startswith("out[0] += input[1]")
    assert shown.root.locator(".g3x-arrows g").count() == 1


def test_pointing_at_a_pair(instrument):
    shown = instrument("RulebookExplorer")
    shown.cell("pairs", 1, 0).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.settle()
    pairs = shown.numbers("pairs")
    assert shown.marked("pairs") == [(2, column) for column in range(6)]
    assert shown.line.startswith(f"out[{pairs[2, 3]:.0f}] += input[{pairs[2, 0]:.0f}] * ")
    shown.cell("pairs", 4, 5).hover()
    shown.settle()
    assert shown.marked("pairs") == [(4, column) for column in range(6)]


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"tap": 27}, "tap 0 … 26"),
        ({"tap": -1}, "tap 0 … 26"),
        ({"features": [1.0]}, "features [V]"),
        ({"features": "many"}, "features [V]"),
        ({"coords": [[0, 0, 0], [0, 0, 0, 1]], "features": [1, 2]}, "coords [V, 4]"),
        ({"weight": [[[None] * 3] * 3] * 3}, "all finite"),
        ({"shape": [1, 2, 3]}, "wanted voxels inside (1, 2, 3)"),
        ({"coords": [[0, 0, 0, 1], [0, 0, 0, 0]], "features": [1, 2]}, "sorted by flat index"),
        ({"coords": [[0, 0, 0, 1]] * 2, "features": [1, 2]}, "none twice"),
    ],
)
def test_bad_input_is_refused_in_words(instrument, traits, words):
    shown = instrument("RulebookExplorer")
    good = page_state(shown)
    shown.set(**traits)
    assert words in shown.refusal
    assert not shown.root.locator('[data-table="output"]').is_visible()
    shown.set(**good)
    assert shown.refusal == ""
    check(shown, good)


def test_no_voxel_at_all(instrument):
    shown = instrument("RulebookExplorer")
    shown.set(coords=[], features=[])
    assert shown.refusal == "" and shown.numbers("pairs") == voxels(shown, "output") == {}
    assert "0 pairs" in shown.said and "is not active" in shown.line
    check(shown, page_state(shown))


def test_narrow(instrument):
    shown = instrument("RulebookExplorer", width=375)
    for traits in ({}, {"submanifold": False}, {"stride": 2}):
        shown.set(**traits)
        right = shown.root.bounding_box()["x"] + shown.root.bounding_box()["width"]
        for box in shown.root.locator(".g3x-table").all():
            edges = box.bounding_box()
            assert edges["x"] + edges["width"] <= right + 1
        assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# ---- Python's side


def test_what_python_computes():
    explorer = RulebookExplorer()
    whole = explorer.output
    dense = F.conv3d(
        explorer.volume.to_dense(), torch.tensor(explorer.weight).double()[None, None], padding=1
    )
    b, z, y, x = whole.coords.unbind(1)
    assert torch.equal(dense[b, 0, z, y, x], whole.features[:, 0])
    explorer.tap = 26
    assert torch.equal(explorer.running, whole.features[:, 0])
    explorer.stride = 2
    assert explorer.output is explorer.running is explorer.rulebook is None
    assert "wanted 1 for submanifold" in explorer.refusal
    explorer.submanifold = False
    explorer.shape = [1, 1, 1]
    assert "coords" in explorer.refusal


def test_a_volume_of_the_readers():
    coords = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 0]])
    explorer = RulebookExplorer(SparseVolume(coords, torch.tensor([[2.0], [3.0]]), (1, 2, 2), 1))
    assert explorer.coords == coords.tolist() and explorer.features == [2, 3]
    two = SparseVolume(torch.tensor([[1, 0, 0, 0]]), torch.ones(1, 1), (1, 1, 1), 2)
    with pytest.raises(traitlets.TraitError, match="volume: got 2 volumes with 1 channels"):
        RulebookExplorer(two)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("coords", [[0, 1, 2]], r"coords: got shape \[1, 3\], wanted \[V, 4\]"),
        ("coords", [[0, 1, 2, 3], [0]], "coords: got parts of shapes"),
        ("coords", [[0, 0.5, 0, 0]], "coords: got 0.5, wanted whole numbers"),
        ("coords", [[1, 0, 0, 0]], "coords: got several batch elements"),
        ("features", [float("nan")], "features: got nan"),
        ("features", [[1.0]], r"features: got shape \[1, 1\], wanted \[V\]"),
        ("features", ["one"], "features: got 'one'"),
        ("shape", [4, 6], "shape: got .4, 6., wanted"),
        ("shape", [0, 6, 8], "shape: got .0, 6, 8., wanted"),
        ("shape", [40, 60, 80], "at most 600 cells"),
        ("weight", [[1, 2, 3]], r"weight: got shape \[1, 3\], wanted \[3, 3, 3\]"),
        ("tap", 27, "tap"),
        ("stride", 3, "stride"),
    ],
)
def test_python_refuses(name, value, words):
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(RulebookExplorer(), name, value)
