"""SampleExplorer: what does a volume hold between its voxels, and which way is up?"""

from typing import Any

import torch
import traitlets
from torch import Tensor

from gather3d import datasets
from gather3d.indexing import gather_points, ravel_index
from gather3d.sampling import trilinear_sample

from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, shape_of, tensor


def ventricle() -> list:
    """A corner of a brain's ventricle, dark among bright: [3, 6, 7] voxels of 2 mm."""
    return datasets.load("brain").volume[46:49, 52:58, 37:44].tolist()


class SampleExplorer(Explorable):
    """Drag a position through a volume and see what each way of reading makes of it.

    value = Σ over the eight corners k of the cell of  weightₖ · volume[k]

    with the weights of `gather3d.trilinear_sample`, or one weight 1: that of the voxel that
    `coords.round()` or `coords.long()` names. A voxel outside the volume counts as 0.

    Args:
        volume: what is read, [D, H, W], at least 2 voxels along each axis; a corner of a brain's
            ventricle if not given, brightness 0 to 255.
        coords: where, (z, y, x) in voxels; whole numbers are voxel centres.
        mode: "trilinear", "nearest" or "truncated".
        align_corners: which of the two meanings of -1 and 1 `grid` has.

    Attributes:
        corners: [8, 3] = (z, y, x), the corners of the cell, x fastest.
        weights: [8], the say of each corner.
        value: what is read.
        gradient: [3] = (z, y, x), of the value with respect to `coords`, in values per voxel; zero
            where a whole index is read.
        grid: [3] = (x, y, z), the position as `F.grid_sample` wants it.
        elsewhere: [3] = (z, y, x) in voxels, where the same `grid` reads with the other
            align_corners.
        value_elsewhere: what is read there.

    Raises:
        traitlets.TraitError: a volume that is no [D, H, W] of at least 2 each, coordinates that are
            not three finite numbers, an unknown mode.

    Example:
        >>> explorer = SampleExplorer(volume=torch.arange(8.).reshape(2, 2, 2), coords=[0, 0, 0.25])
        >>> explorer.value, explorer.gradient
        (tensor(0.2500, dtype=torch.float64), tensor([4., 2., 1.], dtype=torch.float64))
        >>> explorer.mode = "truncated"
        >>> explorer.value, explorer.gradient
        (tensor(0., dtype=torch.float64), tensor([0., 0., 0.], dtype=torch.float64))
    """

    _esm = front_end("sample_explorer.js", "slices.js")

    volume = traitlets.List().tag(sync=True)
    coords = traitlets.List([1.35, 4.35, 2.35]).tag(sync=True)
    mode = traitlets.Enum(["nearest", "truncated", "trilinear"], "trilinear").tag(sync=True)
    align_corners = traitlets.Bool(True).tag(sync=True)
    caption = traitlets.Unicode(
        "Drag the diamond through a corner of a brain's ventricle; the strip on the right moves it "
        "along z. The nearer a corner, the larger its weight, and the arrow points uphill. Then "
        "choose *truncated*: the picture turns into steps, one corner has all the say, and the "
        "arrow is gone. With `align_corners`, the red ring is where the same grid numbers land "
        "when they are read with the other setting: move to the border, and it is half a voxel off."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "A grey slice of a brain, 6 by 7 voxels, with an orange diamond at a position between four "
        "voxels and an arrow that points to brighter tissue. Beside it a table of the eight voxels "
        "around the position with their weights as bars, and the value that is read."
    ).tag(sync=True)
    height = traitlets.List([917, 863, 500]).tag(sync=True)

    def __init__(self, volume: Any = None, coords: Any = None, **rest: Any):
        given = {} if coords is None else {"coords": nested("coords", coords)}
        volume = ventricle() if volume is None else nested("volume", volume)
        super().__init__(volume=volume, **given, **rest)

    @traitlets.validate("volume")
    def _a_volume(self, proposal: dict) -> list:
        value = nested("volume", proposal["value"])
        shape = shape_of("volume", value)
        if len(shape) != 3 or min(shape) < 2:
            raise traitlets.TraitError(
                f"volume: got shape {list(shape)}, wanted [D, H, W] of at least 2 voxels each"
            )
        return value

    @traitlets.validate("coords")
    def _a_place(self, proposal: dict) -> list:
        value = nested("coords", proposal["value"])
        if shape_of("coords", value) != (3,):
            raise traitlets.TraitError(f"coords: got {value!r}, wanted three numbers (z, y, x)")
        return value

    @property
    def corners(self) -> Tensor:
        return tensor(self.coords).floor().long() + torch.cartesian_prod(*[torch.arange(2)] * 3)

    @property
    def weights(self) -> Tensor:
        coords = tensor(self.coords)
        if self.mode == "trilinear":
            return (1 - (coords - self.corners).abs()).prod(dim=1)
        return (self.corners == self._whole(coords)).all(dim=1).double()

    @property
    def value(self) -> Tensor:
        return self._read(tensor(self.coords))

    @property
    def gradient(self) -> Tensor:
        coords = tensor(self.coords).requires_grad_()
        value = self._read(coords)
        return (
            torch.autograd.grad(value, coords)[0]
            if value.requires_grad
            else torch.zeros_like(coords)
        )

    @property
    def grid(self) -> Tensor:
        coords, size = tensor(self.coords), tensor(shape_of("volume", self.volume))
        if self.align_corners:
            return (2 * coords / (size - 1) - 1).flip(-1)
        return ((2 * coords + 1) / size - 1).flip(-1)

    @property
    def elsewhere(self) -> Tensor:
        grid, size = self.grid.flip(-1), tensor(shape_of("volume", self.volume))
        return ((grid + 1) * size - 1) / 2 if self.align_corners else (grid + 1) * (size - 1) / 2

    @property
    def value_elsewhere(self) -> Tensor:
        return self._read(self.elsewhere)

    def _whole(self, coords: Tensor) -> Tensor:
        return (coords.round() if self.mode == "nearest" else coords.trunc()).long()

    def _read(self, coords: Tensor) -> Tensor:
        volume = tensor(self.volume)
        if self.mode == "trilinear":
            return trilinear_sample(volume[None, None], coords[None, None])[0, 0, 0]
        at, size = self._whole(coords), torch.tensor(volume.shape)
        inside = bool(((at >= 0) & (at < size)).all())
        flat = ravel_index(at, volume.shape) if inside else torch.tensor(-1)
        return gather_points(volume.reshape(1, 1, -1), flat.reshape(1, 1))[0, 0, 0]
