"""What `make bench` times is equal, and its words are right. Nothing is timed here."""

import pytest
import torch

from gather3d import device

from ..operators.references.referee import REQUIREMENTS, referee
from .operators import slope
from .rows import ROWS, Row

PACKAGES = {  # by the module that a row needs
    line.split("==")[0].replace("-cpu", "").replace("-", "_"): line.split("==")[0]
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    if "==" in line
}


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_ours_and_theirs_agree(row: Row, threads):
    """On a part of each row's inputs; `make bench` compares on all of them before it times."""
    for module in row.needs:
        referee(PACKAGES[module], module)
    threads(row.threads or 1)
    case = row.make(1 / 64)
    case.agree(case.ours(), case.reference())
    assert case.count > 0 and case.bytes > 0


def test_rows_have_names_of_their_own():
    """A row is asked for by name, in a process of its own."""
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("times", "words"),
    [([1, 8], "in proportion"), ([1, 64], "square"), ([1, 1.5], "fixed"), ([1, 16], "caches")],
)
def test_slope(times, words):
    short, long = times
    assert words in slope([(1000, short), (8000, long)])


def test_the_device_is_the_book_s(monkeypatch):
    monkeypatch.setenv("GATHER3D_DEVICE", "cpu")
    case = ROWS[0].make(1 / 64)
    assert case.ours().device == device()
