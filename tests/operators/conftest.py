"""Where the operators' tests run: on every device that torch has here, the CPU first.

Those are CUDA, and the stand-in of tests/devices where it is on PYTHONPATH. GATHER3D_DEVICE names
one of them; if that is not the CPU, the tests that use no device are left to the run on the CPU.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

CHOSEN = os.environ.get("GATHER3D_DEVICE")
THERE = {"cpu": True, "cuda": torch.cuda.is_available(), "standin": hasattr(torch, "standin")}
DEVICES = [CHOSEN] if CHOSEN else [name for name, there in THERE.items() if there]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "cpu" in DEVICES:
        return
    others = [i for i in items if HERE in i.path.parents and "device" not in i.fixturenames]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session", params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def graphs(device: str) -> None:
    """For what torch traces."""
    if device == "standin":
        pytest.skip("torch traces no tensor that stands for another")


@pytest.fixture
def autocast(device: str) -> None:
    """For dtypes that autocast chooses."""
    if device == "standin":
        pytest.skip("autocast chooses no dtype on a device that Python makes")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Inputs here are tiny: more threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own_errors() -> Iterator[None]:
    """Without jaxtyping's checks, so that what is refused is refused by the operator itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
