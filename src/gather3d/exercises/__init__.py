"""Exercises and their checks.

    from gather3d.exercises import check
    check("gather.pick_points", pick_points)

`exercise` says what an exercise is, `judge` tries an answer, `check` keeps it in a process of its
own, `report` is what comes back. One module for each core chapter holds its exercises.
"""

from . import gather, sampling, scatter, sparse, voxels
from .exercise import Exercise

EXERCISES: dict[str, Exercise] = {
    each.id: each
    for chapter in (gather, scatter, voxels, sparse, sampling)
    for each in chapter.EXERCISES
}

from .check import check  # noqa: E402 (wants EXERCISES)
from .report import Report  # noqa: E402

__all__ = ["EXERCISES", "Exercise", "Report", "check"]
