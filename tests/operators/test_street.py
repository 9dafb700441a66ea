"""The operators on a real laser scan, against scipy."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

import gather3d
from gather3d.datasets import load

from .inputs import close

SIZE = 0.1


def scan(device: str) -> torch.Tensor:
    points = load("street").points
    return points[points.any(dim=1)].to(device)  # rows of zeros are pulses that never came back


def test_knn_of_200_queries(device):
    points = scan(device)
    query = points[:: len(points) // 200][:200] + 0.01
    distance, index = gather3d.knn(query[None], points[None], 8)
    wanted, _ = cKDTree(points.cpu().double()).query(query.cpu().double(), k=8)
    close(distance[0], wanted, rtol=1e-4, atol=1e-5)
    apart = (points[index[0]] - query[:, None]).double().norm(dim=2)
    close(apart, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("where", "count", "mean"), [("scanner", 15_950, 5.63), (None, 16_001, 5.66)]
)
def test_voxels(device, where, count, mean):
    """Of 0.1 m, walls at the scanner or at the lowest point; the mean counts the voxel itself."""
    points = load("street").points.to(device)
    origin = torch.zeros(3, device=device) if where == "scanner" else None
    voxels = gather3d.voxelize(points, SIZE, origin=origin)
    xyz = points.cpu().double().numpy()
    cell = np.floor((xyz - (0 if where == "scanner" else xyz.min(0))) / SIZE).astype(np.int64)
    wanted, inverse, counts = np.unique(
        (cell - np.minimum(cell.min(0), 0))[:, ::-1],
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    close(voxels.coords[:, 1:], wanted)
    close(voxels.inverse, inverse)
    close(voxels.counts, counts)
    there = (gather3d.neighbour_index(voxels.coords) >= 0).sum(1)
    close(there, cKDTree(wanted).query_ball_point(wanted, r=1, p=np.inf, return_length=True))
    assert len(wanted) == count
    assert round(there.double().mean().item(), 2) == mean
