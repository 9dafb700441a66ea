"""Explorables: small instruments, each of which makes one idea of the book visible.

They run in a notebook, with their state in step with Python, and on a page with no kernel.

    GatherExplorer     which input cell does each output cell read
    NeighbourExplorer  which points are near this one, and which does a search keep
    VoxelExplorer      which points are in this voxel, and where does it stand in memory
"""

from .gather_explorer import GatherExplorer
from .neighbour_explorer import NeighbourExplorer
from .voxel_explorer import VoxelExplorer

__all__ = ["GatherExplorer", "NeighbourExplorer", "VoxelExplorer"]
