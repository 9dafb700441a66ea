"""Chapter 5's exercises: points to voxels, the flat index, points and voxels that belong to one."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

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
    transposed,
)

FLOOR = "05-voxels#floor-and-turn-xyz-into-zyx"
TRUNC = "05-voxels#trunc-is-not-floor"
KEY = "05-voxels#one-number-for-a-voxel"
TYPES = "05-voxels#a-key-that-does-not-fit-its-type"
AXIS = "05-voxels#k-nearest-points-of-each-voxel-centre-the-missing-axis"
BUFFER = "05-voxels#the-points-themselves-k-for-each-voxel"
TOUCH = "05-voxels#the-operator-voxels-that-touch"


# ---- voxels.coords


def voxel_coords_loop(points: Tensor, voxel_size: float, origin: Tensor) -> Tensor:
    out = torch.zeros(points.shape, dtype=torch.int64, device=points.device)
    for n in range(len(points)):
        x, y, z = ((points[n] - origin) / voxel_size).tolist()
        out[n, 0] = math.floor(z)
        out[n, 1] = math.floor(y)
        out[n, 2] = math.floor(x)
    return out


def voxel_coords_fast(points: Tensor, voxel_size: float, origin: Tensor) -> Tensor:
    return torch.floor((points - origin) / voxel_size).long().flip(1)


def cloud(g: Generator, N: int, size: float, low: int = -4, high: int = 4) -> dict:
    """Points on walls of voxels and between them, never in the middle: every quotient is exact."""
    origin = numbers(g, 3) / 2
    eighths = torch.tensor([0, 1, 2, 3, 5, 6, 7])[integers(g, 7, N, 3)]
    cell = integers(g, high, N, 3, low=low) + eighths.double() / 8
    return {"points": origin + cell * size, "voxel_size": size, "origin": origin}


def voxel_coords_cases(g: Generator) -> Iterator[Case]:
    below = cloud(g, 2, 0.5)
    eighths = torch.tensor([[6, 5, 7], [1, 2, 3]]) + 8 * integers(g, 3, 2, 3, low=-3)
    yield Case({**below, "points": below["origin"] + eighths / 8 * 0.5})
    yield Case(cloud(g, 4, 2.0, low=0))
    yield Case(cloud(g, 7, 0.25))
    yield Case(cloud(g, 20, 0.5))
    yield Case(cloud(g, 1, 0.5), "one")
    yield Case(cloud(g, 0, 0.5), "empty")
    single = cloud(g, 9, 0.5)
    yield Case(
        {**single, "points": single["points"].float(), "origin": single["origin"].float()}, "dtype"
    )
    apart = cloud(g, 9, 0.25)
    yield Case({**apart, "points": strided(apart["points"])}, "strided")
    yield Case({**apart, "points": transposed(apart["points"])}, "strided")
    yield Case(cloud(g, 6, 0.5, low=2**33, high=2**34), "large")


def truncated(points: Tensor, voxel_size: float, origin: Tensor) -> Tensor:
    return ((points - origin) / voxel_size).long().flip(1)


def from_the_lowest(points: Tensor, voxel_size: float, origin: Tensor) -> tuple:
    return points, voxel_size, points.amin(0) if len(points) else origin


def half_and_cut(points: Tensor, voxel_size: float, origin: Tensor) -> Tensor:
    return ((points - origin) / voxel_size + 0.5).long().flip(1)


def rounded_up(points: Tensor, voxel_size: float, origin: Tensor) -> Tensor:
    return ((points - origin) / voxel_size).ceil().long().flip(1)


coords = Exercise(
    id="voxels.coords",
    name="voxel_coords",
    signature="voxel_coords(points [N, 3], voxel_size, origin [3]) → [N, 3]",
    right=voxel_coords_loop,
    cases=voxel_coords_cases,
    misconceptions=(
        Misconception(
            "trunc",
            "A conversion to whole numbers drops the fraction, so it goes towards zero: points "
            "below the origin land one voxel too high.",
            TRUNC,
            truncated,
        ),
        Misconception(
            "round",
            "You went to the nearest whole number: points in the upper half of a voxel land in "
            "the next one.",
            FLOOR,
            change=before(lambda p, size, origin: (p + size / 2, size, origin)),
        ),
        Misconception(
            "xyz",
            "The numbers are right, their order is not: points are x, y, z, voxels are z, y, x.",
            FLOOR,
            change=after(lambda out, *_: out.flip(1)),
        ),
        Misconception(
            "points-turned",
            "The flip went along the wrong axis: it reversed the order of the points, not that "
            "of the coordinates.",
            FLOOR,
            change=after(lambda out, *_: out.flip(0, 1)),
        ),
        Misconception(
            "no-origin",
            "The origin has no effect: voxel (0, 0, 0) begins there, not at 0 metres.",
            FLOOR,
            change=before(lambda p, size, origin: (p, size, 0 * origin)),
        ),
        Misconception(
            "origin-late",
            "The origin is in metres, and you subtracted it from a number of voxels.",
            FLOOR,
            change=before(lambda p, size, origin: (p, size, origin * size)),
        ),
        Misconception(
            "origin-zyx",
            "The origin is x, y, z; it met coordinates that were already z, y, x.",
            FLOOR,
            change=before(lambda p, size, origin: (p, size, origin.flip(0))),
        ),
        Misconception(
            "multiplied",
            "You multiplied by the voxel size: smaller voxels must give larger coordinates.",
            FLOOR,
            change=before(lambda p, size, origin: (p, 1 / size, origin)),
        ),
        Misconception(
            "clamped",
            "Points below the origin were moved into the grid: their coordinates are negative.",
            FLOOR,
            change=after(lambda out, *_: out.clamp(min=0)),
        ),
        Misconception(
            "float",
            "The values are right, but they are floats: floor gives whole numbers, not integers. "
            "Voxel coordinates are int64.",
            TYPES,
            change=after(lambda out, points, *_: out.to(points.dtype)),
        ),
        Misconception(
            "own-minimum",
            "You count from the lowest point of the cloud. Voxel (0, 0, 0) begins at the origin, "
            "for this cloud and for the next.",
            FLOOR,
            change=before(from_the_lowest),
        ),
        Misconception(
            "own-minimum-of-voxels",
            "You subtract the lowest coordinate in the end, so that nothing is negative. Two "
            "clouds with one origin would no longer fit together.",
            FLOOR,
            change=after(lambda out, *_: out - out.amin(0) if len(out) else out),
        ),
        Misconception(
            "half-then-cut",
            "You add one half and cut: half a voxel too high, and towards zero below it.",
            TRUNC,
            half_and_cut,
        ),
        Misconception(
            "ceil",
            "You round up: a point between two walls gets the number of the wall behind it.",
            FLOOR,
            rounded_up,
        ),
    ),
    page=FLOOR,
    asks={
        "dtype": "Points are x, y, z in metres; voxels are z, y, x, in int64.",
        "loop": "Use no loop over points, and write it without `g3.voxelize`.",
        "without": "Use no loop over points, and write it without `g3.voxelize`.",
    },
    without=("voxelize",),
    large=lambda g: cloud(g, 3000, 0.25, low=-40, high=40),
    fast=voxel_coords_fast,
)


# ---- voxels.ravel


def ravel_loop(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    D, H, W = shape
    out = torch.zeros(len(coords), dtype=torch.int64, device=coords.device)
    for v in range(len(coords)):
        b, z, y, x = coords[v].tolist()
        out[v] = ((b * D + z) * H + y) * W + x
    return out


def cells(g: Generator, V: int, B: int, shape: tuple[int, int, int], low: int = 0) -> Tensor:
    """Coordinates [V, 4] in a grid, each from `low` on."""
    columns = [integers(g, n, V, low=min(low, n - 1)) for n in (B, *shape)]
    return torch.stack(columns, 1)


def ravel_cases(g: Generator) -> Iterator[Case]:
    def case(V, B, shape, kind="ordinary", dtype=torch.int64, low=0):
        return Case({"coords": cells(g, V, B, shape, low).to(dtype), "shape": shape}, kind)

    yield case(1, 2, (2, 3, 5), low=1)
    yield case(3, 2, (2, 3, 4), low=1)
    yield case(6, 4, (5, 3, 7))
    yield case(9, 3, (4, 6, 2))
    yield case(1, 1, (1, 1, 1), "one")
    yield case(5, 3, (1, 4, 1), "one")
    yield case(0, 2, (2, 3, 4), "empty")
    yield case(6, 3, (5, 4, 3), "dtype", torch.int32)
    grid = case(7, 3, (4, 2, 5)).arguments
    yield Case({**grid, "coords": strided(grid["coords"])}, "strided")
    yield Case({**grid, "coords": transposed(grid["coords"])}, "strided")
    corners = torch.tensor([[0, 0, 0, 0], [2, 4, 2, 6], [0, 4, 2, 6], [2, 0, 0, 0]])
    yield Case({"coords": corners[torch.randperm(4, generator=g)], "shape": (5, 3, 7)}, "extreme")
    yield case(4, 3, (2000, 3000, 4000), "large", torch.int64, low=600)
    yield case(4, 3, (2000, 3000, 4000), "large", torch.int32, low=600)


def sizes_as_strides(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return weighed(coords, (math.prod(shape), *shape))


def own_sizes(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    D, H, _ = shape
    return weighed(coords, (D * D * H, D * H, H, 1))


def slices_of_d_h(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    D, H, W = shape
    return weighed(coords, (D * H * W, D * H, W, 1))


def lines_of_h(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    D, H, W = shape
    return weighed(coords, (D * H * W, H * W, H, 1))


def batch_without_depth(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    _, H, W = shape
    return weighed(coords, (H * W, H * W, W, 1))


def weighed(coords: Tensor, strides: tuple[int, int, int, int]) -> Tensor:
    """A flat index with any strides."""
    return (coords.long() * coords.new_tensor(strides, dtype=torch.int64)).sum(1)


def ravel_fast(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    D, H, W = shape
    return weighed(coords, (D * H * W, H * W, W, 1))


def in_its_own_range(coords: Tensor, shape: tuple[int, int, int]) -> Tensor:
    if not len(coords):
        return coords.new_zeros(0, dtype=torch.int64)
    coords = coords.long() - coords.amin(0)
    return ravel_loop(coords, (coords.amax(0) + 1).tolist()[1:])


ravel = Exercise(
    id="voxels.ravel",
    name="ravel",
    signature="ravel(coords [V, 4], shape (D, H, W)) → [V]",
    right=ravel_loop,
    cases=ravel_cases,
    misconceptions=(
        Misconception(
            "never-converted",
            "The result has the type of the coordinates. A flat index in int32 overflows in a "
            "grid of more than 2³¹ cells.",
            TYPES,
            change=after(lambda out, coords, _: out.to(coords.dtype)),
        ),
        Misconception(
            "converted-late",
            "The products were computed in the type of the coordinates and had overflowed before "
            "you converted them.",
            TYPES,
            change=after(lambda out, coords, _: out.to(coords.dtype).long()),
        ),
        Misconception(
            "z-fastest",
            "Your index runs fastest along z. A volume lies in memory with x fastest.",
            KEY,
            change=before(lambda coords, shape: (coords[:, [0, 3, 2, 1]], shape[::-1])),
        ),
        Misconception(
            "no-batch",
            "The batch has no effect: voxels at the same place in two samples get one number.",
            KEY,
            change=before(lambda coords, shape: (coords * coords.new_tensor([0, 1, 1, 1]), shape)),
        ),
        Misconception(
            "sizes-as-strides",
            "You multiplied each coordinate by a size. A step along an axis passes over "
            "everything that lies inside it.",
            KEY,
            sizes_as_strides,
        ),
        Misconception(
            "own-sizes",
            "The sizes are one axis too far left: a step along an axis does not depend on the "
            "size of that same axis.",
            KEY,
            own_sizes,
        ),
        Misconception(
            "slice-size",
            "A step in z has the wrong length: think which two axes lie in one slice.",
            KEY,
            slices_of_d_h,
        ),
        Misconception(
            "line-length",
            "A step in y has the wrong length: count the voxels in one line along x.",
            KEY,
            lines_of_h,
        ),
        Misconception(
            "batch-depth",
            "A step to the next sample moves by one slice only: samples overlap.",
            KEY,
            batch_without_depth,
        ),
        Misconception(
            "one-size",
            "You count with one size on every axis. The grid is not a cube.",
            KEY,
            change=before(lambda coords, shape: (coords, (max(shape),) * 3)),
        ),
        Misconception(
            "own-range",
            "Your grid is the box around these voxels, as in hashes of coordinates. The position "
            "in the volume of the given shape is wanted, whichever voxels there are.",
            KEY,
            in_its_own_range,
        ),
        Misconception(
            "bxyz",
            "You read a row as (b, x, y, z), the order of some libraries. Here it is (b, z, y, x).",
            KEY,
            change=before(lambda coords, shape: (coords[:, [0, 3, 2, 1]], shape)),
        ),
        Misconception(
            "batch-last",
            "You read a row as (x, y, z, b), the order of some libraries. Here it is (b, z, y, x).",
            KEY,
            change=before(lambda coords, shape: (coords.flip(1), shape)),
        ),
    ),
    page=KEY,
    asks={
        "dtype": "The result is int64, and exact for coordinates in int32 and for grids of more "
        "than 2³¹ cells.",
        "int32": "The result is int64, and exact for coordinates in int32 and for grids of more "
        "than 2³¹ cells.",
        "loop": "Write it without a loop, and without `g3.ravel_index`.",
        "without": "Write it without a loop, and without `g3.ravel_index`.",
    },
    without=("ravel_index",),
    large=lambda g: {"coords": cells(g, 3000, 4, (40, 50, 60)), "shape": (40, 50, 60)},
    fast=ravel_fast,
)


# ---- voxels.knn_features


def voxel_features_loop(features: Tensor, index: Tensor) -> Tensor:
    (B, C, _), (_, V, K) = features.shape, index.shape
    out = features.new_zeros(B, C, V, K)
    for b in range(B):
        for v in range(V):
            for k in range(K):
                out[b, :, v, k] = features[b, :, index[b, v, k]]
    return out


def voxel_features_fast(features: Tensor, index: Tensor) -> Tensor:
    every = index.flatten(1)[:, None].expand(-1, features.shape[1], -1)
    return features.gather(2, every).unflatten(2, index.shape[1:])


def voxel_features_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, N, V, K, kind="ordinary", dtype=torch.float64):
        given = {"features": numbers(g, B, C, N, dtype=dtype), "index": integers(g, N, B, V, K)}
        return Case(given, kind)

    each_once = torch.randperm(6, generator=g).reshape(1, 3, 2)
    yield Case({"features": numbers(g, 1, 2, 6), "index": each_once})
    yield case(2, 3, 7, 4, 5)
    yield case(3, 4, 6, 5, 2)
    yield case(2, 5, 9, 3, 4)
    yield case(1, 1, 1, 1, 1, "one")
    yield case(2, 3, 5, 4, 1, "one")
    yield case(2, 3, 5, 1, 4, "one")
    yield case(2, 3, 5, 0, 4, "empty")
    yield case(2, 3, 5, 4, 0, "empty")
    yield case(0, 3, 5, 4, 2, "empty")
    yield case(2, 3, 5, 4, 2, "dtype", torch.float32)
    yield case(2, 3, 5, 4, 2, "dtype", torch.int64)
    whole = case(2, 3, 5, 4, 2).arguments
    yield Case({name: strided(value) for name, value in whole.items()}, "strided")
    yield Case({name: transposed(value) for name, value in whole.items()}, "strided")
    ends = 5 * integers(g, 2, 2, 4, 3)
    yield Case({"features": numbers(g, 2, 3, 6), "index": ends}, "extreme")
    same = integers(g, 6, 2, 1, 1).repeat(1, 4, 3)
    yield Case({"features": numbers(g, 2, 3, 6), "index": same}, "repeated")


def index_as_it_is(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(2, index)


def four_dimensions(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(2, index[:, None].expand(-1, features.shape[1], -1, -1))


def index_of_the_first_batch(features: Tensor, index: Tensor) -> Tensor:
    return features[:, :, index[0]]


def batches_crossed(features: Tensor, index: Tensor) -> Tensor:
    return features[:, :, index]


ORDER = (
    "The right features in the wrong places: V and K were joined in one order and separated in "
    "the other."
)

knn_features = Exercise(
    id="voxels.knn_features",
    name="voxel_features",
    signature="voxel_features(features [B, C, N], index [B, V, K]) → [B, C, V, K]",
    right=voxel_features_loop,
    cases=voxel_features_cases,
    misconceptions=(
        Misconception(
            "index-as-it-is",
            "gather took V for the channels and K for the points: both tensors have three "
            "dimensions, but not the same three.",
            AXIS,
            index_as_it_is,
        ),
        Misconception(
            "four-dimensions",
            "The index has four dimensions, features have three: gather wants as many in both.",
            AXIS,
            four_dimensions,
        ),
        Misconception(
            "first-channel",
            "Only channel 0 came back: gather gives as many channels as the index has.",
            AXIS,
            change=after(lambda out, *_: out[:, :1]),
        ),
        Misconception(
            "first-batch",
            "Every sample is read with the index of sample 0.",
            AXIS,
            index_of_the_first_batch,
            change=before(lambda x, index: (x, index[:1].expand_as(index))),
        ),
        Misconception(
            "crossed",
            "Every sample is read with the index of every sample: one axis too many.",
            AXIS,
            batches_crossed,
        ),
        Misconception(
            "channels-last",
            "The features are right, the layout is not: channels come before voxels.",
            AXIS,
            change=after(lambda out, *_: out.movedim(1, -1)),
        ),
        Misconception(
            "k-before-v",
            "The features are right, but K stands before V.",
            AXIS,
            change=after(lambda out, *_: out.mT),
        ),
        Misconception(
            "order-split", ORDER, AXIS, change=after(lambda out, *_: out.reshape(out.mT.shape))
        ),
        Misconception(
            "order-turned", ORDER, AXIS, change=after(lambda out, *_: out.reshape(out.mT.shape).mT)
        ),
        Misconception(
            "order-joined", ORDER, AXIS, change=after(lambda out, *_: out.mT.reshape(out.shape))
        ),
        Misconception(
            "mean",
            "You averaged the K points of each voxel; the features of each are wanted.",
            AXIS,
            change=after(lambda out, *_: out.mean(-1)),
        ),
        Misconception(
            "no-batch-offset",
            "Every sample is read in sample 0: where the points of all samples are one list, an "
            "index has to begin where its own sample does.",
            AXIS,
            change=before(lambda x, index: (x[:1].expand_as(x), index)),
        ),
        Misconception(
            "for-channels-last",
            "This is the recipe for features [B, N, C]: it picks along dimension 1, which is the "
            "channels here.",
            AXIS,
            lambda x, index: x[torch.arange(len(x))[:, None, None], index],
        ),
        Misconception(
            "maximum",
            "You took the maximum over the K points of each voxel; the features of each are "
            "wanted.",
            AXIS,
            change=after(lambda out, *_: out.amax(-1)),
        ),
    ),
    page=AXIS,
    asks={
        "gradient": "Gradients flow to the features.",
        "loop": "Write it without a loop, and without `g3.gather_points`.",
        "without": "Write it without a loop, and without `g3.gather_points`.",
    },
    without=("gather_points",),
    differentiable=("features",),
    linear_in="features",
    large=lambda g: {"features": numbers(g, 2, 3, 3000), "index": integers(g, 3000, 2, 500, 5)},
    fast=voxel_features_fast,
)


# ---- voxels.first_points


def first_points_loop(inverse: Tensor, size: int, k: int) -> Tensor:
    out = torch.full((size, k), -1, dtype=torch.int64, device=inverse.device)
    taken = [0] * size
    for n, v in enumerate(inverse.tolist()):
        if taken[v] < k:
            out[v, taken[v]] = n
            taken[v] += 1
    return out


def first_points_cases(g: Generator) -> Iterator[Case]:
    def given(inverse, size, k, kind="ordinary"):
        return Case({"inverse": inverse, "size": size, "k": k}, kind)

    def everywhere(N, size):  # a point in each voxel
        inverse = torch.cat([torch.arange(size), integers(g, size, N - size)])
        return shuffled(g, inverse)

    yield given(torch.tensor([2, 0, 2, 1, 2, 0]), 3, 2)
    yield given(torch.tensor([1, 2, 0, 1, 0, 0, 0]), 3, 3)
    yield given(everywhere(8, 4), 4, 2)
    yield given(everywhere(15, 5), 5, 3)
    yield given(everywhere(40, 9), 9, 4)
    yield given(integers(g, 1, 1), 1, 1, "one")
    yield given(everywhere(9, 4), 4, 1, "one")
    yield given(integers(g, 1, 0), 3, 2, "empty")
    yield given(everywhere(7, 3), 3, 0, "empty")
    yield given(everywhere(12, 4).int(), 4, 3, "dtype")
    yield given(strided(everywhere(12, 4)), 4, 3, "strided")
    yield given(torch.full((6,), 2), 3, 4, "repeated")
    yield given(everywhere(4, 3), 3, 6, "extreme")
    yield given(1 + 2 * everywhere(10, 3), 8, 3, "missing")
    yield given(integers(g, 4, 9), 7, 2, "missing")


def by_runs(inverse: Tensor, size: int, k: int, *, points: bool = True, fill: int = -1) -> Tensor:
    """Sort the points by voxel, cut each voxel's run off after k, fill up a run that is short.

    Without `points`, the result says where in the sorted list they are.
    """
    order = torch.argsort(inverse, stable=True)
    counts = torch.bincount(inverse, minlength=size)
    rank = torch.arange(k, device=inverse.device)
    there = rank < counts[:, None]
    place = (counts.cumsum(0)[:, None] - counts[:, None] + rank).where(there, 0)
    return (order[place] if points and len(order) else place).where(there, fill)


def last_points(inverse: Tensor, size: int, k: int) -> Tensor:
    table = first_points_loop(inverse, size, len(inverse))
    out = torch.full((size, k), -1)
    for v, row in enumerate(table):
        kept = row[row >= 0][max(0, int((row >= 0).sum()) - k) :]
        out[v, : len(kept)] = kept
    return out


def newest_first(inverse: Tensor, size: int, k: int) -> Tensor:
    last = len(inverse) - 1
    table = first_points_loop(inverse.flip(0), size, k)
    return (last - table).where(table >= 0, -1)


def places_in_the_sort(inverse: Tensor, size: int, k: int) -> Tensor:
    return by_runs(inverse, size, k, points=False)


def runs_from(start: Tensor, inverse: Tensor, k: int) -> Tensor:
    order = torch.argsort(inverse, stable=True)
    place = start[:, None] + torch.arange(k, device=inverse.device)
    return order[place.clamp(max=len(order) - 1)]


def runs_unmasked(inverse: Tensor, size: int, k: int) -> Tensor:
    counts = torch.bincount(inverse, minlength=size)
    return runs_from(counts.cumsum(0) - counts, inverse, k)


def starts_at_the_end(inverse: Tensor, size: int, k: int) -> Tensor:
    return runs_from(torch.bincount(inverse, minlength=size).cumsum(0), inverse, k)


def starts_at_the_end_masked(inverse: Tensor, size: int, k: int) -> Tensor:
    table = first_points_loop(inverse, size, k)
    return starts_at_the_end(inverse, size, k).where(table >= 0, -1)


def last_point_for_none(inverse: Tensor, size: int, k: int) -> Tensor:
    order = torch.argsort(inverse, stable=True)
    return by_runs(inverse, size, k, fill=int(order[-1]) if len(order) else 0)


def only_voxels_with_points(inverse: Tensor, size: int, k: int) -> Tensor:
    seen, dense = torch.unique(inverse, return_inverse=True)
    return first_points_loop(dense, len(seen), k)


def as_wide_as_needed(inverse: Tensor, size: int, k: int) -> Tensor:
    counts = torch.bincount(inverse, minlength=size)
    return first_points_loop(inverse, size, min(k, int(counts.max())))


STARTS_LATE = (
    "Each voxel's run begins where the counts up to it end, its own included: you read the points "
    "of the voxels after it."
)


def last_place_overwritten(out: Tensor, inverse: Tensor, size: int, k: int) -> Tensor:
    for n, v in enumerate(inverse.tolist()):
        if k and out[v, k - 1] >= 0:
            out[v, k - 1] = n
    return out


first_points = Exercise(
    id="voxels.first_points",
    name="first_points",
    signature="first_points(inverse [N], size, k) → [size, k]",
    right=first_points_loop,
    cases=first_points_cases,
    misconceptions=(
        Misconception(
            "last-points",
            "Where a voxel has more than k points, you keep the last k of them; the first are "
            "wanted.",
            BUFFER,
            last_points,
        ),
        Misconception(
            "newest-first",
            "Each row counts down from the last point. The first point of a voxel comes first.",
            BUFFER,
            newest_first,
        ),
        Misconception(
            "sorted-places",
            "The result names places in the list sorted by voxel, not points of the cloud.",
            BUFFER,
            places_in_the_sort,
        ),
        Misconception("starts-late", STARTS_LATE, BUFFER, starts_at_the_end),
        Misconception("starts-late", STARTS_LATE, BUFFER, starts_at_the_end_masked),
        Misconception(
            "runs-on",
            "A voxel with fewer than k points takes the rest from the voxels after it.",
            BUFFER,
            runs_unmasked,
        ),
        Misconception(
            "reads-last-point",
            "−1 was put in before the last lookup, not after it: index −1 reads the last entry, "
            "so empty places name a point.",
            "01-gather#the-point-that-is-always-there",
            last_point_for_none,
        ),
        Misconception(
            "none-is-zero",
            "An empty place came out as 0, and 0 is a point.",
            BUFFER,
            change=after(lambda out, *_: out.clamp(min=0)),
        ),
        Misconception(
            "none-is-count",
            "An empty place came out as N; in this book that is −1.",
            BUFFER,
            change=after(lambda out, inverse, *_: out.where(out >= 0, len(inverse))),
        ),
        Misconception(
            "empty-voxels-dropped",
            "A voxel without points has lost its row: the result has `size` rows, and a row of "
            "−1 is a good answer.",
            BUFFER,
            only_voxels_with_points,
        ),
        Misconception(
            "too-narrow",
            "Your table is as wide as the fullest voxel; k places are wanted even where no voxel "
            "fills them.",
            BUFFER,
            as_wide_as_needed,
        ),
        Misconception(
            "padded-with-first",
            "An empty place repeats the first point of its voxel, as PointNet++ pads. In this book "
            "it is −1.",
            BUFFER,
            change=after(lambda out, *_: out.where(out >= 0, out[:, :1])),
        ),
        Misconception(
            "last-place-overwritten",
            "The points beyond k all go to the last place, and the last of them stays there.",
            BUFFER,
            change=after(last_place_overwritten),
        ),
        Misconception(
            "transposed",
            "A row belongs to a voxel and has k places; yours is the transpose.",
            BUFFER,
            change=after(lambda out, *_: out.T),
        ),
    ),
    page=BUFFER,
    asks={
        "dtype": "Turn it round: for each of `size` voxels, list the first k of its points, in "
        "rising order, as int64.",
        "int32": "`inverse` may come in int32.",
        "loop": "Use no loop over points or voxels, and write it without `g3.points_in_voxels`.",
        "without": "Use no loop over points or voxels, and write it without `g3.points_in_voxels`.",
    },
    without=("points_in_voxels",),
    large=lambda g: {"inverse": integers(g, 700, 3000), "size": 700, "k": 5},
    fast=by_runs,
)


# ---- voxels.neighbours


def neighbours_loop(coords: Tensor) -> Tensor:
    out = coords.new_full((len(coords), 27), -1)
    rows = coords.tolist()
    taps = [(dz, dy, dx) for dz in (-1, 0, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for v, (b, z, y, x) in enumerate(rows):
        for t, (dz, dy, dx) in enumerate(taps):
            for u, other in enumerate(rows):
                if other == [b, z + dz, y + dy, x + dx]:
                    out[v, t] = u
    return out


def neighbours_fast(coords: Tensor) -> Tensor:
    return neighbour_index(coords - coords.amin(0) if len(coords) else coords)


def shuffled(g: Generator, rows: Tensor) -> Tensor:
    return rows[torch.randperm(len(rows), generator=g)]


def places(g: Generator, V: int, B: int, *shape: int) -> Tensor:
    """V voxels in random order, no place in two samples, the lowest coordinate of each axis 0."""
    flat = torch.randperm(math.prod(shape), generator=g)[:V]
    coords = torch.stack([integers(g, B, V), *torch.unravel_index(flat, shape)], 1)
    return coords - coords.amin(0) if V else coords


def neighbours_cases(g: Generator) -> Iterator[Case]:
    D, W = integers(g, 6, 2, low=3).tolist()
    yield Case({"coords": shuffled(g, torch.tensor([[0, 0, 0, W], [0, 0, 1, 0]]))})
    yield Case({"coords": shuffled(g, torch.tensor([[0, D, 0, 0], [1, 0, 0, 0], [0, D, 1, 0]]))})
    yield Case({"coords": shuffled(g, torch.tensor([[0, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]))})
    yield Case({"coords": torch.tensor([[0, 1, 1, 0], [0, 0, 0, 2], [0, 0, 0, 1], [0, 1, 0, 1]])})
    yield Case({"coords": places(g, 16, 2, 3, 4, 5)})
    yield Case({"coords": places(g, 20, 2, 4, 2, 6)})
    ordered = torch.cartesian_prod(*(torch.arange(n) for n in (1, 2, 3, 4)))
    kept = ordered[torch.rand(len(ordered), generator=g) < 0.6]
    yield Case({"coords": kept - kept.amin(0)})
    yield Case({"coords": integers(g, 5, 1, 4)}, "one")
    yield Case({"coords": places(g, 0, 1, 2, 3, 4)}, "empty")
    yield Case({"coords": strided(places(g, 12, 2, 3, 4, 2))}, "strided")
    yield Case({"coords": transposed(places(g, 12, 2, 4, 2, 3))}, "strided")
    yield Case({"coords": shuffled(g, torch.tensor([[0, 0, 0, W], [0, 0, 1, -3]]))}, "negative")
    everywhere = places(g, 14, 1, 3, 2, 4)
    yield Case({"coords": everywhere - torch.tensor([0, 2, 1, 2])}, "negative")
    twice = [torch.cat([integers(g, 1, 7, 1) + b, everywhere[:7, 1:]], 1) for b in range(2)]
    yield Case({"coords": shuffled(g, torch.cat(twice))}, "repeated")
    far = places(g, 8, 1, 2, 2, 3)
    yield Case(
        {"coords": shuffled(g, torch.cat([far, far + torch.tensor([0, 90, 90, 2500])]))}, "large"
    )


def no_margin(coords: Tensor) -> Tensor:
    return by_keys(coords, (0, 0, 0))


def no_margin_in_z(coords: Tensor) -> Tensor:
    return by_keys(coords, (0, 1, 1))


def not_shifted(coords: Tensor) -> Tensor:
    return by_keys(coords, (1, 1, 1), shift=False)


def never_sorted(coords: Tensor) -> Tensor:
    return by_keys(coords, (1, 1, 1), sort=False)


def sorted_places(coords: Tensor) -> Tensor:
    return by_keys(coords, (1, 1, 1), rows=False)


def by_keys(coords, margin, *, shift=True, sort=True, rows=True) -> Tensor:
    """Neighbours by flat index and searchsorted, less what is left out."""
    if not len(coords):
        return coords.new_empty(0, 27)
    low = coords.amin(0) if shift else 0 * coords[0]
    m = coords.new_tensor([0, *margin])
    coords = coords - low + m
    _, D, H, W = (coords.amax(0) + m + 1).tolist()
    keys = weighed(coords, (D * H * W, H * W, W, 1))
    step = torch.arange(-1, 2, device=coords.device)
    tap = weighed(torch.cartesian_prod(0 * step[:1], step, step, step), (0, H * W, W, 1))
    wanted = keys[:, None] + tap
    found, row = keys.sort() if sort else (keys, torch.arange(len(keys), device=keys.device))
    place = torch.searchsorted(found, wanted).clamp(max=len(keys) - 1)
    return (row[place] if rows else place).where(found[place] == wanted, -1)


def asked_in_the_first_batch(coords: Tensor) -> Tensor:
    tap = torch.cartesian_prod(torch.arange(1), *[torch.arange(-1, 2)] * 3)
    wanted = torch.cat([coords[:1, :1].expand(len(coords), 1), coords[:, 1:]], 1)[:, None] + tap
    v, t, u = (wanted[:, :, None] == coords).all(-1).nonzero(as_tuple=True)
    return coords.new_full((len(coords), 27), -1).index_put((v, t), u)


def without_a_batch(coords: Tensor) -> Tensor:
    """All in one sample; of two voxels in one place the later is found."""
    return asked_in_the_first_batch(coords * coords.new_tensor([0, 1, 1, 1]))


neighbours = Exercise(
    id="voxels.neighbours",
    name="neighbours",
    signature="neighbours(coords [V, 4]) → [V, 27]",
    right=neighbours_loop,
    cases=neighbours_cases,
    misconceptions=(
        Misconception(
            "dx-slowest",
            "The neighbours are right, the order of the taps is not: yours has dz fastest.",
            TOUCH,
            change=after(lambda out, _: out.unflatten(1, (3, 3, 3)).permute(0, 3, 2, 1).flatten(1)),
        ),
        Misconception(
            "signs-turned",
            "The offsets have the wrong sign: you look for the voxel that has this one as its "
            "neighbour.",
            TOUCH,
            change=after(lambda out, _: out.flip(1)),
        ),
        Misconception(
            "batches-mixed",
            "Voxels of different samples came out as neighbours: the batch has no effect.",
            TOUCH,
            change=before(lambda coords: (coords * coords.new_tensor([0, 1, 1, 1]),)),
        ),
        Misconception(
            "batches-mixed",
            "Voxels of different samples came out as neighbours: the batch has no effect.",
            TOUCH,
            without_a_batch,
        ),
        Misconception(
            "no-margin",
            "A step off the end of a line arrives at the beginning of the next: in the flat "
            "index the two are one apart.",
            TOUCH,
            no_margin,
        ),
        Misconception(
            "no-margin-in-z",
            "The last slice of one sample touches the first slice of the next.",
            TOUCH,
            no_margin_in_z,
        ),
        Misconception(
            "not-shifted",
            "Right while no coordinate is negative. Below 0, two voxels can get the same key.",
            TOUCH,
            not_shifted,
        ),
        Misconception(
            "never-sorted",
            "searchsorted was given keys that are in no order: it overlooks voxels that exist.",
            TOUCH,
            never_sorted,
        ),
        Misconception(
            "sorted-places",
            "The result names places in the sorted list of keys, not rows of coords.",
            TOUCH,
            sorted_places,
        ),
        Misconception(
            "none-is-zero",
            "A neighbour that does not exist came out as 0, and row 0 is a voxel.",
            TOUCH,
            change=after(lambda out, _: out.clamp(min=0)),
        ),
        Misconception(
            "none-is-count",
            "A neighbour that does not exist came out as V; in this book that is −1.",
            TOUCH,
            change=after(lambda out, coords: out.where(out >= 0, len(coords))),
        ),
        Misconception(
            "not-itself",
            "Tap 13 is the voxel itself: it is there, and a convolution reads it.",
            TOUCH,
            change=after(lambda out, _: out.where(torch.arange(27) != 13, -1)),
        ),
        Misconception(
            "without-the-middle",
            "26 taps: the one in the middle, which is the voxel itself, is left out.",
            TOUCH,
            change=after(lambda out, _: out[:, torch.arange(27) != 13]),
        ),
        Misconception(
            "faces-only",
            "Six taps: voxels that share only an edge or a corner are neighbours too.",
            TOUCH,
            change=after(lambda out, _: out[:, [4, 10, 12, 14, 16, 22]]),
        ),
        Misconception(
            "first-batch",
            "Every voxel looks for its neighbours in the sample of row 0. Each has its own.",
            TOUCH,
            asked_in_the_first_batch,
        ),
        Misconception(
            "negative-dropped",
            "You take a negative coordinate for a place outside the grid. Here a voxel may stand "
            "there.",
            TOUCH,
            change=after(
                lambda out, coords: out.where((coords[out.clamp(min=0)] >= 0).all(-1), -1)
            ),
        ),
        Misconception(
            "taps-first",
            "A row belongs to a voxel and a column to a tap; yours is the transpose.",
            TOUCH,
            change=after(lambda out, _: out.T),
        ),
        Misconception(
            "not-permuted",
            "The shape is right, but reshape moves no axis: taps and voxels are mixed.",
            TOUCH,
            change=after(lambda out, _: out.T.reshape(out.shape)),
        ),
    ),
    page=TOUCH,
    asks={
        "loop": "Use no loop over voxels, and write it without `g3.neighbour_index`.",
        "without": "Use no loop over voxels, and write it without `g3.neighbour_index`.",
    },
    without=("neighbour_index",),
    large=lambda g: {"coords": places(g, 600, 2, 10, 12, 14)},
    fast=neighbours_fast,
)

EXERCISES = (coords, ravel, knn_features, first_points, neighbours)
