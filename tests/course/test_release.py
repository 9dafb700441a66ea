"""What students get: it runs, it fails readably where it is unsolved, and it gives nothing away."""

import base64
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest
from tests.notebooks.normalise import execute

from gather3d.course.__main__ import main
from gather3d.course.leaks import leaks
from gather3d.course.masters import masters
from gather3d.course.release import ZIP

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "notebooks" / "exercises"
STUDENTS = FOLDER / "students"
MASTERS = masters(FOLDER)
PUBLIC = "\n".join(path.read_text() for path in sorted(FOLDER.parent.glob("*.ipynb")))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("release")
    given = ["release", "--masters", FOLDER, "--course", root / "course"]
    assert main([*map(str, given), "--copies", str(root / "copies")]) == 0
    return root


def test_students_notebooks_in_the_repository_are_the_released_ones(made):
    """Colab and Binder open them there. `make course` writes them."""
    fresh = {path.name: path.read_text() for path in (made / "copies").iterdir()}
    assert fresh == {path.name: path.read_text() for path in STUDENTS.iterdir()}


def test_the_release_gives_nothing_away(made, capsys):
    given = ["leaks", "--masters", FOLDER, "--course", made / "course"]
    assert main(list(map(str, given))) == 0
    assert "no leaks" in capsys.readouterr().out
    assert main([*map(str, given), str(STUDENTS)]) == 0


def test_the_masters_would_give_everything_away():
    found = leaks([FOLDER / "01-gather.ipynb"], MASTERS, PUBLIC)
    kinds = {leak.kind for leak in found}
    assert kinds >= {"solution", "hidden test", "instructor's text", "delimiter"}
    assert len(found) > 50


def test_the_zip_is_all_that_a_student_needs(made):
    with zipfile.ZipFile(made / "course" / ZIP) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
        readme = archive.read(f"{ZIP[:-4]}/README.md").decode()
        wanted = archive.read(f"{ZIP[:-4]}/requirements.txt").decode()
    (wheel,) = (name for name in names if name.endswith(".whl"))
    assert names == {
        "README.md",
        "requirements.txt",
        wheel,
        *(f"{master.name}.ipynb" for master in MASTERS),
    }
    assert f"./{wheel}[notebooks]" in wanted
    assert all(f"`{master.name}.ipynb`" in readme for master in MASTERS)


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.name)
def test_runs_from_top_to_bottom_and_fails_readably(made, master, kernel):
    notebook = nbformat.read(made / "copies" / f"{master.name}.ipynb", as_version=4)
    notebook = execute(notebook, made / "copies", allow_errors=True, kernel=kernel)
    failing = {}
    for cell in notebook.cells:
        errors = [out for out in cell.get("outputs", []) if out.output_type == "error"]
        if errors:
            failing[cell.id] = errors[0]
    unsolved = {f"{task.name}-{'work' if task.by_hand else 'check'}" for task in master.tasks}
    assert set(failing) == unsolved
    for id, error in failing.items():
        if id.endswith("-check"):
            assert error.ename == "AssertionError"
            assert error.evalue == ("Not solved yet: the function does not give anything back.")
        else:
            assert error.ename == "NotImplementedError"


def test_the_students_notebooks_say_what_to_do(made):
    for master in MASTERS:
        notebook = nbformat.read(made / "copies" / f"{master.name}.ipynb", as_version=4)
        code = [cell.source for cell in notebook.cells if "YOUR CODE HERE" in cell.source]
        assert len([source for source in code if "raise NotImplementedError" in source]) == len(
            master.tasks
        )
        checks = [cell for cell in notebook.cells if cell.id.endswith("-check")]
        assert all("raises-exception" in cell.metadata.tags for cell in checks)  # Run All goes on


SECRET = 'hidden = check("gather.loops", gather, seed=5309)'


def notebook_with(change) -> str:
    path = STUDENTS / "01-gather.ipynb"
    notebook = json.loads(path.read_text())
    change(notebook)
    return json.dumps(notebook)


def into_source(notebook):
    notebook["cells"][0]["source"] += ["\n", SECRET]


def into_metadata(notebook):
    notebook["metadata"]["notes"] = {"deep": [1, {"er": SECRET}]}


def into_output(notebook):
    cell = next(c for c in notebook["cells"] if c["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [SECRET]}]


def into_attachment(notebook):
    coded = base64.b64encode(f"see: {SECRET}".encode()).decode()
    notebook["cells"][0]["attachments"] = {"notes.txt": {"text/plain": coded}}


@pytest.mark.parametrize("change", [into_source, into_metadata, into_output, into_attachment])
def test_leaks_in_a_notebook_are_found(change, tmp_path):
    path = tmp_path / "01-gather.ipynb"
    path.write_text(notebook_with(lambda notebook: None))
    assert leaks([path], MASTERS, PUBLIC) == []
    path.write_text(notebook_with(change))
    assert any(SECRET in leak.text for leak in leaks([path], MASTERS, PUBLIC))


@pytest.mark.usefixtures("git")
def test_leaks_in_archives_and_their_history_are_found(tmp_path):
    """A zip with a repository from whose last commit the solution is gone."""
    work = tmp_path / "work"
    work.mkdir()
    clean = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(work)}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]

    def git(*given):
        environment = {**os.environ, **clean}
        subprocess.run(["git", *who, *given], cwd=work, check=True, env=environment)

    git("init", "-q")
    shutil.copy(FOLDER / "01-gather.ipynb", work / "master.ipynb")
    git("add", "-A")
    git("commit", "-qm", "first")
    (work / "master.ipynb").unlink()
    (work / "README.md").write_text("nothing here")
    git("add", "-A")
    git("commit", "-qm", "second")
    git("gc", "-q")
    packed = shutil.make_archive(str(tmp_path / "release"), "zip", work)
    found = leaks([Path(packed)], MASTERS, PUBLIC)
    assert {leak.kind for leak in found} >= {"solution", "hidden test", "instructor's text"}
    assert all(".git!" in leak.where for leak in found if leak.kind == "solution")
    shutil.rmtree(work / ".git")
    packed = shutil.make_archive(str(tmp_path / "release"), "zip", work)
    assert leaks([Path(packed)], MASTERS, PUBLIC) == []


def test_instructors_cells_and_outputs_are_found_whatever_they_say(tmp_path):
    def change(notebook):
        notebook["cells"][0]["metadata"]["tags"] = ["instructor"]

    path = tmp_path / "01-gather.ipynb"
    path.write_text(notebook_with(change))
    assert [leak.kind for leak in leaks([path], MASTERS, PUBLIC)] == ["instructor's cell"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["release", "--masters", "/nowhere"], "masters: no notebook in /nowhere"),
        (["release", "--due", "01-gather=soon"], "--due: got '01-gather=soon', wanted NAME="),
        (["release", "--due", "99-none=2027-01-01"], "due: got 99-none, wanted 01-gather"),
        (["grade", "/nowhere", "--unsandboxed"], "run `release` first"),  # on any machine
        (["leaks", "/nowhere"], "released: no /nowhere"),
    ],
)
def test_bad_input_is_refused_in_words(given, words, tmp_path, capsys):
    course = ["--course", str(tmp_path / "course")]
    folder = [] if "--masters" in given or given[0] == "grade" else ["--masters", str(FOLDER)]
    assert main([*given, *course, *folder]) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert not re.search(r"\n\S.*\n", said.strip()), "one line is enough"
