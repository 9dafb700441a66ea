"""Chapter 1's exercises: gather's shapes, its loop, points, missing ones, broadcasting."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Generator, Tensor

from gather3d.indexing import gather_points

from ..exercise import (
    Case,
    Exercise,
    Misconception,
    RefusalError,
    after,
    before,
    integers,
    numbers,
    or_refused,
    strided,
)

RULE = "01-gather#the-rule"
DIMENSIONS = "01-gather#three-dimensions-and-any-number"
SHAPES = "01-gather#what-the-shapes-may-be"
OPERATOR = "01-gather#the-operator"
TRAP = "01-gather#the-trap"
ALWAYS_THERE = "01-gather#the-point-that-is-always-there"

REFUSE = (IndexError, RuntimeError, ValueError)  # torch raises one, a check of one's own another


def spread(case: Case) -> Case:
    """The same call with tensors that are not contiguous."""
    arguments = case.arguments.items()
    return Case({k: strided(v) if isinstance(v, Tensor) else v for k, v in arguments}, "strided")


# ---- gather.result_shape


def result_shape_loop(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    """The one in which gather's loop runs, unless it would visit what the input does not have."""
    dims = len(input_shape)
    if len(index_shape) != dims:
        raise ValueError(f"index_shape: got {len(index_shape)} sizes, wanted {dims}")
    for d in set(range(dims)) - {dim % dims}:
        if index_shape[d] > input_shape[d]:
            raise ValueError(f"index_shape[{d}]: wanted at most {int(input_shape[d])}")
    return index_shape.clone()


def result_shape_cases(g: Generator) -> Iterator[Case]:
    def case(input_shape, dim, index_shape, kind="ordinary"):
        shapes = torch.tensor(input_shape), torch.tensor(index_shape)
        given = {"input_shape": shapes[0], "dim": dim, "index_shape": shapes[1]}
        return Case(given, kind, ValueError if kind == "refused" else None)

    def size(low, high):
        return int(integers(g, high + 1, low=low))

    n, m = size(3, 6), size(2, 6)
    yield case((n,), 0, (n + m,))
    yield case((n,), 0, (n - 1,))
    yield case((n, m), 1, (n, m + size(1, 3)))
    yield case((n, m), 0, (n - 2, m))
    yield case((n, m), 1, (n - 1, m - 1))
    yield case((n, m), -1, (n, m + size(1, 3)))
    yield case((n, m, size(2, 6)), -3, (n + 2, m, 1))
    yield case((2, n, m, 3), 2, (2, n - 1, m + 4, 3))
    yield case((n, 1), 0, (1, 1), "one")
    yield case((n, m), 1, (1, m), "one")
    yield case((1, m), 0, (n, m), "one")
    yield case((1, 1, 1), -2, (1, n, 1), "one")
    yield case((n, m), 1, (n, 0), "empty")
    yield case((n, m), 0, (n, 0), "empty")
    yield case((n, m), 1, (n, m), "extreme")
    yield case((n, m), 1, (n, 100 * m), "extreme")
    yield case((n, m), 0, (n, m + 1), "refused")
    yield case((n, m), -1, (n + 1, m), "refused")
    yield case((1, m), 1, (n, m), "refused")
    yield case((2, n, m), 1, (3, n, m), "refused")
    yield case((2, n, m), 1, (2, n), "refused")
    yield case((n, m), 1, (n, m, 1), "refused")
    yield case((n, m), 1, (m,), "refused")


def like_the_input(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    return input_shape.clone()


def the_input_but_for_dim(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    shape = input_shape.clone()
    shape[dim] = index_shape[dim]
    return shape


def ones_broadcast(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    shape = index_shape.where(index_shape != 1, input_shape)
    shape[dim] = index_shape[dim]
    return shape


def whole_index_at_dim(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    before, (_, *after) = input_shape[:dim], input_shape[dim:].tolist()
    return torch.cat([before, index_shape, torch.tensor(after, dtype=torch.int64)])


def one_list_at_dim(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    shape = input_shape.clone()
    shape[dim] = index_shape.prod()
    return shape


def cut_to_the_input(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    if len(input_shape) != len(index_shape):
        return index_shape.clone()
    shape = torch.minimum(input_shape, index_shape)
    shape[dim] = index_shape[dim]
    return shape


def anything_goes(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    return index_shape.clone()


def dim_alone_is_free(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    if len(input_shape) != len(index_shape):
        raise RefusalError
    differs = input_shape != index_shape
    differs[dim] = False
    if differs.any():
        raise RefusalError
    return index_shape.clone()


def as_take_along(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    if len(input_shape) != len(index_shape):
        raise RefusalError
    differs = (input_shape != index_shape) & (input_shape != 1) & (index_shape != 1)
    differs[dim] = False
    if differs.any():
        raise RefusalError
    return ones_broadcast(input_shape, dim, index_shape)


def no_longer_than_the_input(input_shape: Tensor, dim: int, index_shape: Tensor) -> Tensor:
    if len(input_shape) != len(index_shape) or (index_shape > input_shape).any():
        raise RefusalError
    return index_shape.clone()


result_shape = Exercise(
    id="gather.result_shape",
    name="result_shape",
    signature="result_shape(input_shape [n], dim, index_shape [n]) → [n] int64",
    right=result_shape_loop,
    cases=result_shape_cases,
    misconceptions=(
        Misconception(
            "input-shape",
            "You give back the shape of the input. Gather makes one output for each entry of the "
            "index, however large the input is.",
            SHAPES,
            like_the_input,
        ),
        Misconception(
            "only-dim",
            "You take the index's size along dim and the input's sizes elsewhere. An index that is "
            "smaller elsewhere asks for less there, too.",
            SHAPES,
            the_input_but_for_dim,
        ),
        Misconception(
            "broadcast",
            "A size of 1 in the index does not grow. It means one, not the same for all.",
            SHAPES,
            ones_broadcast,
        ),
        Misconception(
            "whole-slices",
            "This is the shape of plain indexing, in which each entry picks a whole slice of the "
            "input. In gather it picks one element.",
            RULE,
            whole_index_at_dim,
        ),
        Misconception(
            "one-list",
            "This is the shape of index_select, with one list of places for all rows alike. In "
            "gather each entry of the index makes one output.",
            RULE,
            one_list_at_dim,
        ),
        Misconception(
            "cut",
            "You cut an index that is too large to what the input has. Gather refuses it.",
            SHAPES,
            cut_to_the_input,
        ),
        Misconception(
            "anything-goes",
            "Right where there is a result, and you refuse nothing. Gather refuses an index of "
            "another number of dimensions, and one that visits what the input lacks.",
            SHAPES,
            anything_goes,
        ),
        Misconception(
            "must-be-equal",
            "You ask for equal sizes outside dim, as other libraries do. The index may be smaller "
            "than the input there.",
            SHAPES,
            dim_alone_is_free,
        ),
        Misconception(
            "take-along",
            "These are the rules of take_along_dim, in which sizes of 1 broadcast. In gather "
            "nothing does.",
            SHAPES,
            as_take_along,
        ),
        Misconception(
            "dim-limited",
            "You refuse an index that is longer than the input along dim. There it may ask as "
            "often as it likes.",
            SHAPES,
            no_longer_than_the_input,
        ),
    ),
    page=SHAPES,
    asks={
        "refused": "Where gather refuses the shapes, raise a `ValueError`.",
        "dtype": "Both shapes come as int64 tensors, one number for each dimension, and so does "
        "the result.",
        "without": "Do not call gather.",
    },
    without=("gather",),
)


# ---- gather.loops


def gather_loop(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        k = int(index[position])
        if not 0 <= k < input.shape[dim]:
            raise IndexError(f"index: got {k}, wanted 0 to {input.shape[dim] - 1}")
        source = list(position)
        source[dim] = k
        out[position] = input[tuple(source)]
    return out


def gather_cases(g: Generator) -> Iterator[Case]:
    def case(shape, dim, asked, kind="ordinary", dtype=torch.float64):
        index = integers(g, shape[dim], *asked)
        return Case({"input": numbers(g, *shape, dtype=dtype), "dim": dim, "index": index}, kind)

    def given(index, kind, refuse=None, shape=(3, 4)):
        arguments = {"input": numbers(g, *shape), "dim": 1, "index": torch.tensor(index)}
        return Case(arguments, kind, refuse)

    yield given([[1, 1], [0, 1]], "ordinary", shape=(3, 2))
    yield case((5,), 0, (7,))
    yield case((4, 3), 0, (6, 2))
    yield case((2, 4), -1, (2, 3))
    yield case((3, 4), -2, (5, 4))
    yield case((2, 3, 4), 1, (2, 5, 3))
    yield case((3, 2, 5), -1, (2, 2, 6))
    yield case((2, 1, 3, 2), 2, (2, 1, 2, 2))
    yield case((1, 1), 0, (9, 1), "one")
    yield case((1, 7, 1), 1, (1, 6, 1), "one")
    yield case((3, 4), 1, (3, 0), "empty")
    yield case((0, 4), 1, (0, 2), "empty")
    yield case((3, 4), 1, (3, 2), "dtype", torch.float32)
    yield case((3, 4), 0, (2, 4), "dtype", torch.int64)
    yield spread(case((2, 3, 4), 2, (2, 3, 5)))
    yield given([[3, 0], [0, 3]], "extreme")
    yield given([[1, 1, 1, 1], [1, 1, 1, 1]], "repeated")
    yield given([[0, 4], [1, 2]], "refused", IndexError)
    yield given([[0, -1], [1, 2]], "refused", IndexError)


def over_the_input(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = torch.zeros_like(input)
    for position in product(*map(range, input.shape)):
        source = list(position)
        source[dim] = int(index[position])
        out[position] = input[tuple(source)]
    return out


def shaped_like_the_input(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = torch.zeros_like(input)
    for position in product(*map(range, index.shape)):
        source = list(position)
        source[dim] = int(index[position])
        out[position] = input[tuple(source)]
    return out


def negative_dim_never_met(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        k = int(index[position])
        out[position] = input[tuple(k if d == dim else p for d, p in enumerate(position))]
    return out


def cut_at_dim(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        source = (*position[:dim], int(index[position]), *position[dim + 1 :])
        out[position] = input[source]
    return out


def along_the_first(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        out[position] = input[(int(index[position]), *position[1:])]
    return out


def sent_not_read(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        slot = list(position)
        slot[dim] = int(index[position])
        out[tuple(slot)] = input[position]
    return out


def whole_rows(input: Tensor, dim: int, index: Tensor) -> Tensor:
    return input[index]


def counted_in_memory(input: Tensor, dim: int, index: Tensor) -> Tensor:
    return input.flatten()[index]


def for_two_dimensions(input: Tensor, dim: int, index: Tensor) -> Tensor:
    rows, columns = index.shape
    out = input.new_zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            k = int(index[i, j])
            out[i, j] = input[k, j] if dim % 2 == 0 else input[i, k]
    return out


def counted_from_the_end(input: Tensor, dim: int, index: Tensor) -> Tensor:
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        source = list(position)
        source[dim] = int(index[position])  # Python counts −1 from the end
        out[position] = input[tuple(source)]
    return out


def one_list_for_every_row(input: Tensor, dim: int, index: Tensor) -> Tensor:
    line = index.movedim(dim, 0)
    while line.ndim > 1:
        line = line[:, 0]
    return input.index_select(dim, line)


loops = Exercise(
    id="gather.loops",
    name="gather",
    signature="gather(input [*in], dim, index [*out]) → [*out]",
    right=gather_loop,
    cases=gather_cases,
    misconceptions=(
        Misconception(
            "two-dimensions",
            "This is the rule for two dimensions; the exercise asks for any number of them.",
            DIMENSIONS,
            for_two_dimensions,
        ),
        Misconception(
            "input-positions",
            "You visit every position of the input. It is the index that says how many outputs "
            "there are, and where they stand.",
            SHAPES,
            over_the_input,
        ),
        Misconception(
            "input-shape",
            "Your result has the shape of the input. The index may be longer or shorter, and the "
            "result goes with it.",
            SHAPES,
            shaped_like_the_input,
        ),
        Misconception(
            "negative-dim",
            "A negative dim counts from the end, and no dimension has a negative number: where you "
            "compare the two, they never meet.",
            DIMENSIONS,
            negative_dim_never_met,
        ),
        Misconception(
            "negative-slice",
            "With dim −1, dim + 1 is 0, and a slice from there takes the whole position again.",
            DIMENSIONS,
            cut_at_dim,
        ),
        Misconception(
            "first-dimension",
            "Your index always chooses along the first dimension, whatever dim says.",
            "01-gather#two-dimensions",
            along_the_first,
        ),
        Misconception(
            "scatter",
            "You write to the place that the index names. Gather reads there; writing there is "
            "scatter, its opposite.",
            "02-scatter#the-rule",
            sent_not_read,
        ),
        Misconception(
            "whole-rows",
            "Each entry of your index picks a whole row. In gather it picks one element.",
            RULE,
            whole_rows,
        ),
        Misconception(
            "counted-in-memory",
            "Your index counts through the whole input, as it lies in memory. In gather it counts "
            "along dim only.",
            RULE,
            counted_in_memory,
        ),
        Misconception(
            "last-dim",
            "Your index always chooses along the last dimension, whatever dim says.",
            RULE,
            change=before(lambda input, dim, index: (input, -1, index)),
        ),
        Misconception(
            "one-list",
            "You take one list of places and pick whole slices with it, as index_select does. In "
            "gather each position has an entry of its own.",
            RULE,
            or_refused(one_list_for_every_row),
        ),
        Misconception(
            "counts-from-one",
            "You read one place before the one that is named: the index counts from 0.",
            RULE,
            change=before(lambda input, dim, index: (input, dim, index - 1)),
        ),
        Misconception(
            "wraps",
            "Right, but a negative index is refused here. Yours reads from the end of the input: "
            "Python's rule, not gather's.",
            ALWAYS_THERE,
            counted_from_the_end,
        ),
    ),
    page=RULE,
    asks={
        "refused": "An index that is negative or too large raises an `IndexError`.",
        "gradient": "Gradients flow to the input.",
        "without": "Write it without torch functions that index by a tensor (`gather`, "
        "`take_along_dim`, `take`, `index_select`) and without `g3.gather_loops`.",
    },
    without=("gather", "take_along_dim", "take", "index_select", "gather_loops"),
    differentiable=("input",),
    linear_in="input",
)


# ---- gather.pick_points


def pick_points_loop(features: Tensor, index: Tensor) -> Tensor:
    (B, C, N), (_, M) = features.shape, index.shape
    out = features.new_zeros(B, C, M)
    for b in range(B):
        for m in range(M):
            k = int(index[b, m])
            if not 0 <= k < N:
                raise IndexError(f"index: got {k}, wanted 0 to {N - 1}")
            out[b, :, m] = features[b, :, k]
    return out


def pick_points_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, N, M, kind="ordinary", dtype=torch.float64):
        return Case(
            {"features": numbers(g, B, C, N, dtype=dtype), "index": integers(g, N, B, M)}, kind
        )

    def given(index, kind, refuse=None):
        return Case({"features": numbers(g, 2, 3, 5), "index": torch.tensor(index)}, kind, refuse)

    yield case(1, 2, 3, 2)
    yield case(2, 3, 5, 4)
    yield case(3, 2, 4, 7)
    yield case(1, 1, 1, 1, "one")
    yield case(2, 1, 4, 3, "one")
    yield case(2, 3, 5, 0, "empty")
    yield case(0, 3, 5, 2, "empty")
    yield case(2, 3, 5, 4, "dtype", torch.float32)
    yield case(2, 3, 5, 4, "dtype", torch.int64)
    yield spread(case(2, 3, 5, 4))
    yield given([[4, 0], [0, 4]], "extreme")
    yield given([[3, 3, 3, 3], [3, 3, 3, 3]], "repeated")
    yield given([[0, 5], [1, 2]], "refused", REFUSE)


def first_channel(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(2, index[:, None])


def every_batch_like_the_first(features: Tensor, index: Tensor) -> Tensor:
    return features[:, :, index[0]]


def along_channels(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(1, index[:, None].expand(-1, features.shape[1], -1))


def two_dimensions(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(2, index)


def batches_crossed(features: Tensor, index: Tensor) -> Tensor:
    return features[:, :, index]


def for_channels_last(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(1, index[:, :, None].expand(-1, -1, features.shape[2]))


def wrapped(features: Tensor, index: Tensor) -> Tensor:
    return pick_points_loop(features, index % features.shape[2])


def beyond_is_the_last(features: Tensor, index: Tensor) -> Tensor:
    return pick_points_loop(features, index.clamp(max=features.shape[2] - 1))


pick_points = Exercise(
    id="gather.pick_points",
    name="pick_points",
    signature="pick_points(features [B, C, N], index [B, M]) → [B, C, M]",
    right=pick_points_loop,
    cases=pick_points_cases,
    misconceptions=(
        Misconception(
            "two-dimensions",
            "The index has two dimensions, features have three: gather wants as many in both.",
            TRAP,
            two_dimensions,
        ),
        Misconception(
            "first-channel",
            "Your index has no channel axis of full size, so only channel 0 came back.",
            TRAP,
            first_channel,
            change=after(lambda picked, *_: picked[:, :1]),
        ),
        Misconception(
            "dim-1", "You used dim=1, the channels; points are dim=2.", RULE, along_channels
        ),
        Misconception(
            "first-batch",
            "Every batch is read with the index of batch 0.",
            OPERATOR,
            every_batch_like_the_first,
            change=before(lambda x, index: (x, index[:1].expand_as(index))),
        ),
        Misconception(
            "channels-last",
            "The points are right, the layout is not: channels come before points.",
            OPERATOR,
            change=after(lambda picked, *_: picked.mT),
        ),
        Misconception(
            "crossed",
            "Indexing with [B, M] reads every batch with every index: one dimension too many.",
            TRAP,
            batches_crossed,
        ),
        Misconception(
            "no-batch-offset",
            "Every cloud is read in cloud 0: where the points of all clouds are one list, an index "
            "has to begin where its own cloud does.",
            OPERATOR,
            change=before(lambda x, index: (x[:1].expand_as(x), index)),
        ),
        Misconception(
            "for-channels-last",
            "This is the recipe for features [B, N, C], found in many repositories: it picks along "
            "dimension 1. Here that is the channels, and points are last.",
            OPERATOR,
            for_channels_last,
        ),
        Misconception(
            "wraps",
            "Right, except that an index beyond the last point must be refused. Yours starts again "
            "at the first.",
            ALWAYS_THERE,
            wrapped,
        ),
        Misconception(
            "clamped",
            "Right, except that an index beyond the last point must be refused. Yours reads the "
            "last one.",
            ALWAYS_THERE,
            beyond_is_the_last,
        ),
    ),
    page=OPERATOR,
    asks={
        "refused": "An index beyond the last point raises an exception.",
        "gradient": "Gradients flow to the features.",
        "loop": "One gather, no loop, and the index is not copied for each channel.",
        "without": "Write it without `g3.gather_points`.",
    },
    without=("gather_points",),
    differentiable=("features",),
    linear_in="features",
    large=lambda g: {"features": numbers(g, 2, 3, 3000), "index": integers(g, 3000, 2, 2500)},
    fast=gather_points,
)


# ---- gather.padded


def padded_loop(features: Tensor, index: Tensor, fill: float) -> Tensor:
    (B, C, N), (_, M) = features.shape, index.shape
    out = features.new_full((B, C, M), fill)
    for b in range(B):
        for m in range(M):
            k = int(index[b, m])
            if not -1 <= k < N:
                raise IndexError(f"index: got {k}, wanted -1 to {N - 1}")
            if k >= 0:
                out[b, :, m] = features[b, :, k]
    return out


def padded_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, N, M, fill, kind="ordinary", dtype=torch.float64):
        index = integers(g, N, B, M, low=-1)
        index[:1, :1] = -1  # one is missing, and one is point 0
        index[:1, -1:] = 0
        return Case(
            {"features": numbers(g, B, C, N, dtype=dtype), "index": index, "fill": fill}, kind
        )

    def given(index, fill, kind, refuse=None):
        features = numbers(g, len(index), 2, 4)
        arguments = {"features": features, "index": torch.tensor(index), "fill": fill}
        return Case(arguments, kind, refuse)

    yield case(1, 2, 3, 3, 0.0)
    yield case(1, 2, 4, 3, -1.0)
    yield case(2, 3, 5, 4, 90.0)
    yield case(3, 2, 4, 7, float("-inf"))
    yield case(1, 1, 1, 12, 8.0, "one")
    yield case(2, 3, 5, 0, -1.0, "empty")
    yield case(0, 3, 5, 2, -1.0, "empty")
    nobody = {"features": numbers(g, 2, 3, 0), "index": torch.full((2, 2), -1), "fill": 7.0}
    yield Case(nobody, "empty")
    yield case(2, 3, 5, 4, -1.0, "dtype", torch.float32)
    yield case(2, 3, 5, 4, -1.0, "dtype", torch.float16)
    yield spread(case(2, 3, 5, 4, -1.0))
    yield given([[3, 0, 0, 3]], 0.0, "extreme")
    yield given([[2, 2, -1, 2]], -1.0, "repeated")
    yield given([[-1, -1, -1], [2, -1, 0]], 50.0, "missing")
    yield given([[-1, 3, 1]], float("-inf"), "missing")
    yield given([[0, 4, 1, -1]], 0.0, "refused", REFUSE)
    yield given([[0, -2, 1, -1]], 0.0, "refused", REFUSE)


def picked_by_gather(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(2, index[:, None].expand(-1, features.shape[1], -1))


def given_to_gather(features: Tensor, index: Tensor, fill: float) -> Tensor:
    return picked_by_gather(features, index)


def last_point(features: Tensor, index: Tensor, fill: float) -> Tensor:
    return picked_by_gather(features, index % features.shape[2])


def point_zero(features: Tensor, index: Tensor, fill: float) -> Tensor:
    return picked_by_gather(features, index.clamp(min=0))


def times_a_mask(features: Tensor, index: Tensor, fill: float) -> Tensor:
    there = (index >= 0)[:, None]
    return padded_loop(features, index, 0.0) * there + fill * ~there


def shifted(features: Tensor, index: Tensor, fill: float) -> Tensor:
    column = features.new_full((*features.shape[:2], 1), fill)
    return picked_by_gather(torch.cat([column, features], 2), index.clamp(min=0))


def first_neighbour(features: Tensor, index: Tensor, fill: float) -> tuple:
    """Point 0 where the first is missing as well; a cloud without points has nobody to repeat."""
    first = index[:, :1].clamp(min=0 if features.shape[2] else -1)
    return features, index.where(index != -1, first), fill


def mask_of_one_channel(features: Tensor, index: Tensor, fill: float) -> Tensor:
    picked = picked_by_gather(features, index.clamp(min=0))
    picked[(index < 0)[:, None]] = fill
    return picked


padded = Exercise(
    id="gather.padded",
    name="pick_points_padded",
    signature="pick_points_padded(features [B, C, N], index [B, M], fill=0.) → [B, C, M]",
    right=padded_loop,
    cases=padded_cases,
    misconceptions=(
        Misconception(
            "first-channel",
            "Your index has no channel axis of full size, so only channel 0 came back.",
            TRAP,
            change=after(lambda picked, *_: picked[:, :1]),
        ),
        Misconception(
            "refused",
            "You give −1 to gather as it is, and gather refuses it.",
            OPERATOR,
            given_to_gather,
        ),
        Misconception(
            "last-point",
            "−1 read the last point of the cloud: it was counted from the end.",
            ALWAYS_THERE,
            last_point,
            change=before(lambda x, index, fill: (x, index % x.shape[2], fill)),
        ),
        Misconception(
            "point-0",
            "Where nothing should be, the features of point 0 came back.",
            OPERATOR,
            point_zero,
            change=before(lambda x, index, fill: (x, index.clamp(min=0), fill)),
        ),
        Misconception(
            "zero-is-missing",
            "Who asks for point 0 gets fill as well. Point 0 is a point like any other.",
            OPERATOR,
            change=before(lambda x, index, fill: (x, index.where(index > 0, -1), fill)),
        ),
        Misconception(
            "always-zero",
            "Missing points give 0, whatever fill is.",
            OPERATOR,
            change=before(lambda x, index, fill: (x, index, 0.0)),
        ),
        Misconception(
            "times-a-mask",
            "You multiply fill by a mask of ones and zeros. Zero times −∞ is not zero but nan.",
            "01-gather#grouping",
            times_a_mask,
        ),
        Misconception(
            "shifted",
            "The column that you put before the points moved all of them by one place; the index "
            "still counts from the old beginning.",
            OPERATOR,
            shifted,
        ),
        Misconception(
            "first-neighbour",
            "A missing point repeats the first of its list, as PointNet++ pads. Here "
            "it gives fill.",
            OPERATOR,
            change=before(first_neighbour),
        ),
        Misconception(
            "first-mask",
            "What is missing in cloud 0 is missing in every cloud of yours. Each has its own −1s.",
            OPERATOR,
            change=before(
                lambda x, index, fill: (x, index.clamp(min=0).where(index[:1] >= 0, -1), fill)
            ),
        ),
        Misconception(
            "mask-of-one-channel",
            "A mask that indexes must have the full shape: it does not broadcast over channels.",
            TRAP,
            mask_of_one_channel,
        ),
    ),
    page=OPERATOR,
    asks={
        "refused": "An index below −1 or beyond the last point raises an exception.",
        "gradient": "Gradients flow to the features that are read.",
        "loop": "Use no loop, and write it without `g3.gather_points`.",
        "without": "Use no loop, and write it without `g3.gather_points`.",
    },
    without=("gather_points",),
    differentiable=("features",),
    linear_in="features",
    large=lambda g: {
        "features": numbers(g, 2, 3, 3000),
        "index": integers(g, 3000, 2, 2500, low=-1),
        "fill": -1.0,
    },
    fast=gather_points,
)


# ---- gather.along


def along_loop(input: Tensor, index: Tensor, dim: int) -> Tensor:
    sizes = common_sizes(input, index, dim)
    out = input.new_zeros(sizes)
    for position in product(*map(range, sizes)):
        source = list(within(input.shape, position))
        source[dim] = int(index[within(index.shape, position)])  # −1 is the last one
        out[position] = input[tuple(source)]
    return out


def common_sizes(input: Tensor, index: Tensor, dim: int) -> list[int]:
    """Where one has size 1, the other's; along dim the index's."""
    sizes = [s if i == 1 else i for s, i in zip(input.shape, index.shape, strict=True)]
    sizes[dim] = index.shape[dim]
    return sizes


def within(shape: tuple[int, ...], position: tuple[int, ...]) -> tuple[int, ...]:
    """The position in a tensor of this shape: where its size is 1, place 0 serves them all."""
    return tuple(0 if size == 1 else p for size, p in zip(shape, position, strict=True))


def along_cases(g: Generator) -> Iterator[Case]:
    def case(shape, asked, dim, kind="ordinary", dtype=torch.float64):
        index = integers(g, shape[dim], *asked)
        return Case({"input": numbers(g, *shape, dtype=dtype), "index": index, "dim": dim}, kind)

    def given(shape, index, dim, kind):
        return Case({"input": numbers(g, *shape), "index": index, "dim": dim}, kind)

    yield case((2, 3), (1, 2), 1)
    yield case((1, 3), (3, 2), 1)
    yield case((4, 2, 1), (3, 1, 2), 0)
    yield case((2, 3, 4), (1, 1, 2), 2)
    yield case((2, 3, 4), (2, 1, 4), 1)
    yield case((2, 3), (4, 1), -2)
    yield given((3, 1, 4), integers(g, 4, 1, 2, 5, low=-4), -1, "ordinary")
    yield given((2, 1, 5), integers(g, 0, 1, 3, 4, low=-5), 2, "ordinary")
    yield case((1, 1), (1, 1), 0, "one")
    yield case((3, 1), (1, 8), 1, "one")
    yield case((3, 4), (1, 0), 1, "empty")
    yield case((0, 4), (1, 2), 1, "empty")
    yield case((1, 4), (0, 2), 1, "empty")
    yield case((3, 4), (1, 2), 1, "dtype", torch.float32)
    yield case((3, 4), (2, 1), 0, "dtype", torch.int64)
    yield spread(case((2, 3, 4), (2, 1, 5), 2))
    yield given((3, 4), torch.tensor([[-4, -1, 0, 3]]), 1, "extreme")
    yield given((3, 4), torch.full((1, 6), 2), 1, "repeated")


def gather_alone(input: Tensor, index: Tensor, dim: int) -> Tensor:
    return input.gather(dim, index % input.shape[dim])


def input_as_it_is(input: Tensor, index: Tensor, dim: int) -> Tensor:
    sizes = list(input.shape)
    sizes[dim] = index.shape[dim]
    return input.gather(dim, (index % input.shape[dim]).expand(sizes))


def index_as_it_is(input: Tensor, index: Tensor, dim: int) -> Tensor:
    sizes = list(index.shape)
    sizes[dim] = input.shape[dim]
    return input.expand(sizes).gather(dim, index % input.shape[dim])


def dim_too(input: Tensor, index: Tensor, dim: int) -> Tensor:
    wide, every = torch.broadcast_tensors(input, index)
    return wide.gather(dim, every % input.shape[dim])


def dim_never_met(input: Tensor, index: Tensor, dim: int) -> Tensor:
    sizes = list(map(max, input.shape, index.shape))
    wide = [input.shape[d] if d == dim else size for d, size in enumerate(sizes)]
    every = [index.shape[d] if d == dim else size for d, size in enumerate(sizes)]
    return input.expand(wide).gather(dim, (index % input.shape[dim]).expand(every))


def one_list_for_all(input: Tensor, index: Tensor, dim: int) -> Tensor:
    return input.index_select(dim, index.flatten() % input.shape[dim])


def negative_refused(input: Tensor, index: Tensor, dim: int) -> Tensor:
    every = index.expand(common_sizes(input, index, dim))
    wide = list(every.shape)
    wide[dim] = input.shape[dim]
    return input.expand(wide).gather(dim, every)


def as_numpy_take(input: Tensor, index: Tensor, dim: int) -> Tensor:
    picked = input.index_select(dim, index.flatten() % input.shape[dim])
    return picked.unflatten(dim % input.ndim, index.shape)


along = Exercise(
    id="gather.along",
    name="take_along",
    signature="take_along(input, index, dim) → sizes broadcast, along dim the index's",
    right=along_loop,
    cases=along_cases,
    misconceptions=(
        Misconception(
            "no-broadcast",
            "This is gather by itself: a size of 1 in the index stays 1, and one in the input is "
            "too small.",
            SHAPES,
            gather_alone,
        ),
        Misconception(
            "input-of-one",
            "Your index goes with the input's sizes. The input may have a size of 1 too.",
            SHAPES,
            input_as_it_is,
        ),
        Misconception(
            "index-of-one",
            "Your input goes with the index's sizes. The index may have a size of 1 too.",
            SHAPES,
            index_as_it_is,
        ),
        Misconception(
            "dim-broadcasts",
            "You broadcast along dim as well. There, the two sizes have nothing to do with each "
            "other.",
            SHAPES,
            dim_too,
        ),
        Misconception(
            "negative-dim",
            "A negative dim counts from the end, and no dimension has a negative number: where you "
            "compare the two, they never meet.",
            DIMENSIONS,
            dim_never_met,
        ),
        Misconception(
            "one-list",
            "You made one list of the index, for all rows alike. Each row has its own.",
            RULE,
            one_list_for_all,
        ),
        Misconception(
            "negative-refused",
            "The shapes are right. A negative index counts from the end here, and gather refuses "
            "it.",
            ALWAYS_THERE,
            negative_refused,
        ),
        Misconception(
            "negative-is-missing",
            "A negative index counts from the end here; −1 does not mean missing.",
            ALWAYS_THERE,
            change=after(lambda out, x, index, dim: out.masked_fill(index < 0, 0)),
        ),
        Misconception(
            "negative-is-zero",
            "Your negative indices all read element 0. Here they count from the end.",
            ALWAYS_THERE,
            change=before(lambda x, index, dim: (x, index.clamp(min=0), dim)),
        ),
        Misconception(
            "last-dim",
            "You always work along the last dimension, whatever dim says.",
            DIMENSIONS,
            or_refused(lambda input, index, dim: along_loop(input, index, -1)),
        ),
        Misconception(
            "counted-in-memory",
            "Your index counts through the whole input, as torch.take does. Here it counts along "
            "dim only.",
            RULE,
            or_refused(lambda input, index, dim: input.flatten()[index]),
        ),
        Misconception(
            "whole-slices",
            "Each entry of your index picks a whole slice, and all axes of the index came into the "
            "result, as in NumPy's take. Here an entry picks one element.",
            RULE,
            as_numpy_take,
        ),
    ),
    page=SHAPES,
    asks={
        "gradient": "Gradients flow to the input.",
        "loop": "Use no loop, do not copy what you can expand, and do not call `take_along_dim`.",
        "without": "Use no loop, do not copy what you can expand, and do not call "
        "`take_along_dim`.",
    },
    without=("take_along_dim",),
    differentiable=("input",),
    linear_in="input",
    large=lambda g: {
        "input": numbers(g, 3, 1, 2000),
        "index": integers(g, 2000, 1, 4, 1500, low=-2000),
        "dim": 2,
    },
    fast=torch.take_along_dim,
)

EXERCISES = (result_shape, loops, pick_points, padded, along)
