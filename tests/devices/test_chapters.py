"""A chapter that forgets the device fails on the stand-in, run as `make test` runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from tests.devices import environment
from tests.notebooks.normalise import dumps, execute, reads

ROOT = Path(__file__).parents[2]
CHAPTER = reads((ROOT / "notebooks" / "01-gather.ipynb").read_text(encoding="utf-8"))
CELLS = {cell.id: cell.source for cell in CHAPTER.cells if cell.cell_type == "code"}

# what an author may forget in these two cells: what is written there, what is left of it, and which
# of the two then fails
MAKE, READ = "toy-features", "snippet-runs"
FORGOTTEN = {
    "nothing": ("", "", None),
    "features stay on the CPU": (".float().to(device)", ".float()", READ),
    "an index does": ("4, 3]], device=device)", "4, 3]])", READ),
    "numpy at once": ("picked.cpu()", "picked.numpy()", READ),
    "a device is shown": ("picked.cpu()", "picked", READ),
    "numbers drawn there are shown": (
        "features.cpu()",
        "(features + torch.randint(9, (6,), device=device)).cpu()",
        MAKE,
    ),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """The cells that fail on the stand-in; on the CPU all run, and their outputs are stored.

    One chapter with all the mistakes, one after another, so that one kernel meets them.
    """
    cells = [new_code_cell(CELLS["imports"], id="imports")]
    for number, (written, left, _) in enumerate(FORGOTTEN.values()):
        for name in (MAKE, READ):
            source = CELLS[name].replace(written, left) if written else CELLS[name]
            cells.append(new_code_cell(source, id=f"{name}-{number}"))
    path = tmp_path_factory.mktemp("broken") / "broken.ipynb"
    here = execute(new_notebook(cells=cells), path.parent, environment=environment("cpu"))
    path.write_text(dumps(here))

    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-rf", "-p", "no:cacheprovider"]
    there = {**os.environ, **environment("standin")}
    run = subprocess.run(
        [*command, str(path)],
        cwd=ROOT,
        env=there,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout
    return {cells[int(n)].id for n in re.findall(r"^FAILED \S+::Cell (\d+)", run.stdout, re.M)}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_what_is_forgotten_is_seen(failed, what):
    number = [*FORGOTTEN].index(what)
    written, _, seen = FORGOTTEN[what]
    assert written in CELLS[MAKE] + CELLS[READ]
    fails = {name for name in (MAKE, READ) if f"{name}-{number}" in failed}
    assert fails == ({seen} if seen else set())
