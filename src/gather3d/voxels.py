"""Points into voxels: where each point falls, what falls together, and which voxels touch.

Here metres in (x, y, z) become voxels in (z, y, x), and nowhere else. A voxel is known by its
coordinates (b, z, y, x), by its row among the V active ones, and by its flat index.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from .indexing import scatter_points, unravel_index
from .refusals import (
    check_bounds,
    check_cells,
    check_edges,
    check_finite,
    check_floating,
    check_integer,
    check_range,
    check_shapes,
    check_triple,
    check_type,
    check_whole,
    has_values,
)

Triple = tuple[int, int, int]
Edges = float | tuple[float, float, float]

ROUNDING = 1e-3  # of a voxel: bounds this near to a wall are meant to be on it


@dataclass(frozen=True)
class Voxels:
    """The voxels that hold points, and which point is in which.

    Attributes:
        coords: [V, 4] int64, (b, z, y, x), sorted by flat index.
        inverse: [N] int64, the row in coords of each point's voxel; -1 for a point out of bounds.
        counts: [V] int64, how many points each voxel holds; at least 1.
        origin: [3] float64, (x, y, z) in metres: the low corner of voxel (0, 0, 0).
        voxel_size: edge length in metres, as it was given: one number, or three (x, y, z).
        shape: (D, H, W): the grid of the bounds, or the smallest one that holds every voxel.
        dtype: of the points.
    """

    coords: Int[Tensor, "V 4"]
    inverse: Int[Tensor, "N"]
    counts: Int[Tensor, "V"]
    origin: Float[Tensor, "3"]
    voxel_size: Edges
    shape: tuple[int, int, int]
    dtype: torch.dtype = torch.float64

    def centres(self, dtype: torch.dtype | None = None) -> Float[Tensor, "V 3"]:
        """The voxels' centres, (x, y, z) in metres: origin + (xyz + ½) · voxel_size.

        Worked out in float64; then in the dtype of the points, or in the one that is asked for.
        """
        xyz = self.coords[:, 1:].flip(1).double()
        centres = self.origin + (xyz + 0.5) * self.origin.new_tensor(self.voxel_size)
        return centres.to(dtype or self.dtype)


def voxelize(
    points: Float[Tensor, "N 3"],
    voxel_size: float | Sequence[float],
    batch: Int[Tensor, "N"] | None = None,
    origin: Float[Tensor, "3"] | None = None,
    bounds: Iterable[Iterable[float]] | None = None,
) -> Voxels:
    """Find the voxel of every point, and every voxel that holds a point.

    (x, y, z) of voxel = ⌊(point - origin) / voxel_size⌋, stored as (z, y, x); floor, never trunc

    All in float64, whatever the dtypes of points and origin.

    Args:
        points: (x, y, z) in metres.
        voxel_size: edge length in metres, above 0: one number, or three (x, y, z).
        batch: the batch element of each point, 0 or more; all 0 if None.
        origin: (x, y, z) in metres of voxel (0, 0, 0)'s low corner; None puts it at the bounds' low
            corner, or without bounds at the lowest point. Where points lie below it, it moves down
            by whole voxels to take them in, so that the walls between voxels stay where they were
            and no coordinate is negative.
        bounds: two corners, (x, y, z) in metres: the low one, which is inside, and the high one,
            which is not. Points outside are in no voxel. The grid is that of the bounds, wherever
            the points are: ⌈(high - low) / voxel_size⌉ voxels along each axis, where a thousandth
            of a voxel more or less counts as rounding, and the last one may reach beyond the
            bounds. With an origin as well, it moves up or down by whole voxels to the one that
            holds the low corner.

    Raises:
        ValueError: a coordinate is NaN or infinite, a voxel_size ≤ 0, bounds that are not two
            corners or enclose nothing, the grid has more cells than int64 can count, there are
            neither points nor origin nor bounds, or shapes do not fit.
        IndexError: a batch element is negative.
        TypeError: points are not floating point, or batch is not int64 or int32.

    Example:
        >>> points = torch.tensor([[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0], [0.07, 0.0, 0.0]])
        >>> voxels = voxelize(points, 0.1, origin=torch.zeros(3))
        >>> voxels.coords, voxels.inverse
        (tensor([[0, 0, 0, 0],
                [0, 0, 0, 1]]), tensor([1, 0, 1]))
        >>> pillars = voxelize(points, (0.1, 0.1, 4.0), bounds=((0, 0, -2), (0.4, 0.3, 2)))
        >>> pillars.coords, pillars.inverse, pillars.shape
        (tensor([[0, 0, 0, 0]]), tensor([ 0, -1,  0]), (1, 3, 4))

    VoxelNet's grouping (Zhou and Tuzel, 2018), without its limit of points per voxel; bounds are
    the `point_cloud_range` of PointPillars, OpenPCDet and spconv.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 batch elements.
    Deterministic on the CPU and on CUDA. Not for `torch.compile(fullgraph=True)` or `torch.export`:
    how many rows it gives depends on values; `torch.func.vmap` does not map over points and batch,
    whose values it checks.
    """
    N = check_shapes(points=(points, "N 3"))["N"]
    voxel_size = check_edges("voxel_size", voxel_size)
    check_finite("points", points)
    if batch is not None:
        check_shapes(points=(points, "N 3"), batch=(batch, "N"))
        check_range("batch", batch, 0)
    if origin is not None:
        check_shapes(points=(points, "N 3"), origin=(origin, "3"))
        check_finite("origin", origin)
    elif N == 0 and bounds is None:
        raise ValueError("points: got no points and no origin, wanted one of them")
    columns = points.detach().unbind(1)

    # float64, because float32's rounding of the quotient would move points across walls;
    # ends [2, 3]: the lowest x, y, z and the highest
    if bounds is not None:
        bounds = ends = points.new_tensor(check_bounds("bounds", bounds), dtype=torch.float64)
    elif N:
        ends = torch.stack([torch.stack(torch.aminmax(c)) for c in columns], dim=1).double()
    else:
        ends = origin.detach().double().expand(2, 3)
    origin = (ends[0] if origin is None else origin.detach()).double()
    # and a tensor, because CUDA divides by a Python number by multiplying with its reciprocal
    edge = origin.new_tensor(voxel_size).expand(3)
    ends = (ends - origin) / edge
    if not (ends.abs() < 2**62).all():
        what = "points lie" if bounds is None else "bounds lie"
        raise ValueError(
            f"voxel_size: got {voxel_size}, wanted a larger one: {what} 2^62 voxels away"
        )
    if bounds is None:
        low, high = ends[0].floor().clamp(max=0), ends[1].floor() + min(N, 1)
    else:
        wall = ends.round()
        low, high = torch.stack([ends[0].floor(), ends[1].ceil()]).where(
            (ends - wall).abs() > ROUNDING, wall
        )
        high = high.maximum(low + 1)
    W, H, D = (high.long() - low.long()).tolist()
    B = int(batch.max()) + 1 if N and batch is not None else min(N, 1)
    check_cells("voxel_size", voxel_size, (B, D, H, W))

    key = origin.new_zeros((), dtype=torch.int64) if batch is None else batch.long()
    inside = None
    for axis, size in (2, D), (1, H), (0, W):  # z, y, x
        cell = (columns[axis] - origin[axis, None]).div_(edge[axis]).floor_()  # [N], float64
        if bounds is not None:
            within = (columns[axis] >= bounds[0, axis, None]) & (
                columns[axis] < bounds[1, axis, None]
            )
            inside = within if inside is None else inside & within
            cell.clamp_(low[axis], high[axis] - 1)  # rounding may take it to the wall above
        key = key * size + cell.long().sub_(low[axis].long())
    if inside is not None:
        key = key.where(inside, -1)
    if B * D * H * W <= 2**31:
        key = key.int()  # half the bytes, so they are sorted in half the time
    key, inverse, counts = torch.unique(key, return_inverse=True, return_counts=True)
    if inside is not None and len(key) and key[0] < 0:  # -1 was sorted before all others
        key, inverse, counts = key[1:], inverse - 1, counts[1:]
    return Voxels(
        unravel_index(key, (B, D, H, W)),
        inverse,
        counts,
        origin + low * edge,
        voxel_size,
        (D, H, W),
        points.dtype,
    )


def pool(
    features: Shaped[Tensor, "N C"],
    voxels: Voxels,
    reduce: Literal["sum", "mean", "amax", "amin"] = "mean",
) -> Shaped[Tensor, "V C"]:
    """One feature row a voxel, from the points inside it.

    out[v] = reduce of features[n] over all points n with voxels.inverse[n] = v

    Points out of bounds, whose inverse is -1, take no part.

    Args:
        features: one row for each of the N points that were voxelised.
        voxels: what `voxelize` gave for those points.
        reduce: "sum", "mean", "amax" or "amin".

    Raises:
        ValueError: as many rows as points were wanted, or reduce is unknown.
        TypeError: the mean of features that are not floating point.

    Example:
        >>> voxels = voxelize(torch.tensor([[0., 0., 0.], [.5, 0., 0.], [1.5, 0., 0.]]), 1.0)
        >>> pool(torch.tensor([[2.], [4.], [8.]]), voxels)
        tensor([[3.],
                [8.]])

    OpenPCDet's dynamic mean and max VFE.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, values that
    meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over
    features.
    """
    check_type("voxels", voxels, Voxels)
    check_shapes(**{"voxels.inverse": (voxels.inverse, "N"), "features": (features, "N C")})
    if reduce == "mean" or (reduce != "sum" and features.is_complex()):
        check_floating("features", features)
    V = len(voxels.counts)
    return scatter_points(features.T[None], voxels.inverse[None], V, reduce)[0].T.contiguous()


def points_in_voxels(voxels: Voxels, k: int) -> Int[Tensor, "V {k}"]:
    """The first k points of each voxel, in the order in which the points came.

    out[v, j] = the j-th point n with voxels.inverse[n] = v, or -1 where there are not so many

    Args:
        voxels: what `voxelize` gave.
        k: the most points that a voxel keeps, at least 1.

    Raises:
        ValueError: k is below 1.

    Example:
        >>> voxels = voxelize(torch.tensor([[1.5, 0., 0.], [0., 0., 0.], [.5, 0., 0.]]), 1.0)
        >>> points_in_voxels(voxels, k=2)
        tensor([[ 1,  2],
                [ 0, -1]])

    VoxelNet's and SECOND's voxel buffers (spconv's `max_num_points_per_voxel`).

    Deterministic on the CPU and on CUDA. `torch.compile(fullgraph=True)` and `torch.export` take
    it; `torch.func.vmap` maps over inverse.
    """
    check_type("voxels", voxels, Voxels)
    check_whole("k", k, 1)
    order = torch.argsort(voxels.inverse, stable=True)  # points by voxel, first come first
    end = voxels.counts.flip(0).cumsum(0).flip(0)  # from the last: -1, out of bounds, comes first
    start = len(order) - end  # [V], where each voxel's run begins
    rank = torch.arange(k, device=order.device)  # [k]
    there = rank < voxels.counts[:, None]  # [V, k]
    place = (start[:, None] + rank).where(there, 0)
    return order[place].where(there, -1)


def devoxelize(
    features: Float[Tensor, "V C"],
    voxels: Voxels,
    points: Float[Tensor, "N 3"],
    batch: Int[Tensor, "N"] | None = None,
) -> Float[Tensor, "N C"]:
    """Features of voxels, read at points between the voxels' centres.

    out[n] = Σₖ wₖ · features[k] / Σₖ wₖ   with  wₖ = Πₐ (1 - |points[n] - centreₖ|ₐ / voxel_sizeₐ)

    over those of the eight centres around the point whose voxels are there: missing ones are left
    out and the others make up for them. Where no weight is left, the result is 0. Differentiable
    in features and in points; at a centre, the gradient is that of the cell above.

    Args:
        features: one row for each of the V voxels.
        voxels: what `voxelize` gave, for these points or for others.
        points: (x, y, z) in metres, anywhere. Places and weights are worked out in float64; the
            result has the dtype of features.
        batch: the batch element of each point, whose voxels alone it reads; all 0 if None, which
            is refused where the voxels are of several.

    Raises:
        ValueError: shapes or devices that do not fit, a NaN or infinite coordinate, or no batch for
            voxels of several batch elements.
        IndexError: a batch element is negative.
        TypeError: features or points are not floating point, or batch is not int64 or int32.

    Example:
        >>> voxels = voxelize(torch.tensor([[0., 0., 0.], [1., 0., 0.]]), 1.0)
        >>> points = torch.tensor([[0.5, 0., 0.], [1.25, 0., 0.], [1.75, 0., 0.], [9., 0., 0.]])
        >>> devoxelize(torch.tensor([[0.], [4.]]), voxels, points)  # centres at 0.5 and 1.5
        tensor([[0.],
                [3.],
                [4.],
                [0.]])

    PVCNN's trilinear devoxelisation (Liu et al., 2019), as TorchSparse's `spdevoxelize` has it for
    sparse voxels.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over
    features, not over points, whose values it checks.
    """
    check_type("voxels", voxels, Voxels)
    check_shapes(
        **{"voxels.coords": (voxels.coords, "V 4")},
        features=(features, "V C"),
        points=(points, "N 3"),
    )
    check_floating("features", features)
    check_finite("points", points)
    if batch is not None:
        check_shapes(points=(points, "N 3"), batch=(batch, "N"))
        check_range("batch", batch, 0)
    elif has_values(voxels.coords) and voxels.coords[:, 0].any():
        raise ValueError("batch: got None, wanted each point's, as voxels has several elements")

    sizes = D, H, W = voxels.shape
    edge = voxels.origin.new_tensor(voxels.voxel_size)
    at = ((points - voxels.origin) / edge - 0.5).unbind(1)[::-1]  # z, y, x of [N], float64
    cell, shares = [], []
    for place, n in zip(at, sizes, strict=True):
        low = place.detach().floor()
        shares.append((1 - (place - low), place - low))
        cell.append(low.clamp(-2, n).long())  # what is further out has no voxel either
    first = 0 if batch is None else batch.long() * D
    b, z, y, x = voxels.coords.long().unbind(1)
    keys = ((b * D + z) * H + y) * W + x  # [V], sorted
    none = keys.new_tensor([torch.iinfo(torch.int64).min])
    end = torch.cat([keys, none])  # the place after the last key: no wanted key

    # half types are added up in float32, here and in the backward pass
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    table = torch.cat(
        [wide, wide.new_zeros(1, wide.shape[1])]
    )  # what is missing reads the last row
    out, total = 0, 0
    for dz, dy in product((0, 1), (0, 1)):
        z, y, x = cell[0] + dz, cell[1] + dy, cell[2]
        line = (z >= 0) & (z < D) & (y >= 0) & (y < H)
        wanted = ((first + z) * H + y) * W + x
        place = torch.searchsorted(keys, wanted)
        for dx in (0, 1):
            found = end[place] == wanted + dx
            there = found & line & (x + dx >= 0) & (x + dx < W)
            weight = (shares[0][dz] * shares[1][dy] * shares[2][dx]).where(there, 0)
            row = place.where(there, len(keys))
            out = out + weight.to(table.dtype)[:, None] * table.index_select(0, row)
            total = total + weight
            place = place + found  # the first key that is not below wanted + 1
    total = total.where(total > 0, 1).to(table.dtype)
    return (out / total[:, None]).to(features.dtype)


def neighbour_index(
    coords: Int[Tensor, "V 4"],
    kernel_size: int | Sequence[int] = 3,
    dilation: int | Sequence[int] = 1,
) -> Int[Tensor, "V K"]:
    """The row of each voxel's neighbours: what a convolution's taps read.

    out[v, t] = the row u with coords[u] = coords[v] + (0, dz, dy, dx), or -1 if there is none

    Taps come in (dz, dy, dx) order, dx fastest, each from -r to r in steps of dilation with
    r = dilation · (kernel_size // 2); the middle one is the voxel itself.

    Args:
        coords: (b, z, y, x), no row twice, in any order.
        kernel_size: odd, at least 1; K = kernel_size³. One number, or three in (z, y, x) order.
        dilation: the step between taps, at least 1; one number or three.

    Raises:
        ValueError: kernel_size is even or below 1, dilation below 1, a voxel stands twice, or the
            grid has more cells than int64 can count.
        IndexError: a coordinate is negative.
        TypeError: coords is not int64 or int32.

    Example:
        >>> neighbour_index(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]]))[:, 12:15]
        tensor([[-1,  0,  1],
                [ 0,  1, -1]])

    The indice pairs of spconv and the kernel map of MinkowskiEngine, as one table; found as Minuet
    does (Yang et al., 2024), by a search in sorted keys.

    Runs with int32 or int64 coordinates. Deterministic on the CPU and on CUDA. Not contiguous: a
    tap's V entries lie side by side. `torch.compile(fullgraph=True)` and `torch.export` take it;
    `torch.func.vmap` does not map over coords, whose values it checks.
    """
    check_shapes(coords=(coords, "V 4"))
    check_integer("coords", coords)
    kernel = check_triple("kernel_size", kernel_size, 1)
    if any(k % 2 == 0 for k in kernel):
        raise ValueError(f"kernel_size: got {kernel_size}, wanted an odd number")
    dilation = check_triple("dilation", dilation, 1)
    check_range("coords", coords, 0)
    reach = [d * (k // 2) for k, d in zip(kernel, dilation, strict=True)]
    V, K = len(coords), math.prod(kernel)
    if V == 0:
        return coords.new_empty((0, K), dtype=torch.int64)

    # a margin around the grid, so that a step off one face never lands on the opposite one
    most = coords.amax(0).long()
    if not torch.compiler.is_compiling():
        shape = [n + 1 + 2 * m for n, m in zip(most.tolist(), [0, *reach], strict=True)]
        check_cells("coords", f"coordinates up to {most.tolist()}", shape)
    D, H, W = (most[axis] + 1 + 2 * margin for axis, margin in enumerate(reach, 1))
    b, z, y, x = coords.long().unbind(1)
    flat = ((b * D + z + reach[0]) * H + y + reach[1]) * W + x + reach[2]
    ordered = not torch.compiler.is_compiling() and bool((flat[1:] > flat[:-1]).all())
    keys, row = (flat, None) if ordered else flat.sort()
    if row is not None and has_values(flat):
        twice = row[1:][keys[1:] == keys[:-1]]
        if len(twice):
            raise ValueError(
                f"coords: got {coords[twice[0]].tolist()} twice, wanted each voxel once"
            )

    table = _search(keys, H, W, kernel, dilation)
    if row is not None:
        row = torch.cat([row, row.new_tensor([-1])])  # a missing neighbour reads this one
        table = torch.empty_like(table).index_copy(1, row[:-1], row[table])
    return table.T


def _search(keys: Tensor, H: Tensor, W: Tensor, kernel: Triple, dilation: Triple) -> Tensor:
    """The neighbour table [K, V] of sorted keys in a grid of width W and height H.

    Neighbours one step apart in x stand next to each other among the keys, or one of them is not
    there: one search finds the first, and the others are found by walking on. And touching is
    mutual: if u is v's neighbour at some tap, v is u's at the opposite one. So only the taps after
    the middle are looked for.
    """
    V, K = len(keys), math.prod(kernel)
    end = torch.cat([keys, keys.new_tensor([-1])])  # the place after the last key: no wanted key
    steps = [
        range(-d * (k // 2), d * (k // 2) + 1, d) for k, d in zip(kernel, dilation, strict=True)
    ]
    if torch.compiler.is_compiling():  # all taps at once: a loop would be compiled tap by tap
        dz, dy, dx = torch.tensor(list(product(*steps)), device=keys.device).T[..., None]  # [K, 1]
        wanted = keys + ((dz * H + dy) * W + dx)
        place = torch.searchsorted(keys, wanted)
        return place.where(end[place] == wanted, -1)
    own = torch.arange(V, device=keys.device)
    table = keys.new_full((K, V + 1), -1)  # a column more, where what is not there is written
    for tap, (dz, dy, dx) in enumerate(product(*steps)):
        if tap < K // 2:
            continue
        wanted = keys + ((dz * H + dy) * W + dx)
        if tap == K // 2:
            place = own
        elif dx - 1 in steps[2]:  # the tap before this one was one step to the left
            place = place + there
        else:
            place = torch.searchsorted(keys, wanted)
        there = end.index_select(0, place) == wanted
        table[tap, :V] = place.where(there, -1)
        table[K - 1 - tap].index_copy_(0, place.where(there, V), own)
    return table[:, :V]
