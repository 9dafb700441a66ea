"""What is kept of an exercise's own programs: each is asked once, and no answer can spoil it."""

from dataclasses import replace

import pytest
import torch

from gather3d.exercises import EXERCISES
from gather3d.exercises.answer import same
from gather3d.exercises.exercise import Misconception
from gather3d.exercises.judge import judge
from gather3d.exercises.known import KEPT, Known, _known, known_of

from .bank import gather

ID = "gather.pick_points"


def everything(known):
    """All cases, and what is right and what each wrong turn gives in them."""
    for case in known.cases:
        yield list(case.arguments.values())
        for taken in ((), *((each,) for each in known.exercise.misconceptions)):
            outcome = known.outcome(case, *taken)
            yield [outcome.value, str(outcome.error)]


def writes_into_everything(features, index):
    """Its arguments, and what it gives back when it is called the next time."""
    for tensor in (features, index, *KEPT_BY_IT):
        tensor.zero_()
    KEPT_BY_IT[:] = [features, index]
    return features


KEPT_BY_IT: list[torch.Tensor] = []


def changes_the_dtype(features, index):
    torch.set_default_dtype(torch.float64)
    return features


@pytest.fixture
def defaults():
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("vandal", [writes_into_everything, changes_the_dtype])
def test_an_answer_leaves_nothing_behind(vandal, defaults):
    exercise, before = EXERCISES[ID], torch.get_default_dtype()
    reports = [judge(exercise, answer) for answer in (gather.trap, gather.right_expand)]
    assert not judge(exercise, vandal).passed
    torch.set_default_dtype(before)
    fresh, kept = Known(exercise, 0), known_of(exercise, 0)
    for new, old in zip(everything(fresh), everything(kept), strict=True):
        assert all(same(a, b) or (a is b is None) for a, b in zip(new, old, strict=True))
    assert reports == [judge(exercise, answer) for answer in (gather.trap, gather.right_expand)]


def test_each_program_is_asked_once_for_a_seed():
    asked = []

    def counted(*given):
        asked.append(given)
        return EXERCISES[ID].right(*given)

    turn = Misconception("counted", "You count.", "01-gather", counted)
    exercise = replace(EXERCISES[ID], misconceptions=(turn, *EXERCISES[ID].misconceptions))
    for seed in (0, 1):
        before = len(asked)
        for answer in (gather.trap, gather.as_float):
            judge(exercise, answer, seed=seed)
        once = len(asked)
        assert once > before
        for answer in (gather.as_float, gather.trap):
            judge(exercise, answer, seed=seed)
        assert len(asked) == once


def test_other_defaults_of_torch_are_another_matter(defaults):
    """A loop that makes its result by torch.zeros gives another dtype then."""
    exercise = EXERCISES[ID]
    kept = known_of(exercise, 0)
    assert known_of(exercise, 0) is kept is not known_of(exercise, 1)
    torch.set_default_dtype(torch.float64)
    assert known_of(exercise, 0) is not kept


def test_what_is_kept_is_bounded():
    for seed in range(KEPT + 2):
        known_of(EXERCISES["gather.result_shape"], seed)
    assert _known.cache_info().currsize == KEPT
