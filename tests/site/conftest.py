"""What the tests of the site share: the built book, where a browser is."""

import sys
from pathlib import Path

import pytest

from .browser import served

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "_build" / "html"

# the book's extension is not installed: its folder is put on the path
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from gather3d_book.browser import find_browser, started  # noqa: E402, F401


@pytest.fixture(scope="session")
def book():
    """The address of the built book."""
    with served(BUILT, gzipped=True) as address:
        yield address
