"""Chapter 7's exercises: a dense volume, coarser voxels, kernel maps, pooling, convolution."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gather3d.indexing import ravel_index, unravel_index
from gather3d.voxels import neighbour_index

from ..exercise import (
    Case,
    Exercise,
    Misconception,
    after,
    before,
    integers,
    numbers,
    strided,
)
from .scatter import first_channel_alone

Triple = tuple[int, int, int]
Pair = tuple[Tensor, Tensor]

RULE = "07-sparse-convolution#the-rule"
RULEBOOK = "07-sparse-convolution#the-rulebook"
MAP = "07-sparse-convolution#build-the-map"
STRIDE = "07-sparse-convolution#stride"
MULTIPLY = "07-sparse-convolution#gather-multiply-scatter-add"
DENSE = "07-sparse-convolution#to-a-dense-grid-and-back"
BATCH = "07-sparse-convolution#in-the-wild"
REPEATED = "02-scatter#when-two-meet"
MARGIN = "05-voxels#the-operator-voxels-that-touch"


def voxels(generator: Generator, count: int, batch_size: int, shape: Triple) -> Tensor:
    """Voxels (b, z, y, x), sorted, among them the last of the grid.

    No (z, y, x) stands twice, not even in two batches: what a mistake with the batch does is then
    one thing, whichever way it is written.
    """
    cells = prod(shape)
    zyx = torch.randperm(cells - 1, generator=generator)[: count - 1]
    b = integers(generator, batch_size, count - 1)
    last = torch.tensor([batch_size * cells - 1])
    return unravel_index(torch.cat([b * cells + zyx, last]).sort()[0], (batch_size, *shape))


def no_voxels() -> Tensor:
    return torch.zeros(0, 4, dtype=torch.int64)


def one_batch(coords: Tensor) -> Tensor:
    return coords * coords.new_tensor([0, 1, 1, 1])


def all_strided(case: Case) -> Case:
    """The same call with tensors that are not contiguous."""
    given = case.arguments.items()
    return Case({n: strided(v) if isinstance(v, Tensor) else v for n, v in given}, "strided")


# ---- sparse.to_dense


def to_volume_loop(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    for row, (b, z, y, x) in enumerate(coords.tolist()):
        volume[b, :, z, y, x] = features[row]
    return volume


def to_volume_fast(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    b, z, y, x = coords.unbind(1)
    volume[b, :, z, y, x] = features
    return volume


def to_volume_cases(g: Generator) -> Iterator[Case]:
    def filled(coords, B, C, shape, kind="ordinary", dtype=torch.float64):
        features = numbers(g, len(coords), C, dtype=dtype)
        names = ("coords", "features", "batch_size", "shape")
        return Case(dict(zip(names, (coords, features, B, shape), strict=True)), kind)

    def case(V, B, C, shape, kind="ordinary", dtype=torch.float64):
        return filled(voxels(g, V, B, shape), B, C, shape, kind, dtype)

    yield case(2, 1, 2, (3, 1, 2))
    two_batches = voxels(g, 3, 2, (3, 1, 2))
    two_batches[0, 0] = 0
    yield filled(two_batches, 2, 1, (3, 1, 2))
    yield case(3, 1, 1, (4, 2, 3))
    yield case(7, 2, 5, (4, 2, 3))
    yield case(12, 3, 4, (5, 2, 3))
    yield case(9, 2, 4, (3, 3, 3))
    yield case(1, 1, 1, (1, 1, 1), "one")
    yield case(3, 1, 1, (4, 1, 1), "one")
    yield filled(no_voxels(), 2, 3, (4, 2, 3), "empty")
    yield case(5, 2, 0, (4, 2, 3), "empty")
    yield case(7, 2, 5, (4, 2, 3), "dtype", torch.float32)
    yield case(7, 2, 5, (4, 2, 3), "dtype", torch.float16)
    yield all_strided(case(7, 2, 5, (4, 2, 3)))
    corners = torch.tensor([[b, 3 * z, y, 2 * x] for b, z, y, x in product((0, 1), repeat=4)])
    yield filled(corners, 2, 3, (4, 2, 3), "extreme")
    same_place = torch.tensor([[b, 2, 1, 1] for b in range(3)])
    yield filled(same_place, 3, 2, (4, 2, 3), "repeated")


def x_first(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    b, z, y, x = coords.unbind(1)
    volume[b, :, x, y, z] = features
    return volume


def placed(flat: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    """Rows written at a flat index, unfolded."""
    rows = features.new_zeros(batch_size * prod(shape), features.shape[1])
    rows[flat] = features
    return rows.unflatten(0, (batch_size, *shape)).movedim(-1, 1)


def x_first_flat(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    (D, H, W), (b, z, y, x) = shape, coords.unbind(1)
    return placed(((b * D + x) * H + y) * W + z, features, batch_size, shape)


def wrong_row_stride(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    (D, H, W), (b, z, y, x) = shape, coords.unbind(1)
    return placed((b * D + z) * H * W + y * H + x, features, batch_size, shape)


def in_every_batch(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    _, z, y, x = coords.unbind(1)
    volume[:, :, z, y, x] = features.T
    return volume


def rows_as_columns(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    b, z, y, x = coords.unbind(1)
    volume[b, :, z, y, x] = features.T
    return volume


def default_dtype(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = torch.zeros(batch_size, features.shape[1], *shape)
    b, z, y, x = coords.unbind(1)
    volume[b, :, z, y, x] = features
    return volume


def default_dtype_copy(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    rows = torch.zeros(batch_size * prod(shape), features.shape[1])
    rows = rows.index_copy(0, ravel_index(coords, (batch_size, *shape)), features)
    return rows.unflatten(0, (batch_size, *shape)).movedim(-1, 1)


def integer_dtype(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    volume = coords.new_zeros(batch_size, features.shape[1], *shape)
    b, z, y, x = coords.unbind(1)
    volume[b, :, z, y, x] = features
    return volume


SWAPPED = "x and z are swapped: a row of coords is (b, z, y, x), as the volume's axes are."
OTHER_DTYPE = (
    "The volume does not have the dtype of features. torch.zeros makes float32, whatever you mean "
    "to write into it."
)


def as_pillars(coords: Tensor, features: Tensor, batch_size: int, shape: Triple) -> Tensor:
    (D, H, W), (b, z, y, x) = shape, coords.unbind(1)
    return placed(b * D * H * W + z + y * W + x, features, batch_size, shape)


to_dense = Exercise(
    id="sparse.to_dense",
    name="to_volume",
    signature=(
        "to_volume(coords [V, 4], features [V, C], batch_size, shape (D, H, W)) → [B, C, D, H, W]"
    ),
    right=to_volume_loop,
    cases=to_volume_cases,
    misconceptions=(
        Misconception(
            "channels-last",
            "Every voxel is in its place, but the channels are the last axis; they come right "
            "after the batch.",
            DENSE,
            change=after(lambda out, *_: out.movedim(1, -1)),
        ),
        Misconception(
            "not-permuted",
            "A row of your buffer is a voxel with all its channels. Reshaping does not move axes: "
            "it deals the same numbers out in another order.",
            DENSE,
            change=after(lambda out, *_: out.movedim(1, -1).reshape(out.shape)),
        ),
        Misconception(
            "every-batch",
            "The batch has no part in your index, so each voxel is written to every batch.",
            DENSE,
            in_every_batch,
        ),
        Misconception(
            "batch-ignored",
            "All voxels land in batch 0: the first column of coords is not used.",
            BATCH,
            change=before(lambda coords, *rest: (one_batch(coords), *rest)),
        ),
        Misconception("x-z-swapped", SWAPPED, RULE, x_first),
        Misconception("x-z-swapped", SWAPPED, RULE, x_first_flat),
        Misconception(
            "x-z-swapped", SWAPPED, RULE, change=after(lambda out, *_: out.transpose(2, 4))
        ),
        Misconception(
            "row-stride",
            "Your flat index makes a step of H in y, but a row of the volume has another length.",
            DENSE,
            wrong_row_stride,
        ),
        Misconception(
            "features-transposed",
            "With a slice between index tensors, the indexed place has the shape [V, C], rows "
            "first; you gave it [C, V].",
            DENSE,
            rows_as_columns,
        ),
        Misconception("volume-dtype", OTHER_DTYPE, DENSE, default_dtype),
        Misconception("volume-dtype", OTHER_DTYPE, DENSE, default_dtype_copy),
        Misconception(
            "volume-dtype",
            "The volume has the integer dtype of coords, not the dtype of features.",
            DENSE,
            integer_dtype,
        ),
        Misconception(
            "pillars",
            "z + y · W + x is the place of a pillar, in a grid with one slice. With more of them "
            "each slice has a place of its own.",
            DENSE,
            as_pillars,
        ),
        Misconception(
            "first-channel",
            "Only channel 0 arrives: the index visits one channel, and nothing broadcasts it "
            "to the others.",
            "01-gather#the-trap",
            change=after(first_channel_alone),
        ),
        Misconception(
            "first-batch-everywhere",
            "Every batch shows the voxels of batch 0: one mask, or one buffer, serves them all.",
            BATCH,
            change=after(lambda out, *_: out[:1].expand_as(out)),
        ),
        Misconception(
            "batch-last",
            "You read a row as (x, y, z, b), the order of some libraries. Here it is (b, z, y, x).",
            RULE,
            change=before(lambda coords, *rest: (coords.flip(1), *rest)),
        ),
    ),
    page=DENSE,
    asks={
        "gradient": "The volume has the dtype of the features, and gradients flow back to them.",
        "loop": "Use no loop, and write it without `g3.SparseVolume`.",
        "without": "Use no loop, and write it without `g3.SparseVolume`.",
    },
    without=("SparseVolume",),
    differentiable=("features",),
    linear_in="features",
    large=lambda g: {
        "coords": voxels(g, 2000, 2, (10, 20, 30)),
        "features": numbers(g, 2000, 4),
        "batch_size": 2,
        "shape": (10, 20, 30),
    },
    fast=to_volume_fast,
)


# ---- sparse.strided_coords


def strided_coords_loop(coords: Tensor, stride: int) -> Tensor:
    reached = {(b, z // stride, y // stride, x // stride) for b, z, y, x in coords.tolist()}
    return coords.new_tensor(sorted(reached)).reshape(-1, 4)


def divided(coords: Tensor, stride: int) -> Tensor:
    """All of them, rounded down: several may share a place."""
    return coords // coords.new_tensor([1, stride, stride, stride])


def strided_coords_fast(coords: Tensor, stride: int) -> Tensor:
    return torch.unique(divided(coords, stride), dim=0)


def strided_coords_cases(g: Generator) -> Iterator[Case]:
    def case(V, B, shape, stride, kind="ordinary"):
        return Case({"coords": voxels(g, V, B, shape), "stride": stride}, kind)

    def given(rows, stride, kind="ordinary"):
        return Case({"coords": torch.tensor(rows), "stride": stride}, kind)

    x = int(integers(g, 3, 1)[0])
    yield given([[0, 1, 0, x + 2], [0, 1, 1, 0], [0, 1, 1, x + 3], [1, 1, 0, x + 3]], 2)
    yield given([[1, 0, 1, x], [1, 0, 3, x + 1], [3, 2, 1, x + 2]], 2)
    yield case(14, 2, (2, 4, 6), 2)
    yield case(30, 3, (6, 5, 7), 2)
    yield case(40, 4, (7, 8, 9), 3)
    yield case(1, 1, (3, 4, 5), 2, "one")
    yield case(9, 2, (2, 3, 4), 1, "one")
    yield Case({"coords": no_voxels(), "stride": 2}, "empty")
    yield all_strided(case(20, 2, (4, 5, 6), 2))
    full = unravel_index(torch.arange(48), (2, 2, 3, 4))
    yield Case({"coords": full, "stride": 4}, "repeated")
    twice = voxels(g, 8, 1, (4, 4, 4))
    yield Case({"coords": torch.cat([twice, twice + torch.tensor([1, 0, 0, 0])]), "stride": 2},
               "repeated")  # fmt: skip
    below = voxels(g, 16, 2, (4, 5, 6)) - torch.tensor([0, 2, 3, 3])
    yield Case({"coords": below, "stride": 2}, "negative")
    yield Case({"coords": below, "stride": 3}, "negative")
    far = voxels(g, 6, 2, (2, 3, 4)) + torch.tensor([0, 0, 0, 2**26 + 1])
    yield Case({"coords": far, "stride": 2}, "large")


def batch_divided(coords: Tensor, stride: int) -> Tensor:
    return torch.unique(coords // stride, dim=0)


def still_several(coords: Tensor, stride: int) -> Tensor:
    rows = divided(coords, stride).tolist()
    return coords.new_tensor(sorted(rows)).reshape(-1, 4)


def still_several_as_they_come(coords: Tensor, stride: int) -> Tensor:
    return divided(coords, stride)


def neighbouring_repeats(coords: Tensor, stride: int) -> Tensor:
    return torch.unique_consecutive(divided(coords, stride), dim=0)


def first_come(coords: Tensor, stride: int) -> Tensor:
    reached = dict.fromkeys(map(tuple, divided(coords, stride).tolist()))
    return coords.new_tensor(list(reached)).reshape(-1, 4)


def towards_zero(coords: Tensor, stride: int) -> Tensor:
    step = coords.new_tensor([1, stride, stride, stride])
    return torch.unique(torch.div(coords, step, rounding_mode="trunc"), dim=0)


def towards_zero_as_floats(coords: Tensor, stride: int) -> Tensor:
    step = coords.new_tensor([1, stride, stride, stride])
    return torch.unique((coords / step).long(), dim=0)


def every_second(coords: Tensor, stride: int) -> Tensor:
    kept = (coords[:, 1:] % stride == 0).all(1)
    return strided_coords_fast(coords[kept], stride)


def unique_numbers(coords: Tensor, stride: int) -> Tensor:
    return torch.unique(divided(coords, stride))


def from_the_lowest(coords: Tensor, stride: int) -> Tensor:
    low = coords.amin(0) if len(coords) else coords.new_zeros(4)
    low[0] = 0
    return strided_coords_fast(coords - low, stride)


TWICE = (
    "An output voxel stands in your list once for each input that reaches it; it is one row of the "
    "result."
)

TRUNC = (
    "Coordinates below zero were rounded towards zero: the voxels at −1 and 0 share an output, and "
    "the one around zero is larger than all others."
)


def to_the_nearest(coords: Tensor, stride: int) -> Tensor:
    step = coords.new_tensor([1, stride, stride, stride])
    return torch.unique((coords / step).round().long(), dim=0)


def columns_of_xyzb(coords: Tensor, stride: int) -> Tensor:
    return torch.unique(coords // coords.new_tensor([stride, stride, stride, 1]), dim=0)


def x_first_of_all(out: Tensor, *_) -> Tensor:
    return out.flip(1)[torch.unique(out.flip(1), dim=0, return_inverse=True)[1].argsort()].flip(1)


strided_coords = Exercise(
    id="sparse.strided_coords",
    name="strided_coords",
    signature="strided_coords(coords [V, 4], stride) → [U, 4]",
    right=strided_coords_loop,
    cases=strided_coords_cases,
    misconceptions=(
        Misconception(
            "batch-divided",
            "The batch number was divided as well: two scans become one.",
            BATCH,
            batch_divided,
        ),
        Misconception("not-unique", TWICE, STRIDE, still_several),
        Misconception("not-unique", TWICE, STRIDE, still_several_as_they_come),
        Misconception(
            "unique-neighbours",
            "Only repeats in a row were removed. Voxels of one output need not stand side by side "
            "in the list of inputs, sorted as it is.",
            STRIDE,
            neighbouring_repeats,
        ),
        Misconception(
            "order",
            "The voxels are right, their order is not: coords are sorted by (b, z, y, x), and the "
            "order of the inputs does not stay one.",
            STRIDE,
            first_come,
        ),
        Misconception("trunc", TRUNC, "05-voxels#trunc-is-not-floor", towards_zero),
        Misconception("trunc", TRUNC, "05-voxels#trunc-is-not-floor", towards_zero_as_floats),
        Misconception(
            "ceil",
            "You round up. Output o begins at input o · stride, so its inputs are those from there "
            "on.",
            STRIDE,
            change=before(lambda c, stride: (c + c.new_tensor([0, *3 * [stride - 1]]), stride)),
        ),
        Misconception(
            "fine-units",
            "The voxels are right, in the units of the input. A coarse grid counts its own voxels: "
            "0, 1, 2, …",
            STRIDE,
            change=after(lambda out, _, stride: out * out.new_tensor([1, stride, stride, stride])),
        ),
        Misconception(
            "multiples-only",
            "You keep the inputs that stand on a multiple of the stride and lose the outputs that "
            "only the others reach.",
            STRIDE,
            every_second,
        ),
        Misconception(
            "rows-skipped",
            "You skip rows of the list. Neighbours in the list are not neighbours in space.",
            STRIDE,
            change=before(lambda coords, stride: (coords[::stride], stride)),
        ),
        Misconception(
            "unique-numbers",
            "These are the distinct numbers among all coordinates; the distinct rows are wanted.",
            STRIDE,
            unique_numbers,
        ),
        Misconception(
            "shifted",
            "You count from the lowest voxel. The coarse grid begins where the fine one does, at "
            "0, wherever the voxels are.",
            STRIDE,
            from_the_lowest,
        ),
        Misconception(
            "round",
            "You went to the nearest whole number: a voxel in the upper half of its block goes to "
            "the next one.",
            STRIDE,
            to_the_nearest,
        ),
        Misconception(
            "batch-last",
            "You divide the columns of (x, y, z, b), the order of some libraries. Here b comes "
            "first: it was divided, and x was not.",
            BATCH,
            columns_of_xyzb,
        ),
        Misconception(
            "x-first",
            "The voxels are right, and sorted by x above all, as lexsort does with these columns. "
            "Wanted is b above all, then z, y, x.",
            STRIDE,
            change=after(x_first_of_all),
        ),
    ),
    page=STRIDE,
    asks={
        "loop": "Use no loop.",
    },
    large=lambda g: {"coords": voxels(g, 2000, 2, (14, 16, 18)), "stride": 2},
    fast=strided_coords_fast,
)


# ---- sparse.kernel_map


def pairs_loop(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    dz, dy, dx = offset
    in_index, out_index = [], []
    for i, place_in in enumerate(coords_in.tolist()):
        for o, (b, z, y, x) in enumerate(coords_out.tolist()):
            if place_in == [b, z + dz, y + dy, x + dx]:
                in_index.append(i)
                out_index.append(o)
    return coords_in.new_tensor(in_index), coords_in.new_tensor(out_index)


def pairs_fast(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    wanted = coords_out + coords_out.new_tensor([0, *offset])
    return (coords_in[:, None] == wanted).all(2).nonzero(as_tuple=True)


def pairs_cases(g: Generator) -> Iterator[Case]:
    def given(coords_in, coords_out, offset, kind="ordinary"):
        return Case({"coords_in": coords_in, "coords_out": coords_out, "offset": offset}, kind)

    def case(V, U, B, shape, offset, kind="ordinary"):
        return given(voxels(g, V, B, shape), voxels(g, U, B, shape), offset, kind)

    line = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]])
    yield given(line, line[1:], (0, 0, -1))
    other_batch = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 1]])
    yield given(other_batch, torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]]), (0, 1, 0))
    edge = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    yield given(edge[1:], edge[:2], (0, 0, 1))
    yield case(4, 3, 1, (1, 2, 3), (0, 0, 1))
    yield case(7, 5, 2, (1, 3, 4), (0, 1, -1))
    yield case(14, 16, 2, (2, 3, 4), (0, 0, -1))
    yield case(16, 14, 2, (2, 3, 4), (0, 1, 0))
    yield case(18, 15, 2, (2, 3, 4), (1, 0, 0))
    yield case(30, 34, 3, (3, 4, 5), (1, -2, 1))
    yield case(28, 30, 2, (3, 4, 5), (-1, 0, 2))
    yield case(1, 1, 1, (1, 1, 1), (0, 0, 0), "one")
    yield case(1, 3, 1, (1, 2, 2), (0, 0, 1), "one")
    yield given(voxels(g, 5, 2, (2, 3, 4)), no_voxels(), (0, 0, 1), "empty")
    yield given(no_voxels(), voxels(g, 4, 2, (2, 3, 4)), (0, 1, 0), "empty")
    yield all_strided(case(15, 14, 2, (2, 3, 4), (0, -1, 1)))
    whole = unravel_index(torch.arange(48), (2, 2, 3, 4))
    yield given(whole, whole, (0, 1, 1), "extreme")
    yield given(whole, whole, (-1, -2, -3), "extreme")
    yield given(whole[::2], whole[::2], (0, 0, 0), "extreme")
    yield case(6, 7, 1, (2, 3, 4), (0, 0, 9), "missing")
    yield case(6, 7, 1, (2, 3, 4), (-5, 0, 0), "missing")


def sorted_pairs(result: Any) -> Any:
    """Pairs by output, then input; what does not look like pairs stays as it is."""
    if isinstance(result, Tensor):
        stacked = result.ndim == 2 and len(result) == 2
        return torch.stack(sorted_pairs(tuple(result))) if stacked else result
    if not isinstance(result, tuple | list) or len(result) != 2:
        return result
    i, o = result
    tensors = isinstance(i, Tensor) and isinstance(o, Tensor)
    if not tensors or i.ndim == 0 or o.ndim == 0 or len(i) != len(o):
        return result
    keys = list(zip(o.tolist(), i.tolist(), strict=True))
    order = torch.tensor(sorted(range(len(keys)), key=keys.__getitem__), dtype=torch.int64)
    return i[order], o[order]


def missing_kept(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    in_index = coords_in.new_full((len(coords_out),), -1)
    i, o = pairs_loop(coords_in, coords_out, offset)
    in_index[o] = i
    return in_index, torch.arange(len(coords_out), device=coords_out.device)


def one_coordinate_is_enough(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    wanted = coords_out + coords_out.new_tensor([0, *offset])
    return (coords_in[:, None] == wanted).any(2).nonzero(as_tuple=True)


def flat_keys(coords: Tensor, size: Sequence[int]) -> Tensor:
    """The flat index, also of what lies outside."""
    b, z, y, x = coords.unbind(1)
    _, D, H, W = size
    return ((b * D + z) * H + y) * W + x


def without_margin(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    both = torch.cat([coords_in, coords_out])
    size = (both.amax(0) + 1).tolist() if len(both) else [1, 1, 1, 1]
    wanted = flat_keys(coords_out + coords_out.new_tensor([0, *offset]), size)
    return (flat_keys(coords_in, size)[:, None] == wanted).nonzero(as_tuple=True)


def searched(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> tuple[Tensor, ...]:
    """The keys of both sides, in a grid with a margin, and what searchsorted says."""
    margin = coords_in.new_tensor([0, *map(abs, offset)])
    both = torch.cat([coords_in, coords_out]) + 2 * margin
    size = (both.amax(0) + 1).tolist() if len(both) else [1, 1, 1, 1]
    keys = flat_keys(coords_in + margin, size)
    wanted = flat_keys(coords_out + margin + coords_out.new_tensor([0, *offset]), size)
    return keys, wanted, torch.searchsorted(keys, wanted)


def past_the_end(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    keys, wanted, place = searched(coords_in, coords_out, offset)
    found = keys[place] == wanted
    return place[found], found.nonzero()[:, 0]


def not_compared(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    place = searched(coords_in, coords_out, offset)[2]
    return place, torch.arange(len(place), device=place.device)


def clamped_not_compared(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    place, out_index = not_compared(coords_in, coords_out, offset)
    return place.clamp(max=len(coords_in) - 1), out_index


NOT_COMPARED = (
    "searchsorted names the place where a key would go, whether it is there or not; you take "
    "every place for a partner."
)


def offset_on_the_batch(coords_in: Tensor, coords_out: Tensor, offset: Triple) -> Pair:
    wanted = coords_out + coords_out.new_tensor([*offset, 0])
    return (coords_in[:, None] == wanted).all(2).nonzero(as_tuple=True)


kernel_map = Exercise(
    id="sparse.kernel_map",
    name="pairs",
    signature=(
        "pairs(coords_in [V, 4], coords_out [U, 4], offset (dz, dy, dx)) → (in_index [P], "
        "out_index [P])"
    ),
    right=pairs_loop,
    cases=pairs_cases,
    misconceptions=(
        Misconception(
            "stacked",
            "The rows are right, but they come as one tensor; a pair of tensors is wanted.",
            RULEBOOK,
            change=after(lambda pair, *_: torch.stack(tuple(pair))),
        ),
        Misconception(
            "coordinates",
            "You give back where the partners are; wanted are their rows.",
            RULEBOOK,
            change=after(lambda pair, i, o, _: (i[pair[0]], o[pair[1]])),
        ),
        Misconception(
            "swapped",
            "The pairs are right and the two sides are exchanged: the rows that are read come "
            "first.",
            RULEBOOK,
            change=after(lambda pair, *_: pair[::-1]),
        ),
        Misconception(
            "sign",
            "You look on the opposite side: the offset leads from the voxel that is written to "
            "the one that is read.",
            RULEBOOK,
            change=before(lambda i, o, offset: (i, o, tuple(-step for step in offset))),
        ),
        Misconception(
            "xyz-offset",
            "You read the offset as (dx, dy, dz). Voxels are z, y, x here, and so are their steps.",
            RULE,
            change=before(lambda i, o, offset: (i, o, offset[::-1])),
        ),
        Misconception(
            "batch-ignored",
            "Voxels of different batches become partners: the batch is part of a voxel's place.",
            BATCH,
            change=before(lambda i, o, offset: (one_batch(i), one_batch(o), offset)),
        ),
        Misconception(
            "missing-kept",
            "Outputs without a partner are still in your list, with −1. A rulebook leaves them "
            "out.",
            MAP,
            missing_kept,
        ),
        Misconception(
            "wraps",
            "A step over the edge of a row lands in the next row: outside the grid, different "
            "places share a flat index.",
            MARGIN,
            without_margin,
        ),
        Misconception(
            "past-the-end",
            "For a key larger than all others, searchsorted names a place behind the last one, "
            "and you read there.",
            MAP,
            past_the_end,
        ),
        Misconception("not-compared", NOT_COMPARED, MAP, not_compared),
        Misconception("not-compared", NOT_COMPARED, MAP, clamped_not_compared),
        Misconception(
            "any-coordinate",
            "Voxels with one coordinate in common are partners in your answer; all four have to "
            "agree.",
            RULEBOOK,
            one_coordinate_is_enough,
        ),
        Misconception(
            "offset-ignored",
            "The offset has no effect: these are the voxels that stand in both lists.",
            RULEBOOK,
            change=before(lambda i, o, offset: (i, o, (0, 0, 0))),
        ),
        Misconception(
            "offset-on-batch",
            "The offset was added to (b, z, y): a row begins with the batch.",
            RULE,
            offset_on_the_batch,
        ),
    ),
    page=RULEBOOK,
    asks={
        "loop": "Use no loop over voxels, and write it without `g3.kernel_map` and "
        "`g3.neighbour_index`.",
        "without": "Use no loop over voxels, and write it without `g3.kernel_map` and "
        "`g3.neighbour_index`.",
    },
    without=("kernel_map", "neighbour_index"),
    large=lambda g: {
        "coords_in": voxels(g, 250, 2, (8, 10, 12)),
        "coords_out": voxels(g, 240, 2, (8, 10, 12)),
        "offset": (0, 1, -1),
    },
    fast=pairs_fast,
    normal=sorted_pairs,
)


# ---- sparse.max_pool


def max_pool_loop(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    reached = [[] for _ in range(size)]
    for i, o in zip(in_index.tolist(), out_index.tolist(), strict=True):
        reached[o].append(features[i])
    out = features.new_zeros(size, features.shape[1])
    for o, rows in enumerate(reached):
        if rows:
            out[o] = torch.stack(rows).amax(0)
    return out


def scattered(rows: Tensor, out_index: Tensor, size: int, reduce: str) -> Tensor:
    """Rows that meet in an output, reduced; 0 where none arrives."""
    index = out_index[:, None].expand_as(rows)
    out = rows.new_zeros(size, rows.shape[1])
    return out.scatter_reduce(0, index, rows, reduce, include_self=False)


def max_pool_fast(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return scattered(features[in_index], out_index, size, "amax")


def max_pool_cases(g: Generator) -> Iterator[Case]:
    def given(features, in_index, out_index, size, kind="ordinary"):
        names = ("features", "in_index", "out_index", "size")
        values = (features, in_index.long(), out_index.long(), size)
        return Case(dict(zip(names, values, strict=True)), kind)

    def signed(V, C, dtype=torch.float64):
        """Distinct, none of them 0, about half of them below it."""
        return numbers(g, V, C, dtype=dtype) - V * C // 2 - 0.5

    def parts(V, U):
        """An output for each input, as with kernel 2 and stride 2; each output gets one."""
        return torch.cat([torch.arange(U), integers(g, U, V - U)])

    def case(V, C, U, kind="ordinary", dtype=torch.float64):
        order = torch.randperm(V, generator=g)
        return given(signed(V, C, dtype), order, parts(V, U), U, kind)

    below = numbers(g, 3, 1) - 4.0
    yield given(below, torch.tensor([2, 0, 1]), torch.tensor([0, 1, 1]), 2)
    yield given(signed(4, 2), torch.tensor([3, 1, 0, 2]), torch.tensor([1, 0, 1, 1]), 2)
    yield case(8, 3, 3)
    yield case(15, 2, 4)
    yield case(24, 4, 7)
    yield case(1, 1, 1, "one")
    yield case(7, 1, 3, "one")
    yield case(6, 3, 1, "one")
    yield given(signed(0, 3), torch.tensor([]), torch.tensor([]), 0, "empty")
    yield given(signed(4, 2), torch.tensor([]), torch.tensor([]), 3, "empty")
    yield case(9, 2, 4, "dtype", torch.float32)
    yield all_strided(case(9, 3, 4))
    all_pairs = torch.cartesian_prod(torch.arange(5), torch.arange(4))
    kept = all_pairs[torch.randperm(20, generator=g)[:13]]
    yield given(signed(5, 2), kept[:, 0], kept[:, 1], 4, "repeated")
    ends = torch.tensor([5, 0, 5, 0])
    yield given(signed(6, 2), ends, torch.tensor([0, 3, 3, 0]), 4, "extreme")
    yield given(signed(8, 2), torch.randperm(8, generator=g), 1 + 2 * parts(8, 3), 8, "missing")
    yield given(signed(9, 3), torch.randperm(9, generator=g)[:5], 1 + parts(5, 2), 4, "missing")


def last_one_stays(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    out = features.new_zeros(size, features.shape[1])
    for i, o in zip(in_index.tolist(), out_index.tolist(), strict=True):
        out[o] = features[i]
    return out


def last_one_or_zero(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return last_one_stays(features, in_index, out_index, size).clamp(min=0)


def added(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return scattered(features[in_index], out_index, size, "sum")


def averaged_rows(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return scattered(features[in_index], out_index, size, "mean")


def smallest(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return scattered(features[in_index], out_index, size, "amin")


def row_of_its_own(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return scattered(features[: len(out_index)], out_index, size, "amax")


def ends_exchanged(features: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    return scattered(features[out_index], in_index, size, "amax")


def infinity_left(out: Tensor, _: Tensor, in_index: Tensor, out_index: Tensor, size: int) -> Tensor:
    reached = torch.isin(torch.arange(size), out_index)
    return out.where(reached[:, None], -torch.inf)


LAST = (
    "Where several rows meet in an output, yours has one of them, whichever was written last. "
    "Assigning with an index tensor compares nothing."
)


GUESSED = (
    "The number of rows was guessed from out_index. Outputs behind the last one that is reached "
    "have lost their row: `size` says how many there are."
)

max_pool = Exercise(
    id="sparse.max_pool",
    name="max_pool",
    signature="max_pool(features [V, C], in_index [P], out_index [P], size) → [size, C]",
    right=max_pool_loop,
    cases=max_pool_cases,
    misconceptions=(
        Misconception("last-one", LAST, REPEATED, last_one_stays),
        Misconception("last-one", LAST, REPEATED, last_one_or_zero),
        Misconception(
            "zero-wins",
            "The zeros that you start from take part in the maximum: where all inputs are "
            "negative, an input that is not there wins.",
            "05-voxels#a-zero-that-was-measured-nowhere",
            change=after(lambda out, *_: out.clamp(min=0)),
        ),
        Misconception(
            "summed",
            "The rows that meet are added; the largest is wanted, channel by channel.",
            STRIDE,
            added,
        ),
        Misconception(
            "averaged",
            "The rows that meet are averaged; the largest is wanted, channel by channel.",
            STRIDE,
            averaged_rows,
        ),
        Misconception("smallest", "You keep the smallest, not the largest.", STRIDE, smallest),
        Misconception(
            "first-channel",
            "Only channel 0 is pooled: scatter does not broadcast, and an index with one column "
            "writes one column.",
            "02-scatter#two-dimensions-and-any-number",
            change=after(first_channel_alone),
        ),
        Misconception(
            "in-index-unused",
            "Pair p reads row p in your answer; it should read row in_index[p].",
            STRIDE,
            row_of_its_own,
            change=before(lambda x, i, o, size: (x, torch.arange(len(i)), o, size)),
        ),
        Misconception(
            "swapped",
            "You read at out_index and write at in_index; it is the other way round.",
            RULEBOOK,
            ends_exchanged,
            change=before(lambda x, i, o, size: (x, o, i, size)),
        ),
        Misconception(
            "across-channels",
            "The channels were mixed: every channel has its own maximum.",
            STRIDE,
            change=before(lambda x, *rest: (x.amax(1, keepdim=True).expand_as(x), *rest)),
        ),
        Misconception(
            "infinity-left",
            "An output that no pair reaches holds −∞, the start of your maximum; it should be 0.",
            STRIDE,
            change=after(infinity_left),
        ),
        Misconception(
            "absolute",
            "The signs are lost: you compare and keep absolute values. −2 is larger than −9.",
            STRIDE,
            change=before(lambda x, *rest: (x.abs(), *rest)),
        ),
        Misconception(
            "size-guessed",
            GUESSED,
            STRIDE,
            change=after(lambda out, x, i, o, _: out[: int(o.max()) + 1]),
        ),
        Misconception(
            "size-guessed",
            GUESSED,
            STRIDE,
            change=after(lambda out, x, i, o, _: out[: int(o.max()) + 1 if len(o) else 0]),
        ),
    ),
    page=STRIDE,
    asks={
        "gradient": "Gradients flow to the features.",
        "loop": "Use no loop, and write it without `g3.scatter_points`.",
        "without": "Use no loop, and write it without `g3.scatter_points`.",
    },
    without=("scatter_points",),
    differentiable=("features",),
    large=lambda g: {
        "features": numbers(g, 2000, 3),
        "in_index": torch.randperm(2000, generator=g),
        "out_index": integers(g, 400, 2000),
        "size": 400,
    },
    fast=max_pool_fast,
)


# ---- sparse.subm_conv


def subm_conv_loop(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    row = {tuple(place): v for v, place in enumerate(coords.tolist())}
    out = features.new_zeros(len(coords), weight.shape[0])
    for (b, z, y, x), v in row.items():
        for kz, ky, kx in product(range(3), repeat=3):
            neighbour = (b, z + kz - 1, y + ky - 1, x + kx - 1)
            if neighbour in row:
                out[v] += weight[:, :, kz, ky, kx] @ features[row[neighbour]]
    return out


def table_and_rows(coords: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbour table, and the rows that it names, [V, 27, Ci], zero where none is."""
    table = neighbour_index(coords)
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    return table, padded[table]


def subm_conv_fast(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("vki,oik->vo", table_and_rows(coords, features)[1], weight.flatten(2))


def subm_conv_cases(g: Generator) -> Iterator[Case]:
    def given(coords, Ci, Co, kind="ordinary", dtype=torch.float64):
        features = numbers(g, len(coords), Ci, dtype=dtype)
        weight = numbers(g, Co, Ci, 3, 3, 3, dtype=dtype)
        return Case({"coords": coords, "features": features, "weight": weight}, kind)

    def case(V, B, shape, Ci, Co, kind="ordinary", dtype=torch.float64):
        return given(voxels(g, V, B, shape), Ci, Co, kind, dtype)

    yield given(torch.tensor([[0, 0, 0, 1], [0, 0, 0, 2]]), 1, 1)
    yield given(torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1], [1, 0, 0, 2]]), 1, 1)
    yield given(torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1]]), 2, 2)
    yield case(8, 2, (2, 3, 4), 2, 3)
    yield case(9, 1, (2, 3, 3), 3, 2)
    yield case(18, 2, (3, 4, 5), 3, 3)
    yield given(torch.tensor([[0, 3, 1, 2]]), 1, 1, "one")
    yield given(torch.tensor([[0, 3, 1, 2]]), 3, 2, "one")
    yield given(no_voxels(), 2, 3, "empty")
    yield case(8, 2, (2, 3, 4), 2, 3, "dtype", torch.float32)
    yield all_strided(case(8, 2, (2, 3, 4), 2, 3))
    cube = unravel_index(torch.arange(27), (1, 3, 3, 3))
    yield given(cube, 1, 2, "extreme")
    far = 200_000 + int(integers(g, 1000, 1)[0])
    apart = [[0, 0, 0, 0], [0, 0, 0, 1], [0, far, far - 1, far], [0, far, far, far]]
    yield given(torch.tensor(apart), 1, 1, "extreme")
    one_scan = voxels(g, 6, 1, (2, 3, 3))
    yield given(torch.cat([one_scan, one_scan + torch.tensor([1, 0, 0, 0])]), 2, 3, "repeated")
    lonely = torch.tensor([[0, 2 * z, 2 * y, 2 * x] for z, y, x in product((0, 1), repeat=3)])
    yield given(lonely, 2, 3, "missing")


def weight_turned(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    out = features.new_zeros(len(coords), weight.shape[0])
    for column, matrix in zip(neighbour_index(coords).T, weight.flatten(2).unbind(2), strict=True):
        o = (column >= 0).nonzero()[:, 0]
        out[o] += features[column[o]] @ matrix
    return out


def weight_turned_einsum(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("vki,iok->vo", table_and_rows(coords, features)[1], weight.flatten(2))


def last_row_for_missing(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    rows = features[neighbour_index(coords)]
    return torch.einsum("vki,oik->vo", rows, weight.flatten(2))


def batches_mixed(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    return subm_conv_loop(coords * coords.new_tensor([0, 1, 1, 1]), features, weight)


def not_centred(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    out = features.new_zeros(len(coords), weight.shape[0])
    for tap in product(range(3), repeat=3):
        i, o = pairs_fast(coords, coords, tap)
        out[o] += features[i] @ weight[:, :, *tap].T
    return out


def products_lost(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    table, rows = table_and_rows(coords, features)
    k, o = (table.T >= 0).nonzero(as_tuple=True)
    products = torch.einsum("pi,poi->po", rows[o, k], weight.flatten(2).movedim(2, 0)[k])
    out = features.new_zeros(len(coords), weight.shape[0])
    out[o] += products
    return out


def through_dense(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    b, z, y, x = coords.unbind(1)
    B, D, H, W = (coords.amax(0) + 1).tolist() if len(coords) else (1, 1, 1, 1)
    volume = features.new_zeros(B, features.shape[1], D, H, W)
    volume[b, :, z, y, x] = features
    return F.conv3d(volume, weight, padding=1)[b, :, z, y, x]


TURNED = (
    "The two channel axes of the weight are exchanged: it is [Co, Ci, …], and a row of features "
    "has Ci numbers."
)


def around() -> Tensor:
    """The taps of a kernel, numbered from its middle: 0 there."""
    return torch.arange(27).reshape(3, 3, 3) - 13


def viewed_taps_before_channels(weight: Tensor) -> Tensor:
    Co, Ci = weight.shape[:2]
    return weight.reshape(Co, 27, Ci).mT.reshape(weight.shape)


def viewed_taps_first(weight: Tensor) -> Tensor:
    Co, Ci = weight.shape[:2]
    return weight.reshape(27, Ci, Co).permute(2, 1, 0).reshape(weight.shape)


def first_row_for_missing(coords: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    rows = features[neighbour_index(coords).clamp(min=0)]
    return torch.einsum("vki,oik->vo", rows, weight.flatten(2))


VIEWED = (
    "The weight was reshaped where its axes had to be moved: the numbers are dealt out in another "
    "order, and meet the wrong taps and channels."
)


subm_conv = Exercise(
    id="sparse.subm_conv",
    name="subm_conv",
    signature="subm_conv(coords [V, 4], features [V, Ci], weight [Co, Ci, 3, 3, 3]) → [V, Co]",
    right=subm_conv_loop,
    cases=subm_conv_cases,
    misconceptions=(
        Misconception(
            "flipped",
            "Each tap is read from the opposite side. F.conv3d is a cross-correlation: it does "
            "not turn the kernel round.",
            RULE,
            change=before(lambda c, x, weight: (c, x, weight.flip(2, 3, 4))),
        ),
        Misconception(
            "xyz-kernel",
            "The kernel's axes are taken in x, y, z order; they are kz, ky, kx.",
            RULE,
            change=before(lambda c, x, weight: (c, x, weight.transpose(2, 4))),
        ),
        Misconception(
            "not-centred",
            "Your kernel begins at the voxel. It should have the voxel in its middle.",
            RULE,
            not_centred,
        ),
        Misconception("weight-transposed", TURNED, MULTIPLY, weight_turned),
        Misconception("weight-transposed", TURNED, MULTIPLY, weight_turned_einsum),
        Misconception(
            "reads-last-row",
            "A missing neighbour is −1, and indexing with −1 reads the last row without a word.",
            "01-gather#the-point-that-is-always-there",
            last_row_for_missing,
        ),
        Misconception(
            "batches-mixed",
            "Voxels of different batches are taken for neighbours: the batch is part of a voxel's "
            "place.",
            BATCH,
            batches_mixed,
        ),
        Misconception(
            "no-centre",
            "26 taps are there, the middle one is not: a voxel counts as its own neighbour.",
            RULE,
            change=before(lambda c, x, weight: (c, x, weight * (around() != 0))),
        ),
        Misconception(
            "averaged",
            "You divide by the number of neighbours; a convolution is a sum.",
            RULE,
            change=after(
                lambda out, coords, *_: out / (neighbour_index(coords) >= 0).sum(1, keepdim=True)
            ),
        ),
        Misconception(
            "products-lost",
            "Several products meet in one row, and `+=` with an index tensor keeps one of them.",
            "07-sparse-convolution#the-trap",
            products_lost,
        ),
        Misconception(
            "dense",
            "Right where it fits: you fill a box with every voxel, the empty ones too. Two voxels "
            "that lie far apart make it larger than any memory.",
            "07-sparse-convolution#why-not-the-dense-volume",
            through_dense,
        ),
        Misconception(
            "weight-viewed",
            VIEWED,
            MULTIPLY,
            change=before(lambda c, x, weight: (c, x, viewed_taps_before_channels(weight))),
        ),
        Misconception(
            "weight-viewed",
            VIEWED,
            MULTIPLY,
            change=before(lambda c, x, weight: (c, x, viewed_taps_first(weight))),
        ),
        Misconception(
            "reads-first-row",
            "A missing neighbour reads row 0, which is a voxel like any other. It is not there, "
            "and adds nothing.",
            "01-gather#the-point-that-is-always-there",
            first_row_for_missing,
        ),
    ),
    page=MULTIPLY,
    asks={
        "gradient": "Voxels may lie far apart, so do not fill the box between them; gradients flow "
        "to features and weight.",
        "loop": "A loop over 27 taps is fine, one over voxels is not.",
        "without": "Write it without `g3.sparse_conv3d`.",
    },
    without=("sparse_conv3d",),
    differentiable=("features", "weight"),
    linear_in="features",
    large=lambda g: {
        "coords": voxels(g, 1000, 2, (10, 12, 14)),
        "features": numbers(g, 1000, 2),
        "weight": numbers(g, 3, 2, 3, 3, 3),
    },
    fast=subm_conv_fast,
)

EXERCISES = (to_dense, strided_coords, kernel_map, max_pool, subm_conv)
