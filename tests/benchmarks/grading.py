"""How long does a class take? `python -m tests.benchmarks.grading --students 100`

Releases one assignment, writes that many submissions, of which every tenth has a loop without end
and the others are right, wrong or unsolved to different degrees, grades them, and says how long it
took and what it found. Then it grades them again, when nothing has changed.
"""

import argparse
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat

from gather3d.course.grade import grade
from gather3d.course.masters import Master
from gather3d.course.release import release
from gather3d.course.summary import tables

from ..course.classroom import Paper

FOLDER = Path(__file__).parents[2] / "notebooks" / "exercises"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--assignment", default="01-gather")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "masters").mkdir()
        path = FOLDER / f"{given.assignment}.ipynb"
        (root / "masters" / path.name).write_bytes(path.read_bytes())
        release(root / "masters", root / "course")
        expected = hand_in(root, given.assignment, given.students)
        for _ in range(2):
            start = time.perf_counter()
            done = grade(root / "submissions", root / "course", workers=given.workers)
            seconds = time.perf_counter() - start
            print(f"{len(done)} graded in {seconds:.0f} s with {given.workers} workers")
        grades, _ = tables(root / "course", None)
        got = {row.student: row.score for row in grades}
        wrong = {name: (got.get(name), score) for name, score in expected.items()
                 if got.get(name) != score}  # fmt: skip
        print(f"{len(grades)} rows, {len(wrong)} of them wrong {wrong or ''}")
        print("points:", dict(sorted(Counter(got.values()).items())))


def hand_in(root: Path, assignment: str, students: int) -> dict[str, float]:
    """Write the submissions; what each must score."""
    name = f"{assignment}/{assignment}.ipynb"
    master = Master.read(root / "course" / "source" / name)
    tasks = [task for task in master.tasks if not task.by_hand]
    expected, chance = {}, random.Random(0)
    for number in range(students):
        paper = Paper(nbformat.read(root / "course" / "release" / name, as_version=4), master)
        solved = chance.sample(tasks, chance.randint(1, len(tasks)))
        for task in solved:
            paper.cell(f"{task.name}-answer").source = paper.right(task.name.replace("-", ".", 1))
        if number % 10 == 9:
            lost = solved.pop()
            function = master.functions[tasks.index(lost)]
            source = f"def {function}(*given):\n    while True:\n        pass"
            paper.cell(f"{lost.name}-answer").source = source
        student = f"student-{number:03d}"
        folder = root / "submissions" / student
        folder.mkdir(parents=True)
        nbformat.write(paper.notebook, folder / f"{assignment}.ipynb")
        expected[student] = sum(task.points for task in solved)
    return expected


if __name__ == "__main__":
    main()
