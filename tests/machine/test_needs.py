"""What is said of tests that are left out, and what pytest leaves alone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.needs import MISSING, left_out

ROOT = Path(__file__).parents[2]
IGNORED = ["_build", "course", "notebooks/exercises"]
WANTS = """\
from tests.needs import need
def test_that_wants_a_lathe(): need("no lathe")
def test_that_wants_it_too(): need("no lathe")
def test_that_has_what_it_wants(): need(None)
"""
WHOLE = """\
from tests.needs import need
need("no kiln", module=True)
def test_pots(): ...
"""
OTHER = """\
import pytest
@pytest.mark.skip("there is no moon")
def test_tides(): ...
"""


def run(*given: object, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    """pytest as one calls it, not as part of this run; of its plugins no slow ones."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    ours |= {"CI": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    command = [sys.executable, "-m", "pytest", "-p", "xdist", *map(str, given)]
    done = subprocess.run(command, cwd=cwd, env=ours, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def sample(tmp_path):
    for name, text in (("wants", WANTS), ("whole", WHOLE), ("other", OTHER)):
        (tmp_path / f"test_{name}.py").write_text(text)
    return ["-p", "tests.needs", "--rootdir", tmp_path, tmp_path]


def test_the_last_lines_say_what_was_left_out(sample):
    status, output = run("-n", 2, *sample)
    assert status == 0, output
    *_, title, kiln, lathe, command, moon, counts = output.splitlines()
    assert "left out" in title
    assert kiln == "missing here: no kiln: test_whole.py"
    assert lathe == "missing here: no lathe: 2 of test_wants.py"
    assert "`make system`" in command
    assert moon == "skipped, there is no moon: 1 of test_other.py"
    assert "1 passed, 4 skipped" in counts


def test_where_nothing_may_be_missing_it_fails(sample):
    status, output = run("--continue-on-collection-errors", *sample, CI="true")
    assert status != 0
    assert "no kiln: `make system` installs" in output
    assert re.search(r"2 failed, 1 passed, 1 skipped, .*1 error", output)


def test_folders_are_counted():
    skips = [(f"tests/site/test_{n}.py::test", f"Skipped: {MISSING}no lathe") for n in range(3)]
    skips.append(("tests/widgets/test_x.py::test[1/2::3]", f"Skipped: {MISSING}no lathe"))
    assert left_out(skips)[0] == "missing here: no lathe: 3 of tests/site, 1 of tests/widgets"
    assert left_out([]) == []
    assert left_out([("tests/a.py::t", "no moon")]) == ["skipped, no moon: 1 of tests/a.py"]


@pytest.mark.parametrize("given", ["notebooks", "."])
def test_a_folder_gives_the_chapters_alone(tmp_path, given):
    """Not what waits for a student's answer, and no copy that a build left behind."""
    for folder in ("notebooks", *IGNORED, f"{IGNORED[-1]}/students", "_build/html/_sources"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "test_one.py").write_text("def test(): ...")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]")
    status, output = run("--collect-only", "-q", "--import-mode=importlib", given, cwd=tmp_path)
    assert status == 0, output
    assert "notebooks/test_one.py::test" in output and "\n1 test collected" in output
