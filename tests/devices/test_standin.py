"""The stand-in refuses what a GPU refuses, and gives what the CPU gives."""

import copy
import io
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.benchmark import Timer

import gather3d

THERE = "standin"
zeros, ones = partial(torch.zeros, device=THERE), partial(torch.ones, device=THERE)


def table() -> torch.Tensor:
    return torch.arange(12.0, device=THERE).reshape(3, 4)


def test_the_book_runs_on_it(monkeypatch):
    monkeypatch.setenv("GATHER3D_DEVICE", THERE)
    assert gather3d.device() == torch.device(THERE)
    x = table()
    assert x.device == torch.device(THERE, 0) and not (x.is_cpu or x.is_cuda)
    assert repr(x[0, :2]) == "tensor([0., 1.], device='standin:0')"
    assert f"{x[0, 1]:.2f}" == "1.00" and x[0].tolist() == [0, 1, 2, 3]


# ---- what it refuses


@pytest.mark.parametrize("call", [lambda x: x.numpy(), np.asarray, np.sum, torch.from_numpy])
def test_no_numpy(call):
    with pytest.raises(TypeError):
        call(table())


MIXED = {
    "a sum": lambda x: x + torch.ones(3, 4),
    "a sum in place": lambda x: x.add_(torch.ones(4)),
    "what it is put into": lambda x: torch.ones(3, 4).add_(x),
    "a product": lambda x: x @ torch.ones(4, 2),
    "a product of sparse": lambda x: torch.eye(3).to_sparse() @ x,
    "a row beside others": lambda x: torch.cat([x, torch.ones(1, 4)]),
    "a number among tensors": lambda x: torch.stack([x.sum(), torch.tensor(1.0)]),
    "a number of the device": lambda x: torch.ones(3, 4) + x.sum(),
    "an index": lambda x: x[torch.tensor([0, 1])],
    "a mask": lambda x: x[torch.ones(3, 4).bool()],
    "values put in": lambda x: x.__setitem__([0, 1], torch.ones(2, 4)),
    "an index of gather": lambda x: x.gather(1, torch.zeros(3, 1).long()),
    "a source of scatter": lambda x: x.scatter_add(1, zeros(3, 1).long(), torch.ones(3, 1)),
    "weights of a layer": lambda x: nn.Linear(4, 2)(x),
    "an output": lambda x: torch.add(x, x, out=torch.empty(3, 4)),
    "an operator": lambda x: gather3d.gather_points(x[None], torch.zeros(1, 2).long()),
}


@pytest.mark.parametrize("call", MIXED.values(), ids=MIXED.keys())
def test_no_mixing(call):
    with pytest.raises((RuntimeError, ValueError), match=r"device|standin.*cpu|cpu.*standin"):
        call(table())


def test_copies_cross_and_numbers_do():
    x = table()
    x[0] = torch.full((4,), 7.0)
    x[:, 1] = torch.tensor(3.0)
    x[x > 8] = torch.tensor(0.5)
    assert (x * torch.tensor(2.0) + 1).tolist()[0] == [15, 7, 15, 15]
    assert x.to(THERE) is x and x.to("standin:0") is x and x.cpu().device.type == "cpu"
    assert torch.ones(2).copy_(x[0, :2]).tolist() == [7, 3]
    assert torch.ones(2, dtype=torch.float64).to(x).dtype == x.dtype


# ---- what it gives

SAME = {
    "rows by a list": lambda x: x[[2, 0]],
    "columns by a list": lambda x: x[:, [2, 1]],
    "columns by an array": lambda x: x[:, np.array([2, 1])],
    "rows by a tensor": lambda x: x[torch.tensor([2, 0], device=x.device)],
    "by a mask": lambda x: x[x > 4],
    "by steps": lambda x: x[None, ::2, 1:],
    "tensors of numbers": lambda x: torch.tensor([x[0, 1], 2], device=x.device) + x.new_tensor([1]),
    "made there": lambda x: torch.arange(4, device=x.device) * torch.eye(4, device=x.device),
    "written through a view": lambda x: (x[:, 1].mul_(9), x)[1],
    "an output that grows": lambda x: torch.add(x, x, out=torch.empty(0, device=x.device)),
    "turned in place": lambda x: x.t_() @ torch.ones(3, 1, device=x.device),
    "of many results": lambda x: torch.cat([part.flatten() for part in x.sort(descending=True)]),
    "a matrix in COO": lambda x: x.to_sparse().T.coalesce().indices(),
    "made in COO": lambda x: (
        torch.sparse_coo_tensor(
            torch.tensor([[0, 1], [1, 0]], device=x.device),
            x[0, 1:3],
            (3, 3),
            check_invariants=True,
        )
        @ x
    ),
    "made in CSR": lambda x: (
        torch.sparse_csr_tensor(
            torch.tensor([0, 1, 2], device=x.device), torch.tensor([1, 0]).to(x.device), x[0, 1:3]
        )
        @ x[:2]
    ),
    "from CSR": lambda x: x.to_sparse_csr().to_dense(),
    "to CSR on the way": lambda x: torch.eye(3).to_sparse_csr().to(x.device) @ x,
    "mapped": lambda x: torch.func.vmap(lambda row: row * row.sum())(x),
    "a copy": lambda x: copy.deepcopy(x).add_(1),
    "of a saved one": lambda x: torch.load(saved(x), weights_only=False),
}


def saved(x: torch.Tensor) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    return file


@pytest.mark.filterwarnings("ignore:.*(Sparse CSR|sparse tensor).*")
@pytest.mark.parametrize("call", SAME.values(), ids=SAME.keys())
def test_the_same_as_on_the_cpu(call):
    wanted, got = call(table().cpu()), call(table())
    assert got.device.type == THERE and got.dtype == wanted.dtype
    assert torch.equal(got.to_dense().cpu(), wanted.to_dense())


def test_one_memory():
    x = table().clone()
    view = x.view(-1)
    assert view._base is x and view.data_ptr() == x.data_ptr() != x.clone().data_ptr()
    assert x[1:].data_ptr() == x.data_ptr() + 4 * 4 and x[:, 1].stride() == (4,)


def test_a_layer_moves_learns_and_changes_its_dtype():
    """On both, from the same start."""
    lost = {}
    for place in ("cpu", THERE):
        torch.manual_seed(0)
        layer = nn.Conv3d(1, 2, 3, padding=1).to(place).double()
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
        x = torch.linspace(-1, 1, 64, device=place).reshape(1, 1, 4, 4, 4).double()
        for _ in range(3):
            optimiser.zero_grad()
            loss = (layer(x) - x).square().mean()
            loss.backward()
            optimiser.step()
        lost[place] = loss.item()
        assert all(p.grad.device == x.device and p.is_leaf for p in layer.parameters())
    assert lost["cpu"] == lost[THERE] < 0.5


def test_random_numbers_of_its_own():
    """After one seed, the same ones there again, others than the CPU's, which go on undisturbed."""
    drawn = []
    for _ in range(2):
        torch.manual_seed(0)
        drawn.append([torch.rand(3, device=THERE).tolist(), torch.rand(3).tolist()])
    assert drawn[0] == drawn[1]
    torch.manual_seed(0)
    assert drawn[0][1] == torch.rand(3).tolist() != drawn[0][0]


def test_a_generator_there():
    made = torch.Generator(THERE)
    assert made.device == torch.device(THERE, 0) and torch.Generator().device.type == "cpu"
    assert isinstance(made, torch.Generator) and isinstance(
        torch.default_generator, torch.Generator
    )
    kept = torch.rand(3, device=THERE, generator=made.manual_seed(5))
    again = zeros(3).uniform_(generator=made.manual_seed(5))
    assert torch.equal(kept, again)
    assert kept.tolist() != torch.rand(3, generator=torch.Generator().manual_seed(5)).tolist()


def test_it_is_timed_and_waited_for():
    timer = Timer("x + 1", globals={"x": table()})
    assert timer.blocked_autorange(min_run_time=0.001).median > 0
    torch.accelerator.synchronize()
    assert not torch.is_autocast_enabled(THERE)
