"""Explorables: small instruments, each of which makes one idea of the book visible.

They run in a notebook, with their state in step with Python, and on a page with no kernel.

    DeformExplorer     where do the taps of a deformable convolution read
    GatherExplorer     which input cell does each output cell read
    SampleExplorer     what does a volume hold between its voxels
"""

from .deform_explorer import DeformExplorer
from .gather_explorer import GatherExplorer
from .sample_explorer import SampleExplorer

__all__ = ["DeformExplorer", "GatherExplorer", "SampleExplorer"]
