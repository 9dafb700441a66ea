"""Neighbours among points: the indices that the other operators then gather.

Coordinates are (x, y, z) in metres. A search with little to do compares all pairs, which is the
definition. A larger one compares boxes of points first, and only the pairs in boxes that are near
enough: see `_by_boxes`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from .indexing import gather_points
from .refusals import check_finite, check_positive, check_shapes, check_whole

ALL_PAIRS = 2**22  # up to so many distances, the definition is the fastest
BLOCK = {"cpu": 2**18}  # numbers held at once, so that they stay in a core's cache
WIDE_BLOCK = 2**24  # where no cache is in the way: 64 MiB of float32
ROW = 256  # points among which one step of farthest point sampling looks twice
FAN = 4  # boxes (or points) in a box
WINDOW = 64  # points that bound a distance, where k is at most 16
SPREAD = (  # shifts and masks that put two zeros between the bits of a number below 2²¹
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


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
    distance, index = _nearest(query, points, k)
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
    distance, index = _nearest(query, points, min(k, N), radius)
    outside = distance > radius
    if torch.is_grad_enabled() and (query.requires_grad or points.requires_grad):
        distance = _distance(query, points, index)
    pad = (0, k - index.shape[2])
    index = torch.nn.functional.pad(index.masked_fill(outside, -1), pad, value=-1)
    distance = distance.masked_fill(outside, float("inf"))
    return torch.nn.functional.pad(distance, pad, value=float("inf")), index


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


@torch.no_grad()
def _nearest(
    query: Tensor, points: Tensor, k: int, radius: float = math.inf
) -> tuple[Tensor, Tensor]:
    """Distance and index of the k nearest points, [B, M, k]; those beyond a radius may be ∞, -1."""
    dtype, themselves = query.dtype, query is points
    if dtype.itemsize < 4:  # what half precision holds, float32 holds
        query, points = query.float(), points.float()
    B, M, N = *query.shape[:2], points.shape[1]
    if torch.compiler.is_compiling() or B * M * N <= ALL_PAIRS:
        distance, index = _by_all_pairs(query, points, k)
    else:  # one row more, for what pads the queries
        index = torch.full((B * M + 1, k), -1, device=query.device)
        squared = query.new_full(index.shape, math.inf)
        for b in range(B):
            _by_boxes(query[b], points[b], k, radius, themselves, b * M, squared, index)
        distance, index = (x[:-1].view(B, M, k) for x in (squared.sqrt_(), index))
    return distance.to(dtype), index


def _by_all_pairs(query: Tensor, points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The definition, [B, M, k]; by subtraction: products lose the digits of far coordinates."""
    step = max(1, WIDE_BLOCK // max(1, points.shape[0] * points.shape[1]))
    blocks = [
        torch.cdist(part, points, compute_mode="donot_use_mm_for_euclid_dist").topk(
            k, largest=False, sorted=True
        )
        for part in query.split(step, dim=1)
    ]
    distance, index = (torch.cat(part, dim=1) for part in zip(*blocks, strict=True))
    return distance, index


def _by_boxes(
    query: Tensor,
    points: Tensor,
    k: int,
    radius: float,
    themselves: bool,
    first: int,
    squared: Tensor,
    index: Tensor,
) -> None:
    """The same for one cloud, without most of the M·N distances; from row `first` of the results.

    Queries and points are put in an order in which those in a row are near each other. Four in a
    row share a box, four boxes share a larger one, and so on. Some points near in that order bound
    the k-th distance of each query; then, from the largest boxes down, each box of queries keeps
    the boxes of points that are not farther away than the bounds in it.
    """
    block = BLOCK.get(points.device.type, WIDE_BLOCK)
    code, order = _along_curve(points, points)
    place, asked = (code, order) if themselves else _along_curve(query, points)
    kept = _first_copies(points[order], k)
    code, order = code[kept], order[kept]
    depth = max(1, math.ceil(math.log(max(len(asked), len(order)) / 64, FAN)))
    ours, theirs = _boxes(query[asked], depth), _boxes(points[order], depth)

    most = min(radius * radius * (1 + 1e-5), torch.finfo(query.dtype).max)
    bound = _bound(ours[0][0], place, theirs[0][0], code, k, block).clamp_(max=most)
    bound.view(-1)[len(asked) :] = -1  # no query: nothing is near enough
    bounds = [bound]
    for low, _ in ours[1:]:
        largest = bounds[-1].amax(1)
        bounds.append(F.pad(largest, (0, low[0].numel() - len(largest)), value=-1).view(-1, FAN))

    M, N = ours[-1][0].shape[1], theirs[-1][0].shape[1]
    rows = torch.arange(M, device=points.device)
    lists = torch.arange(N, device=points.device).repeat(M), rows * N, torch.full_like(rows, N)
    for level in range(depth - 1, 0, -1):
        lists = _descend(*lists, ours[level], theirs[level], bounds[level], block)

    q, p = ours[0][0], theirs[0][0]
    pad = (0, bound.numel() - len(asked))
    asked = F.pad(asked + first, pad, value=len(index) - 1).view(-1, FAN)
    order = F.pad(order, (0, p[0].numel() - len(order)), value=-1).view(1, -1, FAN)
    for rows, table in _tables(*lists, p.shape[1] - 1, block // FAN**2, -(-k // FAN)):
        here, there = _pick(q, rows, (-1, FAN, 1)), _pick(p, table, (len(rows), 1, -1))
        apart = _squared(b - a for a, b in zip(here, there, strict=True))  # [n, 4, 4·S]
        squared[asked[rows]], slot = apart.topk(k, 2, largest=False)
        (names,) = _pick(order, table, (len(rows), 1, -1))
        index[asked[rows]] = names.expand(-1, FAN, -1).gather(2, slot)


def _along_curve(x: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Codes on a Morton curve through the points' cube, in order, and the order."""
    low = points.amin(0)
    size = (points.amax(0) - low).amax()
    share = (x - low) / size.clamp(min=torch.finfo(size.dtype).tiny)
    code = (share.clamp(0, 1) * (2**21 - 1)).long()
    for shift, mask in SPREAD:  # two zeros between any two bits
        code = (code | code << shift) & mask
    return (code[:, 0] | code[:, 1] << 1 | code[:, 2] << 2).sort(stable=True)


def _first_copies(x: Tensor, k: int) -> Tensor:
    """Which of the sorted points to keep: of equal ones in a row the first k are enough."""
    at = torch.arange(len(x), device=x.device)
    fresh = F.pad((x[1:] != x[:-1]).any(1), (1, 0), value=True)
    return at - (at * fresh).cummax(0)[0] < k


def _boxes(x: Tensor, depth: int) -> list[tuple[Tensor, Tensor]]:
    """The low and high corners of the boxes in each box, [3, n, 4], from points up.

    Each level is filled up with empty boxes, low = ∞ and high = -∞, at least four of them: its
    last box holds nothing, and stands where a list of boxes has ended.
    """
    low = high = x.mT
    levels = []
    for _ in range(depth):
        pad = (0, FAN + -low.shape[1] % FAN)
        low = F.pad(low, pad, value=math.inf).view(3, -1, FAN)
        high = F.pad(high, pad, value=-math.inf).view(3, -1, FAN)
        levels.append((low, high))
        low, high = low.amin(2), high.amax(2)
    return levels


def _bound(q: Tensor, place: Tensor, p: Tensor, code: Tensor, k: int, block: int) -> Tensor:
    """At least the squared distance to the k-th nearest point, for queries [3, G, 4]: [G, 4].

    It is the k-th smallest among some points whose codes are near. The smaller of two stands for
    both of them, which halves the work and leaves a bound.
    """
    boxes = max(WINDOW, 4 * 2 ** (k - 1).bit_length()) // FAN
    middle = torch.arange(FAN // 2, q[0].numel(), FAN, device=q.device).clamp(max=len(place) - 1)
    first = torch.searchsorted(code, place[middle]) // FAN - boxes // 2
    first = first.clamp(0, max(0, p.shape[1] - 1 - boxes))[:, None]
    around = (first + torch.arange(boxes, device=q.device)).clamp(max=p.shape[1] - 1)
    parts = []
    step = max(1, block // (boxes * FAN**2))
    for part, table in zip(q.split(step, 1), around.split(step), strict=True):
        near = _pick(p, table, (len(table), 1, -1))
        squared = _squared(b - a[..., None] for a, b in zip(part, near, strict=True))
        parts.append(torch.minimum(*squared.chunk(2, 2)).topk(k, 2, False, False)[0].amax(2))
    return torch.cat(parts)


def _descend(
    ids: Tensor,
    start: Tensor,
    count: Tensor,
    ours: tuple[Tensor, Tensor],
    theirs: tuple[Tensor, Tensor],
    bound: Tensor,
    block: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """From each box of queries to the four in it, and from its list of boxes to those in them."""
    child = torch.arange(FAN, device=ids.device)
    found, owner, size = [ids[:0]], [ids[:0]], [ids[:0]]
    for rows, table in _tables(ids, start, count, theirs[0].shape[1] - 1, block // FAN**2):
        low, high = (_pick(q, rows, (-1, FAN, 1)) for q in ours)
        below, above = (_pick(p, table, (len(rows), 1, -1)) for p in theirs)
        corners = zip(low, high, below, above, strict=True)
        gap = (torch.maximum(c - b, a - d).clamp_(min=0) for a, b, c, d in corners)
        near = _squared(gap) <= bound[rows, :, None]  # [n, 4, 4·S]
        n, _, slot = near.nonzero(as_tuple=True)
        found.append((table[..., None] * FAN + child).flatten(1)[n, slot])
        owner.append((rows[:, None] * FAN + child).flatten())
        size.append(near.sum(2).flatten())
    size, owner = torch.cat(size), torch.cat(owner)
    start, count = (count.new_zeros(bound.numel()) for _ in range(2))
    count[owner], start[owner] = size, size.cumsum(0) - size
    return torch.cat(found), start, count


def _tables(
    ids: Tensor, start: Tensor, count: Tensor, empty: int, area: int, least: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Lists of unequal length as tables [n, S] of rows that are about equally long."""
    order = count.argsort(descending=True, stable=True)[: int(count.count_nonzero())]
    sizes = count[order].tolist()
    at = 0
    while at < len(sizes):
        width = max(least, sizes[at])
        rows = order[at : at + max(1, area // width)]
        slot = torch.arange(width, device=ids.device)
        held = slot < count[rows, None]
        yield rows, torch.where(held, ids[(start[rows, None] + slot) * held], empty)
        at += len(rows)


def _pick(x: Tensor, rows: Tensor, shape: Sequence[int]) -> list[Tensor]:
    """x[c, rows] for each c, in that shape; rows of memory that lie together are fast to copy."""
    return [each.index_select(0, rows.flatten()).view(shape) for each in x]


def _squared(offsets: Iterable[Tensor]) -> Tensor:
    """x² + y² + z², in place: rounded alike, a box is never farther than the points in it."""
    offsets = iter(offsets)  # one at a time: each is as large as a block
    total = next(offsets).square_()
    for offset in offsets:
        total.addcmul_(offset, offset)
    return total


def _offsets(query: Tensor, points: Tensor, index: Tensor) -> Tensor:
    """From each neighbour to its query, [B, 3, M, k]."""
    return query.mT[..., None] - gather_points(points.mT, index)


def _distance(query: Tensor, points: Tensor, index: Tensor) -> Tensor:
    """From each query to its neighbours, [B, M, k], metres, with a gradient (0 at distance 0)."""
    return torch.linalg.vector_norm(_offsets(query, points, index), dim=1)
