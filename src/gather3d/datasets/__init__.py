"""Small real 3D data: two laser scans, a brain, a frog and a bunny, with no download.

`load(name)` gives a frozen dataclass of CPU tensors. Each class below says what its tensors mean,
in which units and axis order, where they come from and what was changed. `sources.toml` has the
package, version, licence and checksum of each; `NOTICE` has the licence texts; and
`python -m gather3d.datasets.rebuild` makes every file again from the packages.

Example:
    >>> names()
    ('street', 'aerial', 'brain', 'frog', 'bunny')
    >>> load("bunny").vertices.shape
    torch.Size([1839, 3])
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from gather3d.datasets.packing import ChecksumError, from_steps, unpack

__all__ = [
    "AERIAL_CLASSES",
    "FROG_TISSUES",
    "Aerial",
    "Brain",
    "Bunny",
    "ChecksumError",
    "Frog",
    "Street",
    "load",
    "names",
    "sources",
]

FOLDER = Path(__file__).parent

AERIAL_CLASSES: Mapping[int, str] = {1: "unclassified", 2: "ground"}
"""The classes in `Aerial.labels`, by their number in the LAS format."""

FROG_TISSUES: tuple[str, ...] = (
    "unlabelled",
    "blood",
    "brain",
    "duodenum",
    "eye retina",
    "eye white",
    "heart",
    "ileum",
    "kidney",
    "large intestine",
    "liver",
    "lung",
    "nerve",
    "skeleton",
    "spleen",
    "stomach",
)
"""The tissues in `Frog.labels`: label i is `FROG_TISSUES[i]`."""

METRES_PER_FOOT = 0.3048


@dataclass(frozen=True, eq=False)
class Street:
    """Two turns of a 32-laser scanner in a street, half a metre apart, and the motion between them.

    A scan is in the order in which it was measured: row i is laser `i % 32` in column `i // 32`,
    and there are 2,181 columns in `points`, 2,159 in `target_points`. The lasers of a column are
    in firing order, which jumps between low and high elevation. Where a pulse brought no distance
    back, the row is exactly (0, 0, 0): 5,107 rows of `points` and 5,032 of `target_points`.
    `points.any(dim=1)` is true for the others.

    Attributes:
        points: the source scan; x, y, z in metres, z up, the scanner at (0, 0, 0).
        intensity: strength of each return of the source scan, the scanner's own scale, a whole
            number of 0 to 187 (a byte in the scanner). Rows without a distance have one too.
        target_points: the target scan, in its own frame, as `points`.
        pose: takes homogeneous source coordinates into the target's frame:
            `points @ pose[:3, :3].T + pose[:3, 3]` lies over `target_points`.

    Source: `data/` of the package small-gicp 1.0.1 (MIT).
    Changed: each coordinate is the middle of its millimetre, so it is at most 0.5 mm off (0.504 mm
    with float32's rounding), and none lies on the border of a voxel whose size is a whole number
    of millimetres. (0, 0, 0) stays as it is. The target's intensity is left out.
    """

    points: Float[Tensor, "N 3"]
    intensity: Float[Tensor, " N"]
    target_points: Float[Tensor, "M 3"]
    pose: Float[Tensor, "4 4"]


@dataclass(frozen=True, eq=False)
class Aerial:
    """A strip of airborne laser scan over Autzen stadium, in Eugene, Oregon: 359 m by 171 m.

    Attributes:
        points: x east, y north, z up, in metres from a corner below and south-west of every point
            (so all are positive). In the order of measurement, 6.5 seconds of it.
        colors: red, green, blue of each point, from 0 to 1, in steps of 1/255.
        intensity: strength of each return, the scanner's own scale, a whole number of 0 to 254.
        labels: 1 unclassified (83,893 points: whatever stands on the ground), 2 ground
            (26,107); `AERIAL_CLASSES` has these names.

    Source: `tests/data/autzen_trim.laz` of the package laspy 2.7.0 (BSD 2-Clause).
    Changed: feet to metres (0.3048); the local origin, which is at 636,001.755 ft east,
    848,935.195 ft north, 406.255 ft up in the source's coordinates (NAD83 HARN, Lambert conformal
    conic, Oregon), half a hundredth of a foot below the smallest; points keep the source's
    resolution of a hundredth of a foot (3 mm) and are off by float32's rounding only, under
    0.02 mm. Times, angles and return numbers are left out.
    """

    points: Float[Tensor, "N 3"]
    colors: Float[Tensor, "N 3"]
    intensity: Float[Tensor, " N"]
    labels: Int[Tensor, " N"]


@dataclass(frozen=True, eq=False)
class Brain:
    """The average T1-weighted MRI of 152 brains (MNI ICBM152 2009a, symmetric), without the skull.

    Attributes:
        volume: [D, H, W] = [95, 117, 99] bytes, 0 outside the brain and up to 238 in its white
            matter. z goes up (superior), y goes to the front (anterior), x to the subject's right.
            The template is symmetric, so the volume equals its mirror image in x, exactly.
        spacing: size of a voxel along z, y, x in millimetres: (2.0, 2.0, 2.0).

    The centre of voxel (z, y, x) = (36, 67, 49) is the origin of MNI space.

    Source: `nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz` of the package
    nilearn 0.14.1, 1 mm voxels (ICBM notice).
    Changed: axes from x, y, z to z, y, x; half the resolution: smoothed with weights 1/4, 1/2, 1/4
    along each axis, then every second voxel, rounded to a whole number (at most 0.5 off).
    """

    volume: UInt8[Tensor, "D H W"]
    spacing: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Frog:
    """A frog as labelled voxels: which tissue is where.

    Attributes:
        labels: [D, H, W] = [102, 235, 250]: a tissue of 0 to 15 for each voxel, int64, so that
            it serves as an index (a uint8 tensor would be taken for a mask). Voxels are as deep
            as they are wide. z goes from the back (dorsal) to the belly, y from one side to
            the other, x from the hind legs to the head.
        names: `names[label]` is the name of a tissue; 0 is what has no label, the air and the
            muscles among it.

    Source: `pyvista/examples/frog_tissues.vti` of the package pyvista 0.49.1 (MIT); the frog is
    that of the Whole Frog Project, Lawrence Berkeley National Laboratory. The names are those of
    the VTK examples on this volume.
    Changed: of 136 x 470 x 500 voxels (1.5 deep, 1 wide), every second in y and x, and in z
    all but the second of each four, so that voxels are 2 by 2 by 2 on average (a slice lies at
    most half a source slice from its place). No label is averaged. The labels from 16 to 29, on
    777 source voxels and without a name, became 0.
    """

    labels: Int[Tensor, "D H W"]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Bunny:
    """The Stanford bunny as a closed triangle mesh, with few triangles.

    Attributes:
        vertices: x, y, z in the model's own unit: 9.9 wide, 9.7 tall, 7.5 deep. y is up.
        faces: rows of `vertices`, three for each triangle. Counter-clockwise from outside. Every
            edge belongs to two triangles: there is no hole.

    Source: the npm package bunny 1.0.1, after the model of the Stanford 3D Scanning Repository.
    Changed: text to numbers. Coordinates keep all six decimals (float32's rounding, under 1e-6).
    """

    vertices: Float[Tensor, "N 3"]
    faces: Int[Tensor, "F 3"]


DataSet = Street | Aerial | Brain | Frog | Bunny


@overload
def load(name: Literal["street"]) -> Street: ...
@overload
def load(name: Literal["aerial"]) -> Aerial: ...
@overload
def load(name: Literal["brain"]) -> Brain: ...
@overload
def load(name: Literal["frog"]) -> Frog: ...
@overload
def load(name: Literal["bunny"]) -> Bunny: ...
def load(name: str) -> DataSet:
    """Read one data set from the package; no network is used.

    The file is read anew on each call, so the tensors are yours to change.

    Args:
        name: "street", "aerial", "brain", "frog" or "bunny".

    Raises:
        ValueError: there is no data set of that name.
        FileNotFoundError: its file is missing; the message has the command that repairs it.
        ChecksumError: its file is not the right one (also a ValueError); the same.

    Example:
        >>> load("aerial").labels.bincount()
        tensor([    0, 83893, 26107])
    """
    if name not in names():
        wanted = ", ".join(repr(each) for each in names())
        raise ValueError(f"load: name must be one of {wanted}; got {name!r}")
    source = sources()[name]
    return BUILDERS[name](unpack(FOLDER / source["file"], source["sha256"], name))


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(BUILDERS)


def sources() -> dict[str, dict]:
    """The table of sources: for each name its package, version, licence, checksums and changes.

    Example:
        >>> sources()["street"]["package"], sources()["street"]["licence"]
        ('small-gicp', 'MIT')
    """
    with open(FOLDER / "sources.toml", "rb") as table:
        return tomllib.load(table)


def _tensor(array: np.ndarray, dtype: type) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=dtype))


def _street(arrays: Mapping[str, np.ndarray]) -> Street:
    return Street(
        points=_scan(arrays["points"]),
        intensity=_tensor(arrays["intensity"].T.reshape(-1), np.float32),
        target_points=_scan(arrays["target_points"]),
        pose=_tensor(arrays["pose"], np.float32),
    )


def _scan(steps: np.ndarray) -> Float[Tensor, "N 3"]:
    """Points in metres from `[3, lasers, columns]` steps of millimetre cells."""
    cells = from_steps(steps).transpose(2, 1, 0).reshape(-1, 3)
    metres = (cells + 0.5) / 1000
    metres[~cells.any(axis=1)] = 0.0
    return _tensor(metres, np.float32)


def _aerial(arrays: Mapping[str, np.ndarray]) -> Aerial:
    hundredths = from_steps(arrays["points"]).T + 0.5
    return Aerial(
        points=_tensor(hundredths * METRES_PER_FOOT / 100, np.float32),
        colors=_tensor(arrays["colors"].T / 255, np.float32),
        intensity=_tensor(arrays["intensity"], np.float32),
        labels=_tensor(arrays["labels"], np.int64),
    )


def _brain(arrays: Mapping[str, np.ndarray]) -> Brain:
    depth, height, width = arrays["spacing"].tolist()
    return Brain(volume=_tensor(arrays["volume"], np.uint8), spacing=(depth, height, width))


def _frog(arrays: Mapping[str, np.ndarray]) -> Frog:
    return Frog(labels=_tensor(arrays["labels"], np.int64), names=FROG_TISSUES)


def _bunny(arrays: Mapping[str, np.ndarray]) -> Bunny:
    return Bunny(
        vertices=_tensor(arrays["vertices"] / 1_000_000, np.float32),
        faces=_tensor(arrays["faces"], np.int64),
    )


BUILDERS: Mapping[str, Callable[[Mapping[str, np.ndarray]], DataSet]] = {
    "street": _street,
    "aerial": _aerial,
    "brain": _brain,
    "frog": _frog,
    "bunny": _bunny,
}
