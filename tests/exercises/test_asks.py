"""What a check enforces stands in the task, and the report quotes it."""

import re
from pathlib import Path

import pytest
import torch

from gather3d.course.masters import masters
from gather3d.exercises import EXERCISES
from gather3d.exercises.answer import Here, parts
from gather3d.exercises.exercise import EVERYWHERE
from gather3d.exercises.judge import Trial, judge

from .bank import gather, sampling, scatter, voxels

MASTERS = masters(Path(__file__).parents[2] / "notebooks" / "exercises")
TEXTS = {
    re.search(r"`([\w.]+)` ·", text)[1]: text
    for master in MASTERS
    for task in master.tasks
    for text in [task.cells["task"].source]
}


def cases(id, seed=0):
    return list(EXERCISES[id].cases(torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.name)
def test_the_first_cell_says_what_every_check_asks(master):
    for sentence in EVERYWHERE.values():
        assert sentence in master.title.source


@pytest.mark.parametrize("id", EXERCISES)
def test_the_task_says_what_its_check_enforces(id):
    """Each sentence word for word, one for everything that is enforced, none for what is not."""
    exercise, text = EXERCISES[id], TEXTS[id]
    for sentence in exercise.asks.values():
        assert sentence in text
    tensors = [value for case in cases(id) for value in parts(list(case.arguments.values()))]
    enforced = {
        "refused": any(case.refuse for case in cases(id)),
        "gradient": bool(exercise.differentiable),
        "loop": exercise.large is not None,
        "without": bool(exercise.without),
        "int32": any(value.dtype == torch.int32 for value in tensors),
    }
    assert {key for key, is_so in enforced.items() if is_so} == set(exercise.asks) - {"dtype"}
    words = {"refused": "raise", "gradient": "gradient", "loop": "loop"}
    for key, word in words.items():
        assert word in exercise.asks.get(key, word).lower()
    for name in exercise.without:
        assert re.search(rf"\b{name.rstrip('_')}\b", exercise.asks["without"]), name


@pytest.mark.parametrize("id", EXERCISES)
def test_a_dtype_that_no_argument_has_is_named(id):
    exercise, new = EXERCISES[id], set()
    for case in cases(id):
        if case.refuse is None:
            came = {value.dtype for value in parts(list(case.arguments.values()))}
            made = {value.dtype for value in parts(exercise.right(*case.arguments.values()))}
            new |= made - came
    for dtype in new:
        assert str(dtype).removeprefix("torch.") in exercise.asks["dtype"]


@pytest.mark.parametrize("id", EXERCISES)
def test_what_is_refused_may_be_any_exception_that_the_task_allows(id):
    """Where it names a class, that class is enough; where it names none, torch's own are, too."""
    sentence = EXERCISES[id].asks.get("refused", "")
    for case in cases(id):
        if case.refuse is not None:
            allowed = case.refuse if isinstance(case.refuse, tuple) else (case.refuse,)
            named = re.findall(r"`(\w+Error)`", sentence)
            assert [kind.__name__ for kind in allowed] == named or (not named and len(allowed) > 1)


def lets_everything_in(features, index):
    return gather.right_expand(features, index) if in_range(features, index) else features[:, :, :2]


def in_range(features, index):
    return not index.numel() or int(index.max()) < features.shape[2]


@pytest.mark.parametrize(
    ("id", "answer", "quoted"),
    [
        ("gather.pick_points", lets_everything_in, "An index beyond the last point raises"),
        ("gather.pick_points", gather.loop, "One gather, no loop"),
        ("gather.pick_points", gather.detached, "Gradients flow to the features."),
        ("gather.pick_points", gather.in_place, EVERYWHERE["in-place"]),
        ("gather.pick_points", gather.as_float, EVERYWHERE["dtype"]),
        ("gather.padded", gather.some_point_is_there, EVERYWHERE["size"]),
        ("scatter.to_dense", scatter.dense_view, EVERYWHERE["strided"]),
        ("scatter.mean", scatter.mean_scatter_reduce, "no `scatter_reduce`"),
        ("voxels.coords", voxels.coords_int32, "in int64"),
        ("sampling.trilinear", sampling.trilinear_operator, "not `g3.trilinear_sample`"),
    ],
)
def test_the_report_quotes_it(id, answer, quoted):
    report = judge(EXERCISES[id], answer)
    assert not report.passed and " says: “" in report.words
    assert quoted in report.words.split(" says: “")[1]


@pytest.mark.parametrize("id", EXERCISES)
def test_changes_change_what_is_right(id):
    """Programs of wrong turns are made of a quick one, and a change is its program."""
    exercise = EXERCISES[id]
    changed = [each for each in exercise.misconceptions if each.wrong and each.change]
    for case in cases(id):
        if case.refuse is not None:
            continue
        right = Here(exercise.right).call(case.arguments)
        quick = Trial(case, right, Here(exercise.quick).call(case.arguments), exercise)
        assert quick.fault is None, (case.kind, quick.got.error)
        for each in changed if case.kind == "ordinary" else ():
            trial = Trial(case, right, Here(each.wrong).call(case.arguments), exercise)
            assert trial.agrees_with(Here(each.change(exercise.quick)).call(case.arguments))
