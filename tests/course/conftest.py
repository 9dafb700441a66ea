"""What the tests of the course share."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from dask.distributed import Client, LocalCluster
from jupyter_client import AsyncKernelManager
from jupyter_core.utils import run_sync
from tests.needs import need
from tests.notebooks.normalise import KERNEL

from gather3d.course import grade as grading
from gather3d.course import sandbox
from gather3d.course.masters import Master
from gather3d.course.release import generate
from gather3d.course.settings import CONFIG, CONFIG_TEXT

PROJECT = Path(__file__).parents[2]
ASSIGNMENT = "01-gather"


@pytest.fixture(scope="session")
def bubblewrap():
    """There is a sandbox."""
    need(sandbox.missing())


@pytest.fixture(scope="session")
def made_course(tmp_path_factory) -> Path:
    """A course with one assignment, without what students get."""
    course = tmp_path_factory.mktemp("course") / "course"
    course.mkdir()
    (course / CONFIG).write_text(CONFIG_TEXT)
    generate(Master.read(PROJECT / "notebooks" / "exercises" / f"{ASSIGNMENT}.ipynb"), course, None)
    return course


@pytest.fixture(scope="module")
def plain_course(made_course, tmp_path_factory) -> Path:
    """A copy of it, for one module's tests."""
    return shutil.copytree(made_course, tmp_path_factory.mktemp("plain") / "course")


@pytest.fixture(scope="session")
def kernel():
    """One for all notebooks of exercises, which `execute` starts: it and the process that checks
    answers load torch once."""
    manager = AsyncKernelManager(kernel_name=KERNEL["name"])
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


@pytest.fixture
def here(monkeypatch):
    """Grading in this process, so that a test can change what it does."""

    @contextmanager
    def crew(scheduler, workers):
        with (
            LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster) as client,
        ):
            yield client

    monkeypatch.setattr(grading, "crew", crew)


@pytest.fixture
def instant(here, monkeypatch):
    """And nothing of a student's runs."""
    monkeypatch.setattr(grading, "graded", lambda text, *given: text)
    monkeypatch.setattr(grading, "try_masters", lambda *given: None)
    monkeypatch.setattr(grading.Sandbox, "here", lambda *given, **named: None)
