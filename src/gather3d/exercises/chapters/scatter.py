"""Chapter 2's exercises: a dense grid, the mean, a permutation, gather's backward, two maxima."""

from collections.abc import Iterator
from functools import partial
from itertools import product

import torch
from torch import Generator, Tensor

from gather3d.indexing import scatter_points

from ..exercise import (
    Case,
    Exercise,
    Misconception,
    after,
    before,
    integers,
    numbers,
    strided,
    transposed,
)

RULE = "02-scatter#the-rule"
MEET = "02-scatter#when-two-meet"
MATRIX = "02-scatter#the-matrix"
OPERATOR = "02-scatter#the-operator"
MASK = "02-scatter#the-row-that-everybody-forgot-to-mask"
GRADIENT = "02-scatter#the-gradient"
SORT = "02-scatter#what-a-sort-buys"


# ---- what the exercises share


def met(g: Generator, B: int, M: int, size: int) -> Tensor:
    """An index [B, M] in which, in every batch, the last value meets the first, not the second."""
    index = integers(g, size, B, M)
    if M > 2:
        index[:, -1] = index[:, 0]
        index[:, 1] = (index[:, 0] + 1) % size
    return index


def every_channel(values: Tensor, index: Tensor) -> Tensor:
    """The index [B, M] as [B, C, M]."""
    return index[:, None].expand_as(values)


def add_up(values: Tensor, index: Tensor, size: int) -> Tensor:
    """The sums [B, C, size]; a spare slot takes what is missing."""
    slot = every_channel(values, index.where(index >= 0, size))
    out = values.new_zeros(*values.shape[:2], size + 1)
    return out.scatter_add(2, slot, values)[..., :size]


def count(values: Tensor, index: Tensor, size: int) -> Tensor:
    """How many values meet in each slot, [B, 1, size]."""
    return add_up(torch.ones_like(values[:, :1]), index, size)


def all_in_the_first(out: Tensor, *_) -> Tensor:
    """What all batches hold, in batch 0."""
    return torch.cat([out.sum(0, keepdim=True), torch.zeros_like(out[1:])])[: len(out)]


def first_channel_alone(out: Tensor, *_) -> Tensor:
    return torch.cat([out[:, :1], torch.zeros_like(out[:, 1:])], 1)


def mask_of_batch_0(values: Tensor, index: Tensor, size: int) -> tuple:
    return values, index.clamp(min=0).where(index[:1] >= 0, -1), size


FIRST_MASK = (
    "first-mask",
    "What is missing in batch 0 is missing in every batch of yours. Each has its own −1s.",
    MASK,
)


def keep_the_last(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Each value replaces the one before it."""
    out = values.new_zeros(*values.shape[:2], size)
    for b, m in product(*map(range, index.shape)):
        if index[b, m] >= 0:
            out[b, :, index[b, m]] = values[b, :, m]
    return out


# ---- scatter.to_dense


def to_dense_loop(values: Tensor, index: Tensor, size: int) -> Tensor:
    B, C, M = values.shape
    out = values.new_zeros(B, C, size)
    for b in range(B):
        for m in range(M):
            k = int(index[b, m])
            if not -1 <= k < size:
                raise IndexError(f"index: got {k}, wanted -1 to {size - 1}")
            if k >= 0:
                out[b, :, k] += values[b, :, m]
    return out


def to_dense_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, M, size, kind="ordinary", dtype=torch.float64):
        values = numbers(g, B, C, M, dtype=dtype)
        return Case({"values": values, "index": met(g, B, M, size), "size": size}, kind)

    def sent(rows, size, kind, refuse=None):
        index = torch.tensor(rows)
        values = numbers(g, len(rows), 3, len(rows[0]))
        return Case({"values": values, "index": index, "size": size}, kind, refuse)

    yield case(1, 2, 3, 4)
    yield case(2, 3, 4, 6)
    yield case(3, 2, 7, 5)
    yield case(1, 1, 1, 1, "one")
    yield case(2, 1, 4, 3, "one")
    yield case(2, 3, 4, 1, "one")
    yield case(2, 3, 0, 5, "empty")
    yield case(0, 3, 2, 5, "empty")
    yield case(2, 0, 4, 5, "empty")
    index = torch.empty(2, 0, dtype=torch.int64)
    yield Case({"values": numbers(g, 2, 3, 0), "index": index, "size": 0}, "empty")
    yield case(2, 3, 4, 6, "dtype", torch.float32)
    yield case(2, 3, 4, 6, "dtype", torch.int64)
    for layout in (strided, transposed):
        values, index, size = case(2, 3, 4, 6).arguments.values()
        given = {"values": layout(values), "index": layout(index), "size": size}
        yield Case(given, "strided")
    yield sent([[4, 0, 4], [0, 4, 0]], 5, "extreme")
    yield sent([[2, 2, 2, 2], [0, 0, 0, 0]], 4, "repeated")
    yield sent([[1, -1, 0]], 3, "missing")
    yield sent([[-1, 3, 3, -1], [2, -1, 4, 1]], 5, "missing")
    wrong = (IndexError, RuntimeError, ValueError)
    yield sent([[0, 5], [1, 2]], 5, "refused", refuse=wrong)
    yield sent([[0, 4], [7, 2]], 5, "refused", refuse=wrong)
    yield sent([[0, -2], [1, 2]], 5, "refused", refuse=wrong)


def dense_along_channels(values: Tensor, index: Tensor, size: int) -> Tensor:
    out = values.new_zeros(*values.shape[:2], size)
    return out.scatter_add(1, every_channel(values, index), values)


def dense_gathers(values: Tensor, index: Tensor, size: int) -> Tensor:
    return values.gather(2, every_channel(values, index))


def keep_the_first(values: Tensor, index: Tensor, size: int) -> Tensor:
    return keep_the_last(values.flip(2), index.flip(1), size)


to_dense = Exercise(
    id="scatter.to_dense",
    name="to_dense",
    signature="to_dense(values [B, C, M], index [B, M], size) → [B, C, size]",
    right=to_dense_loop,
    cases=to_dense_cases,
    misconceptions=(
        Misconception(
            "first-channel",
            "Only channel 0 arrives: the index visits one channel, and nothing broadcasts it "
            "to the others.",
            "01-gather#the-trap",
            change=after(first_channel_alone),
        ),
        Misconception(
            "overwrites",
            "Where two values meet, one replaces the other. Plain assignment, scatter_ and "
            "a[index] += v all do that; wanted is their sum.",
            MEET,
            keep_the_last,
        ),
        Misconception(
            "wraps",
            "What is missing lands in the last slot: Python and PyTorch's indexing read −1 as "
            "the last place. Here it goes nowhere.",
            MASK,
            change=before(lambda v, index, size: (v, index.where(index != -1, size - 1), size)),
        ),
        Misconception(
            "missing-to-zero",
            "What is missing is added to slot 0. It is a slot like any other; −1 goes nowhere.",
            MASK,
            change=before(lambda v, index, size: (v, index.clamp(min=0), size)),
        ),
        Misconception(
            "spare-slot",
            "The result has one slot more than size.",
            OPERATOR,
            change=before(lambda v, index, size: (v, index.where(index >= 0, size), size + 1)),
        ),
        Misconception(
            "dim-1",
            "You scatter along dim=1, the channels. The index names a slot, and slots are the "
            "last axis.",
            RULE,
            dense_along_channels,
        ),
        Misconception(
            "first-batch",
            "Every batch is sent with the index of batch 0.",
            OPERATOR,
            change=before(lambda v, index, size: (v, index[:1].expand_as(index), size)),
        ),
        Misconception(
            "no-batch-offset",
            "All batches land in batch 0: a flat index that does not count the batch is the "
            "same for each of them.",
            RULE,
            change=after(all_in_the_first),
        ),
        Misconception(
            "gathers",
            "You read where the task is to write: the index says where each value goes, not "
            "where it comes from.",
            RULE,
            dense_gathers,
        ),
        Misconception(
            "mean",
            "This is the mean of those that meet; wanted is their sum.",
            MEET,
            change=after(lambda out, *given: out / count(*given).clamp(min=1)),
        ),
        Misconception(
            "keeps-the-first",
            "Where several meet, the first stays and the others are dropped, as when voxels are "
            "made unique. Wanted is their sum.",
            MEET,
            keep_the_first,
        ),
        Misconception(*FIRST_MASK, change=before(mask_of_batch_0)),
    ),
    page=OPERATOR,
    asks={
        "refused": "An index that is neither −1 nor a slot raises an exception.",
        "gradient": "Gradients flow to the values.",
        "loop": "No loop, and the index is not copied for each channel.",
        "without": "Write it without `g3.scatter_points`.",
    },
    without=("scatter_points",),
    differentiable=("values",),
    linear_in="values",
    large=lambda g: {
        "values": numbers(g, 2, 3, 3000),
        "index": integers(g, 2500, 2, 3000, low=-1),
        "size": 2500,
    },
    fast=scatter_points,
)


# ---- scatter.mean


def scatter_mean_loop(values: Tensor, index: Tensor, size: int) -> Tensor:
    B, C, M = values.shape
    out = values.new_zeros(B, C, size)
    for b in range(B):
        for k in range(size):
            here = [values[b, :, m] for m in range(M) if index[b, m] == k]
            if here:
                out[b, :, k] = sum(here) / len(here)
    return out


def scatter_mean_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, M, size, kind="ordinary", dtype=torch.float64):
        values = numbers(g, B, C, M, dtype=dtype)
        return Case({"values": values, "index": met(g, B, M, size), "size": size}, kind)

    def sent(rows, size, kind):
        index = torch.tensor(rows)
        values = numbers(g, len(rows), 3, len(rows[0]))
        return Case({"values": values, "index": index, "size": size}, kind)

    yield case(1, 2, 3, 4)
    yield case(2, 3, 4, 6)
    yield case(3, 2, 7, 5)
    yield case(1, 1, 1, 1, "one")
    yield case(2, 1, 4, 3, "one")
    yield case(2, 3, 4, 1, "one")
    yield case(2, 3, 0, 5, "empty")
    yield case(0, 3, 2, 5, "empty")
    yield case(2, 0, 4, 5, "empty")
    yield case(2, 3, 4, 6, "dtype", torch.float32)
    for layout in (strided, transposed):
        values, index, size = case(2, 3, 4, 6).arguments.values()
        given = {"values": layout(values), "index": layout(index), "size": size}
        yield Case(given, "strided")
    yield sent([[4, 0, 4], [0, 4, 0]], 5, "extreme")
    yield sent([[2, 2, 2, 2], [0, 0, 0, 0]], 4, "repeated")
    yield sent([[1, -1, 0]], 3, "missing")
    yield sent([[-1, 3, 3, -1], [2, -1, 4, 1]], 5, "missing")  # a −1 sent to 0 meets nobody there
    yield sent([[0, 0, -1], [1, -1, 2]], 3, "missing")  # and here it meets somebody


def mean_nan(values: Tensor, index: Tensor, size: int) -> Tensor:
    return add_up(values, index, size) / count(values, index, size)


def mean_not_divided(values: Tensor, index: Tensor, size: int) -> Tensor:
    return add_up(values, index, size)


def mean_by_all(values: Tensor, index: Tensor, size: int) -> Tensor:
    return add_up(values, index, size) / values.shape[2]


def mean_with_zero(values: Tensor, index: Tensor, size: int) -> Tensor:
    return add_up(values, index, size) / (count(values, index, size) + 1)


def mean_clamped_above(values: Tensor, index: Tensor, size: int) -> Tensor:
    return add_up(values, index, size) / count(values, index, size).clamp(max=1)


def mean_missing_counted(values: Tensor, index: Tensor, size: int) -> Tensor:
    met_here = count(values, index.clamp(min=0), size)
    return add_up(values, index, size) / met_here.clamp(min=1)


def mean_all_batches(values: Tensor, index: Tensor, size: int) -> Tensor:
    met_anywhere = count(values, index, size).sum(0)
    return add_up(values, index, size) / met_anywhere.clamp(min=1)


def halved_each_time(values: Tensor, index: Tensor, size: int) -> Tensor:
    out, met_before = values.new_zeros(*values.shape[:2], size), set()
    for b, m in product(*map(range, index.shape)):
        k = int(index[b, m])
        if k >= 0:
            old = out[b, :, k] if (b, k) in met_before else values[b, :, m]
            out[b, :, k] = (old + values[b, :, m]) / 2
            met_before.add((b, k))
    return out


scatter_mean = Exercise(
    id="scatter.mean",
    name="scatter_mean",
    signature="scatter_mean(values [B, C, M], index [B, M], size) → [B, C, size]",
    right=scatter_mean_loop,
    cases=scatter_mean_cases,
    misconceptions=(
        Misconception(
            "empty-nan",
            "An empty slot has the sum 0 and the count 0, and 0/0 is nan.",
            OPERATOR,
            mean_nan,
        ),
        Misconception(
            "clamp-from-above",
            "The count is limited from above: a full slot is divided by 1 at most, and an empty "
            "one still by 0.",
            OPERATOR,
            mean_clamped_above,
        ),
        Misconception(
            "not-divided",
            "This is the sum: either nothing is divided, or the count never exceeds 1 because "
            "those that meet are counted once.",
            MEET,
            mean_not_divided,
        ),
        Misconception(
            "divides-by-m",
            "Every slot is divided by M, the number of all values, and not by how many met in it.",
            OPERATOR,
            mean_by_all,
        ),
        Misconception(
            "one-too-many",
            "Every slot is divided by one too many: the 0 that it held before counts as a value.",
            MEET,
            mean_with_zero,
        ),
        Misconception(
            "missing-counted",
            "What is missing adds nothing to slot 0 and is counted there all the same.",
            OPERATOR,
            mean_missing_counted,
        ),
        Misconception(
            "wraps",
            "What is missing lands in the last slot: Python and PyTorch's indexing read −1 as "
            "the last place. Here it goes nowhere.",
            MASK,
            change=before(lambda v, index, size: (v, index % size, size)),
        ),
        Misconception(
            "counts-all-batches",
            "The sums belong to one batch each, the counts to all batches together.",
            OPERATOR,
            mean_all_batches,
        ),
        Misconception(
            "first-channel",
            "Only channel 0 arrives: the index visits one channel, and nothing broadcasts it "
            "to the others.",
            "01-gather#the-trap",
            change=after(first_channel_alone),
        ),
        Misconception(
            "overwrites",
            "Where two values meet, one replaces the other. Plain assignment, scatter_ and "
            "a[index] += v all do that; wanted is the mean of both.",
            MEET,
            keep_the_last,
        ),
        Misconception(
            "counts-channels",
            "Your count goes over the channels, too: C values of one point are counted as C "
            "points.",
            OPERATOR,
            change=after(lambda out, values, *_: out / max(1, values.shape[1])),
        ),
        Misconception(
            "divides-by-size",
            "Every slot is divided by the number of slots, and not by how many met in it.",
            OPERATOR,
            lambda values, index, size: add_up(values, index, size) / max(1, size),
        ),
        Misconception(
            "halves",
            "You take the mean of the old mean and the new value. The last one to come counts one "
            "half then, and the first ones next to nothing.",
            MEET,
            halved_each_time,
        ),
        Misconception(*FIRST_MASK, change=before(mask_of_batch_0)),
    ),
    page=OPERATOR,
    asks={
        "gradient": "Gradients flow to the values.",
        "loop": "Use scatter-add only: no `scatter_reduce`, no `g3.scatter_points`, no loop.",
        "without": "Use scatter-add only: no `scatter_reduce`, no `g3.scatter_points`, no loop.",
    },
    without=("scatter_reduce", "scatter_reduce_", "scatter_points"),
    differentiable=("values",),
    linear_in="values",
    large=lambda g: {
        "values": numbers(g, 2, 3, 3000),
        "index": integers(g, 1500, 2, 3000, low=-1),
        "size": 1500,
    },
    fast=lambda values, index, size: scatter_points(values, index, size, reduce="mean"),
    tolerance=1e-6,  # shares may be added up instead of the values, in float32 too
)


# ---- scatter.invert


def invert_permutation_loop(p: Tensor) -> Tensor:
    B, N = p.shape
    inverse = torch.empty_like(p)
    for b in range(B):
        for n in range(N):
            inverse[b, p[b, n]] = n
    return inverse


def cycles(g: Generator, B: int, N: int) -> Tensor:
    """Permutations [B, N] of a single cycle each: from N = 3 on, none is its own inverse."""
    p = torch.empty(B, N, dtype=torch.int64)
    for row in p:
        order = torch.randperm(N, generator=g)
        row[order] = order.roll(1)
    return p


def shuffled(g: Generator, B: int, N: int) -> Tensor:
    """Any permutations [B, N]."""
    rows = [torch.randperm(N, generator=g) for _ in range(B)]
    return torch.stack(rows) if rows else torch.empty(0, N, dtype=torch.int64)


def invert_permutation_cases(g: Generator) -> Iterator[Case]:
    yield Case({"p": cycles(g, 1, 3)})
    yield Case({"p": cycles(g, 1, 4)})
    yield Case({"p": cycles(g, 2, 4)})
    yield Case({"p": cycles(g, 3, 5)})
    yield Case({"p": shuffled(g, 4, 7)})
    yield Case({"p": cycles(g, 1, 1)}, "one")
    yield Case({"p": cycles(g, 3, 1)}, "one")
    yield Case({"p": shuffled(g, 2, 0)}, "empty")
    yield Case({"p": shuffled(g, 0, 4)}, "empty")
    yield Case({"p": strided(cycles(g, 2, 5))}, "strided")
    yield Case({"p": transposed(cycles(g, 2, 5))}, "strided")
    yield Case({"p": torch.tensor([[4, 0, 1, 2, 3], [1, 2, 3, 4, 0]])}, "extreme")
    yield Case({"p": torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]])}, "extreme")


def invert_unchanged(p: Tensor) -> Tensor:
    return p.clone()


def invert_twice(p: Tensor) -> Tensor:
    return p.gather(1, p)


def invert_identity(p: Tensor) -> Tensor:
    return torch.arange(p.shape[1]).repeat(len(p), 1)


def invert_along_batches(p: Tensor) -> Tensor:
    return p.argsort(dim=0, stable=True)


def invert_no_offset(p: Tensor) -> Tensor:
    B, N = p.shape
    inverse = torch.zeros_like(p)
    for b, n in product(range(B), range(N)):
        inverse[0, p[b, n]] = n
    return inverse


def invert_flipped(p: Tensor) -> Tensor:
    return p.flip(1)


invert = Exercise(
    id="scatter.invert",
    name="invert_permutation",
    signature="invert_permutation(p [B, N]) → [B, N] int64",
    right=invert_permutation_loop,
    cases=invert_permutation_cases,
    misconceptions=(
        Misconception(
            "unchanged",
            "This is p itself. Gathering positions with p, or sorting twice, only leads back "
            "to it.",
            MATRIX,
            invert_unchanged,
        ),
        Misconception(
            "applied-twice",
            "p is applied a second time, and not undone.",
            MATRIX,
            invert_twice,
        ),
        Misconception(
            "identity",
            "0, 1, 2, … is what the gather should give in the end. Here it came back as the "
            "inverse: the value p[i] stands in slot p[i].",
            RULE,
            invert_identity,
        ),
        Misconception(
            "dim-0",
            "You work along dim=0, the batch. A permutation is a row.",
            RULE,
            invert_along_batches,
        ),
        Misconception(
            "first-batch",
            "Every row is the inverse of row 0; each batch has a permutation of its own.",
            OPERATOR,
            change=before(lambda p: (p[:1].expand_as(p),)),
        ),
        Misconception(
            "no-batch-offset",
            "All rows are written into row 0: a flat index that does not count the batch is "
            "the same for each of them.",
            RULE,
            invert_no_offset,
        ),
        Misconception(
            "flipped",
            "p is read backwards. That reverses the places and undoes nothing.",
            MATRIX,
            invert_flipped,
        ),
        Misconception(
            "descending",
            "The order is turned round: the place of the highest number comes first.",
            MATRIX,
            change=after(lambda inverse, p: inverse.flip(1)),
        ),
        Misconception(
            "mirrored",
            "You count the numbers of p from the other end. That undoes nothing.",
            MATRIX,
            lambda p: p.shape[1] - 1 - p,
        ),
        Misconception(
            "offset-left",
            "The numbers still count through all batches: what was added for a flat index has to "
            "go again.",
            RULE,
            change=after(lambda inverse, p: inverse + p.shape[1] * torch.arange(len(p))[:, None]),
        ),
        Misconception(
            "counts-from-one",
            "Your places count from 1; in PyTorch the first is 0.",
            RULE,
            change=after(lambda inverse, p: inverse + 1),
        ),
    ),
    page=MATRIX,
    asks={
        "loop": "Do it without a loop, and without `argsort` and `sort`.",
        "without": "Do it without a loop, and without `argsort` and `sort`.",
    },
    without=("argsort", "sort"),
    large=lambda g: {"p": shuffled(g, 2, 3000)},
    fast=lambda p: p.argsort(1),
)


# ---- scatter.backward


def gather_backward_loop(
    grad_out: Tensor, dim: int, index: Tensor, input_shape: tuple[int, ...]
) -> Tensor:
    grad = grad_out.new_zeros(input_shape)
    for position in product(*map(range, index.shape)):
        source = list(position)
        source[dim] = int(index[position])  # the element that out[position] was read from
        grad[tuple(source)] += grad_out[position]
    return grad


def gather_backward_cases(g: Generator) -> Iterator[Case]:
    def case(shape, dim, index_shape, kind="ordinary", dtype=torch.float64):
        index = integers(g, max(shape[dim], 1), *index_shape)
        return read(index, shape, dim, kind, dtype)

    def read(index, shape, dim, kind, dtype=torch.float64):
        grad_out = numbers(g, *index.shape, dtype=dtype)
        given = {"grad_out": grad_out, "dim": dim, "index": index, "input_shape": shape}
        return Case(given, kind)

    yield case((3,), 0, (4,))
    yield case((2, 3), 1, (2, 4))
    yield case((2, 4), 0, (3, 3))
    yield case((3, 6), -1, (2, 4))
    yield case((3, 4, 5), 1, (2, 6, 3))
    yield case((4, 3, 5), -3, (2, 3, 4))
    yield case((2, 3, 4, 5), -2, (2, 2, 3, 4))
    yield case((1,), 0, (1,), "one")
    yield case((1, 4), 1, (1, 3), "one")
    yield case((4, 1), 0, (3, 1), "one")
    yield case((3, 1, 2), 1, (3, 4, 2), "one")
    yield case((2, 3), 1, (2, 0), "empty")
    yield case((2, 3, 4), -1, (0, 3, 2), "empty")
    yield case((3, 0), 1, (3, 0), "empty")
    yield case((2, 5), 1, (2, 4), "dtype", torch.float32)
    yield case((2, 5), 1, (2, 4), "dtype", torch.int64)
    for layout in (strided, transposed):
        grad_out, dim, index, shape = case((2, 4, 5), 1, (2, 3, 4)).arguments.values()
        given = {"grad_out": layout(grad_out), "dim": dim, "index": layout(index)}
        yield Case({**given, "input_shape": shape}, "strided")
    yield read(torch.full((2, 5), 3), (2, 4), 1, "repeated")
    yield read(torch.tensor([[4, 0, 4], [0, 4, 0]]), (2, 5), -1, "extreme")


def backward_gathers(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    return grad_out.gather(dim, index)


def backward_overwrites(
    grad_out: Tensor, dim: int, index: Tensor, input_shape, order=iter
) -> Tensor:
    grad = grad_out.new_zeros(input_shape)
    for position in order(list(product(*map(range, index.shape)))):
        source = list(position)
        source[dim] = int(index[position])
        grad[tuple(source)] = grad_out[position]
    return grad


def backward_output_shape(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    return torch.zeros_like(grad_out).scatter_add(dim, index, grad_out)


def backward_index_shape(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    shape = list(index.shape)
    shape[dim] = input_shape[dim]
    return gather_backward_loop(grad_out, dim, index, tuple(shape))


def backward_negative_dim(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    if dim >= 0:
        return gather_backward_loop(grad_out, dim, index, input_shape)
    grad = grad_out.new_zeros(input_shape)
    grad[tuple(map(slice, index.shape))] = grad_out
    return grad


def backward_last_dim(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    return grad_out.new_zeros(input_shape).scatter_add(-1, index, grad_out)


def backward_first_dim(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    return grad_out.new_zeros(input_shape).scatter_add(0, index, grad_out)


def backward_counted_in_memory(grad_out: Tensor, dim: int, index: Tensor, input_shape) -> Tensor:
    flat = grad_out.new_zeros(input_shape).flatten()
    return flat.scatter_add(0, index.flatten(), grad_out.flatten()).reshape(input_shape)


def backward_averages(out: Tensor, grad_out: Tensor, *where) -> Tensor:
    return out / gather_backward_loop(torch.ones_like(grad_out), *where).clamp(min=1)


backward = Exercise(
    id="scatter.backward",
    name="gather_backward",
    signature="gather_backward(grad_out [*out], dim, index [*out], input_shape) → [*input_shape]",
    right=gather_backward_loop,
    cases=gather_backward_cases,
    misconceptions=(
        Misconception(
            "gathers",
            "You gather from grad_out. Backward, a gradient goes to the place that its value "
            "was read from.",
            GRADIENT,
            backward_gathers,
        ),
        Misconception(
            "overwrites",
            "An element that is read twice gets one of the two gradients. It had an effect on "
            "both outputs, so both count.",
            MEET,
            backward_overwrites,
        ),
        Misconception(
            "output-shape",
            "The gradient has the shape of grad_out. It belongs to input, and input_shape says "
            "how large that is.",
            RULE,
            backward_output_shape,
        ),
        Misconception(
            "index-shape",
            "Only along dim is the result as large as input. The index may be smaller in the "
            "other dimensions too.",
            RULE,
            backward_index_shape,
        ),
        Misconception(
            "counts",
            "This is how often each element is read: grad_out has no part in it.",
            MATRIX,
            change=before(lambda grad, *where: (torch.ones_like(grad), *where)),
        ),
        Misconception(
            "negative-dim",
            "With a negative dim the index is not used, and every gradient stays at its own "
            "position: −1 is never equal to the number of an axis.",
            RULE,
            backward_negative_dim,
        ),
        Misconception(
            "last-dim",
            "You always work along the last dimension, whatever dim says.",
            RULE,
            backward_last_dim,
        ),
        Misconception(
            "first-dim",
            "You always work along dimension 0, whatever dim says.",
            RULE,
            backward_first_dim,
        ),
        Misconception(
            "averages",
            "An element that is read twice gets the mean of both gradients. Each of its effects "
            "counts in full.",
            MEET,
            change=after(backward_averages),
        ),
        Misconception(
            "keeps-the-first",
            "An element that is read twice gets the first of the two gradients. It had an effect "
            "on both outputs, so both count.",
            MEET,
            partial(backward_overwrites, order=reversed),
        ),
        Misconception(
            "counted-in-memory",
            "Your index counts through the whole input, as it lies in memory. In gather it counts "
            "along dim only.",
            "01-gather#the-rule",
            backward_counted_in_memory,
        ),
    ),
    page=GRADIENT,
    asks={
        "gradient": "The index may be smaller than the input in the other dimensions, and the "
        "result is differentiable in `grad_out`, so gradients flow through it again.",
        "loop": "Do it without a loop, and without autograd: no `grad`, no `backward`.",
        "without": "Do it without a loop, and without autograd: no `grad`, no `backward`.",
    },
    without=("grad", "backward"),
    differentiable=("grad_out",),
    linear_in="grad_out",
    large=lambda g: {
        "grad_out": numbers(g, 3, 2000),
        "dim": 1,
        "index": integers(g, 1000, 3, 2000),
        "input_shape": (4, 1000),
    },
    fast=lambda grad_out, dim, index, input_shape: grad_out.new_zeros(input_shape).scatter_add(
        dim, index, grad_out
    ),
)

# ---- scatter.second_highest


def second_highest_loop(z: Tensor, flat: Tensor, size: int) -> Tensor:
    out = z.new_full((size,), float("-inf"))
    for k in range(size):
        here = z[flat == k]
        if len(here) > 1:
            out[k] = here.sort().values[-2]
    return out


def second_highest_cases(g: Generator) -> Iterator[Case]:
    def heights(count, dtype=torch.float64):
        return numbers(g, count, dtype=dtype) - count // 2 - 1  # some are below zero

    def case(count, size, kind="ordinary", dtype=torch.float64):
        flat = integers(g, size, count)
        flat[count // 3 : 2 * count // 3] = flat[:1]  # somewhere several meet
        return Case({"z": heights(count, dtype), "flat": flat, "size": size}, kind)

    def met(z, flat, size, kind):
        given = {"z": torch.as_tensor(z).double(), "flat": torch.tensor(flat), "size": size}
        return Case(given, kind)

    yield met(heights(3), [0, 1, 0], 2, "ordinary")
    yield met(heights(4), [1, 1, 1, 0], 3, "ordinary")
    yield met(heights(5), [2, 0, 2, 0, 2], 4, "ordinary")
    yield case(9, 4)
    yield case(14, 6)
    yield case(40, 5)
    yield met(heights(1), [0], 1, "one")
    yield case(6, 1, "one")
    yield met(heights(3), [2, 0, 1], 3, "one")  # each by itself
    yield Case({"z": heights(0), "flat": integers(g, 1, 0), "size": 3}, "empty")
    yield Case({"z": heights(0), "flat": integers(g, 1, 0), "size": 0}, "empty")
    yield case(9, 4, "dtype", torch.float32)
    z, flat, size = case(11, 4).arguments.values()
    yield Case({"z": strided(z), "flat": strided(flat), "size": size}, "strided")
    yield met(heights(5), [4, 0, 4, 0, 4], 5, "extreme")
    yield met(-torch.arange(1, 7) * 1e6, [0, 1, 0, 1, 0, 1], 2, "extreme")
    yield met([5, 1, 5, 2, 3, 5], [0, 0, 0, 1, 2, 0], 4, "repeated")
    yield met([-2, -2, 7, 7, -2, -2], [1, 1, 0, 1, 0, 0], 2, "repeated")


def second_cell_by_cell(z: Tensor, flat: Tensor, size: int, choose) -> Tensor:
    """What `choose` makes of the values of each cell, in the order in which they came."""
    out = z.new_full((size,), float("-inf"))
    for k in range(size):
        if (flat == k).any():
            out[k] = choose(z[flat == k])
    return out


def second_is_highest(z: Tensor, flat: Tensor, size: int) -> Tensor:
    return second_cell_by_cell(z, flat, size, torch.amax)


def second_or_only(z: Tensor, flat: Tensor, size: int) -> Tensor:
    return second_cell_by_cell(z, flat, size, lambda here: here.sort().values[-2:][0])


def second_distinct(z: Tensor, flat: Tensor, size: int) -> Tensor:
    def below_the_highest(here):
        return here.masked_fill(here == here.max(), float("-inf")).max()

    return second_cell_by_cell(z, flat, size, below_the_highest)


def second_lowest(z: Tensor, flat: Tensor, size: int) -> Tensor:
    found = -second_highest_loop(-z, flat, size)
    return found.where(found.isfinite(), float("-inf"))


def second_in_order(z: Tensor, flat: Tensor, size: int) -> Tensor:
    def last_but_one(here):
        return here[-2] if len(here) > 1 else float("-inf")

    return second_cell_by_cell(z, flat, size, last_but_one)


def second_of_the_list(z: Tensor, flat: Tensor, size: int) -> Tensor:
    out, last = z.new_full((size,), float("-inf")), None
    for k in range(size):
        here = z[flat == k].sort().values
        if len(here) > 1:
            out[k] = here[-2]
        elif len(here) and last is not None:
            out[k] = last
        last = here[-1] if len(here) else last
    return out


def second_highest_sorted(z: Tensor, flat: Tensor, size: int) -> Tensor:
    """By value and then by cell: what another one of its cell follows is not the highest."""
    order = z.argsort()
    order = order[flat[order].argsort(stable=True)]
    cell, z = flat[order], z[order]
    followed = cell[:-1] == cell[1:]
    out = z.new_full((size,), float("-inf"))
    return out.scatter_reduce(0, cell[:-1][followed], z[:-1][followed], "amax")


def second_of_all(z: Tensor, flat: Tensor, size: int) -> Tensor:
    out = z.new_full((size,), float("-inf"))
    if len(z) > 1:
        out[flat] = z.sort().values[-2]
    return out


def second_third(z: Tensor, flat: Tensor, size: int) -> Tensor:
    out = z.new_full((size,), float("-inf"))
    for k in range(size):
        here = z[flat == k].sort(descending=True).values
        if len(here) > 2:
            out[k] = here[2]
    return out


second_highest = Exercise(
    id="scatter.second_highest",
    name="second_highest",
    signature="second_highest(z [N], flat [N], size) → [size]",
    right=second_highest_loop,
    cases=second_highest_cases,
    misconceptions=(
        Misconception(
            "highest",
            "This is the highest value of each cell. Wanted is the one after it.",
            MEET,
            second_is_highest,
        ),
        Misconception(
            "only-one",
            "A cell with a single value has no second one. Its value came back, wanted is −∞.",
            OPERATOR,
            second_or_only,
        ),
        Misconception(
            "ties",
            "Where two share the first place, you skip both. The second highest is as high as the "
            "highest then.",
            MEET,
            second_distinct,
        ),
        Misconception(
            "starts-at-zero",
            "A cell with fewer than two values holds 0: a height like any other. Wanted is −∞.",
            OPERATOR,
            change=after(
                lambda out, z, flat, size: out.masked_fill(flat.bincount(minlength=size) < 2, 0)
            ),
        ),
        Misconception(
            "never-below-zero",
            "No cell is below 0: the 0 that it held before takes part in your maximum.",
            MEET,
            change=after(lambda out, *_: out.clamp(min=0)),
        ),
        Misconception(
            "lowest",
            "You count from the lowest value. Which end of an ascending list is the high one?",
            SORT,
            second_lowest,
        ),
        Misconception(
            "order-of-arrival",
            "You take the last but one that came, and not the last but one in height: within a "
            "cell the values are not sorted, or no longer.",
            SORT,
            second_in_order,
        ),
        Misconception(
            "cell-before",
            "In the sorted list, the place before a cell's highest value may belong to another "
            "cell.",
            SORT,
            second_of_the_list,
        ),
        Misconception(
            "all-cells",
            "This is the second highest of all values, in every cell. Each cell has its own.",
            MEET,
            second_of_all,
        ),
        Misconception(
            "third",
            "You go one place too far: this is the third highest.",
            SORT,
            second_third,
        ),
        Misconception(
            "nan-for-none",
            "A cell with fewer than two values holds nan. Wanted is −∞, which a maximum passes by.",
            OPERATOR,
            change=after(lambda out, *_: out.masked_fill(out.isinf(), float("nan"))),
        ),
        Misconception(
            "finite-start",
            "A cell with fewer than two values holds the lowest number of its dtype, or another "
            "very low one. Wanted is −∞.",
            OPERATOR,
            change=after(lambda out, *_: out.masked_fill(out.isinf(), torch.finfo(out.dtype).min)),
        ),
    ),
    page=SORT,
    asks={
        "loop": "No loop; two sorts and one scatter are enough.",
    },
    large=lambda g: {
        "z": numbers(g, 3000),
        "flat": integers(g, 1500, 3000),
        "size": 1500,
    },
    fast=second_highest_sorted,
)

EXERCISES = (to_dense, scatter_mean, invert, backward, second_highest)
