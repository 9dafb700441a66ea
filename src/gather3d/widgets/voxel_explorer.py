"""VoxelExplorer: which points are in this voxel, and where does it stand in memory?"""

from typing import Any

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Tensor

from gather3d.indexing import ravel_index, unravel_index
from gather3d.voxels import neighbour_index, voxelize

from .shared.clouds import Cloud, check_row, street_patch, to_points
from .shared.explorable import Explorable, front_end

START = 440  # the point whose voxel is picked first


class VoxelExplorer(Explorable):
    """A real cloud around the scanner, cut into voxels; pick one and see its place in memory.

    cell = ⌊point / voxel_size⌋ with "floor", as `gather3d.voxelize` does; with "trunc" cut off
    towards zero, as `.long()` does, which makes the cells at zero twice as wide. The lowest cells,
    or 0 where none is below, become voxel 0.

    Args:
        points: [N, 3], (x, y, z) in metres; the street scan around its scanner if not given.
        voxel_size: edge of a voxel in metres, above 0.
        rounding: "floor" or "trunc".
        point: a point, 0 … N - 1; the picked voxel is the one that holds it.
        snap: draw every point at the centre of its voxel.

    Attributes:
        points: the cloud as torch has it, [N, 3] float32.
        coords: [V, 4] int64, (b, z, y, x), sorted by flat index; b is 0.
        inverse: [N] int64, the row in coords of each point's voxel.
        shape: (D, H, W).
        flat: [V] int64, ((b·D + z)·H + y)·W + x.
        row: the picked voxel's row in coords.
        neighbours: [27] int64, rows of the voxels around the picked one, -1 where there is none; in
            (dz, dy, dx) order, dx fastest.
        doubled: how many points lie in a cell that trunc makes twice as wide, in x, y or z.
        refusal: what voxelize says where it refuses, "" where it does not; the others are None
            where it refuses.

    Raises:
        traitlets.TraitError: points that are not [N, 3], empty or not finite; a voxel size that is
            not above 0, a point that is not there, an unknown rounding.

    Example:
        >>> explorer = VoxelExplorer([[-0.5, 0, 0], [0.5, 0, 0], [1.5, 0, 0]], voxel_size=1.0)
        >>> explorer.coords[:, 3], explorer.flat
        (tensor([0, 1, 2]), tensor([0, 1, 2]))
        >>> explorer.rounding = "trunc"
        >>> explorer.inverse
        tensor([0, 0, 1])
    """

    _esm = front_end("voxel_explorer.js", "space.js", "clouds.js")

    cloud = Cloud().tag(sync=True)
    voxel_size = traitlets.Float(1.5).tag(sync=True)
    rounding = traitlets.Enum(["floor", "trunc"], "floor").tag(sync=True)
    point = traitlets.Int(0).tag(sync=True)
    snap = traitlets.Bool(False).tag(sync=True)
    caption = traitlets.Unicode(
        "Tap a point to pick its voxel, and slide the size. On the strip, which is memory, a "
        "neighbour in x is next door and one in z a whole layer away. Then choose *trunc*: the "
        "cells at zero, in red, are twice as wide, and points from both sides of the scanner fall "
        "into one."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "Points of a street scan around its scanner, with a box around every voxel that holds "
        "some. Beside it the picked voxel's coordinates and the rows of its 27 neighbours, −1 "
        "where there is none; below, its place and its neighbours' places on a strip that stands "
        "for memory."
    ).tag(sync=True)
    height = traitlets.List([1033, 925, 612]).tag(sync=True)

    def __init__(self, points: Any = None, point: int | None = None, **rest: Any):
        if points is None:
            points = street_patch((-6, -6, -3), (6, 5, 2), 0.4)
            point = START if point is None else point
        super().__init__(cloud=points, point=point or 0, **rest)

    @traitlets.validate("point")
    def _a_row(self, proposal: dict) -> int:
        return check_row("point", proposal["value"], len(self.points))

    @traitlets.validate("voxel_size")
    def _above_zero(self, proposal: dict) -> float:
        if not 0 < proposal["value"] < float("inf"):
            raise traitlets.TraitError(
                f"voxel_size: got {proposal['value']}, wanted a finite number above 0"
            )
        return proposal["value"]

    @traitlets.observe("cloud")
    def _point_of_this_cloud(self, change: dict) -> None:
        if self.point >= len(self.points):
            self.point = 0

    @property
    def points(self) -> Float[Tensor, "N 3"]:
        return to_points(self.cloud)

    @property
    def coords(self) -> Int[Tensor, "V 4"] | None:
        return None if self.refusal else self._cut()[0]

    @property
    def inverse(self) -> Int[Tensor, "N"] | None:
        return None if self.refusal else self._cut()[1]

    @property
    def shape(self) -> tuple[int, int, int] | None:
        return None if self.refusal else self._cut()[2]

    @property
    def flat(self) -> Int[Tensor, "V"] | None:
        return None if self.refusal else ravel_index(self.coords, (1, *self.shape))

    @property
    def row(self) -> int | None:
        return None if self.refusal else int(self.inverse[self.point])

    @property
    def neighbours(self) -> Int[Tensor, "27"] | None:
        return None if self.refusal else neighbour_index(self.coords)[self.row]

    @property
    def doubled(self) -> int:
        cell = torch.trunc(self.points.double() / self.voxel_size)
        return int((cell == 0).any(dim=1).sum())

    @property
    def refusal(self) -> str:
        try:
            self._cut()
        except ValueError as error:
            return str(error)
        return ""

    def _cut(self) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
        """coords, inverse and shape."""
        if self.rounding == "floor":
            voxels = voxelize(self.points, self.voxel_size, origin=torch.zeros(3))
            return voxels.coords, voxels.inverse, voxels.shape
        return truncated(self.points, self.voxel_size)


def truncated(
    points: Float[Tensor, "N 3"], voxel_size: float
) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
    """coords, inverse and shape as `voxelize` would give them if it cut off towards zero."""
    xyz = (points.double() / voxel_size).long()
    zyx = (xyz - xyz.amin(0).clamp(max=0)).flip(1)
    shape = tuple(int(n) + 1 for n in zyx.amax(0))
    flat, inverse = ravel_index(zyx, shape).unique(return_inverse=True)
    coords = unravel_index(flat, (1, *shape))
    return coords, inverse, shape
