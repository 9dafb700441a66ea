"""The loops that define the exercises, beside NumPy, SciPy and PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from gather3d.exercises import EXERCISES


def rows(index):
    return np.arange(len(index))[:, None]


def pick_points(features, index):
    return features.numpy().swapaxes(1, 2)[rows(index), index.numpy()].swapaxes(1, 2)


def padded(features, index, fill):
    wide = np.concatenate([features.numpy(), np.full((*features.shape[:2], 1), fill)], 2)
    return pick_points(torch.from_numpy(wide), index)  # -1 reads the column at the end


def to_dense(values, index, size):
    out = np.zeros((*values.shape[:2], size + 1), values.numpy().dtype)  # and one for -1
    np.add.at(out.swapaxes(1, 2), (rows(index), index.numpy()), values.numpy().swapaxes(1, 2))
    return out[..., :size]


def mean(values, index, size):
    counts = to_dense(torch.ones_like(values), index, size)
    return to_dense(values, index, size) / np.maximum(counts, 1)


def gather_backward(grad_out, dim, index, input_shape):
    x = torch.zeros(input_shape, dtype=torch.float64, requires_grad=True)
    x.gather(dim, index).backward(grad_out.double())
    return x.grad


def coords(points, voxel_size, origin):
    return np.floor((points.numpy() - origin.numpy()) / voxel_size)[:, ::-1].astype(np.int64)


def ravel(coords, shape):
    batches = int(coords[:, 0].max()) + 1 if len(coords) else 1
    return np.ravel_multi_index(coords.long().numpy().T, (batches, *shape))


def knn_features(features, index):
    return pick_points(features, index.flatten(1)).reshape(*features.shape[:2], *index.shape[1:])


def neighbours(coords):
    place = {tuple(row): k for k, row in enumerate(coords.tolist())}
    taps = [np.array([0, *np.unravel_index(k, (3, 3, 3))]) - [0, 1, 1, 1] for k in range(27)]
    found = [[place.get(tuple(row + tap), -1) for tap in taps] for row in coords.numpy()]
    return np.array(found, dtype=np.int64).reshape(-1, 27)


def volume(coords, features, batch_size, shape):
    sizes = (batch_size, *shape, features.shape[1])
    return (
        torch.sparse_coo_tensor(coords.T, features, sizes, check_invariants=True)
        .to_dense()
        .movedim(4, 1)
    )


def pairs(coords_in, coords_out, offset):
    place = {tuple(row): k for k, row in enumerate(coords_in.tolist())}
    wanted = [tuple(row) for row in (coords_out + torch.tensor([0, *offset])).tolist()]
    found = [(place[row], k) for k, row in enumerate(wanted) if row in place]
    return tuple(torch.tensor(found, dtype=torch.int64).reshape(-1, 2).T)


def subm_conv(coords, features, weight):
    low, high = coords.amin(0), coords.amax(0) + 1
    low[0] = 0
    here = coords - low
    batch, *shape = (high - low).tolist()
    dense = F.conv3d(volume(here, features, batch, shape), weight, padding=1)
    return dense[here[:, 0], :, here[:, 1], here[:, 2], here[:, 3]]


def trilinear(volume, coords):
    return np.array([
        [map_coordinates(channel, at.T, order=1, mode="grid-constant") for channel in sample]
        for sample, at in zip(volume.numpy(), coords.numpy(), strict=True)
    ]).reshape(*volume.shape[:2], coords.shape[1])  # fmt: skip


def sites(offset):
    B, _, *shape = offset.shape
    home = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    tap = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), -1) - 1
    moved = offset.numpy().reshape(B, 27, 3, *shape)
    return home + tap[:, None, None, None] + np.moveaxis(moved, 2, -1)


def deform_conv(input, offset, weight):
    at = torch.from_numpy(sites(offset)).flatten(1, 4)  # [B, 27·D·H·W, 3]
    read = trilinear(input, at).reshape(*input.shape[:2], 27, *offset.shape[2:])
    return np.einsum("bckzyx,ock->bozyx", read, weight.flatten(2).numpy())


def result_shape(input_shape, dim, index_shape):
    input, index = torch.zeros(input_shape.tolist()), torch.zeros(index_shape.tolist()).long()
    return torch.tensor(input.gather(dim, index).shape)


def second_highest(z, flat, size):
    met = [np.sort(z.numpy()[flat.numpy() == k]) for k in range(size)]
    return torch.tensor([m[-2] if len(m) > 1 else -np.inf for m in met])


def first_points(inverse, size, k):
    out = np.full((size, k), -1)
    for v in range(size):
        found = np.flatnonzero(inverse.numpy() == v)[:k]
        out[v, : len(found)] = found
    return out


def strided_coords(coords, stride):
    return np.unique(np.floor_divide(coords.numpy(), [1, stride, stride, stride]), axis=0)


def max_pool(features, in_index, out_index, size):
    out = np.full((size, features.shape[1]), -np.inf)
    np.maximum.at(out, out_index.numpy(), features.numpy()[in_index.numpy()])
    return np.where(np.isinf(out), 0, out)


def corners(coords, shape):
    at = np.floor(coords.numpy())[:, None] + np.stack(np.unravel_index(range(8), (2, 2, 2)), 1)
    inside = ((at >= 0) & (at < shape)).all(-1)
    held = np.clip(at, 0, np.array(shape) - 1).astype(np.int64)
    index = np.ravel_multi_index(np.moveaxis(held, -1, 0), shape)
    weight = (1 - np.abs(coords.numpy()[:, None] - at)).prod(-1)
    return np.where(inside, index, -1), weight


def splat(values, coords, shape):
    volume = torch.zeros(*values.shape[:2], *shape, dtype=values.dtype, requires_grad=True)
    unit = ((2 * coords + 1) / torch.tensor(shape) - 1).flip(-1)[:, :, None, None]
    read = F.grid_sample(volume, unit, align_corners=False)[..., 0, 0]
    return torch.autograd.grad(read, volume, values)[0]


def dilated(dilation, shape):
    tap = np.stack(np.unravel_index(range(27), (3, 3, 3)), -1) - 1
    offset = tap * dilation.numpy() - tap
    return np.broadcast_to(offset.reshape(1, 81, 1, 1, 1), (1, 81, *shape)).copy()


def turned(degrees):
    tap = np.stack(np.unravel_index(range(27), (3, 3, 3)), -1) - 1
    turn = Rotation.from_euler("z", float(degrees), degrees=True)  # of (x, y, z), x towards y
    return turn.apply(tap[:, ::-1])[:, ::-1] - tap


def bytes_moved(features, index):
    """Every entry's place in memory, from NumPy's strides: as many entries as places."""
    b, c, m = np.indices(index.shape)
    steps = index.numpy().strides
    places = np.unique(b * steps[0] + c * steps[1] + m * steps[2])
    picked = np.empty(index.shape, features.numpy().dtype)
    return len(places) * index.numpy().itemsize + 2 * picked.nbytes


def sectors(position, size):
    rows = [np.unique(row[row >= 0].astype(np.int64) * size // 32) for row in position.numpy()]
    return np.array([len(row) for row in rows])


def reorder(features, table, order):
    V = len(order)
    P = np.eye(V)[order.numpy()]  # the permutation as a matrix: row r reads order[r]
    who = np.concatenate([np.eye(V), np.zeros((1, V))])[table.numpy()]  # [V, K, V], -1: nobody
    moved = np.einsum("rv,vkn,sn->rks", P, who, P)
    named = np.where(moved.any(2), moved.argmax(2), -1)
    return P @ features.double().numpy(), named


def segment_sum(values, start):
    N, S = len(values), len(start) - 1
    matrix = csr_array((np.ones(N), np.arange(N), start.numpy()), shape=(S, N))
    return matrix @ values.double().numpy()


def bag(rows, index, weight):
    keep = index.numpy() >= 0
    m = np.repeat(np.arange(len(index)), index.shape[1]).reshape(index.shape)
    entries = (weight.double().numpy()[keep], (m[keep], index.numpy()[keep]))
    return csr_array(entries, shape=(len(index), len(rows))) @ rows.double().numpy()


REFEREES = {
    "gather.result_shape": result_shape,
    "gather.loops": torch.gather,
    "gather.pick_points": pick_points,
    "gather.padded": padded,
    "gather.along": lambda input, index, dim: torch.take_along_dim(input, index, dim),
    "scatter.to_dense": to_dense,
    "scatter.mean": mean,
    "scatter.invert": lambda p: np.argsort(p.numpy(), 1),
    "scatter.backward": gather_backward,
    "scatter.second_highest": second_highest,
    "voxels.coords": coords,
    "voxels.ravel": ravel,
    "voxels.knn_features": knn_features,
    "voxels.first_points": first_points,
    "voxels.neighbours": neighbours,
    "sparse.to_dense": volume,
    "sparse.strided_coords": strided_coords,
    "sparse.kernel_map": pairs,
    "sparse.max_pool": max_pool,
    "sparse.subm_conv": subm_conv,
    "sampling.trilinear": trilinear,
    "sampling.corners": corners,
    "sampling.splat": splat,
    "deform.dilated": dilated,
    "deform.turned": turned,
    "deform.sites": sites,
    "deform.conv": deform_conv,
    "speed.bytes_moved": bytes_moved,
    "speed.sectors": sectors,
    "speed.reorder": reorder,
    "speed.segment_sum": segment_sum,
    "speed.bag": bag,
}


@pytest.mark.parametrize("id", REFEREES)
def test_loop_agrees_with_a_library(id):
    exercise, compared = EXERCISES[id], 0
    for seed in range(3):
        for case in exercise.cases(torch.Generator().manual_seed(seed)):
            given = list(case.arguments.values())
            small = max(value.numel() for value in given if isinstance(value, torch.Tensor)) < 10**4
            if case.refuse or case.size[0] or not small or is_far(id, case):
                continue
            wanted = exercise.normal(REFEREES[id](*given))
            loop = exercise.normal(exercise.right(*given))
            tolerance = 1e-5 if any(is_single(value) for value in given) else 1e-9
            for a, b in zip(*map(as_list, (loop, wanted)), strict=True):
                a, b = (torch.as_tensor(each).double() for each in (a, b))
                torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
            compared += 1
    assert compared >= 12


def is_far(id, case):
    """Voxels that lie far apart have no dense volume to compare with."""
    return id == "sparse.subm_conv" and int(case.arguments["coords"].max()) > 1000


def is_single(value):
    return isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.float32)


def as_list(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def test_grid_is_where_grid_sample_reads():
    """SciPy reads at the voxels, grid_sample at what the loop makes of them."""
    exercise = EXERCISES["sampling.grid"]
    for case in exercise.cases(torch.Generator().manual_seed(0)):
        at, shape, align_corners = case.arguments.values()
        if case.size[0] or min(shape) == 1 or is_single(at):
            continue
        data = torch.rand(len(at), 2, *shape, dtype=torch.float64)
        grid = exercise.right(at, shape, align_corners)[:, :, None, None]
        read = F.grid_sample(data, grid, align_corners=align_corners)[..., 0, 0]
        torch.testing.assert_close(read, torch.from_numpy(trilinear(data, at)))


def test_matrix_is_what_interpolate_does():
    exercise = EXERCISES["sampling.matrix"]
    for case in exercise.cases(torch.Generator().manual_seed(0)):
        inputs, outputs, align_corners = case.arguments.values()
        if not outputs:
            continue
        wanted = F.interpolate(
            torch.eye(inputs)[None], size=outputs, mode="linear", align_corners=align_corners
        )
        torch.testing.assert_close(exercise.right(*case.arguments.values()), wanted[0].T)
