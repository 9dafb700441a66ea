"""The files that students handed in, from folders and archives, each with its way to be read.

A link is not followed, and a folder that programs fill is not looked into; what cannot be opened is
named with the reason. An archive is like a folder, and may hold others.
"""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

WHOLE = 256 << 20  # bytes of a file, outputs and all
MANY = 2000  # files of one student
DEEP = 3  # archives in archives
TOOLS = {".git", ".venv", "venv", "node_modules", "__pycache__", "__MACOSX", "site-packages"}
"""Folders that programs fill."""
NOISE = {".ds_store", "thumbs.db", "desktop.ini"}
"""Files that systems leave behind; and those that begin with "._"."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CLOSED = (".7z", ".rar", ".gz", ".xz", ".bz2")


class LeftOut(str):
    """A file that is not graded, and why: "ada/notes.txt: no notebook"."""

    student: str
    words: str

    def __new__(cls, student: str, name: str, why: str) -> "LeftOut":
        words = f"{name}: {why}" if name else why
        whole = (
            f"{student}/{words}" if student and name else f"{student}: {why}" if student else words
        )
        self = super().__new__(cls, shown(whole))
        self.student, self.words = shown(student), shown(words)
        return self


def shown(name: str) -> str:
    """A name that can be printed: what is no Unicode in it becomes a question mark."""
    return name.encode("utf-8", "replace").decode().replace("\n", " ")


@dataclass(frozen=True)
class File:
    """A file that can be read.

    Attributes:
        name: with the folders and archives that it lies in, below the student's.
        time: of its last change, or its archive's.
    """

    name: str
    time: float
    read: Callable[[], bytes]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name.lower()).suffix

    @property
    def is_notebook(self) -> bool:
        """By its name: `.IPYNB` and `.ipynb.txt` are, too."""
        return ".ipynb" in PurePosixPath(self.name.lower()).name

    @property
    def may_be_notebook(self) -> bool:
        return self.is_notebook or self.suffix in (".json", ".txt", ".py", "")


@dataclass
class Files:
    """What one student handed in: files that can be read, and those that cannot."""

    student: str
    wanted: list[File] = field(default_factory=list)
    left: list[LeftOut] = field(default_factory=list)
    beside_them: dict[str, File] = field(default_factory=dict)

    def beside(self, name: str, wanted: str) -> bytes | None:
        """A file in the same folder as another one, or in one above."""
        for parent in PurePosixPath(name).parents:
            if found := self.beside_them.get((parent / wanted).as_posix()):
                try:
                    return found.read()
                except Exception:  # as if it were not there
                    return None
        return None

    def take(self, found: File | tuple[str, str]) -> None:
        """Sort a file in, or the reason why it cannot be read."""
        if isinstance(found, tuple):
            self.left.append(LeftOut(self.student, *found))
        elif PurePosixPath(found.name).name in ("timestamp.txt", "submission_secret.txt"):
            self.beside_them[found.name] = found
        else:
            self.wanted.append(found)


Found = Iterator[File | tuple[str, str]]
"""Files, and names of those that cannot be read, with the reason."""


def handed_in(folder: Path) -> tuple[Iterator[Files], list[LeftOut]]:
    """Each student's files, from folders and archives; and what belongs to no student."""
    students: dict[str, list[Path]] = {}
    loose = []
    for entry in sorted(folder.iterdir()):
        name = entry.name
        if noise(name) or name in TOOLS:
            continue
        if entry.is_symlink():
            loose.append(LeftOut("", name, "a link is not followed"))
        elif entry.is_dir():
            student = name.strip()
            students.setdefault(student, []).append(entry)
        elif kind := archive(name):
            students.setdefault(name[: -len(kind)].strip(), []).append(entry)
        else:
            loose.append(LeftOut("", name, "belongs to no student; wanted STUDENT/NAME.ipynb"))
    for student in list(students):
        if student != shown(student) or student in ("", ".", ".."):
            del students[student]
            loose.append(LeftOut("", student, "no name that can be written; rename it"))
    return (gathered(student, students[student]) for student in sorted(students)), loose


def gathered(student: str, entries: list[Path]) -> Files:
    files = Files(student)
    for number, found in enumerate(each for entry in entries for each in inside(entry)):
        if number == MANY:
            files.take(("", f"more than {MANY} files; the rest is not looked at"))
            break
        files.take(found)
    return files


def inside(entry: Path) -> Found:
    """A folder's files, or an archive's under the archive's name."""
    if entry.is_dir():
        yield from walked(entry)
        return
    try:
        about = entry.lstat()
        yield from opened(entry.name, about.st_size, about.st_mtime, entry.read_bytes, 1)
    except OSError as error:
        yield entry.name, f"cannot be read: {error.strerror}"


def walked(folder: Path) -> Found:
    """The files below a folder, in their order."""
    refused: list[OSError] = []
    for place, below, names in os.walk(folder, onerror=refused.append):
        here = Path(place)
        for name in sorted(below):
            path = (here / name).relative_to(folder).as_posix()
            if (here / name).is_symlink():
                yield path, "a link is not followed"
            elif name in TOOLS - {"__MACOSX"}:
                yield path, "a folder that programs fill is not looked into"
        below[:] = sorted(name for name in below if name not in TOOLS)
        for name in sorted(names):
            path = here / name
            inner = path.relative_to(folder).as_posix()
            if noise(name):
                continue
            try:
                about = path.lstat()
            except OSError as error:
                yield inner, f"cannot be read: {error.strerror}"
                continue
            if stat.S_ISLNK(about.st_mode):
                yield inner, "a link is not followed"
            elif not stat.S_ISREG(about.st_mode):
                yield inner, "not a file"
            else:
                yield from opened(inner, about.st_size, about.st_mtime, path.read_bytes, 1)
    for error in refused:
        name = Path(error.filename).relative_to(folder).as_posix()
        yield ("" if name == "." else name), f"cannot be read: {error.strerror}"


def opened(name: str, size: int, time: float, read: Callable[[], bytes], depth: int) -> Found:
    """A file, or what is in it if it is an archive."""
    if size > WHOLE:
        yield name, f"{size >> 20} MiB, of which at most {WHOLE >> 20} are read"
    elif archive(name) is None:
        if name.lower().endswith(CLOSED):
            yield name, "an archive of this kind is not opened; wanted a zip"
        else:
            yield File(name, time, read)
    elif depth > DEEP:
        yield name, "an archive in an archive in an archive is not opened"
    else:
        try:
            data = read()
            members = zipped if name.lower().endswith(".zip") else tarred
            for member, length, reader in members(data):
                parts = PurePosixPath(member.replace("\\", "/").lstrip("/")).parts
                if noise(parts[-1]) or set(parts[:-1]) & TOOLS:
                    continue
                inner = "/".join([name, *parts])
                yield from opened(inner, length, time, reader, depth + 1)
        except Exception as error:  # whatever is wrong with it
            yield name, f"cannot be opened: {type(error).__name__}: {error}"


Members = Iterator[tuple[str, int, Callable[[], bytes]]]


def zipped(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        listed = [info for info in whole.infolist() if not info.is_dir()]

    def reader(info: zipfile.ZipInfo) -> Callable[[], bytes]:
        def read() -> bytes:
            with zipfile.ZipFile(io.BytesIO(data)) as whole, whole.open(info) as member:
                return member.read(WHOLE)

        return read

    for info in listed:
        yield info.filename, info.file_size, reader(info)


def tarred(data: bytes) -> Members:
    def reader(name: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with tarfile.open(fileobj=io.BytesIO(data)) as whole:
                return whole.extractfile(name).read(WHOLE)

        return read

    with tarfile.open(fileobj=io.BytesIO(data)) as whole:
        listed = [info for info in whole.getmembers() if info.isfile()]
    for info in listed:
        yield info.name, info.size, reader(info.name)


def archive(name: str) -> str | None:
    """The suffix, if it is one of an archive that is opened."""
    return next((kind for kind in ARCHIVES if name.lower().endswith(kind)), None)


def noise(name: str) -> bool:
    return name.startswith("._") or name.lower() in NOISE
