"""The cell with which a notebook begins, where it is not Colab and in an imitation of Colab.

The imitation has what the cell asks for, each as Colab has it: a shell of the class
google.colab._shell.Shell, a Jupyter server that answers /api/sessions, and a page that hands out
the notebook. pip writes down what it is called with.
"""

import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .first_cell import METADATA, SOURCE
from .normalise import reads

EXERCISES = sorted((Path(__file__).parents[2] / "notebooks" / "exercises").rglob("*.ipynb"))

RUN = """
import json, sys, types
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

given = json.load(open(sys.argv[1]))
Shell = type("Shell", (InteractiveShell,), {"__module__": given["shell"]})
if given["shell"].startswith("google."):
    google, colab, message = map(types.ModuleType, ("google", "google.colab", "_message"))
    google.colab, colab._message, google.__path__ = colab, message, []
    message.blocking_request = lambda request, timeout_sec=5: given["page"]
    sys.modules.update({"google": google, "google.colab": colab})
shell = Shell(config=Config(HistoryManager={"enabled": False}))
shell.run_cell("0")  # what IPython itself brings with a first cell
names, modules = set(shell.user_ns), set(sys.modules)
shell.run_cell(given["source"]).raise_error()
new = sorted({*shell.user_ns} - names), sorted({*sys.modules} - modules)
print(json.dumps(new), file=sys.stderr)
"""

CURL = f"""#!{sys.executable}
import sys, urllib.request
try:
    print(urllib.request.urlopen("http://" + sys.argv[-1], timeout=9).read().decode())
except Exception:
    sys.exit(7)
"""

PIP = """#!/bin/sh
case "$1" in
list) printf 'gather3d 0.1.0\\nnumpy 2.0.2\\ntorch 2.8.0+cu126\\ntorch-other 1\\n' ;;
*) for word in "$@"; do echo "$word" >> "$PIP_LOG"; done; exit "${PIP_EXIT:-0}" ;;
esac
"""

GITHUB = "fileId=https%3A//github.com/some-owner/a.book/blob/{branch}/notebooks/{name}.ipynb"
DRIVE = "fileId=1w6mqQiNV3liPIX70NOgitOlDF1_4sRMw"
CHAPTER = [{"source": ["see https://github.com/open-mmlab/OpenPCDet/blob/master/tools/a.yaml"]}]
SPEC = "gather3d[notebooks] @ git+https://github.com/some-owner/a.book"


class Sessions(BaseHTTPRequestHandler):
    def __init__(self, path, *arguments):
        self.notebook = path
        super().__init__(*arguments)

    def do_GET(self):
        found = self.path == "/api/sessions" and self.notebook
        session = {"id": "0", "path": self.notebook, "name": "01-gather.ipynb"}
        body = json.dumps([session] if found else []).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def run(tmp_path):
    """Runs the cell; gives what it printed, what pip was asked for, new names and new modules."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {"curl": CURL, "pip": PIP}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    log = tmp_path / "log"

    def in_shell(shell, path="", page=None, typed="", **environment):
        given = {"shell": shell, "page": page, "source": SOURCE}
        (tmp_path / "given.json").write_text(json.dumps(given))
        log.write_text("")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Sessions, path))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            done = subprocess.run(
                [sys.executable, "-c", RUN, str(tmp_path / "given.json")],
                env=os.environ
                | {
                    "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                    "IPYTHONDIR": str(tmp_path),
                    "PIP_LOG": str(log),
                    "COLAB_JUPYTER_IP": "127.0.0.1",
                    "KMP_TARGET_PORT": str(server.server_port),
                }
                | environment,
                input=typed,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        finally:
            server.shutdown()
            server.server_close()
        names, modules = json.loads(done.stderr.splitlines()[-1])
        return done.stdout.partition("0\n")[2], log.read_text().splitlines(), names, modules

    return in_shell


@pytest.mark.parametrize("shell", ["ipykernel.zmqshell", "IPython.terminal.interactiveshell"])
def test_elsewhere_it_does_nothing(run, shell):
    """Also where somebody has the variables of Colab."""
    page = {"ipynb": {"metadata": {}}}
    assert run(shell, GITHUB.format(branch="main", name="01-gather"), page) == ("", [], [], [])


@pytest.mark.parametrize(
    ("branch", "name"), [("main", "01-gather"), ("a/branch-1.0", "exercises/students/14-speed")]
)
def test_a_notebook_opened_from_github(run, branch, name):
    path = GITHUB.format(branch=branch, name=name)
    printed, asked, _, _ = run("google.colab._shell", path)
    assert asked == ["install", "-q", SPEC]
    assert printed.split("\n")[0].endswith("gather3d 0.1.0")  # and the versions, no others
    assert [line.split() for line in printed.splitlines()][1:] == [
        ["numpy", "2.0.2"],
        ["torch", "2.8.0+cu126"],
    ]


def test_a_copy_in_a_drive(run):
    """Its session names a file of the drive, its metadata where it came from."""
    came = "https://github.com/some-owner/a.book/blob/main/notebooks/01-gather.ipynb"
    about = {"colab": {"provenance": [{"file_id": came, "timestamp": 1669093216189}]}}
    page = {"ipynb": {"cells": CHAPTER, "metadata": about}}
    assert run("google.colab._shell", DRIVE, page)[1] == ["install", "-q", SPEC]


@pytest.mark.parametrize("typed", ["https://github.com/some-owner/a.book", "github.com/x/y/"])
@pytest.mark.parametrize(
    "page", [None, {"ipynb": {"cells": CHAPTER, "metadata": {"colab": {"provenance": []}}}}]
)
def test_a_notebook_that_was_uploaded(run, page, typed):
    """It says in a sentence what to type."""
    printed, asked, _, _ = run("google.colab._shell", DRIVE, page, typed + "\n")
    assert printed.startswith("Type the address of the book's repository (github.com/…/…): ")
    wanted = SPEC if "some-owner" in typed else SPEC.replace("some-owner/a.book", "x/y")
    assert asked == ["install", "-q", wanted]


def test_without_a_server(run):
    printed, asked, _, _ = run(
        "google.colab._shell", typed="github.com/some-owner/a.book\n", KMP_TARGET_PORT="1"
    )
    assert "Type the address" in printed and asked[-1] == SPEC


def test_what_pip_cannot_install_has_no_versions(run):
    path = GITHUB.format(branch="main", name="01-gather")
    assert "torch" not in run("google.colab._shell", path, PIP_EXIT="1")[0]


def test_no_address_is_written_down():
    assert "github.com/" not in SOURCE.replace(r"github\.com/[\w.-]+/[\w.-]+", "").replace(
        "github.com/…/…", ""
    )


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_exercises_begin_with_it(path):
    """As chapters do; `make course` hands it on to the students' notebooks."""
    first = reads(path.read_text(encoding="utf-8")).cells[0]
    assert (first.source, first.metadata, first.outputs) == (SOURCE, METADATA, [])
