"""A broken environment stops the run, in one line, before any student gets a grade."""

import errno
import json
import re
import shutil
import sqlite3
import tempfile
from collections import namedtuple
from contextlib import closing

import nbformat
import pytest
from filelock import FileLock

from gather3d.course import grade as grading
from gather3d.course import ready, sandbox
from gather3d.course.__main__ import main
from gather3d.course.kernel import failed, run
from gather3d.course.masters import Master
from gather3d.course.ready import short
from gather3d.course.sandbox import Limits, Sandbox, SandboxError

from .conftest import ASSIGNMENT, PROJECT

RELEASE = PROJECT / "notebooks" / "exercises" / "students" / f"{ASSIGNMENT}.ipynb"
MASTER = PROJECT / "notebooks" / "exercises" / f"{ASSIGNMENT}.ipynb"


@pytest.fixture
def stopped(plain_course, tmp_path, capsys):
    """Grade one submission; what the run says when it stops."""
    (tmp_path / "in" / "ada").mkdir(parents=True)
    shutil.copy(RELEASE, tmp_path / "in" / "ada")

    def grade() -> str:
        given = ["grade", tmp_path / "in", "--course", plain_course, "--workers", "1"]
        assert main(list(map(str, given))) == 1
        for name in ("grades.csv", "autograded", "feedback"):
            assert not (plain_course / name).exists()
        lines = [line for line in capsys.readouterr().err.splitlines() if line and "%|" not in line]
        assert len(lines) == 1, lines
        return lines[0]

    return grade


def test_gather3d_is_not_in_the_sandbox(bubblewrap, here, stopped, monkeypatch):
    """As where it is on PYTHONPATH only: that counts here, and not there."""
    visible = sandbox.visible
    if not any(sandbox.OWN.is_relative_to(path) for path in visible() if path != sandbox.OWN):
        monkeypatch.setattr(
            sandbox, "visible", lambda: [path for path in visible() if path != sandbox.OWN]
        )
        words = "No module named 'gather3d"
    else:  # it is installed among Python's packages
        monkeypatch.setattr("gather3d.course.kernel.OWN", PROJECT)
        words = "gather3d is another one there"
    said = stopped()
    assert said.startswith("No submission is graded: gather3d cannot be used in the sandbox: ")
    assert words in said


def test_another_gather3d_is_in_the_sandbox(monkeypatch):
    """Also where there is no bubblewrap."""
    monkeypatch.setattr("gather3d.course.kernel.OWN", PROJECT)
    with pytest.raises(SandboxError, match="gather3d is another one there"):
        run([], [], Sandbox(Limits(), isolated=False))


def test_a_master_that_fails_its_own_tests(here, stopped, monkeypatch):
    def worse(text, *given):
        notebook = nbformat.reads(text, as_version=4)
        cell = next(cell for cell in notebook.cells if cell.id == "gather-loops-check")
        cell.outputs = [failed("AssertionError", "The answer ended\nthe process.")]
        return nbformat.writes(notebook)

    monkeypatch.setattr(grading.Sandbox, "here", lambda *given, **named: None)
    monkeypatch.setattr(ready, "graded", worse)
    said = stopped()
    assert f"the master's own solution of {ASSIGNMENT} loses points here" in said
    assert "gather-loops-check, 0 of 2. The answer ended the process." in said

    def dies(text, *given):
        raise RuntimeError("no kernel\n  within 60 seconds")

    monkeypatch.setattr(ready, "graded", dies)
    assert "01-gather cannot be graded here: RuntimeError: no kernel" in stopped()


def test_masters_are_tried_once_for_an_environment(plain_course, tmp_path, here):
    tried = []

    class Client:
        def submit(self, function, text, *given, **named):
            tried.append(text)
            return self

        def result(self, timeout):
            return tried[-1]

        def wait_for_workers(self, *given, **named):
            pass

        def nthreads(self):
            return {"tcp://a:1": 1, "tcp://a:2": 1, "tcp://b:1": 1}

    master = Master.read(MASTER)
    for _ in range(2):
        ready.try_masters([master], plain_course, Client(), (Limits(), False), cluster=False)
    assert len(tried) == 1
    ready.try_masters([master], plain_course, Client(), (Limits(cell=1.0), False), cluster=False)
    assert len(tried) == 2
    ready.try_masters([master], plain_course, Client(), (Limits(), False), cluster=True)
    assert len(tried) == 4  # once on each machine
    (plain_course / ready.TESTED).unlink()


def test_points_that_are_short_are_seen():
    notebook = nbformat.read(MASTER, as_version=4)
    assert short(notebook) == ""


def test_the_grade_book_is_locked(instant, stopped, plain_course):
    with closing(sqlite3.connect(plain_course / "gradebook.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert stopped() == "grade book: cannot be written: database is locked"


def test_the_grade_book_is_none(instant, stopped, plain_course):
    path = plain_course / "gradebook.db"
    before = path.read_bytes()
    path.write_bytes(b"no database" * 1000)
    try:
        assert "file is not a database" in stopped()
    finally:
        path.write_bytes(before)


def test_another_run_is_at_work(instant, stopped, plain_course):
    (plain_course / ".grading").mkdir(exist_ok=True)
    with FileLock(plain_course / ".grading" / "lock"):
        assert stopped().startswith("course: another `grade` is at work in ")


def test_the_disk_is_full_or_closed(instant, stopped, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: usage(100 << 30, 100 << 30, 5 << 20))
        assert re.match("5 MiB are free in .*, wanted 64 at least", stopped())

    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "NamedTemporaryFile", full)
        assert re.match("cannot write to .*: No space left on device", stopped())


def test_the_folder_is_closed(instant, stopped, plain_course):
    """A file where the grader's folder should be: root, too, is refused."""
    folder, aside = plain_course / ".grading", plain_course / "aside"
    if folder.exists():
        folder.rename(aside)
    folder.touch()
    try:
        assert stopped().startswith("course: cannot write to ")
    finally:
        folder.unlink()
        if aside.exists():
            aside.rename(folder)


def test_it_fills_while_grading(instant, stopped, monkeypatch, plain_course):
    """The first submission that cannot be written ends the run: so would be all the others."""

    def full(*given):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("u", "free")(0))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(grading.Book, "record", full)
    assert "0 MiB are free in " in stopped()


def test_what_a_stopped_run_has_left_is_graded_again(tmp_path):
    """Half of a notebook in `autograded` is no grade."""
    book = grading.Book.__new__(grading.Book)
    book.course = tmp_path
    submission = namedtuple("S", "student assignment")("ada", ASSIGNMENT)
    for step, suffix in (("autograded", "ipynb"), ("feedback", "html")):
        path = book.path(step, submission, suffix)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"metadata": {}})[:-4])
    assert not book.has(submission)
