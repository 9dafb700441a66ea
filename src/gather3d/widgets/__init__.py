"""Explorables: small instruments, each of which makes one idea of the book visible.

They run in a notebook, with their state in step with Python, and on a page with no kernel.

    DeformExplorer     where 27 taps look when each may leave its place
    GatherExplorer     which input cell does each output cell read
    MatrixExplorer     the sparse matrix of an operation, and its transpose
    SampleExplorer     a value between eight voxels, and its gradient
    ScatterExplorer    where values go, and what if two meet
"""

from .deform_explorer import DeformExplorer
from .gather_explorer import GatherExplorer
from .matrix_explorer import MatrixExplorer
from .sample_explorer import SampleExplorer
from .scatter_explorer import ScatterExplorer

__all__ = [
    "DeformExplorer",
    "GatherExplorer",
    "MatrixExplorer",
    "SampleExplorer",
    "ScatterExplorer",
]
