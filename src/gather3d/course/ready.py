"""Is all in order before the first student gets a grade?

A broken environment would give every student 0 points. So the course's folder and grade book are
tried, and each master's own solution is graded as a submission is: it must get all of its points.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import torch
from dask.distributed import Client
from filelock import FileLock, Timeout
from nbgrader.api import Gradebook
from nbgrader.utils import determine_grade, is_grade, is_solution
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from .masters import Master
from .sandbox import OWN, SandboxError
from .settings import course_directory
from .submission import graded

ROOM = 64 << 20  # bytes that must be free for files
TESTED = ".grading/tested"
WAIT = 60  # seconds for a cluster's first worker
PATIENCE = 1800  # seconds for a master, others before it in the queue included


class NotReadyError(RuntimeError):
    """No submission can be graded here: why, in one line."""


@contextlib.contextmanager
def alone(course: Path) -> Iterator[None]:
    """No other `grade` works in this course.

    Raises:
        NotReadyError: one does, or the folder cannot be written to.
    """
    try:
        (course / ".grading").mkdir(parents=True, exist_ok=True)
        lock = FileLock(course / ".grading" / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise NotReadyError(f"course: another `grade` is at work in {course}") from None
    except OSError as error:
        raise NotReadyError(f"course: cannot write to {course}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def try_folders(course: Path, db: str | None) -> None:
    """Whether files and the grade book can be written.

    Raises:
        NotReadyError: they cannot.
    """
    for folder in (course, Path(tempfile.gettempdir())):
        try:
            free = shutil.disk_usage(folder).free
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".g3-") as file:
                file.write(bytes(4096))
        except OSError as error:
            raise NotReadyError(f"cannot write to {folder}: {error.strerror}") from None
        if free < ROOM:
            said = f"{free >> 20} MiB are free in {folder}, wanted {ROOM >> 20} at least"
            raise NotReadyError(said)
    try:
        with Gradebook(course_directory(course, db).db_url) as book:
            if book.engine.dialect.name == "sqlite":
                book.db.execute(text("PRAGMA busy_timeout = 1000"))  # milliseconds
                book.db.execute(text("BEGIN IMMEDIATE"))  # as a grade does that is written
            book.db.rollback()
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise NotReadyError(f"grade book: cannot be written: {said}") from None


def try_masters(
    masters: Iterable[Master], course: Path, client: Client, given: tuple, cluster: bool
) -> None:
    """Grade each master as a submission, on every machine; on this one, once for all.

    Args:
        given: what `submission.graded` gets for a submission.
        cluster: its machines are not this one, or not only.

    Raises:
        NotReadyError: a master does not get all of its points.
        SandboxError: the sandbox cannot be used.
    """
    noted = course / TESTED
    done = set(noted.read_text().split()) if noted.exists() and not cluster else set()
    todo = [master for master in masters if digest(master, given) not in done]
    if not todo:
        return
    client.wait_for_workers(1, timeout=WAIT)
    hosts = {urlsplit(address).hostname for address in client.nthreads()}
    places = [[host] for host in sorted(hosts)] if cluster else [None]  # its workers may change
    running = {}
    for master in todo:
        text, names, order = nbformat.writes(master.notebook), master.functions, master.order
        for place in places:
            future = client.submit(graded, text, names, order, *given, pure=False, workers=place)
            running[future] = master
    for future, master in running.items():
        try:
            executed = future.result(timeout=PATIENCE)
        except SandboxError:
            raise
        except Exception as error:  # whatever it is, it would befall the students
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            raise NotReadyError(f"{BEFORE}{master.name} cannot be graded here: {words}") from None
        if lost := short(nbformat.reads(executed, as_version=4)):
            raise NotReadyError(f"{BEFORE}{master.name} loses points here: {lost}")
    if not cluster:
        done.update(digest(master, given) for master in todo)
        noted.write_text("\n".join(sorted(done)))


BEFORE = "No submission is graded: the master's own solution of "


def short(notebook: nbformat.NotebookNode) -> str:
    """The first test that a master does not pass, "" if it passes them all."""
    for cell in notebook.cells:
        if is_grade(cell) and not is_solution(cell):
            points, most = determine_grade(cell)
            if points != most:
                said = [o.evalue for o in cell.outputs if o.output_type == "error"]
                why = cell.metadata.get("gather3d", {}).get("words") or " ".join(said)
                words = " ".join(why.split())[:300]
                return f"{cell.metadata.nbgrader.grade_id}, {points:g} of {most:g}. {words}"
    return ""


def digest(master: Master, given: Sequence) -> str:
    """Of all that a master's points depend on here."""
    whole = hashlib.sha256(master.path.read_bytes())
    for path in sorted(OWN.rglob("*.py")):
        whole.update(path.read_bytes())
    place = (given, sys.executable, sys.version, torch.__version__, str(OWN), os.geteuid())
    whole.update(repr(place).encode())
    return whole.hexdigest()
