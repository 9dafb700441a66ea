"""The course's commands: release, grade, leaks."""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import SQLAlchemyError

from .collect import SubmissionsError
from .masters import Master, MasterError, masters
from .ready import NotReadyError
from .sandbox import Limits, SandboxError

EXPECTED = (
    MasterError,
    SubmissionsError,
    SandboxError,
    NotReadyError,
    NbGraderException,
    SQLAlchemyError,
    OSError,
    ValueError,
)
COURSE = Path("course")
MASTERS = Path("notebooks/exercises")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if all went well, 1 if not, with a reason."""
    given = parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)  # nbgrader logs what went wrong
    try:
        return given.run(given)
    except EXPECTED as error:
        print((str(error).splitlines() or [repr(error)])[0], file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m gather3d.course", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    release = commands.add_parser("release", help="make what students get")
    release.set_defaults(run=run_release)
    release.add_argument("--copies", type=Path, help="where else the students' notebooks go")
    release.add_argument(
        "--due",
        action="append",
        default=[],
        metavar="NAME=DATE",
        help="when an assignment is due: 01-gather=2027-03-01T18:00+01:00 (UTC without an offset)",
    )

    grade = commands.add_parser("grade", help="grade what students handed in")
    grade.set_defaults(run=run_grade)
    grade.add_argument("submissions", type=Path, help="a folder with STUDENT/NAME.ipynb or zips")
    grade.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster")
    grade.add_argument("--workers", type=int, help="processes; one for each core if not given")
    grade.add_argument(
        "--unsandboxed", action="store_true", help="go on where there is no bubblewrap"
    )
    grade.add_argument("--cell-seconds", type=float, default=Limits.cell, help="for one cell")
    grade.add_argument("--seconds", type=float, default=Limits.total, help="for all of its cells")
    grade.add_argument("--gigabytes", type=float, default=Limits.gigabytes, help="of memory")

    leaks = commands.add_parser("leaks", help="search a release for what it must not have")
    leaks.set_defaults(run=run_leaks)
    leaks.add_argument(
        "released", type=Path, nargs="*", help="files and folders; the course's if not given"
    )

    for command in (release, grade, leaks):
        command.add_argument("--course", type=Path, default=COURSE, help="nbgrader's folder")
        if command is not grade:
            command.add_argument("--masters", type=Path, default=MASTERS, help="their folder")
        if command is not leaks:
            command.add_argument("--db", metavar="URL", help="the grade book, if not SQLite here")
    return whole


def run_release(given: argparse.Namespace) -> int:
    from .release import release

    due = {}
    for text in given.due:
        name, _, date = text.partition("=")
        try:
            moment = datetime.fromisoformat(date)
        except ValueError:
            raise ValueError(f"--due: got {text!r}, wanted NAME=2027-03-01T18:00") from None
        due[name] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    made = release(given.masters, given.course, copies=given.copies, db=given.db, due=due)
    print(f"For students: {made}\nFor nbgrader: {given.course}")
    return 0


def run_grade(given: argparse.Namespace) -> int:
    from .grade import GradingError, grade

    limits = Limits(cell=given.cell_seconds, total=given.seconds, gigabytes=given.gigabytes)
    try:
        done = grade(
            given.submissions,
            given.course,
            scheduler=given.scheduler,
            db=given.db,
            unsandboxed=given.unsandboxed,
            limits=limits,
            workers=given.workers,
        )
    except GradingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Graded {len(done)}, the others are as they were.")
    for name in ("grades.csv", "exercises.csv", "predictions.csv", "summary.html", "feedback/"):
        print(f"    {given.course / name}")
    return 0


def run_leaks(given: argparse.Namespace) -> int:
    from .leaks import leaks
    from .release import ZIP

    released = given.released or [given.course / "release", given.course / ZIP]
    chapters = sorted(given.masters.parent.glob("*.ipynb"))
    public = "\n".join(Master.read(path).without_secrets() for path in chapters)
    found = leaks(released, masters(given.masters), public)
    for leak in found:
        print(leak)
    print(f"{len(found) or 'no'} leaks in {', '.join(map(str, released))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
