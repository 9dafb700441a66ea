"""The examples in the docstrings give what they say."""

import doctest
import importlib

import pytest

MODULES = [
    "gather3d.exercises.check",
    "gather3d.exercises.goal",
    "gather3d.trials",
    "gather3d.exercises.chapters.pictures",
    "gather3d.course.settings",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted and not results.failed
