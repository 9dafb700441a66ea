"""Take in what students handed in, whatever state it is in.

A submission is `STUDENT/NAME.ipynb`, anywhere under the student's folder, or in `STUDENT.zip`, and
in archives inside of these; NAME is an assignment. What a browser, a mail program or a hurry has
made of the name is understood (`files`), and a notebook under another name is known by its cells.
Beside it, or in a folder above, `timestamp.txt` may say when it came (as nbgrader writes it); else
the file's own time counts. nbgrader's own folder of submissions is one of these, too.

Every file is taken, or named with the reason why it is not.
"""

import hashlib
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from .files import File, Files, LeftOut, handed_in
from .reading import UnreadableError, decoded, notebook_of, readable, script
from .recognise import functions, named, recognised, same

COLLECTED = ".grading/collected"
TIMESTAMP, SECRET = "timestamp.txt", "submission_secret.txt"
"""What nbgrader puts beside a notebook: when it came, and who may have its feedback."""
NAMED = 10  # of a student's files that have nothing to do with the course
KNOWN = 3  # cells by which a notebook is known, whatever its name


class SubmissionsError(ValueError):
    """The folder of submissions is not as it should be."""


@dataclass(frozen=True)
class Submission:
    """One notebook that one student handed in.

    Attributes:
        path: of a copy in which nbgrader finds its way.
        digest: of its contents and its time: the same digest, the same grade.
        fault: why it cannot be read, "" if it can.
        notes: what a person should know of it.
    """

    student: str
    assignment: str
    path: Path
    time: datetime
    digest: str
    fault: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class Candidate:
    """A file that may be a student's submission of an assignment."""

    file: File
    data: bytes
    notebook: NotebookNode
    assignment: str
    fault: str = ""
    notes: list[str] = field(default_factory=list)
    written: bool = False
    """Whether anything in it is not as it was handed out."""

    @property
    def order(self) -> tuple:
        """The first of these counts: one that can be read, with something written in it, a
        notebook, under its own name, nearest to the top."""
        name = self.file.name.lower()
        return (
            bool(self.fault),
            not self.written,
            not name.endswith(".ipynb"),
            ".ipynb_checkpoints" in name,
            PurePosixPath(name).stem != self.assignment,
            name.count("/"),
            name,
        )


def collect(
    folder: Path, releases: Mapping[str, NotebookNode], course: Path
) -> tuple[list[Submission], list[LeftOut]]:
    """Find all submissions of these assignments, and make the copies that are graded.

    A notebook that cannot be read is replaced by one that says so and shows how the file begins: it
    is graded, with nothing, and left to a person. What was handed in is also kept, as it is, in
    the course's `submitted` folder.

    Args:
        folder: of the submissions.
        releases: what was handed out, by the assignments' names.
        course: made by `release`.

    Returns:
        the submissions; and the files that are none, with the reason.

    Raises:
        SubmissionsError: there is no such folder, or nothing at all in it.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise SubmissionsError(f"submissions: no folder {folder}")
    kept = course / "submitted"
    found: list[Submission] = []
    left: list[LeftOut] = []
    students, loose = handed_in(folder)
    left += loose
    for files in students:
        if re.search(r"[*?\[\]]", files.student):
            why = "a name with * ? [ or ] finds others, too"
            left += [LeftOut(files.student, file.name, why) for file in files.wanted]
            left += files.left
            continue
        chosen, unused = sorted_out(files, releases)
        left += unused
        for candidate in chosen:
            found.append(taken(files, candidate, releases, course))
            if folder != kept:
                keep(files, candidate, kept / files.student / candidate.assignment)
        if not chosen and not unused:
            left.append(LeftOut(files.student, "", "there is nothing in the folder"))
    if not found and not left:
        raise SubmissionsError(
            f"submissions: nothing in {folder}; wanted STUDENT/NAME.ipynb or STUDENT.zip, "
            f"with NAME one of {', '.join(releases)}"
        )
    return found, left


def sorted_out(
    files: Files, releases: Mapping[str, NotebookNode]
) -> tuple[list[Candidate], list[LeftOut]]:
    """The one file that counts for each assignment, and why each other one does not."""
    left, others = list(files.left), []
    candidates: dict[str, list[Candidate]] = {}
    for file in files.wanted:
        candidate = judged(file, releases)
        if isinstance(candidate, Candidate):
            candidates.setdefault(candidate.assignment, []).append(candidate)
        elif file.is_notebook:
            left.append(LeftOut(files.student, file.name, candidate))
        else:
            others.append(LeftOut(files.student, file.name, candidate))
    left += others[:NAMED]
    if len(others) > NAMED:
        more = f"and {len(others) - NAMED} other files that are no notebooks"
        left.append(LeftOut(files.student, "", more))
    chosen = []
    for assignment in sorted(candidates):
        first, *rest = sorted(candidates[assignment], key=lambda each: each.order)
        chosen.append(first)
        left += [LeftOut(files.student, each.file.name, beaten(first, each)) for each in rest]
    return chosen, left


REASONS = (
    "can be read",
    "has something written in it",
    "is a notebook",
    "is no checkpoint",
    "has the assignment's name",
    "is nearer to the top",
    "comes first by name",
)
"""In the order of `Candidate.order`."""


def beaten(first: Candidate, other: Candidate) -> str:
    """Why another file counts."""
    if first.data == other.data:
        return f"the same as {first.file.name}"
    pairs = zip(first.order, other.order, REASONS, strict=True)
    return f"{first.file.name} " + next(why for one, two, why in pairs if one != two)


def judged(file: File, releases: Mapping[str, NotebookNode]) -> Candidate | str:
    """A file as a submission, or why it is none."""
    if not file.may_be_notebook:
        return "no notebook; wanted NAME.ipynb"
    try:
        data = file.read()
    except Exception as error:  # a disk, an archive or its password: any of them has its own kind
        return f"cannot be read: {type(error).__name__}: {error}"
    name = by_name(file.name, releases)
    notes = []
    if file.suffix == ".py":
        try:
            notebook, fault = script(data), ""
        except UnreadableError as error:
            return str(error)
        known = by_functions(notebook, releases)
        notes = [f"{file.name} is a script, the notebook was made from it"]
        if known is None:
            return "a Python file that solves no exercise; wanted NAME.ipynb"
    elif file.is_notebook:
        notebook, fault, notes = readable(data)
        known = by_cells(notebook, releases)
    else:
        try:
            notebook, notes = notebook_of(decoded(data)[0])
            fault = ""
        except UnreadableError:
            return "no notebook; wanted NAME.ipynb"
        known = by_cells(notebook, releases)
    assignment = known or name
    if assignment is None:
        return f"there is no such assignment{f'. {fault}' if fault else ''}"
    if PurePosixPath(file.name).name != f"{assignment}.ipynb" and file.suffix != ".py":
        notes.insert(0, f"taken from {file.name}")
    sources = [cell.source for cell in releases[assignment].cells]
    written = any(
        cell.source.strip() and not any(same(cell.source, source) for source in sources)
        for cell in notebook.cells
    )
    return Candidate(file, data, notebook, assignment, fault, notes, written)


def plain(name: str) -> str:
    """A name without what programs change: case, blanks, signs, kinds of letters."""
    text = unicodedata.normalize("NFKC", name).lower()
    return f"-{re.sub(r'[^a-z0-9]+', '-', text).strip('-')}-"


def by_name(name: str, releases: Iterable[str]) -> str | None:
    """The assignment that is in a file's name or, failing that, in its folder's."""
    for part in reversed(PurePosixPath(name).parts):
        found = [each for each in releases if plain(each) in plain(part)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def by_cells(notebook: NotebookNode, releases: Mapping[str, NotebookNode]) -> str | None:
    """The assignment whose cells these are, by names that no other assignment has, or by texts."""
    names = {name for cell in notebook.cells for name in (named(cell), cell.id) if name}
    texts = {cell.source.strip() for cell in notebook.cells}
    all_names = Counter(cell.id for each in releases.values() for cell in each.cells)
    counts = {}
    for assignment, release in releases.items():
        own = {cell.id for cell in release.cells if all_names[cell.id] == 1}
        said = {cell.source.strip() for cell in release.cells if cell.id in own}
        long = {text for text in said if len(text) > 40}
        counts[assignment] = max(len(own & names), len(long & texts))
    return most(counts, KNOWN)


def most(counts: Mapping[str, int], least: int) -> str | None:
    """The assignment with the highest count, if that is high enough."""
    best = max(counts, key=counts.__getitem__, default=None)
    return best if best is not None and counts[best] >= least else None


def by_functions(notebook: NotebookNode, releases: Mapping[str, NotebookNode]) -> str | None:
    """The assignment of which a script solves most exercises."""
    defined = {name for cell in notebook.cells for name in functions(cell.source)}
    counts = {}
    for assignment, release in releases.items():
        answers = [cell.source for cell in release.cells if cell.id.endswith("-answer")]
        counts[assignment] = len(defined & {name for each in answers for name in functions(each)})
    return most(counts, 1)


def taken(
    files: Files, candidate: Candidate, releases: Mapping[str, NotebookNode], course: Path
) -> Submission:
    """One submission, and its copy."""
    assignment, notebook, file = candidate.assignment, candidate.notebook, candidate.file
    secret = files.beside(file.name, SECRET)
    time = moment(files.beside(file.name, TIMESTAMP), file.time)
    target = course / COLLECTED / files.student / assignment
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    path = target / f"{assignment}.ipynb"
    notes = [*candidate.notes]
    found = recognised(notebook, releases[assignment])
    if not candidate.fault:
        notes += found
    nbformat.write(notebook, path)
    (target / TIMESTAMP).write_text(time.strftime("%Y-%m-%d %H:%M:%S UTC"))
    if secret is not None:
        (target / SECRET).write_bytes(secret)
    digest = hashlib.sha256(candidate.data + time.isoformat().encode()).hexdigest()
    return Submission(files.student, assignment, path, time, digest, candidate.fault, tuple(notes))


def keep(files: Files, candidate: Candidate, target: Path) -> None:
    """What was handed in, as it is, under the name that it had."""
    name = PurePosixPath(candidate.file.name).name
    target.mkdir(parents=True, exist_ok=True)
    for path in target.iterdir():  # an earlier one, maybe under another name
        if path.is_file():
            path.unlink()
    (target / name).write_bytes(candidate.data)
    for beside in (TIMESTAMP, SECRET):
        if (data := files.beside(candidate.file.name, beside)) is not None:
            (target / beside).write_bytes(data)


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
