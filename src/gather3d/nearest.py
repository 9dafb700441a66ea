"""The nearest points of each query: how `knn` and `ball_query` find them.

A search with little to do compares all pairs, which is the definition. A larger one compares boxes
of points first, and only the pairs in boxes that are near enough: see `by_boxes`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

ALL_PAIRS = 2**22  # up to so many distances, the definition is the fastest
BLOCK = {"cpu": 2**18}  # numbers held at once, so that they stay in a core's cache
WIDE_BLOCK = 2**24  # where no cache is in the way: 64 MiB of float32
FAN = 4  # boxes (or points) in a box
WINDOW = 64  # points that bound a distance, where k is at most 16
SPREAD = (  # shifts and masks that put two zeros between the bits of a number below 2²¹
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


@torch.no_grad()
def search(
    query: Tensor, points: Tensor, k: int, radius: float = math.inf
) -> tuple[Tensor, Tensor]:
    """Distance and index of the k nearest points, [B, M, k]; those beyond a radius may be ∞, -1."""
    dtype, themselves = query.dtype, query is points
    if dtype.itemsize < 4:  # what half precision holds, float32 holds
        query, points = query.float(), points.float()
    B, M, N = *query.shape[:2], points.shape[1]
    if torch.compiler.is_compiling() or B * M * N <= ALL_PAIRS:
        distance, index = by_all_pairs(query, points, k)
        return distance.to(dtype), index
    index = torch.full((B, M + 1, k), -1, device=query.device)  # one more, for what pads a box
    squared = query.new_full(index.shape, math.inf)
    for b, cloud in enumerate(points):
        by_boxes(cloud if themselves else query[b], cloud, radius, squared[b], index[b])
    return squared.sqrt_()[:, :M].to(dtype), index[:, :M]


def by_all_pairs(query: Tensor, points: Tensor, k: int) -> tuple[Tensor, Tensor]:
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


def by_boxes(query: Tensor, points: Tensor, radius: float, squared: Tensor, index: Tensor) -> None:
    """The same for one cloud, [M, 3] and [N, 3], without most of the M·N distances.

    Queries and points are put in an order in which those in a row are near each other. Four in a
    row share a box, four boxes share a larger one, and so on. Some points near in that order bound
    the k-th distance of each query; then, from the largest boxes down, each box of queries keeps
    the boxes of points that are not farther away than the bounds in it. The results are written
    into squared and index, [M + 1, k]; the last row is for the empty places of the last box.
    """
    block, k = BLOCK.get(points.device.type, WIDE_BLOCK), index.shape[1]
    code, order = _along_curve(points, points)
    place, asked = (code, order) if query is points else _along_curve(query, points)
    kept = _first_copies(points[order], k)
    code, order = code[kept], order[kept]
    depth = max(1, math.ceil(math.log(max(len(asked), len(order)) / 64, FAN)))
    ours, theirs = _boxes(query[asked], depth), _boxes(points[order], depth)
    (q, _), (p, _) = ours[0], theirs[0]
    most = min(radius * radius * (1 + 1e-5), torch.finfo(query.dtype).max)
    bounds = _to_boxes(_bound(q, place, p, code, k, block).clamp_(max=most), len(asked), ours)

    lists = _all_with_all(ours[-1][0].shape[1], theirs[-1][0].shape[1], points.device)
    for level in range(depth - 1, 0, -1):
        lists = _descend(*lists, ours[level], theirs[level], bounds[level], block)

    asked = F.pad(asked, (0, q[0].numel() - len(asked)), value=len(index) - 1).view(-1, FAN)
    order = F.pad(order, (0, p[0].numel() - len(order)), value=-1).view(1, -1, FAN)
    for rows, table in _tables(*lists, p.shape[1] - 1, block // FAN**2, -(-k // FAN)):
        here, there = _pick(q, rows, (-1, FAN, 1)), _pick(p, table, (len(rows), 1, -1))
        apart = _squared(b - a for a, b in zip(here, there, strict=True))  # [n, 4, 4·S]
        near, slot = _least(apart, k, ordered=True)
        (names,) = _pick(order, table, (len(rows), -1))
        to = asked[rows].flatten()
        squared.index_copy_(0, to, near.view(-1, k))
        index.index_copy_(0, to, names.gather(1, slot.flatten(1)).view(-1, k))


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
        squared = torch.minimum(*squared.chunk(2, 2))
        parts.append(_least(squared, k, ordered=False)[0].amax(2))
    return torch.cat(parts)


def _to_boxes(bound: Tensor, count: int, ours: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """From bounds of queries to those of their boxes, which are the largest in them.

    -1 where there is no query: nothing is near enough.
    """
    bound.view(-1)[count:] = -1
    bounds = [bound]
    for low, _ in ours[1:]:
        largest = bounds[-1].amax(1)
        bounds.append(F.pad(largest, (0, low[0].numel() - len(largest)), value=-1).view(-1, FAN))
    return bounds


def _all_with_all(M: int, N: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of M boxes the same list, all N: ids one after another, start and count of each."""
    rows = torch.arange(M, device=device)
    return torch.arange(N, device=device).repeat(M), rows * N, torch.full_like(rows, N)


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
        inside = (table[..., None] * FAN + child).view(len(rows), 1, -1)
        found.append(inside.masked_select(near))
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
        (table,) = _pick(ids[None], (start[rows, None] + slot) * held, held.shape)
        yield rows, table.masked_fill_(~held, empty)
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
        del offset  # before the next is made, in the same memory
    return total


def _least(squared: Tensor, k: int, ordered: bool) -> tuple[Tensor, Tensor]:
    """The k smallest of each row, and where: a topk of bits, which compares faster than floats.

    As whole numbers, the bits of floats from 0 to infinity are in the order of the floats.
    """
    bits = squared.view(torch.int32 if squared.dtype == torch.float32 else torch.int64)
    least, slot = bits.topk(k, -1, largest=False, sorted=ordered)
    return least.view(squared.dtype), slot
