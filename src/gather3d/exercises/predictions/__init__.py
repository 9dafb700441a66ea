"""All predictions by their ids, in the order of the chapters: a module for each."""

from ..predict import Prediction
from . import deform, gather, sampling, scatter, sparse, speed, voxels

PREDICTIONS: dict[str, Prediction] = {
    each.id: each
    for chapter in (gather, scatter, voxels, sparse, sampling, deform, speed)
    for each in chapter.PREDICTIONS
}
