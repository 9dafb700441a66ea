"""The bank: every wrong answer is rejected with its diagnosis, every right one is accepted."""

import inspect
import random

import pytest
from hypothesis import settings

from gather3d.exercises import EXERCISES
from gather3d.exercises.judge import judge

from .bank import deform, gather, sampling, scatter, sparse, speed, voxels

SEEDS = [0]  # a student's; with HYPOTHESIS_PROFILE=search, new ones as well
if not settings.default.derandomize:
    SEEDS += random.sample(range(1, 10**6), 4)

CHAPTERS = [gather, scatter, voxels, sparse, sampling, deform, speed]
RIGHT = {id: answers for chapter in CHAPTERS for id, answers in chapter.RIGHT.items()}
WRONG = {id: answers for chapter in CHAPTERS for id, answers in chapter.WRONG.items()}

right = [pytest.param(id, f, id=f"{id}-{f.__name__}") for id, all in RIGHT.items() for f in all]
wrong = [
    pytest.param(id, f, key, id=f"{id}-{f.__name__}")
    for id, all in WRONG.items()
    for f, key in all.items()
]


@pytest.mark.parametrize(("id", "answer"), right)
def test_right_answer_is_accepted(id, answer):
    for seed in SEEDS:
        report = judge(EXERCISES[id], answer, seed=seed)
        assert report.passed, (seed, report)


@pytest.mark.parametrize(("id", "answer", "key"), wrong)
def test_wrong_answer_gets_its_diagnosis(id, answer, key):
    for seed in SEEDS:
        report = judge(EXERCISES[id], answer, seed=seed)
        assert not report.passed, seed
        assert report.diagnosis == key, (seed, report)
        assert report.words


@pytest.mark.parametrize("id", EXERCISES)
def test_bank_is_wide(id):
    """Enough answers of both kinds; each misconception is met by one that is not its own text."""
    exercise = EXERCISES[id]
    assert len(RIGHT[id]) >= 3 and len(WRONG[id]) >= 8
    known = {misconception.key for misconception in exercise.misconceptions}
    assert known <= set(WRONG[id].values())
    assert len(set(WRONG[id].values())) >= 5
    programs = [m.wrong for m in exercise.misconceptions if inspect.isfunction(m.wrong)]
    own = {inspect.getsource(program).split(":\n", 1)[-1] for program in programs}
    assert not own & {inspect.getsource(f).split(":\n", 1)[-1] for f in WRONG[id]}


@pytest.mark.parametrize("id", EXERCISES)
def test_bank_has_two_mistakes_at_once(id):
    """Wherever wrong turns go together: both names in the catalogue's order, and both in words."""
    exercise = EXERCISES[id]
    order = [misconception.key for misconception in exercise.misconceptions]
    both = {f: key.split("+") for f, key in WRONG[id].items() if key and "+" in key}
    if len({m.key for m in exercise.misconceptions if m.change is not None}) > 1:
        assert both
    for names in both.values():
        assert len(names) == 2 and sorted(names, key=order.index) == names
    for answer, names in list(both.items())[:1]:
        words = judge(EXERCISES[id], answer).words
        first, second = words.removeprefix("Two mistakes. One: ").split(" The other: ")
        for name, said in zip(names, (first, second), strict=True):
            assert said in {m.words for m in exercise.misconceptions if m.key == name}


@pytest.mark.parametrize("id", EXERCISES)
def test_stub_is_not_solved_yet(id):
    def stub(*arguments):
        raise NotImplementedError

    def nothing(*arguments): ...

    for answer in (stub, nothing):
        assert judge(EXERCISES[id], answer).diagnosis == "unsolved"


@pytest.mark.parametrize("id", EXERCISES)
def test_cases_are_of_many_kinds(id):
    """The loop answers all of them and is right by itself; a seed gives its own cases."""
    import torch

    exercise = EXERCISES[id]
    cases = list(exercise.cases(torch.Generator().manual_seed(0)))
    assert len(cases) >= 8
    assert len({case.kind for case in cases}) >= 4
    again = list(exercise.cases(torch.Generator().manual_seed(1)))
    texts = [[str(case.arguments) for case in made] for made in (cases, again)]
    assert texts[0] != texts[1]
