"""Explorables: small instruments, each of which makes one idea of the book visible.

They run in a notebook, with their state in step with Python, and on a page with no kernel.

    DeformExplorer     where 27 taps look when each may leave its place
    GatherExplorer     which input cell does each output cell read
    MatrixExplorer     the sparse matrix of an operation, and its transpose
    NeighbourExplorer  the neighbours of a point: nearest, in a ball, the first in a ball
    RulebookExplorer   a sparse convolution, tap by tap
    SampleExplorer     a value between eight voxels, and its gradient
    ScatterExplorer    where values go, and what if two meet
    VoxelExplorer      points become voxels, voxels become rows of memory
    WarpExplorer       32 threads read at once, and memory moves in sectors
"""

from .deform_explorer import DeformExplorer
from .gather_explorer import GatherExplorer
from .matrix_explorer import MatrixExplorer
from .neighbour_explorer import NeighbourExplorer
from .rulebook_explorer import RulebookExplorer
from .sample_explorer import SampleExplorer
from .scatter_explorer import ScatterExplorer
from .voxel_explorer import VoxelExplorer
from .warp_explorer import WarpExplorer

__all__ = [
    "DeformExplorer",
    "GatherExplorer",
    "MatrixExplorer",
    "NeighbourExplorer",
    "RulebookExplorer",
    "SampleExplorer",
    "ScatterExplorer",
    "VoxelExplorer",
    "WarpExplorer",
]
