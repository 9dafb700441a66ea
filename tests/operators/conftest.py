"""Where the operators' tests run: on the CPU, and on CUDA as well where there is one."""

from collections.abc import Iterator

import jaxtyping
import pytest
import torch

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(scope="session", params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


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
