"""Bring what students handed in into nbgrader's `submitted` folder, whatever state it is in.

A submission is `STUDENT/NAME.ipynb`, anywhere under the student's folder, or in `STUDENT.zip`;
NAME is an assignment. Beside it, or in the student's folder, `timestamp.txt` may say when it came
(as nbgrader writes it); else the file's own time counts.
"""

import hashlib
import json
import shutil
import stat
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

LARGEST = 20 << 20  # bytes of a notebook
TIMESTAMP = "timestamp.txt"


class SubmissionsError(ValueError):
    """The folder of submissions is not as it should be."""


@dataclass(frozen=True)
class Submission:
    """One notebook that one student handed in.

    Attributes:
        digest: of its contents and its time: the same digest, the same grade.
        fault: why it cannot be read, "" if it can.
    """

    student: str
    assignment: str
    path: Path
    time: datetime
    digest: str
    fault: str = ""


def collect(folder: Path, releases: Mapping[str, NotebookNode], course: Path) -> list[Submission]:
    """Copy all submissions of these assignments into the course's `submitted` folder.

    A notebook that cannot be read is replaced there by an empty one that says so: it is graded,
    with nothing.

    Args:
        folder: of the submissions.
        releases: what was handed out, by the assignments' names.
        course: made by `release`.

    Raises:
        SubmissionsError: there is no such folder, or nothing in it is a submission.
    """
    names = list(releases)
    folder = Path(folder)
    if not folder.is_dir():
        raise SubmissionsError(f"submissions: no folder {folder}")
    found = []
    for student, assignment, data, time in handed_in(folder, names):
        digest = hashlib.sha256(data + time.isoformat().encode()).hexdigest()
        notebook, fault = readable(data)
        target = course / "submitted" / student / assignment
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        path = target / f"{assignment}.ipynb"
        nbformat.write(recognised(notebook, releases[assignment]), path)
        (target / TIMESTAMP).write_text(time.strftime("%Y-%m-%d %H:%M:%S UTC"))
        found.append(Submission(student, assignment, path, time, digest, fault))
    if not found:
        raise SubmissionsError(
            f"submissions: nothing in {folder}; wanted STUDENT/NAME.ipynb or STUDENT.zip, "
            f"with NAME one of {', '.join(names)}"
        )
    return found


def handed_in(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, str, bytes, datetime]]:
    """Student, assignment, contents and time of each; links and overlong files are not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            files = {
                path.relative_to(entry).as_posix(): path
                for path in sorted(entry.rglob("*"))
                if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_size <= LARGEST
            }
            read = {name: path.read_bytes() for name, path in files.items() if wanted(name, names)}
            times = {name: path.lstat().st_mtime for name, path in files.items()}
            yield from of_student(entry.name, names, read, times)
        elif entry.suffix == ".zip" and zipfile.is_zipfile(entry):
            with zipfile.ZipFile(entry) as archive:
                infos = [info for info in archive.infolist() if info.file_size <= LARGEST]
                read = {i.filename: archive.read(i) for i in infos if wanted(i.filename, names)}
            times = dict.fromkeys(read, entry.stat().st_mtime)
            yield from of_student(entry.stem, names, read, times)


def wanted(name: str, names: Sequence[str]) -> bool:
    path = Path(name)
    return path.name == TIMESTAMP or (path.suffix == ".ipynb" and path.stem in names)


def of_student(
    student: str, names: Sequence[str], read: dict[str, bytes], times: dict[str, float]
) -> Iterator[tuple[str, str, bytes, datetime]]:
    """The assignments among a student's files; of several copies the one nearest to the top."""
    for assignment in names:
        copies = [name for name in read if Path(name).name == f"{assignment}.ipynb"]
        if not copies:
            continue
        name = min(copies, key=lambda each: (each.count("/"), each))
        beside = [str(Path(name).parent / TIMESTAMP), TIMESTAMP]
        stamped = next((read[each] for each in beside if each in read), None)
        yield student, assignment, read[name], moment(stamped, times[name])


def moment(stamp: bytes | None, changed: float) -> datetime:
    """What the stamp says, in UTC to the second; without a readable one, the file's time."""
    if stamp is not None:
        try:
            text = stamp.decode().strip().replace(" UTC", "+00:00")
            read = datetime.fromisoformat(text)
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        except (UnicodeDecodeError, ValueError):
            pass
    return datetime.fromtimestamp(int(changed), UTC)


def readable(data: bytes) -> tuple[NotebookNode, str]:
    """The notebook and "", or an empty one and why it cannot be read."""
    try:
        with warnings.catch_warnings():  # nbformat mends ids that are missing or there twice
            warnings.filterwarnings("ignore", category=nbformat.warnings.MissingIDFieldWarning)
            warnings.filterwarnings("ignore", category=nbformat.warnings.DuplicateCellId)
            notebook = nbformat.reads(data.decode(), as_version=4)
            nbformat.validate(notebook, relax_add_props=True)
        return notebook, ""
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        fault = "The file is no notebook: it is not JSON."
    except (nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        fault = f"The file is no notebook: {str(error).splitlines()[0][:200]}"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        fault = f"The file is no notebook: {type(error).__name__}: {str(error)[:200]}"
    return new_notebook(cells=[new_markdown_cell(f"**{fault}**", id="unreadable")]), fault


def recognised(notebook: NotebookNode, release: NotebookNode) -> NotebookNode:
    """The notebook with nbgrader's metadata as they were handed out, whatever became of them.

    A cell is known by its grade_id, the first of several; one with another name or of another type
    is the student's own. Missing cells are put back after the one that came before them, except
    those of code to be written: the student may have written it elsewhere.
    """
    given = {cell.metadata.nbgrader.grade_id: cell for cell in release.cells if named(cell)}
    places: dict[str, NotebookNode] = {}
    for cell in notebook.cells:
        name = named(cell)
        cell.metadata.pop("nbgrader", None)
        known = given.get(name)
        if known and name not in places and known.cell_type == cell.cell_type:
            cell.metadata.nbgrader = known.metadata.nbgrader
            places[name] = cell
    before = -1
    for name, cell in given.items():
        about = cell.metadata.nbgrader
        if name in places:
            before = next(i for i, each in enumerate(notebook.cells) if each is places[name])
        elif about.locked or about.grade:
            before += 1
            for own in notebook.cells:
                if own.get("id") == cell.id:
                    own.id = f"own-{cell.id}"[:64]
            notebook.cells.insert(before, cell.copy())
    return notebook


def named(cell: NotebookNode) -> str | None:
    """The grade_id, if the cell has one that makes sense."""
    about = cell.metadata.get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None
