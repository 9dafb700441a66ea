"""The first and the second derivative of every differentiable operator, in every argument at once.

torch.autograd compares them with finite differences in float64. The inputs have missing indices,
repeated ones, positions outside, and no ties and no whole-numbered positions, where a derivative
would not exist.
"""

from functools import partial

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from .operators import CASES

CHECKED = [c for c in CASES if c.gradient]
# CUDA may add in another order each time
TOLERANCE = {"nondet_tol": 1e-12}
# of the second derivative, which is as wide as the square of the input, along random directions
ORDERS = {"first": gradcheck, "second": partial(gradgradcheck, fast_mode=True)}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("case", CHECKED, ids=lambda c: c.name)
def test_derivative(device, case, order):
    run, tensors = case.build(device, size=4)
    names = [name for name, t in tensors.items() if t.is_floating_point()]
    assert names

    def floats(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = run(**tensors | dict(zip(names, values, strict=True)))
        return tuple(out for out in outputs if out.is_floating_point())

    inputs = [tensors[name].requires_grad_() for name in names]
    assert order(floats, inputs, **TOLERANCE)


@pytest.mark.parametrize("case", CHECKED, ids=lambda c: c.name)
def test_each_argument_alone(device, case):
    """A gradient asked for one argument only is the one it has among the others."""
    run, tensors = case.build(device)
    names = [name for name, t in tensors.items() if t.is_floating_point()]

    def gradients(*wanted: str) -> tuple[torch.Tensor, ...]:
        leaves = {name: t.detach().clone() for name, t in tensors.items()}
        chosen = [leaves[name].requires_grad_() for name in wanted]
        outputs = [out for out in run(**leaves) if out.is_floating_point()]
        return torch.autograd.grad([out.square().sum() for out in outputs], chosen)

    together = gradients(*names)
    for name, gradient in zip(names, together, strict=True):
        (alone,) = gradients(name)
        torch.testing.assert_close(alone, gradient)
        assert alone.any()
