"""What all tests share.

Before any test imports gather3d: every call of an operator has its shapes checked. jaxtyping reads
the annotations in the operators' signatures, beartype checks arguments and results against them,
calls from one operator to another included.
"""

import os

import hypothesis
import pytest
from jaxtyping import install_import_hook
from tests.needs import need, no_compiler, no_program, pytest_terminal_summary  # noqa: F401

OPERATORS = [
    "indexing",
    "sources.asking",
    "sources.linear",
    "sources.words",
    "nearest",
    "points",
    "voxels",
    "sparse",
    "sampling",
    "sums",
    "refusals",
]
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # int is a float
install_import_hook([f"gather3d.{name}" for name in OPERATORS], CHECKER)

# Few examples, the same on every run, find what a change has broken (HYPOTHESIS_PROFILE=few takes
# the first of them); each week new ones, and many of them, look for what nobody has thought of.
repeat = hypothesis.settings(derandomize=True, deadline=None, database=None, max_examples=25)
hypothesis.settings.register_profile("repeat", repeat)
hypothesis.settings.register_profile("few", repeat, max_examples=8)
hypothesis.settings.register_profile("search", deadline=None, max_examples=400)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture(scope="session")
def browser():
    """One for the pages of the book and for the explorables."""
    from tests.site.conftest import find_browser, started  # wants Sphinx, which operators do not

    executable = find_browser()
    need(None if executable else "no Chromium or Chrome")
    with started(executable) as browser:
        yield browser


@pytest.fixture(scope="session")
def compiler():
    """For what torch.compile writes."""
    need(no_compiler())


@pytest.fixture(scope="session")
def git():
    need(no_program("git", "no git"))
