"""The limits of a submission, with bubblewrap and without."""

import shutil
import subprocess
import sys
import time

import psutil
import pytest
from nbformat.v4 import new_code_cell

from gather3d.course import sandbox
from gather3d.course.__main__ import main
from gather3d.course.kernel import run
from gather3d.course.sandbox import Limits, Sandbox, Watch, end

LIMITS = Limits(cell=4.0, total=40.0, gigabytes=1.0)


@pytest.fixture(params=["isolated", "limits only"])
def place(request) -> Sandbox:
    if request.param == "isolated":
        request.getfixturevalue("bubblewrap")
    return Sandbox(LIMITS, isolated=request.param == "isolated")


def test_cells_share_a_kernel_and_give_up_their_functions(place):
    sources = [
        "scale = 3",
        "def times(x):\n    return scale * x",
        "1 / 0",
        "times(2)",
        "late = ...",
    ]
    cells = [new_code_cell(source) for source in sources]
    found = run(cells, ["times", "late", "missing"], place)
    assert set(found) == {"times"}  # Ellipsis is no function
    assert [output.output_type for cell in cells for output in cell.outputs] == [
        "error",
        "execute_result",
    ]
    assert cells[3].outputs[0].data["text/plain"] == "6"


def test_a_loop_and_an_exit_cost_their_cell(place):
    sources = [
        "def one():\n    return 1",
        "while True:\n    pass",
        "import os\nos._exit(3)",
        "x = one()",
    ]
    cells = [new_code_cell(source) for source in sources]
    assert set(run(cells, ["one"], place)) == {"one"}
    assert cells[1].outputs[-1].evalue == "stopped after 4 seconds"
    assert cells[2].outputs[-1].evalue == "this cell ended the kernel"
    assert cells[3].outputs == []


def test_memory_and_output_are_limited(place):
    sources = ["heap = bytearray(50 * 2**30)", "print('x' * 10**6)", "def one(): ..."]
    cells = [new_code_cell(source) for source in sources]
    assert set(run(cells, ["one"], place)) == {"one"}
    assert cells[0].outputs[-1].ename == "MemoryError"
    assert "is left out" in cells[1].outputs[-1].text
    assert len(str(cells[1].outputs)) < 2 * (LIMITS.output << 10)


def test_processes_are_counted_together(place, tmp_path):
    """Each takes less than the limit; the watch sees all of them."""
    source = (
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        heap = bytearray(300 * 2**20)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)"
    )
    start = time.monotonic()
    process = subprocess.Popen(place.command([sys.executable, "-c", source], tmp_path))
    with Watch(process.pid, tmp_path, LIMITS) as watch:
        process.wait()
    assert watch.ended == "took too much memory"
    assert time.monotonic() - start < 30


def test_a_folder_that_fills_is_seen(place, tmp_path):
    source = (
        "import sys, time\n"
        "for number in range(4):\n"
        "    open(f'{sys.argv[1]}/{number}', 'wb').write(bytes(30 * 2**20))\n"
        "time.sleep(60)"
    )
    command = place.command([sys.executable, "-c", source, str(tmp_path)], tmp_path)
    process = subprocess.Popen(command)
    with Watch(process.pid, tmp_path, LIMITS) as watch:
        process.wait()
    assert watch.ended == "wrote too much"


def test_nothing_of_it_lives_on(bubblewrap, tmp_path):
    """A daemon that has left its parent and its session ends with the sandbox."""
    source = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        while True:\n"
        "            open(os.environ['HOME'] + '/alive', 'w').write('x')\n"
        "            time.sleep(0.05)\n"
        "time.sleep(60)"
    )
    program = [sys.executable, "-c", source, "a-daemon-of-a-student"]
    process = subprocess.Popen(Sandbox(LIMITS).command(program, tmp_path))
    time.sleep(1)
    assert living("a-daemon-of-a-student") >= 2
    end(process.pid)
    process.wait()
    time.sleep(0.5)
    assert living("a-daemon-of-a-student") == 0


def living(word: str) -> int:
    """Python programs with this word among their arguments: not the tools that start them."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return sum(line[:1] == [sys.executable] and line[-1] == word for line in found)


def test_without_bubblewrap_grading_is_refused_in_words(monkeypatch, tmp_path, capsys):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bwrap" else which(name))
    monkeypatch.setattr(sandbox, "missing", sandbox.missing.__wrapped__)  # not what it kept
    assert sandbox.missing() == "bubblewrap (bwrap) is not installed"
    assert main(["grade", str(tmp_path), "--course", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    for words in ("bubblewrap (bwrap) is not installed", "hidden tests", "the network"):
        assert words in said
    assert "--unsandboxed" in said


def test_with_unsandboxed_it_goes_on(monkeypatch, tmp_path, capsys):
    """As far as the course, that is: there is none here."""
    monkeypatch.setattr(sandbox, "missing", lambda: "there is none")
    assert main(["grade", str(tmp_path), "--course", str(tmp_path), "--unsandboxed"]) == 1
    assert "run `release` first" in capsys.readouterr().err
