"""All exercises by their ids, in the order of the chapters."""

from .chapters import deform, gather, sampling, scatter, sparse, speed, voxels
from .exercise import Exercise

EXERCISES: dict[str, Exercise] = {
    each.id: each
    for chapter in (gather, scatter, voxels, sparse, sampling, deform, speed)
    for each in chapter.EXERCISES
}
