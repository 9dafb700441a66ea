"""Neighbours among points: the indices that the other operators then gather.

Coordinates are (x, y, z) in metres. How the nearest are found is in `nearest.py`.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from .indexing import gather_points
from .nearest import power_of_two, search
from .refusals import (
    check_finite,
    check_floating,
    check_positive,
    check_range,
    check_same_dtype,
    check_shapes,
    check_whole,
    has_values,
)

ROW = 256  # points among which one step of farthest point sampling looks twice


def knn(
    query: Float[Tensor, "B M 3"],
    points: Float[Tensor, "B N 3"],
    k: int,
    lengths: Int[Tensor, "B"] | None = None,
) -> tuple[Float[Tensor, "B M {k}"], Int[Tensor, "B M {k}"]]:
    """The k nearest points of each query, nearest first.

    distance[b, m, j] = ‖query[b, m] - points[b, index[b, m, j]]‖, ascending in j

    Args:
        query: positions (x, y, z) in metres.
        points: the points to choose from, (x, y, z) in metres.
        k: how many, 1 … N. Points at the same distance come in any order.
        lengths: how many points each cloud has, where clouds of different sizes share a batch: the
            first so many. The others are never read. Where `query is points`, they ask nothing.

    Returns:
        distance in metres, differentiable in query and points; index into points. Where a cloud
        has fewer than k points, inf and -1.

    Raises:
        ValueError: k is below 1 or above N, a coordinate is NaN or infinite, shapes do not fit.
        IndexError: a length is below 0 or above N.
        TypeError: positions are not of one floating-point dtype, lengths not whole numbers.

    Example:
        >>> points = torch.tensor([[[0., 0., 0.], [3., 0., 0.], [1., 0., 0.]]])
        >>> knn(torch.tensor([[[0.9, 0., 0.]]]), points, k=2)[1]
        tensor([[[2, 0]]])

    PyTorch3D's `knn_points` (which gives squared distances, and 0 and 0 where points are missing).

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 lengths. Deterministic on
    the CPU; on CUDA, gradients that meet are added in any order, unless
    `torch.use_deterministic_algorithms` is on. `torch.compile(fullgraph=True)` and `torch.export`
    take it; `torch.func.vmap` does not map over query, points and lengths, whose values it checks.
    """
    N = check_shapes(query=(query, "B M 3"), points=(points, "B N 3"))["N"]
    if (k := check_whole("k", k, 1)) > N:
        raise ValueError(f"k: got {k}, wanted at most the {N} points there are")
    query, points = _positions(query, points, lengths)
    distance, index = search(query, points, k, lengths=lengths)
    if torch.is_grad_enabled() and (query.requires_grad or points.requires_grad):
        distance = _distance(query, points, index).masked_fill(index < 0, math.inf)
    return distance.to(query.dtype), index


def ball_query(
    query: Float[Tensor, "B M 3"],
    points: Float[Tensor, "B N 3"],
    radius: float,
    k: int,
    lengths: Int[Tensor, "B"] | None = None,
) -> tuple[Float[Tensor, "B M {k}"], Int[Tensor, "B M {k}"]]:
    """The k nearest points within a radius of each query, padded where there are fewer.

    index[b, m] = the points with ‖query[b, m] - points[b, n]‖ ≤ radius, nearest first, then -1

    Args:
        query: positions (x, y, z) in metres.
        points: the points to choose from, (x, y, z) in metres.
        radius: metres, above 0; a point at exactly this distance is inside. It is rounded to the
            dtype of the points, as they are.
        k: the most neighbours a query keeps; may exceed N.
        lengths: how many points each cloud has, as in `knn`.

    Returns:
        distance in metres (inf where missing) and index (-1 where missing).

    Raises:
        ValueError: radius or k is not positive, a coordinate is not finite, shapes do not fit.
        IndexError: a length is below 0 or above N.
        TypeError: positions are not of one floating-point dtype, lengths not whole numbers.

    Example:
        >>> points = torch.tensor([[[0., 0., 0.], [3., 0., 0.], [1., 0., 0.]]])
        >>> ball_query(torch.tensor([[[0.9, 0., 0.]]]), points, radius=1.0, k=3)[1]
        tensor([[[ 2,  0, -1]]])

    PointNet++'s grouping, except that its code keeps the first k in storage order, not the nearest,
    and pads with the first index.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 lengths. Deterministic on
    the CPU; on CUDA, gradients that meet are added in any order, unless
    `torch.use_deterministic_algorithms` is on. `torch.compile(fullgraph=True)` and `torch.export`
    take it; `torch.func.vmap` does not map over query, points and lengths, whose values it checks.
    """
    N = check_shapes(query=(query, "B M 3"), points=(points, "B N 3"))["N"]
    radius, k = check_positive("radius", radius), check_whole("k", k, 1)
    query, points = _positions(query, points, lengths)
    distance, index = search(query, points, min(k, N), radius, lengths)
    outside = distance > distance.new_full((), radius).to(points.dtype)
    if torch.is_grad_enabled() and (query.requires_grad or points.requires_grad):
        distance = _distance(query, points, index)
        index = index.clone()  # its backward reads it
    distance = distance.to(query.dtype).masked_fill(outside, math.inf)
    index = index.masked_fill_(outside, -1)
    if k > N:
        pad = (0, k - N)
        distance, index = F.pad(distance, pad, value=math.inf), F.pad(index, pad, value=-1)
    return distance, index


def farthest_point_sample(
    points: Float[Tensor, "B N 3"],
    m: int,
    start: int = 0,
    lengths: Int[Tensor, "B"] | None = None,
) -> Int[Tensor, "B {m}"]:
    """Choose m points, each the farthest from those chosen before it.

    index[b, 0] = start;  index[b, i] = argmaxₙ min_{j<i} ‖points[b, n] - points[b, index[b, j]]‖,
    among those n that are not chosen yet, so that none comes twice where places coincide

    Args:
        points: (x, y, z) in metres.
        m: how many, 1 … N.
        start: the first point; the rest follows from it. Of equally far points the first is taken.
        lengths: how many points each cloud has, as in `knn`.

    Returns:
        index into points; -1 where a cloud has fewer than m of them.

    Raises:
        ValueError: m is below 1 or above N, or a coordinate is NaN or infinite.
        IndexError: start is not one of the points of each cloud that has any; a length is below 0
            or above N.
        TypeError: m or start is not a whole number, or points or lengths have another dtype.

    Example:
        >>> farthest_point_sample(torch.tensor([[[0., 0, 0], [1, 0, 0], [9, 0, 0], [5, 0, 0]]]), 3)
        tensor([[0, 2, 3]])

    PointNet++ (Qi et al., 2017), section 3.2.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 lengths. Deterministic on
    the CPU and on CUDA. `torch.compile(fullgraph=True)` and `torch.export` take it;
    `torch.func.vmap` does not map over points and lengths, whose values it checks.
    """
    size = check_shapes(points=(points, "B N 3"))
    B, N = size["B"], size["N"]
    if (m := check_whole("m", m, 1)) > N:
        raise ValueError(f"m: got {m}, wanted at most the {N} points there are")
    if not 0 <= (start := check_whole("start", start)) < N:
        raise IndexError(f"start: got {start}, wanted 0 … {N - 1}")
    check_floating("points", points)
    points = _without_padding(points, lengths)
    check_finite("points", points)
    if lengths is not None:
        _check_start(start, lengths)
    rows = -(-N // ROW)
    unit = power_of_two(points)
    xyz = unit.new_zeros(3, B, rows * ROW)  # all x, then all y, then all z
    xyz[:, :, :N] = points.detach().permute(2, 0, 1).to(unit.dtype) * unit
    nearest = xyz.new_full((B, rows, ROW), math.inf)  # squared, to the nearest chosen one
    at = torch.arange(rows * ROW, device=points.device)
    there = at < (N if lengths is None else lengths[:, None])
    nearest.flatten(1).masked_fill_(~there, -1)  # no point, or one that is chosen
    offset, squared = torch.empty_like(xyz), torch.empty_like(nearest)
    chosen = [torch.full((B, 1), start, device=points.device)]
    while len(chosen) < m:
        nearest.flatten(1).scatter_(1, chosen[-1], -1)
        torch.sub(xyz, xyz.gather(2, chosen[-1].expand(3, B, 1)), out=offset)
        x, y, z = offset.view(3, B, rows, ROW)
        torch.mul(x, x, out=squared).addcmul_(y, y).addcmul_(z, z)
        torch.minimum(nearest, squared, out=nearest)
        # the row of the farthest point, then its place in the row: amax is faster than argmax
        row = nearest.amax(2).argmax(1)[:, None]  # [B, 1]
        place = nearest.gather(1, row[..., None].expand(B, 1, ROW)).argmax(2)
        chosen.append(row * ROW + place)
    index = torch.cat(chosen, dim=1)
    if lengths is None:
        return index
    return index.masked_fill(torch.arange(m, device=points.device) >= lengths[:, None], -1)


def interpolate(
    query: Float[Tensor, "B M 3"],
    points: Float[Tensor, "B N 3"],
    features: Shaped[Tensor, "B C N"],
    k: int = 3,
) -> Shaped[Tensor, "B C M"]:
    """Features at the queries: the k nearest points', weighted by inverse squared distance.

    out[b, c, m] = Σⱼ wⱼ features[b, c, nⱼ] / Σⱼ wⱼ,   wⱼ = 1 / ‖query[b, m] - points[b, nⱼ]‖²

    A query on top of a point takes that point's features. Differentiable in all three tensors.

    Args:
        query: where features are wanted, (x, y, z) in metres.
        points: where they are known, (x, y, z) in metres.
        features: one column of C values for each of the N points; promoted with the positions.
        k: how many neighbours, 1 … N.

    Raises:
        ValueError: k is below 1 or above N, a coordinate is not finite, shapes do not fit.

    Example:
        >>> points = torch.tensor([[[0., 0., 0.], [3., 0., 0.]]])
        >>> interpolate(torch.tensor([[[1., 0., 0.]]]), points, torch.tensor([[[0., 10.]]]), k=2)
        tensor([[[2.]]])

    PointNet++'s feature propagation (Qi et al., 2017), p = 2, k = 3.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over
    features, not over query and points, whose values it checks.
    """
    check_shapes(query=(query, "B M 3"), points=(points, "B N 3"), features=(features, "B C N"))
    _, index = knn(query, points, k)
    distance = _distance(query, points, index)
    # relative to the nearest, so that neither metres nor millimetres overflow and 0 / 0 is 1
    onto = distance == 0
    share = (distance[..., :1] / distance.masked_fill(onto, 1)).masked_fill(onto, 1)
    weight = share.square()
    weight = weight / weight.sum(2, keepdim=True)
    dtype = torch.promote_types(query.dtype, features.dtype)
    return (gather_points(features.to(dtype), index) * weight[:, None]).sum(3).to(dtype)


def _positions(query: Tensor, points: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both, once they are found to be positions; beyond a cloud's length they are 0, not read."""
    themselves = query is points
    check_floating("query", query)
    check_floating("points", points)
    check_same_dtype(query=query, points=points)
    points = _without_padding(points, lengths)
    query = points if themselves else query
    check_finite("query", query)
    check_finite("points", points)
    return query, points


def _without_padding(points: Tensor, lengths: Tensor | None) -> Tensor:
    """The points, and 0 for those beyond a cloud's length, which get no gradient."""
    if lengths is None:
        return points
    check_shapes(points=(points, "B N 3"), lengths=(lengths, "B"))
    N = points.shape[1]
    check_range("lengths", lengths, 0, N + 1)
    at = torch.arange(N, device=points.device)
    return points.masked_fill((at >= lengths[:, None])[..., None], 0)


def _check_start(start: int, lengths: Tensor) -> None:
    """Refuse a first point that is not in each cloud that has points."""
    if not has_values(lengths):
        return
    short = lengths[(lengths > 0) & (lengths <= start)]
    if len(short):
        raise IndexError(f"start: got {start}, wanted 0 … {int(short.amin()) - 1}")


def _distance(query: Tensor, points: Tensor, index: Tensor) -> Tensor:
    """From each query to its neighbours, [B, M, k], metres, with a gradient (0 at distance 0).

    In float32 at the least, and in a unit of each one's own, so that no square overflows.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    offset = query.to(wide).mT[..., None] - gather_points(points.to(wide).mT, index)  # [B, 3, M, k]
    size = offset.detach().abs().amax(1, keepdim=True)
    size = size.masked_fill(size == 0, 1)
    return torch.linalg.vector_norm(offset / size, dim=1) * size[:, 0]
