"""Points into voxels: where each point falls, what falls together, and which voxels touch.

Here metres in (x, y, z) become voxels in (z, y, x), and nowhere else. A voxel is known by its
coordinates (b, z, y, x), by its row among the V active ones, and by its flat index.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .indexing import ravel_index, scatter_points, unravel_index
from .refusals import (
    check_cells,
    check_finite,
    check_integer,
    check_positive,
    check_range,
    check_shapes,
    check_type,
    check_whole,
)


@dataclass(frozen=True)
class Voxels:
    """The voxels that hold points, and which point is in which.

    Attributes:
        coords: [V, 4] int64, (b, z, y, x), sorted by flat index.
        inverse: [N] int64, the row in coords of each point's voxel.
        counts: [V] int64, how many points each voxel holds; at least 1.
        origin: [3] float64, (x, y, z) in metres: the low corner of voxel (0, 0, 0).
        voxel_size: edge length in metres.
        shape: (D, H, W), the smallest grid that holds every voxel.
    """

    coords: Int[Tensor, "V 4"]
    inverse: Int[Tensor, "N"]
    counts: Int[Tensor, "V"]
    origin: Float[Tensor, "3"]
    voxel_size: float
    shape: tuple[int, int, int]

    def centres(self, dtype: torch.dtype = torch.float32) -> Float[Tensor, "V 3"]:
        """The voxels' centres, (x, y, z) in metres: origin + (xyz + ½) · voxel_size."""
        xyz = self.coords[:, 1:].flip(1).double()
        return (self.origin + (xyz + 0.5) * self.voxel_size).to(dtype)


def voxelize(
    points: Float[Tensor, "N 3"],
    voxel_size: float,
    batch: Int[Tensor, "N"] | None = None,
    origin: Float[Tensor, "3"] | None = None,
) -> Voxels:
    """Find the voxel of every point, and every voxel that holds a point.

    (x, y, z) of voxel = ⌊(point - origin) / voxel_size⌋, stored as (z, y, x); floor, never trunc

    Args:
        points: (x, y, z) in metres.
        voxel_size: edge length in metres, above 0.
        batch: the batch element of each point, 0 or more; all 0 if None.
        origin: (x, y, z) in metres of voxel (0, 0, 0)'s low corner; None puts it at the lowest
            point. Where points lie below it, it moves down by whole voxels to take them in, so that
            the walls between voxels stay where they were and no coordinate is negative.

    Raises:
        ValueError: a coordinate is NaN or infinite, voxel_size ≤ 0, the grid has more cells than
            int64 can count, there are no points and no origin, or shapes do not fit.
        IndexError: a batch element is negative.
        TypeError: batch is not int64 or int32.

    Example:
        >>> points = torch.tensor([[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0], [0.07, 0.0, 0.0]])
        >>> voxels = voxelize(points, 0.1, origin=torch.zeros(3))
        >>> voxels.coords, voxels.inverse
        (tensor([[0, 0, 0, 0],
                [0, 0, 0, 1]]), tensor([1, 0, 1]))

    VoxelNet's grouping (Zhou and Tuzel, 2018), without its limit of points per voxel.
    """
    N = check_shapes(points=(points, "N 3"))["N"]
    voxel_size = check_positive("voxel_size", voxel_size)
    check_finite("points", points)
    if batch is None:
        batch = torch.zeros(N, dtype=torch.int64, device=points.device)
    check_shapes(points=(points, "N 3"), batch=(batch, "N"))
    check_range("batch", batch, 0)
    if origin is None:
        if N == 0:
            raise ValueError("points: got no points and no origin, wanted one of them")
        origin = points.amin(0)
    check_shapes(points=(points, "N 3"), origin=(origin, "3"))
    check_finite("origin", origin)

    # float64, because float32's rounding of the quotient would move points across walls
    origin = origin.double()
    # and a tensor, because CUDA divides by a Python number by multiplying with its reciprocal
    edge = origin.new_tensor(voxel_size)
    cell = torch.floor((points.double() - origin) / edge)  # [N, 3], xyz
    if N and not (cell.abs() < 2**62).all():
        raise ValueError(
            f"voxel_size: got {voxel_size}, wanted a larger one: points lie 2^62 voxels away"
        )
    xyz = cell.long()
    low = xyz.amin(0).clamp(max=0) if N else xyz.new_zeros(3)
    zyx = (xyz - low).flip(1)

    coords = torch.cat([batch.long()[:, None], zyx], dim=1)  # [N, 4]
    B, D, H, W = (int(n) + 1 for n in coords.amax(0)) if N else (0, 0, 0, 0)
    check_cells("voxel_size", voxel_size, (B, D, H, W))
    flat = ravel_index(coords, (B, D, H, W))
    flat, inverse, counts = torch.unique(flat, return_inverse=True, return_counts=True)
    return Voxels(
        unravel_index(flat, (B, D, H, W)),
        inverse,
        counts,
        origin + low.double() * voxel_size,
        voxel_size,
        (D, H, W),
    )


def pool(
    features: Float[Tensor, "N C"],
    voxels: Voxels,
    reduce: Literal["sum", "mean", "amax", "amin"] = "mean",
) -> Float[Tensor, "V C"]:
    """One feature row a voxel, from the points inside it.

    out[v] = reduce of features[n] over all points n with voxels.inverse[n] = v

    Args:
        features: one row for each of the N points that were voxelised.
        voxels: what `voxelize` gave for those points.
        reduce: "sum", "mean", "amax" or "amin".

    Raises:
        ValueError: as many rows as points were wanted, or reduce is unknown.

    Example:
        >>> voxels = voxelize(torch.tensor([[0., 0., 0.], [.5, 0., 0.], [1.5, 0., 0.]]), 1.0)
        >>> pool(torch.tensor([[2.], [4.], [8.]]), voxels)
        tensor([[3.],
                [8.]])

    OpenPCDet's dynamic mean and max VFE.
    """
    check_type("voxels", voxels, Voxels)
    check_shapes(**{"voxels.inverse": (voxels.inverse, "N"), "features": (features, "N C")})
    V = len(voxels.counts)
    return scatter_points(features.T[None], voxels.inverse[None], V, reduce)[0].T


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
    """
    check_type("voxels", voxels, Voxels)
    check_whole("k", k, 1)
    order = torch.argsort(voxels.inverse, stable=True)  # points by voxel, first come first
    start = voxels.counts.cumsum(0) - voxels.counts  # [V], where each voxel's run begins
    rank = torch.arange(k, device=order.device)  # [k]
    there = rank < voxels.counts[:, None]  # [V, k]
    place = (start[:, None] + rank).where(there, 0)
    return order[place].where(there, -1)


def neighbour_index(
    coords: Int[Tensor, "V 4"], kernel_size: int = 3, dilation: int = 1
) -> Int[Tensor, "V K"]:
    """The row of each voxel's neighbours: what a convolution's taps read.

    out[v, t] = the row u with coords[u] = coords[v] + (0, dz, dy, dx), or -1 if there is none

    Taps come in (dz, dy, dx) order, dx fastest, each from -r to r in steps of dilation with
    r = dilation · (kernel_size // 2); the middle one is the voxel itself.

    Args:
        coords: (b, z, y, x), no row twice, in any order.
        kernel_size: odd, at least 1; K = kernel_size³.
        dilation: the step between taps, at least 1.

    Raises:
        ValueError: kernel_size is even or below 1, dilation below 1, a voxel stands twice, or the
            grid has more cells than int64 can count.
        IndexError: a coordinate is negative.
        TypeError: coords is not int64 or int32.

    Example:
        >>> neighbour_index(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]]))[:, 12:15]
        tensor([[-1,  0,  1],
                [ 0,  1, -1]])

    The indice pairs of spconv and the kernel map of MinkowskiEngine, as one table.
    """
    check_shapes(coords=(coords, "V 4"))
    check_integer("coords", coords)
    if check_whole("kernel_size", kernel_size, 1) % 2 == 0:
        raise ValueError(f"kernel_size: got {kernel_size}, wanted an odd number")
    check_whole("dilation", dilation, 1)
    check_range("coords", coords, 0)
    V, reach = len(coords), dilation * (kernel_size // 2)
    if V == 0:
        return coords.new_empty((0, kernel_size**3), dtype=torch.int64)

    # a margin around the grid, so that a step off one face never lands on the opposite one
    margin = [0, reach, reach, reach]
    most = coords.amax(0).tolist()
    B, D, H, W = (n + 1 + 2 * m for n, m in zip(most, margin, strict=True))
    check_cells("coords", f"coordinates up to {most}", (B, D, H, W))
    margin = coords.new_tensor(margin, dtype=torch.int64)
    coords = coords.long() + margin
    keys, row = ravel_index(coords, (B, D, H, W)).sort()
    if (keys[1:] == keys[:-1]).any():
        twice = row[1:][keys[1:] == keys[:-1]][0]
        raise ValueError(
            f"coords: got {(coords[twice] - margin).tolist()} twice, wanted each voxel once"
        )

    step = torch.arange(-reach, reach + 1, dilation, device=coords.device)  # [kernel_size]
    tap = (step[:, None, None] * H + step[:, None]) * W + step  # [k, k, k], as flat distances
    wanted = ravel_index(coords, (B, D, H, W))[:, None] + tap.flatten()  # [V, K]
    place = torch.searchsorted(keys, wanted).clamp(max=V - 1)
    return row[place].where(keys[place] == wanted, -1)
