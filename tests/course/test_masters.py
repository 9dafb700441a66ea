"""Each instructor's notebook has what the book and the course need of it."""

import ast
import re
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook
from tests.notebooks.normalise import dumps, execute, reads

from gather3d.course.masters import INSTRUCTOR, Master, MasterError, between, masters
from gather3d.exercises import EXERCISES, picture
from gather3d.exercises.check import Elsewhere, Worker, by_value

FOLDER = Path(__file__).parents[2] / "notebooks" / "exercises"
MASTERS = masters(FOLDER)
TASKS = [
    pytest.param(master, task, id=f"{master.name}/{task.name}")
    for master in MASTERS
    for task in master.tasks
]
POINTS = {"●○○": 2.0, "●●○": 3.0, "●●●": 4.0}
META = re.compile(r"^`(?P<id>[\w.]+)` · (?P<difficulty>[●○]{3}) · (?P<minutes>\d+) minutes$", re.M)


def said(task) -> re.Match:
    found = META.search(task.cells["task"].source)
    assert found, f"{task.name}: no line with id, difficulty and minutes"
    return found


def test_there_is_one_for_each_chapter():
    chapters = {path.stem for path in FOLDER.parent.glob("*.ipynb")}
    assert {master.name for master in MASTERS} == chapters


def test_every_exercise_of_the_catalogue_is_in_one():
    ids = [said(task)["id"] for m in MASTERS for task in m.tasks if not task.by_hand]
    assert sorted(ids) == sorted(EXERCISES)


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.name)
def test_master_goes_from_easy_to_open(master):
    assert len(master.tasks) >= 5
    difficulties = [said(task)["difficulty"] for task in master.tasks]
    assert difficulties[0] == "●○○"
    assert master.tasks[-1].by_hand and difficulties[-1] == "●●●"
    assert [task.by_hand for task in master.tasks].count(True) == 1
    minutes = sum(int(said(task)["minutes"]) for task in master.tasks)
    assert str(minutes) in master.title.source, f"the title should say {minutes} minutes"
    numbers = [re.match(r"## (\d+)\. ", task.cells["task"].source)[1] for task in master.tasks]
    assert numbers == [str(n + 1) for n in range(len(master.tasks))]


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.name)
def test_the_chapter_lists_them(master):
    chapter = nbformat.read(FOLDER.parent / f"{master.name}.ipynb", as_version=4)
    (cell,) = (cell for cell in chapter.cells if cell.id == "exercises")
    rows = [row.strip("| ").split(" | ") for row in cell.source.splitlines() if row[:1] == "|"][2:]
    assert len(rows) == len(master.tasks)
    for row, task in zip(rows, master.tasks, strict=True):
        assert row[2:] == [said(task)["difficulty"], said(task)["minutes"]]
        assert task.by_hand or f"`{said(task)['id']}`" in row[0]
    assert f"{{doc}}`../book/exercises/{master.name}`" in cell.source


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.name)
def test_solutions_pass_their_own_tests(master, kernel):
    """Every cell runs without an error and shows what is stored; the file is in its normal form."""
    stored = master.path.read_text()
    assert stored == dumps(reads(stored))
    executed = execute(reads(stored), FOLDER, allow_errors=True, kernel=kernel)
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", f"{cell.id}: {output.evalue}"
    assert dumps(executed) == stored


def test_the_kernel_that_stays_forgets_names(kernel):
    """A notebook does not live on what the one before has imported or defined."""
    for source in ("import math\nnumber = 1\nnumber", "math", "number"):
        notebook = new_notebook(cells=[new_code_cell(source)])
        notebook = execute(notebook, FOLDER, allow_errors=True, kernel=kernel)
        (shown,) = notebook.cells[0].outputs
        assert shown.get("ename") == (None if "=" in source else "NameError")


@pytest.mark.parametrize(("master", "task"), TASKS)
def test_exercise_is_whole(master, task):
    wanted = {"task", "wanted", "hints", "answer", "why", "bonus"}
    wanted |= {"work"} if task.by_hand else {"check"}
    assert set(task.cells) == wanted
    id, cells = said(task)["id"], task.cells
    assert task.name == id.replace(".", "-")
    assert task.points == POINTS[said(task)["difficulty"]]
    assert cells["wanted"].source.strip() == f'picture("{id}")'
    hints = BeautifulSoup(cells["hints"].source, "html.parser").find_all("details")
    assert [hint.summary.text for hint in hints] == ["Hint 1", "Hint 2", "Hint 3"]
    assert INSTRUCTOR in cells["why"].metadata.tags
    assert cells["why"].source.startswith("**Why it works.** ")
    assert cells["bonus"].source.startswith("**Bonus.** ") and "?" in cells["bonus"].source
    for part, cell in cells.items():
        about = cell.metadata.get("nbgrader", {})
        assert bool(about.get("locked")) == (part not in ("answer", "work", "why"))
        if part != "why":
            assert about.grade_id == cell.id == f"{task.name}-{part}"


CHECKED = [param for param in TASKS if not param.values[1].by_hand]


@pytest.mark.parametrize(("master", "task"), CHECKED)
def test_answer_has_the_signature_of_the_catalogue(master, task):
    exercise = EXERCISES[said(task)["id"]]
    function = next(
        node
        for node in ast.parse(task.cells["answer"].source).body
        if isinstance(node, ast.FunctionDef)
    )
    assert function.name == exercise.name
    assert ast.get_docstring(function)
    names = [argument.arg for argument in function.args.args]
    (case, *_) = exercise.cases(torch.Generator().manual_seed(0))
    assert names == list(case.arguments)
    called, _, given = exercise.signature.partition("(")
    places = [given.index(name) for name in names]
    assert called == exercise.name and places == sorted(places)
    (region,) = between(task.cells["answer"].source, "### BEGIN SOLUTION", "### END SOLUTION")
    assert 1 <= len(region.strip().splitlines()) <= 14


def test_weighted_rows_that_are_written_do_not_fit():
    """speed.bag: the hidden test finds out what the check cannot see, five gigabytes of rows."""
    master = next(m for m in MASTERS if m.name == "14-speed")
    task = next(task for task in master.tasks if task.name == "speed-bag")
    setup, solved = (cell.source for cell in (master.setup, task.cells["answer"]))
    imports = {"torch": torch, "F": torch.nn.functional, "__name__": "__main__"}
    written = "def bag(rows, index, weight):\n    rows = F.pad(rows, (0, 0, 0, 1))\n"
    written += "    return (rows[index.long()] * weight[:, :, None]).sum(1)\n"
    worker = Worker()
    for answer, message in ((solved, ""), (written, "80 bags of 4096 rows.* five gigabytes")):
        names = dict(imports)
        exec(answer, names)
        given = {"bag": Elsewhere(by_value(names["bag"]), worker), "display": lambda report: None}
        exec(setup, given)
        refused = pytest.raises(AssertionError, match=message) if message else nullcontext()
        with refused:
            exec(task.cells["check"].source, given)
    worker.stop()


def test_hidden_tests_have_seeds_and_cases_of_their_own():
    seeds = []
    for param in CHECKED:
        _, task = param.values
        source = task.cells["check"].source
        (hidden,) = between(source, "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
        seeds += re.findall(r"check\(.*seed=(\d+)\)", hidden)
        asserts = [n for n in ast.walk(ast.parse(hidden)) if isinstance(n, ast.Assert)]
        assert len(asserts) >= 2, f"{task.name}: a seed and another case"
        assert all(node.msg is not None for node in asserts), f"{task.name}: no words"
        shown = source.replace(hidden, "")
        assert f'check("{said(task)["id"]}"' in shown and "seed" not in shown
    assert len(seeds) == len(set(seeds)) == len(CHECKED)


@pytest.mark.parametrize(("master", "task"), TASKS)
def test_picture_of_the_wanted_result(master, task):
    drawn = picture(said(task)["id"])
    assert len(drawn.caption) > 30 and len(drawn.alt) > 30
    assert "<svg" in drawn._repr_html_()


def test_no_such_picture():
    with pytest.raises(ValueError, match=r"id: got 'gather\.no', wanted one of gather\."):
        picture("gather.no")


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(MasterError, match="no notebook in"):
        masters(tmp_path)


def test_secrets_are_all_that_a_student_must_not_see():
    master = next(m for m in MASTERS if m.name == "01-gather")
    kinds = [kind for kind, _ in master.secrets()]
    checked = len([task for task in master.tasks if not task.by_hand])
    assert kinds.count("hidden test") == checked
    assert kinds.count("solution") == checked + 2  # and the work and answer of the open one
    assert kinds.count("instructor's text") == len(master.tasks)
    assert isinstance(master, Master)
    for _, text in master.secrets():
        assert text not in master.without_secrets()


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.name)
def test_the_chapter_s_predictions_come_first(master):
    """Those that the chapter asks, in its order, for a letter to be put in."""
    cells = master.notebook.cells
    asked = [cell.source for cell in cells if cell.id.startswith("predict-")]
    chapter = nbformat.read(FOLDER.parent / f"{master.name}.ipynb", as_version=4)
    ids = re.findall(r'^predict\("(\S+)"\)$', "\n".join(c.source for c in chapter.cells), re.M)
    assert asked == [f'predict("{id}", "")' for id in ids] and len(asked) >= 3
    first = next(number for number, cell in enumerate(cells) if cell.id.endswith("-task"))
    assert all(not cell.id.startswith("predict") for cell in cells[first:])
