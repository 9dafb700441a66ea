"""More than 2³¹ elements: no flat index overflows, in int32, in float32 or in float64.

On the CPU a large input is memory that nobody has written to, so that it costs nothing; a large
result costs its size, and is left out where there is no room.
"""

import itertools

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

import gather3d

from .inputs import close

MANY = 2**31 + 11
EDGE = 1291  # EDGE³ is above 2³¹


@pytest.fixture(autouse=True)
def own_memory(request: pytest.FixtureRequest) -> None:
    if "device" in request.fixturenames and request.getfixturevalue("device") == "standin":
        pytest.skip("kernels and memory are the CPU's, where large inputs are tried")


def zeros(*shape: int, device: str) -> Tensor:
    """float16 zeros; on the CPU from pages that are made when they are written."""
    if device == "cpu":
        return torch.from_numpy(np.zeros(shape, np.float16))
    return torch.zeros(shape, dtype=torch.float16, device=device)


def room(device: str, gigabytes: float) -> None:
    free = psutil.virtual_memory().available
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
    if free < (gigabytes + 2) * 1e9:
        pytest.skip(f"wants {gigabytes} GB of memory and 2 to spare, {free / 1e9:.0f} are free")


@pytest.mark.parametrize("B", [1, 2])
def test_gather_points(device, B):
    """In one batch element, and over both of them."""
    N = MANY // B
    features = zeros(B, 1, N, device=device)
    features[-1, 0, N - 2], features[-1, 0, 5] = 3, 4
    index = torch.tensor([[N - 2, -1, 5, N - 1]], device=device).expand(B, 4)
    close(gather3d.gather_points(features, index)[-1], [[3.0, 0, 4, 0]])
    if B > 1:
        close(gather3d.gather_points(features, index.int())[-1], [[3.0, 0, 4, 0]])


def test_gather_loops(device):
    input = zeros(MANY, device=device)
    input[-2] = 3
    close(gather3d.gather_loops(input, 0, torch.tensor([MANY - 2, 1], device=device)), [3.0, 0])


def test_scatter_points(device):
    """Nor does what stands for a missing index wrap, in the dtype that the indices came in."""
    room(device, 4.5)
    last = 2**31 - 1
    index = torch.tensor([[last, -1, 5, last]], dtype=torch.int32, device=device)
    values = torch.tensor([[[1.0, 2, 4, 8]]], dtype=torch.float16, device=device)
    out = gather3d.scatter_points(values, index, MANY)
    assert out.shape == (1, 1, MANY)
    close(out[0, 0, [last, 5, 0, last + 1, MANY - 1]], [9.0, 4, 0, 0, 0])


SHAPES = [(2, EDGE, EDGE, EDGE), (5, 10**6, 10**6, 10**6), (1, 1, 2**62 - 1, 2), (2**31, 2**31 + 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_flat_indices(device, shape):
    """Python's integers, which have no end, are the reference."""
    corners = [{0, n // 2, max(0, n - 2), n - 1} for n in shape]
    coords = list(itertools.product(*corners))
    wanted = []
    for c in coords:
        flat = 0
        for at, n in zip(c, shape, strict=True):
            flat = flat * n + at
        wanted.append(flat)
    coords = torch.tensor(coords, device=device)
    flat = gather3d.ravel_index(coords, shape)
    assert flat.tolist() == wanted
    assert torch.equal(gather3d.unravel_index(flat, shape), coords)
    if max(shape) < 2**31:
        assert gather3d.ravel_index(coords.int(), shape).tolist() == wanted


def test_voxelize(device):
    """A kilometre in millimetres: 10¹⁸ cells."""
    points = torch.tensor([[999.9995, 999.9985, 0.0005], [0.0005, 0.0005, 0.0005]], device=device)
    voxels = gather3d.voxelize(points.double(), 0.001, origin=torch.zeros(3, device=device))
    assert voxels.shape == (1, 999_999, 10**6)
    assert voxels.coords.tolist() == [[0, 0, 0, 0], [0, 0, 999_998, 999_999]]
    assert voxels.inverse.tolist() == [1, 0]


def test_voxelize_a_long_way(device):
    """3 · 10⁹ voxels along one axis, more than int32 can count."""
    points = [[3e6 + 0.0005, 0, 0], [0.0005, 0, 0]]
    points = torch.tensor(points, dtype=torch.float64, device=device)
    voxels = gather3d.voxelize(points, 0.001, origin=torch.zeros(3, device=device))
    assert voxels.coords.tolist() == [[0, 0, 0, 0], [0, 0, 0, 3 * 10**9]]


FAR = [0, 10**6, 10**6, 10**6 - 40]
NEAR = list(itertools.product(range(2), range(2), range(3)))


def shifted(device: str) -> tuple[Tensor, Tensor]:
    """Some voxels at the origin, and the same ones far away."""
    near = torch.tensor([[0, *zyx] for zyx in NEAR], device=device)
    return near, near + torch.tensor(FAR, device=device)


def test_neighbour_index(device):
    near, far = shifted(device)
    wanted = gather3d.neighbour_index(near)
    assert torch.equal(gather3d.neighbour_index(far), wanted)
    both = gather3d.neighbour_index(torch.cat([near, far]))
    assert torch.equal(both, torch.cat([wanted, (wanted + len(near)).where(wanted >= 0, -1)]))


@pytest.mark.parametrize("submanifold", [False, True])
def test_sparse_conv3d(device, submanifold):
    near, far = shifted(device)
    near[:, 1:] += 2  # away from the walls
    features = torch.arange(len(near) * 2.0, device=device).reshape(-1, 2)
    weight = torch.arange(3 * 2 * 27.0, device=device).reshape(3, 2, 3, 3, 3)
    results = []
    for coords, shape in ((near, (9, 9, 9)), (far, (10**6 + 9,) * 3)):
        x = gather3d.SparseVolume(coords, features, shape, 1)
        results.append(gather3d.sparse_conv3d(x, weight, submanifold=submanifold))
    small, large = results
    assert torch.equal(large.features, small.features)
    assert torch.equal(large.coords - small.coords, (far - near)[:1].expand_as(large.coords))


def test_to_dense(device):
    room(device, 4.5)
    coords = torch.tensor([[0, 0, 0, 1], [0, EDGE - 1, EDGE - 1, EDGE - 2]], device=device)
    features = torch.tensor([[1.0], [2.0]], dtype=torch.float16, device=device)
    dense = gather3d.SparseVolume(coords, features, (EDGE,) * 3, 1).to_dense()
    assert dense.shape == (1, 1, EDGE, EDGE, EDGE)
    close(dense[0, 0, -1, -1, -3:], [0.0, 2, 0])
    close(dense[0, 0, 0, 0, :3], [0.0, 1, 0])


def test_trilinear_sample(device):
    room(device, 4.5 if device == "cpu" else 9)  # as rows, and the volume where it is not free
    volume = zeros(1, 1, EDGE, EDGE, EDGE, device=device)
    volume[0, 0, -1, -1, -2:] = torch.tensor([2.0, 4.0])
    end = EDGE - 1.0  # float16 has whole numbers only here
    coords = [[end, end, end], [end, end, end - 1], [end, end, end - 2], [end - 1, end, end]]
    coords = torch.tensor([coords], dtype=torch.float16, device=device)
    close(gather3d.trilinear_sample(volume, coords), [[[4.0, 2, 0, 0]]])


def test_knn(device):
    """More than 2³¹ pairs, and the nearest of each point is that point."""
    random = np.random.default_rng(0)
    points = torch.from_numpy(random.uniform(0, 30, (1, 50_000, 3))).float().to(device)
    assert points.shape[1] ** 2 > 2**31
    distance, index = gather3d.knn(points, points, 1)
    assert not distance.any()
    assert torch.equal(index[0, :, 0], torch.arange(50_000, device=device))


def test_shapes_without_memory():
    """On the meta device there are shapes and no values: nothing is read, nothing refused."""
    meta = torch.device("meta")
    features, index = torch.zeros(1, 64, MANY, device=meta), torch.zeros(1, 9, device=meta).long()
    assert gather3d.gather_points(features, index).shape == (1, 64, 9)
    assert gather3d.scatter_points(features[..., :9], index, MANY).shape == (1, 64, MANY)
    volume = torch.zeros(1, 2, EDGE, EDGE, EDGE, device=meta)
    assert gather3d.trilinear_sample(volume, torch.zeros(1, 9, 3, device=meta)).shape == (1, 2, 9)
