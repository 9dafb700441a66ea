"""The operators beside what a reader would install instead: `make bench`.

Each row runs ours and the reference in one process, on the same inputs, in turns, after comparing
what they give. The ratio is of the two medians; a machine that is busy slows both. Where a
reference is not installed the row says so (`pip install fpsample open3d`).

    python -m tests.benchmarks.operators                    # all rows
    python -m tests.benchmarks.operators knn trilinear      # those whose names contain a word
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree

import gather3d as g3
from gather3d import datasets

TURNS = 7
CHANNELS, SAMPLES = 32, 200_000
SEED = 0


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        most: ours ÷ reference, to reach.
        needs: packages of the reference.
        make: prepares the inputs and gives ours, the reference, and what compares their results
            (an AssertionError where they differ).
    """

    operator: str
    work: str
    reference: str
    most: float
    make: Callable[[], tuple[Callable, Callable, Callable[[Any, Any], None]]]
    needs: tuple[str, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names contain one of these")
    names = parser.parse_args().names
    bandwidth = copied()
    print(
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"a plain copy of 256 MB moves {bandwidth:.1f} GB/s"
    )
    print(
        f"{'operator':<22}{'work':<34}{'reference':<30}{'ours':>9}{'theirs':>9}{'ratio':>7}{'most':>6}"
    )
    for row in ROWS:
        if names and not any(name in row.operator for name in names):
            continue
        absent = [name for name in row.needs if find_spec(name) is None]
        start = f"{row.operator:<22}{row.work:<34}{row.reference:<30}"
        if absent:
            print(f"{start}not measured: {', '.join(absent)} is not installed")
            continue
        ours, theirs = measured(row)
        ratio = ours / theirs
        mark = "" if ratio <= row.most else "  missed"
        times = f"{1e3 * ours:>6.0f} ms{1e3 * theirs:>6.0f} ms"
        print(f"{start}{times}{ratio:>7.2f}{row.most:>6.2f}{mark}", flush=True)


def measured(row: Row) -> tuple[float, float]:
    """Median seconds of ours and of the reference, in turns, after one that does not count."""
    ours, reference, agree = row.make()
    agree(ours(), reference())
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for function, into in zip((ours, reference), times, strict=True):
            start = time.perf_counter()
            function()
            into.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def copied() -> float:
    """GB per second, read and written, of a copy far larger than the caches."""
    source = torch.ones(1 << 26)
    target = torch.empty_like(source)
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        target.copy_(source)
        times.append(time.perf_counter() - start)
    return 2 * source.numel() * 4 / min(times) / 1e9


# ---- inputs


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def scan() -> torch.Tensor:
    """The street scan, every return: [69,792, 3] metres."""
    return datasets.load("street").points


def close(ours: torch.Tensor, theirs: Any) -> None:
    torch.testing.assert_close(ours, torch.as_tensor(theirs), rtol=1e-4, atol=1e-4)


def alike(ours: torch.Tensor, theirs: Any) -> None:
    assert torch.equal(ours, torch.as_tensor(theirs).to(ours.dtype))


# ---- the rows


def sampling(size: int, backward: bool) -> Callable:
    def make() -> tuple:
        g = generator()
        volume = torch.randn(1, CHANNELS, size, size, size, generator=g, requires_grad=backward)
        coords = torch.rand(1, SAMPLES, 3, generator=g) * (size - 1)
        coords.requires_grad_(backward)
        weights = torch.randn(1, CHANNELS, SAMPLES, generator=g)

        def read() -> torch.Tensor:
            unit = (2 * coords / (size - 1) - 1).flip(-1)[:, :, None, None]
            return F.grid_sample(volume, unit, align_corners=True)[..., 0, 0]

        def gradients(function: Callable[[], torch.Tensor]) -> Callable:
            return lambda: torch.autograd.grad(function(), (volume, coords), weights)

        def ours() -> torch.Tensor:
            return g3.trilinear_sample(volume, coords)

        def both(ours: tuple, theirs: tuple) -> None:
            for one, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2)

        if not backward:
            return ours, read, close
        return gradients(ours), gradients(read), both

    return make


def picking(ordered: bool) -> Callable:
    def make() -> tuple:
        g = generator()
        features = torch.randn(1, 64, 1_000_000, generator=g)
        index = torch.randint(1_000_000, (1, 1_000_000), generator=g)
        index = index.sort(1).values if ordered else index
        ways = {
            "gather": lambda: features.gather(2, index[:, None].expand(-1, 64, -1)),
            "index_select": lambda: features.index_select(2, index[0]),
            "advanced indexing": lambda: features[:, :, index[0]],
        }
        fastest = min(ways, key=lambda name: quick(ways[name]))
        return lambda: g3.gather_points(features, index), ways[fastest], alike

    return make


def quick(function: Callable) -> float:
    function()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def scattering(reduce: str, distinct: int) -> Callable:
    def make() -> tuple:
        g = generator()
        values = torch.randn(1, 64, 1_000_000, generator=g)
        again = torch.randint(distinct, (1_000_000 - distinct,), generator=g)
        index = torch.cat([torch.arange(distinct), again])
        index = index[torch.randperm(1_000_000, generator=g)][None]

        def add() -> torch.Tensor:
            wide = index[:, None].expand_as(values)
            out = values.new_zeros(1, 64, distinct).scatter_add_(2, wide, values)
            if reduce == "sum":
                return out
            count = values.new_zeros(1, distinct).scatter_add_(1, index, torch.ones(1, 1_000_000))
            return out / count.clamp(min=1)[:, None]

        return lambda: g3.scatter_points(values, index, distinct, reduce), add, close

    return make


def nearest() -> tuple:
    points = scan()
    plain = points.numpy()

    def tree() -> np.ndarray:
        return cKDTree(plain).query(plain, 16, workers=-1)[0]

    def agree(ours: tuple, theirs: np.ndarray) -> None:
        torch.testing.assert_close(
            ours[0][0].double(), torch.from_numpy(theirs), rtol=1e-3, atol=2e-3
        )

    return lambda: g3.knn(points[None], points[None], 16), tree, agree


def ball() -> tuple:
    points = scan()
    plain = points.numpy()

    def tree() -> np.ndarray:
        found = cKDTree(plain).query_ball_point(plain, 0.5, workers=-1)
        return np.array([len(near) for near in found])

    def agree(ours: tuple, theirs: np.ndarray) -> None:
        count = (ours[1][0] >= 0).sum(1)
        wanted = torch.from_numpy(theirs).clamp(max=32)
        assert (count != wanted).float().mean() < 1e-3  # of points at the very edge of a ball

    return lambda: g3.ball_query(points[None], points[None], 0.5, 32), tree, agree


def farthest() -> tuple:
    import fpsample

    points = scan()
    plain = points.numpy()

    def theirs() -> np.ndarray:
        return fpsample.fps_sampling(plain, 4096, start_idx=0)

    def agree(ours: torch.Tensor, index: np.ndarray) -> None:
        mine, other = (
            spread(points, torch.as_tensor(i).long()) for i in (ours[0], index.astype(int))
        )
        assert abs(mine - other) < 1e-3

    return lambda: g3.farthest_point_sample(points[None], 4096), theirs, agree


def spread(points: torch.Tensor, index: torch.Tensor) -> float:
    """The largest distance of a point from the nearest that was chosen."""
    return float(cKDTree(points[index].numpy()).query(points.numpy())[0].max())


def gridding() -> tuple:
    import open3d

    points = scan()
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.numpy()))

    def agree(ours: Any, theirs: Any) -> None:
        assert abs(len(ours.coords) - len(theirs.points)) < 0.02 * len(
            theirs.points
        )  # other origins

    return lambda: g3.voxelize(points, 0.1), lambda: cloud.voxel_down_sample(0.1), agree


def deforming() -> tuple:
    g = generator()
    size, K = 32, 27
    input = torch.randn(1, 16, size, size, size, generator=g)
    offset = torch.randn(1, 3 * K, size, size, size, generator=g)
    weight = torch.randn(16, 16, 3, 3, 3, generator=g)
    axis = torch.arange(float(size))
    places = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    taps = torch.cartesian_prod(*3 * [torch.arange(-1.0, 2)])

    def per_tap() -> torch.Tensor:
        out = 0
        for k, tap in enumerate(taps):
            at = places + tap + offset[0, 3 * k : 3 * k + 3].movedim(0, -1)
            unit = (2 * at / (size - 1) - 1).flip(-1)[None]
            read = F.grid_sample(input, unit, align_corners=True)
            out = out + torch.einsum("bidhw,oi->bodhw", read, weight.flatten(2)[:, :, k])
        return out

    def agree(ours: torch.Tensor, theirs: torch.Tensor) -> None:
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-3)

    return lambda: g3.deform_conv3d(input, offset, weight, padding=1), per_tap, agree


def rows() -> Iterator[Row]:
    for size in (64, 128):
        work = f"200k samples, 32 channels, {size}³"
        forward, both = sampling(size, False), sampling(size, True)
        yield Row("trilinear_sample", work, "F.grid_sample", 0.33, forward)
        yield Row("trilinear, backward", work, "F.grid_sample", 0.7, both)
    for ordered in (False, True):
        work = f"[1, 64, 1M], {'sorted' if ordered else 'random'}"
        yield Row("gather_points", work, "fastest of three", 1.05, picking(ordered))
    for reduce in ("sum", "mean"):
        for share, distinct in (("10 %", 900_000), ("90 %", 100_000)):
            work = f"[1, 64, 1M], {share} duplicates"
            yield Row(
                f"scatter_points {reduce}", work, "scatter_add", 1.0, scattering(reduce, distinct)
            )
    yield Row("knn", "16 of 69,792, for each", "cKDTree, workers=-1", 1.0, nearest)
    yield Row("ball_query", "0.5 m, 32, same", "cKDTree.query_ball_point", 0.7, ball)
    yield Row("farthest_point_sample", "4,096 of 69,792", "fpsample", 1.0, farthest, ("fpsample",))
    yield Row("voxelize", "the scan at 0.1 m", "Open3D", 0.8, gridding, ("open3d",))
    yield Row("deform_conv3d", "[1, 16, 32³], 3×3×3", "F.grid_sample for each tap", 0.4, deforming)


ROWS = tuple(rows())

if __name__ == "__main__":
    main()
