"""Exercises and their checks.

    from gather3d.exercises import check
    check("gather.pick_points", pick_points)

`exercise` says what an exercise is. `answer` is what the judge may ask of an answer, `judge` finds
the words for what is wrong, and `known` keeps what the exercise's own programs give. `check`,
`worker` and `wire` keep the answer in a process of its own, and `report` is what comes back.
`chapters` has what is judged, a module for each chapter, and `catalogue` lists it.
"""

from .catalogue import EXERCISES
from .chapters.pictures import picture
from .check import check
from .exercise import Exercise
from .report import Report

__all__ = ["EXERCISES", "Exercise", "Report", "check", "picture"]
