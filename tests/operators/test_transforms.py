"""torch.func.vmap and torch.export: what maps, what exports, and what does not.

vmap is given each argument alone with a dimension more, and then all that it maps over together.
"""

import pytest
import torch
from torch import Tensor

from .operators import CASES, PROMISES, Run, all_there

TAKEN = [c for c in CASES if PROMISES[c.operator].graph is None]
REFUSED = [c for c in CASES if PROMISES[c.operator].graph is not None]
names = {"ids": lambda case: case.name}


def mapped(run: Run, tensors: dict[str, Tensor], over: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The results over three values of some arguments, the others being what they are."""
    several = {name: torch.stack([tensors[name].roll(i, -1) for i in range(3)]) for name in over}

    def of(*values: Tensor) -> tuple[Tensor, ...]:
        return run(**tensors | dict(zip(over, values, strict=True)))

    wanted = [of(*(several[name][i] for name in over)) for i in range(3)]
    got = torch.func.vmap(of)(*several.values())
    for a, each in zip(got, zip(*wanted, strict=True), strict=True):
        torch.testing.assert_close(a, torch.stack(each))
    return got


@pytest.mark.parametrize("case", CASES, **names)
def test_vmap(device, case):
    promise = PROMISES[case.operator]
    run, tensors = case.build(device)
    assert tensors.keys() == {*promise.maps, *promise.stays}
    for name in promise.maps:
        mapped(run, tensors, (name,))
    if promise.maps:
        mapped(run, tensors, promise.maps)
    for name in promise.stays:
        with pytest.raises(RuntimeError, match="vmap"):
            torch.func.vmap(lambda t, name=name: run(**tensors | {name: t}))(tensors[name][None])


class Exported(torch.nn.Module):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def forward(self, **tensors: Tensor) -> tuple[Tensor, ...]:
        return self.run(**tensors)


@pytest.mark.parametrize("case", TAKEN, **names)
@pytest.mark.usefixtures("graphs", "own_errors")
def test_export(device, case):
    run, tensors = case.build(device)
    program = torch.export.export(Exported(run), (), all_there(tensors), strict=False)
    for a, b in zip(program.module()(**tensors), run(**tensors), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("case", REFUSED, **names)
@pytest.mark.usefixtures("graphs", "own_errors")
def test_what_cannot_be_exported_says_so(device, case):
    run, tensors = case.build(device)
    with pytest.raises(Exception, match="data-dependent"):
        torch.export.export(Exported(run), (), tensors, strict=False)
