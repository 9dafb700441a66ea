"""NeighbourExplorer: the row on the page is what operators, k-d tree and plain loop find."""

import random

import pytest
import torch
import traitlets
from scipy.spatial import cKDTree
from tests.widgets.clouds import (
    camera,
    canvas,
    check_camera,
    check_ends,
    check_narrow,
    check_theme,
    give,
    row,
    tap,
    together,
)

from gather3d import ball_query, knn
from gather3d.widgets import NeighbourExplorer

N = 1391
HOME = (-2.5, 0.75, 2.4)


def state(seed: int) -> dict:
    draw = random.Random(seed)
    return {
        "query": draw.randrange(N),
        "method": ["knn", "ball", "first"][seed % 3],
        "k": draw.randint(1, 12),
        "radius": draw.randint(2, 30) / 20,
    }


def loop(points: list, query: int, radius: float, k: int) -> list[int]:
    """A ball query as CUDA kernels write it: stop at the k-th point inside."""
    index = []
    for n, point in enumerate(points):
        distance = sum((a - b) ** 2 for a, b in zip(point, points[query], strict=True)) ** 0.5
        if distance <= radius and len(index) < k:
            index.append(n)
    return index + [-1] * (k - len(index))


def test_fifty_states(instrument):
    shown = instrument("NeighbourExplorer")
    missing = left_out = 0
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = NeighbourExplorer(**values)
        assert row(shown, "index") == python.index.tolist(), values
        assert row(shown, "distance") == pytest.approx(python.distance.tolist(), rel=1e-3), values
        assert shown.refusal == ""
        missing += int((python.index == -1).sum())
        if values["method"] == "first":
            assert row(shown, "nearest") == python.nearest.tolist(), values
            wanted = set(python.nearest.tolist()) - set(python.index.tolist())
            marked = {row(shown, "nearest")[j] for (j,) in shown.marked("nearest")}
            assert marked == wanted
            wrong = shown.root.locator('[data-table="index"] .wrong').all_text_contents()
            assert set(map(int, wrong)) == set(python.index.tolist()) - set(python.nearest.tolist())
            left_out += len(wanted)
        if values["method"] != "knn":
            assert shown.said.startswith(f"{python.within} point")
    assert missing > 20 and left_out > 20


@pytest.mark.parametrize("seed", range(12))
def test_python_agrees_with_other_searches(seed):
    values = state(seed)
    explorer = NeighbourExplorer(**values)
    points, query = explorer.points.double(), explorer.query
    here, cloud = points[None, query : query + 1], points[None]
    if explorer.method == "first":
        wanted = loop(points.tolist(), query, explorer.radius, explorer.k)
        assert explorer.index.tolist() == wanted
    elif explorer.method == "knn":
        distance, index = cKDTree(points).query(points[query], range(1, explorer.k + 1))
        assert explorer.index.tolist() == index.tolist()
        assert explorer.index.equal(knn(here, cloud, explorer.k)[1][0, 0])
        assert explorer.distance.tolist() == pytest.approx(distance.tolist())
    else:
        inside = cKDTree(points).query_ball_point(points[query], explorer.radius)
        assert explorer.within == len(inside)
        found = explorer.index[explorer.index >= 0].tolist()
        assert set(found) <= set(inside) and len(found) == min(explorer.k, len(inside))
        wanted = ball_query(here, cloud, explorer.radius, explorer.k)
        assert explorer.index.equal(wanted[1][0, 0]) and explorer.distance.equal(wanted[0][0, 0])


def test_first_state_shows_missing_neighbours(instrument):
    shown = instrument("NeighbourExplorer")
    assert row(shown, "index")[-2:] == [-1, -1]
    assert "so it ends in 2 × −1" in shown.said
    assert shown.line == "distance, index = ball_query(query, points, radius=0.45, k=6)"


def test_a_tap_picks_the_query(instrument):
    shown = instrument("NeighbourExplorer")
    points = NeighbourExplorer().points.tolist()
    for wanted in (773, 620):
        tap(shown, points[wanted])
        assert together(shown, points[shown.get("query")], points[wanted])
    assert f"of point {shown.get('query')}" in shown.said


def test_controls_by_mouse(instrument):
    shown = instrument("NeighbourExplorer")
    shown.control("method").get_by_label("first K").check()
    shown.settle()
    assert shown.get("method") == "first" and row(shown, "nearest")
    shown.control("method").get_by_label("k nearest").check()
    shown.settle()
    assert not shown.control("radius").is_visible() and -1 not in row(shown, "index")
    shown.control("method").get_by_label("ball").check()
    for name in ("k", "radius"):
        before = shown.get(name)
        slider = shown.control(name).locator("input")
        slider.click(position={"x": 5, "y": 12})
        shown.settle()
        assert shown.get(name) < before
    shown.control("query").get_by_role("button", name="next query").click()
    shown.control("query").get_by_role("button", name="next query").click()
    shown.control("query").get_by_role("button", name="previous query").click()
    shown.settle()
    assert (
        shown.get("query") == 740 and shown.control("query").locator("input").input_value() == "740"
    )


def test_controls_by_keyboard(instrument):
    shown = instrument("NeighbourExplorer")
    keyboard = shown.page.keyboard
    shown.control("method").get_by_label("ball").focus()
    keyboard.press("ArrowRight")
    assert shown.get("method") == "first"
    shown.control("k").locator("input").focus()
    keyboard.press("ArrowRight")
    assert shown.get("k") == 7
    shown.control("radius").locator("input").focus()
    keyboard.press("ArrowRight")
    assert shown.get("radius") == pytest.approx(0.5)
    field = shown.control("query").locator("input")
    field.fill("100")
    keyboard.press("Enter")
    keyboard.press("ArrowUp")
    shown.settle()
    assert shown.get("query") == 101
    field.fill("0")
    keyboard.press("Enter")
    keyboard.press("ArrowDown")  # round to the last
    shown.settle()
    assert shown.get("query") == N - 1
    canvas(shown).focus()
    keyboard.press("n")
    keyboard.press("n")
    keyboard.press("p")
    shown.settle()
    assert shown.get("query") == 0


def test_walking_along_the_row(instrument):
    shown = instrument("NeighbourExplorer")
    shown.cell("index", 0).focus()
    shown.page.keyboard.press("ArrowRight")
    shown.settle()
    second = row(shown, "index")[1]
    assert shown.marked("index") == shown.marked("distance") == [(1,)]
    assert shown.said.startswith(f"Neighbour 1 is point {second:.0f}, 0.1918 m away")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("query") == second and row(shown, "index")[0] == second
    shown.cell("index", 2).hover()
    shown.settle()
    assert shown.marked("index") == [(2,)]
    third = row(shown, "index")[2]
    shown.cell("index", 2).dblclick()
    shown.settle()
    assert shown.get("query") == third


def test_the_camera(instrument):
    shown = instrument("NeighbourExplorer")
    check_camera(shown, HOME)
    assert shown.get("query") == 739


@pytest.mark.parametrize("text", ["", "x", "NaN", "1.5", "-1", "99999"])
def test_a_typed_query_is_refused_in_words(instrument, text):
    shown = instrument("NeighbourExplorer")
    field = shown.control("query").locator("input")
    field.fill(text)
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal.startswith("query: got") and "wanted" in shown.refusal
    assert shown.get("query") == 739 and field.get_attribute("aria-invalid") == "true"
    shown.page.keyboard.press("Escape")
    shown.settle()
    assert shown.refusal == "" and field.input_value() == "739"


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"query": 5000}, "query: got 5000, wanted 0 … 1390"),
        ({"query": -1}, "query: got -1"),
        ({"radius": 0}, "radius: got 0, wanted a finite number above 0"),
        ({"k": 0}, "k: got 0, wanted a whole number"),
        ({"k": 2.5}, "k: got 2.5"),
        ({"method": "cube"}, "method: got cube"),
    ],
)
def test_bad_state_is_told_in_words_and_mended(instrument, traits, words):
    shown = instrument("NeighbourExplorer")
    before = {name: shown.get(name) for name in traits}
    shown.set(**traits)
    assert words in shown.refusal and shown.said == "There is no row."
    shown.set(**before)
    assert shown.refusal == "" and len(row(shown, "index")) == 6


def test_other_clouds(instrument):
    shown = instrument("NeighbourExplorer")
    give(shown, torch.empty(0, 3))
    assert shown.refusal == "points: got no points, wanted at least one"
    give(shown, torch.tensor([[0.0, 0, 0], [float("nan"), 0, 0]]))
    assert shown.refusal == "points: got NaN in row 1, wanted finite numbers"
    shown.set(query=0)
    few = torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0.1, 0, 0]])
    give(shown, few)
    assert row(shown, "index") == [0, 2, 1, -1, -1, -1]
    shown.set(method="knn")
    python = NeighbourExplorer(few, method="knn")
    assert shown.refusal == python.refusal == "k: got 6, wanted at most the 3 points there are"
    assert python.index is None and python.distance is None
    give(shown, few[:1])
    shown.set(k=1)
    assert row(shown, "index") == [0] and camera(shown) == HOME


def test_light_and_dark(instrument):
    check_theme(instrument("NeighbourExplorer"))


def test_on_a_phone(instrument):
    shown = instrument("NeighbourExplorer", width=375)
    shown.set(method="first", k=12)
    check_narrow(shown)


def test_nothing_stays_behind(browser):
    check_ends(browser, NeighbourExplorer())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points": torch.zeros(4, 2)}, r"cloud: got shape \[4, 2\], wanted \[N, 3\]"),
        ({"points": []}, "cloud: got shape"),
        ({"points": torch.empty(0, 3)}, "cloud: got no points"),
        ({"points": [[0, 0, 0], [1, 2]]}, "cloud: wanted numbers"),
        ({"points": "here"}, "cloud: wanted numbers"),
        ({"points": [[0, 0, float("nan")]]}, r"cloud: got nan at \[0, 2\], wanted finite numbers"),
        ({"points": b"12345"}, "cloud: got 5 bytes"),
        ({"query": 2000}, "query: got 2000, wanted 0 … 1390"),
        ({"k": 0}, "k: got 0, wanted 1 … 12"),
        ({"radius": -1.0}, "radius: got -1.0, wanted"),
        ({"radius": float("nan")}, "radius: got nan, wanted"),
        ({"method": "cube"}, "method"),
    ],
)
def test_python_refuses(given, words):
    with pytest.raises(traitlets.TraitError, match=words):
        NeighbourExplorer(**given)


def test_python_takes_another_cloud():
    explorer = NeighbourExplorer()
    explorer.cloud = torch.zeros(5, 3)
    assert explorer.query == 0 and explorer.points.shape == (5, 3)
