"""The instructors' page says what is so: its tables, and the commands that it tells you to run."""

import re
import shlex
from pathlib import Path

import pytest

from gather3d.course.__main__ import parser
from gather3d.course.masters import REGIONS, masters
from gather3d.course.sandbox import Limits

from .test_masters import said

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "book" / "instructors.md").read_text()
OURS = r"^\.venv/bin/python -m gather3d\.course (.+)$"


def rows(beginning: str) -> list[list[str]]:
    """The cells of the table whose first line begins so."""
    table = PAGE.partition(f"\n{beginning}")[2].partition("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_assignments_have_these_exercises_minutes_and_points():
    found = {}
    for assignment, _, *numbers in rows("| assignment |"):
        name = re.search(r"<exercises/(.+)>", assignment)[1]
        found[name] = [float(number) for number in numbers]
    wanted = {
        master.name: [
            len(master.tasks),
            sum(int(said(task)["minutes"]) for task in master.tasks),
            sum(task.points for task in master.tasks),
        ]
        for master in masters(PROJECT / "notebooks" / "exercises")
    }
    assert found == wanted


def test_limits_are_these():
    at_first = [float(row[1]) for row in rows("| limit |")]
    limits = Limits()
    assert at_first == [
        limits.cell,
        limits.total,
        limits.gigabytes,
        limits.processes,
        limits.disk,
        limits.output,
    ]


def test_there_are_ten_commands():
    block = PAGE.partition("(ten-commands)=")[2].partition("```bash\n")[2].partition("```")[0]
    assert len(block.splitlines()) == 10


@pytest.mark.parametrize("command", re.findall(OURS, PAGE, flags=re.M))
def test_our_commands_are_understood(command):
    parser().parse_args(shlex.split(command.replace("<that machine>", "machine")))


def test_a_masters_cells_are_called_so():
    (master, *_) = masters(PROJECT / "notebooks" / "exercises")
    cells = [cell.id for cell in master.notebook.cells if cell.id.startswith("gather-loops-")]
    assert [row[0].strip("`") for row in rows("| cell |")] == cells
    for delimiter in (each for pair in REGIONS.values() for each in pair):
        assert f"`{delimiter}`" in PAGE
