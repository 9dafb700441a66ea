"""What the tests of the site share: the built book, a browser, a maker of small books."""

import os
import sys
from pathlib import Path

import pytest

from .browser import served

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "_build" / "html"

# the book's extension is not installed: its folder is put on the path
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from gather3d_book.browser import find_browser, started  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    executable = find_browser()
    if executable is None:
        message = "no Chromium or Chrome on this machine (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with started(executable) as browser:
        yield browser


@pytest.fixture(scope="session")
def book():
    """The address of the built book."""
    with served(BUILT, gzipped=True) as address:
        yield address
