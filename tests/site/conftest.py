"""What the tests of the site share: the built book, where a browser is."""

import subprocess
import sys
from pathlib import Path

import pytest

from .browser import served

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "_build" / "html"

# the book's extension is not installed: its folder is put on the path
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from gather3d_book.browser import find_browser, started  # noqa: E402, F401


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--changed",
        action="store_true",
        help="of the tests of single pages, those of pages that git calls changed",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("changed"):
        return
    changed = set(map(page_of, changed_files()))
    single = [item for item in items if item.path.parent == HERE]
    others = [item for item in single if page_tested(item) not in changed]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def page_tested(item: pytest.Item) -> str | None:
    return item.callspec.params.get("name") if hasattr(item, "callspec") else None


def changed_files() -> list[str]:
    """What git calls changed or new, from the project's folder."""
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line[3:].split(" -> ")[-1] for line in done.stdout.splitlines()]


def page_of(source: str) -> str:
    """The page that is made from a file, if any is."""
    master = source.replace("notebooks/exercises/", "book/exercises/")
    return master.rpartition(".")[0] + ".html"


@pytest.fixture(scope="session")
def book():
    """The address of the built book."""
    with served(BUILT, gzipped=True) as address:
        yield address
