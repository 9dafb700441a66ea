"""Explorables: small instruments, each of which makes one idea of the book visible.

They run in a notebook, with their state in step with Python, and on a page with no kernel.

    GatherExplorer     which input cell does each output cell read
    RulebookExplorer   which rows does each tap of a sparse convolution read and write
"""

from .gather_explorer import GatherExplorer
from .rulebook_explorer import RulebookExplorer

__all__ = ["GatherExplorer", "RulebookExplorer"]
