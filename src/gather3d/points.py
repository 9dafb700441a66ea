"""Neighbours among points: the indices that the other operators then gather.

Coordinates are (x, y, z) in metres. How the nearest are found is in `nearest.py`.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from .indexing import gather_points
from .nearest import search
from .refusals import check_finite, check_positive, check_shapes, check_whole

ROW = 256  # points among which one step of farthest point sampling looks twice


def knn(
    query: Float[Tensor, "B M 3"], points: Float[Tensor, "B N 3"], k: int
) -> tuple[Float[Tensor, "B M {k}"], Int[Tensor, "B M {k}"]]:
    """The k nearest points of each query, nearest first.

    distance[b, m, j] = ‖query[b, m] - points[b, index[b, m, j]]‖, ascending in j

    Args:
        query: positions (x, y, z) in metres.
        points: the points to choose from, (x, y, z) in metres.
        k: how many, 1 … N. Points at the same distance come in any order.

    Returns:
        distance in metres, differentiable in query and points; index into points.

    Raises:
        ValueError: k is below 1 or above N, a coordinate is NaN or infinite, shapes do not fit.

    Example:
        >>> points = torch.tensor([[[0., 0., 0.], [3., 0., 0.], [1., 0., 0.]]])
        >>> knn(torch.tensor([[[0.9, 0., 0.]]]), points, k=2)[1]
        tensor([[[2, 0]]])

    PyTorch3D's `knn_points` (which gives squared distances).

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map over
    query and points, whose values it checks.
    """
    N = check_shapes(query=(query, "B M 3"), points=(points, "B N 3"))["N"]
    if check_whole("k", k, 1) > N:
        raise ValueError(f"k: got {k}, wanted at most the {N} points there are")
    check_finite("query", query)
    check_finite("points", points)
    distance, index = search(query, points, k)
    if torch.is_grad_enabled() and (query.requires_grad or points.requires_grad):
        distance = _distance(query, points, index)
    return distance, index


def ball_query(
    query: Float[Tensor, "B M 3"], points: Float[Tensor, "B N 3"], radius: float, k: int
) -> tuple[Float[Tensor, "B M {k}"], Int[Tensor, "B M {k}"]]:
    """The k nearest points within a radius of each query, padded where there are fewer.

    index[b, m] = the points with ‖query[b, m] - points[b, n]‖ ≤ radius, nearest first, then -1

    Args:
        query: positions (x, y, z) in metres.
        points: the points to choose from, (x, y, z) in metres.
        radius: metres, above 0; a point at exactly this distance is inside.
        k: the most neighbours a query keeps; may exceed N.

    Returns:
        distance in metres (inf where missing) and index (-1 where missing).

    Raises:
        ValueError: radius or k is not positive, a coordinate is not finite, shapes do not fit.

    Example:
        >>> points = torch.tensor([[[0., 0., 0.], [3., 0., 0.], [1., 0., 0.]]])
        >>> ball_query(torch.tensor([[[0.9, 0., 0.]]]), points, radius=1.0, k=3)[1]
        tensor([[[ 2,  0, -1]]])

    PointNet++'s grouping, except that its code keeps the first k in storage order, not the nearest,
    and pads with the first index.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map over
    query and points, whose values it checks.
    """
    N = check_shapes(query=(query, "B M 3"), points=(points, "B N 3"))["N"]
    check_positive("radius", radius)
    check_whole("k", k, 1)
    check_finite("query", query)
    check_finite("points", points)
    distance, index = search(query, points, min(k, N), radius)
    outside = distance > radius
    if torch.is_grad_enabled() and (query.requires_grad or points.requires_grad):
        distance, index = _distance(query, points, index), index.clone()  # its backward reads it
    distance, index = distance.masked_fill(outside, math.inf), index.masked_fill_(outside, -1)
    if k > N:
        pad = (0, k - N)
        distance, index = F.pad(distance, pad, value=math.inf), F.pad(index, pad, value=-1)
    return distance, index


def farthest_point_sample(
    points: Float[Tensor, "B N 3"], m: int, start: int = 0
) -> Int[Tensor, "B {m}"]:
    """Choose m points, each the farthest from those chosen before it.

    index[b, 0] = start;  index[b, i] = argmaxₙ min_{j<i} ‖points[b, n] - points[b, index[b, j]]‖

    Args:
        points: (x, y, z) in metres.
        m: how many, 1 … N.
        start: the first point; the rest follows from it. Of equally far points the first is taken.

    Raises:
        ValueError: m is below 1 or above N, or a coordinate is NaN or infinite.
        IndexError: start is not one of the points.
        TypeError: m or start is not a whole number.

    Example:
        >>> farthest_point_sample(torch.tensor([[[0., 0, 0], [1, 0, 0], [9, 0, 0], [5, 0, 0]]]), 3)
        tensor([[0, 2, 3]])

    PointNet++ (Qi et al., 2017), section 3.2.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU and on CUDA.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map over
    points, whose values it checks.
    """
    size = check_shapes(points=(points, "B N 3"))
    B, N = size["B"], size["N"]
    if check_whole("m", m, 1) > N:
        raise ValueError(f"m: got {m}, wanted at most the {N} points there are")
    if not 0 <= check_whole("start", start) < N:
        raise IndexError(f"start: got {start}, wanted 0 … {N - 1}")
    check_finite("points", points)
    rows = -(-N // ROW)
    xyz = points.new_zeros(3, B, rows * ROW)  # all x, then all y, then all z
    xyz[:, :, :N] = points.detach().permute(2, 0, 1)
    nearest = xyz.new_full((B, rows, ROW), float("inf"))  # squared, to the nearest chosen one
    nearest.flatten(1)[:, N:] = -1  # no point: never the farthest
    offset, squared = torch.empty_like(xyz), torch.empty_like(nearest)
    chosen = [torch.full((B, 1), start, device=points.device)]
    while len(chosen) < m:
        torch.sub(xyz, xyz.gather(2, chosen[-1].expand(3, B, 1)), out=offset)
        x, y, z = offset.view(3, B, rows, ROW)
        torch.mul(x, x, out=squared).addcmul_(y, y).addcmul_(z, z)
        torch.minimum(nearest, squared, out=nearest)
        # the row of the farthest point, then its place in the row: amax is faster than argmax
        row = nearest.amax(2).argmax(1)[:, None]  # [B, 1]
        place = nearest.gather(1, row[..., None].expand(B, 1, ROW)).argmax(2)
        chosen.append(row * ROW + place)
    return torch.cat(chosen, dim=1)


def interpolate(
    query: Float[Tensor, "B M 3"],
    points: Float[Tensor, "B N 3"],
    features: Float[Tensor, "B C N"],
    k: int = 3,
) -> Float[Tensor, "B C M"]:
    """Features at the queries: the k nearest points', weighted by inverse squared distance.

    out[b, c, m] = Σⱼ wⱼ features[b, c, nⱼ] / Σⱼ wⱼ,   wⱼ = 1 / ‖query[b, m] - points[b, nⱼ]‖²

    A query on top of a point takes that point's features. Differentiable in all three tensors.

    Args:
        query: where features are wanted, (x, y, z) in metres.
        points: where they are known, (x, y, z) in metres.
        features: one column of C values for each of the N points.
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
    squared = _offsets(query, points, index).square().sum(1)  # [B, M, k]
    # relative to the nearest, so that neither metres nor millimetres overflow and 0 / 0 is 1
    onto = squared == 0
    weight = (squared[..., :1] / squared.masked_fill(onto, 1)).masked_fill(onto, 1)
    weight = weight / weight.sum(2, keepdim=True)
    return (gather_points(features, index) * weight[:, None]).sum(3)


def _offsets(query: Tensor, points: Tensor, index: Tensor) -> Tensor:
    """From each neighbour to its query, [B, 3, M, k]."""
    return query.mT[..., None] - gather_points(points.mT, index)


def _distance(query: Tensor, points: Tensor, index: Tensor) -> Tensor:
    """From each query to its neighbours, [B, M, k], metres, with a gradient (0 at distance 0)."""
    return torch.linalg.vector_norm(_offsets(query, points, index), dim=1)
