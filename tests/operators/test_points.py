"""Searches against scipy's cKDTree, farthest points against their definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from torch.autograd import gradcheck

import gather3d

from .inputs import FLOATS, LAYOUTS, SEEDS, SIZES, close, place, values, whole

SCALES = st.sampled_from([1e-3, 1.0, 1e3])  # millimetres to kilometres


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


@given(st.data(), clouds(), FLOATS, LAYOUTS)
def test_knn(device, data, cloud, dtype, layout):
    query, points = (x.to(dtype) for x in cloud)
    k = data.draw(st.integers(1, points.shape[1]))
    distance, index = gather3d.knn(place(query, device, layout), place(points, device, layout), k)
    assert (distance.dtype, index.dtype) == (dtype, torch.int64)
    index = index.cpu().numpy()
    query, points = query.double().numpy(), points.double().numpy()
    for b in range(len(points)):
        wanted, _ = cKDTree(points[b]).query(query[b], k=list(range(1, k + 1)))
        close(distance[b], wanted)
    close(distance, lengths(query, points, index))
    ordered = np.sort(index, axis=2)
    assert (ordered[..., 1:] > ordered[..., :-1]).all(), "a neighbour stands twice"


@given(st.data(), scattered())
def test_knn_index(device, data, cloud):
    query, points = cloud
    k = data.draw(st.integers(1, points.shape[1]))
    _, index = gather3d.knn(query.to(device), points.to(device), k)
    for b in range(len(points)):
        close(index[b], cKDTree(points[b].numpy()).query(query[b].numpy(), range(1, k + 1))[1])


def test_knn_in_blocks(device, monkeypatch):
    """Many queries are searched part by part: the parts come back in order."""
    query, points = values(0, (2, 50, 3)).to(device), values(1, (2, 7, 3)).to(device)
    whole_search = gather3d.knn(query, points, 4)
    monkeypatch.setattr(gather3d.points, "BLOCK", 100)
    in_parts = gather3d.knn(query, points, 4)
    close(in_parts[0], whole_search[0])
    close(in_parts[1], whole_search[1])


def test_knn_far_from_the_origin(device):
    """Differences of large coordinates keep their digits: 0.25 m apart, 100 km away, in float32."""
    points = torch.tensor([[[1e5, 1e5, 0.0], [1e5 + 0.25, 1e5, 0.0]]], device=device)
    distance, index = gather3d.knn(points, points, 2)
    assert distance.tolist() == [[[0, 0.25], [0, 0.25]]]
    assert index.tolist() == [[[0, 1], [1, 0]]]


@given(clouds(least=0), st.integers(1, 12), st.sampled_from([0.5, 1, 3.0, 5.0]), FLOATS, LAYOUTS)
def test_ball_query(device, cloud, k, radius, dtype, layout):
    query, points = (x.to(dtype) for x in cloud)
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


def test_ball_query_takes_a_point_at_exactly_the_radius(device):
    query = torch.zeros(1, 1, 3, device=device)
    points = torch.tensor([[[3.0, 4, 0], [0, 0, 5], [0, 3, -4], [5, 0, 0.1]]], device=device)
    distance, index = gather3d.ball_query(query, points, radius=5, k=4)
    assert sorted(index[0, 0].tolist()) == [-1, 0, 1, 2]
    assert distance[0, 0, :3].tolist() == [5, 5, 5]


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
            chosen.append(int(apart[chosen].min(axis=0).argmax()))
        assert got[b].tolist() == chosen


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


def test_gradients(device):
    query, points = values(0, (2, 3, 3)).to(device), values(1, (2, 5, 3)).to(device)
    features = values(2, (2, 2, 5)).to(device)
    query, points, features = (x.requires_grad_() for x in (query, points, features))
    inside = gather3d.ball_query(query, points, 1.5, 4)[1] >= 0
    assert inside.any() and not inside.all()
    tolerance = {"nondet_tol": 1e-12}
    assert gradcheck(lambda q, p: gather3d.knn(q, p, 3)[0], (query, points), **tolerance)
    assert gradcheck(
        lambda q, p: gather3d.ball_query(q, p, 1.5, 4)[0][inside], (query, points), **tolerance
    )
    assert gradcheck(
        lambda q, p, f: gather3d.interpolate(q, p, f, 3), (query, points, features), **tolerance
    )


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
