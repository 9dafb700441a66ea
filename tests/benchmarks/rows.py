"""What `make bench` compares: for each operator its work, what one would install instead, and how
many times as long as that ours may take.

A row's `make` prepares the inputs, at full size or a part of it, and gives a `Case`: two functions
of no arguments and what compares their results, so that nothing is timed that is not equal.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree
from torch import Tensor
from torch.utils.benchmark import Timer

import gather3d as g3
from gather3d import datasets

CHANNELS, SAMPLES = 32, 200_000
EDGE, TAPS = 0.1, 27
FLOAT, INDEX = 4, 8  # bytes


@dataclass(frozen=True)
class Case:
    """Ours and the reference, on the same inputs.

    Attributes:
        agree: takes both results; an AssertionError where they differ.
        count: how many samples, points, voxels or distances: what a slope is measured against.
        bytes: what must be read and written at the least: inputs once, results once.
    """

    ours: Callable[[], Any]
    reference: Callable[[], Any]
    agree: Callable[[Any, Any], None]
    count: int
    bytes: int


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        most: ours ÷ reference, to reach; None where the row is for information.
        make: the case at a part (0 … 1) of its full size.
        needs: modules that the reference imports.
        threads: of both; None for all cores. spconv's CPU code is right with one thread only: with
            two, results differ from run to run.
    """

    operator: str
    work: str
    reference: str
    most: float | None
    make: Callable[[float], Case]
    needs: tuple[str, ...] = ()
    threads: int | None = None

    @property
    def name(self) -> str:
        return f"{self.operator}, {self.work}, {self.reference}"


# ---- inputs


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator()).to(g3.device())


def scan(part: float) -> Tensor:
    """The street scan, or every so many of its returns: up to [69,792, 3] metres."""
    return datasets.load("street").points[:: round(1 / part)].contiguous()


def street_voxels(part: float) -> Tensor:
    """The scan's voxels of 0.1 m, [15,950, 4] at full size; parts of it are cut off in space."""
    coords = g3.voxelize(scan(1), EDGE, origin=torch.zeros(3)).coords
    near = (coords[:, 2:] - coords[:, 2:].double().mean(0)).abs().amax(1)
    return coords[near <= near.double().quantile(part)]


# ---- comparisons


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def all_close(ours: tuple, theirs: tuple) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2)


def identical(ours: Tensor, theirs: Tensor) -> None:
    assert torch.equal(ours, theirs)


# ---- sampling


def trilinear(size: int, backward: bool) -> Callable[[float], Case]:
    def make(part: float) -> Case:
        count = round(SAMPLES * part)
        volume = normal(1, CHANNELS, size, size, size).requires_grad_(backward)
        coords = (torch.rand(1, count, 3, generator=generator()) * (size - 1)).to(volume.device)
        coords.requires_grad_(backward)
        weights = normal(1, CHANNELS, count)

        def ours() -> Tensor:
            return g3.trilinear_sample(volume, coords)

        def theirs() -> Tensor:
            unit = (2 * coords / (size - 1) - 1).flip(-1)[:, :, None, None]
            return F.grid_sample(volume, unit, align_corners=True)[..., 0, 0]

        def gradients(function: Callable[[], Tensor]) -> Callable[[], tuple]:
            return lambda: torch.autograd.grad(function(), (volume, coords), weights)

        forward = FLOAT * (8 * CHANNELS * count + 3 * count + CHANNELS * count)
        if not backward:
            return Case(ours, theirs, close, count, forward)
        moved = 2 * forward + 2 * FLOAT * volume.numel()
        return Case(gradients(ours), gradients(theirs), all_close, count, moved)

    return make


def nearest_voxel(size: int) -> Callable[[float], Case]:
    def make(part: float) -> Case:
        count = round(SAMPLES * part)
        volume = normal(1, CHANNELS, size, size, size)
        coords = (torch.rand(1, count, 3, generator=generator()) * (size - 1)).to(volume.device)
        away = ((coords - coords.floor()) - 0.5).abs() < 1e-3  # rounding decides in theirs
        coords = coords.where(~away, coords.floor())

        def theirs() -> Tensor:
            unit = (2 * coords / (size - 1) - 1).flip(-1)[:, :, None, None]
            return F.grid_sample(volume, unit, "nearest", align_corners=True)[..., 0, 0]

        moved = FLOAT * (2 * CHANNELS * count + 3 * count)
        return Case(
            lambda: g3.trilinear_sample(volume, coords, mode="nearest"),
            theirs,
            identical,
            count,
            moved,
        )

    return make


def deform(groups: int) -> Callable[[float], Case]:
    def make(part: float) -> Case:
        size = round(32 * part ** (1 / 3))
        input, weight = normal(1, 16, size, size, size), normal(16, 16, 3, 3, 3)
        offset = normal(1, groups * 3 * TAPS, size, size, size)
        axis = torch.arange(float(size), device=input.device)
        places = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
        taps = torch.cartesian_prod(*3 * [torch.arange(-1.0, 2, device=input.device)])

        def per_tap() -> Tensor:
            out = torch.zeros((), device=input.device)
            parts = (x.chunk(groups, dim=1) for x in (input, offset, weight))
            for volume, moves, matrix in zip(*parts, strict=True):
                for k, tap in enumerate(taps):
                    at = places + tap + moves[0, 3 * k : 3 * k + 3].movedim(0, -1)
                    unit = (2 * at / (size - 1) - 1).flip(-1)[None]
                    read = F.grid_sample(volume, unit, align_corners=True)
                    out = out + torch.einsum("bidhw,oi->bodhw", read, matrix.flatten(2)[:, :, k])
            return out

        def ours() -> Tensor:
            return g3.deform_conv3d(input, offset, weight, padding=1)

        def agree(ours: Tensor, theirs: Tensor) -> None:
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-3)

        moved = FLOAT * (2 * input.numel() + offset.numel() + weight.numel())
        return Case(ours, per_tap, agree, size**3, moved)

    return make


# ---- indexing


def pick(ordered: bool) -> Callable[[float], Case]:
    def make(part: float) -> Case:
        count = round(1_000_000 * part)
        features = normal(1, 64, count)
        index = torch.randint(count, (1, count), generator=generator()).to(features.device)
        index = index.sort(1).values if ordered else index
        ways = (
            lambda: features.gather(2, index[:, None].expand(-1, 64, -1)),
            lambda: features.index_select(2, index[0]),
            lambda: features[:, :, index[0]],
        )
        fastest = min(ways, key=quick)
        moved = 2 * FLOAT * features.numel() + INDEX * count
        return Case(lambda: g3.gather_points(features, index), fastest, identical, count, moved)

    return make


def quick(function: Callable[[], Any]) -> float:
    """The least seconds of three calls."""
    timer = Timer("function()", globals={"function": function})
    return min(timer.timeit(1).median for _ in range(3))


def meeting(part: float, distinct: float, channels: int) -> tuple[Tensor, Tensor, int]:
    """Up to a million values, the slot of each, and how many slots there are: each is reached."""
    count = round(1_000_000 * part)
    slots = round(distinct * count)
    again = torch.randint(slots, (count - slots,), generator=generator())
    index = torch.cat([torch.arange(slots), again])
    values = normal(1, channels, count)
    index = index[torch.randperm(count, generator=generator())][None].to(values.device)
    return values, index, slots


def send(reduce: str, distinct: float, precise: bool = False) -> Callable[[float], Case]:
    """Beside the libraries' sums in float32, or, as precise as ours, torch's in float64."""

    def make(part: float) -> Case:
        values, index, slots = meeting(part, distinct, 64)
        count = values.shape[2]

        def add() -> Tensor:
            wide = index[:, None].expand_as(values)
            given = values.double() if precise else values
            return given.new_zeros(1, 64, slots).scatter_add_(2, wide, given).float()

        def mean() -> Tensor:
            from torch_geometric.utils import scatter

            return scatter(values, index[0], 2, slots, "mean")

        moved = FLOAT * 64 * (count + slots) + INDEX * count
        theirs = add if reduce == "sum" else mean
        return Case(
            lambda: g3.scatter_points(values, index, slots, reduce), theirs, close, count, moved
        )

    return make


# ---- points


def nearest(part: float) -> Case:
    plain = scan(part)
    points = plain[None].to(g3.device())

    def tree() -> Tensor:
        return torch.from_numpy(cKDTree(plain.numpy()).query(plain.numpy(), 16, workers=-1)[0])

    def agree(ours: tuple, theirs: Tensor) -> None:
        torch.testing.assert_close(ours[0][0].double().cpu(), theirs, rtol=1e-4, atol=1e-4)

    moved = len(plain) * (2 * 3 * FLOAT + 16 * (FLOAT + INDEX))
    return Case(lambda: g3.knn(points, points, 16), tree, agree, len(plain), moved)


UNLUCKY = {  # queries (None: the points themselves) and points, from uniform ones in a box
    "one far away": lambda u, v: (None, torch.cat([u[:1] + 1e7, u[1:]])),
    "in two clusters far apart": lambda u, v: (None, u + 1e7 * (u[:, :1] < 0.5)),
    "half of them padding": lambda u, v: (None, torch.where(u[:, :1] < 0.5, u, 1e6)),
    "on a line": lambda u, v: (None, u * torch.tensor([1.0, 0, 0])),
    "with long tails": lambda u, v: (None, (u - 0.5) / v),
    "asked from beside the box": lambda u, v: (v + torch.tensor([2.0, 0, 0]), u),
    "asked from a kilometre away": lambda u, v: (v + torch.tensor([1e3, 0, 0]), u),
}


def unlucky(name: str) -> Callable[[float], Case]:
    """An unlucky cloud, or unlucky queries, beside as many in a box: both ours."""

    def make(part: float) -> Case:
        count = round(69_792 * part)
        u, v = torch.rand(2, count, 3, generator=generator())
        asked, points = UNLUCKY[name](u, v)
        asked = points if asked is None else asked
        plain = u if asked is points else v
        box, there = u[None].to(g3.device()), points[None].to(g3.device())
        inside = box if plain is u else plain[None].to(g3.device())
        query = there if asked is points else asked[None].to(g3.device())

        def agree(ours: tuple, theirs: tuple) -> None:
            for got, of, among in ((ours, asked, points), (theirs, plain, u)):
                exact, _ = cKDTree(among.double().numpy()).query(of.double().numpy(), 16)
                torch.testing.assert_close(
                    got[0][0].double().cpu(), torch.from_numpy(exact), rtol=1e-6, atol=1e-6
                )

        moved = count * (2 * 3 * FLOAT + 16 * (FLOAT + INDEX))
        return Case(
            lambda: g3.knn(query, there, 16), lambda: g3.knn(inside, box, 16), agree, count, moved
        )

    return make


def ball(trimmed: bool) -> Callable[[float], Case]:
    radius, k = 0.5, 32

    def make(part: float) -> Case:
        plain = scan(part)
        points = plain[None].to(g3.device())

        def lists() -> Tensor:
            """All points within the radius, as lists, trimmed to the k nearest."""
            tree = cKDTree(plain.numpy())
            found = tree.query_ball_point(plain.numpy(), radius, workers=-1)
            length = torch.tensor([len(near) for near in found])
            index = torch.from_numpy(np.concatenate(found)).long()
            query = torch.arange(len(plain)).repeat_interleave(length)
            distance = (plain[query] - plain[index]).norm(dim=1)
            order = distance.argsort()
            order = order[query[order].argsort(stable=True)]  # by query, nearest first
            rank = torch.arange(len(order)) - (length.cumsum(0) - length).repeat_interleave(length)
            out = torch.full((len(plain), k), float("inf"))
            keep = rank < k
            out[query[keep], rank[keep]] = distance[order][keep]
            return out

        def bounded() -> Tensor:
            """The k nearest, searched within the radius only: the tree's other question."""
            tree = cKDTree(plain.numpy())
            found = tree.query(plain.numpy(), k, distance_upper_bound=radius, workers=-1)
            return torch.from_numpy(found[0])

        def agree(ours: tuple, theirs: Tensor) -> None:
            mine, theirs = ours[0][0].double().cpu(), theirs.double()
            near = (mine - theirs).abs() < 1e-4
            edge = (mine.minimum(theirs) - radius).abs() < 1e-4  # in one ball, out of the other
            assert (near | edge | (mine == theirs)).all()

        moved = len(plain) * (2 * 3 * FLOAT + k * (FLOAT + INDEX))
        theirs = lists if trimmed else bounded
        return Case(
            lambda: g3.ball_query(points, points, radius, k), theirs, agree, len(plain), moved
        )

    return make


def farthest(bucketed: bool) -> Callable[[float], Case]:
    def make(part: float) -> Case:
        import fpsample

        plain = scan(part)
        m = round(4096 * part)
        points = plain[None].to(g3.device())

        def theirs() -> Tensor:
            ask = fpsample.bucket_fps_kdline_sampling if bucketed else fpsample.fps_sampling
            more = {"h": 7} if bucketed else {}
            return torch.from_numpy(ask(plain.numpy(), m, start_idx=0, **more).astype("int64"))

        def spread(index: Tensor) -> float:
            """The largest distance of a point from the nearest that was chosen."""
            return float(cKDTree(plain[index].numpy()).query(plain.numpy())[0].max())

        def agree(ours: Tensor, theirs: Tensor) -> None:
            assert len(set(theirs.tolist())) == m
            mine, other = spread(ours[0].cpu()), spread(theirs)
            if bucketed:  # it starts elsewhere; any two greedy choices are within a factor of 2
                assert mine / 2 <= other <= mine * 2
            else:
                assert abs(mine - other) < 1e-3

        moved = m * len(plain) * 5 * FLOAT  # each step reads the points, and the distances twice
        distances = m * len(plain)  # fewer points, and fewer of them chosen
        return Case(lambda: g3.farthest_point_sample(points, m), theirs, agree, distances, moved)

    return make


# ---- voxels and sparse convolution


def gridding(part: float) -> Case:
    import open3d

    plain = scan(part)
    points = plain.to(g3.device())
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(plain.double().numpy()))
    origin = plain.double().amin(0) - EDGE / 2  # where Open3D puts it

    def agree(ours: g3.Voxels, theirs: Any) -> None:
        """The same voxels: as many, and the mean of the points in each."""
        means = g3.pool(points.double(), ours).cpu().numpy()
        gap, _ = cKDTree(np.asarray(theirs.points)).query(means)
        assert len(theirs.points) == len(ours.coords) and gap.max() < 1e-9

    moved = len(plain) * (3 * FLOAT + INDEX) + len(cloud.voxel_down_sample(EDGE).points) * 5 * INDEX
    return Case(
        lambda: g3.voxelize(points, EDGE, origin=origin.to(points.device)),
        lambda: cloud.voxel_down_sample(EDGE),
        agree,
        len(plain),
        moved,
    )


PILLARS, BOX = (0.16, 0.16, 4.0), ((-12.0, -12.0, -2.0), (12.0, 12.0, 2.0))


def pillars(part: float) -> Case:
    from cumm import tensorview
    from spconv.utils import Point2VoxelCPU3d

    # on steps of 1/64 m, where float32, in which spconv counts, divides as float64 does
    plain = (scan(part) * 64).round() / 64 + 1 / 256
    points = plain.to(g3.device())
    make = Point2VoxelCPU3d(list(PILLARS), [*BOX[0], *BOX[1]], 3, 100_000, 32)
    array = plain.numpy()  # spconv keeps its address, and not the array
    theirs = tensorview.from_numpy(array)

    def agree(ours: g3.Voxels, theirs: tuple) -> None:
        order = torch.from_numpy(theirs[1].numpy().copy()).long()
        order = g3.ravel_index(order, ours.shape).sort().values
        assert torch.equal(g3.ravel_index(ours.coords[:, 1:], ours.shape).cpu(), order)

    moved = len(plain) * (3 * FLOAT + INDEX)
    return Case(
        lambda: g3.voxelize(points, PILLARS, bounds=BOX),
        lambda array=array: make.point_to_voxel(theirs),
        agree,
        len(plain),
        moved,
    )


def between(part: float) -> Case:
    """The scan's points read the voxels' features, between their centres."""
    points = scan(part).to(g3.device())
    voxels = g3.voxelize(points, EDGE)
    features = normal(len(voxels.coords), CHANNELS)
    D, H, W = voxels.shape

    def dense_table() -> Tensor:
        """Rows by place in a dense grid, as OpenPCDet looks up voxels; then eight gathers."""
        rows = torch.full((D + 2, H + 2, W + 2), -1, device=points.device)
        z, y, x = (voxels.coords[:, 1:] + 1).unbind(1)
        rows[z, y, x] = torch.arange(len(voxels.coords), device=points.device)
        at = (points.double() - voxels.origin) / EDGE - 0.5
        low = at.floor()
        out, total = 0, 0
        for corner in torch.cartesian_prod(*3 * [torch.arange(2, device=points.device)]):
            x, y, z = (low + corner + 1).long().unbind(1)
            row = rows[z, y, x]
            weight = (1 - (at - low - corner).abs()).prod(1).where(row >= 0, 0).float()
            out = out + weight[:, None] * features[row.clamp(min=0)]
            total = total + weight
        return out / total[:, None]

    moved = FLOAT * (8 * CHANNELS + CHANNELS + 3) * len(points)
    return Case(
        lambda: g3.devoxelize(features, voxels, points), dense_table, close, len(points), moved
    )


def table(part: float) -> Case:
    import spconv.pytorch as spconv
    from spconv.pytorch import ops

    plain = street_voxels(part)
    coords, shape = plain.to(g3.device()), (plain.amax(0)[1:] + 1).tolist()
    whole = plain.int()

    def pairs() -> tuple:
        three, one = [3] * 3, [1] * 3
        algorithm = spconv.ConvAlgo.Native
        return ops.get_indice_pairs(
            whole, 1, shape, algorithm, three, one, one, one, [0] * 3, subm=True
        )

    def agree(ours: Tensor, theirs: tuple) -> None:
        """The same pairs at every tap; of a tap and its mirror image spconv lists one."""
        _, lists, counts = theirs
        wanted = torch.full((TAPS, len(plain)), -1)
        for tap, n in enumerate(counts.tolist()):
            if tap < TAPS // 2:
                reads, writes = lists[:, tap, :n].long()
                wanted[tap, writes] = reads
                wanted[TAPS - 1 - tap, reads] = writes
        wanted[TAPS // 2] = torch.arange(len(plain))
        assert torch.equal(ours.T.cpu(), wanted)

    moved = len(plain) * INDEX * (4 + TAPS)
    return Case(lambda: g3.neighbour_index(coords), pairs, agree, len(plain), moved)


def convolve(cached: bool) -> Callable[[float], Case]:
    def make(part: float) -> Case:
        import spconv.pytorch as spconv

        plain, C = street_voxels(part), 64
        shape = tuple((plain.amax(0)[1:] + 1).tolist())
        features, weight = normal(len(plain), C), normal(C, C, 3, 3, 3) / 40
        coords = plain.to(features.device)
        layer = spconv.SubMConv3d(C, C, 3, bias=False, indice_key="street" if cached else None)
        layer.weight.data = weight.cpu().permute(0, 2, 3, 4, 1).contiguous()
        sparse = spconv.SparseConvTensor(features.cpu(), plain.int(), list(shape), 1)
        x = g3.SparseVolume(coords, features, shape, 1)
        rulebook = g3.kernel_map(coords, shape, submanifold=True)
        if cached:
            sparse = layer(sparse).replace_feature(features.cpu())  # its output knows the map

        @torch.no_grad()
        def theirs() -> Tensor:
            return layer(sparse).features

        @torch.no_grad()
        def ours() -> Tensor:
            if cached:
                return g3.apply_kernel_map(features, weight, rulebook)
            return g3.sparse_conv3d(x, weight, submanifold=True).features

        def agree(ours: Tensor, theirs: Tensor) -> None:
            torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-4, atol=1e-4)

        pairs = sum(len(reads) for reads, _ in rulebook.pairs)
        moved = pairs * (3 * C * FLOAT + 2 * INDEX) + weight.numel() * FLOAT
        return Case(ours, theirs, agree, len(plain), moved)

    return make


def joined(part: float) -> Case:
    """The street, and the same street two voxels further on."""
    import spconv.pytorch as spconv

    plain, C = street_voxels(part), 64
    shape = tuple((plain.amax(0)[1:] + 3).tolist())
    coords = [plain, plain + torch.tensor([0, 0, 2, 2])]
    features = [normal(len(plain), C), normal(len(plain), C) + 1]
    ours = [
        g3.SparseVolume(c.to(f.device), f, shape, 1) for c, f in zip(coords, features, strict=True)
    ]
    theirs = [
        spconv.SparseConvTensor(f.cpu(), c.int(), list(shape), 1)
        for c, f in zip(coords, features, strict=True)
    ]

    def agree(ours: g3.SparseVolume, theirs: Any) -> None:
        order = g3.ravel_index(theirs.indices.long(), (1, *shape)).argsort()
        assert torch.equal(ours.coords.cpu(), theirs.indices.long()[order])
        close(ours.features.cpu(), theirs.features[order])

    moved = 4 * len(plain) * (C * FLOAT + 4 * INDEX)
    return Case(
        lambda: ours[0] + ours[1],
        lambda: spconv.functional.sparse_add(*theirs),
        agree,
        len(plain),
        moved,
    )


def win(part: float) -> Case:
    values, index, slots = meeting(part, 0.1, 8)
    count = values.shape[2]

    def theirs() -> Tensor:
        from torch_geometric.utils._scatter import scatter_argmax

        return torch.stack([scatter_argmax(row, index[0], 0, slots) for row in values[0]])[None]

    moved = FLOAT * 8 * count + INDEX * (count + 8 * slots)
    return Case(lambda: g3.scatter_argmax(values, index, slots), theirs, identical, count, moved)


# ---- the rows


def rows() -> Iterator[Row]:
    for size in (64, 128):
        work = f"200k × 32 channels in {size}³"
        yield Row("trilinear_sample", work, "F.grid_sample", 0.33, trilinear(size, False))
        both = f"{work}, and backward"
        yield Row("trilinear_sample", both, "F.grid_sample", 0.7, trilinear(size, True))
    work = f"nearest, {SAMPLES // 1000}k × 32 channels in 64³"
    yield Row("trilinear_sample", work, "F.grid_sample", 1.0, nearest_voxel(64))
    for ordered in (False, True):
        work = f"[1, 64, 1M], {'sorted' if ordered else 'random'}"
        yield Row("gather_points", work, "fastest of torch's three", 1.05, pick(ordered))
    for reduce, theirs in (("sum", "scatter_add"), ("mean", "torch_geometric scatter")):
        needs = ("torch_geometric",) if reduce == "mean" else ()
        for share, distinct in (("10 %", 0.9), ("90 %", 0.1)):
            work = f"{reduce} of [1, 64, 1M], {share} duplicates"
            yield Row("scatter_points", work, theirs, 1.0, send(reduce, distinct), needs)
    for share, distinct in (("10 %", 0.9), ("90 %", 0.1)):
        work = f"sum of [1, 64, 1M], {share} duplicates, as precise"
        precise = send("sum", distinct, precise=True)
        yield Row("scatter_points", work, "scatter_add in float64", 1.0, precise)
    work, needs = "[1, 8, 1M], 90 % duplicates", ("torch_geometric",)
    yield Row("scatter_argmax", work, "torch_geometric's, by row", None, win, needs)
    yield Row("knn", "16 of 69,792, for each", "cKDTree.query", 1.0, nearest)
    for name in UNLUCKY:
        work = f"16 of 69,792 {name}"
        yield Row("knn", work, "the same, in a box", 4.0, unlucky(name))
    work = "32 within 0.5 m, for each of 69,792"
    yield Row("ball_query", work, "query_ball_point, trimmed", 0.7, ball(True))
    yield Row("ball_query", work, "cKDTree.query, bounded", None, ball(False))
    work, needs = "4,096 of 69,792", ("fpsample",)
    yield Row("farthest_point_sample", work, "fpsample, plain", 1.0, farthest(False), needs)
    yield Row("farthest_point_sample", work, "fpsample, bucketed", None, farthest(True), needs)
    work = "69,792 points at 0.1 m"
    yield Row("voxelize", work, "Open3D voxel_down_sample", 0.8, gridding, ("open3d",))
    work, needs = "69,792 points, pillars of 0.16 m in bounds", ("spconv",)
    yield Row("voxelize", work, "spconv Point2Voxel", None, pillars, needs, threads=1)
    work = "32 channels of 0.1 m voxels, at 69,792 points"
    yield Row("devoxelize", work, "dense table, eight gathers", 1.0, between)
    work = "15,950 voxels each, 64 channels, half of them shared"
    yield Row("SparseVolume +", work, "spconv sparse_add", 1.0, joined, needs, threads=1)
    work, needs = "15,950 voxels, 3×3×3", ("spconv",)
    yield Row("neighbour_index", work, "spconv indice pairs", 1.0, table, needs, threads=1)
    for cached in (False, True):
        how = f"{work}, 64 → 64, map {'cached' if cached else 'built'}"
        yield Row(
            "sparse_conv3d", how, "spconv SubMConv3d", 1.2, convolve(cached), needs, threads=1
        )
    work, theirs = "[1, 16, 32³], 3×3×3", "F.grid_sample for each tap"
    yield Row("deform_conv3d", work, theirs, 0.4, deform(1))
    yield Row("deform_conv3d", f"{work}, 4 groups", theirs, 0.6, deform(4))


ROWS = tuple(rows())
