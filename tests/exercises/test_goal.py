"""Goals: reached or not, in one sentence."""

import pytest
import torch

from gather3d.exercises import goal


@pytest.mark.parametrize(
    ("value", "wanted", "reached"),
    [
        (4, 4, True),
        (4, 5, False),
        (0.1 + 0.2, 0.3, True),
        (0.3001, 0.3, False),
        (torch.tensor([1, 2]), [1, 2], True),
        (torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), True),
        (torch.tensor([1, 2]), [1, 2, 3], False),
        (torch.zeros(2, 3).shape, (2, 3), True),
        ("IndexError", "IndexError", True),
        (True, True, True),
        (1.0, "1", False),
    ],
)
def test_a_value_is_what_was_wanted_or_not(value, wanted, reached):
    assert goal("it", value, wanted).reached is reached


def test_limits():
    assert goal("it", 3, at_least=3, at_most=3).reached
    assert not goal("it", 2, at_least=3).reached
    assert not goal("it", torch.tensor(4.0), at_most=3).reached
    words = str(goal("it", 4.0, at_least=1, at_most=3))
    assert words == "Not yet: it is 4, wanted at least 1 and at most 3."


def test_the_sentence():
    assert str(goal("the shape", [2, 70_000], (2, 3))) == (
        "Not yet: the shape is [2, 70,000], wanted [2, 3]."
    )
    assert repr(goal("the share", torch.tensor(0.25), 0.25)) == "Reached: the share is 0.25."


def test_nothing_wanted_or_two_things():
    with pytest.raises(ValueError, match="wanted: give what is wanted, or at_least"):
        goal("it", 1)
    with pytest.raises(ValueError, match="wanted: give what is wanted, or at_least"):
        goal("it", 1, 1, at_most=2)
