"""Exercises and their checks.

    from gather3d.exercises import check
    check("gather.pick_points", pick_points)

`exercise` says what an exercise is, `judge` tries an answer, `check` and `worker` keep it in a
process of its own, `report` is what comes back. The chapters' exercises are in one module each
(`sampling` has two chapters'), and `catalogue` lists them.
"""

from .catalogue import EXERCISES
from .check import check
from .exercise import Exercise
from .report import Report

__all__ = ["EXERCISES", "Exercise", "Report", "check"]
