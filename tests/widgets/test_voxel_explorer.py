"""VoxelExplorer: voxels, flat indices and neighbours on the page are those of the operators."""

import random

import pytest
import torch
import traitlets
from tests.widgets.clouds import (
    canvas,
    check_camera,
    check_ends,
    check_narrow,
    check_theme,
    give,
    tap,
    together,
    value,
)

from gather3d import neighbour_index, ravel_index, voxelize
from gather3d.widgets import VoxelExplorer

N = 1073
HOME = (-1.65, 1.2, 1.0)
TAPS = [(z, y, x) for z in range(3) for y in range(3) for x in range(3)]


def state(seed: int) -> dict:
    draw = random.Random(seed)
    return {
        "voxel_size": draw.randint(5, 30) / 10,
        "rounding": "trunc" if seed % 2 else "floor",
        "point": draw.randrange(N),
        "snap": draw.random() < 0.5,
    }


def check(shown, python: VoxelExplorer) -> None:
    row = python.row
    place = python.coords[row].tolist()
    assert value(shown, "place") == f"({', '.join(map(str, place))})"
    assert value(shown, "row") == str(row)
    assert value(shown, "count") == str(int((python.inverse == row).sum()))
    assert value(shown, "active") == str(len(python.coords))
    assert value(shown, "shape") == str([1, *python.shape])
    _, H, W = python.shape
    assert value(shown, "steps") == f"1, W = {W}, H·W = {H * W}"
    flat = int(python.flat[row])
    assert shown.control("flat").locator("input").input_value() == str(flat)
    assert shown.line.endswith(f"= {flat}")
    numbers = shown.numbers("neighbours")
    assert [numbers[tap] for tap in TAPS] == python.neighbours.tolist()
    assert shown.refusal == ""


def test_fifty_states(instrument):
    shown = instrument("VoxelExplorer")
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = VoxelExplorer(**values)
        check(shown, python)
        if values["rounding"] == "trunc":
            floor = VoxelExplorer(**values | {"rounding": "floor"})
            assert f" {python.doubled} of {N} points" in shown.said
            counts = f"floor makes {len(floor.coords)} voxels, trunc {len(python.coords)}."
            assert shown.said.endswith(counts)
        else:
            existing = int((python.neighbours >= 0).sum())
            assert shown.said.startswith(f"{existing} of the 27 exist")


@pytest.mark.parametrize("seed", range(8))
def test_python_agrees_with_the_operators(seed):
    explorer = VoxelExplorer(**state(seed))
    points, size = explorer.points, explorer.voxel_size
    if explorer.rounding == "floor":
        voxels = voxelize(points, size, origin=torch.zeros(3))
        assert explorer.coords.equal(voxels.coords) and explorer.inverse.equal(voxels.inverse)
        assert explorer.shape == voxels.shape
    cell = getattr(torch, explorer.rounding)(points.double() / size).long().flip(1)
    zyx = explorer.coords[explorer.inverse, 1:]
    assert (zyx - cell == (zyx - cell)[0]).all()  # one shift for all
    assert zyx.amin() == 0 and tuple((zyx.amax(0) + 1).tolist()) == explorer.shape
    D, H, W = explorer.shape
    b, z, y, x = explorer.coords.T
    assert explorer.flat.equal(((b * D + z) * H + y) * W + x)
    assert explorer.flat.equal(ravel_index(explorer.coords, (1, D, H, W)))
    assert explorer.flat.diff().min() > 0
    assert explorer.neighbours.equal(neighbour_index(explorer.coords)[explorer.row])


def test_trunc_doubles_the_cells_at_zero():
    line = torch.tensor([[-1.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [1.5, 0.5, 0.5]])
    floor = VoxelExplorer(line, voxel_size=1.0)
    trunc = VoxelExplorer(line, voxel_size=1.0, rounding="trunc")
    assert floor.inverse.tolist() == [0, 1, 2, 3]
    assert trunc.inverse.tolist() == [0, 1, 1, 2]


def test_controls_by_mouse(instrument):
    shown = instrument("VoxelExplorer")
    shown.control("rounding").get_by_label("trunc").check()
    shown.settle()
    assert shown.get("rounding") == "trunc" and "Cell 0 reaches from −1.5 to 1.5 m" in shown.said
    shown.control("rounding").get_by_label("floor").check()
    shown.control("snap").locator("input").check()
    shown.control("voxel_size").locator("input").click(position={"x": 5, "y": 12})
    shown.settle()
    assert shown.get("snap") is True and shown.get("voxel_size") < 0.7
    check(shown, VoxelExplorer(voxel_size=shown.get("voxel_size")))
    row = int(value(shown, "row"))
    for name, by in [("next", 1), ("next", 2), ("previous", 1)]:
        shown.control("flat").get_by_role("button", name=f"{name} flat index").click()
        shown.settle()
        assert int(value(shown, "row")) == row + by


def test_controls_by_keyboard(instrument):
    shown = instrument("VoxelExplorer")
    keyboard = shown.page.keyboard
    shown.control("rounding").get_by_label("floor").focus()
    keyboard.press("ArrowRight")
    assert shown.get("rounding") == "trunc"
    keyboard.press("ArrowLeft")
    shown.control("voxel_size").locator("input").focus()
    keyboard.press("ArrowRight")
    assert shown.get("voxel_size") == pytest.approx(1.6)
    keyboard.press("ArrowLeft")
    shown.control("snap").locator("input").focus()
    keyboard.press("Space")
    assert shown.get("snap") is True
    python = VoxelExplorer()
    field = shown.control("flat").locator("input")
    field.fill(str(int(python.flat[7])))
    keyboard.press("Enter")
    shown.settle()
    assert value(shown, "row") == "7"
    keyboard.press("ArrowUp")
    shown.settle()
    assert value(shown, "row") == "8"
    canvas(shown).focus()
    for key in "npp":
        keyboard.press(key)
        shown.settle()
    assert value(shown, "row") == "7"


def test_a_tap_picks_the_voxel(instrument):
    shown = instrument("VoxelExplorer")
    python = VoxelExplorer()
    for wanted in (0, 300, 700):
        tap(shown, python.points[wanted].tolist())
        got = shown.get("point")
        assert together(shown, python.points[got].tolist(), python.points[wanted].tolist())
        assert value(shown, "row") == str(int(python.inverse[got]))


def test_a_neighbour_lights_up_and_is_walked_to(instrument):
    shown = instrument("VoxelExplorer")
    python = VoxelExplorer()
    shown.cell("neighbours", 0, 0, 0).focus()
    for key in ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight"]:
        shown.page.keyboard.press(key)  # the third step goes on to the next slab
    shown.settle()
    assert shown.marked("neighbours") == [(1, 1, 1)]
    shown.page.keyboard.press("ArrowRight")
    shown.settle()
    right = int(python.neighbours[14])
    there = ", ".join(map(str, python.coords[right].tolist()))
    flat = int(python.flat[right])
    assert shown.line.endswith(f"+ (0, 0, 0, 1) = ({there}) → flat {flat} → row {right}")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert value(shown, "row") == str(right)
    missing = python.neighbours.tolist().index(-1)
    shown.set(point=python.point)
    shown.cell("neighbours", *TAPS[missing]).hover()
    shown.settle()
    assert shown.line.endswith("→ no voxel: −1")
    shown.cell("neighbours", 1, 2, 1).dblclick()
    shown.settle()
    assert value(shown, "row") == str(int(python.neighbours[16]))


def test_the_tape(instrument):
    """The picked voxel and its six nearest stand where their flat indices are."""
    shown = instrument("VoxelExplorer")
    for seed in range(10):
        values = state(seed)
        shown.set(**values)
        python = VoxelExplorer(**values)
        D, H, W = python.shape
        width = shown.root.locator(".g3x-tape").evaluate("tape => tape.clientWidth")

        def place(kind, shown=shown, width=width, cells=D * H * W):
            bars = shown.root.locator(f".g3x-tape rect.{kind}").evaluate_all(
                "bars => bars.map((bar) => [+bar.getAttribute('x'), +bar.getAttribute('width')])"
            )
            return sorted(round((x + w / 2 - 1) * cells / (width - 2) - 0.5) for x, w in bars)

        assert place("source") == python.flat.tolist()
        assert place("index") == [int(python.flat[python.row])]
        six = [python.neighbours[tap] for tap in (4, 10, 12, 14, 16, 22)]
        assert place("result") == [int(python.flat[row]) for row in six if row >= 0]


def test_the_camera(instrument):
    shown = instrument("VoxelExplorer")
    check_camera(shown, HOME)
    assert shown.get("point") == VoxelExplorer().point


@pytest.mark.parametrize("text", ["", "x", "NaN", "1.5", "-1", "192", "9999999"])
def test_a_typed_flat_index_is_refused_in_words(instrument, text):
    shown = instrument("VoxelExplorer")
    before = value(shown, "row")
    shown.control("flat").locator("input").fill(text)
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal.startswith("flat index: got") and "wanted" in shown.refusal
    assert value(shown, "row") == before
    shown.page.keyboard.press("Escape")
    shown.settle()
    assert shown.refusal == ""


def test_a_place_without_points_has_no_row(instrument):
    shown = instrument("VoxelExplorer")
    python = VoxelExplorer()
    empty = next(n for n in range(192) if n not in python.flat.tolist())
    _, H, W = python.shape
    shown.control("flat").locator("input").fill(str(empty))
    shown.page.keyboard.press("Enter")
    shown.settle()
    place = f"(0, {empty // W // H}, {empty // W % H}, {empty % W})"
    assert shown.refusal == f"flat index {empty} is {place}, where no point lies: it has no row"


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"voxel_size": 0}, "voxel_size: got 0, wanted a finite number above 0"),
        ({"voxel_size": None}, "voxel_size: got null, wanted"),
        ({"point": 9999}, "point: got 9999, wanted 0 … 1072"),
        ({"rounding": "round"}, "rounding: got round, wanted floor or trunc"),
        ({"voxel_size": 1e-7}, "voxel_size: got 1e-7, which makes more cells"),
    ],
)
def test_bad_state_is_told_in_words_and_mended(instrument, traits, words):
    shown = instrument("VoxelExplorer")
    before = {name: shown.get(name) for name in traits}
    shown.set(**traits)
    assert words in shown.refusal and shown.said == "There are no voxels."
    shown.set(**before)
    check(shown, VoxelExplorer())


def test_other_clouds(instrument):
    shown = instrument("VoxelExplorer")
    give(shown, torch.empty(0, 3))
    assert shown.refusal == "points: got no points, wanted at least one"
    give(shown, torch.tensor([[0.0, float("inf"), 0]]))
    assert shown.refusal == "points: got Infinity in row 0, wanted finite numbers"
    shown.set(point=1)
    few = torch.tensor([[-0.2, 0.1, 0.1], [0.2, 0.1, 0.1], [7.0, -3.0, 2.0]])
    for rounding in ("floor", "trunc"):
        shown.set(rounding=rounding)
        give(shown, few)
        check(shown, VoxelExplorer(few, point=1, rounding=rounding))


def test_light_and_dark(instrument):
    check_theme(instrument("VoxelExplorer"))


def test_on_a_phone(instrument):
    shown = instrument("VoxelExplorer", width=375)
    check_narrow(shown)


def test_nothing_stays_behind(browser):
    check_ends(browser, VoxelExplorer())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points": torch.zeros(3)}, r"cloud: got shape \[3\], wanted \[N, 3\]"),
        ({"points": [[0, 0, float("inf")]]}, r"cloud: got inf at \[0, 2\]"),
        ({"voxel_size": 0.0}, "voxel_size: got 0.0, wanted a finite number above 0"),
        ({"voxel_size": float("nan")}, "voxel_size: got nan"),
        ({"rounding": "round"}, "rounding"),
        ({"point": N}, "point: got 1073, wanted 0 … 1072"),
    ],
)
def test_python_refuses(given, words):
    with pytest.raises(traitlets.TraitError, match=words):
        VoxelExplorer(**given)


def test_python_tells_when_there_are_too_many_cells():
    explorer = VoxelExplorer(voxel_size=1e-7)
    assert "wanted at most 2^63 - 1" in explorer.refusal
    assert explorer.coords is None and explorer.neighbours is None and explorer.row is None
