"""Answers to chapter 7's exercises as students write them, right and wrong."""

from math import prod

import numpy as np
import torch
import torch.nn.functional as F

from gather3d.indexing import gather_points, ravel_index, scatter_points
from gather3d.sparse import SparseVolume, apply_kernel_map
from gather3d.sparse import kernel_map as rulebook_of
from gather3d.voxels import neighbour_index

# ---- sparse.to_dense


def index_put(coords, features, batch_size, shape):
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    b, z, y, x = coords.T
    volume[b, :, z, y, x] = features
    return volume


def flat_scatter(coords, features, batch_size, shape):
    D, H, W = shape
    b, z, y, x = coords.unbind(1)
    flat = ((b * D + z) * H + y) * W + x
    rows = torch.zeros(
        batch_size * D * H * W, features.size(1), dtype=features.dtype, device=features.device
    )
    rows = rows.scatter(0, flat[:, None].expand_as(features), features)
    return rows.view(batch_size, D, H, W, -1 if rows.numel() else 0).permute(0, 4, 1, 2, 3)


def flat_copy(coords, features, batch_size, shape):
    flat = ravel_index(coords, (batch_size, *shape))
    rows = features.new_zeros(batch_size * shape[0] * shape[1] * shape[2], features.shape[1])
    rows.index_copy_(0, flat, features)
    return rows.unflatten(0, (batch_size, *shape)).movedim(-1, 1).contiguous()


def sparse_coo(coords, features, batch_size, shape):
    size = (batch_size, *shape, features.shape[1])
    dense = torch.sparse_coo_tensor(coords.T, features, size, check_invariants=True).to_dense()
    return dense.permute(0, 4, 1, 2, 3)


def package_volume(coords, features, batch_size, shape):
    return SparseVolume(coords, features, shape, batch_size).to_dense()


def channels_at_the_end(coords, features, batch_size, shape):
    volume = torch.zeros(batch_size, *shape, features.shape[1], dtype=features.dtype)
    volume[coords[:, 0], coords[:, 1], coords[:, 2], coords[:, 3]] = features
    return volume


def view_in_place_of_permute(coords, features, batch_size, shape):
    D, H, W = shape
    b, z, y, x = coords.unbind(1)
    flat = b * D * H * W + z * H * W + y * W + x
    rows = torch.zeros(batch_size * D * H * W, features.shape[1], dtype=features.dtype)
    rows[flat] = features
    return rows.view(batch_size, features.shape[1], D, H, W)


def columns_read_as_bxyz(coords, features, batch_size, shape):
    volume = features.new_zeros((batch_size, features.shape[1], *shape))
    b, x, y, z = coords.unbind(1)
    volume[b, :, z, y, x] = features
    return volume


def columns_read_as_bxyz_flat(coords, features, batch_size, shape):
    D, H, W = shape
    b, x, y, z = coords.unbind(1)
    rows = features.new_zeros(batch_size * D * H * W, features.shape[1])
    rows[((b * D + z) * H + y) * W + x] = features
    return rows.reshape(batch_size, D, H, W, features.shape[1]).permute(0, 4, 1, 2, 3)


def shape_read_as_whd(coords, features, batch_size, shape):
    W, H, D = shape[2], shape[1], shape[0]
    volume = features.new_zeros(batch_size, features.shape[1], W, H, D)
    volume[coords[:, 0], :, coords[:, 3], coords[:, 2], coords[:, 1]] = features
    return volume


def batch_forgotten(coords, features, batch_size, shape):
    D, H, W = shape
    flat = coords[:, 1] * H * W + coords[:, 2] * W + coords[:, 3]
    rows = features.new_zeros(batch_size * D * H * W, features.shape[1])
    rows = rows.index_copy(0, flat, features)
    return rows.reshape(batch_size, D, H, W, features.shape[1]).permute(0, 4, 1, 2, 3)


def all_batches_at_once(coords, features, batch_size, shape):
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    volume[:, :, coords[:, 1], coords[:, 2], coords[:, 3]] = features.t()[None]
    return volume


def h_for_w(coords, features, batch_size, shape):
    D, H, W = shape
    strides = torch.tensor([D * H * W, H * W, H, 1], device=coords.device)
    rows = features.new_zeros(batch_size * D * H * W, features.shape[1])
    rows = rows.index_copy(0, (coords * strides).sum(1), features)
    return rows.reshape(batch_size, D, H, W, features.shape[1]).permute(0, 4, 1, 2, 3)


def transposed_features(coords, features, batch_size, shape):
    volume = features.new_zeros(batch_size, features.shape[1], *shape)
    volume[coords[:, 0], :, coords[:, 1], coords[:, 2], coords[:, 3]] = features.transpose(0, 1)
    return volume


def zeros_without_dtype(coords, features, batch_size, shape):
    out = torch.zeros(batch_size, features.size(1), shape[0], shape[1], shape[2])
    out[coords[:, 0], :, coords[:, 1], coords[:, 2], coords[:, 3]] = features
    return out


def rows_without_dtype(coords, features, batch_size, shape):
    D, H, W = shape
    b, z, y, x = coords.unbind(1)
    out = torch.zeros(batch_size * D * H * W, features.size(1))
    out.index_copy_(0, ((b * D + z) * H + y) * W + x, features)
    return out.reshape(batch_size, D, H, W, features.size(1)).permute(0, 4, 1, 2, 3)


def zeros_like_coords(coords, features, batch_size, shape):
    size = (batch_size, features.size(1), *shape)
    out = torch.zeros(size, dtype=coords.dtype)
    out[coords[:, 0], :, coords[:, 1], coords[:, 2], coords[:, 3]] = features
    return out


def volume_detached(coords, features, batch_size, shape):
    return index_put(coords, features.detach(), batch_size, shape)


def volume_by_loop(coords, features, batch_size, shape):
    volume = torch.zeros((batch_size, features.shape[1], *shape), dtype=features.dtype)
    for v in range(len(coords)):
        b, z, y, x = coords[v]
        volume[b, :, z, y, x] = features[v]
    return volume


def volume_as_float(coords, features, batch_size, shape):
    return index_put(coords, features.float(), batch_size, shape)


def three_columns_to_scatter(coords, features, batch_size, shape):
    volume = features.new_zeros(batch_size, *shape, features.shape[1])
    volume.scatter_(4, coords[:, 1:], features)
    return volume.permute(0, 4, 1, 2, 3)


def coords_times_strides_in_place(coords, features, batch_size, shape):
    D, H, W = shape
    coords *= torch.tensor([D * H * W, H * W, W, 1], device=coords.device)
    rows = features.new_zeros(batch_size * D * H * W, features.shape[1])
    rows = rows.index_copy(0, coords.sum(1), features)
    return rows.reshape(batch_size, D, H, W, features.shape[1]).permute(0, 4, 1, 2, 3)


def added_up_without_batch(coords, features, batch_size, shape):
    D, H, W = shape
    flat = (coords[:, 1] * H + coords[:, 2]) * W + coords[:, 3]
    rows = features.new_zeros(batch_size * D * H * W, features.shape[1])
    rows = rows.index_add(0, flat, features)
    return rows.reshape(batch_size, D, H, W, features.shape[1]).permute(0, 4, 1, 2, 3)


# ---- sparse.strided_coords


def coarse_unique(coords, stride):
    b, z, y, x = coords.unbind(1)
    return torch.stack([b, z // stride, y // stride, x // stride], 1).unique(dim=0)


def coarse_by_keys(coords, stride):
    if not len(coords):
        return coords
    coarse = torch.cat([coords[:, :1], coords[:, 1:].div(stride, rounding_mode="floor")], 1)
    low = coarse.amin(0)
    sizes = coarse.amax(0) - low + 1
    key = torch.zeros_like(coarse[:, 0])
    for column, size in zip((coarse - low).T, sizes, strict=True):
        key = key * size + column
    keys = key.unique()
    columns = []
    for size in sizes.flip(0):
        columns.append(keys % size)
        keys = keys // size
    return torch.stack(columns[::-1], 1) + low


def coarse_sort_and_compare(coords, stride):
    """Column by column, the last first, with a stable sort; then each row beside the one before."""
    coarse = coords.clone()
    coarse[:, 1:] -= coarse[:, 1:] % stride
    coarse[:, 1:] //= stride
    for column in (3, 2, 1, 0):
        coarse = coarse[coarse[:, column].argsort(stable=True)]
    new = torch.ones(len(coarse), dtype=torch.bool)
    new[1:] = (coarse[1:] != coarse[:-1]).any(1)
    return coarse[new]


def coarse_sorted_consecutive(coords, stride):
    coarse = coords // torch.tensor([1, stride, stride, stride])
    for column in range(3, -1, -1):
        coarse = coarse[torch.sort(coarse[:, column], stable=True).indices]
    return torch.unique_consecutive(coarse, dim=0)


def all_four_columns(coords, stride):
    return coords.div(stride, rounding_mode="floor").unique(dim=0)


def no_unique(coords, stride):
    b, zyx = coords[:, :1], coords[:, 1:] // stride
    return torch.cat([b, zyx], dim=1)


def no_unique_sorted(coords, stride):
    coarse = no_unique(coords, stride)
    for column in (3, 2, 1, 0):
        coarse = coarse[coarse[:, column].argsort(stable=True)]
    return coarse


def consecutive(coords, stride):
    return no_unique(coords, stride).unique_consecutive(dim=0)


def in_order_of_arrival(coords, stride):
    kept, inverse = no_unique(coords, stride).unique(dim=0, return_inverse=True)
    first = torch.full((len(kept),), len(coords)).scatter_reduce(
        0, inverse, torch.arange(len(coords)), "amin"
    )
    return kept[first.argsort()]


def through_long(coords, stride):
    zyx = (coords[:, 1:] / stride).long()
    return torch.cat([coords[:, :1], zyx], 1).unique(dim=0)


def rounded_up(coords, stride):
    zyx = -(-coords[:, 1:] // stride)
    return torch.cat([coords[:, :1], zyx], 1).unique(dim=0)


def minkowski_units(coords, stride):
    coarse = coords.clone()
    coarse[:, 1:] = coords[:, 1:] - coords[:, 1:] % stride
    return torch.unique(coarse, dim=0)


def even_ones(coords, stride):
    z, y, x = coords[:, 1:].T
    even = (z % stride == 0) & (y % stride == 0) & (x % stride == 0)
    return no_unique(coords[even], stride).unique(dim=0)


def stepped_slice(coords, stride):
    return no_unique(coords[0::stride], stride).unique(dim=0)


def forgot_dim(coords, stride):
    return no_unique(coords, stride).unique()


def origin_moved(coords, stride):
    if not len(coords):
        return coords
    zyx = coords[:, 1:] - coords[:, 1:].min(dim=0).values
    return torch.cat([coords[:, :1], zyx // stride], 1).unique(dim=0)


def unique_by_set(coords, stride):
    rows = {(b, z // stride, y // stride, x // stride) for b, z, y, x in coords.tolist()}
    return torch.tensor(sorted(rows), dtype=torch.int64).reshape(-1, 4)


def divided_as_floats(coords, stride):
    return torch.cat([coords[:, :1], (coords[:, 1:] / stride).floor()], 1).unique(dim=0)


def unique_with_inverse(coords, stride):
    return no_unique(coords, stride).unique(dim=0, return_inverse=True)


def divided_in_place(coords, stride):
    coords[:, 1:] //= stride
    return coords.unique(dim=0)


def keys_of_a_nonnegative_grid(coords, stride):
    coarse = no_unique(coords, stride)
    if not len(coarse):
        return coarse
    sizes = (coarse.amax(0) + 1).tolist()
    keys = ravel_keys(coarse, sizes).unique()
    columns = []
    for size in sizes[::-1]:
        columns.append(keys % size)
        keys = keys // size
    return torch.stack(columns[::-1], 1)


def ravel_keys(coarse, sizes):
    b, z, y, x = coarse.T
    return ((b * sizes[1] + z) * sizes[2] + y) * sizes[3] + x


# ---- sparse.kernel_map


def all_with_all(coords_in, coords_out, offset):
    wanted = coords_out + torch.tensor([0, *offset], device=coords_out.device)
    match = (coords_in[:, None, :] == wanted[None, :, :]).all(dim=-1)
    in_index, out_index = match.nonzero(as_tuple=True)
    return in_index, out_index


def keys_with_margin(coords_in, coords_out, offset):
    return search_keys(coords_in, coords_out, offset, clamp=True)


def search_keys(coords_in, coords_out, offset, clamp):
    step = torch.tensor([0, *offset], device=coords_in.device)
    both = torch.cat([coords_in, coords_out + step])
    if not len(coords_in) or not len(coords_out):
        return both.new_zeros(0), both.new_zeros(0)
    low, high = both.amin(0), both.amax(0)
    size = tuple((high - low + 1).tolist())
    keys, order = ravel_index(coords_in - low, size).sort()
    wanted = ravel_index(coords_out + step - low, size)
    place = torch.searchsorted(keys, wanted)
    if clamp:
        place = place.clamp(max=len(keys) - 1)
    hit = keys[place] == wanted
    return order[place[hit]], hit.nonzero()[:, 0]


def large_base(coords_in, coords_out, offset):
    base = torch.tensor([10**12, 10**8, 10**4, 1], device=coords_in.device)
    keys = (coords_in * base).sum(1)
    wanted = ((coords_out + torch.tensor([0, *offset], device=base.device)) * base).sum(1)
    return [
        torch.isin(keys, wanted).nonzero().flatten(),
        torch.isin(wanted, keys).nonzero().flatten(),
    ]


def columns_one_by_one(coords_in, coords_out, offset):
    match = coords_out[:, None, 0] == coords_in[:, 0]
    for axis, step in enumerate(offset, start=1):
        match &= coords_out[:, None, axis] + step == coords_in[:, axis]
    out_index, in_index = torch.where(match)
    return in_index, out_index


def offset_added_to_inputs(coords_in, coords_out, offset):
    moved = coords_in + torch.tensor([0, *offset])
    return torch.where((moved[:, None] == coords_out).all(-1))


def only_zyx(coords_in, coords_out, offset):
    wanted = coords_out[:, 1:] + torch.tensor(offset)
    return torch.where((coords_in[:, None, 1:] == wanted).all(-1))


def output_side_first(coords_in, coords_out, offset):
    wanted = coords_out + torch.tensor([0, *offset])
    return torch.where((wanted[:, None] == coords_in).all(-1))


def offset_as_xyz(coords_in, coords_out, offset):
    dx, dy, dz = offset
    wanted = coords_out + torch.tensor([0, dz, dy, dx])
    return torch.where((coords_in[:, None] == wanted).all(-1))


def with_minus_one(coords_in, coords_out, offset):
    match = (coords_out[:, None] + torch.tensor([0, *offset]) == coords_in).all(-1)
    row = torch.full((len(coords_out),), -1)
    found = match.any(1)
    if found.any():
        row[found] = match[found].int().argmax(1)
    return row, torch.arange(len(coords_out))


def places_found(coords_in, coords_out, offset):
    match = (coords_in[:, None] == coords_out + torch.tensor([0, *offset])).all(-1)
    in_index, out_index = match.nonzero(as_tuple=True)
    return coords_in[in_index], coords_out[out_index]


def two_rows_of_one_tensor(coords_in, coords_out, offset):
    match = (coords_in[:, None] == coords_out + torch.tensor([0, *offset])).all(-1)
    return match.nonzero().T


def nonzero_as_it_comes(coords_in, coords_out, offset):
    match = (coords_in[:, None] == coords_out + torch.tensor([0, *offset])).all(-1)
    return match.nonzero()


def keys_of_the_tight_grid(coords_in, coords_out, offset):
    if not len(coords_in) or not len(coords_out):
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    _, D, H, W = (coords_in.amax(0) + 1).tolist()
    stride = torch.tensor([D * H * W, H * W, W, 1])
    keys, order = (coords_in * stride).sum(1).sort()
    wanted = ((coords_out + torch.tensor([0, *offset])) * stride).sum(1)
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    hit = keys[place] == wanted
    return order[place[hit]], hit.nonzero()[:, 0]


def search_without_clamp(coords_in, coords_out, offset):
    return search_keys(coords_in, coords_out, offset, clamp=False)


def place_is_partner(coords_in, coords_out, offset):
    base = torch.tensor([10**12, 10**8, 10**4, 1])
    keys = (coords_in * base).sum(1)
    wanted = ((coords_out + torch.tensor([0, *offset])) * base).sum(1)
    return torch.searchsorted(keys, wanted), torch.arange(len(wanted))


def clamped_place_is_partner(coords_in, coords_out, offset):
    base = torch.tensor([10**12, 10**8, 10**4, 1])
    keys = (coords_in * base).sum(1)
    wanted = ((coords_out + torch.tensor([0, *offset])) * base).sum(1)
    place = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return place, torch.arange(len(wanted))


def any_for_all(coords_in, coords_out, offset):
    wanted = coords_out + torch.tensor([0, *offset])
    return torch.where((coords_in.unsqueeze(1) == wanted.unsqueeze(0)).any(dim=-1))


def double_loop(coords_in, coords_out, offset):
    step = torch.tensor([0, *offset])
    found = [
        (i, o)
        for o, place in enumerate(coords_out)
        for i, other in enumerate(coords_in)
        if torch.equal(other, place + step)
    ]
    both = torch.tensor(found, dtype=torch.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def dictionary(coords_in, coords_out, offset):
    row = {tuple(c): i for i, c in enumerate(coords_in.tolist())}
    in_index, out_index = [], []
    for o, (b, z, y, x) in enumerate(coords_out.tolist()):
        key = (b, z + offset[0], y + offset[1], x + offset[2])
        if key in row:
            in_index.append(row[key])
            out_index.append(o)
    as_tensor = [torch.tensor(rows, dtype=torch.int64) for rows in (in_index, out_index)]
    return tuple(as_tensor)


def offset_added_in_place(coords_in, coords_out, offset):
    coords_out[:, 1:] += torch.tensor(offset)
    return torch.where((coords_in[:, None] == coords_out).all(-1))


def in_int32(coords_in, coords_out, offset):
    in_index, out_index = all_with_all(coords_in, coords_out, offset)
    return in_index.int(), out_index.int()


def line_beside_line(coords_in, coords_out, offset):
    n = min(len(coords_in), len(coords_out))
    match = (coords_in[:n] == coords_out[:n] + torch.tensor([0, *offset])).all(-1)
    return match.nonzero()[:, 0], match.nonzero()[:, 0]


# ---- sparse.subm_conv


def tap_by_tap(coords, features, weight):
    table = neighbour_index(coords)
    out = features.new_zeros(len(coords), weight.shape[0])
    for k in range(27):
        o = (table[:, k] >= 0).nonzero()[:, 0]
        i = table[o, k]
        out.index_add_(0, o, features[i] @ weight.flatten(2)[:, :, k].T)
    return out


def zero_for_missing(coords, features, weight):
    table = neighbour_index(coords)
    there = (table >= 0).unsqueeze(-1)
    rows = torch.where(there, features[table.clamp(min=0)], 0)
    return torch.einsum("vkc,ock->vo", rows, weight.flatten(2))


def with_gather_points(coords, features, weight):
    rows = gather_points(features.T[None], neighbour_index(coords)[None])[0]
    return torch.tensordot(rows, weight.flatten(2), dims=([0, 2], [1, 2]))


def match_of_each_tap(coords, features, weight):
    out = features.new_zeros(len(coords), weight.shape[0])
    for kz in range(3):
        for ky in range(3):
            for kx in range(3):
                wanted = coords + torch.tensor([0, kz - 1, ky - 1, kx - 1])
                i, o = (coords[:, None] == wanted).all(-1).nonzero(as_tuple=True)
                out[o] += features[i] @ weight[:, :, kz, ky, kx].T
    return out


def one_index_add(coords, features, weight):
    table = neighbour_index(coords)
    o, k = (table >= 0).nonzero(as_tuple=True)
    products = torch.bmm(weight.flatten(2).permute(2, 0, 1)[k], features[table[o, k]][:, :, None])
    return features.new_zeros(len(coords), weight.shape[0]).index_add(0, o, products[:, :, 0])


def package_map(coords, features, weight):
    shape = (coords[:, 1:].amax(0) + 1).tolist() if len(coords) else (1, 1, 1)
    return apply_kernel_map(features, weight, rulebook_of(coords, shape, 3, submanifold=True))


def true_convolution(coords, features, weight):
    table = neighbour_index(coords).flip(1)
    rows = torch.where((table >= 0).unsqueeze(-1), features[table.clamp(min=0)], 0)
    return torch.einsum("vkc,ock->vo", rows, weight.flatten(2))


def added_to_the_row_read(coords, features, weight):
    table = neighbour_index(coords)
    out = features.new_zeros(len(coords), weight.shape[0])
    for k in range(27):
        o = (table[:, k] >= 0).nonzero()[:, 0]
        i = table[o, k]
        out.index_add_(0, i, features[o] @ weight.flatten(2)[:, :, k].T)
    return out


def matrix_not_transposed(coords, features, weight):
    table = neighbour_index(coords)
    out = features.new_zeros(len(coords), weight.shape[0])
    for k in range(27):
        o = (table[:, k] >= 0).nonzero()[:, 0]
        out.index_add_(0, o, features[table[o, k]] @ weight.flatten(2)[:, :, k])
    return out


def einsum_with_letters_exchanged(coords, features, weight):
    table = neighbour_index(coords)
    rows = torch.where((table >= 0).unsqueeze(-1), features[table.clamp(min=0)], 0)
    return torch.einsum("nti,iot->no", rows, weight.flatten(2))


def minus_one_not_masked(coords, features, weight):
    table = neighbour_index(coords)
    out = features.new_zeros(len(coords), weight.shape[0])
    for k in range(27):
        out = out + features[table[:, k]] @ weight.flatten(2)[:, :, k].T
    return out


def without_b(coords, features, weight):
    zyx = coords[:, 1:]
    steps = torch.cartesian_prod(*3 * [torch.arange(-1, 2)])
    match = (zyx[:, None, None] + steps[:, None] == zyx).all(-1)
    return torch.einsum("vkn,nc,ock->vo", match.to(features.dtype), features, weight.flatten(2))


def centre_skipped(coords, features, weight):
    table = neighbour_index(coords)
    out = features.new_zeros(len(coords), weight.shape[0])
    for k in range(27):
        if k == 13:
            continue
        o = (table[:, k] >= 0).nonzero()[:, 0]
        out.index_add_(0, o, features[table[o, k]] @ weight.flatten(2)[:, :, k].T)
    return out


def taps_with_x_slowest(coords, features, weight):
    taps = weight.permute(4, 3, 2, 1, 0).flatten(0, 2)
    table = neighbour_index(coords)
    rows = torch.where((table >= 0).unsqueeze(-1), features[table.clamp(min=0)], 0)
    return torch.einsum("vki,kio->vo", rows, taps)


def mean_of_neighbours(coords, features, weight):
    total = tap_by_tap(coords, features, weight)
    return total / (neighbour_index(coords) >= 0).sum(dim=1).unsqueeze(1)


def plus_equals_over_all_taps(coords, features, weight):
    table = neighbour_index(coords)
    o, k = (table >= 0).nonzero(as_tuple=True)
    products = torch.bmm(weight.flatten(2).permute(2, 0, 1)[k], features[table[o, k]][:, :, None])
    out = features.new_zeros(len(coords), weight.shape[0])
    out[o] += products.squeeze(2)
    return out


def steps_from_zero(coords, features, weight):
    steps = torch.cartesian_prod(*3 * [torch.arange(3)])
    wanted = coords[:, None] + F.pad(steps, (1, 0))
    match = (wanted[:, :, None] == coords).all(-1)
    return torch.einsum("vkn,nc,ock->vo", match.to(features.dtype), features, weight.flatten(2))


def dense_conv(coords, features, weight):
    if not len(coords):
        return features.new_zeros(0, weight.shape[0])
    b, z, y, x = coords.T
    volume = features.new_zeros(
        int(b.max()) + 1, features.shape[1], *(int(c.max()) + 1 for c in (z, y, x))
    )
    volume[b, :, z, y, x] = features
    return F.conv3d(volume, weight, padding=1)[b, :, z, y, x]


def grid_of_rows(coords, features, weight):
    if not len(coords):
        return features.new_zeros(0, weight.shape[0])
    inner = coords + torch.tensor([0, 1, 1, 1])
    grid = torch.full(tuple((inner.amax(0) + torch.tensor([1, 2, 2, 2])).tolist()), -1)
    grid[tuple(inner.T)] = torch.arange(len(coords))
    steps = F.pad(torch.cartesian_prod(*3 * [torch.arange(-1, 2)]), (1, 0))
    table = grid[tuple((inner[:, None] + steps).movedim(-1, 0))]
    rows = torch.where((table >= 0).unsqueeze(-1), features[table.clamp(min=0)], 0)
    return torch.einsum("vkc,ock->vo", rows, weight.flatten(2))


def voxel_by_voxel(coords, features, weight):
    table = neighbour_index(coords)
    out = []
    for row in table:
        here = row >= 0
        out.append(torch.einsum("kc,ock->o", features[row[here]], weight.flatten(2)[:, :, here]))
    return torch.stack(out) if out else features.new_zeros(0, weight.shape[0])


def dictionary_of_voxels(coords, features, weight):
    rows = {tuple(place): v for v, place in enumerate(coords.tolist())}
    out = [features.new_zeros(weight.shape[0]) for _ in rows]
    for (b, z, y, x), v in rows.items():
        for dz in (-1, 0, 1):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    i = rows.get((b, z + dz, y + dy, x + dx), -1)
                    if i >= 0:
                        out[v] = out[v] + weight[:, :, dz + 1, dy + 1, dx + 1] @ features[i]
    return torch.stack(out) if out else features.new_zeros(0, weight.shape[0])


def weight_data(coords, features, weight):
    return tap_by_tap(coords, features, weight.data)


def features_through_numpy(coords, features, weight):
    return tap_by_tap(coords, torch.from_numpy(features.detach().numpy().copy()), weight)


def conv_in_float(coords, features, weight):
    return tap_by_tap(coords, features.float(), weight.float())


def out_of_float_zeros(coords, features, weight):
    table = neighbour_index(coords)
    out = torch.zeros(len(coords), weight.shape[0])
    for k in range(27):
        o = (table[:, k] >= 0).nonzero()[:, 0]
        out.index_add_(0, o, features[table[o, k]] @ weight.flatten(2)[:, :, k].T)
    return out


def channels_before_voxels(coords, features, weight):
    return tap_by_tap(coords, features, weight).T


# ---- sparse.max_pool


def pool_scatter_reduce(features, in_index, out_index, size):
    rows = features[in_index]
    out = rows.new_zeros(size, features.shape[1])
    index = out_index[:, None].expand(-1, features.shape[1])
    return out.scatter_reduce(0, index, rows, reduce="amax", include_self=False)


def pool_from_minus_infinity(features, in_index, out_index, size):
    out = pool_infinite_start(features, in_index, out_index, size)
    return out.where(out > -torch.inf, 0)


def pool_with_scatter_points(features, in_index, out_index, size):
    rows = features.T[:, in_index]
    return scatter_points(rows[None], out_index[None], size, reduce="amax")[0].T


def pool_by_sorting(features, in_index, out_index, size):
    """Sort each channel, then by output: the last of each run is the largest."""
    rows = features[in_index]
    rank = rows.argsort(dim=0)  # [P, C]
    rows, out = rows.gather(0, rank), out_index[:, None].expand_as(rank).gather(0, rank)
    by_output = out.argsort(dim=0, stable=True)
    rows, out = rows.gather(0, by_output), out.gather(0, by_output)
    last = torch.ones_like(out, dtype=torch.bool)
    last[:-1] = out[1:] != out[:-1]
    channel = torch.arange(features.shape[1]).expand_as(out)
    result = features.new_zeros(size, features.shape[1])
    return result.index_put((out[last], channel[last]), rows[last])


def pool_padded(features, in_index, out_index, size):
    """Every pair against every output, -inf where they do not belong together."""
    mine = out_index == torch.arange(size)[:, None]  # [U, P]
    rows = torch.where(mine[:, :, None], features[in_index], -torch.inf)
    rows = F.pad(rows, (0, 0, 0, 1), value=-torch.inf)
    out = rows.amax(1)
    return out.masked_fill(~mine.any(1, keepdim=True), 0)


def pool_assigned(features, in_index, out_index, size):
    out = features.new_zeros(size, features.shape[1])
    out[out_index] = features[in_index]
    return out


def pool_index_copy(features, in_index, out_index, size):
    return features.new_zeros(size, features.shape[1]).index_copy(0, out_index, features[in_index])


def pool_maximum_assigned(features, in_index, out_index, size):
    out = features.new_zeros(size, features.shape[1])
    out[out_index] = torch.maximum(out[out_index], features[in_index])
    return out


def pool_include_self(features, in_index, out_index, size):
    index = out_index.unsqueeze(1).expand(-1, features.size(1))
    out = features.new_zeros(size, features.size(1))
    return out.scatter_reduce(0, index, features[in_index], "amax")


def pool_sum(features, in_index, out_index, size):
    out = features.new_zeros(size, features.shape[1])
    return out.index_add(0, out_index, features[in_index])


def pool_mean(features, in_index, out_index, size):
    count = out_index.bincount(minlength=size).clamp(min=1)
    return pool_sum(features, in_index, out_index, size) / count[:, None]


def pool_minimum(features, in_index, out_index, size):
    return -pool_scatter_reduce(-features, in_index, out_index, size)


def pool_narrow_index(features, in_index, out_index, size):
    out = features.new_zeros(size, features.shape[1])
    return out.scatter_reduce(0, out_index[:, None], features[in_index], "amax", include_self=False)


def pool_no_gather(features, in_index, out_index, size):
    index = out_index[:, None].expand(-1, features.shape[1])
    out = features.new_zeros(size, features.shape[1])
    return out.scatter_reduce(0, index, features, "amax", include_self=False)


def pool_over_channels(features, in_index, out_index, size):
    best = features.max(dim=1, keepdim=True).values.repeat(1, features.shape[1])
    return pool_scatter_reduce(best, in_index, out_index, size)


def pool_infinite_start(features, in_index, out_index, size):
    start = features.new_full((size, features.shape[1]), float("-inf"))
    index = out_index.unsqueeze(1).expand(-1, features.size(1))
    return start.scatter_reduce(0, index, features[in_index], "amax")


def pool_loop(features, in_index, out_index, size):
    out = features.new_full((size, features.shape[1]), -torch.inf)
    for i, o in zip(in_index, out_index, strict=True):
        out[o] = torch.maximum(out[o], features[i])
    return torch.where(out == -torch.inf, 0, out)


def pool_output_by_output(features, in_index, out_index, size):
    out = features.new_zeros(size, features.shape[1])
    for o in range(size):
        rows = features[in_index[out_index == o]]
        if len(rows):
            out[o] = rows.amax(dim=0)
    return out


def pool_float_zeros(features, in_index, out_index, size):
    index = out_index[:, None].expand(-1, features.shape[1])
    return torch.zeros(size, features.shape[1]).scatter_reduce(
        0, index, features[in_index], "amax", include_self=False
    )


def pool_detached(features, in_index, out_index, size):
    return pool_scatter_reduce(features.detach(), in_index, out_index, size)


def pool_channels_first(features, in_index, out_index, size):
    return pool_scatter_reduce(features, in_index, out_index, size).T


def pool_as_many_as_reached(features, in_index, out_index, size):
    return pool_scatter_reduce(features, in_index, out_index, int(out_index.max()) + 1)


def pool_swapped(features, in_index, out_index, size):
    index = in_index[:, None].expand(-1, features.shape[1])
    out = features.new_zeros(size, features.shape[1])
    rows = features.index_select(0, out_index)
    return out.scatter_reduce(0, index, rows, "amax", include_self=False)


# ---- from other people's repositories, and two mistakes at once


def pillar_scatter(coords, features, batch_size, shape):
    D, H, W = shape
    canvas = features.new_zeros(batch_size, D * H * W, features.shape[1])
    for b in range(batch_size):
        mine = coords[:, 0] == b
        canvas[b, coords[mine, 1] + coords[mine, 2] * W + coords[mine, 3]] = features[mine]
    return canvas.mT.unflatten(2, shape)


def one_channel_scatter(coords, features, batch_size, shape):
    flat = torch.zeros(features.shape[1], batch_size * prod(shape), dtype=features.dtype)
    flat = flat.scatter(1, ravel_index(coords, (batch_size, *shape))[None], features.T)
    return flat.unflatten(1, (batch_size, *shape)).transpose(0, 1)


def first_samples_buffer(coords, features, batch_size, shape):
    buffer = features.new_zeros(features.shape[1], *shape)
    mine = coords[:, 0] == 0
    _, z, y, x = coords[mine].T
    buffer[:, z, y, x] = features[mine].T
    return torch.stack([buffer] * batch_size)


def xyzb_rows(coords, features, batch_size, shape):
    out = features.new_zeros(batch_size, features.shape[1], *shape)
    x, y, z, b = coords.T
    out[b, :, z, y, x] = features
    return out


def last_and_swapped(coords, features, batch_size, shape):
    out = features.new_zeros(batch_size, *shape[::-1], features.shape[1])
    b, z, y, x = coords.T
    out[b, x, y, z] = features
    return out


def ignored_and_viewed(coords, features, batch_size, shape):
    out = features.new_zeros(batch_size, *shape, features.shape[1])
    for (_, z, y, x), row in zip(coords.tolist(), features, strict=True):
        out[0, z, y, x] = row
    return out.view(batch_size, features.shape[1], *shape)


def nearest_block(coords, stride):
    scaled = torch.cat([coords[:, :1], torch.round(coords[:, 1:] / stride).long()], 1)
    return scaled.unique(dim=0)


def torchsparse_columns(coords, stride):
    out = coords.clone()
    out[:, :3] = torch.div(out[:, :3], stride, rounding_mode="floor")
    return out.unique(dim=0)


def numpy_lexsort(coords, stride):
    out = coarse_unique(coords, stride)
    return out[torch.from_numpy(np.lexsort(out.numpy().T))]


def stepped_and_fine(coords, stride):
    out = coarse_unique(coords[::stride], stride)
    out[:, 1:] *= stride
    return out


def truncated_and_fine(coords, stride):
    zyx = torch.div(coords[:, 1:], stride, rounding_mode="trunc") * stride
    return torch.cat([coords[:, :1], zyx], 1).unique(dim=0)


def no_step(coords_in, coords_out, offset):
    return torch.where((coords_in[:, None] == coords_out[None]).all(-1))


def step_on_bzy(coords_in, coords_out, offset):
    moved = coords_out + torch.tensor((*offset, 0))
    return torch.where((coords_in[:, None] == moved[None]).all(-1))


def minus_and_swapped(coords_in, coords_out, offset):
    moved = coords_out - torch.tensor((0, *offset))
    out, into = torch.where((coords_in[None] == moved[:, None]).all(-1))
    return out, into


def xyz_and_stacked(coords_in, coords_out, offset):
    moved = coords_out + torch.tensor((0, *reversed(offset)))
    return (coords_in[:, None] == moved[None]).all(-1).nonzero().T


def mixed_and_minus(coords_in, coords_out, offset):
    moved = coords_out[:, 1:] - torch.tensor(offset)
    return torch.where((coords_in[:, None, 1:] == moved[None]).all(-1))


def pool_magnitude(features, in_index, out_index, size):
    return pool_padded(torch.where(features < 0, -features, features), in_index, out_index, size)


def pool_zero_in_one_channel(features, in_index, out_index, size):
    out = features.new_zeros(size, features.shape[1])
    return out.scatter_reduce(0, out_index[:, None], features[in_index], "amax")


def pool_guessed_and_clamped(features, in_index, out_index, size):
    size = out_index.max().item() + 1
    return torch.relu(pool_scatter_reduce(features, in_index, out_index, size))


def one_product_viewed(coords, features, weight):
    rows = torch.cat([features, features.new_zeros(1, features.shape[1])])
    return rows[neighbour_index(coords)].flatten(1) @ weight.flatten(1).T


def taps_first_as_in_spconv(coords, features, weight):
    taps = weight.reshape(27, features.shape[1], -1)
    out = features.new_zeros(len(coords), weight.shape[0])
    for matrix, row in zip(taps, neighbour_index(coords).T, strict=True):
        there = row >= 0
        out[there] += features[row[there]] @ matrix
    return out


def clamped_table(coords, features, weight):
    table = torch.clamp(neighbour_index(coords), 0)
    return sum(features[table[:, k]] @ weight.flatten(2)[:, :, k].T for k in range(27))


def flipped_and_averaged(coords, features, weight):
    table = neighbour_index(coords).flip(1)
    rows = torch.cat([features, features.new_zeros(1, features.shape[1])])[table]
    return torch.einsum("vki,oik->vo", rows, weight.flatten(2)) / (table >= 0).sum(1)[:, None]


def viewed_and_last_row(coords, features, weight):
    return features[neighbour_index(coords)].flatten(1) @ weight.reshape(len(weight), -1).T


RIGHT = {
    "sparse.to_dense": [
        index_put,
        flat_scatter,
        flat_copy,
        sparse_coo,
    ],
    "sparse.strided_coords": [
        coarse_unique,
        coarse_by_keys,
        coarse_sort_and_compare,
        coarse_sorted_consecutive,
    ],
    "sparse.max_pool": [
        pool_scatter_reduce,
        pool_from_minus_infinity,
        pool_by_sorting,
        pool_padded,
    ],
    "sparse.kernel_map": [all_with_all, keys_with_margin, large_base, columns_one_by_one],
    "sparse.subm_conv": [
        tap_by_tap,
        zero_for_missing,
        with_gather_points,
        match_of_each_tap,
        one_index_add,
        package_map,
    ],
}

WRONG = {
    "sparse.to_dense": {
        package_volume: "forbidden",
        channels_at_the_end: "channels-last",
        view_in_place_of_permute: "not-permuted",
        columns_read_as_bxyz: "x-z-swapped",
        columns_read_as_bxyz_flat: "x-z-swapped",
        shape_read_as_whd: "x-z-swapped",
        batch_forgotten: "batch-ignored",
        added_up_without_batch: "batch-ignored",
        all_batches_at_once: "every-batch",
        h_for_w: "row-stride",
        transposed_features: "features-transposed",
        zeros_without_dtype: "volume-dtype",
        rows_without_dtype: "volume-dtype",
        zeros_like_coords: "volume-dtype",
        volume_detached: "no-gradient",
        volume_by_loop: "python-loop",
        volume_as_float: "wrong-dtype",
        three_columns_to_scatter: "raises",
        coords_times_strides_in_place: "in-place",
        pillar_scatter: "pillars",
        one_channel_scatter: "first-channel",
        first_samples_buffer: "first-batch-everywhere",
        xyzb_rows: "batch-last",
        last_and_swapped: "channels-last+x-z-swapped",
        ignored_and_viewed: "not-permuted+batch-ignored",
    },
    "sparse.strided_coords": {
        all_four_columns: "batch-divided",
        no_unique: "not-unique",
        no_unique_sorted: "not-unique",
        consecutive: "unique-neighbours",
        in_order_of_arrival: "order",
        through_long: "trunc",
        rounded_up: "ceil",
        minkowski_units: "fine-units",
        even_ones: "multiples-only",
        stepped_slice: "rows-skipped",
        forgot_dim: "unique-numbers",
        origin_moved: "shifted",
        unique_by_set: "python-loop",
        divided_as_floats: "wrong-dtype",
        unique_with_inverse: "wrong-type",
        divided_in_place: "in-place",
        keys_of_a_nonnegative_grid: "fails-negative",
        nearest_block: "round",
        torchsparse_columns: "batch-last",
        numpy_lexsort: "x-first",
        stepped_and_fine: "fine-units+rows-skipped",
        truncated_and_fine: "trunc+fine-units",
    },
    "sparse.max_pool": {
        pool_with_scatter_points: "forbidden",
        pool_assigned: "last-one",
        pool_index_copy: "last-one",
        pool_maximum_assigned: "last-one",
        pool_include_self: "zero-wins",
        pool_sum: "summed",
        pool_mean: "averaged",
        pool_minimum: "smallest",
        pool_narrow_index: "first-channel",
        pool_no_gather: "in-index-unused",
        pool_over_channels: "across-channels",
        pool_infinite_start: "infinity-left",
        pool_loop: "no-gradient",
        pool_output_by_output: "python-loop",
        pool_float_zeros: "raises",
        pool_detached: "no-gradient",
        pool_channels_first: "wrong-shape",
        pool_as_many_as_reached: "size-guessed",
        pool_swapped: "swapped",
        pool_magnitude: "absolute",
        pool_zero_in_one_channel: "zero-wins+first-channel",
        pool_guessed_and_clamped: "zero-wins+size-guessed",
    },
    "sparse.kernel_map": {
        offset_added_to_inputs: "sign",
        only_zyx: "batch-ignored",
        output_side_first: "swapped",
        offset_as_xyz: "xyz-offset",
        with_minus_one: "missing-kept",
        places_found: "coordinates",
        two_rows_of_one_tensor: "stacked",
        nonzero_as_it_comes: "wrong-type",
        keys_of_the_tight_grid: "wraps",
        search_without_clamp: "past-the-end",
        place_is_partner: "not-compared",
        clamped_place_is_partner: "not-compared",
        any_for_all: "any-coordinate",
        line_beside_line: "wrong-shape",
        double_loop: "python-loop",
        dictionary: "python-loop",
        offset_added_in_place: "in-place",
        in_int32: "wrong-dtype",
        no_step: "offset-ignored",
        step_on_bzy: "offset-on-batch",
        minus_and_swapped: "swapped+sign",
        xyz_and_stacked: "stacked+xyz-offset",
        mixed_and_minus: "sign+batch-ignored",
    },
    "sparse.subm_conv": {
        true_convolution: "flipped",
        added_to_the_row_read: "flipped",
        taps_with_x_slowest: "xyz-kernel",
        steps_from_zero: "not-centred",
        matrix_not_transposed: "weight-transposed",
        einsum_with_letters_exchanged: "weight-transposed",
        minus_one_not_masked: "reads-last-row",
        without_b: "batches-mixed",
        centre_skipped: "no-centre",
        mean_of_neighbours: "averaged",
        plus_equals_over_all_taps: "products-lost",
        dense_conv: "dense",
        grid_of_rows: "dense",
        voxel_by_voxel: "python-loop",
        dictionary_of_voxels: "python-loop",
        weight_data: "no-gradient",
        features_through_numpy: "no-gradient",
        conv_in_float: "wrong-dtype",
        out_of_float_zeros: "raises",
        channels_before_voxels: "wrong-shape",
        one_product_viewed: "weight-viewed",
        taps_first_as_in_spconv: "weight-viewed",
        clamped_table: "reads-first-row",
        flipped_and_averaged: "flipped+averaged",
        viewed_and_last_row: "reads-last-row+weight-viewed",
    },
}
