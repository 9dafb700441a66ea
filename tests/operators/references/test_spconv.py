"""The neighbour table, the kernel map and the sparse convolution against spconv.

On its CPU path spconv shares torch's threads, and with two of them its sums come out differently
from run to run; here there is one (`one_thread` in conftest.py).
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gather3d
from gather3d.datasets import load

from ..inputs import SEEDS, close, values
from .referee import referee

spconv = referee("spconv", "spconv.pytorch")
Point2VoxelCPU3d = referee("spconv", "spconv.utils").Point2VoxelCPU3d
tv = referee("spconv", "cumm.tensorview")
SHAPE, BATCH = (6, 7, 9), 2


def some_voxels(seed: int, share: float) -> torch.Tensor:
    """(b, z, y, x), sorted; at least one."""
    there = np.random.default_rng(seed).random((BATCH, *SHAPE)) < share
    there[0, 3, 3, 4] = True
    return torch.from_numpy(np.argwhere(there)).contiguous()  # spconv takes no other


def street() -> torch.Tensor:
    return gather3d.voxelize(load("street").points, 0.1, origin=torch.zeros(3)).coords


def run(kind: str, coords, features, weight, shape, batch, **options):
    """A layer of spconv with our weight, [Co, Ci, kD, kH, kW] as its [Co, kD, kH, kW, Ci]."""
    assert torch.get_num_threads() == 1
    Co, Ci, *kernel = weight.shape
    layer = getattr(spconv, kind)(Ci, Co, kernel, bias=False, **options)
    layer.weight.data = weight.permute(0, 2, 3, 4, 1).contiguous()
    with torch.no_grad():
        return layer(spconv.SparseConvTensor(features, coords.int(), list(shape), batch))


def in_order(coords: torch.Tensor, features: torch.Tensor, shape) -> tuple:
    """spconv gives its outputs in any order."""
    order = gather3d.ravel_index(coords.long(), (BATCH, *shape)).argsort()
    return coords[order].long(), features[order]


@given(SEEDS, st.sampled_from([0.02, 0.2, 0.9]), st.sampled_from([(3, 1), (5, 1), (3, 2)]))
@settings(max_examples=30)
def test_submanifold(seed, share, kernel):
    size, dilation = kernel
    coords = some_voxels(seed, share)
    features = values(seed, (len(coords), 4), torch.float32)
    weight = values(seed + 1, (5, 4, size, size, size), torch.float32)
    padding = dilation * (size // 2)
    theirs = run(
        "SubMConv3d", coords, features, weight, SHAPE, BATCH, dilation=dilation, padding=padding
    )
    x = gather3d.SparseVolume(coords, features, SHAPE, BATCH)
    ours = gather3d.sparse_conv3d(x, weight, dilation=dilation, submanifold=True)
    close(ours.coords, theirs.indices.long())
    close(ours.features, theirs.features, rtol=1e-4, atol=1e-4)


@given(SEEDS, st.sampled_from([0.02, 0.2, 0.9]), st.sampled_from([(3, 1, 1), (3, 2, 1), (2, 2, 0)]))
@settings(max_examples=30)
def test_ordinary(seed, share, kernel):
    size, stride, padding = kernel
    coords = some_voxels(seed, share)
    features = values(seed, (len(coords), 4), torch.float32)
    weight = values(seed + 1, (5, 4, size, size, size), torch.float32)
    theirs = run(
        "SparseConv3d", coords, features, weight, SHAPE, BATCH, stride=stride, padding=padding
    )
    x = gather3d.SparseVolume(coords, features, SHAPE, BATCH)
    ours = gather3d.sparse_conv3d(x, weight, stride=stride, padding=padding)
    assert ours.shape == tuple(theirs.spatial_shape)
    wanted_coords, wanted = in_order(theirs.indices, theirs.features, ours.shape)
    close(ours.coords, wanted_coords)
    close(ours.features, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_neighbours_on_the_street(kernel_size):
    """spconv lists the pairs of a tap; of a tap and its mirror image it lists the first."""
    coords = street()
    K = kernel_size**3
    every, one, half = [kernel_size] * 3, [1] * 3, [kernel_size // 2] * 3
    _, lists, counts = spconv.ops.get_indice_pairs(
        coords.int(),
        1,
        (coords.amax(0)[1:] + 1).tolist(),
        spconv.ConvAlgo.Native,
        every,
        one,
        half,
        one,
        [0] * 3,
        subm=True,
    )
    wanted = torch.full((len(coords), K), -1)
    wanted[:, K // 2] = torch.arange(len(coords))
    for tap in range(K // 2):
        reads, writes = lists[:, tap, : counts[tap]].long()
        wanted[writes, tap] = reads
        wanted[reads, K - 1 - tap] = writes
    close(gather3d.neighbour_index(coords, kernel_size), wanted)


def test_a_layer_on_the_street():
    coords = street()
    shape = tuple((coords.amax(0)[1:] + 1).tolist())
    features = values(0, (len(coords), 16), torch.float32)
    weight = values(1, (16, 16, 3, 3, 3), torch.float32) / 20
    theirs = run("SubMConv3d", coords, features, weight, shape, 1)
    x = gather3d.SparseVolume(coords, features, shape, 1)
    ours = gather3d.sparse_conv3d(x, weight, submanifold=True)
    close(ours.features, theirs.features, rtol=1e-4, atol=1e-4)


@given(SEEDS, st.sampled_from([0.02, 0.2, 0.9]))
@settings(max_examples=30)
def test_sum(seed, share):
    """spconv adds volumes whose voxels differ, too."""
    parts = []
    for at in (seed, seed + 1):
        coords = some_voxels(at, share)
        parts.append((coords, values(at, (len(coords), 4), torch.float32)))
    one, other = (gather3d.SparseVolume(*part, SHAPE, BATCH) for part in parts)
    theirs = spconv.functional.sparse_add(
        *(spconv.SparseConvTensor(f, c.int(), list(SHAPE), BATCH) for c, f in parts)
    )
    ours = one + other
    wanted_coords, wanted = in_order(theirs.indices, theirs.features, SHAPE)
    close(ours.coords, wanted_coords)
    close(ours.features, wanted)


def test_a_dense_volume_read_by_spconv():
    """It takes the memory of coordinates as it lies."""
    dense = values(0, (2, 3, 4, 5, 6), torch.float32) * (values(1, (2, 1, 4, 5, 6)) > 0)
    sparse = gather3d.SparseVolume.from_dense(dense.float())
    theirs = spconv.SparseConvTensor(sparse.features, sparse.coords.int(), [4, 5, 6], 2)
    close(theirs.dense(), dense)
    weight = values(2, (3, 3, 3, 3, 3), torch.float32)
    wanted = run("SubMConv3d", sparse.coords, sparse.features, weight, (4, 5, 6), 2, padding=1)
    ours = gather3d.sparse_conv3d(sparse, weight, submanifold=True)
    close(ours.features, wanted.features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(0.2, 0.4, 0.8), (1.5, 0.25, 4.0)])
def test_voxels_in_bounds(size):
    """spconv's point to voxel, with its range; on sixteenths, which float32 divides as float64."""
    low, high = (-3.0, -4.0, -2.0), (3.0, 4.0, 2.0)
    points = (load("street").points[::7] * 16).round() / 16 + 1 / 64
    shape = (np.array(high) - low) / size
    make = Point2VoxelCPU3d(list(size), [*low, *high], 3, 20_000, 5)
    plain = points.numpy()  # spconv keeps its address, and not the array
    _, indices, counts = make.point_to_voxel(tv.from_numpy(plain))
    zyx = torch.from_numpy(indices.numpy().copy()).long()
    ours = gather3d.voxelize(points, size, bounds=(low, high))
    assert ours.shape == tuple(np.round(shape).astype(int)[::-1]) and (ours.inverse < 0).any()
    order = gather3d.ravel_index(zyx, ours.shape).argsort()
    close(ours.coords[:, 1:], zyx[order])
    close(ours.counts.clamp(max=5), torch.from_numpy(counts.numpy().copy()).long()[order])
