"""Exercises and their checks.

    from gather3d.exercises import check
    check("gather.pick_points", pick_points)

`exercise` says what an exercise is. `answer` is what the judge may ask of an answer, `judge` finds
the words for what is wrong, and `known` keeps what the exercise's own programs give. `check`,
`worker` and `wire` keep the answer in a process of its own, and `report` is what comes back. The
exercises of each chapter are in a module, `catalogue` lists them, and `pictures` draws what they
want.
"""

from .catalogue import EXERCISES
from .check import check
from .exercise import Exercise
from .pictures import picture
from .report import Report

__all__ = ["EXERCISES", "Exercise", "Report", "check", "picture"]
