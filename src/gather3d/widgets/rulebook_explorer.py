"""RulebookExplorer: which rows does each tap of a sparse convolution read and write?"""

from functools import cache
from typing import Any

import torch
import traitlets
from torch import Tensor

from ..datasets import load
from ..sparse import KernelMap, SparseVolume, kernel_map, sparse_conv3d
from ..voxels import pool, voxelize
from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, shape_of, tensor, whole

CELLS = 600  # of a volume; more would not be read, let alone drawn, cell by cell

#: Whole and small, none of them 0, and no two ends of the kernel alike: a flip would show.
WEIGHT = [
    [[1, -1, 2], [2, 1, -2], [-1, 1, 1]],
    [[1, 2, -1], [-2, 3, 2], [1, -1, -2]],
    [[2, -1, 1], [1, -2, 1], [-1, 2, -1]],
]


@cache
def street_corner() -> SparseVolume:
    """A wall and the ground before it: a box of the street scan in voxels of 30 cm.

    The feature of a voxel is the strength of its echoes, from 1 to 9.
    """
    street, size, shape = load("street"), 0.3, (4, 6, 8)
    low = torch.tensor([4.4, -4.3, -1.3])
    inside = ((street.points > low) & (street.points < low + 2.4)).all(dim=1)
    voxels = voxelize(street.points[inside], size, origin=low)
    echo = pool(street.intensity[inside, None], voxels)
    there = (voxels.coords[:, 1:] < torch.tensor(shape)).all(dim=1)
    return SparseVolume(voxels.coords[there], (echo[there] / 8).round().clamp(1, 9), shape, 1)


class RulebookExplorer(Explorable):
    """A 3×3×3 sparse convolution, tap by tap: its pairs, what they add, which voxels become active.

    out[o] = Σₖ Σ_{(i, o) in pairs[k]}  features[i] · weight[k]     over the taps k up to `tap`

    Args:
        volume: one volume (batch size 1) with one channel; None is a corner of the street scan.

    Attributes:
        coords: [V, 4], the active voxels (b, z, y, x), sorted by flat index; b is 0.
        features: [V], one number for each.
        shape: (D, H, W).
        weight: [3, 3, 3], in (z, y, x) order: one channel in, one out.
        tap: k = 9·kz + 3·ky + kx, 0 … 26; tap k reads at the step (kz - 1, ky - 1, kx - 1).
        submanifold: keep the active set, or let it grow.
        stride: 1 or 2; gather3d refuses 2 where submanifold is true.
        running: [U] float64, the output after the taps 0 … tap; None where gather3d refuses.
        output: the convolution's result, all 27 taps added; None where gather3d refuses.
        rulebook: what `gather3d.kernel_map` gives; None where it refuses.
        refusal: gather3d's own words where it refuses, "" where it does not.

    Raises:
        traitlets.TraitError: coords that are not rows of four whole numbers, a number that is not
            finite, a shape that is not three sizes of at least 1 or has over 600 cells, a weight
            that is not [3, 3, 3], a tap outside 0 … 26, a stride that is not 1 or 2.

    Example:
        >>> coords = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]])
        >>> row = SparseVolume(coords, torch.tensor([[2.], [5.]]), (1, 1, 4), 1)
        >>> explorer = RulebookExplorer(row, weight=torch.ones(3, 3, 3), tap=14)
        >>> [rows.tolist() for rows in explorer.rulebook.pairs[14]]
        [[1], [0]]
        >>> explorer.running
        tensor([7., 7.], dtype=torch.float64)
        >>> explorer.stride = 2
        >>> explorer.refusal
        'stride: got (2, 2, 2), wanted 1 for submanifold'
        >>> explorer.submanifold = False
        >>> len(explorer.output.coords)
        2
    """

    _esm = front_end("rulebook_explorer.js")

    coords = traitlets.List().tag(sync=True)
    features = traitlets.List().tag(sync=True)
    shape = traitlets.List().tag(sync=True)
    weight = traitlets.List(WEIGHT).tag(sync=True)
    tap = traitlets.Int(16, min=0, max=26).tag(sync=True)
    submanifold = traitlets.Bool(True).tag(sync=True)
    stride = traitlets.Enum([1, 2], 1).tag(sync=True)
    caption = traitlets.Unicode(
        "Press play, or step through the 27 taps: each gathers the rows of its pairs, multiplies "
        "them by one weight and adds them to rows of the output. Point at a voxel to see its "
        "window and what this tap finds there. Then choose *ordinary*: the active set grows, and "
        "dotted voxels are new; with stride 2 it shrinks."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "A kernel of 27 weights with the present tap marked; a table of this tap's pairs of rows "
        "with what is gathered, multiplied and added; and the layers of two small volumes, the "
        "active voxels of the input with their features and those of the output with their sums."
    ).tag(sync=True)
    height = traitlets.List([1345, 1261, 730]).tag(sync=True)

    def __init__(self, volume: SparseVolume | None = None, **rest: Any):
        if volume is None and not {"coords", "features", "shape"} & set(rest):
            volume = street_corner()
        if volume is not None:
            if volume.batch_size != 1 or volume.features.shape[1] != 1:
                got = f"{volume.batch_size} volumes with {volume.features.shape[1]} channels"
                raise traitlets.TraitError(f"volume: got {got}, wanted one of each")
            rest = {
                "coords": volume.coords,
                "features": volume.features[:, 0],
                "shape": list(volume.shape),
            } | rest
        lists = {"coords", "features", "shape", "weight"} & set(rest)
        super().__init__(**rest | {name: nested(name, rest[name]) for name in lists})

    @traitlets.validate("coords")
    def _rows(self, proposal: dict) -> list:
        value = whole("coords", nested("coords", proposal["value"]))
        if value and shape_of("coords", value)[1:] != (4,):
            got = list(shape_of("coords", value))
            raise traitlets.TraitError(f"coords: got shape {got}, wanted [V, 4] = (b, z, y, x)")
        if any(row[0] != 0 for row in value):
            raise traitlets.TraitError(
                "coords: got several batch elements, wanted b = 0 everywhere"
            )
        return value

    @traitlets.validate("features")
    def _numbers(self, proposal: dict) -> list:
        value = nested("features", proposal["value"])
        if len(shape_of("features", value)) != 1:
            got = list(shape_of("features", value))
            raise traitlets.TraitError(f"features: got shape {got}, wanted [V]")
        return value

    @traitlets.validate("shape")
    def _sizes(self, proposal: dict) -> list:
        value = whole("shape", nested("shape", proposal["value"]))
        right = shape_of("shape", value) == (3,) and min(value) >= 1
        if not right or value[0] * value[1] * value[2] > CELLS:
            wanted = f"wanted [D, H, W], at least 1 each, at most {CELLS} cells"
            raise traitlets.TraitError(f"shape: got {value}, {wanted}")
        return value

    @traitlets.validate("weight")
    def _kernel(self, proposal: dict) -> list:
        value = nested("weight", proposal["value"])
        if shape_of("weight", value) != (3, 3, 3):
            got = list(shape_of("weight", value))
            raise traitlets.TraitError(f"weight: got shape {got}, wanted [3, 3, 3]")
        return value

    @property
    def volume(self) -> SparseVolume:
        """The input as gather3d takes it, one channel, in float64."""
        coords = tensor(self.coords, torch.int64).reshape(-1, 4)
        return SparseVolume(coords, tensor(self.features)[:, None], tuple(self.shape), 1)

    @property
    def rulebook(self) -> KernelMap | None:
        try:
            return self._mapped()
        except (ValueError, IndexError):
            return None

    @property
    def output(self) -> SparseVolume | None:
        return None if self.refusal else self._convolved(27)

    @property
    def running(self) -> Tensor | None:
        return None if self.refusal else self._convolved(self.tap + 1).features[:, 0]

    @property
    def refusal(self) -> str:
        try:
            self._mapped()
        except (ValueError, IndexError) as error:
            return str(error)
        return ""

    def _mapped(self) -> KernelMap:
        volume = self.volume
        return kernel_map(
            volume.coords, volume.shape, stride=self.stride, submanifold=self.submanifold
        )

    def _convolved(self, taps: int) -> SparseVolume:
        """The convolution with all weights after the first `taps` set to 0."""
        weight = tensor(self.weight)
        weight.view(-1)[taps:] = 0
        return sparse_conv3d(
            self.volume, weight[None, None], stride=self.stride, submanifold=self.submanifold
        )
