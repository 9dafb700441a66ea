"""Take in what students handed in, whatever state it is in.

A submission is `STUDENT/NAME.ipynb`, anywhere under the student's folder, or in `STUDENT.zip`;
NAME is an assignment, and a browser's ` (1)` behind it is understood. Beside it, or in the
student's folder, `timestamp.txt` may say when it came (as nbgrader writes it); else the file's own
time counts. nbgrader's own folder of submissions is one of these, too.
"""

import hashlib
import json
import re
import shutil
import stat
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

LARGEST = 20 << 20  # bytes of a notebook
COLLECTED = ".grading/collected"
TIMESTAMP, SECRET = "timestamp.txt", "submission_secret.txt"
"""What nbgrader puts beside a notebook: when it came, and who may have its feedback."""


class SubmissionsError(ValueError):
    """The folder of submissions is not as it should be."""


@dataclass(frozen=True)
class Submission:
    """One notebook that one student handed in.

    Attributes:
        path: of a copy in which nbgrader finds its way.
        digest: of its contents and its time: the same digest, the same grade.
        fault: why it cannot be read, "" if it can.
    """

    student: str
    assignment: str
    path: Path
    time: datetime
    digest: str
    fault: str = ""


@dataclass
class Files:
    """What one student handed in: contents and times of files, by their names."""

    student: str
    contents: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)

    def beside(self, name: str, wanted: str) -> bytes | None:
        """A file in the same folder as another one, or at the top."""
        places = [str(Path(name).parent / wanted), wanted]
        return next((self.contents[each] for each in places if each in self.contents), None)


def collect(
    folder: Path, releases: Mapping[str, NotebookNode], course: Path
) -> tuple[list[Submission], list[str]]:
    """Find all submissions of these assignments, and make the copies that are graded.

    A notebook that cannot be read is replaced by an empty one that says so: it is graded, with
    nothing. What was handed in is also kept, as it is, in the course's `submitted` folder.

    Args:
        folder: of the submissions.
        releases: what was handed out, by the assignments' names.
        course: made by `release`.

    Returns:
        the submissions; and the notebooks that are none, with the reason.

    Raises:
        SubmissionsError: there is no such folder, or nothing in it is a submission.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise SubmissionsError(f"submissions: no folder {folder}")
    kept = course / "submitted"
    found, unused = [], []
    for files in handed_in(folder):
        chosen = {}
        for name in sorted(files.contents, key=lambda each: (each.count("/"), " (" in each, each)):
            assignment = re.sub(r" ?\(\d+\)$", "", Path(name).stem)
            if not name.endswith(".ipynb"):
                continue
            if re.search(r"[*?\[\]]", files.student):
                unused.append(f"{files.student}/{name}: a name with * ? [ or ] finds others, too")
            elif assignment not in releases:
                unused.append(f"{files.student}/{name}: there is no such assignment")
            elif chosen.setdefault(assignment, name) != name:
                unused.append(f"{files.student}/{name}: {chosen[assignment]} is nearer to the top")
        for assignment in sorted(chosen):
            found.append(taken(files, chosen[assignment], assignment, releases, course))
            if folder != kept:
                keep(files, chosen[assignment], kept / files.student / assignment, assignment)
    if not found:
        raise SubmissionsError(
            f"submissions: nothing in {folder}; wanted STUDENT/NAME.ipynb or STUDENT.zip, "
            f"with NAME one of {', '.join(releases)}"
        )
    return found, unused


def taken(
    files: Files, name: str, assignment: str, releases: Mapping[str, NotebookNode], course: Path
) -> Submission:
    """One submission, and its copy."""
    data, secret = files.contents[name], files.beside(name, SECRET)
    time = moment(files.beside(name, TIMESTAMP), files.times[name])
    notebook, fault = readable(data)
    target = course / COLLECTED / files.student / assignment
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    path = target / f"{assignment}.ipynb"
    nbformat.write(recognised(notebook, releases[assignment]), path)
    (target / TIMESTAMP).write_text(time.strftime("%Y-%m-%d %H:%M:%S UTC"))
    if secret is not None:
        (target / SECRET).write_bytes(secret)
    digest = hashlib.sha256(data + time.isoformat().encode()).hexdigest()
    return Submission(files.student, assignment, path, time, digest, fault)


def keep(files: Files, name: str, target: Path, assignment: str) -> None:
    """What was handed in, as it is."""
    target.mkdir(parents=True, exist_ok=True)
    (target / f"{assignment}.ipynb").write_bytes(files.contents[name])
    for beside in (TIMESTAMP, SECRET):
        if (data := files.beside(name, beside)) is not None:
            (target / beside).write_bytes(data)


def handed_in(folder: Path) -> Iterator[Files]:
    """Each student's files, from a folder or a zip; links and overlong files are not followed."""
    students: dict[str, Files] = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            files = students.setdefault(entry.name, Files(entry.name))
            for path in sorted(entry.rglob("*")):
                about = path.lstat()
                if stat.S_ISREG(about.st_mode) and wanted(path.name, about.st_size):
                    name = path.relative_to(entry).as_posix()
                    files.contents[name] = path.read_bytes()
                    files.times[name] = about.st_mtime
        elif entry.suffix == ".zip" and zipfile.is_zipfile(entry):
            files = students.setdefault(entry.stem, Files(entry.stem))
            with zipfile.ZipFile(entry) as archive:
                for info in archive.infolist():
                    if wanted(Path(info.filename).name, info.file_size):
                        files.contents.setdefault(info.filename, archive.read(info))
                        files.times.setdefault(info.filename, entry.stat().st_mtime)
    yield from students.values()


def wanted(name: str, size: int) -> bool:
    return size <= LARGEST and (name in (TIMESTAMP, SECRET) or name.endswith(".ipynb"))


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
