"""What the grade book says, for a person and for a spreadsheet: three tables and a figure."""

import csv
import html
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import matplotlib
from matplotlib.ticker import MaxNLocator
from nbgrader.api import Gradebook
from nbgrader.api import SubmittedAssignment as Submitted

from gather3d.exercises import predict
from gather3d.exercises.predictions import PREDICTIONS
from gather3d.figures import palette
from gather3d.figures.picture import STYLE, Picture

from .settings import course_directory

PASSED, BY_HAND = "passed", "graded by a person"
CHOSEN = re.compile(r"""\bpredict\(\s*["']([\w.]+)["']\s*,\s*["']\s*([A-Za-z])\s*["']\s*\)""")
"""A prediction that somebody made."""
BARS, LETTER = 260, 6.5  # how wide the longest bar is at least, and a letter


@dataclass(frozen=True)
class Grade:
    """A row of grades.csv: a student's assignment; the score is what the penalty has left.

    A student of whom nothing could be graded has a row, too, with no assignment and no numbers.
    """

    student: str
    assignment: str
    score: float | None
    max_score: float | None
    late_seconds: int | None
    late_penalty: float | None
    to_grade_by_hand: bool
    fault: str
    """Why it is not graded, or not as it should be."""
    notes: str = ""
    """What a person should know: which files were left out, which answers stood elsewhere."""


@dataclass(frozen=True)
class Exercise:
    """A row of exercises.csv: one exercise of a student's assignment."""

    student: str
    assignment: str
    exercise: str
    points: float
    max_points: float
    outcome: str  # passed, a diagnosis, or graded by a person
    words: str


@dataclass(frozen=True)
class Choice:
    """A row of predictions.csv: the option that a student chose, the first in the notebook."""

    student: str
    assignment: str
    prediction: str
    letter: str
    option: str
    right: bool


@dataclass(frozen=True)
class Remark:
    """What there is to say of something that was handed in.

    Attributes:
        assignment: "" if it is a file that belongs to none.
        kind: "note", "left out" or "failed".
    """

    student: str
    assignment: str
    kind: str
    words: str


REMARKS = ".grading/remarks.json"
"""By the folders that submissions came from."""


def remember(course: Path, folder: Path, remarks: list[Remark]) -> None:
    """Keep what a run has to say of a folder, in place of what the last one had."""
    path = course / REMARKS
    known = json.loads(path.read_text()) if path.exists() else {}
    known = {place: kept for place, kept in known.items() if Path(place).exists()}
    known[str(folder)] = [asdict(each) for each in remarks]
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(known, indent=1))
    waiting.replace(path)


def remembered(course: Path) -> list[Remark]:
    path = course / REMARKS
    known = json.loads(path.read_text()) if path.exists() else {}
    return list(dict.fromkeys(Remark(**each) for kept in known.values() for each in kept))


def summarise(course: Path, db: str | None = None) -> tuple[list[Grade], list[Exercise]]:
    """Write grades.csv, exercises.csv, predictions.csv and summary.html into the course folder."""
    grades, exercises = tables(course, db)
    made = choices(course, grades)
    write(course / "grades.csv", Grade, grades)
    write(course / "exercises.csv", Exercise, exercises)
    write(course / "predictions.csv", Choice, made)
    (course / "summary.html").write_text(page(grades, exercises, made), encoding="utf-8")
    return grades, exercises


def tables(course: Path, db: str | None) -> tuple[list[Grade], list[Exercise]]:
    """The grade book's rows, in the order of students and assignments."""
    grades, exercises = [], []
    remarks = remembered(course)
    untold = {r.student: [] for r in remarks if r.kind == "left out"}
    for remark in remarks:
        if remark.kind == "left out":
            untold[remark.student].append(remark.words)
    with Gradebook(course_directory(course, db).db_url) as book:
        handed_in = book.db.query(Submitted).all()
        for each in sorted(handed_in, key=lambda s: (s.student_id, s.assignment.name)):
            name = each.assignment.name
            path = autograded(course, each.student_id, name)
            notebook = {"metadata": {}, "cells": []}  # nbgrader's own commands may have removed it
            if path.exists():
                notebook = json.loads(path.read_text())
            reports = notes_of(notebook)
            mine = [r for r in remarks if (r.student, r.assignment) == (each.student_id, name)]
            faults = [notebook["metadata"].get("gather3d", {}).get("fault", "")]
            faults += [r.words for r in mine if r.kind == "failed"]
            scores = [one.auto_score for part in each.notebooks for one in part.grades]
            if not path.exists() and all(score is None for score in scores):
                faults.append("not graded yet: the run was stopped before")
            notes = [r.words for r in mine if r.kind == "note"] + untold.pop(each.student_id, [])
            penalty = sum(part.late_submission_penalty or 0.0 for part in each.notebooks)
            grades.append(
                Grade(
                    each.student_id,
                    each.assignment.name,
                    round(max(0.0, each.score - penalty), 2),
                    each.max_score,
                    int(each.total_seconds_late),
                    round(penalty, 2),
                    each.needs_manual_grade,
                    "; ".join(filter(None, faults)),
                    "; ".join(notes),
                )
            )
            for part in each.notebooks:
                for one in part.grades:
                    name = one.name.rpartition("-")[0].replace("-", ".", 1)
                    note = reports.get(one.name)
                    outcome = BY_HAND if note is None else note["diagnosis"] or "not recognised"
                    if note and note["passed"]:
                        outcome = PASSED
                    exercises.append(
                        Exercise(
                            each.student_id,
                            each.assignment.name,
                            note["exercise"] if note else name,
                            one.score,
                            one.max_score,
                            outcome,
                            note["words"] if note else "",
                        )
                    )
    for student, words in untold.items():
        blank = (None, None, None, None, True)
        grades.append(Grade(student, "", *blank, f"not graded: {'; '.join(words)}"))
    return sorted(grades, key=lambda grade: (grade.student, grade.assignment)), exercises


def autograded(course: Path, student: str, assignment: str) -> Path:
    return course / "autograded" / student / assignment / f"{assignment}.ipynb"


def choices(course: Path, grades: list[Grade]) -> list[Choice]:
    """What students predicted, where a notebook says so; a letter of no option is no choice."""
    made = []
    for grade in grades:
        path = autograded(course, grade.student, grade.assignment)
        cells = json.loads(path.read_text())["cells"] if path.exists() else []
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        first = {id: letter.upper() for id, letter in reversed(CHOSEN.findall(code))}
        for id in (id for id in PREDICTIONS if first.get(id) in PREDICTIONS[id].options):
            answer = predict(id, first[id])
            option = answer.option.text.replace("`", "")
            about = (grade.student, grade.assignment, id, answer.letter, option, answer.right)
            made.append(Choice(*about))
    return made


def notes_of(notebook: dict) -> dict[str, dict]:
    """What `submission.graded` noted on the graded cells, by their names."""
    cells = [cell["metadata"] for cell in notebook["cells"] if "gather3d" in cell["metadata"]]
    return {about["nbgrader"]["grade_id"]: about["gather3d"] for about in cells}


def write(path: Path, kind: type, rows: list) -> None:
    """A whole table or none: a reader never sees half of one."""
    waiting = path.with_suffix(".part")
    with open(waiting, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    waiting.replace(path)


# ---- the figure


def page(grades: list[Grade], exercises: list[Exercise], made: list[Choice]) -> str:
    """A page by itself: for each exercise how many passed, and who took which wrong turn."""
    counted = count(exercises)
    rows = "".join(
        f"<tr><td>{html.escape(exercise)}</td><td>{html.escape(outcome)}</td>"
        f"<td>{number}</td><td>{html.escape(words)}</td></tr>"
        for exercise, outcomes in counted.items()
        for (outcome, words), number in outcomes.most_common()
    )
    handed_in = [grade for grade in grades if grade.assignment]
    students = len({grade.student for grade in handed_in})
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>The class</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{font:16px system-ui;margin:2rem auto;max-width:70rem;padding:0 1rem}"
        "td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}"
        "table{display:block;overflow-x:auto}li{margin:.3rem 0;overflow-wrap:anywhere}</style>"
        f"<h1>{students} students, {len(handed_in)} submissions</h1>"
        f"{looked_at(grades)}"
        f"{drawn(counted)._repr_html_()}"
        "<table><thead><tr><th>exercise</th><th>outcome</th><th>students</th>"
        f"<th>in words</th></tr></thead><tbody>{rows}</tbody></table>{predicted(made)}</html>"
    )


def predicted(made: list[Choice]) -> str:
    """A table of who expected what; "" if nobody said so."""
    counted = Counter((each.prediction, each.letter, each.option, each.right) for each in made)
    order = {id: number for number, id in enumerate(PREDICTIONS)}
    rows = "".join(
        f"<tr><td>{id}</td><td>{letter}: {html.escape(option)}</td>"
        f"<td>{'right' if right else ''}</td><td>{number}</td></tr>"
        for (id, letter, option, right), number in sorted(
            counted.items(), key=lambda item: (order[item[0][0]], -item[1], item[0][1])
        )
    )
    return rows and (
        "<h2>Predictions</h2><table><thead><tr><th>prediction</th><th>chosen</th><th></th>"
        f"<th>students</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def looked_at(grades: list[Grade]) -> str:
    """Lists of what a person should look at; "" if there is nothing."""
    parts = {
        "Not graded as it should be": [(g, g.fault) for g in grades if g.fault],
        "To grade by hand": [(g, "") for g in grades if g.to_grade_by_hand and g.assignment],
        "To look at": [(g, g.notes) for g in grades if g.notes],
    }
    return "".join(
        f"<h2>{title}</h2><ul>{''.join(item(grade, words) for grade, words in rows)}</ul>"
        for title, rows in parts.items()
        if rows
    )


def item(grade: Grade, words: str) -> str:
    who = ", ".join(filter(None, (grade.student or "no student", grade.assignment)))
    return f"<li><b>{html.escape(who)}</b>{': ' if words else ''}{html.escape(words)}</li>"


def count(exercises: list[Exercise]) -> dict[str, Counter]:
    """Outcomes with their words, by exercise."""
    counted: dict[str, Counter] = {}
    for row in exercises:
        words = "" if row.outcome in (PASSED, BY_HAND) else row.words
        counted.setdefault(row.exercise, Counter())[row.outcome, words] += 1
    return counted


@matplotlib.rc_context(STYLE)
def drawn(counted: dict[str, Counter]) -> Picture:
    """One bar for each exercise, one piece for each outcome, named where there is room."""
    names = list(counted)
    outcomes = dict.fromkeys(o for counter in counted.values() for o, _ in counter)
    order = [PASSED, *(o for o in outcomes if o not in (PASSED, BY_HAND, "unsolved")), "unsolved"]
    order += [BY_HAND]
    roles = {PASSED: "result", "unsolved": "missing", BY_HAND: "context"}
    figure = Picture(
        "How many students passed each exercise, and which wrong turn the others took.",
        "For each exercise, how many students passed and which mistakes the others made; the "
        "table below has the numbers.",
        height=120 + 42 * len(names),
    )
    axes, done = figure.subplots(), [0] * len(names)
    most = max((sum(counter.values()) for counter in counted.values()), default=1)
    for outcome in (o for o in order if o in outcomes):
        counts = [sum(n for (o, _), n in counted[name].items() if o == outcome) for name in names]
        own = palette.colour(roles.get(outcome, "wrong"))
        axes.barh(names, counts, left=done, facecolor=f"{own}40", edgecolor=own)
        for row, (begin, count) in enumerate(zip(done, counts, strict=True)):
            if LETTER * len(outcome) < BARS * count / most:
                axes.annotate(outcome, (begin + count / 2, row), ha="center", va="center")
        done = [begin + count for begin, count in zip(done, counts, strict=True)]
    axes.set(xlabel="students", xlim=(0, most))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(False, axis="y")
    axes.invert_yaxis()
    return figure
