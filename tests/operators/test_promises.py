"""What an operator's docstring says of dtypes, determinism and transforms is what the tests here
find: the paragraph is written from the same table."""

import inspect
from operator import attrgetter

import pytest

import gather3d

from .operators import CASES, PROMISES

# asks a function of the caller's, on the CPU and in float64, as its docstring says
OTHERS = {"device", "sources"}


@pytest.mark.parametrize("name", PROMISES)
def test_the_docstring_says_so(name):
    said = " ".join(inspect.getdoc(attrgetter(name)(gather3d)).split())
    assert PROMISES[name].words() in said


@pytest.mark.parametrize("name", PROMISES)
def test_the_promise_names_every_tensor(name):
    """Each argument that the cases vary is one that vmap maps over or does not."""
    cases = [case for case in CASES if case.operator == name]
    promise = PROMISES[name]
    assert cases
    for case in cases:
        _, tensors = case.build()
        assert tensors.keys() == {*promise.maps, *promise.stays}
        assert promise.floats == any(t.is_floating_point() for t in tensors.values())


def test_every_operator_promises():
    functions = {n for n in gather3d.__all__ if inspect.isfunction(getattr(gather3d, n))}
    assert functions - OTHERS == {name for name in PROMISES if "." not in name}
    assert {case.operator for case in CASES} == PROMISES.keys()
