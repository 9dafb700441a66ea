"""Pictures of what an exercise wants: `picture("gather.pick_points")`.

One module for each chapter's exercises. A picture shows a small input and the result that belongs
to it, never the way there.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gather3d.figures.svg import Diagram

CHAPTERS = ("gather", "scatter", "voxels", "sparse", "sampling", "deform", "speed")


def picture(id: str) -> "Diagram":
    """The wanted result of an exercise, drawn on a small input.

    Args:
        id: of the exercise, "gather.pick_points".

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> picture("gather.pick_points").alt[:8]
        'Features'
    """
    chapter = str(id).partition(".")[0]
    pictures = import_module(f".{chapter}", __name__).PICTURES if chapter in CHAPTERS else {}
    if id not in pictures:
        wanted = ", ".join(pictures) or ", ".join(f"{chapter}.…" for chapter in CHAPTERS)
        raise ValueError(f"id: got {id!r}, wanted one of {wanted}")
    return pictures[id]()
