"""A class of twelve, from release to grades: perfect, partial, empty, late, and hostile ones."""

import csv
import os
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import closing
from glob import glob
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from dask.distributed import Client, LocalCluster
from nbgrader.api import Gradebook

from gather3d.course import grade as grading
from gather3d.course.__main__ import main
from gather3d.course.grade import grade
from gather3d.course.sandbox import Limits
from gather3d.course.settings import course_directory

from .classroom import ALL, ASSIGNMENT, DUE, MASTERS, OTHERS, STUDENTS, hand_in, placed

PROJECT = Path(__file__).parents[2]
LIMITS = Limits(cell=8.0, total=90.0, gigabytes=2.0)


@pytest.fixture(scope="module")
def course(bubblewrap, tmp_path_factory) -> Path:
    """Released with one master and its due date."""
    root = tmp_path_factory.mktemp("course")
    (root / "masters").mkdir()
    shutil.copy(PROJECT / "notebooks" / "exercises" / f"{ASSIGNMENT}.ipynb", root / "masters")
    course = root / "course"
    given = ["release", "--masters", root / "masters", "--course", course]
    assert main([*map(str, given), "--due", f"{ASSIGNMENT}={DUE}"]) == 0
    return course


@pytest.fixture(scope="module")
def run(course) -> dict:
    """Graded on a cluster of two workers, of which one is killed while it works."""
    submissions, outside = course.parent / "submissions", course.parent / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        known = {
            "PROJECT": str(PROJECT),
            "COURSE": str(course),
            "SUBMISSIONS": str(submissions),
            "OUTSIDE": str(outside),
            "OPEN_PORT": str(server.getsockname()[1]),
        }
        socket.create_connection(server.getsockname()).close()  # open, to whoever has a network
        hand_in(submissions, course, known)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            before = client.run(os.getpid)
            victim = threading.Thread(target=kill_one, args=(course, min(before.values())))
            victim.start()
            done = grade(
                submissions,
                course,
                scheduler=cluster.scheduler_address,
                limits=LIMITS,
                quiet=True,
            )
            victim.join()
            after = client.run(os.getpid)
    return {
        "done": done,
        "killed": set(before.values()) - set(after.values()),
        "submissions": submissions,
        "outside": outside,
        "known": known,
    }


def kill_one(course: Path, process: int) -> None:
    """When the first grade is there, and the others are being worked on."""
    end = time.monotonic() + 120
    while not list(course.glob("feedback/*/*/*.html")) and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(process, signal.SIGKILL)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def grades(course, run) -> dict[str, dict]:
    rows = table(course / "grades.csv")
    assert Counter(row["student"] for row in rows) == Counter(s.name for s in STUDENTS)
    return {row["student"]: row for row in rows}


@pytest.fixture(scope="module")
def exercises(course, run) -> dict[str, dict[str, dict]]:
    found: dict[str, dict[str, dict]] = {student.name: {} for student in STUDENTS}
    for row in table(course / "exercises.csv"):
        assert row["exercise"] not in found[row["student"]], "graded twice"
        found[row["student"]][row["exercise"]] = row
    return found


def test_a_worker_was_killed_and_nothing_is_lost_or_doubled(run, grades):
    assert len(run["killed"]) == 1
    assert len(run["done"]) == len(grades) == len(STUDENTS) == 12


@pytest.mark.parametrize("student", STUDENTS, ids=lambda student: student.name)
def test_exact_grades(student, grades, exercises):
    rows = exercises[student.name]
    points = {id: float(rows[id]["points"]) for id in ALL}
    assert points == student.points, {id: rows[id]["words"] for id in ALL}
    outcomes = {id: rows[id]["outcome"] for id in ALL}
    for id, outcome in student.lost.items():
        assert outcomes[id] != "passed"
        if outcome is not None:
            assert outcomes[id] == outcome, rows[id]["words"]
    row = grades[student.name]
    assert float(row["late_penalty"]) == pytest.approx(student.penalty)
    assert float(row["score"]) == pytest.approx(sum(points.values()) - student.penalty)
    assert float(row["max_score"]) == sum(ALL.values()) + 4.0  # and one by hand
    assert bool(row["fault"]) == (student.name == "torn")


def test_a_spy_would_see_something_without_a_sandbox(run):
    """Else its answers would be wrong for another reason than the sandbox."""
    for pattern in (*MASTERS, *OTHERS):
        assert glob(placed(pattern, run["known"]), recursive=True), pattern


def test_nothing_came_out_of_a_sandbox(run):
    assert list(run["outside"].iterdir()) == []


def test_feedback_has_the_reports_and_no_hidden_test(course, run):
    for student in STUDENTS:
        path = course / "feedback" / student.name / ASSIGNMENT / f"{ASSIGNMENT}.html"
        page = BeautifulSoup(path.read_text(), "html.parser").get_text()
        assert "HIDDEN TESTS" not in page and "seed=" not in page
        assert path.stat().st_size < 3e6
    page = (course / "feedback" / "ben" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "only channel 0 came back" in page and "the smallest case that fails" in page
    page = (course / "feedback" / "torn" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "The file is no notebook" in page


def test_the_summary_counts_the_class(course, run):
    page = BeautifulSoup((course / "summary.html").read_text(), "html.parser")
    assert "12 students, 12 submissions" in page.get_text()
    outcomes = page.find("table").find_all("tr")
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in outcomes]
    counted = {(row[0], row[1]): int(row[2]) for row in rows if row}
    solved = sum("gather.along" not in student.lost for student in STUDENTS)
    assert counted["gather.along", "passed"] == solved
    assert counted["gather.padded", "point-0"] == 1
    assert "passed" in page.select_one("figure.g3-picture svg").get_text()
    assert not page.select("script")


def test_the_summary_counts_predictions(course, run):
    """The first choice of each; ben has made two, nobody else any."""
    rows = table(course / "predictions.csv")
    assert [(row["student"], row["prediction"], row["letter"], row["right"]) for row in rows] == [
        ("ben", "gather.shape", "B", "False"),
        ("ben", "gather.readers", "C", "True"),
    ]
    assert rows[0]["option"] == "[2, 3, 4]"
    page = BeautifulSoup((course / "summary.html").read_text(), "html.parser")
    shown = [[cell.get_text() for cell in row.find_all("td")] for row in page.find_all("tr")]
    assert ["gather.shape", "B: [2, 3, 4]", "", "1"] in shown
    assert ["gather.readers", "C: [1, 0, 2, 0, 0, 1]", "right", "1"] in shown


def test_a_second_run_grades_only_what_changed(course, run, grades):
    """Unsolved before, right now; everybody else keeps the grade without being run."""
    assert grade(run["submissions"], course, limits=LIMITS, quiet=True) == []
    files = [run["submissions"] / name / f"{ASSIGNMENT}.ipynb" for name in ("ada", "cem")]
    files[1].write_text(files[0].read_text())
    done = grade(run["submissions"], course, limits=LIMITS, workers=1, quiet=True)
    assert [each.student for each in done] == ["cem"]
    rows = {row["student"]: row for row in table(course / "grades.csv")}
    assert float(rows["cem"]["score"]) == sum(ALL.values())
    assert {n: r for n, r in rows.items() if n != "cem"} == {
        n: r for n, r in grades.items() if n != "cem"
    }


def test_points_by_hand_reach_the_tables_and_the_feedback(course, run):
    """A person's points and comment; a late student's penalty grows with the points."""
    name = ("gather-review-answer", ASSIGNMENT, ASSIGNMENT, "dia")
    with Gradebook(course_directory(course).db_url) as book:
        book.find_grade(*name).manual_score = 4.0
        book.find_grade(*name).needs_manual_grade = False
        book.find_comment(*name).manual_comment = "A fine test of all three."
        book.db.commit()
    others = course / "feedback" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    before = others.stat().st_mtime_ns
    assert grade(run["submissions"], course, limits=LIMITS, quiet=True) == []
    rows = {row["student"]: row for row in table(course / "grades.csv")}
    assert float(rows["dia"]["late_penalty"]) == pytest.approx(3.2)
    assert float(rows["dia"]["score"]) == pytest.approx(12.8)
    assert rows["dia"]["to_grade_by_hand"] == "False"
    page = (course / "feedback" / "dia" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "A fine test of all three." in page and "HIDDEN TESTS" not in page
    assert others.stat().st_mtime_ns == before


def test_the_course_may_grade_its_own_folder_of_submissions(course, run, grades):
    """As nbgrader's exchange fills it. Nothing in it changes, and nothing is graded twice."""
    folder = course / "submitted"
    texts = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    assert (
        texts[folder / "torn" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"]
        == (run["submissions"] / "torn" / f"{ASSIGNMENT}.ipynb").read_bytes()
    )
    secret = folder / "ada" / ASSIGNMENT / "submission_secret.txt"
    secret.write_text("only ada has this")
    assert grade(folder, course, limits=LIMITS, quiet=True) == []
    assert all(path.read_bytes() == text for path, text in texts.items())
    assert table(course / "grades.csv")[-1]["fault"]


def test_what_is_no_assignment_is_named(course, run, capsys):
    odd = run["submissions"] / "ada"
    shutil.copy(odd / f"{ASSIGNMENT}.ipynb", odd / "notes.ipynb")
    shutil.copy(odd / f"{ASSIGNMENT}.ipynb", odd / f"{ASSIGNMENT} (1).ipynb")
    shutil.make_archive(str(run["submissions"] / "ada"), "zip", odd)
    shutil.copytree(odd, run["submissions"] / "a*a")
    try:
        assert grade(run["submissions"], course, limits=LIMITS, quiet=True) == []
        said = capsys.readouterr().err
        for other in ("notes", f"{ASSIGNMENT} (1)"):
            for name in (f"{other}.ipynb", f"ada.zip/{other}.ipynb"):
                assert f"ada/{name}: the same as {ASSIGNMENT}.ipynb" in said
        assert "a*a/01-gather.ipynb: a name with *" in said
    finally:
        shutil.rmtree(run["submissions"] / "a*a")
        (run["submissions"] / "ada.zip").unlink()
        (odd / "notes.ipynb").unlink()
        (odd / f"{ASSIGNMENT} (1).ipynb").unlink()


def test_one_that_cannot_be_graded_does_not_stop_the_others(course, run, instant, monkeypatch):
    """Its worker dies again and again; here its result is an exception."""
    files = {name: run["submissions"] / name / f"{ASSIGNMENT}.ipynb" for name in ("ben", "cem")}
    before = {name: path.read_text() for name, path in files.items()}
    for name, path in files.items():
        path.write_text(before[name].replace("YOUR CODE HERE", f"{name} was here"))

    def sometimes(text, *given):
        if "ben was here" in text:
            raise OSError("the worker is gone")
        return text

    try:
        with monkeypatch.context() as patched:
            patched.setattr(grading, "graded", sometimes)
            patched.setattr(grading, "RETRIES", 0)
            with pytest.raises(grading.GradingError, match="ben/01-gather: the worker is gone"):
                grade(run["submissions"], course, limits=LIMITS, quiet=True)
        done = grade(run["submissions"], course, limits=LIMITS, quiet=True)
        assert [each.student for each in done] == ["ben"]
    finally:
        for name, path in files.items():
            path.write_text(before[name])
