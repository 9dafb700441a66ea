"""Voxels and nearest neighbours against Open3D."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gather3d
from gather3d.datasets import load

from ..inputs import SEEDS, close, values
from .referee import referee

open3d = referee("open3d-cpu", "open3d")


def cloud(points: torch.Tensor):
    return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.double().cpu().numpy()))


@given(SEEDS, st.integers(1, 200), st.sampled_from([0.3, 1.0, 2.5]))
def test_voxel_means(seed, count, edge):
    """The mean of each voxel's points. Open3D's voxels start half an edge below the least point."""
    points = values(seed, (count, 3))
    origin = points.amin(0) - edge / 2
    voxels = gather3d.voxelize(points, edge, origin=origin)
    ours = gather3d.pool(points, voxels)
    theirs = np.asarray(cloud(points).voxel_down_sample(edge).points)
    close(in_order(ours), in_order(torch.from_numpy(theirs)), rtol=1e-9, atol=1e-9)


def in_order(rows: torch.Tensor) -> torch.Tensor:
    """Rows sorted by their first column, and by the next where that is equal."""
    return rows[np.lexsort(rows.T.flip(0).numpy())]


def test_the_street_in_voxels(device):
    points = load("street").points.double()
    origin = points.amin(0) - 0.05
    voxels = gather3d.voxelize(points.to(device), 0.1, origin=origin.to(device))
    ours = gather3d.pool(points.to(device), voxels).cpu()
    theirs = torch.from_numpy(np.asarray(cloud(points).voxel_down_sample(0.1).points))
    close(in_order(ours), in_order(theirs), rtol=1e-9, atol=1e-9)


@given(SEEDS, st.integers(1, 200), st.integers(1, 20), st.sampled_from([0.5, 1.5]))
def test_balls(seed, count, k, radius):
    """Open3D's hybrid search: the nearest k within the radius, squared distances."""
    points, query = values(seed, (count, 3)), values(seed + 1, (7, 3))
    distance, index = gather3d.ball_query(query[None], points[None], radius, k)
    tree = open3d.geometry.KDTreeFlann(cloud(points))
    for row in range(len(query)):
        found, near, squared = tree.search_hybrid_vector_3d(query[row].numpy(), radius, k)
        close(index[0, row, :found], np.asarray(near, dtype=np.int64))
        close(distance[0, row, :found], np.sqrt(np.asarray(squared)))
        assert (index[0, row, found:] == -1).all()


@pytest.mark.parametrize("k", [1, 16])
def test_nearest_on_the_street(device, k):
    """Open3D's search in float32 on tensors, against ours; the scan holds many equal points."""
    points = load("street").points
    search = open3d.core.nns.NearestNeighborSearch(open3d.core.Tensor(points.numpy()))
    search.knn_index()
    query = points[::50]
    _, squared = search.knn_search(open3d.core.Tensor(query.contiguous().numpy()), k)
    distance, _ = gather3d.knn(query[None].to(device), points[None].to(device), k)
    close(distance[0], np.sqrt(squared.numpy()), rtol=1e-4, atol=1e-4)
