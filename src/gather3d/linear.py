"""The sparse matrix of a linear function, found by asking the function.

A column of the matrix is the answer to a single 1, so `count` questions find any matrix. Two other
ways ask less: one question is enough where each output is one input, and a few hundred where each
output reads a few. Whatever is found is tried on random inputs before it is believed.
"""

from collections.abc import Callable

import torch
from torch import Tensor

MOST = 10_000_000  # weights that are kept: with what sorting them needs, under 1 GB
FEW = 512  # inputs that are asked one by one at once
MOST_GROUPS = 256  # more of them cost as much as asking one by one
ROUNDS = 20  # of groups; a few are enough where the weights can be told from rounding at all

Ask = Callable[[Tensor], Tensor]  # [inputs] -> [outputs], float64 on the CPU
Entries = tuple[Tensor, Tensor, Tensor]  # row, column, weight


def find_matrix(ask: Ask, count: int, precision: float) -> Tensor | None:
    """The matrix [outputs, count] with ask(x) = matrix @ x, sparse, or None where there is none.

    Args:
        ask: the function on flat tensors; the number of outputs is the same each time.
        count: the number of inputs.
        precision: how exactly the function computes, relative to its largest answers.

    Raises:
        ValueError: there are more weights than memory is set aside for.
    """
    ways = (_by_ramp, _by_columns) if count <= FEW else (_by_ramp, _by_groups, _by_columns)
    for way in ways:
        matrix = way(ask, count, precision)
        if matrix is not None and _explains(matrix, ask):
            return _without_rounding(matrix, precision)
    return None


def _explains(matrix: Tensor, ask: Ask) -> bool:
    """Whether the matrix answers as the function does, on random inputs of several sizes."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(3, matrix.shape[1], dtype=torch.float64, generator=random)
    for x in (noise[0], noise[1] * 100, noise[2].abs() + 1):
        answer = ask(x)
        error = (matrix @ x[:, None])[:, 0] - answer
        if len(answer) and not error.abs().max() <= 1e-5 * answer.abs().max():  # NaN fails too
            return False
    return True


def _without_rounding(matrix: Tensor, precision: float) -> Tensor:
    """Without the weights that are there because 0.1 + 0.2 is not 0.3."""
    weights = matrix.values()
    keep = weights.abs() > precision * weights.abs().max() if len(weights) else weights.bool()
    return _matrix([(*matrix.indices()[:, keep], weights[keep])], *matrix.shape)


def _by_ramp(ask: Ask, count: int, precision: float) -> Tensor:
    """The matrix that selects, if fn does no more: its answer to 1, 2, 3 … names the inputs."""
    answer = ask(torch.arange(1, count + 1, dtype=torch.float64)).nan_to_num()
    picked = answer.round().clamp(0, count).long()
    rows = picked.nonzero()[:, 0]
    ones = torch.ones(len(rows), dtype=torch.float64)
    return _matrix([(rows, picked[rows] - 1, ones)], len(picked), count)


def _by_groups(ask: Ask, count: int, precision: float) -> Tensor | None:
    """For outputs that read few inputs: ask for random groups of inputs, and see who is alone.

    An output that reads one input i of a group, with weight w, answers the questions 1, ramp[i] and
    tag[i] on that group with w, w ramp[i] and w tag[i]: the first two name w and i, the third
    says whether it was one input indeed. What is found is subtracted, and new groups part the rest.
    """
    random = torch.Generator().manual_seed(1)
    ramp = 1 + torch.arange(count, dtype=torch.float64) / count
    tag = 1 + torch.rand(count, dtype=torch.float64, generator=random)
    questions = torch.stack([torch.ones_like(ramp), ramp, tag], dim=1)  # [inputs, 3]
    outputs = len(ask(torch.zeros(count, dtype=torch.float64)))
    found = _matrix([], outputs, count)
    groups = 16
    for _ in range(ROUNDS):
        group = torch.randint(groups, (count,), generator=random)
        parts, known, several = [], _by_group(found, group, groups), 0
        for g in range(groups):
            asked = questions * (group == g)[:, None]
            answers = torch.stack([ask(question) for question in asked.T], dim=1)  # [outputs, 3]
            noise = precision * answers.abs().sum(dim=1).max() if outputs else 0
            row, column, weight = known[g]
            answers.index_add_(0, row, -weight[:, None] * questions[column])
            left = (answers.abs() > noise).any(dim=1).nonzero()[:, 0]
            weight, place, check = answers[left].unbind(dim=1)
            column = ((place / weight - 1) * count).nan_to_num(-1, -1, -1).round().long()
            alone = (column >= 0) & (column < count)
            column = column.clamp(0, count - 1)
            alone &= (group[column] == g) & ((check - weight * tag[column]).abs() <= noise)
            parts.append((left[alone], column[alone], weight[alone]))
            several += int((~alone).sum())
        new = _matrix(parts, outputs, count)
        found = (found + new).coalesce()
        if several == 0:
            return found
        if new._nnz() < several:
            groups *= 4
        if groups > MOST_GROUPS:
            return None
    return None


def _by_columns(ask: Ask, count: int, precision: float) -> Tensor:
    """Any matrix: the answer to a single 1 is a column."""
    one = torch.zeros(count, dtype=torch.float64)
    outputs, parts, kept = len(ask(one)), [], 0
    chunk = max(1, MOST // 10 // max(outputs, 1))  # answers that are searched for weights at once
    for start in range(0, count, chunk):
        answers = one.new_empty(min(chunk, count - start), outputs)
        for column, answer in enumerate(answers, start):
            one[column] = 1
            answer.copy_(ask(one))
            one[column] = 0
        column, row = answers.nonzero().unbind(dim=1)
        parts.append((row, start + column, answers[column, row]))
        if (kept := kept + len(row)) > MOST:
            break  # and _matrix refuses
    return _matrix(parts, outputs, count)


def _by_group(matrix: Tensor, group: Tensor, groups: int) -> list[Entries]:
    """The entries of a matrix, parted by the group of their columns."""
    row, column = matrix.indices()
    order = group[column].argsort()
    sizes = group[column].bincount(minlength=groups).tolist()
    parts = (entry[order].split(sizes) for entry in (row, column, matrix.values()))
    return list(zip(*parts, strict=True))


def _matrix(parts: list[Entries], outputs: int, count: int) -> Tensor:
    """A sparse matrix from parts of its entries."""
    row, column, weight = (
        torch.cat(entry) if parts else torch.zeros(0, dtype=torch.int64)
        for entry in (zip(*parts, strict=True) if parts else ((), (), ()))
    )
    if len(row) > MOST:
        raise ValueError(f"fn: got more than {MOST:,} weights, wanted fewer: take a smaller shape")
    place = torch.stack([row, column])
    shape = (outputs, count)
    return torch.sparse_coo_tensor(place, weight.double(), shape, check_invariants=True).coalesce()
