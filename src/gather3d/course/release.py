"""From the masters to what students get: notebooks, a zip, and nbgrader's folders."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment

from .masters import Master, masters
from .settings import CONFIG, CONFIG_TEXT, course_directory

ZIP = "gather3d-exercises.zip"
PROJECT = Path(__file__).parents[3]

README = """\
# Exercises of Gather in 3D

{count} notebooks. On a machine with Python 3.11 or later, in this folder:

    python -m venv .venv
    .venv/bin/pip install -r requirements.txt        (Windows: .venv\\Scripts\\pip)
    .venv/bin/jupyter lab                            (Windows: .venv\\Scripts\\jupyter)

Open a notebook and write where it says YOUR CODE HERE. The cell below each answer checks it and
says what is wrong: the smallest call that fails and, where it is a known one, the mistake. Hints
unfold. Keep the cells that are there, in any order you like; add as many as you need.

Hand in the notebook itself, under the name that it has.

{table}

Text CC BY 4.0, code MIT.
"""

REQUIREMENTS = """\
# Everything that the notebooks import; the first line is the book's own package, in this folder.
./{wheel}[notebooks]
jupyterlab>=4
"""


def release(
    folder: Path,
    course: Path,
    *,
    copies: Path | None = None,
    db: str | None = None,
    due: Mapping[str, datetime] | None = None,
) -> Path:
    """Make the course folder and the students' zip; what is there already is made anew.

    A grade book and a nbgrader_config.py that exist are kept.

    Args:
        folder: of the masters.
        course: nbgrader's folder, made if it is not there.
        copies: where else the students' notebooks go: a folder that holds nothing but them.
        db: address of the grade book's database.
        due: when an assignment is due, by its name.

    Returns:
        the zip.

    Raises:
        ValueError: `due` names an assignment that there is not.
    """
    found = masters(folder)
    names = [master.name for master in found]
    if unknown := set(due or {}) - set(names):
        raise ValueError(f"due: got {', '.join(sorted(unknown))}, wanted {', '.join(names)}")
    course.mkdir(parents=True, exist_ok=True)
    if not (course / CONFIG).exists():
        (course / CONFIG).write_text(CONFIG_TEXT)
    for master in found:
        generate(master, course, db)
    with Gradebook(course_directory(course, db).db_url) as book:
        for name, moment in (due or {}).items():
            naive = moment.astimezone(UTC).replace(tzinfo=None)  # as nbgrader keeps it
            book.update_or_create_assignment(name, duedate=naive)
    notebooks = [course / "release" / name / f"{name}.ipynb" for name in names]
    if copies is not None:
        copies.mkdir(parents=True, exist_ok=True)
        for path in copies.glob("*.ipynb"):
            path.unlink()
        for path in notebooks:
            shutil.copyfile(path, copies / path.name)
    return zipped(found, notebooks, course / ZIP)


def generate(master: Master, course: Path, db: str | None) -> None:
    """nbgrader's own step from source to release; the grade book learns the hidden tests."""
    source = course / "source" / master.name
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    shutil.copyfile(master.path, source / f"{master.name}.ipynb")
    directory = course_directory(course, db)
    directory.assignment_id = master.name
    converter = GenerateAssignment(coursedir=directory, config=directory.config)
    converter.log.setLevel("ERROR")
    converter.force = True
    converter.start()


def zipped(found: Sequence[Master], notebooks: Sequence[Path], target: Path) -> Path:
    """The zip: notebooks, README, requirements and the package itself."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = built_wheel(Path(folder))
        rows = [f"- `{master.name}.ipynb`: {len(master.tasks)} exercises, " for master in found]
        table = "\n".join(
            row + f"{sum(task.points for task in master.tasks):g} points"
            for row, master in zip(rows, found, strict=True)
        )
        texts = {
            "README.md": README.format(count=len(found), table=table),
            "requirements.txt": REQUIREMENTS.format(wheel=wheel.name),
        }
        waiting = target.with_suffix(".part")
        with zipfile.ZipFile(waiting, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(f"{ZIP[:-4]}/{name}", text)
            for path in (*notebooks, wheel):
                archive.write(path, f"{ZIP[:-4]}/{path.name}")
    waiting.replace(target)
    return target


def built_wheel(folder: Path) -> Path:
    """The package as a wheel, for it is on no registry; built from a copy, beside it."""
    if not (PROJECT / "pyproject.toml").exists():
        raise FileNotFoundError(f"release: no pyproject.toml in {PROJECT}; run it in a clone")
    copy = folder / "project"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copyfile(PROJECT / name, copy / name)
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(PROJECT / "src", copy / "src", ignore=unwanted)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(folder), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The package cannot be built:\n{done.stderr.strip()}")
    (wheel,) = folder.glob("*.whl")
    return wheel
