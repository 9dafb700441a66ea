"""MatrixExplorer: the matrix on the page is what `sources` finds, its transpose autograd's."""

import random

import pytest
import torch
import torch.nn.functional as F
import traitlets

from gather3d import trilinear_sample
from gather3d.widgets import MatrixExplorer

OPERATIONS = ["gather", "scatter-add", "trilinear", "convolution"]


def state(seed: int) -> dict:
    """A random operation with random parameters and vectors; in some the index does not fit."""
    draw = random.Random(seed)
    operation = OPERATIONS[seed % 4]
    size, count = draw.randint(1, 8), draw.randint(1, 8)
    wild = 2 if draw.random() < 0.25 else 0
    rows, columns = {
        "gather": (count, size),
        "scatter-add": (size, count),
        "trilinear": (count, 8),
        "convolution": (size, size),
    }[operation]
    if columns > 1 and draw.random() < 0.1:
        columns -= 1
    return {
        "operation": operation,
        "x": [draw.choice([draw.randint(-9, 9), draw.gauss(0, 9)]) for _ in range(columns)],
        "gradient": [draw.choice([draw.randint(-9, 9), draw.gauss(0, 9)]) for _ in range(rows)],
        "index": [draw.randint(-wild, size - 1 + wild) for _ in range(count)],
        "size": size,
        "positions": [
            [draw.choice([0, 1, 0.25, draw.uniform(-0.5, 1.5), draw.uniform(-2, 3)]) for _ in "zyx"]
            for _ in range(count)
        ],
        "offsets": [draw.randint(-3, 3) for _ in range(3)],
        "taps": [draw.choice([-1, 0, 1, 2, draw.gauss(0, 1)]) for _ in range(3)],
        "transposed": draw.random() < 0.5,
    }


def full(shown, table: str) -> dict[tuple[int, ...], float]:
    """The unrounded numbers of a table, which its cells have as titles."""
    cells = shown.root.locator(f'[data-table="{table}"] [data-place]').evaluate_all(
        "cells => cells.map((cell) => [cell.dataset.place, cell.title])"
    )
    return {tuple(map(int, place.split(","))): float(text) for place, text in cells}


def entries(wanted: torch.Tensor) -> dict[tuple[int, ...], float]:
    return {tuple(p): float(wanted[tuple(p)]) for p in torch.ones_like(wanted).nonzero().tolist()}


def test_fifty_states(instrument):
    shown = instrument("MatrixExplorer")
    answered = refused = 0
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = MatrixExplorer(**values)
        if python.output is None:
            refused += 1
            torchs = "torch refuses: " if "bounds" in python.refusal else ""
            assert shown.refusal == torchs + python.refusal, values
            assert shown.numbers("matrix") == shown.numbers("result") == {}
            continue
        answered += 1
        S = python.matrix.T if values["transposed"] else python.matrix
        vector = torch.tensor(
            values["gradient" if values["transposed"] else "x"], dtype=torch.float64
        )
        assert shown.refusal == ""
        assert full(shown, "matrix") == pytest.approx(entries(S), abs=1e-12), values
        assert full(shown, "result") == pytest.approx(entries(python.output), abs=1e-9), values
        assert torch.allclose(python.output, S @ vector)
        # what is written in the cells is the same, rounded to 3, 4 and 4 digits
        assert shown.numbers("matrix") == pytest.approx(entries(S), rel=5.1e-3, abs=1e-12)
        assert shown.numbers("result") == pytest.approx(full(shown, "result"), rel=5.1e-4)
        assert shown.numbers("vector") == pytest.approx(entries(vector), rel=5.1e-4)
    assert answered > 30 and refused > 5


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_call_is_that_call(instrument, operation, transposed):
    shown = instrument("MatrixExplorer")
    shown.control("operation").get_by_label(operation).check()
    shown.settle()
    shown.set(transposed=transposed, offsets=[-2, 0, 2])
    names = {"torch": torch, "F": F, "trilinear_sample": trilinear_sample}
    names |= {
        name: torch.tensor(shown.get(name), dtype=torch.float64)
        for name in ("x", "gradient", "positions", "taps")
    }
    names["index"] = torch.tensor(shown.get("index"))
    # torch.zeros of a program is float32; here all is float64
    call = shown.root.locator(".g3x-call").text_content()
    call = call.replace("torch.zeros(6)", "torch.zeros(6).double()")
    x = names["x"].requires_grad_(operation == "trilinear")
    answer = eval(call, names)
    answer = x.grad if answer is None else answer.detach().flatten()
    assert shown.numbers("result") == pytest.approx(entries(answer), rel=5.1e-4)


def test_convolution_is_torchs():
    explorer = MatrixExplorer("convolution", x=torch.randn(8).tolist(), offsets=[-2, 0, 2])
    explorer.taps = [0.5, -1, 3]
    x = torch.tensor(explorer.x, dtype=torch.float64)
    taps = torch.tensor(explorer.taps, dtype=torch.float64)
    wanted = F.conv1d(x[None], taps[None, None], padding=2, dilation=2)[0]
    assert torch.allclose(explorer.output, wanted)


def test_pointing_at_a_row_and_at_a_column(instrument):
    shown = instrument("MatrixExplorer")
    assert shown.marked("result") == [(1,)] and shown.marked("vector") == [(0,)]
    shown.cell("matrix", 3, 1).hover()
    shown.settle()
    assert shown.marked("matrix") == [(3, i) for i in range(6)]
    assert shown.marked("vector") == [(5,)] and shown.marked("index") == [(3,)]
    assert shown.line == "out[3] = 1·60 = 60"
    assert "Row 3 is the reading list of out[3]: x[5]." in shown.said
    assert shown.root.locator(".g3x-arrows g").count() == 2
    shown.cell("vector", 0).hover()
    shown.settle()
    assert shown.marked("matrix") == [(m, 0) for m in range(4)]
    assert shown.marked("result") == [(1,), (2,)] and shown.line == "x[0] → out[1], out[2]"
    assert "who reads x[0]: 2 of 4" in shown.said
    shown.cell("vector", 1).hover()
    shown.settle()
    assert shown.line == "x[1] → nothing" and shown.marked("result") == []


def test_keyboard(instrument):
    shown = instrument("MatrixExplorer")
    shown.cell("result", 0).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowDown")
    shown.settle()
    assert shown.marked("result") == [(3,)]
    shown.cell("index", 3).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.settle()
    assert shown.get("index")[3] == 4 and shown.numbers("matrix")[3, 4] == 1
    shown.page.keyboard.type("1")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("index")[3] == 1 and shown.numbers("result")[(3,)] == 20
    shown.control("transposed").locator("input").focus()
    shown.page.keyboard.press("Space")
    shown.settle()
    assert shown.get("transposed") and shown.marked("vector") == [(3,)]
    shown.page.keyboard.press("Escape")


def test_transpose_turns_the_reading_round(instrument):
    shown = instrument("MatrixExplorer")
    shown.control("transposed").locator("input").check()
    shown.settle()
    assert shown.line == "gradient[1] → x.grad[0]"
    assert "Gather's backward is scatter-add with the same index." in shown.said
    assert list(shown.numbers("result").values()) == [5, 0, 0, 1, 0, 4]
    shown.cell("result", 0).hover()
    shown.settle()
    assert shown.line == "x.grad[0] = 1·2 + 1·3 = 5"


def test_trilinear(instrument):
    shown = instrument("MatrixExplorer")
    shown.control("operation").get_by_label("trilinear").check()
    shown.settle()
    assert set(list(shown.numbers("matrix").values())[:8]) == {0.125}
    assert "The weights add up to 1." in shown.said
    shown.cell("positions", 0, 2).fill("1.5")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert "The weights add up to 0.5." in shown.said
    shown.control("index: one more").click()
    shown.settle()
    assert len(shown.get("positions")) == len(shown.get("gradient")) == 4
    assert shown.numbers("result")[(3,)] == 35


def test_convolution(instrument):
    shown = instrument("MatrixExplorer")
    shown.control("operation").get_by_label("convolution").check()
    shown.settle()
    assert not shown.control("index").is_visible()
    shown.cell("offsets", 2).focus()
    shown.page.keyboard.press("ArrowUp")
    shown.settle()
    assert shown.numbers("matrix")[0, 2] == 4
    assert shown.root.locator(".g3x-call").text_content().startswith("out[o] = Σ")
    shown.cell("taps", 2).fill("0.5")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.numbers("matrix")[0, 2] == 0.5


@pytest.mark.parametrize("operation", OPERATIONS[:2])
def test_more_and_less(instrument, operation):
    shown = instrument("MatrixExplorer")
    shown.control("operation").get_by_label(operation).check()
    for _ in range(4):
        shown.control("index: one more").click()
    shown.settle()
    assert len(shown.get("index")) == 8 and shown.control("index: one more").is_disabled()
    assert shown.refusal == "" and len(shown.numbers("matrix")) == 48
    for _ in range(7):
        shown.control("index: one less").click()
    shown.settle()
    assert len(shown.numbers("matrix")) == 6 and shown.control("index: one less").is_disabled()


@pytest.mark.parametrize(
    ("table", "place", "text", "words"),
    [
        ("index", (1,), "6", "torch refuses: index 6 is out of bounds for dimension 0 with size 6"),
        ("index", (1,), "−1", "torch refuses: index -1 is out of bounds"),
        ("index", (1,), "0.5", 'index: got "0.5", wanted a whole number'),
        ("vector", (1,), "NaN", 'x: got "NaN", wanted a finite number'),
        ("vector", (1,), "", 'x: got "", wanted a finite number'),
    ],
)
def test_bad_input_is_refused_in_words(instrument, table, place, text, words):
    shown = instrument("MatrixExplorer")
    shown.cell(table, *place).fill(text)
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert words in shown.refusal
    wrong = shown.root.locator(f'[data-table="{table}"] .wrong')
    assert wrong.count() == 1 and wrong.get_attribute("data-place") == str(place[0])
    shown.cell(table, *place).fill("3")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal == "" and wrong.count() == 0


def test_nothing_is_wider_than_a_phone(instrument):
    shown = instrument("MatrixExplorer", width=375)
    for operation in OPERATIONS:
        for transposed in (False, True):
            shown.control("operation").get_by_label(operation).check()
            shown.set(transposed=transposed)
            assert shown.page.evaluate("document.documentElement.scrollWidth") == 375


def test_python():
    explorer = MatrixExplorer("gather", index=[0, 0, 1])
    assert explorer.refusal == "" and explorer.gradient == [1, 2, 3]
    explorer.operation = "trilinear"  # whose vectors have other lengths
    assert explorer.refusal == "" and explorer.output.shape == (3,)
    explorer.x = [1, 2]
    assert explorer.refusal == "x: got 2 numbers, wanted 8" and explorer.output is None
    with pytest.raises(traitlets.TraitError, match=r"positions: got shape .* wanted rows of"):
        explorer.positions = [[0, 1]]
    with pytest.raises(traitlets.TraitError, match=r"taps: got shape .* wanted three"):
        explorer.taps = [1]
    with pytest.raises(traitlets.TraitError, match="x: got inf"):
        explorer.x = [float("inf")]
    with pytest.raises(traitlets.TraitError, match=r"index: got shape .* 8 at most"):
        explorer.index = [0] * 9
    with pytest.raises(traitlets.TraitError, match=r"offsets: got 0.5, wanted whole numbers"):
        explorer.offsets = [0.5, 0, 1]
    with pytest.raises(traitlets.TraitError, match="operation"):
        explorer.operation = "sum"
