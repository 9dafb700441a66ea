"""The sparse matrix of a linear function, found by asking the function.

A column of the matrix is the answer to a single 1, so `count` questions find any matrix. Two other
ways ask less: a few questions are enough where each output is one input, and a few hundred where
each output reads a few. Whatever is found is tried on random inputs before it is believed.

The function computes in some dtype, known or seen, and may round as that dtype does. Here all is
float64 and on the CPU, whatever the defaults are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 10_000_000  # weights that are kept: with what sorting them needs, under 1 GB
FEW = 512  # inputs that are asked one by one at once
MOST_GROUPS = 256  # more of them cost as much as asking one by one
ROUNDS = 20  # of groups; a few are enough where the weights can be told from rounding at all
LIKE = {"dtype": torch.float64, "device": "cpu"}

Ask = Callable[[Tensor], Tensor]  # [inputs] -> [outputs], float64 on the CPU
Entries = tuple[Tensor, Tensor, Tensor]  # row, column, weight


@dataclass(frozen=True)
class Rounding:
    """How a function rounds that computes in a dtype.

    Attributes:
        step: between 1 and the next number.
        least: the smallest number above 0.
        weight: what is below that share of an output's largest weight is an error.
        answer: an error that an answer may have, relative to the sum of all |weight · input|.
    """

    step: float
    least: float
    weight: float
    answer: float

    @classmethod
    def of(cls, dtype: torch.dtype) -> "Rounding":
        info = torch.finfo(dtype)
        weight = 1e-12 if dtype == torch.float64 else max(1e-6, info.eps / 2)
        answer = min(max(1e-5, 4 * info.eps), 0.25)
        return cls(info.eps, info.smallest_normal * info.eps, weight, answer)

    @property
    def coarse(self) -> bool:
        """Whether numbers have so few digits that they cannot name an input beside its weight."""
        return self.step > 1e-6


def find_matrix(ask: Ask, count: int, dtype: torch.dtype) -> Tensor | None:
    """The matrix [outputs, count] with ask(x) = matrix @ x, sparse, or None where there is none.

    Args:
        ask: the function on flat tensors; the number of outputs is the same each time.
        count: the number of inputs.
        dtype: what the function computes in; of several, that with the fewest digits.

    Raises:
        ValueError: there are more weights than memory is set aside for.
    """
    rounding = Rounding.of(dtype)
    few = count <= FEW or rounding.coarse
    ways = (_by_digits, _by_columns) if few else (_by_digits, _by_groups, _by_columns)
    for way in ways:
        matrix = way(ask, count, rounding)
        if matrix is not None and (held := _explains(matrix, ask, dtype)) is not None:
            return _without_rounding(matrix, held, rounding)
    return None


def as_complex(matrix: Tensor) -> Tensor:
    """The matrix of complex outputs, from that of their real and imaginary parts in turn."""
    (row, column), weights = matrix.indices(), matrix.values()
    part = torch.tensor([1, 1j], dtype=torch.complex128, device="cpu")[row % 2]
    place, shape = torch.stack([row // 2, column]), (matrix.shape[0] // 2, matrix.shape[1])
    return torch.sparse_coo_tensor(
        place, weights * part, shape, device="cpu", check_invariants=True
    ).coalesce()


def random_inputs(count: int, dtype: torch.dtype) -> Iterator[Tensor]:
    """Inputs of several sizes and signs, which the dtype holds exactly."""
    random, most = torch.Generator("cpu").manual_seed(0), torch.finfo(dtype).max
    noise = torch.randn(3, count, generator=random, **LIKE)
    for x in (noise[0], noise[1] * 100, noise[2].abs() + 1):
        yield x.clamp(-most, most).to(dtype).double()


def _explains(matrix: Tensor, ask: Ask, dtype: torch.dtype) -> Tensor | None:
    """Which outputs are those of the matrix, on random inputs; None if the others are more than
    rounding of what cancels on the way to them."""
    (row, column), weights = matrix.indices(), matrix.values()
    rounding, none = Rounding.of(dtype), weights.new_zeros(matrix.shape[0])
    held = none == 0
    for x in random_inputs(matrix.shape[1], dtype):
        while not (answer := ask(x)).isfinite().all():  # too large for float16
            x = (x / 16).to(dtype).double()
            if not x.abs().max() > 1e-3:
                return None
        terms = weights * x[column]
        error = (none.index_add(0, row, terms) - answer).abs()
        allowed = rounding.answer * none.index_add(0, row, terms.abs())
        allowed += 2 * rounding.least * (1 + none.index_add(0, row, x[column].abs()))
        off = error > allowed
        if off.any() and not _is_rounding(ask, x, answer, error, off, rounding):
            return None
        held &= ~off
    return held


def _is_rounding(
    ask: Ask, x: Tensor, answer: Tensor, error: Tensor, off: Tensor, rounding: Rounding
) -> bool:
    """Whether these errors are what rounding leaves where larger numbers cancel.

    They are small beside inputs or other answers, double exactly as the input doubles, and do not
    triple.
    """
    worst = error[off].max()
    if not worst <= rounding.weight * max(answer.abs().max(), x.abs().max()):
        return False
    change = [(ask(k * x) / k - answer)[off].abs().max() for k in (4, 3, 5, 7)]
    return bool(change[0] <= 1e-3 * worst and worst <= 4 * max(change[1:]))


def _without_rounding(matrix: Tensor, held: Tensor, rounding: Rounding) -> Tensor:
    """Without the weights that are there because 0.1 + 0.2 is not 0.3."""
    (row, column), weights = matrix.indices(), matrix.values()
    largest = weights.new_zeros(len(held)).scatter_reduce(0, row, weights.abs(), "amax")
    share = largest * (0 if rounding.coarse else rounding.weight)  # what is coarse is asked twice
    share = share.where(held, rounding.weight * largest.max().clamp(min=1) if len(row) else 0)
    keep = weights.abs() > share[row]
    return _matrix([(row[keep], column[keep], weights[keep])], *matrix.shape)


def _by_digits(ask: Ask, count: int, rounding: Rounding) -> Tensor:
    """The matrix where each output is one input, or one times a weight: its answer to 1, 1, 1 …
    gives the weight, and its answer to 1, 2, 3 … names the input.

    In float64 that is one question. A coarse dtype is asked for the digits of these numbers.
    """
    base, places = max(2, round(1 / rounding.step / 8)), [1]  # 8: digits survive two roundings
    while places[-1] * base <= count:
        places.append(places[-1] * base)
    weight = ask(torch.ones(count, **LIKE))
    numbers, picked = torch.arange(1, count + 1, device="cpu"), 0
    for place in places:
        digit = ask((numbers // place % base).double()) / weight
        picked = picked + place * digit.nan_to_num(0, 0, 0).round().clamp(0, base - 1).long()
    rows = ((picked > 0) & (picked <= count) & weight.isfinite()).nonzero()[:, 0]
    return _matrix([(rows, picked[rows] - 1, weight[rows])], len(weight), count)


def _by_groups(ask: Ask, count: int, rounding: Rounding) -> Tensor | None:
    """For outputs that read few inputs: ask for random groups of inputs, and see who is alone.

    An output that reads one input i of a group, with weight w, answers the questions 1, ramp[i] and
    tag[i] on that group with w, w ramp[i] and w tag[i]: the first two name w and i, the third
    says whether it was one input indeed. What is found is subtracted, and new groups part the rest.
    """
    random = torch.Generator("cpu").manual_seed(1)
    ramp = 1 + torch.arange(count, **LIKE) / count
    tag = 1 + torch.rand(count, generator=random, **LIKE)
    questions = torch.stack([torch.ones_like(ramp), ramp, tag], dim=1)  # [inputs, 3]
    outputs = len(ask(torch.zeros(count, **LIKE)))
    found = _matrix([], outputs, count)
    groups = 16
    for _ in range(ROUNDS):
        group = torch.randint(groups, (count,), generator=random, device="cpu")
        parts, known, several = [], _by_group(found, group, groups), 0
        for g in range(groups):
            asked = questions * (group == g)[:, None]
            answers = torch.stack([ask(question) for question in asked.T], dim=1)  # [outputs, 3]
            noise = rounding.weight * answers.abs().sum(dim=1).max() if outputs else 0
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


def _by_columns(ask: Ask, count: int, rounding: Rounding) -> Tensor:
    """Any matrix: the answer to a single 1 is a column.

    A coarse function is asked for ¾, too: a weight that is not ¾ of it then is an error.
    """
    one = torch.zeros(count, **LIKE)
    outputs, parts, kept = len(ask(one)), [], 0
    chunk = max(1, MOST // 10 // max(outputs, 1))  # answers that are searched for weights at once
    for start in range(0, count, chunk):
        answers = one.new_empty(min(chunk, count - start), outputs)
        for column, answer in enumerate(answers, start):
            one[column] = 1
            answer.copy_(ask(one))
            if rounding.coarse:
                one[column] = 0.75
                off = (ask(one) - 0.75 * answer).abs()
                answer.masked_fill_(off > 0.1 * answer.abs() + 2 * rounding.least, 0)
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
        torch.cat(entry) if parts else torch.zeros(0, dtype=torch.int64, device="cpu")
        for entry in (zip(*parts, strict=True) if parts else ((), (), ()))
    )
    if len(row) > MOST:
        raise ValueError(f"fn: got more than {MOST:,} weights, wanted fewer: take a smaller shape")
    place, shape = torch.stack([row, column]), (outputs, count)
    checked = {"check_invariants": True, **LIKE}
    return torch.sparse_coo_tensor(place, weight.double(), shape, **checked).coalesce()
