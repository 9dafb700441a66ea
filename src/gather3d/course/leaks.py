"""Does a release give away a solution, a hidden test or an instructor's word?

Everything in it is searched: files, the strings of notebooks with their metadata, outputs and
attachments, archives in archives, text in base64, and every object in the history of a repository
that somebody has packed in.
"""

import base64
import binascii
import contextlib
import gzip
import io
import json
import re
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .masters import INSTRUCTOR, REGIONS, Master

PACKAGE = Path(__file__).parents[1]
SHORTEST = 16  # characters of a line that says something
DEEPEST = 5  # archives in archives, base64 in base64
BASE64 = re.compile(r"[A-Za-z0-9+/\s]{24,}={0,2}")


@dataclass(frozen=True)
class Leak:
    """Something that should not be there: its kind, where it is, the text."""

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.text}"


def leaks(released: Iterable[Path], masters: Iterable[Master], public: str = "") -> list[Leak]:
    """All that these files and folders reveal of these masters.

    A line of a solution is no secret where the package or the book has it anyway; hidden tests and
    an instructor's words are always secret.

    Args:
        released: files and folders.
        public: text that students may see anyway: the chapters'.
    """
    released = list(released)
    secret = secrets(masters, public)
    found: dict[Leak, None] = {}
    for path in released:
        for where, text in texts(path):
            flat = squeezed(text)
            for line, kind in secret.items():
                if line in flat:
                    found[Leak(kind, where, line)] = None
            if ".ipynb" in where:
                for delimiter in (d for pair in REGIONS.values() for d in pair):
                    if delimiter in text:
                        found[Leak("delimiter", where, delimiter)] = None
    for path in released:
        for notebook in notebooks(path):
            found |= dict.fromkeys(structure(notebook, opened(path, notebook)))
    return list(found)


def secrets(masters: Iterable[Master], public: str) -> dict[str, str]:
    """Lines that nobody may see, with their kinds."""
    masters = list(masters)
    shown = squeezed("\n".join(master.without_secrets() for master in masters))
    package = "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))
    known = shown + squeezed(package) + squeezed(public)
    found = {}
    for master in masters:
        for kind, text in master.secrets():
            for line in map(squeezed, text.splitlines()):
                told = known if kind == "solution" else shown
                if len(line) >= SHORTEST and line not in told and telling(line, kind):
                    found[line] = kind
    return found


def telling(line: str, kind: str) -> bool:
    """Whether a line gives something away: `except ValueError:` of a hidden test does not."""
    return kind != "hidden test" or len(line) >= 40 or "assert " in line or "seed=" in line


def squeezed(text: str) -> str:
    """With one space where there was any space."""
    return " ".join(text.split())


# ---- everything that a file says


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Where and what: each text in a file, or in all files of a folder."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"released: no {path}; run `release` first")
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    if path.is_dir():
        for git in sorted(each for each in path.rglob(".git") if each.is_dir()):
            yield from history(git, str(git))
    for file in files:
        yield from inside(str(file), file.read_bytes())


def inside(where: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, str]]:
    """All texts in some bytes: their own, and those that are packed or encoded in them."""
    if depth > DEEPEST:
        return
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            members = {name: archive.read(name) for name in names}
        yield from packed(where, members, depth)
        yield where, "\n".join([*members, "comment", archive.comment.decode(errors="replace")])
        return
    if data[:2] == b"\x1f\x8b":
        yield from inside(f"{where}!gz", gzip.decompress(data), depth + 1)
        return
    if data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            members = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
        yield from packed(where, members, depth)
        return
    text = data.decode(errors="replace")
    yield where, text
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        strings = {where: text} if depth else {}
    else:
        strings = dict(strings_of(value, where))
    for place, string in strings.items():
        if string is not text:
            yield place, string
        for coded in BASE64.findall(string):
            try:
                plain = base64.b64decode("".join(coded.split()), validate=True)
            except (binascii.Error, ValueError):
                continue
            with contextlib.suppress(zlib.error):
                plain = zlib.decompress(plain)
            yield from inside(f"{place}!base64", plain, depth + 1)


def packed(where: str, members: dict[str, bytes], depth: int) -> Iterator[tuple[str, str]]:
    """The members of an archive, and the repositories among them."""
    for name, data in members.items():
        yield from inside(f"{where}!{name}", data, depth + 1)
    roots = {name[: name.index(".git/") + 4] for name in members if ".git/" in f"/{name}"}
    for root in sorted(roots):
        with tempfile.TemporaryDirectory() as folder:
            for needed in ("refs", "objects"):  # an archive leaves empty folders out
                Path(folder, needed).mkdir()
            for name, data in members.items():
                parts = PurePosixPath(name).parts
                if name.startswith(root + "/") and ".." not in parts:
                    path = Path(folder, *PurePosixPath(name[len(root) + 1 :]).parts)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
            yield from history(Path(folder), f"{where}!{root}")


def history(git: Path, where: str) -> Iterator[tuple[str, str]]:
    """Every object of a repository, reachable or not."""
    command = ["git", f"--git-dir={git}", "cat-file", "--batch-all-objects"]
    listed = subprocess.run([*command, "--batch-check"], capture_output=True, text=True)
    if listed.returncode:
        raise ValueError(f"released: {where} is no readable repository: {listed.stderr.strip()}")
    for line in listed.stdout.splitlines():
        name, kind, _ = line.split()
        if kind in ("blob", "commit", "tag"):
            shown = subprocess.run([*command[:2], "cat-file", kind, name], capture_output=True)
            yield from inside(f"{where}!{name[:10]}", shown.stdout, 1)


def strings_of(value: object, where: str) -> Iterator[tuple[str, str]]:
    """The strings in JSON, each with its path; a list of strings is one, as notebooks have them."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, list):
        if value and all(isinstance(part, str) for part in value):
            yield where, "".join(value)
            return
        for number, part in enumerate(value):
            yield from strings_of(part, f"{where}[{number}]")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield f"{where}.keys", key
            yield from strings_of(part, f"{where}.{key}")


# ---- what a released notebook may not have, whatever it says


def notebooks(path: Path) -> list[str]:
    path = Path(path)
    if path.is_dir():
        return [str(each) for each in sorted(path.rglob("*.ipynb"))]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if name.endswith(".ipynb")]
    return [str(path)] if path.suffix == ".ipynb" else []


def opened(path: Path, name: str) -> dict:
    if Path(path).is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(name))
    return json.loads(Path(name).read_text())


def structure(where: str, notebook: dict) -> Iterator[Leak]:
    """Cells for instructors, and outputs: a run of the master made them."""
    for cell in notebook["cells"]:
        place = f"{where} {cell.get('id', '')}"
        if INSTRUCTOR in cell["metadata"].get("tags", []):
            yield Leak("instructor's cell", place, "".join(cell["source"])[:60])
        if cell.get("outputs"):
            yield Leak("output", place, json.dumps(cell["outputs"])[:60])
