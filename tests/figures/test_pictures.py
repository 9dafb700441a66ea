"""The pictures that matplotlib draws: what they show, and what a page gets of them."""

import base64
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from gather3d import figures
from gather3d.figures import palette

WORDS = {"caption": "What to notice.", "alt": "What it shows."}
WORK = {"few": (1e6, 4e6, 1e-3), "many": (1e9, 1e7, 2e-2)}  # operations, bytes, seconds
MACHINE = {"bandwidth": {"memory": 1e10, "cache": 4e10}, "peak": 1e11}
X = [1.0, 10.0, 100.0]

EVERY = {
    "line": lambda: figures.chart(
        figures.line(X, X, name="a", dots=True), x="m", y="s", log_x=True, **WORDS
    ),
    "bars": lambda: figures.chart(
        figures.bars(["a", "b"], [1, 2]), figures.bars(["c"], [3], role="wrong"), **WORDS
    ),
    "markers": lambda: figures.chart(
        figures.markers(X, X, [1, 2, 3], label="v"), figures.arrows([[1, 1]], [[9, 9]]), **WORDS
    ),
    "cells": lambda: figures.chart(
        figures.markers([0, 1], [0, 0], text=["7", "8"], symbol="square", size=30), **WORDS
    ),
    "roofline": lambda: figures.roofline(WORK, **MACHINE, **WORDS),
    "image": lambda: figures.image(torch.arange(12.0).reshape(3, 4), label="v", **WORDS),
    "images": lambda: figures.images({"a": torch.eye(3), "b": torch.zeros(3, 3)}, **WORDS),
    "matrix": lambda: figures.matrix(torch.eye(300), **WORDS),
}


def page(picture) -> BeautifulSoup:
    return BeautifulSoup(picture._repr_html_(), "html.parser")


def drawn(picture) -> tuple[np.ndarray, list[float]]:
    """The image of numbers in a picture, as RGBA, and its box: left, top, right, bottom."""
    image = page(picture).select_one("svg image")
    content = base64.b64decode(image["href"].partition("base64,")[2])
    left, top, width, height = (float(image[key]) for key in ("x", "y", "width", "height"))
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    return pixels, [left, top, left + width, top + height]


# ---- what a page gets


@pytest.mark.parametrize("name", EVERY)
def test_a_picture_is_a_figure_with_its_words(name):
    picture = EVERY[name]()
    assert isinstance(picture, matplotlib.figure.Figure)
    figure = page(picture).select_one("figure.g3-picture")
    assert figure.svg["role"] == "img" and figure.svg["aria-label"] == WORDS["alt"]
    assert figure.figcaption.contents[0] == WORDS["caption"]
    assert repr(picture) == "Picture: What it shows."
    ElementTree.fromstring(picture.svg())
    assert not figure.select("script, link, [href^=http], [src]")


@pytest.mark.parametrize("name", EVERY)
def test_colours_are_the_pages_own(name):
    """Each of the palette's is a variable with the value to fall back on; words have none."""
    svg = EVERY[name]().svg()
    bare = re.sub(r"var\(--g3-[\w-]+, #\w+\)", "", svg)
    assert not any(colour.lower() in bare.lower() for colour in palette.ROLES.values())
    assert "var(--g3-" in svg
    assert all("fill" not in text.attrs for text in BeautifulSoup(svg, "html.parser")("text"))


def test_a_colour_of_the_readers_stays():
    picture = EVERY["line"]()
    picture.axes[0].set_title("mine", color="#123456")
    assert '"#123456"' in picture.svg() and ">mine</text>" in picture.svg()


def test_names_differ_from_picture_to_picture():
    one, two = (EVERY[name]().svg() for name in ("line", "bars"))
    names = re.findall(r'id="([^"]+)"', one + two)
    assert len(set(names)) == len(names) > 2
    assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', one + two)) == set(names)


def test_bytes_are_the_same_in_every_process_whatever_the_readers_settings():
    code = (
        "import hashlib, sys\n"
        "import matplotlib\n"
        "matplotlib.rcParams.update({'font.size': 30, 'axes.facecolor': 'red',"
        " 'svg.fonttype': 'path', 'text.color': 'blue'} if sys.argv[1] == 'other' else {})\n"
        "from tests.figures.test_pictures import EVERY\n"
        "html = ''.join(EVERY[name]()._repr_html_() for name in ('line', 'bars', 'image'))\n"
        "print(hashlib.sha256(html.encode()).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, which],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for which, seed in (("own", "1"), ("other", "2"))
    }
    assert len(outputs) == 1


def test_pictures_are_small_enough_for_a_page():
    curve = figures.line(np.linspace(0, 1, 400), np.random.default_rng(0).random(400))
    assert len(figures.chart(curve, **WORDS)._repr_html_()) < 13_000
    cloud = np.random.default_rng(0).random((2, 2000))
    assert len(figures.chart(figures.markers(*cloud, size=2), **WORDS)._repr_html_()) < 60_000
    assert len(figures.image(torch.rand(1000, 1000), **WORDS)._repr_html_()) < 100_000
    assert len(figures.matrix(torch.ones(600, 600), **WORDS)._repr_html_()) < 12_000


# ---- what is drawn


def test_a_chart_can_be_changed():
    picture = EVERY["line"]()
    before = picture.svg()
    picture.axes[0].lines[0].set_linewidth(5)
    assert before != picture.svg() and 'stroke-width="5"' in picture.svg()


def test_a_logarithmic_axis_is_labelled_as_a_reader_would():
    axes = figures.chart(figures.line([0.05, 2], [1, 1e7]), log_x=True, log_y=True, **WORDS).axes[0]
    axes.figure.draw_without_rendering()
    words = [
        [text.get_text() for text in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis)
    ]
    assert {"0.05", "0.1", "0.2", "0.5", "1", "2"} <= set(words[0])
    assert {"1", "10⁶"} <= set(words[1])  # and not 1,000,000


def test_a_legend_has_as_many_lines_as_it_needs():
    names = ["western half (studied)", "eastern half (never studied)", "the mean", "linear rule"]
    lines = [figures.line([0, 1], [0, k], name=name) for k, name in enumerate(names)]
    texts = page(figures.chart(*lines, **WORDS)).select("svg text")
    ends = [float(t["x"]) + 5.5 * len(t.text) for t in texts if t.text in names]
    assert len(ends) == 4 and max(ends) < 400


def test_a_roofline_is_the_lower_of_two_limits():
    picture = figures.roofline(WORK, **MACHINE, **WORDS)
    memory, cache, _ = picture.axes[0].lines
    for roof, slope in ((memory, 10), (cache, 40)):
        x, y = roof.get_data()
        assert y == pytest.approx([min(100, slope * at) for at in x])
        assert x[0] < 0.25 and x[1] == 100 / slope and x[2] > 100
    assert memory.get_linestyle() != cache.get_linestyle()
    assert picture.numbers[1] == [["few", 0.25, 1.0], ["many", 100, 50]]
    few, many = picture.axes[0].texts
    assert (few.get_ha(), many.get_ha()) == ("left", "right")  # within the picture


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_an_image_keeps_its_values_and_its_places(origin):
    array = torch.arange(6.0).reshape(2, 3)
    array[0, 1] = torch.nan
    picture = figures.image(array, extent=(0, 30, 100, 120), origin=origin, **WORDS)
    pixels, (left, top, right, bottom) = drawn(picture)
    assert pixels.shape == (2, 3, 4) and right - left == pytest.approx(1.5 * (bottom - top), 0.01)
    rows = pixels if origin == "upper" else pixels[::-1]
    scale = figures.marks.colours(palette.SCALE)
    for i, j in np.ndindex(2, 3):
        wanted = [0, 0, 0, 0] if (i, j) == (0, 1) else scale(float(array[i, j]) / 5, bytes=True)
        assert tuple(rows[i, j]) == tuple(wanted)
    axes = picture.axes[0]
    assert axes.get_xlim() == (0, 30)
    assert axes.get_ylim() == ((120, 100) if origin == "upper" else (100, 120))


@pytest.mark.parametrize(
    ("extent", "whole"), [(None, True), ((-1.5, 1.5, -1.5, 1.5), True), ((0, 1, 0, 1), False)]
)
def test_a_column_that_has_a_number_is_named_by_it(extent, whole):
    axes = figures.image(torch.rand(3, 3), extent=extent, **WORDS).axes[0]
    axes.figure.draw_without_rendering()
    for axis in (axes.xaxis, axes.yaxis):
        assert all(tick % 1 == 0 for tick in axis.get_ticklocs()) is whole


def test_a_large_image_says_what_it_leaves_out():
    axes = figures.image(torch.rand(1000, 10), **WORDS).axes[0]
    assert axes.images[0].get_array().shape == (256, 10)
    assert axes.get_ylabel() == "row, 256 of 1000"


def test_images_share_one_scale():
    picture = figures.images(
        {"a": torch.tensor([[0.0, 1]]), "b": torch.tensor([[2.0, 9]])}, **WORDS
    )
    *images, bar = picture.axes
    assert {axes.images[0].get_clim() for axes in images} == {(0.0, 9.0)}
    assert [axes.get_title() for axes in images] == ["a", "b"] and bar.get_xlim() == (0, 9)


def test_a_large_matrix_has_a_spot_where_it_is_not_zero():
    some = torch.sparse_coo_tensor(
        [[7, 7, 45], [95, 96, 0]], [1.0] * 3, (50, 100), check_invariants=True
    )
    picture = figures.matrix(some, rows="r", columns="c", **WORDS)
    (spots,) = picture.axes[0].patches
    boxes = spots.get_path().vertices.reshape(-1, 5, 2)
    corners = [(*box.min(axis=0), *box.max(axis=0)) for box in boxes]  # x, y, x, y
    assert corners == [(94.5, 6.5, 96.5, 7.5), (-0.5, 44.5, 0.5, 45.5)]
    assert picture.axes[0].get_title() == "3 nonzeros, 0.06 %"
    assert picture.axes[0].get_xlabel() == "c (100)" and picture.axes[0].get_ylabel() == "r (50)"
    large = figures.matrix(torch.eye(3000).to_sparse(), **WORDS).axes[0].patches[0]
    assert len(large.get_path().vertices) == 5 * 180  # more could not be told apart


# ---- its numbers, one step away


def rows(picture) -> list[list[str]]:
    table = page(picture).select_one("details table")
    return [[cell.text for cell in row.select("th, td")] for row in table.select("tr")]


def test_layers_with_the_same_x_are_columns_of_one_table():
    lines = [figures.line(X, [2 * v for v in X], name="a"), figures.line(X, X, name="b")]
    picture = figures.chart(*lines, x="size (m)", **WORDS)
    assert rows(picture)[:2] == [["size (m)", "a", "b"], ["1", "2", "1"]]
    assert len(rows(picture)) == 4


def test_layers_of_their_own_x_follow_one_another():
    layers = [figures.line([1, 2], [3, 4], name="a"), figures.markers([7], [8], [9], label="v")]
    picture = figures.chart(*layers, y="m", **WORDS)
    assert rows(picture) == [
        ["", "x", "m", "v"], ["a", "1", "3", ""], ["a", "2", "4", ""], ["", "7", "8", "9"],
    ]  # fmt: skip


def test_long_lines_are_listed_at_a_few_places_and_clouds_are_not():
    x = np.arange(400)
    listed = rows(figures.chart(figures.line(x, x**2), x="n", **WORDS))
    assert listed[0] == ["n, 24 of 400", "y"] and len(listed) == 25
    assert listed[1] == ["0", "0"] and listed[-1] == ["399", "159201"]
    cloud = figures.chart(figures.markers(x, x), **WORDS)
    assert cloud.numbers is None and not page(cloud).select("details")


def test_a_small_image_lists_its_numbers():
    assert rows(EVERY["image"]())[:2] == [["row", "0", "1", "2", "3"], ["0", "0", "1", "2", "3"]]
    assert rows(EVERY["images"]())[4][0] == "b 0"
    assert figures.image(torch.rand(30, 30), **WORDS).numbers is None
