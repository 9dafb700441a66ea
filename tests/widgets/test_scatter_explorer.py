"""ScatterExplorer: what stands on the page is what torch scatters in float32, bit for bit."""

import random

import numpy as np
import pytest
import torch
import traitlets

from gather3d.widgets import ScatterExplorer

AWKWARD = [1e8, -1e8, 3e7, 0.1, 0.2, 0.3, 0.7, 1, -1]


def state(seed: int) -> dict:
    """Random values, targets, order and progress; in some the index does not fit."""
    draw = random.Random(seed)
    count, size = draw.randint(0, 8), draw.randint(1, 6)
    wild = 2 if draw.random() < 0.2 else 0
    extra = draw.choice([0, 0, 0, 0, 1, -1])  # an index that is longer or shorter than the values
    places = max(0, count + extra)
    return {
        "values": [draw.choice([*AWKWARD, draw.gauss(0, 9)]) for _ in range(count)],
        "index": [draw.randrange(-wild, size + wild) for _ in range(places)],
        "size": size,
        "reduce": draw.choice(["replace", "sum", "mean", "amax"]),
        "order": draw.sample(range(places), draw.randint(0, places)),
        "written": draw.choice([None, None, draw.randint(0, places + 1)]),
        "back": draw.random() < 0.25,
    }


def by_torch(values, index, size, reduce, turns) -> torch.Tensor:
    """torch's own operation; for replace the loop, whose last value stays."""
    sent = torch.tensor(values, dtype=torch.float32)[turns]
    slots, zeros = torch.tensor(index, dtype=torch.int64)[turns], torch.zeros(size)
    if reduce == "replace":
        for slot, value in zip(slots.tolist(), sent, strict=True):
            zeros[slot] = value
        return zeros
    if reduce == "sum":
        return zeros.scatter_add(0, slots, sent)
    return zeros.scatter_reduce(0, slots, sent, reduce, include_self=False)


def turns_of(index, order, written, **_) -> list[int]:
    return [*order, *(m for m in range(len(index)) if m not in order)][:written]


def same(shown: dict, wanted: torch.Tensor) -> bool:
    """Every number on the page is that float32."""
    return [np.float32(shown[k]) for k in sorted(shown)] == list(wanted.numpy())


def of_class(shown, table: str, name: str) -> list[int]:
    cells = shown.root.locator(f'[data-table="{table}"] .{name}[data-place]')
    return [int(k) for k in cells.evaluate_all("cells => cells.map((c) => c.dataset.place)")]


def test_fifty_states(instrument):
    shown = instrument("ScatterExplorer")
    answered = refused = differed = 0
    for seed in range(50):
        values = state(seed)
        shown.set(**values)
        python = ScatterExplorer(**values)
        parts = [values[name] for name in ("values", "index", "size", "reduce")]
        if python.output is None:
            refused += 1
            assert shown.refusal == f"torch refuses: {python.refusal}", values
            assert shown.numbers("out") == shown.numbers("reversed") == {}
            with pytest.raises(RuntimeError):
                index = torch.tensor(values["index"])
                torch.zeros(values["size"]).scatter(0, index, torch.tensor(values["values"]))
            continue
        answered += 1
        turns = turns_of(**values)
        slots, reverse = by_torch(*parts, turns), by_torch(*parts, turns[::-1])
        assert torch.equal(python.slots, slots) and torch.equal(python.reversed, reverse), values
        assert shown.refusal == "" and same(shown.numbers("out"), slots), values
        assert same(shown.numbers("reversed"), reverse), values
        other = (slots != reverse).nonzero().flatten().tolist()
        assert of_class(shown, "reversed", "wrong") == other, values
        differed += bool(other)
        counts = torch.tensor(values["index"], dtype=torch.int64)[turns].bincount(
            minlength=values["size"]
        )
        assert list(shown.numbers("writers").values()) == counts.tolist()
        ranks = {m: k + 1 for k, m in enumerate(turns_of(values["index"], values["order"], None))}
        assert shown.numbers("turn") == {(m,): rank for m, rank in ranks.items()}
        if values["back"]:
            gathered = slots.gather(0, torch.tensor(values["index"], dtype=torch.int64))
            assert same(shown.numbers("back"), gathered) and torch.equal(python.output, gathered)
        else:
            assert shown.numbers("back") == {} and torch.equal(python.output, slots)
    assert answered > 20 and refused > 8 and differed > 5


def test_it_starts_with_two_answers(instrument):
    shown = instrument("ScatterExplorer")
    assert shown.numbers("out")[(2,)] == 6 and shown.numbers("reversed")[(2,)] == 3
    assert of_class(shown, "values", "lost") == [0, 2]
    assert of_class(shown, "out", "hot3") == [2]
    assert shown.line == "out[2] = 3, then 2, then 6 → 6"
    assert "This order leaves 6, its reverse 3; torch promises neither" in shown.said


def test_sum_and_its_almost(instrument):
    shown = instrument("ScatterExplorer")
    shown.control("reduce").get_by_label("sum").check()
    shown.settle()
    assert of_class(shown, "reversed", "wrong") == [] and "the same sum" in shown.said
    shown.control("1e8").click()
    shown.settle()
    assert shown.line == "out[1] = 1e8 − 1e8 + 1 = 1"
    assert "gives 0, not 1: float32 rounds" in shown.said
    shown.control("reverse").click()
    shown.settle()
    assert shown.line == "out[1] = 1 − 1e8 + 1e8 = 0"
    shown.control("tenths").click()
    shown.settle()
    assert of_class(shown, "reversed", "wrong") == [1] and shown.numbers("out")[(1,)] == 0.7
    shown.control("reduce").get_by_label("amax").check()
    shown.settle()
    assert of_class(shown, "reversed", "wrong") == [] and "in every order" in shown.said


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax"])
@pytest.mark.parametrize("back", [False, True])
def test_the_call_is_that_call(instrument, reduce, back):
    shown = instrument("ScatterExplorer")
    shown.set(reduce=reduce, back=back)
    names = {"torch": torch, "index": torch.tensor(shown.get("index"))}
    names["values"] = torch.tensor(shown.get("values"), dtype=torch.float32)
    names["out"] = ScatterExplorer(reduce=reduce).slots
    answer = eval(shown.root.locator(".g3x-call").text_content(), names)
    assert same(shown.numbers("back" if back else "out"), answer)


def test_replay_by_mouse_and_keyboard(instrument):
    shown = instrument("ScatterExplorer")
    shown.control("reverse").click()
    assert shown.get("order") == [4, 3, 2, 1, 0]
    shown.control("step").focus()
    for done in (1, 2, 3):  # after the last write comes the first
        shown.page.keyboard.press("Enter")
        shown.settle()
        assert shown.get("written") == done and f"{done} of 5 written" in shown.said
    assert shown.numbers("out") == {(0,): 0, (1,): 0, (2,): 2, (3,): 4, (4,): 0}
    shown.control("written").locator("input").focus()
    shown.page.keyboard.press("ArrowRight")
    shown.settle()
    assert shown.get("written") == 4 and shown.numbers("out")[(0,)] == 5
    shown.page.keyboard.press("Home")
    shown.settle()
    assert set(shown.numbers("out").values()) == {0}
    shown.control("play").click()
    shown.page.wait_for_function(
        "root => root.model.get('written') === 5", arg=shown.root.element_handle(), timeout=20_000
    )
    shown.settle()
    assert shown.numbers("out")[(2,)] == 3
    shown.control("shuffle").click()
    assert sorted(shown.get("order")) == [0, 1, 2, 3, 4] != shown.get("order")
    shown.control("as listed").click()
    assert shown.get("order") == []


def test_escape_stops_the_replay(instrument):
    shown = instrument("ScatterExplorer")
    shown.control("play").click()
    shown.page.wait_for_function(
        "root => root.model.get('written') === 1", arg=shown.root.element_handle()
    )
    assert shown.control("play").text_content() == "pause"
    shown.page.keyboard.press("Escape")
    assert shown.control("play").text_content() == "play"
    shown.page.wait_for_timeout(1500)
    assert shown.get("written") < 5


def test_a_value_flies_where_motion_is_wanted(instrument):
    shown = instrument("ScatterExplorer")
    shown.page.emulate_media(reduced_motion="no-preference")
    shown.control("step").click()
    flying = shown.root.locator(".g3x-flying")
    flying.wait_for()
    assert flying.text_content() == "3" and shown.get("written") == 0
    flying.wait_for(state="detached")
    shown.settle()
    assert shown.get("written") == 1 and shown.numbers("out")[(2,)] == 3


def test_what_the_reader_does_meanwhile_counts(instrument):
    shown = instrument("ScatterExplorer")
    shown.page.emulate_media(reduced_motion="no-preference")
    shown.control("step").click()
    shown.root.locator(".g3x-flying").wait_for()
    shown.control("tenths").click()
    shown.root.locator(".g3x-flying").wait_for(state="detached")
    shown.settle()
    assert shown.get("written") is None and shown.numbers("out")[(2,)] == 0.5


def test_swap(instrument):
    shown = instrument("ScatterExplorer")
    shown.set(reduce="sum")
    shown.control("back").locator("input").focus()
    shown.page.keyboard.press("Space")
    shown.settle()
    assert list(shown.numbers("back").values()) == [11, 5, 11, 4, 11]
    assert shown.line == "back[0] = back[2] = back[4] = out[2] = 11"
    assert "Readers never collide" in shown.said and "the backward of scatter_add" in shown.said
    assert not shown.root.locator('[data-table="values"]').is_visible()
    assert shown.control("play").is_disabled()


def test_pointing(instrument):
    shown = instrument("ScatterExplorer")
    shown.cell("out", 3).hover()
    shown.settle()
    assert shown.marked("out") == [(3,)] and shown.marked("values") == [(3,)]
    shown.cell("values", 4).hover()
    shown.settle()
    assert shown.marked("out") == [(2,)] and shown.marked("values") == [(0,), (2,), (4,)]
    shown.cell("out", 0).focus()
    shown.page.keyboard.press("ArrowRight")
    shown.settle()
    assert shown.marked("out") == [(1,)] and shown.line == "out[1] = 0, not written"
    shown.page.keyboard.press("Escape")
    shown.settle()
    assert shown.marked("out") == [(2,)]


def test_editing(instrument):
    shown = instrument("ScatterExplorer")
    shown.cell("index", 0).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.settle()
    assert shown.get("index")[0] == 1 and shown.numbers("out")[(1,)] == 3
    shown.cell("values", 0).fill("−0.1")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("values")[0] == -0.1 and shown.numbers("out")[(1,)] == -0.1
    for name in ("values: one more", "slots: one more", "slots: one less", "values: one less"):
        shown.control(name).click()
        shown.settle()
    assert len(shown.get("values")) == len(shown.get("index")) == shown.get("size") == 5
    for _ in range(5):
        shown.control("values: one less").click()
    shown.settle()
    assert shown.get("values") == [] and set(shown.numbers("out").values()) == {0}
    assert shown.control("values: one less").is_disabled()
    for _ in range(5):
        shown.control("slots: one less").click()
    shown.settle()
    assert shown.numbers("out") == {} and shown.said == "There is no slot."


@pytest.mark.parametrize(
    ("table", "text", "words"),
    [
        ("index", "−1", "torch refuses: index -1 is out of bounds for dimension 0 with size 5"),
        ("index", "9", "torch refuses: index 9 is out of bounds for dimension 0 with size 5"),
        ("index", "1.5", 'index: got "1.5", wanted a whole number'),
        ("values", "NaN", 'values: got "NaN", wanted a finite float32'),
        ("values", "1e39", 'values: got "1e39", wanted a finite float32'),
        ("values", "", 'values: got "", wanted a finite float32'),
    ],
)
def test_bad_input_is_refused_in_words(instrument, table, text, words):
    shown = instrument("ScatterExplorer")
    shown.cell(table, 1).fill(text)
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal == words
    assert of_class(shown, table, "wrong") == [1]
    shown.cell(table, 1).fill("1")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal == "" and of_class(shown, table, "wrong") == []


def test_nothing_is_wider_than_a_phone(instrument):
    shown = instrument("ScatterExplorer", width=375)
    shown.set(values=[0.1] * 12, index=[0] * 12, size=12, reduce="mean")
    assert shown.page.evaluate("document.documentElement.scrollWidth") == 375
    assert shown.root.locator(".g3x-scroll").get_attribute("tabindex") == "0"


def test_python_refuses():
    explorer = ScatterExplorer()
    with pytest.raises(traitlets.TraitError, match="values: got nan"):
        explorer.values = [float("nan")]
    with pytest.raises(traitlets.TraitError, match="values: got 1e\\+39, more than float32 holds"):
        explorer.values = [1e39]
    with pytest.raises(traitlets.TraitError, match=r"index: got 1.5, wanted whole numbers"):
        explorer.index = [1.5]
    with pytest.raises(traitlets.TraitError, match=r"index: .* wanted one row of at most 12"):
        explorer.index = [[0, 1], [1, 0]]
    with pytest.raises(traitlets.TraitError, match="values: got 'text'"):
        ScatterExplorer(values="text")
    with pytest.raises(traitlets.TraitError, match="reduce"):
        explorer.reduce = "prod"
