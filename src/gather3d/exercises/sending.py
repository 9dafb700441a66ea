"""An answer as bytes, with all of it that another process does not have.

A student's function is seldom alone: it uses helpers of other cells and of files beside the
notebook, and may be a partial, a method, an object, or wrapped by decorators.
"""

import functools
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle
import torch

from .answer import of_a_library

COMPILED = (torch.jit.ScriptFunction, torch.jit.ScriptModule)
CHECKERS = ("jaxtyping", "typeguard")


class UnsendableError(TypeError):
    """Why an answer cannot be sent, and what to do, in sentences."""


def by_value(answer: Callable) -> bytes:
    """The function with what it uses of the student's: no other process can import a notebook."""
    try:
        with sent_whole(students_modules()):
            return dumps(answer)
    except UnsendableError:
        raise
    except Exception as first:  # pickling runs the answer's own code
        try:
            return dumps(answer)  # a module beside the notebook may hold what cannot be copied
        except Exception:
            raise UnsendableError(
                "The function holds on to something that cannot be copied to the process that "
                f"checks it: {first}. Make it inside the function, or do without it."
            ) from None


def students_modules() -> list[ModuleType]:
    """Modules of files that belong to no library: those beside the notebook."""
    loaded = list(sys.modules.items())
    return [
        module
        for name, module in loaded
        if name != "__main__"
        and getattr(module, "__name__", None) == name
        and isinstance(file := getattr(module, "__file__", None), str)
        and not of_a_library(file)
    ]


@contextmanager
def sent_whole(modules: list[ModuleType]) -> Iterator[None]:
    known = cloudpickle.list_registry_pickle_by_value()
    modules = [module for module in modules if module.__name__ not in known]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def dumps(answer: Callable) -> bytes:
    body = io.BytesIO()
    Pickler(body).dump(answer)
    return body.getvalue()


class Pickler(cloudpickle.Pickler):
    """Takes what is wrapped by `lru_cache`, `torch.compile` or a checker of types, too.

    Of a module that is used as a whole, it takes what can be copied.
    """

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, ModuleType) and value in students_modules():
            return ModuleType, (value.__name__,), parts_of(value)
        if isinstance(value, functools._lru_cache_wrapper):
            return cached, (value.__wrapped__, value.cache_parameters())
        if isinstance(value, COMPILED):
            raise UnsendableError(
                "What torch.jit has compiled cannot be looked into: hand in the Python function "
                "that it was made of."
            )
        if (before := unwrapped(value)) is not None:
            return as_it_was, (before,)
        return super().reducer_override(value)


TAKEN_APART: list[ModuleType] = []


def parts_of(module: ModuleType) -> dict[str, Any]:
    """What can be copied of it; nothing where it meets itself again."""
    if module in TAKEN_APART:
        return {}
    TAKEN_APART.append(module)
    try:
        return {name: part for name, part in vars(module).items() if can_be_sent(name, part)}
    finally:
        TAKEN_APART.remove(module)


def can_be_sent(name: str, part: Any) -> bool:
    if name.startswith("__"):
        return False
    try:
        dumps(part)
    except Exception:  # the rest of the module may do without it
        return False
    return True


def unwrapped(value: Any) -> Callable | None:
    """What torch.compile, or a checker of types, was given, if this is what it gave back."""
    if not isinstance(value, FunctionType):
        return value._orig_mod if type(value).__name__ == "OptimizedModule" else None
    if not of_a_library(value.__code__.co_filename):
        return None
    if value.__globals__.get("__name__", "").partition(".")[0] in CHECKERS:
        return vars(value).get("__wrapped__")
    return vars(value).get("_torchdynamo_orig_callable")


def cached(function: Callable, parameters: dict[str, Any]) -> Callable:
    return functools.lru_cache(**parameters)(function)


def as_it_was(function: Callable) -> Callable:
    """Without its wrapper, which holds what cannot be copied: it computes the same."""
    return function
