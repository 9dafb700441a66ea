"""Gather in 3D: the index operators that 3D vision is built on, in readable PyTorch.

    indexing   gather and scatter, their loops, which value won, a permutation undone,
               flat indices, the matrix behind a function
    points     nearest neighbours, balls, farthest points, interpolation
    voxels     from metres to voxels, pooling, the neighbour table
    sparse     sparse volumes, kernel maps, sparse convolution
    sampling   trilinear sampling, deformable convolution
    refusals   what bad input is told; refusals.unchecked() leaves out what reads its values

Tensor conventions (letters, axis orders, -1 for missing) are on the book's notation page.
What draws (`gather3d.figures`, `gather3d.widgets`) and what loads data (`gather3d.datasets`) is
imported by name.
"""

import os

import torch

from .indexing import (
    Sources,
    gather_loops,
    gather_points,
    invert_permutation,
    ravel_index,
    scatter_argmax,
    scatter_loops,
    scatter_points,
    sources,
    unravel_index,
)
from .points import ball_query, farthest_point_sample, interpolate, knn
from .sampling import deform_conv3d, trilinear_sample
from .sparse import (
    KernelMap,
    SparseVolume,
    apply_kernel_map,
    concatenate,
    kernel_map,
    sparse_conv3d,
)
from .voxels import Voxels, devoxelize, neighbour_index, points_in_voxels, pool, voxelize

__all__ = [
    "KernelMap",
    "Sources",
    "SparseVolume",
    "Voxels",
    "apply_kernel_map",
    "ball_query",
    "concatenate",
    "deform_conv3d",
    "device",
    "devoxelize",
    "farthest_point_sample",
    "gather_loops",
    "gather_points",
    "interpolate",
    "invert_permutation",
    "kernel_map",
    "knn",
    "neighbour_index",
    "points_in_voxels",
    "pool",
    "ravel_index",
    "scatter_argmax",
    "scatter_loops",
    "scatter_points",
    "sources",
    "sparse_conv3d",
    "trilinear_sample",
    "unravel_index",
    "voxelize",
]


def device() -> torch.device:
    """The device that the book runs on: `GATHER3D_DEVICE`, else cuda where there is one, else cpu.

    A device must have float64, in which voxels are cut and sums are kept. A Mac's `mps` has not, so
    there the book runs on the CPU.

    Raises:
        ValueError: the environment variable names a device that this torch cannot use, or one
            without float64.

    Example:
        >>> gather3d.device().type in {"cpu", "cuda"}
        True
    """
    name = os.environ.get("GATHER3D_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"GATHER3D_DEVICE: got {name!r}, wanted a usable device: {_first_sentence(error)}"
        ) from error
    try:
        torch.zeros(1, dtype=torch.float64, device=name).item()
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"GATHER3D_DEVICE: got {name!r}, wanted a device that has float64; without one, cpu "
            "serves, and is what is taken where the variable is not set"
        ) from error
    return torch.device(name)


def _first_sentence(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0]
