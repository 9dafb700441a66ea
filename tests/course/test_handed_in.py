"""Whatever students hand in: it is graded, or named with the reason, in grades.csv and on the page.

No program of a student's runs here: what is graded is nbgrader's own, and instant.
"""

import codecs
import csv
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import PythonExporter
from nbformat.v4 import new_output

from gather3d.course import files
from gather3d.course import grade as grading
from gather3d.course.collect import collect
from gather3d.course.grade import grade
from gather3d.course.reading import readable

from .conftest import ASSIGNMENT, PROJECT

RELEASE = PROJECT / "notebooks" / "exercises" / "students" / f"{ASSIGNMENT}.ipynb"
TEXT = "A written answer: naïve, 3 × 5."
PUT = "course/01-gather.ipynb"


def notebook(change=lambda cell: None) -> dict:
    """With a written answer, whose cell is changed."""
    made = json.loads(RELEASE.read_text())
    (cell,) = (cell for cell in made["cells"] if cell["id"] == "gather-review-answer")
    cell["source"] = [TEXT]
    change(cell)
    return made


WRITTEN = json.dumps(notebook(), ensure_ascii=False).encode()


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def of_format_3() -> bytes:
    made = nbformat.reads(WRITTEN, as_version=4)
    for cell in made.cells:
        cell.pop("id")
    return nbformat.writes(nbformat.convert(made, 3), version=3).encode()


def large(lines: int = 250_000) -> bytes:
    made = nbformat.reads(WRITTEN, as_version=4)
    cell = next(cell for cell in made.cells if cell.cell_type == "code")
    cell.outputs = [new_output("stream", text="y" * 100 * lines)]
    return nbformat.writes(made).encode()


SCRIPT = PythonExporter().from_notebook_node(nbformat.reads(WRITTEN, as_version=4))[0].encode()
NAMES = """\
01-gather.ipynb
01-gather.ipynb.txt
01-gather.json
01-gather.IPYNB
01-Gather.ipynb
01-gather (1).ipynb
01-gather-copy.ipynb
01-gather-Copy1.ipynb
Copy of 01-gather.ipynb
01_gather_final.ipynb
ada 01 gather.ipynb
homework.ipynb
Übung zwölf.ipynb
deep/er/01-gather.ipynb
.ipynb_checkpoints/01-gather-checkpoint.ipynb
02-scatter.ipynb
"""
READ = {
    **dict.fromkeys(NAMES.splitlines(), WRITTEN),
    "bom/01-gather.ipynb": codecs.BOM_UTF8 + WRITTEN,
    "utf-16/01-gather.ipynb": WRITTEN.decode().encode("utf-16"),
    "windows/01-gather.ipynb": WRITTEN.decode().encode("cp1252", "replace"),
    "tail/01-gather.ipynb": WRITTEN + b"\n}",
    "format-3/01-gather.ipynb": of_format_3(),
    "01-gather.py": SCRIPT,
    "a.zip": zipped(**{"ada/01-gather.ipynb": WRITTEN}),
    "b.ZIP": zipped(**{"inner.zip": zipped(**{"01-gather.ipynb": WRITTEN})}),
    "windows.zip": zipped(**{"ada\\01-gather.ipynb": WRITTEN}),
    "large/01-gather.ipynb": large(),
}
LEFT_OUT = {
    "notes.docx": (b"PK", "no notebook"),
    "empty.zip": (b"", "cannot be opened"),
    "torn.zip": (zipped(**{PUT: WRITTEN})[:-500], "cannot be opened"),
    "work.rar": (b"Rar!", "an archive of this kind"),
    "other.ipynb": (b'{"cells": []}', "there is no such assignment"),
    "torn.ipynb": (WRITTEN[:5000], "there is no such assignment. The file is no notebook"),
    "data.json": (b"[1, 2]", "no notebook"),
}
FAULTS = {
    "empty": (b"", "The file is empty"),
    "zeros": (bytes(5000), "The file is empty"),
    "torn": (WRITTEN[: len(WRITTEN) // 2], "it is not JSON"),
    "list": (b"[1, 2]", "it is JSON, but no object"),
    "object": (b"{}", "it has no cells"),
    "conflict": (b"<<<<<<< HEAD\n" + WRITTEN, "it is not JSON (line 1)"),
    "deep": (b"[" * 100_000, "nested too deeply"),
}


def put(folder: Path, data: bytes) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_bytes(data)


@pytest.fixture(scope="module")
def releases():
    other = RELEASE.with_name("02-scatter.ipynb")
    return {path.stem: nbformat.read(path, as_version=4) for path in (RELEASE, other)}


@pytest.mark.parametrize("name", READ)
def test_it_is_read(name, releases, tmp_path):
    put(tmp_path / "in" / "ada" / name, READ[name])
    (one,), left = collect(tmp_path / "in", releases, tmp_path)
    assert (one.student, one.assignment, one.fault, left) == ("ada", ASSIGNMENT, "", [])
    made = nbformat.read(one.path, as_version=4)
    answer = next(
        cell
        for cell in made.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "gather-review-answer"
    )
    assert TEXT in answer.source
    (kept,) = (path for path in (tmp_path / "submitted/ada/01-gather").iterdir())
    assert kept.read_bytes() == READ[name] or ".zip" in name.lower()


@pytest.mark.parametrize("name", LEFT_OUT)
def test_it_is_named_with_the_reason(name, releases, tmp_path):
    data, why = LEFT_OUT[name]
    put(tmp_path / "in" / "ada" / name, data)
    found, (left,) = collect(tmp_path / "in", releases, tmp_path)
    assert found == [] and left.startswith(f"ada/{name}: ") and why in left


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_read_is_shown_to_a_person(name, releases, tmp_path):
    data, why = FAULTS[name]
    put(tmp_path / "in" / "ada" / "01-gather.ipynb", data)
    (one,), _ = collect(tmp_path / "in", releases, tmp_path)
    assert why in one.fault
    made = nbformat.read(one.path, as_version=4)
    assert why in made.cells[-1].source or any(why in cell.source for cell in made.cells)


def test_a_notebook_is_not_too_large_for_its_outputs(releases, tmp_path, monkeypatch):
    monkeypatch.setattr("gather3d.course.reading.LARGEST", 10_000)
    _, fault, _ = readable(WRITTEN)
    assert fault.startswith("The file is too large: ")
    monkeypatch.setattr(files, "WHOLE", 10_000)
    put(tmp_path / "in" / "ada" / "01-gather.ipynb", WRITTEN)
    found, (left,) = collect(tmp_path / "in", releases, tmp_path)
    assert not found and left.startswith("ada/01-gather.ipynb: ") and "at most" in left


def test_of_several_the_written_one_under_its_own_name_counts(releases, tmp_path):
    folder = tmp_path / "in" / "ada"
    put(folder / "01-gather.ipynb", RELEASE.read_bytes())
    put(folder / "01-gather (1).ipynb", WRITTEN)
    put(folder / "old" / "01-gather.ipynb", b"torn")
    put(folder / "old" / "copy.ipynb", WRITTEN)
    (one,), left = collect(tmp_path / "in", releases, tmp_path)
    assert one.notes[0] == "taken from 01-gather (1).ipynb"
    assert sorted(left) == [
        "ada/01-gather.ipynb: 01-gather (1).ipynb has something written in it",
        "ada/old/01-gather.ipynb: 01-gather (1).ipynb can be read",
        "ada/old/copy.ipynb: the same as 01-gather (1).ipynb",
    ]


def test_links_and_closed_files_are_named(releases, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    put(tmp_path / "elsewhere.ipynb", WRITTEN)
    put(folder / "ada" / "01-gather.ipynb", WRITTEN)
    (folder / "ada" / "linked.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    (folder / "bea").symlink_to(folder / "ada")
    os.mkfifo(folder / "ada" / "pipe.ipynb")
    put(folder / "01-gather.ipynb", WRITTEN)
    put(folder / "ada" / ".DS_Store", b"x")
    (folder / "cem").mkdir()
    put(folder / "dia" / "01-gather.ipynb", WRITTEN)
    read = Path.read_bytes

    def closed(path):
        if "dia" in path.parts:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    (one,), left = collect(folder, releases, tmp_path)
    assert one.student == "ada"
    assert sorted(left) == [
        "01-gather.ipynb: belongs to no student; wanted STUDENT/NAME.ipynb",
        "ada/linked.ipynb: a link is not followed",
        "ada/pipe.ipynb: not a file",
        "bea: a link is not followed",
        "cem: there is nothing in the folder",
        "dia/01-gather.ipynb: cannot be read: PermissionError: [Errno 13] Permission denied",
    ]


# ---- as far as the tables


def rows(course: Path) -> dict[str, dict[str, str]]:
    with open(course / "grades.csv", newline="", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_tables_and_page_have_everybody(plain_course, instant, tmp_path):
    """Graded, or named with the reason; with something for a person where there is something."""
    folder = tmp_path / "in"
    handed_in = {
        "Zoë Ångström ": notebook(lambda cell: cell.update(metadata={}, id="mine")),
        "raw": notebook(lambda cell: cell.update(cell_type="raw")),
        "silent": json.loads(RELEASE.read_text()),
    }
    for student, made in handed_in.items():
        put(folder / student / "01-gather.ipynb", json.dumps(made).encode())
    put(folder / "text" / "01-gather.ipynb.txt", WRITTEN)
    put(folder / "text" / "answer.pdf", b"%PDF")
    put(folder / "torn" / "01-gather.ipynb", WRITTEN[:3000])
    put(folder / "other" / "99-none.ipynb", b'{"cells": []}')
    put(folder / "loose.ipynb", WRITTEN)
    assert len(grade(folder, plain_course, quiet=True)) == 5
    found = rows(plain_course)
    by_hand = {student: row["to_grade_by_hand"] for student, row in found.items()}
    assert by_hand.pop("silent") == "False" and set(by_hand.values()) == {"True"}
    assert "had lost its name" in found["Zoë Ångström"]["notes"]
    assert "its cell had become raw" in found["raw"]["notes"]
    assert "taken from 01-gather.ipynb.txt; answer.pdf: no notebook" in found["text"]["notes"]
    assert "it is not JSON" in found["torn"]["fault"]
    assert "99-none.ipynb: there is no such assignment" in found["other"]["fault"]
    assert "loose.ipynb: belongs to no student" in found[""]["fault"]
    assert found["other"]["score"] == found["other"]["assignment"] == ""
    page = BeautifulSoup((plain_course / "summary.html").read_text(), "html.parser")
    said = [item.get_text() for item in page.find_all("li")]
    for student, row in found.items():
        for words in filter(None, (row["fault"], row["notes"])):
            assert any((student or "no student") in item and words in item for item in said)
    assert "5 students, 5 submissions" in page.h1.get_text()
    feedback = plain_course / "feedback" / "raw" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    assert TEXT in BeautifulSoup(feedback.read_text(), "html.parser").get_text()

    shutil.rmtree(folder / "other")  # what is mended is no longer named
    shutil.copy2(folder / "text" / "01-gather.ipynb.txt", folder / "text" / "01-gather.ipynb")
    assert [each.student for each in grade(folder, plain_course, quiet=True)] == []
    found = rows(plain_course)
    assert "other" not in found
    assert "01-gather.ipynb.txt: the same as 01-gather.ipynb" in found["text"]["notes"]


def test_one_that_cannot_be_graded_is_named(plain_course, instant, tmp_path, monkeypatch):
    def gone(text, *given):
        raise OSError("the worker is gone")

    monkeypatch.setattr(grading, "graded", gone)
    monkeypatch.setattr(grading, "RETRIES", 0)
    put(tmp_path / "in" / "unlucky" / "01-gather.ipynb", WRITTEN)
    with pytest.raises(grading.GradingError, match="unlucky/01-gather: the worker is gone"):
        grade(tmp_path / "in", plain_course, quiet=True)
    assert "could not be graded: the worker is gone" in rows(plain_course)["unlucky"]["fault"]
