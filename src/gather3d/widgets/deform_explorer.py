"""DeformExplorer: where do the taps of a deformable convolution read, and what do they gather?"""

import math
from typing import Any

import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from gather3d import datasets
from gather3d.sampling import deform_conv3d, trilinear_sample

from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, shape_of, tensor, whole

KINDS = ["none", "shift", "widen", "turn", "random", "towards bright"]
SEEDS = 8


def head() -> Tensor:
    """Seven slices of a brain, [7, 40, 40] voxels of 2 mm: its left edge and a ventricle."""
    return datasets.load("brain").volume[44:51, 36:76, 10:50]


def noise() -> bytes:
    """[SEEDS, 27, 3] normal numbers as float32, so that a page draws the very offsets of torch."""
    drawn = [torch.randn(27, 3, generator=torch.Generator().manual_seed(s)) for s in range(SEEDS)]
    return torch.stack(drawn).numpy().astype("<f4").tobytes()


class DeformExplorer(Explorable):
    """Pick an output voxel of a deformable convolution and see where its 27 taps read.

    out[p] = Σₖ maskₖ · weightₖ · volume(p + rₖ + Δₖ),  rₖ from (-1, -1, -1) to (1, 1, 1)

    with offsets Δₖ = (z, y, x) in voxels, the same at every p or following the brightness at p:
    `shift` is (0, 0, strength); `widen` is strength · rₖ; `turn` turns the kernel about z by
    strength · 45 degrees, from x towards y; `random` is strength times normal numbers; `towards
    bright` is strength along the slope of the volume at p + rₖ, and 0 where that is flat.

    Args:
        volume: what is read, uint8 [D, H, W], at least 3 voxels along each axis; seven slices of a
            brain if not given.
        voxel: the output, (z, y, x).
        kind: "none", "shift", "widen", "turn", "random" or "towards bright".
        strength: from 0 to 3.
        seed: which random numbers, from 0 to 7.
        modulation: whether each tap is multiplied by its mask.
        mask: [3, 3, 3] = (kz, ky, kx), from 0 to 1.
        weight: [3, 3, 3], the kernel; 1/27 each if not given.

    Attributes:
        taps: [27, 3] = (z, y, x), where the taps read, kx fastest.
        offset: [27, 3] = (z, y, x), how far they have moved.
        reads: [27], what each tap reads, before mask and weight.
        output: the value of the deformable convolution at `voxel`.
        plain: the value of the ordinary one, F.conv3d's.

    Raises:
        traitlets.TraitError: a volume that is not uint8 [D, H, W], a voxel outside, a kind that
            there is not, a mask or weight that is not [3, 3, 3], numbers out of range.

    Example:
        >>> volume = torch.arange(27, dtype=torch.uint8).reshape(3, 3, 3)
        >>> explorer = DeformExplorer(volume=volume, voxel=[1, 1, 1], kind="turn", strength=2)
        >>> explorer.taps[14], explorer.reads[14]
        (tensor([1., 2., 1.], dtype=torch.float64), tensor(16., dtype=torch.float64))
    """

    _esm = front_end("deform_explorer.js", "slices.js")

    data = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List().tag(sync=True)
    voxel = traitlets.List([3, 31, 5]).tag(sync=True)
    kind = traitlets.Enum(KINDS, "towards bright").tag(sync=True)
    strength = traitlets.Float(1.5, min=0, max=3).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=SEEDS - 1).tag(sync=True)
    noise = traitlets.Bytes(noise()).tag(sync=True)
    modulation = traitlets.Bool(False).tag(sync=True)
    mask = traitlets.List().tag(sync=True)
    weight = traitlets.List([[[1 / 27] * 3] * 3] * 3).tag(sync=True)
    caption = traitlets.Unicode(
        "Blue rings are the 27 places of an ordinary kernel around the voxel that you pick in the "
        "slice, orange marks where its taps read; point at a mark's cell in the table to follow "
        "it. Choose *widen* or *turn* and pull the strength: the same 27 weights gather another "
        "value. Tick *modulation* and close a gate with the down key: that tap falls silent."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "A slice of a brain with a square around one voxel, and that square enlarged: lines lead "
        "from 27 blue rings, a cube of voxels seen from above, to the orange marks where the taps "
        "of a deformable convolution read. Below, the 27 values that they read, and their sum."
    ).tag(sync=True)
    height = traitlets.List([1152, 718, 697]).tag(sync=True)

    def __init__(self, volume: Any = None, mask: Any = None, weight: Any = None, **rest: Any):
        volume = head() if volume is None else torch.as_tensor(volume)
        if volume.dtype != torch.uint8 or volume.dim() != 3 or min(volume.shape) < 3:
            raise traitlets.TraitError(
                f"volume: got {volume.dtype} {list(volume.shape)}, wanted torch.uint8 [D, H, W] "
                "of at least 3 voxels each"
            )
        rest["shape"] = list(volume.shape)
        rest["data"] = volume.contiguous().numpy().tobytes()
        if weight is not None:
            rest["weight"] = nested("weight", weight)
        # open in the middle of the kernel, half closed at its corners
        near = (-torch.cartesian_prod(*[torch.arange(-1.0, 2)] * 3).square().sum(1) / 4).exp()
        rest["mask"] = nested(
            "mask", near.reshape(3, 3, 3).round(decimals=2).double() if mask is None else mask
        )
        super().__init__(**rest)

    @traitlets.validate("voxel")
    def _inside(self, proposal: dict) -> list:
        value = whole("voxel", nested("voxel", proposal["value"]))
        if shape_of("voxel", value) != (3,) or not all(
            0 <= c < n for c, n in zip(value, self.shape, strict=True)
        ):
            raise traitlets.TraitError(f"voxel: got {value}, wanted (z, y, x) inside {self.shape}")
        return value

    @traitlets.validate("mask", "weight")
    def _a_kernel(self, proposal: dict) -> list:
        name = proposal["trait"].name
        value = nested(name, proposal["value"])
        if shape_of(name, value) != (3, 3, 3):
            raise traitlets.TraitError(
                f"{name}: got shape {list(shape_of(name, value))}, wanted [3, 3, 3]"
            )
        outside = [m for m in tensor(value).flatten().tolist() if not 0 <= m <= 1]
        if name == "mask" and outside:
            raise traitlets.TraitError(f"mask: got {outside[0]:g}, wanted numbers from 0 to 1")
        return value

    @property
    def volume(self) -> Tensor:
        """What is read, [D, H, W], float64."""
        return (
            torch.frombuffer(bytearray(self.data), dtype=torch.uint8).reshape(self.shape).double()
        )

    @property
    def offset(self) -> Tensor:
        reach = torch.cartesian_prod(*[torch.arange(-1.0, 2, dtype=torch.float64)] * 3)  # [27, 3]
        if self.kind == "shift":
            return tensor([0.0, 0.0, self.strength]).expand(27, 3)
        if self.kind == "widen":
            return self.strength * reach
        if self.kind == "turn":
            c, s = (f(math.radians(45 * self.strength)) for f in (math.cos, math.sin))
            return reach @ tensor([[1, 0, 0], [0, c, s], [0, -s, c]]).T - reach
        if self.kind == "random":
            numbers = torch.frombuffer(bytearray(self.noise), dtype=torch.float32)
            return self.strength * numbers.reshape(SEEDS, 27, 3)[self.seed].double()
        if self.kind == "towards bright":
            return self.strength * F.normalize(self._slope(tensor(self.voxel) + reach), dim=1)
        return torch.zeros_like(reach)

    @property
    def taps(self) -> Tensor:
        reach = torch.cartesian_prod(*[torch.arange(-1.0, 2, dtype=torch.float64)] * 3)
        return tensor(self.voxel) + reach + self.offset

    @property
    def reads(self) -> Tensor:
        return trilinear_sample(self.volume[None, None], self.taps[None])[0, 0]

    @property
    def output(self) -> Tensor:
        mask = tensor(self.mask).reshape(27) if self.modulation else torch.ones(27).double()
        return self._convolved(self.offset, mask)

    @property
    def plain(self) -> Tensor:
        return self._convolved(torch.zeros(27, 3).double(), torch.ones(27).double())

    def _slope(self, sites: Tensor) -> Tensor:
        """Half the difference of the two neighbours along each axis, [27, 3]."""
        step = torch.eye(3, dtype=torch.float64)
        sides = torch.stack([sites[:, None] + step, sites[:, None] - step])  # [2, 27, 3, 3]
        after, before = trilinear_sample(self.volume[None, None], sides[None])[0, 0]
        return (after - before) / 2

    def _convolved(self, offset: Tensor, mask: Tensor) -> Tensor:
        """gather3d.deform_conv3d with these offsets at every output, taken at `voxel`."""
        offset, mask = offset.reshape(1, 81, 1, 1, 1), mask.reshape(1, 27, 1, 1, 1)
        out = deform_conv3d(
            self.volume[None, None],
            offset.expand(1, 81, *self.shape),
            tensor(self.weight)[None, None],
            mask=mask.expand(1, 27, *self.shape),
            padding=1,
        )
        return out[(0, 0, *self.voxel)]
