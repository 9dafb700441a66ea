"""The package: its examples run, its names are there, and what it may load."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from gather3d import figures

MODULES = [
    "gather3d.benchmark",
    "gather3d.figures",
    *(f"gather3d.figures.{module.name}" for module in pkgutil.iter_modules(figures.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs={"torch": torch, "np": np})
    assert results.failed == 0


def test_every_public_name_is_described():
    for name in figures.__all__:
        assert getattr(figures, name).__doc__, name


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_operators_load_nothing_that_draws():
    modules = loaded_by("import gather3d")
    assert not {"plotly", "ipywidgets", "matplotlib", "gather3d.figures"} & modules


def test_figures_need_neither_pandas_nor_state_of_their_own():
    """Neither plotly.express nor pyplot, which keeps figures and chooses a window to draw in."""
    modules = loaded_by("import gather3d.figures")
    assert not {"pandas", "plotly.express", "matplotlib.pyplot"} & modules
    assert {"plotly", "matplotlib"} <= modules
