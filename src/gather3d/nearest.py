"""The nearest points of each query: how `knn` and `ball_query` find them.

A search with little to do compares all pairs, which is the definition. A larger one compares boxes
of points first, and only the pairs in boxes that are near enough: see `by_boxes`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

ALL_PAIRS = 2**22  # up to so many distances, the definition is the fastest
BLOCK = {"cpu": 2**18}  # numbers held at once, so that they stay in a core's cache
WIDE_BLOCK = 2**24  # where no cache is in the way: 64 MiB of float32
FAN = 4  # boxes (or points) in a box
WINDOW = 64  # points that bound a distance, where k is at most 16
PRIMES = (73856093, 19349663, 83492791)  # they mix three numbers into one

Corners = tuple[
    Tensor, Tensor
]  # the low and the high ones of the four boxes in each box, [3, n, 4]
Lists = tuple[Tensor, Tensor, Tensor]  # ids one after another; where each list starts; its length


@torch.no_grad()
def search(
    query: Tensor,
    points: Tensor,
    k: int,
    radius: float = math.inf,
    lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Distance and index of the k nearest points, [B, M, k]; distances in float32 at the least.

    What lies beyond the radius may be ∞ and -1, what lies beyond a cloud's length is. Where the
    points are the queries, those beyond a cloud's length ask nothing.
    """
    themselves, unit = query is points, power_of_two(query, points)
    points = points.to(unit.dtype) * unit
    query = points if themselves else query.to(unit.dtype) * unit
    B, M, N = *query.shape[:2], points.shape[1]
    if torch.compiler.is_compiling() or B * M * N <= ALL_PAIRS:
        distance, index = by_all_pairs(query, points, k, lengths)
        if themselves and lengths is not None:
            nobody = (torch.arange(N, device=points.device) >= lengths[:, None])[..., None]
            distance, index = distance.masked_fill(nobody, math.inf), index.masked_fill(nobody, -1)
        return distance / unit, index
    index = torch.full((B * M + 1, k), -1, device=query.device)  # one more, for what pads a box
    squared = query.new_full(index.shape, math.inf)
    most = ((radius * unit).square() * (1 + 1e-5)).clamp(max=torch.finfo(unit.dtype).max)
    for b, n in enumerate([N] * B if lengths is None else lengths.tolist()):
        cloud, start = points[b, :n], b * M
        asked = cloud if themselves else query[b]
        end = start + len(asked)
        if len(asked) and n:
            by_boxes(asked, cloud, most, squared[start : end + 1], index[start : end + 1])
            squared[end], index[end] = math.inf, -1
    return (squared[:-1].sqrt_() / unit).view(B, M, k), index[:-1].view(B, M, k)


def power_of_two(*coordinates: Tensor) -> Tensor:
    """By what to multiply coordinates, so that squared distances neither overflow nor vanish.

    The largest coordinate becomes 2⁶⁰ (in float64 2⁵⁰⁸): a square holds that, and what is 10³⁵
    times smaller.
    """
    dtype = torch.promote_types(coordinates[0].dtype, torch.float32)
    large = 2.0 ** (60 if dtype == torch.float32 else 508)
    sizes = [x.detach().abs().amax().to(dtype) for x in coordinates if x.numel()]
    size = torch.stack([coordinates[0].new_ones((), dtype=dtype) / large, *sizes]).amax()
    return large / (size / (2 * torch.frexp(size).mantissa))


def by_all_pairs(
    query: Tensor, points: Tensor, k: int, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The definition, [B, M, k]; by subtraction: products lose the digits of far coordinates."""
    step = max(1, WIDE_BLOCK // max(1, points.shape[0] * points.shape[1]))
    blocks = []
    for part in query.split(step, dim=1):
        apart = torch.cdist(part, points, compute_mode="donot_use_mm_for_euclid_dist")
        if lengths is not None:
            at = torch.arange(points.shape[1], device=points.device)
            apart = apart.masked_fill(at >= lengths[:, None, None], math.inf)
        blocks.append(apart.topk(k, largest=False, sorted=True))
    distance, index = (torch.cat(part, dim=1) for part in zip(*blocks, strict=True))
    return distance, index if lengths is None else index.masked_fill(distance.isinf(), -1)


def by_boxes(query: Tensor, points: Tensor, most: Tensor, squared: Tensor, index: Tensor) -> None:
    """The same for one cloud, [M, 3] and [N, 3], without most of the M·N distances.

    Four points that are near each other share a box, four boxes share a larger one, and so on; the
    queries have boxes of their own. From the largest down, each box of queries keeps the boxes of
    points that are not farther away than its k nearest points can be. Where the points ask
    themselves, those that stand beside them in the order say how far that is (`_around`); else
    far corners of boxes say it, and some points where the boxes are small (`_bounds`).

    The results are written into squared and index, [M + 1, k], where they are not beyond `most`;
    the last row is for the empty places of the last box.
    """
    block, k = BLOCK.get(points.device.type, WIDE_BLOCK), index.shape[1]
    themselves = query is points
    first, rank = _copies(points)
    kept = (rank < k).nonzero()[:, 0]  # of equal points the first k are enough
    points = points[kept]
    order = _by_halves(points)
    asked = order if themselves else _by_halves(query)
    M, N = len(asked), len(order)
    depth = max(1, math.ceil(math.log(max(M, N) / 64, FAN)))
    theirs = _boxes(points[order], depth + 1)
    ours = theirs if themselves else _boxes(query[asked], depth + 1)

    bounds = _to_boxes(_around(ours[0][0], N, k, most, block), ours) if themselves else []

    def down(lists: Lists, level: int) -> Iterator[Lists]:
        """The lists of the smallest boxes, as many at a time as there is room for."""
        if level == 0:
            yield lists
            return
        for some in _parts(lists, block):
            if themselves:
                bound, hulls = bounds[level], None
            else:
                bound, hulls, some = _bounds(some, ours, theirs, level, (M, N), k, most, block)
            inner = _descend(some, bound, hulls, ours[level], theirs[level], block)
            yield from down(inner, level - 1)

    every = _all_with_all(-(-M // FAN**depth), -(-N // FAN**depth), points.device)
    (q, _), (p, _) = ours[0], theirs[0]
    names = kept[order]
    asked = names if themselves else asked
    asked = F.pad(asked, (0, q[0].numel() - M), value=len(index) - 1).view(-1, FAN)
    names = F.pad(names, (0, p[0].numel() - N), value=-1).view(1, -1, FAN)
    tables = (
        _tables(lists, p.shape[1] - 1, block // FAN**2, -(-k // FAN))
        for lists in down(every, depth - 1)
    )
    for rows, table in chain.from_iterable(tables):
        here, there = _pick(q, rows, (-1, FAN, 1)), _pick(p, table, (len(rows), 1, -1))
        here, beyond = _onto(here, None if themselves else _hull(theirs[1], table))
        apart = _squared((b - a for a, b in zip(here, there, strict=True)), beyond)
        near, slot = _least(apart, k, ordered=True)  # [n, 4, k]
        if beyond:
            near = near + _squared(beyond)
        (found,) = _pick(names, table, (len(rows), -1))
        to = asked[rows].flatten()
        squared.index_copy_(0, to, near.view(-1, k))
        index.index_copy_(0, to, found.gather(1, slot.flatten(1)).view(-1, k))
    if themselves and len(kept) < len(rank):
        left = (rank >= k).nonzero()[:, 0]
        for result in squared, index:
            result[left] = result[first[left]]


def _copies(x: Tensor) -> tuple[Tensor, Tensor]:
    """For each point the first one in the same place, and how many stand there before it.

    Where the mix of two places is the same, they may count as more places: that costs time only.
    """
    bits = (x + 0.0).view(torch.int32 if x.dtype == torch.float32 else torch.int64)  # -0 is 0
    mix = sum(axis.long() * prime for axis, prime in zip(bits.mT, PRIMES, strict=True))
    order = mix.sort(stable=True)[1]
    x, at = x[order], torch.arange(len(x), device=x.device)
    start = (at * F.pad((x[1:] != x[:-1]).any(1), (1, 0), value=True)).cummax(0)[0]
    first, rank = torch.empty_like(order), torch.empty_like(order)
    first[order], rank[order] = order[start], at - start
    return first, rank


def _by_halves(x: Tensor) -> Tensor:
    """An order of points [N, 3] in which the four, sixteen, … of a box follow one another.

    All points are cut in half across their longest side, each half again, until four are left:
    boxes of equal count, whatever the cloud. The last box of a size may hold fewer.
    """
    size = FAN
    while size < len(x):
        size *= 2
    pad = (0, size - len(x))
    place = F.pad(x.mT, pad, value=math.inf).view(3, 1, size)
    order = F.pad(torch.arange(len(x), device=x.device), pad, value=-1).view(1, size)
    while size > FAN:
        low, high = place.amin(2), place.masked_fill(place == math.inf, -math.inf).amax(2)
        side, axis = (high - low).max(0, keepdim=True)  # [1, n]
        along = place.gather(0, axis[..., None].expand(1, -1, size))[0]
        share = (along - low.gather(0, axis).mT) / side.mT.clamp(min=torch.finfo(x.dtype).tiny)
        # as whole numbers, the bits of floats from 0 to infinity are in the order of the floats
        at = share.float().view(torch.int32).sort(1)[1]
        place, order = place.gather(2, at.expand(3, -1, -1)), order.gather(1, at)
        size //= 2
        count = -(-len(x) // size)
        place, order = place.view(3, -1, size)[:, :count], order.view(-1, size)[:count]
    return order.flatten()[: len(x)]


def _boxes(x: Tensor, depth: int) -> list[Corners]:
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


def _all_with_all(M: int, N: int, device: torch.device) -> Lists:
    """For each of M boxes the same list, all N."""
    rows = torch.arange(M, device=device)
    ids = torch.arange(N, device=device, dtype=torch.int32)  # half the bytes of int64
    return ids.repeat(M), rows * N, torch.full_like(rows, N)


def _around(p: Tensor, N: int, k: int, most: Tensor, block: int) -> Tensor:
    """How far the k nearest points can be from each point [3, n, 4], squared: [n, 4].

    They are nearer than the k-th of some points that stand beside it in the order. The smaller of
    two stands for both of them, which halves the work and leaves a bound.
    """
    boxes = max(WINDOW, 4 * 2 ** (k - 1).bit_length()) // FAN
    rows = torch.arange(p.shape[1], device=p.device)
    first = (rows - boxes // 2).clamp(0, max(0, p.shape[1] - 1 - boxes))[:, None]
    table = (first + torch.arange(boxes, device=p.device)).clamp(max=p.shape[1] - 1)
    parts = []
    step = max(1, block // (boxes * FAN**2))
    for part, some in zip(p.split(step, 1), table.split(step), strict=True):
        near = _pick(p, some, (len(some), 1, -1))
        squared = _squared(b - a[..., None] for a, b in zip(part, near, strict=True))
        squared = torch.minimum(*squared.chunk(2, 2))
        parts.append(_least(squared, k, ordered=False)[0].amax(2))
    bound = torch.minimum(torch.cat(parts) * (1 + 1e-6), most)
    bound.view(-1)[N:] = -1  # nobody asks
    return bound


def _to_boxes(bound: Tensor, ours: list[Corners]) -> list[Tensor]:
    """From bounds of queries to those of their boxes, which are the largest in them."""
    bounds = [bound]
    for low, _ in ours[1:]:
        largest = bounds[-1].amax(1)
        bounds.append(F.pad(largest, (0, low[0].numel() - len(largest)), value=-1).view(-1, FAN))
    return bounds


def _bounds(
    lists: Lists,
    ours: list[Corners],
    theirs: list[Corners],
    level: int,
    sizes: tuple[int, int],
    k: int,
    most: Tensor,
    block: int,
) -> tuple[Tensor, Tensor, Lists]:
    """How far the k nearest points can be from the four boxes in each box: [n, 4], squared.

    In the nearest boxes of a list, so far are the far corners of boxes that hold k points, and
    where boxes are small some of the points themselves. With the bounds come the hulls to which
    they belong, [2, 3, n], and the lists without the boxes that are farther.
    """
    (M, N), held, count = sizes, FAN**level, ours[level][0].shape[1]
    wanted = -(-k // held) if level > 1 else max(FAN, -(-3 * k // FAN))  # boxes that hold k points
    boxes = wanted if level > 1 else -(-2 * wanted // 3)
    bound, hulls = most.new_full((count, FAN), -1), most.new_zeros(2, 3, count)
    found, owner, size = [], [], []
    area = block // FAN if level > 1 else block // FAN**2
    for rows, table in _tables(lists, theirs[level][0].shape[1] - 1, area, boxes):
        hull = _hull(theirs[level + 1], table)
        here, there = _corners(ours[level + 1], rows), _corners(theirs[level + 1], table)
        near, far, _ = _between(here, there, hull, both=True)  # [n, 1, S]
        nearest = table.gather(1, far[:, 0].topk(boxes, largest=False, sorted=False)[1])
        here = [_pick(corner, rows, (-1, FAN, 1)) for corner in ours[level]]
        there = [_pick(corner, nearest, (len(rows), 1, -1)) for corner in theirs[level]]
        _, far, shared = _between(here, there, hull, both=True)  # [n, 4, 4 · boxes]
        names = _four(nearest).view(len(rows), 1, -1)
        if level > 1:
            far.masked_fill_(names >= N // held, math.inf)  # those that are not full
        far, slot = far.topk(wanted, largest=False, sorted=False)
        if level > 1:
            far = far.amax(2, keepdim=True)
        else:
            leaves = names.expand(-1, FAN, -1).gather(2, slot)
            far, shared = _to_points(_four(rows), leaves, hull, ours[0][0], theirs[0][0], k, M)
        reach = torch.minimum(far * (1 + 1e-6), most - shared).amax(2)  # [n, 4]
        reach.masked_fill_(_four(rows) * held >= M, -1)  # for no queries
        inside = near[:, 0] <= reach.amax(1, keepdim=True)
        bound[rows] = reach
        hulls[:, :, rows] = torch.stack([torch.stack(ends) for ends in hull])[..., 0, 0]
        found.append(table.masked_select(inside))
        owner.append(rows)
        size.append(inside.sum(1))
    return bound, hulls, _lists(found, owner, size, count)


def _to_points(
    asked: Tensor, leaves: Tensor, hull: list, q: Tensor, p: Tensor, k: int, M: int
) -> tuple[Tensor, Tensor | float]:
    """From the queries in boxes of four [n, 4] to the k-th nearest of the points in some others.

    The smaller of two stands for both of them, which halves the work and leaves a bound.
    """
    hull = [[x[..., None] for x in ends] for ends in hull]
    asked, leaves = _four(asked).clamp(max=M - 1), leaves.clamp(max=p.shape[1] - 1)
    here, beyond = _onto(_pick(q.flatten(1), asked, (*asked.shape, 1)), hull)
    there = _pick(p, leaves, (*leaves.shape[:2], 1, -1))
    squared = _squared((b - a for a, b in zip(here, there, strict=True)), beyond)  # [n, 4, 4, ·]
    least = _least(torch.minimum(*squared.chunk(2, 3)), k, ordered=False)[0].amax(3)
    return least, _squared(beyond)[..., 0] if beyond else 0.0


def _four(boxes: Tensor) -> Tensor:
    """The four in each box."""
    return boxes[..., None] * FAN + torch.arange(FAN, device=boxes.device, dtype=boxes.dtype)


def _descend(
    lists: Lists, bound: Tensor, hulls: Tensor | None, ours: Corners, theirs: Corners, block: int
) -> Lists:
    """From each box of queries to the four in it, and from its list of boxes to those in them."""
    found, owner, size = [], [], []
    for rows, table in _tables(lists, theirs[0].shape[1] - 1, block // FAN**2):
        here = [_pick(corner, rows, (-1, FAN, 1)) for corner in ours]
        there = [_pick(corner, table, (len(rows), 1, -1)) for corner in theirs]
        hull = None if hulls is None else [list(x) for x in hulls[:, :, rows, None, None]]
        near = _between(here, there, hull)[0] <= bound[rows, :, None]  # [n, 4, 4·S]
        found.append(_four(table).view(len(rows), 1, -1).masked_select(near))
        owner.append(_four(rows).flatten())
        size.append(near.sum(2).flatten())
    return _lists(found, owner, size, bound.numel())


def _lists(found: list[Tensor], owner: list[Tensor], size: list[Tensor], boxes: int) -> Lists:
    """The lists of so many boxes, from those of some of them."""
    size, owner = torch.cat(size), torch.cat(owner)
    start, count = (size.new_zeros(boxes) for _ in range(2))
    count[owner], start[owner] = size, size.cumsum(0) - size
    return torch.cat(found), start, count


def _parts(lists: Lists, most: int) -> Iterator[Lists]:
    """The lists, some boxes at a time, so that few more than so many ids are held by those below.

    Where nothing is near, a list is long: of a query far away, of a point among few.
    """
    ids, start, count = lists
    part = (count.cumsum(0) - count) // most
    for at in range(int(part[-1]) + 1 if len(ids) > most else 1):
        yield ids, start, count * (part == at)


def _tables(lists: Lists, empty: int, area: int, least: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Lists of unequal length as tables [n, S] of rows that are about equally long."""
    ids, start, count = lists
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


def _corners(boxes: Corners, at: Tensor) -> list[list[Tensor]]:
    """The corners of the boxes at [n] or [n, S], whatever larger box they are in: [n, 1, S]."""
    return [_pick(corner.flatten(1), at, (len(at), 1, -1)) for corner in boxes]


def _hull(boxes: Corners, table: Tensor) -> list[list[Tensor]]:
    """The corners of the box around all boxes of a row, [n, 1, 1]."""
    low, high = _corners(boxes, table)
    return [[x.amin(2, keepdim=True) for x in low], [x.amax(2, keepdim=True) for x in high]]


def _onto(x: list[Tensor], hull: list[list[Tensor]] | None) -> tuple[list[Tensor], list[Tensor]]:
    """The nearest places in the hull, and how far away they are along each axis.

    With x = c + a, c in the hull, ‖x - p‖² - ‖a‖² = Σ b (b + 2a), b = |c - p|, for a point p of it:
    where x is far away, this tells points apart whose distances round to the same.
    """
    if hull is None:  # the queries are the points: their own boxes are in their lists
        return x, []
    onto = [torch.clamp(a, low, high) for a, low, high in zip(x, *hull, strict=True)]
    return onto, _if_any([(a - b).abs_() for a, b in zip(x, onto, strict=True)])


def _if_any(beyond: list[Tensor]) -> list[Tensor]:
    """Nothing, where all are 0: which saves the adding of it."""
    return beyond if torch.stack(beyond).any() else []


def _between(
    ours: list[list[Tensor]],
    theirs: list[list[Tensor]],
    hull: list[list[Tensor]] | None,
    both: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor | float]:
    """Squared distances of boxes, at the least and at the most, but for the last: what they share.

    The same as in `_onto`: for any query in one box, any point in the other.
    """
    least, most = [], []
    if hull is not None:
        ends = list(zip(*ours, *hull, strict=True))
        most = _if_any([torch.maximum(b - d, c - a).clamp_(min=0) for a, b, c, d in ends])
    if most:
        least = [torch.maximum(a - d, c - b).clamp_(min=0) for a, b, c, d in ends]
        ours = [
            [torch.clamp(x, c, d) for x, c, d in zip(side, *hull, strict=True)] for side in ours
        ]
    gaps, reaches = [], []
    for low, high, below, above in zip(*ours, *theirs, strict=True):
        ahead, behind = below - high, low - above
        if both:
            reaches.append(torch.minimum(ahead, behind).neg_())
        gaps.append(torch.maximum(ahead, behind, out=ahead).clamp_(min=0))
    far = _squared(reaches, most) if both else None
    return _squared(gaps, least), far, _squared(least) if least else 0.0


def _squared(offsets: Iterable[Tensor], beyond: Sequence[Tensor] = ()) -> Tensor:
    """x² + y² + z², in place: rounded alike, a box is never farther than the points in it.

    Beyond a hull, the sum of b (b + 2a), for offsets of either sign.
    """
    total = None
    for axis, offset in enumerate(offsets):  # one at a time: each is as large as a block
        other = offset
        if beyond:
            offset = offset.abs_()
            other = offset + 2 * beyond[axis]
        total = offset.mul_(other) if total is None else total.addcmul_(offset, other)
        del offset, other  # before the next is made, in the same memory
    return total


def _least(squared: Tensor, k: int, ordered: bool) -> tuple[Tensor, Tensor]:
    """The k smallest of each row, and where: a topk of bits, which compares faster than floats.

    As whole numbers, the bits of floats from 0 to infinity are in the order of the floats.
    """
    bits = squared.view(torch.int32 if squared.dtype == torch.float32 else torch.int64)
    least, slot = bits.topk(k, -1, largest=False, sorted=ordered)
    return least.view(squared.dtype), slot
