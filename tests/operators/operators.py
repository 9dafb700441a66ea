"""One table of the operators: how each is called on small inputs, and what it promises to take.

`CASES` are calls; `PROMISES` is what the operator's docstring says at its end, in the same words
for every operator (`Promise.words`), and what the tests of dtypes, gradients, compiling, transforms
and determinism look into.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

import gather3d as g

SHAPE = (2, 3, 4)  # of volumes


class Draw:
    """Random inputs, the same on every run. All are whole 16ths or 32nds small enough that every
    floating dtype holds them exactly, so that a result in half differs by rounding and no more."""

    def __init__(self, device: str, size: int) -> None:
        self.device, self.size = device, size
        self.random = np.random.default_rng(3)

    def floats(self, *shape: int) -> Tensor:
        """-4 … 4, no two alike where there are fewer than 128."""
        count = int(np.prod(shape))
        order = self.random.permutation(max(count, 128))[:count] % 128
        return self.put((order - 64) / 16).reshape(shape)

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """Never a whole number, where a floor jumps."""
        odd = self.random.integers(int(low * 16), int(high * 16), shape) * 2 + 1
        return self.put(odd / 32)

    def points(self, *shape: int) -> Tensor:
        """(x, y, z) in metres, more crowded the more there are."""
        if int(np.prod(shape)) < 1000:
            return self.between(-2, 2, *shape, 3)
        return self.put(self.random.standard_normal((*shape, 3)))

    def index(self, low: int, high: int, *shape: int) -> Tensor:
        """low and some other number twice among them."""
        drawn = self.random.integers(low, high, shape)
        drawn.reshape(-1)[:3] = low, high - 1, high - 1
        return self.put(drawn)

    def coords(self, count: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
        """Voxels (b, z, y, x), sorted by flat index, none twice."""
        cells = int(np.prod(shape))
        flat = np.sort(self.random.choice(cells, min(count, cells), replace=False))
        zyx = np.stack(np.unravel_index(flat, shape), 1)
        return self.put(np.pad(zyx, ((0, 0), (1, 0))))

    def put(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(self.device)


Run = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class Case:
    """One call of an operator.

    Attributes:
        make: gives the function to call, and its tensors: float64 ones, in which it is
            differentiable (unless `gradient` says otherwise), and int64 ones.
    """

    name: str
    operator: str
    make: Callable[[Draw], tuple[Run, tuple[Tensor, ...]]]
    gradient: bool = True

    def build(self, device: str = "cpu", size: int = 8) -> tuple[Run, dict[str, Tensor]]:
        """The call, and its tensors by the names of its parameters."""
        run, tensors = self.make(Draw(device, size))
        return run, dict(zip(inspect.signature(run).parameters, tensors, strict=True))


@dataclass(frozen=True)
class Promise:
    """What the end of an operator's docstring says.

    Attributes:
        floats: takes float16, bfloat16, float32 and float64.
        indices: what it takes in int32 and int64.
        any_order: what is added in any order on CUDA, where two meet: "values", "gradients".
        graph: None if torch.compile(fullgraph=True) and torch.export take it; else why not.
        maps: what torch.func.vmap maps over.
        stays: what it does not map over.
        layout: "" if what it gives is contiguous; else how it lies in memory.
    """

    floats: bool = True
    indices: str = ""
    any_order: tuple[Literal["values", "gradients"], ...] = ()
    graph: str | None = None
    maps: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    why: str = "whose values it checks"
    layout: str = ""

    def words(self) -> str:
        """The paragraph."""
        floats = "in float16, bfloat16, float32 and float64" if self.floats else ""
        indices = f"with int32 or int64 {self.indices}" if self.indices else ""
        said = f"Runs {', '.join(filter(None, [floats, indices]))}. " if floats or indices else ""
        if self.any_order:
            said += (
                f"Deterministic on the CPU; on CUDA, {listed(self.any_order)} that meet are added "
                "in any order, unless `torch.use_deterministic_algorithms` is on. "
            )
        else:
            said += "Deterministic on the CPU and on CUDA. "
        if self.layout:
            said += f"Not contiguous: {self.layout}. "
        whole = "`torch.compile(fullgraph=True)`"
        if self.graph is None:
            said += f"{whole} and `torch.export` take it; "
        else:
            said += f"Not for {whole} or `torch.export`: {self.graph}; "
        stays = f"{listed(self.stays)}, {self.why}" if self.stays else ""
        if not self.maps:
            return said + f"`torch.func.vmap` does not map over {stays}."
        maps = f"`torch.func.vmap` maps over {listed(self.maps)}"
        return said + maps + (f", not over {stays}." if stays else ".")


def all_there(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Other values of the same shapes, and no index that is missing."""
    return {
        name: t.roll(1, 0 if len(t) > 1 else -1) if t.is_floating_point() else t.clamp(min=0)
        for name, t in tensors.items()
    }


def listed(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def gather_loops(draw: Draw) -> tuple:
    def run(input, index):
        return (g.gather_loops(input, 1, index),)

    return run, (draw.floats(3, 4), draw.index(0, 4, 3, 5))


def scatter_loops(reduce: str | None) -> Callable:
    def make(draw: Draw) -> tuple:
        def run(input, index, src):
            return (g.scatter_loops(input, 1, index, src, reduce),)

        return run, (draw.floats(3, 4), draw.index(0, 4, 3, 5), 4 + draw.floats(3, 5))

    return make


def gather_points(draw: Draw) -> tuple:
    def run(features, index):
        return (g.gather_points(features, index, fill=0.5),)

    N = draw.size
    return run, (draw.floats(2, 3, N), draw.index(-1, N, 2, N, 2))


def scatter_points(reduce: str) -> Callable:
    def make(draw: Draw) -> tuple:
        size = draw.size // 2 + 1  # the last slot stays empty

        def run(values, index):
            return (g.scatter_points(values, index, size, reduce),)

        N = draw.size
        return run, (draw.floats(2, 3, N), draw.index(-1, size - 1, 2, N))

    return make


def scatter_argmax(draw: Draw) -> tuple:
    size = draw.size // 2 + 1  # the last slot stays empty

    def run(values, index):
        return (g.scatter_argmax(values, index, size),)

    N = draw.size
    return run, (draw.floats(2, 3, N), draw.index(-1, size - 1, 2, N))


def invert_permutation(draw: Draw) -> tuple:
    def run(p):
        return (g.invert_permutation(p),)

    return run, (draw.put(np.stack([draw.random.permutation(draw.size) for _ in range(2)])),)


def ravel_index(draw: Draw) -> tuple:
    def run(coords):
        return (g.ravel_index(coords, (1, *SHAPE)),)

    return run, (draw.coords(draw.size),)


def unravel_index(draw: Draw) -> tuple:
    def run(flat):
        return (g.unravel_index(flat, SHAPE),)

    return run, (draw.index(0, 24, draw.size),)


def found(distance: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """0 for what is missing: infinity - infinity has no difference."""
    return distance.masked_fill(index < 0, 0), index


def clouds(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, points, and lengths: the second cloud has two points."""
    N = min(draw.size, 3000)
    return draw.points(2, N // 2), draw.points(2, N), draw.put(np.array([N, 2]))


def knn(draw: Draw) -> tuple:
    def run(query, points, lengths):
        return *g.knn(query, points, 3), *found(*g.knn(query, points, 3, lengths))

    return run, clouds(draw)


def ball_query(draw: Draw) -> tuple:
    def run(query, points, lengths):
        without = found(*g.ball_query(query, points, 1.5, 4))
        return *without, *found(*g.ball_query(query, points, 1.5, 4, lengths))

    return run, clouds(draw)


def farthest_point_sample(draw: Draw) -> tuple:
    def run(points, lengths):
        both = (g.farthest_point_sample(points, 4, 1, each) for each in (None, lengths))
        return tuple(both)

    return run, (draw.points(2, draw.size), draw.put(np.array([draw.size, 2])))


def interpolate(draw: Draw) -> tuple:
    def run(query, points, features):
        return (g.interpolate(query, points, features),)

    N = min(draw.size, 3000)
    return run, (draw.points(2, N // 2), draw.points(2, N), draw.floats(2, 3, N))


def voxelize(**options) -> Callable:
    def make(draw: Draw) -> tuple:
        def run(points, batch):
            voxels = g.voxelize(points, (0.5, 0.75, 1), batch, **options)
            return voxels.coords, voxels.inverse, voxels.counts

        return run, (draw.points(draw.size), draw.index(0, 2, draw.size))

    return make


def some_voxels(draw: Draw) -> g.Voxels:
    return g.voxelize(draw.points(draw.size), 1.5)


def pool(reduce: str) -> Callable:
    def make(draw: Draw) -> tuple:
        voxels = some_voxels(draw)

        def run(features):
            return (g.pool(features, voxels, reduce),)

        return run, (draw.floats(draw.size, 3),)

    return make


def points_in_voxels(draw: Draw) -> tuple:
    voxels = some_voxels(draw)
    coords, counts, origin, shape = voxels.coords, voxels.counts, voxels.origin, voxels.shape

    def run(inverse):
        return (g.points_in_voxels(g.Voxels(coords, inverse, counts, origin, 1.5, shape), 3),)

    return run, (voxels.inverse,)


def devoxelize(draw: Draw) -> tuple:
    voxels = g.voxelize(draw.points(draw.size), 1.37)

    def run(features, points):
        return (g.devoxelize(features, voxels, points),)

    return run, (draw.floats(len(voxels.coords), 3), draw.points(draw.size))


def neighbour_index(flipped: bool) -> Callable:
    def make(draw: Draw) -> tuple:
        def run(coords):
            return (g.neighbour_index(coords),)

        coords = draw.coords(draw.size)
        return run, (coords.flip(0) if flipped else coords,)

    return make


def to_dense(draw: Draw) -> tuple:
    def run(features, coords):
        return (g.SparseVolume(coords, features, SHAPE, 1).to_dense(),)

    coords = draw.coords(draw.size)
    return run, (draw.floats(len(coords), 3), coords)


def from_dense(draw: Draw) -> tuple:
    active = draw.index(0, 2, 1, 1, *SHAPE)

    def run(volume):
        sparse = g.SparseVolume.from_dense(volume * active)
        return sparse.features, sparse.coords

    return run, (draw.between(-2, 2, 1, 3, *SHAPE),)


def join(concatenated: bool) -> Callable:
    def make(draw: Draw) -> tuple:
        def run(features, other_features, coords, other_coords):
            one = g.SparseVolume(coords, features, SHAPE, 1)
            other = g.SparseVolume(other_coords, other_features, SHAPE, 1)
            both = g.concatenate([one, other]) if concatenated else one + other
            return both.features, both.coords

        coords, others = draw.coords(draw.size), draw.coords(draw.size)
        return run, (draw.floats(len(coords), 3), draw.floats(len(others), 3), coords, others)

    return make


def kernel_map(draw: Draw) -> tuple:
    def run(coords):
        rulebook = g.kernel_map(coords, SHAPE, (1, 2, 3), stride=(1, 2, 1))
        return (rulebook.coords_out, *(row for pair in rulebook.pairs for row in pair))

    return run, (draw.coords(draw.size),)


def apply_kernel_map(submanifold: bool) -> Callable:
    def make(draw: Draw) -> tuple:
        coords, kernel = draw.coords(draw.size), (1, 1, 3)
        rulebook = g.kernel_map(coords, SHAPE, kernel, submanifold=submanifold)

        def run(features, weight, bias):
            return (g.apply_kernel_map(features, weight, rulebook, bias),)

        return run, (draw.floats(len(coords), 2), draw.floats(4, 2, *kernel), draw.floats(4))

    return make


def sparse_conv3d(submanifold: bool) -> Callable:
    def make(draw: Draw) -> tuple:
        def run(features, weight, bias, coords):
            x = g.SparseVolume(coords, features, SHAPE, 1)
            y = g.sparse_conv3d(x, weight, bias, submanifold=submanifold)
            return y.features, y.coords

        coords = draw.coords(draw.size)
        tensors = draw.floats(len(coords), 2), draw.floats(4, 2, 1, 1, 3), draw.floats(4)
        return run, (*tensors, coords)

    return make


def trilinear_sample(padding: str, mode: str = "linear") -> Callable:
    def make(draw: Draw) -> tuple:
        def run(volume, coords):
            return (g.trilinear_sample(volume, coords, padding, mode),)

        coords = draw.between(-1, 3, 2, draw.size, 3)  # outside as well
        return run, (draw.floats(2, 2, *SHAPE), coords)

    return make


def deform_conv3d(groups: int) -> Callable:
    def make(draw: Draw) -> tuple:
        def run(input, offset, weight, bias, mask):
            return (g.deform_conv3d(input, offset, weight, bias, mask, padding=(0, 0, 1)),)

        D, H, W = out = 1, 2, draw.size
        offset = draw.between(-1, 1, 1, 9 * groups, *out)
        mask = draw.floats(1, 3 * groups, *out) / 4
        tensors = draw.floats(1, 2, D, H, W), offset, draw.floats(2, 2, 1, 1, 3), draw.floats(2)
        return run, (*tensors, mask)

    return make


REDUCES = "sum", "mean", "amax", "amin"
CASES = [
    Case("gather_loops", "gather_loops", gather_loops),
    *(Case(f"scatter_loops {r}", "scatter_loops", scatter_loops(r)) for r in (None, *REDUCES)),
    Case("gather_points", "gather_points", gather_points),
    *(Case(f"scatter_points {r}", "scatter_points", scatter_points(r)) for r in REDUCES),
    Case("scatter_argmax", "scatter_argmax", scatter_argmax, gradient=False),
    Case("invert_permutation", "invert_permutation", invert_permutation, gradient=False),
    Case("ravel_index", "ravel_index", ravel_index, gradient=False),
    Case("unravel_index", "unravel_index", unravel_index, gradient=False),
    Case("knn", "knn", knn),
    Case("ball_query", "ball_query", ball_query),
    Case("farthest_point_sample", "farthest_point_sample", farthest_point_sample, gradient=False),
    Case("interpolate", "interpolate", interpolate),
    Case("voxelize", "voxelize", voxelize(), gradient=False),
    Case(
        "voxelize bounds",
        "voxelize",
        voxelize(bounds=((-1, -1, -2), (1, 1.25, 1.5))),
        gradient=False,
    ),
    *(Case(f"pool {r}", "pool", pool(r)) for r in REDUCES),
    Case("points_in_voxels", "points_in_voxels", points_in_voxels, gradient=False),
    Case("devoxelize", "devoxelize", devoxelize),
    Case("neighbour_index", "neighbour_index", neighbour_index(False), gradient=False),
    Case("neighbour_index unsorted", "neighbour_index", neighbour_index(True), gradient=False),
    Case("to_dense", "SparseVolume.to_dense", to_dense),
    Case("from_dense", "SparseVolume.from_dense", from_dense),
    Case("sum of volumes", "SparseVolume.__add__", join(False)),
    Case("concatenate", "concatenate", join(True)),
    Case("kernel_map", "kernel_map", kernel_map, gradient=False),
    Case("apply_kernel_map", "apply_kernel_map", apply_kernel_map(False)),
    Case("apply_kernel_map submanifold", "apply_kernel_map", apply_kernel_map(True)),
    Case("sparse_conv3d", "sparse_conv3d", sparse_conv3d(False)),
    Case("sparse_conv3d submanifold", "sparse_conv3d", sparse_conv3d(True)),
    Case("trilinear_sample zeros", "trilinear_sample", trilinear_sample("zeros")),
    Case("trilinear_sample border", "trilinear_sample", trilinear_sample("border")),
    *(
        Case(
            f"trilinear_sample {padding} nearest",
            "trilinear_sample",
            trilinear_sample(padding, "nearest"),
            gradient=False,
        )
        for padding in ("zeros", "border")
    ),
    Case("deform_conv3d", "deform_conv3d", deform_conv3d(1)),
    Case("deform_conv3d in groups", "deform_conv3d", deform_conv3d(2)),
]

LOOP = "it is a loop over Python numbers"
ONE_BY_ONE = "whose values it takes one by one"
ROWS = "how many rows it gives depends on values"
PROMISES = {
    "gather_loops": Promise(
        indices="indices", graph=LOOP, maps=("input",), stays=("index",), why=ONE_BY_ONE
    ),
    "scatter_loops": Promise(
        indices="indices", graph=LOOP, maps=("input",), stays=("index", "src"), why=ONE_BY_ONE
    ),
    "gather_points": Promise(
        indices="indices", any_order=("gradients",), maps=("features",), stays=("index",)
    ),
    "scatter_points": Promise(
        indices="indices", any_order=("values",), maps=("values",), stays=("index",)
    ),
    "scatter_argmax": Promise(indices="indices", maps=("values",), stays=("index",)),
    "invert_permutation": Promise(floats=False, indices="numbers", stays=("p",)),
    "ravel_index": Promise(floats=False, indices="coordinates", stays=("coords",)),
    "unravel_index": Promise(floats=False, indices="indices", stays=("flat",)),
    "knn": Promise(
        indices="lengths", any_order=("gradients",), stays=("query", "points", "lengths")
    ),
    "ball_query": Promise(
        indices="lengths", any_order=("gradients",), stays=("query", "points", "lengths")
    ),
    "farthest_point_sample": Promise(indices="lengths", stays=("points", "lengths")),
    "interpolate": Promise(any_order=("gradients",), maps=("features",), stays=("query", "points")),
    "voxelize": Promise(indices="batch elements", graph=ROWS, stays=("points", "batch")),
    "pool": Promise(any_order=("values",), maps=("features",)),
    "points_in_voxels": Promise(floats=False, maps=("inverse",)),
    "devoxelize": Promise(any_order=("gradients",), maps=("features",), stays=("points",)),
    "neighbour_index": Promise(
        floats=False,
        indices="coordinates",
        stays=("coords",),
        layout="a tap's V entries lie side by side",
    ),
    "SparseVolume.to_dense": Promise(indices="coordinates", maps=("features",), stays=("coords",)),
    "SparseVolume.from_dense": Promise(stays=("volume",), why="whose zeros decide the shape"),
    "SparseVolume.__add__": Promise(
        indices="coordinates",
        maps=("features", "other_features"),
        stays=("coords", "other_coords"),
    ),
    "concatenate": Promise(
        indices="coordinates",
        maps=("features", "other_features"),
        stays=("coords", "other_coords"),
    ),
    "kernel_map": Promise(floats=False, indices="coordinates", graph=ROWS, stays=("coords",)),
    "apply_kernel_map": Promise(maps=("features", "weight", "bias")),
    "sparse_conv3d": Promise(
        indices="coordinates",
        graph=ROWS,
        maps=("features", "weight", "bias"),
        stays=("coords",),
    ),
    "trilinear_sample": Promise(any_order=("gradients",), maps=("volume",), stays=("coords",)),
    "deform_conv3d": Promise(
        any_order=("gradients",), maps=("input", "weight", "bias", "mask"), stays=("offset",)
    ),
}
