"""The examples in the docstrings are run, and there is one for every operator."""

import doctest
import inspect

import pytest
import torch

import gather3d
from gather3d import refusals

NAMES = {name: getattr(gather3d, name) for name in gather3d.__all__}
NAMES |= {"torch": torch, "gather3d": gather3d}
NAMES |= {"check_shapes": refusals.check_shapes, "unchecked": refusals.unchecked}
EXAMPLES = {
    test.name: test
    for name, member in NAMES.items()
    if not inspect.ismodule(member)
    for test in doctest.DocTestFinder().find(member, name, module=False, globs=NAMES)
}


@pytest.mark.parametrize("name", [name for name, test in EXAMPLES.items() if test.examples])
def test_example(name):
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    result = runner.run(EXAMPLES[name], out=said.append)
    assert result.attempted > 0 and result.failed == 0, "".join(said)


@pytest.mark.parametrize("name", [n for n in gather3d.__all__ if inspect.isfunction(NAMES[n])])
def test_there_is_an_example(name):
    assert EXAMPLES[name].examples


def test_a_wrong_example_fails():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda _: None).failed == 1
