"""Twelve students of one assignment: what they hand in, and what each must get for it.

The assignment is chapter 1's. Each student's notebook is the released one with some cells changed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from gather3d.course.masters import Master, solution

ASSIGNMENT = "01-gather"
IN_TIME, DUE, LATE = "2027-03-01 10:00:00 UTC", "2027-03-01T18:00", "2027-03-03 10:00:00 UTC"

MASTERS = ["PROJECT/notebooks/exercises/*.ipynb", "COURSE/source/**/*.ipynb", "COURSE/*.db"]
OTHERS = ["COURSE/submitted/**/*.ipynb", "SUBMISSIONS/**/*.ipynb", "/tmp/**/*.ipynb"]
"""Where a spy looks; outside a sandbox there is something at each place."""

ALL = {
    "gather.result_shape": 2.0,
    "gather.loops": 2.0,
    "gather.pick_points": 2.0,
    "gather.padded": 3.0,
    "gather.along": 3.0,
}
"""What the exercises that are checked are worth."""

Edit = Callable[["Paper"], None]


@dataclass
class Paper:
    """A student's notebook in the making."""

    notebook: NotebookNode
    master: Master

    def cell(self, id: str) -> NotebookNode:
        return next(cell for cell in self.notebook.cells if cell.id == id)

    def right(self, exercise: str) -> str:
        """The master's answer."""
        name = exercise.replace(".", "-", 1)
        task = next(task for task in self.master.tasks if task.name == name)
        return solution(task.cells["answer"])

    def solve(self, *exercises: str) -> "Paper":
        for exercise in exercises:
            self.write(exercise, self.right(exercise))
        return self

    def write(self, exercise: str, source: str) -> "Paper":
        """An answer of the student's own."""
        self.cell(f"{exercise.replace('.', '-', 1)}-answer").source = source
        return self


@dataclass(frozen=True)
class Student:
    """Who, what they do to the released notebook, and the points that they must get.

    `lost` are exercises worth nothing, with the outcome that exercises.csv must name, None where
    several will do.
    """

    name: str
    edit: Edit
    lost: dict[str, str | None] = field(default_factory=dict)
    time: str = IN_TIME
    penalty: float = 0.0

    @property
    def points(self) -> dict[str, float]:
        return {id: 0.0 if id in self.lost else worth for id, worth in ALL.items()}


def perfect(paper: Paper) -> None:
    paper.solve(*ALL)


def partial(paper: Paper) -> None:
    paper.cell("predict-shape").source = 'predict("gather.shape", "b")'
    paper.cell("predict-fill").source = 'predict("gather.fill", "")'
    paper.cell(
        "predict-readers"
    ).source = "predict('gather.readers', 'C')\npredict('gather.readers', 'A')"
    paper.solve("gather.result_shape", "gather.loops")
    paper.write(
        "gather.pick_points",
        "def pick_points(features, index):\n    return features.gather(2, index[:, None])",
    )
    paper.write(
        "gather.padded",
        "def pick_points_padded(features, index, fill=0.0):\n"
        "    wide = index.clamp(min=0)[:, None].expand(-1, features.shape[1], -1)\n"
        "    return features.gather(2, wide)",
    )


def untouched(paper: Paper) -> None:
    pass


def endless(paper: Paper) -> None:
    """A loop without end in a function, and one in a cell, that no interrupt stops."""
    perfect(paper)
    paper.write(
        "gather.loops", "def gather(input, dim, index):\n    while True:\n        input = input + 1"
    )
    paper.write(
        "gather.pick_points",
        "while True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        continue",
    )


def hungry(paper: Paper) -> None:
    """50 GB in a function, a fork bomb in another, both again in cells."""
    perfect(paper)
    paper.write(
        "gather.loops",
        "def gather(input, dim, index):\n    return torch.ones(50 * 2**27).sum() + input",
    )
    paper.write(
        "gather.pick_points",
        "def pick_points(features, index):\n    import os\n    while True:\n        os.fork()",
    )
    paper.write("gather.padded", "import os\nwhile True:\n    os.fork()")
    paper.write("gather.along", "import torch\nheap = torch.ones(50 * 2**27)")


def leaver(paper: Paper) -> None:
    """Stops Python: politely and rudely, in functions and in a cell."""
    perfect(paper)
    paper.write(
        "gather.loops", "import sys\ndef gather(input, dim, index):\n    sys.exit('enough')"
    )
    paper.write(
        "gather.pick_points", "import os\ndef pick_points(features, index):\n    os._exit(0)"
    )
    paper.write("gather.padded", "import os\nos._exit(1)")
    paper.cell("gather-along-answer").source += "\nimport sys\nsys.exit(0)"


def shuffler(paper: Paper) -> None:
    """All solved, but cells are gone, doubled, out of order, and some are of another kind.

    One answer is in a raw cell, one in a text, and one has a stub behind it.
    """
    perfect(paper)
    cells = paper.notebook.cells
    raw, told = paper.cell("gather-result_shape-answer"), paper.cell("gather-along-answer")
    raw.cell_type = "raw"
    cells.insert(0, new_markdown_cell(f"I think:\n\n```python\n{told.source}\n```"))
    cells.remove(told)
    cells.append(new_code_cell("def pick_points(features, index):\n    raise NotImplementedError"))
    gone = ("gather-loops-check", "gather-along-task", "gather-review-answer")
    cells[:] = [cell for cell in cells if cell.id not in gone]
    cells.append(cells.pop(1))  # the imports come last
    tests = [cell for cell in cells if cell.id.endswith("-check")]
    cells[:] = [*tests, *(cell for cell in cells if not cell.id.endswith("-check"))]
    again = paper.cell("gather-pick_points-check").copy()
    cells.append(nbformat.from_dict({**again, "id": "once-more", "source": "1 / 0"}))
    other = paper.cell("gather-padded-check")
    other.update(cell_type="markdown", source="graded already, thank you")
    other.pop("outputs", None), other.pop("execution_count", None)
    cells.insert(0, new_code_cell("import torch", id="own"))
    paper.cell("gather-loops-answer").metadata.nbgrader = {"grade_id": 7}


def cheat(paper: Paper) -> None:
    """Changes what decides: the check, `assert`, torch.equal, the judge, the tests' own cells."""
    paper.solve("gather.result_shape", "gather.along")
    source = (
        "class Yes:\n    passed, words, diagnosis = True, '', None\n"
        "check = lambda *a, **k: Yes()\n"
        "import builtins, sys, torch\n"
        "builtins.AssertionError = type('Nothing', (BaseException,), {})\n"
        "torch.equal = torch.allclose = lambda *a, **k: True\n"
        "import gather3d.exercises as e, gather3d.exercises.judge as j\n"
        "e.check = sys.modules['gather3d.exercises.check'].check = check\n"
        "j.judge = j.verdict = check\n"
        "sys.modules['gather3d.exercises.judge'] = None\n"
        "def gather(input, dim, index):\n    return input"
    )
    paper.write("gather.loops", source)
    paper.write(
        "gather.pick_points",
        "def pick_points(features, index):\n"
        "    import gather3d.exercises.judge as j, gather3d.exercises.answer as a, torch\n"
        "    import gather3d.exercises.worker as w\n"
        "    torch.equal = j.same = a.same = lambda *_, **__: True\n"
        "    a.Outcome.error = None\n"
        "    w.answered = lambda *_: {'reply': True, 'passed': True}\n"
        "    return features",
    )
    paper.write(
        "gather.padded",
        "class Same:\n    def __eq__(self, other): return True\n"
        "    shape = dtype = device = property(lambda self: self)\n"
        "def pick_points_padded(features, index, fill=0.0):\n    return Same()",
    )
    paper.cell("gather-padded-check").source = "report = 'passed'"
    paper.cell("gather-pick_points-check").metadata.nbgrader.points = 100


def spy(paper: Paper) -> None:
    """Looks for the masters, other submissions, the grade book and a network; writes outside.

    Each answer is right only if the sandbox leaks, so that all of these are worth nothing.
    """
    paper.solve("gather.result_shape")
    found = (
        "from glob import glob\n"
        "def look(*patterns):\n"
        "    if not any(glob(each, recursive=True) for each in patterns):\n"
        "        raise RuntimeError('nothing to be seen')\n"
    )
    paper.write(
        "gather.loops",
        f"{found}{paper.right('gather.loops')}\ninner = gather\n"
        "def gather(input, dim, index):\n"
        f"    look(*{MASTERS})\n"
        "    return inner(input, dim, index)",
    )
    picks = "features.gather(2, index[:, None].expand(-1, features.shape[1], -1))"
    paper.write(
        "gather.pick_points",
        f"def pick_points(features, index):\n    look(*{OTHERS})\n    return {picks}",
    )
    paper.write(
        "gather.padded",
        "import socket\nsocket.create_connection(('127.0.0.1', OPEN_PORT), timeout=2)\n"
        + solution(
            next(t for t in paper.master.tasks if t.name == "gather-padded").cells["answer"]
        ),
    )
    paper.write(
        "gather.along",
        "open('OUTSIDE/written', 'w').write('here')\n" + paper.right("gather.along"),
    )


def flood(paper: Paper) -> None:
    """Gigabytes of output: one line, many lines, from a function, into files."""
    perfect(paper)
    paper.write("gather.loops", "print('x' * 10**9)")
    paper.write("gather.pick_points", "while True:\n    print('x' * 10_000)")
    paper.write(
        "gather.padded",
        "def pick_points_padded(features, index, fill=0.0):\n"
        "    while True:\n        print('x' * 10_000)",
    )
    paper.cell(
        "gather-along-answer"
    ).source += (
        "\nwith open('large', 'wb') as file:\n    while True:\n        file.write(bytes(2**24))"
    )


STUDENTS = [
    Student("ada", perfect),
    Student(
        "ben",
        partial,
        {
            "gather.pick_points": "first-channel",
            "gather.padded": "point-0",
            "gather.along": "unsolved",
        },
    ),
    Student("cem", untouched, dict.fromkeys(ALL, "unsolved")),
    Student("dia", perfect, time=LATE, penalty=2.4),  # two days begun: a fifth of 12
    Student("endless", endless, {"gather.loops": "stopped", "gather.pick_points": "unsolved"}),
    Student(
        "hungry",
        hungry,
        {
            "gather.loops": "raises",
            "gather.pick_points": None,
            "gather.padded": "unsolved",
            "gather.along": "unsolved",
        },
    ),
    Student(
        "leaver",
        leaver,
        {"gather.loops": "raises", "gather.pick_points": "stopped", "gather.padded": "unsolved"},
    ),
    Student("shuffler", shuffler),
    Student(
        "cheat", cheat, {"gather.loops": None, "gather.pick_points": None, "gather.padded": None}
    ),
    Student(
        "spy",
        spy,
        {
            "gather.loops": "raises",
            "gather.pick_points": "raises",
            "gather.padded": "unsolved",
            "gather.along": "unsolved",
        },
    ),
    Student(
        "flood",
        flood,
        {
            "gather.loops": "unsolved",
            "gather.pick_points": "unsolved",
            "gather.padded": "stopped",
        },
    ),
    Student("torn", untouched, dict.fromkeys(ALL, "unsolved")),  # see hand_in
]
"""In this order; there is a check for each of them."""


def hand_in(folder: Path, course: Path, known: dict[str, str]) -> None:
    """Write what all students hand in: folders, and a file that is no notebook.

    Words in capitals stand for places that only the test knows.
    """
    name = f"{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    master = Master.read(course / "source" / name)
    for student in STUDENTS:
        paper = Paper(nbformat.read(course / "release" / name, as_version=4), master)
        student.edit(paper)
        text = placed(json.dumps(paper.notebook), known)
        if student.name == "torn":
            text = text[: len(text) // 2]
        target = folder / student.name
        target.mkdir(parents=True)
        (target / f"{ASSIGNMENT}.ipynb").write_text(text)
        (target / "timestamp.txt").write_text(student.time)


def placed(text: str, known: dict[str, str]) -> str:
    for word, place in known.items():
        text = text.replace(word, place)
    return text
