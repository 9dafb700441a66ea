"""Predictions: each option is what its program computes, and the book asks each of them once."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from gather3d.exercises import predict
from gather3d.exercises.predict import REFUSED, Option, Prediction
from gather3d.exercises.predictions import PREDICTIONS

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ASKED = re.compile(r'^predict\("(\S+)"\)$', re.M)


def faults(prediction: Prediction) -> list[str]:
    """What is wrong with a prediction."""
    found = []
    right = prediction.right.computed()
    for option in (prediction.right, *prediction.wrong):
        computed = option.computed()
        if computed != option.text:
            found.append(f"{option.text!r} is computed as {computed!r}")
        if option is not prediction.right and computed == right:
            found.append(f"{option.text!r} is right")
        if len(option.words.split()) < 4:
            found.append(f"{option.text!r} is left without a reason")
    return found


@pytest.mark.parametrize("prediction", PREDICTIONS.values(), ids=PREDICTIONS)
def test_every_option_is_computed(prediction):
    assert faults(prediction) == []


def option(text: str, result: object = None, words: str = "So it is, and so on.") -> Option:
    return Option(text, lambda: text if result is None else result, words)


def refused() -> None:
    raise IndexError("index: got 7, wanted 0 … 2")


FINE = Prediction("a.b", "How many?", option("1", 1), (option("2", 2), option("3", 3)))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"right": option("1", 4)}, "'1' is computed as '4'"),
        ({"wrong": (option("2", 2), option("3", 4))}, "'3' is computed as '4'"),
        ({"wrong": (option("2", 2), option("3", 1))}, "'3' is right"),
        ({"wrong": (option("2", 2), Option("3", refused, "So it is, and so on."))}, REFUSED),
        ({"right": option("1", 1, "Yes.")}, "without a reason"),
    ],
)
def test_faults_are_noticed(changes, fault):
    assert faults(FINE) == []
    assert fault in " ".join(faults(replace(FINE, **changes)))


def test_every_prediction_is_asked_once():
    """In the chapter whose name it bears, three or more in each."""
    asked = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        asked[path.stem] = ASKED.findall(code)
        modules = {id.split(".")[0] for id in asked[path.stem]}
        assert len(modules) == 1 and len(asked[path.stem]) >= 3, path.stem
    ids = [id for chapter in asked.values() for id in chapter]
    assert sorted(ids) == sorted(PREDICTIONS)
    assert [id.split(".")[0] for id in ids] == [id.split(".")[0] for id in PREDICTIONS]


# ---- what a reader calls


def test_a_question_says_nothing_of_its_answer():
    """Neither its text nor the order of its options."""
    for prediction in PREDICTIONS.values():
        said = str(predict(prediction.id))
        assert all(option.words not in said for option in prediction.options.values())
        assert "Right" not in said
    letters = Counter(
        next(letter for letter, option in each.options.items() if option is each.right)
        for each in PREDICTIONS.values()
    )
    assert len(letters) >= 3 and max(letters.values()) <= len(PREDICTIONS) / 2, letters


def test_each_option_is_answered():
    prediction = predict("gather.shape")
    for letter, option in prediction.options.items():
        for choice in (letter, f" {letter.lower()} "):
            answer = predict("gather.shape", choice)
            assert answer.right is (option is prediction.right)
            assert str(answer).startswith(f"{letter}  {option.text}\n")
            assert str(answer).split("\n")[1].startswith("Right. " if answer.right else "Not so. ")
            assert option.words in str(answer)


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"^id: got 'gather.shap', wanted gather.shape$"):
        predict("gather.shap")
    with pytest.raises(ValueError, match=r"^id: got 'x', wanted one of gather.shape, "):
        predict("x")
    assert predict("gather.shape", "") is predict("gather.shape")
    for choice in ("E", "AB", 1):
        with pytest.raises(ValueError, match=rf"^choice: got {choice!r}, wanted one of A, B, C, D"):
            predict("gather.shape", choice)


def test_a_prediction_of_two_options_or_of_equal_ones_is_refused():
    with pytest.raises(ValueError, match="wrong: got 1, wanted 2 to 4"):
        replace(FINE, wrong=FINE.wrong[:1])
    with pytest.raises(ValueError, match=r"a\.b: two options have the same text"):
        replace(FINE, wrong=(*FINE.wrong, option("1", 5)))


def test_html_is_escaped_and_marks_the_right_one():
    asked = Prediction(
        "a.b", "Is `a < b`?", option("`<b>`"), (option("no & no"), option("it's open"))
    )
    page = asked._repr_html_()
    assert "<code>a &lt; b</code>" in page and "<code>&lt;b&gt;</code>" in page
    assert "no &amp; no" in page and page.count("<details") == 3
    assert re.findall(r"data-right><summary>(.*?)</summary>", page) == [
        f"{letter}: <code>&lt;b&gt;</code>"
        for letter, each in asked.options.items()
        if each is asked.right
    ]
