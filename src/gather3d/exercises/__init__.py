"""Exercises and their checks, and predictions.

    from gather3d.exercises import check
    check("gather.pick_points", pick_points)

    from gather3d.exercises import predict
    predict("gather.shape")

`exercise` says what an exercise is. `answer` is what the judge may ask of an answer, `judge` finds
the words for what is wrong, and `known` keeps what the exercise's own programs give. `check`,
`worker` and `wire` keep the answer in a process of its own, and `report` is what comes back.
`chapters` has what is judged, a module for each chapter, and `catalogue` lists it. `predict` shows
a question before its answer; `predictions` has them, a module for each chapter.
"""

from .catalogue import EXERCISES
from .chapters.pictures import picture
from .check import check
from .exercise import Exercise
from .predict import predict
from .report import Report

__all__ = ["EXERCISES", "Exercise", "Report", "check", "picture", "predict"]
