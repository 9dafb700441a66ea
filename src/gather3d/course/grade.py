"""Grade submissions in parallel: dask runs them, nbgrader keeps the grades.

A worker gets a notebook's text and gives back the text of the executed one, so that it does not
matter where it runs or how often. One process, this one, writes to the grade book.
"""

import contextlib
import hashlib
import json
import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import nbformat
from dask.distributed import Client, Future, LocalCluster, as_completed
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import BaseConverter
from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, SaveAutoGrades
from sqlalchemy.exc import SAWarning
from tqdm import tqdm

from .collect import COLLECTED, SECRET, TIMESTAMP, Submission, collect
from .masters import Master
from .ready import alone, try_folders, try_masters
from .sandbox import Limits, Sandbox, SandboxError
from .settings import course_directory
from .submission import graded
from .summary import Remark, remember, summarise

SANITISED, EXECUTED = ".grading/sanitised", ".grading/executed"
SCORES = ".grading/scores"
"""What each feedback was made from."""
RETRIES = 3  # of a submission whose worker died


class GradingError(RuntimeError):
    """Some submissions could not be graded; the others are."""


def grade(
    submissions: Path,
    course: Path,
    *,
    scheduler: str | None = None,
    db: str | None = None,
    unsandboxed: bool = False,
    limits: Limits | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> list[Submission]:
    """Collect, grade what is new or changed, and write grades, feedback and the summary.

    Args:
        submissions: folder with one folder or zip for each student.
        course: made by `release`.
        scheduler: address of a dask scheduler whose workers have this package; all cores of this
            machine if not given.
        db: address of the grade book's database.
        unsandboxed: go on where there is no bubblewrap.
        limits: of each submission.
        workers: processes on this machine; one for each core if not given.
        quiet: no progress bar.

    Returns:
        what was graded in this run.

    Raises:
        SandboxError: there is no sandbox, and `unsandboxed` was not asked for; or it lacks what
            submissions need.
        NotReadyError: folder or grade book cannot be written, or a master fails its own tests.
        SubmissionsError: there are no submissions.
        FileNotFoundError: the course was not released.
        GradingError: some could not be graded, after the others were.
    """
    limits = limits or Limits()
    if scheduler is None:
        Sandbox.here(limits, unsandboxed=unsandboxed)  # a cluster's workers have their own
    course = Path(course).resolve()
    book = Book(course, db)
    with alone(course):
        try_folders(course, db)
        found, left = collect(submissions, book.releases, course)
        for each in left:
            print(f"Not graded: {each}", file=sys.stderr)
        todo = [each for each in found if not book.has(each)]
        failed: dict[Submission, Exception] = {}
        if todo:
            given = (limits, unsandboxed)
            masters = [book.masters[name] for name in sorted({each.assignment for each in todo})]
            with crew(scheduler, workers) as client:
                try_masters(masters, course, client, given, scheduler is not None)
                with tqdm(total=len(todo), disable=quiet) as bar:
                    failed = work(todo, book, client, given, bar)
        book.refresh([each for each in found if each not in todo])
        remarks = [Remark(each.student, "", "left out", each.words) for each in left]
        for each in found:
            remarks += [Remark(each.student, each.assignment, "note", n) for n in each.notes]
        for each, why in failed.items():
            words = f"could not be graded: {sentence(why)}"
            remarks.append(Remark(each.student, each.assignment, "failed", words))
        remember(course, Path(submissions).resolve(), remarks)
        summarise(course, db)
    if failed:
        lines = [f"{each.student}/{each.assignment}: {why}" for each, why in failed.items()]
        raise GradingError("\n".join(["The others are graded; these could not be:", *lines]))
    return todo


def sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def work(
    todo: list[Submission], book: "Book", client: Client, given: tuple, bar: tqdm
) -> dict[Submission, Exception]:
    """Have the submissions run, and record each as it comes back; those that could not be."""
    running: dict[Future, Submission] = {}
    failed: dict[Submission, Exception] = {}

    @contextlib.contextmanager
    def going_on(each: Submission) -> Iterator[None]:
        """Whatever befalls one, the others go on; unless it would befall them, too."""
        try:
            yield
        except SandboxError:
            raise
        except Exception as error:
            try_folders(book.course, book.db)
            failed[each] = error

    for each in todo:
        with going_on(each):
            text, master = book.sanitised(each), book.masters[each.assignment]
            future = client.submit(
                graded, text, master.functions, master.order, *given, pure=False, retries=RETRIES
            )
            running[future] = each
    for future in as_completed(running):
        with going_on(running[future]):
            book.record(running[future], future.result())
        bar.update()
    return failed


@contextmanager
def crew(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """The processes that run submissions: a cluster's, or our own."""
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # any port that is free
            silence_logs=logging.CRITICAL,  # what goes wrong is raised, and said once
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


class Book:
    """The course's folders and grade book, through nbgrader."""

    def __init__(self, course: Path, db: str | None) -> None:
        self.course, self.db = course, db
        course_directory(course, db)  # says so if there is none
        paths = sorted((course / "source").glob("*/*.ipynb"))
        self.masters = {path.stem: Master.read(path) for path in paths}
        self.releases = {
            name: nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
            for name in self.masters
        }

    def has(self, submission: Submission) -> bool:
        """Whether the grade book has just this submission, graded with just these tests."""
        path = self.path("autograded", submission)
        if not path.exists() or not self.path("feedback", submission, "html").exists():
            return False
        try:
            done = json.loads(path.read_text())["metadata"].get("gather3d", {})
        except ValueError:  # a run that was stopped has left half of it
            return False
        return done.get("digest") == self.digest(submission)

    def digest(self, submission: Submission) -> str:
        tests = hashlib.sha256(self.masters[submission.assignment].path.read_bytes())
        return f"{submission.digest}-{tests.hexdigest()}"

    def path(self, step: str, submission: Submission, suffix: str = "ipynb") -> Path:
        folder = self.course / step / submission.student / submission.assignment
        return folder / f"{submission.assignment}.{suffix}"

    def sanitised(self, submission: Submission) -> str:
        """nbgrader's first step: the instructor's cells are put back, missing ones, too."""
        self._convert(Sanitise, submission)
        return self.path(SANITISED, submission).read_text()

    def record(self, submission: Submission, executed: str) -> None:
        """nbgrader's second step, grades and penalties, and its feedback."""
        notebook = json.loads(executed)
        notebook["metadata"]["gather3d"] = {
            "digest": self.digest(submission),
            "fault": submission.fault,
        }
        path = self.path(EXECUTED, submission)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False))
        for beside in (TIMESTAMP, SECRET):
            if (submission.path.parent / beside).exists():
                shutil.copyfile(submission.path.parent / beside, path.parent / beside)
        self._convert(Record, submission)
        self._feedback(submission)
        for step in (SANITISED, EXECUTED):
            shutil.rmtree(self.path(step, submission).parent)

    def refresh(self, submissions: list[Submission]) -> None:
        """Penalty and feedback anew where a person has graded or commented since."""
        for submission in submissions:
            noted = self.path(SCORES, submission, "json")
            if not noted.exists() or noted.read_text() != self._scores(submission):
                self._convert(Penalise, submission)
                self._feedback(submission)

    def _feedback(self, submission: Submission) -> None:
        self._convert(GenerateFeedback, submission)
        noted = self.path(SCORES, submission, "json")
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(self._scores(submission))

    def _scores(self, submission: Submission) -> str:
        """All that a person can say about a submission, as text."""
        with Gradebook(course_directory(self.course, self.db).db_url) as book:
            notebook = book.find_submission_notebook(
                submission.assignment, submission.assignment, submission.student
            )
            grades = [(g.name, g.score, g.extra_credit) for g in notebook.grades]
            comments = [(c.name, c.comment) for c in notebook.comments]
        return json.dumps([sorted(grades), sorted(comments)], default=str)

    def _convert(self, kind: type, submission: Submission) -> None:
        directory = course_directory(self.course, self.db)
        directory.assignment_id = submission.assignment
        directory.student_id = submission.student
        converter = kind(coursedir=directory, config=directory.config)
        converter.log.setLevel(logging.ERROR)
        converter.force = True
        with warnings.catch_warnings():  # SQLAlchemy has one for the way nbgrader makes its rows
            warnings.filterwarnings("ignore", category=SAWarning)
            converter.start()


class Half(Autograde):
    """nbgrader's autograde does two conversions in one; a run in a sandbox comes between them."""

    def convert_single_notebook(self, notebook_filename: str) -> None:
        self._init_preprocessors()
        super(Autograde, self).convert_single_notebook(notebook_filename)


class Sanitise(Half):
    """The half of nbgrader's autograde that puts the instructor's cells back."""

    _input_directory = COLLECTED
    _output_directory = SANITISED
    _sanitizing = True


class Record(Half):
    """The half that reads the scores from an executed notebook."""

    _input_directory = EXECUTED
    _sanitizing = False
    steps = (SaveAutoGrades, AssignLatePenalties, CheckCellMetadata)

    def __init__(self, **given) -> None:
        super().__init__(**given)
        self.autograde_preprocessors = list(self.steps)


class Penalise(BaseConverter):
    """The late penalty alone, of what is graded already; no file changes."""

    _input_directory = _output_directory = "autograded"
    preprocessors: ClassVar = [AssignLatePenalties]

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        return True

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        pass

    def write_single_notebook(self, output: str, resources: dict) -> None:
        pass
