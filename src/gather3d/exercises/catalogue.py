"""All exercises by their ids, in the order of the chapters."""

from . import gather, sampling, scatter, sparse, voxels
from .exercise import Exercise

EXERCISES: dict[str, Exercise] = {
    each.id: each
    for chapter in (gather, scatter, voxels, sparse, sampling)
    for each in chapter.EXERCISES
}
