"""Explorables: small instruments, each of which makes one idea of the book visible.

They run in a notebook, with their state in step with Python, and on a page with no kernel.

    GatherExplorer     which input cell does each output cell read
    MatrixExplorer     which sparse matrix is this operation, and what is its transpose
    ScatterExplorer    where do the values go, and what if two meet
"""

from .gather_explorer import GatherExplorer
from .matrix_explorer import MatrixExplorer
from .scatter_explorer import ScatterExplorer

__all__ = ["GatherExplorer", "MatrixExplorer", "ScatterExplorer"]
