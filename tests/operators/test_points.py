"""Searches against scipy's cKDTree, farthest points against their definition."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from torch.autograd import gradcheck, gradgradcheck

import gather3d
from gather3d.datasets import load

from .conftest import DEVICES
from .inputs import FLOATS, LAYOUTS, SEEDS, SIZES, close, place, values, whole

SCALES = st.sampled_from([1e-3, 1.0, 1e3])  # millimetres to kilometres
WAYS = st.sampled_from(["all pairs", "boxes"])


def searching(way):
    """Small clouds are searched by all pairs; here also by the way of the large ones."""
    return patch.object(gather3d.nearest, "ALL_PAIRS", 0 if way == "boxes" else 2**22)


@st.composite
def clouds(draw, least=1, make=None):
    """(query [B, M, 3], points [B, N, 3]), scattered or on a lattice with many equal distances."""
    B, M, N = draw(SIZES), draw(SIZES), draw(st.integers(least, 9))
    make, seed = make or draw(st.sampled_from([values, whole])), draw(SEEDS)
    scale = draw(SCALES) if make is values else 1
    return make(seed, (B, M, 3)) * scale, make(seed + 1, (B, N, 3)) * scale


def scattered(least=1):
    return clouds(least, values)


def lengths(query, points, index):
    """The distance from each query to the points that index names, by numpy."""
    picked = np.take_along_axis(points[:, None], index[..., None], axis=2)  # [B, M, k, 3]
    return np.linalg.norm(query[:, :, None] - picked, axis=3)


@given(st.data(), clouds(), FLOATS, LAYOUTS, WAYS)
def test_knn(device, data, cloud, dtype, layout, way):
    query, points = (x.to(dtype) for x in cloud)
    k = data.draw(st.integers(1, points.shape[1]))
    with searching(way):
        distance, index = gather3d.knn(
            place(query, device, layout), place(points, device, layout), k
        )
    assert (distance.dtype, index.dtype) == (dtype, torch.int64)
    index = index.cpu().numpy()
    query, points = query.double().numpy(), points.double().numpy()
    for b in range(len(points)):
        wanted, _ = cKDTree(points[b]).query(query[b], k=list(range(1, k + 1)))
        close(distance[b], wanted)
    close(distance, lengths(query, points, index))
    ordered = np.sort(index, axis=2)
    assert (ordered[..., 1:] > ordered[..., :-1]).all(), "a neighbour stands twice"


@given(st.data(), scattered(), WAYS)
def test_knn_index(device, data, cloud, way):
    query, points = cloud
    k = data.draw(st.integers(1, points.shape[1]))
    with searching(way):
        _, index = gather3d.knn(query.to(device), points.to(device), k)
    for b in range(len(points)):
        close(index[b], cKDTree(points[b].numpy()).query(query[b].numpy(), range(1, k + 1))[1])


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_knn_in_blocks(device, monkeypatch, way):
    """Many queries are searched part by part: the parts come back in order."""
    query, points = values(0, (2, 50, 3)).to(device), values(1, (2, 70, 3)).to(device)
    whole_search = gather3d.knn(query, points, 4)
    monkeypatch.setattr(gather3d.nearest, "WIDE_BLOCK", 100)
    monkeypatch.setattr(gather3d.nearest, "BLOCK", {})
    with searching(way):
        in_parts = gather3d.knn(query, points, 4)
    close(in_parts[0], whole_search[0])
    close(in_parts[1], whole_search[1])


PLACES = {  # from normal numbers x [N, 3] and uniform ones u [N, 3]: hard for a grid or a tree
    "scattered": lambda x, u: x,
    "on a line": lambda x, u: x * [1, 0, 0],
    "on a plane": lambda x, u: x * [1, 1, 0],
    "on a lattice": lambda x, u: np.floor(16 * u),
    "all in one place": lambda x, u: 0 * x + [1, 2, 3],
    "half of them in one place": lambda x, u: np.where(u[:, :1] < 0.5, 0, x),
    "a few dense clusters": lambda x, u: np.floor(5 * u[:, :1]) * 100 + x / 100,
    "from millimetres to kilometres": lambda x, u: x * 10 ** (6 * u[:, :1] - 3),
    "one very far away": lambda x, u: np.concatenate([[[1e9, -1e9, 1e9]], x[1:]]),
    "far from the origin": lambda x, u: u + 1e4,
    "two clusters far apart": lambda x, u: u + 1e7 * (u[:, :1] < 0.5),
    "padded by one place": lambda x, u: np.where(np.arange(len(u))[:, None] < 700, u, 1e6),
    "with long tails": lambda x, u: x / u[:, ::-1],
    "very small": lambda x, u: x * 1e-25,
}


def places(name, shape, seed, dtype=torch.float64):
    random = np.random.default_rng(seed)
    x, u = random.standard_normal((*shape, 3)), random.random((*shape, 3))
    each = [PLACES[name](*cloud) for cloud in zip(x, u, strict=True)]
    return torch.from_numpy(np.stack(each)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PLACES)
def test_search_by_boxes(device, name, dtype):
    """Every point asks, and so do places beside the cloud and far outside it."""
    points = places(name, (2, 1500), 0, dtype)
    asked = torch.cat([places(name, (2, 200), 1, dtype), values(2, (2, 9, 3), dtype) * 1e3], 1)
    radius = 1.0  # on the lattice some points are at exactly this distance
    for query, k in ((points, 16), (asked, 16), (asked, 1), (asked, 70)):
        with searching("boxes"):
            on_device = points.to(device)
            there = on_device if query is points else query.to(device)
            distance, index = (x.cpu() for x in gather3d.knn(there, on_device, k))
            inside, which = (x.cpu() for x in gather3d.ball_query(there, on_device, radius, k))
        for b in range(2):
            wanted, _ = cKDTree(points[b].double()).query(query[b].double(), range(1, k + 1))
            close(distance[b], wanted)
            close(inside[b], np.where(wanted <= radius, wanted, np.inf))
        exact = {"query": query.double().numpy(), "points": points.double().numpy()}
        close(distance, lengths(**exact, index=index.numpy()))
        found = which >= 0
        assert torch.equal(found, inside.isfinite())
        close(inside[found], lengths(**exact, index=which.numpy())[found])
        assert (index.sort(2)[0].diff(dim=2) > 0).all(), "a neighbour stands twice"


@contextmanager
def comparisons():
    """How many distances, to points and to boxes, a search computes, on every device as on the
    CPU: elsewhere small clouds are compared whole."""
    count, squared = [0], gather3d.nearest._squared
    block = gather3d.nearest.BLOCK

    def counted(*arguments):
        result = squared(*arguments)
        count[0] += result.numel()
        return result

    with (
        patch.object(gather3d.nearest, "_squared", counted),
        patch.dict(block, {name: block["cpu"] for name in DEVICES}),
    ):
        yield count


def test_knn_of_the_whole_scan(device):
    """69,792 points of very unequal density, 5,107 of them copies of one place."""
    points = load("street").points
    asked = points[None].to(device)
    with comparisons() as count:
        distance, index = gather3d.knn(asked, asked, 16)
    assert count[0] < 300 * len(points)
    wanted, _ = cKDTree(points.double()).query(points.double(), 16, workers=-1)
    close(distance[0], wanted, rtol=1e-5, atol=1e-6)
    apart = (points[index[0].cpu()] - points[:, None]).double().norm(dim=2)
    close(apart, wanted, rtol=1e-5, atol=1e-6)


def test_many_copies_of_one_place(device):
    """The search leaves out the copies that no query needs, instead of comparing all of them."""
    points = torch.ones(1, 30_000, 3, device=device)
    with comparisons() as count:
        distance, index = gather3d.knn(points, points, 4)
    assert distance.eq(0).all() and (index.sort(2)[0].diff(dim=2) > 0).all()
    assert count[0] < 200 * 30_000


def pairs(query, points, k=8):
    """How many distances a search computes, for each query."""
    with searching("boxes"), comparisons() as count:
        gather3d.knn(query, points, k)
    return count[0] / query.shape[1]


@pytest.mark.parametrize("name", PLACES)
def test_an_unlucky_cloud_costs_little_more(device, name):
    """Than as many points in a box: comparisons are counted, and nothing is timed."""
    box = torch.from_numpy(np.random.default_rng(0).random((1, 4000, 3))).to(device)
    cloud = places(name, (1, 4000), 0).to(device)
    # tails have boxes as long as the cloud, which hold points of every scale
    most = 6 if name in ("from millimetres to kilometres", "with long tails") else 4
    assert pairs(cloud, cloud) < most * pairs(box, box)


SHIFTS = {
    "beside": (2, 0, 0),
    "beyond a corner": (2, 2, 2),
    "a kilometre away": (1e3, 0, 0),
    "away along an edge": (1e3, 1e3, 0),
    "so far that distances round to one": (1e7, 0, 0),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SHIFTS)
def test_queries_outside_cost_little_more(device, name, dtype):
    random = np.random.default_rng(0)
    points, asked = (torch.from_numpy(random.random((1, 4000, 3))).to(dtype) for _ in range(2))
    query = asked + torch.tensor(SHIFTS[name], dtype=dtype)
    inside = pairs(asked.to(device), points.to(device))
    assert pairs(query.to(device), points.to(device)) < 3 * inside
    with searching("boxes"):
        distance, index = gather3d.knn(query.to(device), points.to(device), 8)
    wanted, _ = cKDTree(points[0].double()).query(query[0].double(), 8)
    close(distance[0], wanted)
    found = lengths(query.double().numpy(), points.double().numpy(), index.cpu().numpy())
    # a distance of 10 million metres is known to one metre in float32, but the points are told
    # apart by more than that: those found are the nearest but for the rounding of their offsets
    close(
        torch.from_numpy(found)[0], wanted, rtol=1e-9 if dtype == torch.float64 else 2e-7, atol=1e-6
    )


def test_one_outlier_among_points_and_queries_of_another_scale(device):
    random = np.random.default_rng(0)
    points, query = (torch.from_numpy(random.random((1, 3000, 3))).to(device) for _ in range(2))
    usual = pairs(query, points)
    points[0, 0] = 1e7
    query = query.clone()
    query[0, 1] = -1e9
    assert pairs(query, points) < 3 * usual


SIZED = [7, 0, 1, 40]


@pytest.mark.parametrize("whole_number", [torch.int64, torch.int32])
@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_clouds_of_different_lengths(device, way, whole_number):
    """Each as if it were alone; what stands beyond its length is not read, even NaN."""
    query, points = values(0, (4, 30, 3)), values(1, (4, 40, 3))
    for b, n in enumerate(SIZED):
        points[b, n:] = float("nan")
    sizes = torch.tensor(SIZED, dtype=whole_number, device=device)
    there = points.to(device)
    with searching(way):
        distance, index = gather3d.knn(query.to(device), there, 9, sizes)
        inside, which = gather3d.ball_query(query.to(device), there, 1.0, 9, lengths=sizes)
        selves, mine = gather3d.knn(there, there, 9, sizes)
    for b, n in enumerate(SIZED):
        wanted = np.full((30, 9), np.inf), np.full((30, 9), -1)
        near = min(n, 9)
        if n:
            found = cKDTree(points[b, :n]).query(query[b], range(1, near + 1))
            wanted[0][:, :near], wanted[1][:, :near] = found
        close(distance[b], wanted[0])
        close(index[b], wanted[1])
        close(inside[b], np.where(wanted[0] <= 1, wanted[0], np.inf))
        close(which[b], np.where(wanted[0] <= 1, wanted[1], -1))
        assert selves[b, n:].isinf().all() and (mine[b, n:] == -1).all()
        if n:
            found, _ = cKDTree(points[b, :n]).query(points[b, :n], range(1, near + 1))
            close(selves[b, :n, :near], found)
            assert (mine[b, :n, near:] == -1).all() and mine[b, :n, 0].tolist() == list(range(n))


def test_farthest_points_of_different_lengths(device):
    points = values(1, (4, 40, 3))
    for b, n in enumerate(SIZED):
        points[b, n:] = float("nan")
    sizes = torch.tensor(SIZED, device=device)
    got = gather3d.farthest_point_sample(points.to(device), 12, lengths=sizes).cpu()
    for b, n in enumerate(SIZED):
        alone = min(n, 12)
        if n:
            wanted = gather3d.farthest_point_sample(points[b : b + 1, :n], alone)
            assert torch.equal(got[b, :alone], wanted[0])
        assert (got[b, alone:] == -1).all()


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_no_gradient_for_padding(device, way):
    query, points = values(0, (3, 5, 3)).to(device), values(1, (3, 6, 3)).to(device)
    sizes = torch.tensor([2, 0, 6], device=device)
    query.requires_grad_(), points.requires_grad_()
    with searching(way):
        there = gather3d.knn(query, points, 4, sizes)[1] >= 0
        assert gradcheck(lambda q, p: gather3d.knn(q, p, 4, sizes)[0][there], (query, points))
        gather3d.ball_query(query, points, 3.0, 4, sizes)[0][there].sum().backward()
    assert points.grad.isfinite().all() and query.grad.isfinite().all()
    assert not points.grad[0, 2:].any() and not points.grad[1].any() and points.grad[2].any()


def test_a_small_ball_is_a_short_search(device):
    points = places("scattered", (1, 3000), 0).to(device)
    with comparisons() as near:
        gather3d.ball_query(points, points, 0.01, 16)
    with comparisons() as far:
        gather3d.ball_query(points, points, 100.0, 16)
    assert near[0] < 0.7 * far[0]


def test_knn_far_from_the_origin(device):
    """Differences of large coordinates keep their digits: 0.25 m apart, 100 km away, in float32."""
    points = torch.tensor([[[1e5, 1e5, 0.0], [1e5 + 0.25, 1e5, 0.0]]], device=device)
    distance, index = gather3d.knn(points, points, 2)
    assert distance.tolist() == [[[0, 0.25], [0, 0.25]]]
    assert index.tolist() == [[[0, 1], [1, 0]]]


RADII = st.sampled_from([0.5, 1, 3.0, 5.0])


@given(clouds(least=0), st.integers(1, 12), RADII, FLOATS, LAYOUTS, WAYS)
def test_ball_query(device, cloud, k, radius, dtype, layout, way):
    query, points = (x.to(dtype) for x in cloud)
    with searching(way):
        distance, index = gather3d.ball_query(
            place(query, device, layout), place(points, device, layout), radius, k
        )
    assert (distance.dtype, index.dtype) == (dtype, torch.int64)
    distance, index = distance.cpu().double().numpy(), index.cpu().numpy()
    query, points = query.double().numpy(), points.double().numpy()
    assert ((index == -1) == np.isinf(distance)).all()
    for b, m in np.ndindex(query.shape[:2]):
        inside = cKDTree(points[b]).query_ball_point(query[b, m], radius) if len(points[b]) else []
        found = index[b, m][index[b, m] >= 0]
        assert len(found) == min(k, len(inside)) and (index[b, m, len(found) :] == -1).all()
        assert len(set(found)) == len(found) and set(found) <= set(inside)
        nearest = np.sort(np.linalg.norm(points[b, inside] - query[b, m], axis=1))[:k]
        np.testing.assert_allclose(distance[b, m, : len(found)], nearest, rtol=1e-5)
        np.testing.assert_allclose(
            lengths(query[b : b + 1, m : m + 1], points[b : b + 1], found[None, None]),
            nearest[None, None],
            rtol=1e-5,
        )


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_ball_query_takes_a_point_at_exactly_the_radius(device, way):
    query = torch.zeros(1, 1, 3, device=device)
    points = torch.tensor([[[3.0, 4, 0], [0, 0, 5], [0, 3, -4], [5, 0, 0.1]]], device=device)
    with searching(way):
        distance, index = gather3d.ball_query(query, points, radius=5, k=4)
    assert sorted(index[0, 0].tolist()) == [-1, 0, 1, 2]
    assert distance[0, 0, :3].tolist() == [5, 5, 5]


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_radius_is_rounded_as_the_points_are(device, way, dtype):
    """A point at 0.3 is in a ball of 0.3, whatever number that is in half precision."""
    query = torch.zeros(1, 1, 3, dtype=dtype, device=device)
    points = torch.tensor([[[0.3, 0, 0], [0, 0.302, 0], [0, 0, 0.29]]], device=device).to(dtype)
    with searching(way):
        distance, index = gather3d.ball_query(query, points, np.float64(0.3), 3)
    assert index.tolist() == [[[2, 0, -1]]]
    close(distance[0, 0, :2], points[0, [2, 0]].amax(1))


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float16, 300.0), (torch.float16, 1e-4), (torch.float32, 1e25), (torch.float32, 1e-25),
     (torch.bfloat16, 1e30), (torch.float64, 1e200), (torch.float64, 1e-200)],
)  # fmt: skip
def test_in_any_unit(device, way, dtype, scale):
    """Squares that no number of this dtype can hold, of distances that it can."""
    whole_metres = torch.from_numpy(np.random.default_rng(0).permutation(60).reshape(1, 20, 3))
    points = (whole_metres.to(torch.float64) * scale).to(dtype)
    exact = points.double().numpy()[0] / scale
    there = points.to(device).requires_grad_()
    with searching(way):
        distance, index = gather3d.knn(points.to(device), points.to(device), 4)
        same, _ = gather3d.knn(there, there, 4)
    same[..., 1:].sum().backward()
    assert there.grad.isfinite().all() and there.grad.abs().amax() > 0.1
    wanted, _ = cKDTree(exact).query(exact, 4)
    for got in distance, same.detach():
        close(got[0].double() / scale, wanted, rtol=4 * torch.finfo(dtype).eps, atol=1e-12)
    found = lengths(exact[None], exact[None], index.cpu().numpy())
    close(torch.from_numpy(found)[0], wanted)
    got = gather3d.farthest_point_sample(points.to(device), 20)
    close(got, gather3d.farthest_point_sample(torch.from_numpy(exact)[None], 20))


def test_distances_in_half_have_one_gradient(device):
    """The gradient of a distance is a unit vector, 400 m away as 0.1 mm away."""
    points = torch.tensor([[[0.0, 0, 0], [240, 320, 0]]], dtype=torch.float16, device=device)
    query = torch.zeros(1, 1, 3, dtype=torch.float16, device=device, requires_grad=True)
    gather3d.knn(query, points, 2)[0][0, 0, 1].backward()
    close(query.grad[0, 0].float(), torch.tensor([-0.6, -0.8, 0]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_nothing_is_made_on_the_default_device(device, way):
    query, points = values(0, (2, 9, 3)).to(device), values(1, (2, 12, 3)).to(device)
    sizes = torch.tensor([12, 5], device=device)

    def results():
        yield from gather3d.knn(query, points, 3)
        yield from gather3d.knn(points, points, 3, sizes)
        yield from gather3d.ball_query(query, points, 1.0, 15, sizes)
        yield gather3d.farthest_point_sample(points, 3, 1, sizes)
        yield gather3d.interpolate(query, points, points.mT)

    with searching(way):
        wanted = list(results())
        with torch.device("meta"):
            got = list(results())
        with torch.autocast(query.device.type, torch.bfloat16):
            cast = list(results())
    for one, other, third in zip(wanted, got, cast, strict=True):
        assert torch.equal(one, other) and torch.equal(one, third) and one.is_contiguous()


@given(st.data(), clouds(), FLOATS, LAYOUTS)
def test_farthest_point_sample(device, data, cloud, dtype, layout):
    _, points = cloud
    points = points.to(dtype)
    N = points.shape[1]
    m, start = data.draw(st.integers(1, N)), data.draw(st.integers(0, N - 1))
    got = gather3d.farthest_point_sample(place(points, device, layout), m, start)
    assert got.dtype == torch.int64
    for b in range(len(points)):
        apart, chosen = cdist(points[b], points[b], "sqeuclidean"), [start]
        while len(chosen) < m:
            nearest = apart[chosen].min(axis=0)
            nearest[chosen] = -1  # none twice, where places coincide
            chosen.append(int(nearest.argmax()))
        assert got[b].tolist() == chosen


@pytest.mark.parametrize("name", ["scattered", "on a lattice", "half of them in one place"])
def test_farthest_points_of_many(device, name):
    """As many as fill several rows; of equally far ones the first in storage order."""
    points = places(name, (2, 700), 0)
    got = gather3d.farthest_point_sample(points.to(device), 400, start=5)
    for b in range(2):
        nearest, chosen = np.full(700, np.inf), [5]
        while len(chosen) < 400:
            offset = points[b].numpy() - points[b, chosen[-1]].numpy()
            nearest = np.minimum(nearest, (offset**2).sum(axis=1))
            nearest[chosen[-1]] = -1  # none twice, where places coincide
            chosen.append(int(nearest.argmax()))
        assert got[b].tolist() == chosen


def test_farthest_points_never_twice(device):
    """Where places coincide, as in PCL; the first of equals comes first."""
    cloud = torch.rand(1, 6, 3, generator=torch.Generator().manual_seed(0)).repeat(1, 2, 1)
    got = gather3d.farthest_point_sample(cloud.to(device), 12)[0].tolist()
    assert sorted(got) == list(range(12)) and sorted(got[:6]) == list(range(6))
    alike = torch.ones(2, 300, 3, device=device)
    got = gather3d.farthest_point_sample(alike, 300, start=7).tolist()
    assert got == 2 * [[7, *range(7), *range(8, 300)]]


@given(st.data(), scattered(), SIZES, FLOATS, LAYOUTS, st.booleans())
def test_interpolate(device, data, cloud, C, dtype, layout, onto):
    query, points = (x.to(dtype) for x in cloud)
    if onto:  # every query lies on a point
        query = points.flip(1)
    B, N = points.shape[:2]
    k = data.draw(st.integers(1, N))
    features = values(N, (B, C, N), dtype)
    got = gather3d.interpolate(
        place(query, device, layout), place(points, device), place(features, device, layout), k
    )
    assert got.dtype == dtype
    for b in range(B):
        distance, index = cKDTree(points[b].double()).query(query[b].double(), range(1, k + 1))
        with np.errstate(divide="ignore"):
            weight = distance**-2.0
        weight = np.where(np.isinf(weight).any(1, keepdims=True), np.isinf(weight), weight)
        weight = weight / weight.sum(1, keepdims=True)  # [M, k]
        picked = features[b].double().numpy()[:, index]  # [C, M, k]
        close(got[b], (picked * weight).sum(2), rtol=1e-4, atol=1e-5)


def test_interpolate_one_point_is_that_point(device):
    got = gather3d.interpolate(
        torch.randn(1, 4, 3, device=device),
        torch.zeros(1, 1, 3, device=device),
        torch.tensor([[[7.0]]], device=device),
        k=1,
    )
    assert got.tolist() == [[[7, 7, 7, 7]]]


@pytest.mark.parametrize("scale", [1e-18, 1e-9, 1e15])
def test_interpolate_in_any_unit(device, scale):
    """Halfway between two points is their mean, where 1 / d² has left float32 as well."""
    points = torch.tensor([[[0.0, 0, 0], [2, 0, 0]]], device=device) * scale
    query = torch.tensor([[[1.0, 0, 0]]], device=device) * scale
    got = gather3d.interpolate(query, points, torch.tensor([[[1.0, 3.0]]], device=device), k=2)
    close(got, torch.tensor([[[2.0]]]))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1000.0, 4e-4])
def test_interpolate_in_half(device, half, scale):
    points = torch.tensor([[[0.0, 0, 0], [1, 0, 0]]], device=device) * scale
    query = torch.tensor([[[0.25, 0, 0]]], device=device) * scale
    features = torch.tensor([[[0.0, 10.0]]], device=device)
    query, points, features = (x.to(half).requires_grad_() for x in (query, points, features))
    got = gather3d.interpolate(query, points, features, 2)
    assert got.dtype == half
    close(got.detach().float(), [[[1.0]]], rtol=0.02, atol=0.02)
    got.sum().backward()
    assert all(x.grad.isfinite().all() for x in (query, points, features))
    close(features.grad.float(), [[[0.9, 0.1]]], rtol=0.02, atol=0.02)


def test_features_of_another_dtype(device):
    """Promoted with the positions: whole numbers are weighted, and truth values are 0 and 1."""
    points = torch.tensor([[[0.0, 0, 0], [3, 0, 0]]], device=device)
    query = torch.tensor([[[1.0, 0, 0]]], device=device)
    for dtype in (torch.float64, torch.float16, torch.int64, torch.bool):
        got = gather3d.interpolate(
            query, points, torch.tensor([[[0, 10]]], device=device).to(dtype), 2
        )
        assert got.dtype == torch.promote_types(dtype, torch.float32)
        close(got.double(), [[[0.2 if dtype == torch.bool else 2.0]]])


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_gradients(device, way):
    query, points = values(0, (2, 3, 3)).to(device), values(1, (2, 5, 3)).to(device)
    features = values(2, (2, 2, 5)).to(device)
    query, points, features = (x.requires_grad_() for x in (query, points, features))
    inside = gather3d.ball_query(query, points, 1.5, 4)[1] >= 0
    assert inside.any() and not inside.all()
    functions = (
        (lambda q, p: gather3d.knn(q, p, 3)[0], (query, points)),
        (lambda q, p: gather3d.ball_query(q, p, 1.5, 4)[0][inside], (query, points)),
        (lambda q, p, f: gather3d.interpolate(q, p, f, 3), (query, points, features)),
    )
    with searching(way):
        for function, inputs in functions:
            assert gradcheck(function, inputs, nondet_tol=1e-12)
            assert gradgradcheck(function, inputs, nondet_tol=1e-12, fast_mode=True)


@pytest.mark.parametrize("way", ["all pairs", "boxes"])
def test_distances_with_and_without_a_gradient(device, way):
    """What the search has found is not computed again, unless its gradient is wanted."""
    query, points = (values(seed, (2, 9, 3)).to(device) for seed in range(2))
    wanted = query.clone().requires_grad_()
    with searching(way):
        plain, differentiable = (gather3d.knn(q, points, 3)[0] for q in (query, wanted))
        ball = gather3d.ball_query(wanted, points, 1.5, 3)[0]
    assert differentiable.requires_grad and ball.requires_grad and not plain.requires_grad
    close(plain, differentiable.detach())


def test_gradient_on_top_of_a_point(device):
    points = torch.tensor([[[0.0, 0, 0], [1, 0, 0]]], device=device, requires_grad=True)
    features = torch.tensor([[[1.0, 5.0]]], device=device, requires_grad=True)
    gather3d.knn(points, points, 1)[0].sum().backward()
    assert points.grad.tolist() == [[[0, 0, 0], [0, 0, 0]]]
    got = gather3d.interpolate(points, points, features, k=2)
    assert got.tolist() == [[[1, 5]]]
    got.sum().backward()
    assert points.grad.isfinite().all()
    assert features.grad.tolist() == [[[1, 1]]]


def test_the_query_of_a_ball_may_be_alone(device):
    nothing = torch.zeros(2, 0, 3, device=device)
    assert gather3d.knn(nothing, torch.zeros(2, 3, 3, device=device), 2)[1].shape == (2, 0, 2)
    distance, index = gather3d.ball_query(torch.zeros(2, 1, 3, device=device), nothing, 1.0, 2)
    assert distance.isinf().all() and index.eq(-1).all()
