"""Which device the book runs on, and what importing the operators brings along."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.conftest import OPERATORS

import gather3d

from .operators import CASES

FOLDER = Path(gather3d.__file__).parent
PARTS = {part for name in OPERATORS for part in name.split(".")}  # folders and modules
ABOVE = {path.stem for path in FOLDER.iterdir()} - PARTS - {"__init__", "__pycache__"}


def test_the_variable_chooses(monkeypatch):
    monkeypatch.setenv("GATHER3D_DEVICE", "cpu")
    assert gather3d.device() == torch.device("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_variable_chooses_cuda(monkeypatch):
    monkeypatch.setenv("GATHER3D_DEVICE", "cuda:0")
    assert gather3d.device() == torch.device("cuda:0")


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("available", [False, True])
def test_without_the_variable(monkeypatch, value, available):
    """cuda where there is one, else cpu."""
    if available and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    if value is None:
        monkeypatch.delenv("GATHER3D_DEVICE", raising=False)
    else:
        monkeypatch.setenv("GATHER3D_DEVICE", value)
    assert gather3d.device().type == ("cuda" if available else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "CPU", " ", "cpu:x", "meta"])
def test_a_device_that_is_not_there(monkeypatch, name):
    monkeypatch.setenv("GATHER3D_DEVICE", name)
    with pytest.raises(ValueError, match=r"^GATHER3D_DEVICE: got '.*', wanted a usable device: .+"):
        gather3d.device()


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("mps", TypeError("Cannot convert a MPS Tensor to float64 dtype")),
        ("xpu", RuntimeError("Required aspect fp64 is not supported on the device")),
    ],
)
def test_a_device_without_float64(monkeypatch, name, raised):
    """As Macs have it, and some of Intel's GPUs."""

    def zeros(*size, dtype=torch.float32, device=None):
        if dtype is torch.float64:
            raise raised
        return torch.tensor([0.0])

    monkeypatch.setattr(torch, "zeros", zeros)
    monkeypatch.setenv("GATHER3D_DEVICE", name)
    with pytest.raises(ValueError) as refused:
        gather3d.device()
    assert str(refused.value) == (
        f"GATHER3D_DEVICE: got {name!r}, wanted a device that has float64; without one, cpu "
        "serves, and is what is taken where the variable is not set"
    )


def test_on_a_mac_the_cpu_is_taken(monkeypatch):
    """There is mps, and nothing is set."""
    monkeypatch.delenv("GATHER3D_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert gather3d.device() == torch.device("cpu")


DRAWS = ["plotly", "matplotlib", "ipywidgets", "anywidget", "IPython", "scipy", "pandas"]


def test_importing_the_operators_brings_nothing_that_draws():
    code = "import gather3d, json, sys; print(json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent)}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout
    modules = set(json.loads(output))
    assert "gather3d.sampling" in modules and "torch" in modules
    assert modules & {*DRAWS, *(f"gather3d.{name}" for name in ABOVE)} == set()


def imported(path: Path) -> set[str]:
    """The first names of all that a file imports, wherever in it; its own package's with a dot."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            modules = [node.module] if node.module else [alias.name for alias in node.names]
            names |= {"." + module.split(".")[0] for module in modules}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("name", ["__init__", *sorted(OPERATORS)])
def test_an_operator_imports_torch_and_operators_only(name):
    wanted = {*sys.stdlib_module_names, "torch", "jaxtyping", *(f".{part}" for part in PARTS)}
    found = imported(FOLDER.joinpath(*name.split(".")).with_suffix(".py"))
    assert "torch" in found and found - wanted == set()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_nothing_is_made_on_the_default_device(device, case):
    """Everything is made where the inputs are: values, and gradients."""
    results = []
    for default in (device, "meta"):
        run, tensors = case.build(device)
        for t in tensors.values():
            t.requires_grad_(case.gradient and t.is_floating_point())
        with torch.device(default):
            outputs = run(**tensors)
            floats = [out.square().sum() for out in outputs if out.requires_grad]
            if case.gradient:
                wanted = [t for t in tensors.values() if t.requires_grad]
                outputs = (*outputs, *torch.autograd.grad(floats, wanted))
        results.append(outputs)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_the_floors_are_seen():
    """What the check above looks for is there to be found: figures do import plotly."""
    assert {"figures", "datasets"} <= ABOVE
    assert "plotly" in set().union(*map(imported, (FOLDER / "figures").glob("*.py")))
