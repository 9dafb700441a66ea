"""Right answers in every shape that a function may have, and with everything that may be printed.

Nothing that the checker does itself is held against them.
"""

import contextlib
import functools
import io
import logging
import pprint
import sys
import warnings
from pathlib import Path

import pytest
import torch
from beartype import beartype
from jaxtyping import Int, jaxtyped
from tqdm import tqdm

import gather3d as g3
from gather3d.exercises import EXERCISES, check
from gather3d.exercises.answer import of_a_library

from . import helpers_of_mine
from .helpers_of_mine import pick as imported

ID = "gather.pick_points"
LOG = logging.getLogger("mine")


def pick(features, index, dim=2, *, keep=True):
    return features.gather(dim, index[:, None].expand(-1, features.shape[1], -1))


# ---- objects


class Picker:
    def __init__(self):
        self.dim = 2

    def __call__(self, features, index):
        return pick(features, index, self.dim)

    def method(self, features, index):
        return self(features, index)

    @staticmethod
    def static(features, index):
        return pick(features, index)

    @classmethod
    def of_the_class(cls, features, index):
        return cls()(features, index)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Linear(2, 2)

    def forward(self, features, index):
        return pick(features, index)


def announced(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        print("called")
        return function(*arguments)

    return wrapper


@announced
def decorated(features, index):
    return pick(features, index)


@functools.lru_cache(maxsize=4)
def cached(features, index):
    return pick(features, index)


@torch.enable_grad()
def with_gradients(features, index):
    return pick(features, index)


@torch.compile
def compiled(features, index):
    return pick(features, index)


@jaxtyped(typechecker=beartype)
def typed(features: torch.Tensor, index: Int[torch.Tensor, "B M"]) -> torch.Tensor:
    return pick(features, index)


@beartype
def typed_by_beartype(features: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return pick(features, index)


def closure():
    dim = 2

    def inside(features, index):
        return pick(features, index, dim)

    return inside


def recursive(features, index):
    if 2 <= index.shape[1] < 9:
        first, rest = index[:, :1], index[:, 1:]
        return torch.cat([pick(features, first), recursive(features, rest)], 2)
    return pick(features, index)


def through_a_module(features, index):
    return helpers_of_mine.pick(features, index)


def imports_inside(features, index):
    import scipy.spatial  # noqa: F401
    from tests.exercises.helpers_of_mine import pick

    import gather3d.exercises

    assert gather3d.exercises.check
    return pick(features, index)


OBJECTS = {
    "partial": functools.partial(pick, dim=2),
    "partial of a partial": functools.partial(functools.partial(pick), keep=False),
    "object": Picker(),
    "bound method": Picker().method,
    "static method": Picker.static,
    "raw static method": staticmethod(pick),
    "class method": Picker.of_the_class,
    "module": Layer(),
    "compiled module": torch.compile(Layer()),
    "lambda in a dict": {"pick": lambda features, index: pick(features, index)}["pick"],
    "closure": closure(),
    "imported": imported,
    "partial of an import": functools.partial(imported),
    "vmap": torch.vmap(lambda x, i: x.gather(1, i[None].expand(x.shape[0], -1))),
} | {
    each.__name__: each
    for each in (
        decorated,
        cached,
        with_gradients,
        compiled,
        typed,
        typed_by_beartype,
        recursive,
        through_a_module,
        imports_inside,
    )
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_an_answer(name):
    report = check(ID, OBJECTS[name])
    assert report.passed, report


# ---- what is printed


def prints(features, index):
    print(features.shape)
    print("to stderr", file=sys.stderr, flush=True)
    sys.stdout.write("written\n")
    sys.stdout.writelines(["line one\n", "line two\n"])
    sys.stdout.buffer.write(b"bytes\n")
    return pick(features, index)


def logs(features, index):
    LOG.warning("a warning about %s", index.dtype)
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
    logging.debug("a detail")
    return pick(features, index)


def warns(features, index):
    warnings.warn("careful", stacklevel=1)
    torch.tensor(torch.zeros(2))  # torch warns by itself
    return pick(features, index)


def shows(features, index):
    pprint.pprint({"shape": features.shape})
    display(features.shape, display_id=True)  # a notebook has it
    return pick(features, index)


def has_a_bar(features, index):
    for _ in tqdm(range(3), desc="taps"):
        pass
    return pick(features, index)


def prints_elsewhere(features, index):
    with contextlib.redirect_stdout(io.StringIO()) as page:
        print("hidden")
    assert page.getvalue() == "hidden\n"
    return pick(features, index)


PRINTING = {
    prints: "torch.Size torch.Size to stderr written line one line two bytes",
    logs: "a warning about torch.int64 a detail",
    warns: "UserWarning: careful sourceTensor",
    shows: "'shape': torch.Size",
    has_a_bar: "taps",
    prints_elsewhere: "",
}


@pytest.mark.parametrize("answer", PRINTING)
def test_what_is_printed_is_shown_and_nothing_else(answer):
    report = check(ID, answer)
    assert report.passed, report
    assert all(word in report.printed for word in PRINTING[answer].split())
    assert len(report.printed) < 2100


def test_a_line_is_shown_once_for_each_case():
    """Not again when gradients are asked for, or steps counted."""
    cases = list(EXERCISES[ID].cases(torch.Generator().manual_seed(0)))
    printed = check(ID, decorated).printed
    assert printed.count("called") == len(cases)


# ---- what is not right stays so, whatever it is wrapped in


class Looping:
    def __call__(self, features, index):
        out = features.new_zeros(*features.shape[:2], index.shape[1])
        for b in range(len(index)):
            for m in range(index.shape[1]):
                k = int(index[b, m])
                if k >= features.shape[2]:
                    raise IndexError(k)
                out[b, :, m] = features[b, :, k]
        return out


@torch.no_grad()
def without_gradients(features, index):
    return pick(features, index)


@torch.jit.script
def scripted(features: torch.Tensor, index: torch.Tensor):
    return features.gather(2, index[:, None].expand(-1, features.shape[1], -1))


def finished(features, index):
    return functools.partial(g3.gather_points)(features, index)


@pytest.mark.parametrize(
    ("answer", "diagnosis", "words"),
    [
        (Looping(), "python-loop", "loop"),
        (functools.partial(Looping()), "python-loop", "loop"),
        (functools.lru_cache(Looping().__call__), "python-loop", "loop"),
        (without_gradients, "no-gradient", "features"),
        (g3.gather_points, "forbidden", "gather_points"),
        (functools.partial(g3.gather_points), "forbidden", "gather_points"),
        (finished, "forbidden", "gather_points"),
        (scripted, "cannot-be-sent", "hand in the Python function"),
        (functools.partial(scripted), "cannot-be-sent", "hand in the Python function"),
        (helpers_of_mine.LOCK.acquire, "cannot-be-sent", "Make it inside the function"),
    ],
)
def test_a_wrapper_hides_nothing(answer, diagnosis, words):
    report = check(ID, answer)
    assert (report.passed, report.diagnosis) == (False, diagnosis), report
    assert words in report.words


def test_whose_code_it_is():
    assert of_a_library(torch.__file__) and of_a_library(logging.__file__)
    assert of_a_library(g3.__file__) and of_a_library("<frozen importlib._bootstrap>")
    for file in (__file__, "<string>", "/tmp/ipykernel_7/123.py", str(Path.cwd() / "mine.py")):
        assert not of_a_library(file)
