"""Exercises and their checks, predictions, and goals.

    from gather3d.exercises import check
    check("gather.pick_points", pick_points)

    from gather3d.exercises import predict
    predict("gather.shape")

    from gather3d.exercises import goal
    goal("the sum", 2 + 2, 5)

`exercise` says what an exercise is. `answer` is what the judge may ask of an answer, `judge` finds
the words for what is wrong, and `known` keeps what the exercise's own programs give. `check`,
`worker` and `wire` keep the answer in a process of its own, and `report` is what comes back.
`chapters` has what is judged, a module for each chapter, and `catalogue` lists it. `predict` shows
a question before its answer; `predictions` has them, a module for each chapter. `goal` says
whether a change to a cell of a chapter did what was asked for.
"""

from .catalogue import EXERCISES
from .chapters.pictures import picture
from .check import check
from .exercise import Exercise
from .goal import Goal, goal
from .predict import predict
from .report import Report

__all__ = ["EXERCISES", "Exercise", "Goal", "Report", "check", "goal", "picture", "predict"]
