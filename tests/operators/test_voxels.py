"""Voxels against numpy's unique, neighbours against a dict of tuples and a cKDTree."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from torch.autograd import gradcheck

import gather3d

from .inputs import FLOATS, INTS, LAYOUTS, REDUCES, SEEDS, SIZES, close, indices, place, values

ORIGINS = st.sampled_from([None, "inside", "below", "above"])


@st.composite
def clouds(draw):
    """(points [N, 3], voxel_size, batch or None, origin or None)."""
    N = draw(st.integers(1, 20))
    points = values(draw(SEEDS), (N, 3), draw(FLOATS)) * draw(st.sampled_from([0.2, 3.0]))
    batch = draw(st.one_of(st.none(), indices((N,), 0, 3)))
    where = draw(ORIGINS)
    shift = {"inside": 0.013, "below": -7.7, "above": 7.7}.get(where)
    origin = shift and torch.full((3,), shift, dtype=points.dtype)
    return points, draw(st.sampled_from([0.1, 0.5, 1.7])), batch, origin


def voxelize(device, points, size, batch, origin, layout="contiguous", int_dtype=torch.int64):
    return gather3d.voxelize(
        place(points, device, layout),
        size,
        batch if batch is None else place(batch.to(int_dtype), device, layout),
        origin if origin is None else place(origin, device, layout),
    )


@given(clouds(), LAYOUTS, INTS)
def test_voxelize_against_numpy(device, case, layout, int_dtype):
    points, size, batch, origin = case
    got = voxelize(device, *case, layout, int_dtype)
    xyz = points.double().numpy()
    start = xyz.min(0) if origin is None else origin.double().numpy()
    cell = np.floor_divide(xyz - start, size).astype(np.int64)  # numpy's own floor
    low = np.minimum(cell.min(0), 0)
    number = np.zeros(len(xyz), np.int64) if batch is None else batch.numpy()
    rows = np.column_stack([number, (cell - low)[:, ::-1]])
    coords, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    close(got.coords, coords)
    close(got.inverse, inverse)
    close(got.counts, counts)
    close(got.origin, start + low * size)
    assert got.shape == tuple(coords[:, 1:].max(0) + 1)
    assert got.voxel_size == size
    assert {got.coords.dtype, got.inverse.dtype, got.counts.dtype} == {torch.int64}


@given(clouds())
def test_every_point_is_inside_its_voxel(device, case):
    points, size, batch, _ = case
    got = voxelize(device, *case)
    b, z, y, x = got.coords[got.inverse].cpu().unbind(1)
    centre = got.origin.cpu() + (torch.stack([x, y, z], dim=1).double() + 0.5) * size
    assert ((points.double() - centre).abs() <= size / 2 * (1 + 1e-9)).all()
    assert b.tolist() == ([0] * len(points) if batch is None else batch.tolist())
    assert (got.coords >= 0).all()
    close(got.centres(torch.float64)[got.inverse], centre)


@given(clouds(), SEEDS)
def test_the_order_of_points_changes_only_the_inverse(device, case, seed):
    points, size, batch, origin = case
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(points)))
    one = voxelize(device, points, size, batch, origin)
    two = voxelize(device, points[order], size, batch if batch is None else batch[order], origin)
    close(two.coords, one.coords)
    close(two.counts, one.counts)
    close(two.inverse, one.inverse[order.to(device)])
    close(two.origin, one.origin)
    assert two.shape == one.shape


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9))
def test_a_point_on_a_wall_belongs_to_the_voxel_above(device, x, y, z):
    """Quarters are exact in binary, so the walls are where they seem to be."""
    points = torch.tensor([[x, y, z], [-9, -9, -9], [9, 9, 9]], device=device) / 4
    got = gather3d.voxelize(points, 0.25, origin=torch.zeros(3, device=device))
    assert got.coords[got.inverse[0]].tolist() == [0, z + 9, y + 9, x + 9]
    assert got.shape == (19, 19, 19)


def test_the_cells_around_zero_are_one_voxel_each(device):
    """Truncation would put -0.05 and 0.05 together."""
    points = torch.tensor([[-0.05, 0.0, 0.0], [0.05, 0.0, 0.0], [-0.15, 0.0, 0.0]], device=device)
    got = gather3d.voxelize(points, 0.1, origin=torch.zeros(3, device=device))
    assert got.inverse.tolist() == [1, 2, 0]
    assert got.counts.tolist() == [1, 1, 1]
    close(got.origin, np.array([-0.2, 0, 0]))


@pytest.mark.parametrize("width", [2**15, 2**16])
def test_a_key_of_32_bits_is_used_only_where_it_holds(device, width):
    """2^31 cells are the most; in the larger grid it would put z = 0 and z = 1 together."""
    height = 2**31 // width
    cells = [[0, 0, 0], [width - 1, height - 1, 0], [5, 7, 0]]
    if width == 2**16:
        height *= 2
        cells += [[0, 0, 1], [5, 7, 1], [width - 1, height - 1, 1]]
    xyz = torch.tensor(cells, device=device)
    got = gather3d.voxelize(xyz.double() + 0.5, 1.0, origin=torch.zeros(3, device=device))
    close(got.coords[got.inverse][:, 1:], xyz.flip(1))
    assert len(got.coords) == len(cells) and got.shape == (len(cells) // 3, height, width)
    assert got.coords.dtype == torch.int64


def test_voxelize_leaves_its_input_alone(device):
    points = values(0, (9, 3)).to(device)
    before, leaf = points.clone(), points.clone().requires_grad_()
    one = gather3d.voxelize(points, 0.5, origin=torch.ones(3, dtype=torch.float64, device=device))
    assert torch.equal(points, before)
    two = gather3d.voxelize(leaf, 0.5)
    assert not two.origin.requires_grad and one.origin.dtype == torch.float64


def test_no_points_but_an_origin(device):
    got = gather3d.voxelize(
        torch.zeros(0, 3, device=device), 0.1, origin=torch.ones(3, device=device)
    )
    assert (got.coords.shape, got.inverse.shape, got.counts.shape) == ((0, 4), (0,), (0,))
    assert got.shape == (0, 0, 0)
    assert gather3d.pool(torch.zeros(0, 2, device=device), got).shape == (0, 2)
    assert gather3d.points_in_voxels(got, 3).shape == (0, 3)
    assert gather3d.neighbour_index(got.coords).shape == (0, 27)


@pytest.mark.parametrize("reduce", REDUCES)
@given(clouds(), SIZES, LAYOUTS)
def test_pool(device, reduce, case, C, layout):
    voxels = voxelize(device, *case)
    features = values(C, (len(case[0]), C), case[0].dtype)
    got = gather3d.pool(place(features, device, layout), voxels, reduce)
    inverse, rows = voxels.inverse.cpu().numpy(), features.numpy()
    of = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce]
    wanted = [of(rows[inverse == v], axis=0) for v in range(len(voxels.counts))]
    close(got, np.array(wanted).reshape(len(wanted), C))


@given(clouds(), st.integers(1, 5))
def test_points_in_voxels(device, case, k):
    voxels = voxelize(device, *case)
    got = gather3d.points_in_voxels(voxels, k)
    inverse = voxels.inverse.cpu().numpy()
    for v, row in enumerate(got.tolist()):
        first = np.flatnonzero(inverse == v)[:k].tolist()
        assert row == first + [-1] * (k - len(first))


def test_the_first_points_of_a_full_voxel(device):
    """Many points in few voxels: an unstable sort would mix them up."""
    points = torch.rand(5000, 3, generator=torch.Generator().manual_seed(0)).to(device)
    voxels = gather3d.voxelize(points, 0.5, origin=torch.zeros(3, device=device))
    inverse = voxels.inverse.cpu().numpy()
    wanted = [np.flatnonzero(inverse == v)[:100] for v in range(8)]
    close(gather3d.points_in_voxels(voxels, 100), np.array(wanted))


@st.composite
def active(draw, most=4):
    """Coords [V, 4] in any order, none twice, of a crowded little grid: many touch its faces."""
    shape = [draw(st.integers(1, most)) for _ in range(4)]
    cells = draw(st.sets(st.integers(0, int(np.prod(shape)) - 1), max_size=25))
    order = draw(st.permutations(sorted(cells)))
    return torch.tensor(np.column_stack(np.unravel_index(np.array(order, np.int64), shape)))


@given(active(), st.sampled_from([1, 3, 5]), st.integers(1, 3), INTS, LAYOUTS)
def test_neighbour_index(device, coords, size, dilation, dtype, layout):
    got = gather3d.neighbour_index(place(coords.to(dtype), device, layout), size, dilation)
    assert got.dtype == torch.int64
    row = {tuple(c): v for v, c in enumerate(coords.tolist())}
    steps = [dilation * i for i in range(-(size // 2), size // 2 + 1)]
    wanted = [
        [row.get((b, z + dz, y + dy, x + dx), -1) for dz in steps for dy in steps for dx in steps]
        for b, z, y, x in coords.tolist()
    ]
    assert got.tolist() == wanted


@given(
    active(),
    st.sampled_from([(1, 3, 5), (5, 1, 3), (3, 3, 1), (1, 1, 7)]),
    st.sampled_from([1, (2, 1, 1), (1, 1, 3), (1, 40, 2)]),
)
def test_neighbour_index_of_three_sizes(device, coords, kernel, dilation):
    got = gather3d.neighbour_index(coords.to(device), kernel, dilation)
    row = {tuple(c): v for v, c in enumerate(coords.tolist())}
    apart = (dilation,) * 3 if isinstance(dilation, int) else dilation
    steps = [np.arange(-(k // 2), k // 2 + 1) * d for k, d in zip(kernel, apart, strict=True)]
    taps = list(product(*(s.tolist() for s in steps)))
    wanted = [
        [row.get((b, z + dz, y + dy, x + dx), -1) for dz, dy, dx in taps]
        for b, z, y, x in coords.tolist()
    ]
    assert got.tolist() == wanted


@pytest.mark.parametrize("shuffled", [False, True])
def test_neighbours_in_long_runs(device, shuffled):
    """Full lines, lines with gaps, and no line at all, side by side."""
    volume = torch.zeros(2, 5, 6, 40, dtype=torch.bool)
    volume[:, ::2, 1:4] = True
    volume[0, 1, :, ::2] = True
    volume[1, 3, 2:4, 5:30:3] = True
    coords = volume.nonzero()
    if shuffled:
        coords = coords[torch.randperm(len(coords), generator=torch.Generator().manual_seed(0))]
    row = torch.full((2, 7, 8, 42), -1)  # with a margin, so that no step leaves it
    b, z, y, x = coords.unbind(1)
    row[b, z + 1, y + 1, x + 1] = torch.arange(len(coords))
    taps = product((0, 1, 2), repeat=3)
    wanted = torch.stack([row[b, z + k, y + j, x + i] for k, j, i in taps], dim=1)
    close(gather3d.neighbour_index(coords.to(device)), wanted)


@given(active(), st.sampled_from([3, 5]), st.integers(1, 2))
def test_neighbours_are_mutual(device, coords, size, dilation):
    """out[v, t] = u exactly where out[u, K - 1 - t] = v."""
    got = gather3d.neighbour_index(coords.to(device), size, dilation).cpu()
    there = {(v, t, int(got[v, t])) for v, t in (got >= 0).nonzero().tolist()}
    assert there == {(u, size**3 - 1 - t, v) for v, t, u in there}
    assert got[:, size**3 // 2].tolist() == list(range(len(coords)))


@given(active(most=6), st.sampled_from([3, 5]))
def test_neighbours_are_those_in_a_cube(device, coords, size):
    """scipy finds the same sets, by the largest coordinate difference."""
    got = gather3d.neighbour_index(coords.to(device), size).tolist()
    apart = coords.numpy() * np.array([100, 1, 1, 1])  # no batch element touches the next
    if len(coords):
        near = cKDTree(apart).query_ball_point(apart, r=size // 2, p=np.inf)
        assert [sorted(set(row) - {-1}) for row in got] == [sorted(n) for n in near]


def test_neighbours_far_out(device):
    """A grid of nearly 2^63 cells, whose flat indices need every bit of int64."""
    far = 2**20 - 3
    coords = torch.tensor([[6, far, far, far], [6, far, far, far - 1]], device=device)
    got = gather3d.neighbour_index(coords)
    assert got[:, 12:15].tolist() == [[1, 0, -1], [-1, 1, 0]]
    assert (got >= 0).sum() == 4


@pytest.mark.parametrize("reduce", REDUCES)
def test_pool_gradient(device, reduce):
    voxels = gather3d.voxelize(values(0, (9, 3)).to(device), 1.0)
    assert (voxels.counts > 1).any()
    features = values(1, (9, 2)).to(device).requires_grad_()
    assert gradcheck(lambda x: gather3d.pool(x, voxels, reduce), features, nondet_tol=1e-12)


SIZES_OF_AXES = st.sampled_from([0.5, 1.7, (0.5, 0.25, 2.0), (0.3, 0.7, 1.1)])
BOXES = st.tuples(*[st.sampled_from([0.5, 1.0, 2.1, 4.3])] * 3)


def binned(points, size, batch, start, low, high, shape):
    """numpy's answer: rows (b, z, y, x), inverse (-1 outside), counts."""
    xyz = points.double().numpy()
    inside = ((xyz >= low) & (xyz < high)).all(1)
    number = np.zeros(len(xyz), np.int64) if batch is None else batch.numpy()
    cell = np.floor_divide(xyz - start, size).astype(np.int64).clip(0, np.array(shape[::-1]) - 1)
    rows = np.column_stack([number, cell[:, ::-1]])[inside]
    coords, place, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    inverse = np.full(len(xyz), -1)
    inverse[inside] = place
    return coords.reshape(-1, 4), inverse, counts


@given(clouds(), SIZES_OF_AXES, BOXES, LAYOUTS)
def test_bounds_against_numpy(device, case, size, extent, layout):
    points, _, batch, _ = case
    low = np.array([-0.4, -1.3, 0.1])
    high = low + extent
    got = gather3d.voxelize(
        place(points, device, layout),
        size,
        batch if batch is None else batch.to(device),
        bounds=(low.tolist(), high.tolist()),
    )
    shape = tuple(np.ceil((high - low) / size - 1e-3).astype(int)[::-1].tolist())
    coords, inverse, counts = binned(points, size, batch, low, low, high, shape)
    assert got.shape == shape and got.voxel_size == size
    close(got.coords, coords)
    close(got.inverse, inverse)
    close(got.counts, counts)
    close(got.origin, low)
    xyz, edge = points.double().numpy()[inverse >= 0], np.broadcast_to(size, 3)
    centres = got.centres(torch.float64).cpu().numpy()[inverse[inverse >= 0]]
    assert (abs(xyz - centres) <= edge / 2 * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("low", "high", "size", "shape"),
    [
        ((0, -39.68, -3), (69.12, 39.68, 1), (0.16, 0.16, 4), (1, 496, 432)),  # PointPillars, KITTI
        ((0, -40, -3), (70.4, 40, 1), (0.05, 0.05, 0.1), (40, 1600, 1408)),  # SECOND, KITTI
        ((-75.2, -75.2, -2), (75.2, 75.2, 4), (0.1, 0.1, 0.15), (40, 1504, 1504)),  # Waymo
        ((0, 0, 0), (1, 1, 1), (0.3, 0.25, 2.0), (1, 4, 4)),  # the last one reaches beyond
        ((0, 0, 0), (1.1, 2.2, 3.3), 0.1, (33, 22, 11)),  # 1.1 / 0.1 is above 11 in float64
        ((0, 0, 0), (1e-5, 1e-5, 1e-5), 1.0, (1, 1, 1)),
    ],
)
def test_the_grid_of_known_bounds(device, low, high, size, shape):
    """By OpenPCDet's configurations and its round((high - low) / size)."""
    got = gather3d.voxelize(torch.zeros(0, 3, device=device), size, bounds=(low, high))
    assert got.shape == shape and len(got.coords) == 0
    assert (
        gather3d.voxelize(torch.zeros(4, 3, device=device) + 1e3, size, bounds=(low, high)).shape
        == shape
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.1, 0.16, 0.3, 1 / 3])
def test_the_faces_of_the_bounds(device, dtype, size):
    """Low is in, high is out, and what is just below high is in the last voxel."""
    low, high = 1.1, 1.1 + 7 * size
    at = torch.tensor([low, high], dtype=dtype).double()
    edges = torch.tensor([low, high], dtype=torch.float64)
    inf = torch.tensor(float("inf"), dtype=dtype)
    below = at[1].to(dtype)
    while below.double() >= high:
        below = torch.nextafter(below, -inf)
    above = at[0].to(dtype)
    while above.double() < low:
        above = torch.nextafter(above, inf)
    x = torch.stack([above, below, torch.nextafter(above, -inf), torch.nextafter(below, inf)])
    inside = (x.double() >= edges[0]) & (x.double() < edges[1])
    points = x[:, None].expand(4, 3).to(device)
    got = gather3d.voxelize(points, size, bounds=((low,) * 3, (high,) * 3))
    assert got.shape == (7, 7, 7)
    assert (got.inverse.cpu() >= 0).tolist() == inside.tolist() == [True, True, False, False]
    assert got.coords[got.inverse[:2], 1:].tolist() == [[0, 0, 0], [6, 6, 6]]


def test_a_sliver_beyond_the_last_voxel(device):
    """Bounds a hair too wide for their voxels: what lies in the hair is in the last one."""
    points = torch.tensor([[0.3, 1.00002, 0.0], [1.00002, 0.3, 0.0]], dtype=torch.float64)
    got = gather3d.voxelize(points.to(device), 0.25, bounds=((0, 0, 0), (1.00004, 1.00004, 1)))
    assert got.shape == (4, 4, 4) and got.coords.tolist() == [[0, 0, 1, 3], [0, 0, 3, 1]]


def test_bounds_and_an_origin(device):
    """Walls go through the origin, and the grid starts at the voxel that holds the low corner."""
    points = torch.tensor([[-3.9, 2.2, 0.0], [-3.1, 2.4, 0.9], [0.0, 2.2, 0.0]], device=device)
    origin = torch.tensor([0.5, 0.5, 0.5], dtype=torch.float64, device=device)
    got = gather3d.voxelize(points, 1.0, None, origin, ((-4, 2, -1), (-2, 3, 1)))
    close(got.origin, np.array([-4.5, 1.5, -1.5]))
    assert got.shape == (3, 2, 3)
    assert got.coords.tolist() == [[0, 1, 0, 0], [0, 2, 0, 1]] and got.inverse.tolist() == [
        0,
        1,
        -1,
    ]


def test_points_out_of_bounds_take_no_part(device):
    points = torch.tensor([[9.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [0, -9, 0], [1.7, 0, 0]])
    batch = torch.tensor([1, 0, 0, 0, 1], device=device)
    box = ((0, 0, 0), (2, 1, 1))
    voxels = gather3d.voxelize(points.to(device), 1.0, batch, bounds=box)
    assert voxels.coords.tolist() == [[0, 0, 0, 0], [1, 0, 0, 1]]
    assert voxels.inverse.tolist() == [-1, 0, 0, -1, 1] and voxels.counts.tolist() == [2, 1]
    features = torch.tensor([[100.0], [1], [3], [100], [7]], device=device)
    for reduce, wanted in {"sum": [4, 7], "mean": [2, 7], "amax": [3, 7], "amin": [1, 7]}.items():
        assert gather3d.pool(features, voxels, reduce).flatten().tolist() == wanted
    assert gather3d.points_in_voxels(voxels, 3).tolist() == [[1, 2, -1], [4, -1, -1]]
    nothing = gather3d.voxelize(points.to(device) - 50, 1.0, batch, bounds=box)
    assert nothing.inverse.tolist() == [-1] * 5 and nothing.shape == (1, 1, 2)
    assert gather3d.pool(features, nothing).shape == (0, 1)
    assert gather3d.points_in_voxels(nothing, 3).shape == (0, 3)
    read = gather3d.devoxelize(features[:0], nothing, points.to(device))
    assert read.tolist() == [[0]] * 5


def test_centres_have_the_dtype_of_the_points(device):
    """In float32 they would be off by more than a voxel; so far from zero float64 has room."""
    random = np.random.default_rng(0)
    utm = np.array([5e5, 4.6e6, 100])
    points = torch.from_numpy(random.uniform(0, 20, (200, 3)) + utm).to(device)
    voxels = gather3d.voxelize(points, (0.1, 0.2, 0.4))
    apart = (points - voxels.centres()[voxels.inverse]).abs()
    assert (apart <= torch.tensor([0.05, 0.1, 0.2], device=device) + 1e-6).all()
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        near = gather3d.voxelize((points - points[0]).to(dtype), 0.5)
        assert near.centres().dtype == dtype and near.centres(torch.float32).dtype == torch.float32
        close(near.centres(), near.centres(torch.float64))


def test_an_origin_of_another_dtype_is_the_same_origin(device):
    """What a first call found can be handed to a second one, whatever its points are."""
    points = values(0, (50, 3), torch.float32).to(device) * 3
    first = gather3d.voxelize(points.double(), 0.3)
    again = gather3d.voxelize(points, 0.3, origin=first.origin)
    assert torch.equal(first.coords, again.coords) and torch.equal(first.origin, again.origin)


def reading(features, coords, origin, size, points, batch):
    """Σₖ wₖ · features[k] / Σₖ wₖ, a point and a corner at a time."""
    row = {tuple(c): f for c, f in zip(coords.tolist(), features.numpy(), strict=True)}
    out = np.zeros((len(points), features.shape[1]))
    for n, point in enumerate(points.double().numpy()):
        at = ((point - origin) / size - 0.5)[::-1]
        low, total = np.floor(at), 0.0
        for corner in product((0, 1), repeat=3):
            cell = low + corner
            weight = np.prod(1 - abs(at - cell))
            if (key := (int(batch[n]), *cell.astype(int).tolist())) in row:
                out[n] += weight * row[key]
                total += weight
        out[n] /= total or 1
    return out


@given(clouds(), SIZES_OF_AXES, st.integers(0, 3), SEEDS, LAYOUTS)
@settings(max_examples=30)
def test_devoxelize_against_its_formula(device, case, size, C, seed, layout):
    points, _, batch, origin = case
    voxels = voxelize(device, points, size, batch, origin)
    features = values(seed, (len(voxels.coords), C), points.dtype)
    places = torch.cat([points, values(seed + 1, (9, 3), points.dtype) * 3])
    element = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, len(places)))
    got = gather3d.devoxelize(
        place(features, device, layout), voxels, place(places, device, layout), element.to(device)
    )
    start = voxels.origin.cpu().numpy()
    wanted = reading(features, voxels.coords.cpu(), start, np.array(size), places, element)
    assert got.dtype == points.dtype
    close(got, wanted, rtol=1e-4, atol=1e-5)


def test_devoxelize_of_a_full_grid_is_trilinear(device):
    """scipy's map_coordinates between the centres, up to the outermost ones."""
    random = np.random.default_rng(0)
    volume, shape, size = random.standard_normal((3, 4, 5, 6)), (4, 5, 6), np.array([0.5, 0.2, 1.5])
    zyx = np.indices(shape).reshape(3, -1).T
    box = torch.from_numpy((zyx[:, ::-1] + 0.5) * size).to(device)
    voxels = gather3d.voxelize(box, tuple(size.tolist()), bounds=((0, 0, 0), size * shape[::-1]))
    assert len(voxels.coords) == volume[0].size
    at = random.uniform(0, np.array(shape) - 1, (200, 3))
    points = torch.from_numpy((at[:, ::-1] + 0.5) * size).to(device)
    features = torch.from_numpy(volume.reshape(3, -1).T.copy()).to(device)
    got = gather3d.devoxelize(features, voxels, points)
    wanted = np.stack([map_coordinates(v, at.T, order=1) for v in volume], axis=1)
    close(got, wanted)


def test_devoxelize_where_nothing_is_near(device):
    """0, and no gradient; nor does a value that is not read show."""
    voxels = gather3d.voxelize(torch.zeros(1, 3, device=device), 1.0)
    features = torch.tensor([[float("nan")]], device=device, requires_grad=True)
    points = torch.tensor([[1.6, 0.5, 0.5], [0.5, 0.5, -1.5], [1e9, 0, 0], [-1e30, 0, 0]])
    points = points.to(device).requires_grad_()
    got = gather3d.devoxelize(features, voxels, points)
    assert got.tolist() == [[0.0]] * 4
    got.sum().backward()
    assert features.grad.eq(0).all()


def test_half_features_of_a_voxel_read_many_times(device):
    """Their gradients are added up in float32: in half 2048 + 1 is 2048."""
    voxels = gather3d.voxelize(torch.zeros(1, 3, device=device), 1.0)
    features = torch.ones(1, 1, device=device, dtype=torch.float16, requires_grad=True)
    points = torch.full((5000, 3), 0.5, device=device)
    gather3d.devoxelize(features, voxels, points).sum().backward()
    assert features.grad.item() == 5000
