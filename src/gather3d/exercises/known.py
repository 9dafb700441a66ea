"""What an exercise's own programs give in its cases: found out once for a seed, and kept.

A class hands in many answers to few exercises, and for each of them the judge asks the same
programs about the same cases: the loop, every wrong turn, and two of these together.
"""

from functools import lru_cache

import torch
from torch import Generator, Tensor

from .answer import Here, Outcome
from .exercise import Case, Exercise, Misconception

KEPT = 128  # exercises with a seed, each some hundred kilobytes: all that a class is asked


class Known:
    """An exercise's cases for a seed, the smallest first, and what is known of them.

    Every call gets copies of a case's arguments, and what a program gave is never changed: so one
    answer leaves nothing behind for the next.
    """

    def __init__(self, exercise: Exercise, seed: int) -> None:
        self.exercise, self.seed = exercise, seed
        cases = exercise.cases(Generator().manual_seed(seed))
        self.cases = sorted(cases, key=lambda case: case.size)
        self._outcomes: dict[tuple[Case | Misconception, ...], Outcome] = {}
        self._gradients: dict[Case, list[Tensor | None]] = {}

    @property
    def ordinary(self) -> Case:
        """The largest ordinary case."""
        return max((case for case in self.cases if case.kind == "ordinary"), key=lambda c: c.size)

    def outcome(self, case: Case, *taken: Misconception) -> Outcome:
        """What taking these wrong turns leads to; without any, what is right."""
        key = (case, *taken)
        if key not in self._outcomes:
            program = self.exercise.program(*taken) if taken else self.exercise.right
            self._outcomes[key] = Here(program).call(case.arguments)
        return self._outcomes[key]

    def gradients(self, case: Case, names: list[str]) -> list[Tensor | None]:
        """Those of the right result, always for the same names."""
        if case not in self._gradients:
            self._gradients[case] = Here(self.exercise.right).gradients(case.arguments, names)
        return self._gradients[case]


def known_of(exercise: Exercise, seed: int) -> Known:
    """What is kept of an exercise and a seed, apart for each dtype and device that torch takes
    where none is named: a program's result may depend on them."""
    return _known(exercise, seed, torch.get_default_dtype(), torch.get_default_device())


@lru_cache(KEPT)
def _known(exercise: Exercise, seed: int, *made_with: torch.dtype | torch.device) -> Known:
    return Known(exercise, seed)
