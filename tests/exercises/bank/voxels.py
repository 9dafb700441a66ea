"""Answers to chapter 5's exercises as students write them, right and wrong."""

import torch

# ---- voxels.coords


def coords_floor(points, voxel_size, origin):
    return torch.floor((points - origin) / voxel_size).long().flip(1)


def coords_floor_division(points, voxel_size, origin):
    return ((points - origin) // voxel_size).to(torch.int64)[:, [2, 1, 0]]


def coords_axis_by_axis(points, voxel_size, origin):
    x, y, z = torch.div(points - origin, voxel_size, rounding_mode="floor").unbind(1)
    return torch.stack([z, y, x], dim=1).long()


def coords_trunc_by_hand(points, voxel_size, origin):
    quotient = (points - origin) / voxel_size
    whole = quotient.long()
    return (whole - (quotient < whole).long()).flip(-1)


def coords_long(points, voxel_size, origin):
    xyz = (points - origin).div(voxel_size).to(torch.int64)
    return xyz[:, [2, 1, 0]]


def coords_trunc(points, voxel_size, origin):
    return torch.flip(torch.trunc((points - origin) / voxel_size), dims=(1,)).long()


def coords_round(points, voxel_size, origin):
    x, y, z = torch.round((points - origin) / voxel_size).long().T
    return torch.stack((z, y, x), -1)


def coords_plus_half(points, voxel_size, origin):
    return torch.floor((points - origin) / voxel_size + 0.5).long().flip(1)


def coords_not_flipped(points, voxel_size, origin):
    return torch.floor((points - origin) / voxel_size).long()


def coords_flip_zero(points, voxel_size, origin):
    return torch.floor((points - origin) / voxel_size).long().flip(0)


def coords_no_origin(points, voxel_size, origin):
    return (points // voxel_size).long().flip(1)


def coords_origin_after(points, voxel_size, origin):
    cell = points / voxel_size - origin
    return cell.floor().flip(1).long()


def coords_flipped_first(points, voxel_size, origin):
    zyx = points.flip(1)
    return torch.floor((zyx - origin) / voxel_size).long()


def coords_times(points, voxel_size, origin):
    return torch.floor((points - origin) * voxel_size).long().flip(1)


def coords_clamped(points, voxel_size, origin):
    cell = ((points - origin) / voxel_size).floor().long()
    return torch.maximum(cell, torch.zeros_like(cell)).flip(1)


def coords_as_float(points, voxel_size, origin):
    cell = torch.floor((points - origin) / voxel_size)
    return torch.stack([cell[:, 2], cell[:, 1], cell[:, 0]], dim=1)


def coords_int32(points, voxel_size, origin):
    cell = ((points - origin) / voxel_size).floor().clamp(-(2**31), 2**31 - 1)
    return cell.to(torch.int32).flip(1)


def coords_in_place(points, voxel_size, origin):
    points -= origin
    points /= voxel_size
    return points.floor().long().flip(1)


def coords_half_precision(points, voxel_size, origin):
    return torch.floor((points.float() - origin.float()) / voxel_size).long().flip(1)


def coords_loop(points, voxel_size, origin):
    out = torch.zeros(points.shape, dtype=torch.long)
    for n, point in enumerate(points):
        for axis in range(3):
            out[n, 2 - axis] = ((point[axis] - origin[axis]) / voxel_size).floor().long()
    return out


def coords_view(points, voxel_size, origin):
    cell = torch.floor((points.view(-1) - origin.repeat(len(points))) / voxel_size)
    return cell.long().view(-1, 3).flip(1)


def coords_without_flip_and_floor(points, voxel_size, origin):
    return ((points - origin) / voxel_size).long()


# ---- voxels.ravel


def ravel_horner(coords, shape):
    D, H, W = shape
    b, z, y, x = coords.long().unbind(1)
    return ((b * D + z) * H + y) * W + x


def ravel_strides(coords, shape):
    D, H, W = shape
    strides = torch.tensor([D * H * W, H * W, W, 1], device=coords.device)
    return (coords.long() * strides).sum(dim=1)


def ravel_step_by_step(coords, shape):
    flat = coords[:, 0].long()
    for size, column in zip(shape, coords.T[1:], strict=True):
        flat = flat * size + column
    return flat


def ravel_int32(coords, shape):
    D, H, W = shape
    return coords[:, 0] * D * H * W + coords[:, 1] * H * W + coords[:, 2] * W + coords[:, 3]


def ravel_long_at_the_end(coords, shape):
    D, H, W = shape
    b, z, y, x = (coords[:, i] for i in range(4))
    flat = b * D * H * W + z * H * W + y * W + x
    return flat.to(torch.int64)


def ravel_z_first(coords, shape):
    D, H, W = shape
    b, z, y, x = coords.long().T
    return z + D * y + D * H * x + D * H * W * b


def ravel_one_sample(coords, shape):
    _, H, W = shape
    z, y, x = coords[:, 1:].long().unbind(-1)
    return z * H * W + y * W + x


def ravel_sizes(coords, shape):
    D, H, W = shape
    strides = torch.tensor([D * H * W, D, H, W])
    return (coords.long() * strides).sum(1)


def ravel_shifted_sizes(coords, shape):
    D, H, _W = shape
    b, z, y, x = coords.long().unbind(1)
    return ((b * D + z) * D + y) * H + x


def ravel_depth_in_slice(coords, shape):
    D, H, W = shape
    b, z, y, x = coords.long().unbind(1)
    return b * D * H * W + z * D * H + y * W + x


def ravel_height_for_width(coords, shape):
    D, H, W = shape
    b, z, y, x = coords.long().unbind(1)
    return b * (D * H * W) + z * (H * W) + y * H + x


def ravel_batch_by_slice(coords, shape):
    _, H, W = shape
    b, z, y, x = coords.long().unbind(1)
    return (b + z) * (H * W) + y * W + x


def ravel_float(coords, shape):
    D, H, W = shape
    strides = torch.tensor([D * H * W, H * W, W, 1], dtype=torch.float32)
    return (coords.float() @ strides).long()


def ravel_columns(coords, shape):
    D, H, W = shape
    b, z, y, x = coords.long().unbind(1)
    return (((b * D + z) * H + y) * W + x)[:, None]


def ravel_list(coords, shape):
    D, H, W = shape
    return torch.tensor(
        [((b * D + z) * H + y) * W + x for b, z, y, x in coords.tolist()], dtype=torch.int64
    )


def ravel_as_python(coords, shape):
    return ravel_list(coords, shape).tolist()


def ravel_of_each(coords, shape):
    out = torch.empty(len(coords), dtype=torch.int64)
    for i in range(len(coords)):
        out[i] = ravel_horner(coords[i : i + 1], shape)[0]
    return out


def ravel_in_place(coords, shape):
    flat, *columns = coords.long().unbind(1)
    for size, column in zip(shape, columns, strict=True):
        flat.mul_(size).add_(column)
    return flat.clone()


# ---- voxels.knn_features


def knn_flatten(features, index):
    flat = index.flatten(1)[:, None].expand(-1, features.shape[1], -1)
    return features.gather(2, flat).unflatten(2, index.shape[1:])


def knn_batches_beside(features, index):
    batch = torch.arange(len(features), device=features.device)[:, None, None]
    return features.transpose(1, 2)[batch, index].permute(0, 3, 1, 2)


def knn_take_along_dim(features, index):
    (B, C, _N), (_, V, K) = features.shape, index.shape
    return torch.take_along_dim(features, index.reshape(B, 1, V * K), 2).reshape(B, C, V, K)


def knn_voxel_axis(features, index):
    (_, C, _), (_, V, _) = features.shape, index.shape
    wide = features[:, :, None].expand(-1, -1, V, -1)
    return wide.gather(3, index[:, None].expand(-1, C, -1, -1))


def knn_plain_gather(features, index):
    return torch.gather(features, dim=2, index=index)


def knn_four_dimensional_index(features, index):
    B, V, K = index.shape
    wide = index.unsqueeze(1).expand(B, features.size(1), V, K)
    return torch.gather(features, 2, wide)


def knn_no_expand(features, index):
    B, V, K = index.shape
    return features.gather(2, index.reshape(B, 1, V * K)).view(B, 1, V, K)


def knn_first_batch(features, index):
    V, K = index.shape[1:]
    return features.index_select(2, index[0].flatten()).unflatten(2, (V, K))


def knn_all_batches(features, index):
    return features[..., index]


def knn_channels_last(features, index):
    batch = torch.arange(len(features))[:, None, None]
    return features.mT[batch, index]


def knn_k_first(features, index):
    flipped = index.transpose(1, 2)
    flat = flipped.flatten(1)[:, None].expand(-1, features.shape[1], -1)
    return features.gather(2, flat).unflatten(2, flipped.shape[1:])


def knn_viewed_kv(features, index):
    (B, C, _N), (_, V, K) = features.shape, index.shape
    picked = features.gather(2, index.reshape(B, 1, -1).expand(-1, C, V * K))
    return picked.view(B, C, K, V)


def knn_viewed_and_permuted(features, index):
    return knn_viewed_kv(features, index).permute(0, 1, 3, 2)


def knn_index_transposed(features, index):
    (B, C, _N), (_, V, K) = features.shape, index.shape
    flat = index.permute(0, 2, 1).reshape(B, 1, V * K).expand(B, C, V * K)
    return features.gather(2, flat).view(B, C, V, K)


def knn_mean(features, index):
    batch = torch.arange(len(features))[:, None, None]
    return features.mT[batch, index].mean(dim=2).mT


def knn_maximum(features, index):
    return knn_flatten(features, index).amax(-1)


def knn_inferred_size(features, index):
    (B, C, _N), (_, V, K) = features.shape, index.shape
    flat = index.reshape(B, 1, -1).expand(-1, C, -1)  # fails where a size is 0
    return features.gather(2, flat).view(B, C, V, K)


def knn_view(features, index):
    B, V, K = index.shape
    flat = index.view(B, 1, V * K).expand(-1, features.shape[1], -1)
    return features.gather(2, flat).view(B, -1, V, K) if B * V * K else knn_flatten(features, index)


def knn_still_flat(features, index):
    return features.gather(2, index.flatten(1)[:, None].expand(-1, features.shape[1], -1))


def knn_stacked(features, index):
    out = features.new_zeros(*features.shape[:2], *index.shape[1:])
    for b in range(len(index)):
        for v, nearest in enumerate(index[b]):
            out[b, :, v] = features[b][:, nearest]
    return out


def knn_detached(features, index):
    return knn_flatten(features.data, index)


def knn_as_float(features, index):
    return knn_flatten(features, index).float()


def knn_index_changed(features, index):
    B, C, N = features.shape
    index += N * torch.arange(B)[:, None, None]
    return features.transpose(0, 1).reshape(C, B * N)[:, index].transpose(0, 1)


# ---- voxels.first_points


def first_by_runs(inverse, size, k):
    order = inverse.argsort(stable=True)
    counts = inverse.bincount(minlength=size)
    start = counts.cumsum(0) - counts
    rank = torch.arange(k)
    there = rank < counts.unsqueeze(1)
    if not len(order):
        return torch.full((size, k), -1)
    return torch.where(there, order[(start.unsqueeze(1) + rank) * there], -1)


def first_by_rank(inverse, size, k):
    """How many of its voxel came before each point; then each point is written to its place."""
    here = torch.nn.functional.one_hot(inverse.long(), size)  # [N, size]
    rank = (here.cumsum(0) * here).sum(1) - 1
    n = (rank < k).nonzero()[:, 0]
    out = torch.full((size, k), -1)
    out[inverse[n].long(), rank[n]] = n
    return out


def first_by_minimum(inverse, size, k):
    """k rounds: the smallest number that each voxel has left."""
    out = torch.full((size, k), -1)
    left, n = torch.arange(len(inverse)), inverse.long()
    for j in range(k):
        nobody = torch.full((size,), len(inverse))
        best = nobody.scatter_reduce(0, n, left, "amin")
        out[:, j] = best.where(best < len(inverse), -1)
        keep = left != best[n]
        left, n = left[keep], n[keep]
    return out


def first_by_comparison(inverse, size, k):
    N = len(inverse)
    mine = inverse == torch.arange(size)[:, None]  # [size, N]
    mine = torch.nn.functional.pad(torch.where(mine, torch.arange(N), N), (0, k), value=N)
    found = mine.sort(dim=1).values[:, :k]
    return found.masked_fill(found == N, -1)


def first_by_search(inverse, size, k):
    runs, order = torch.sort(inverse.long(), stable=True)
    begin = torch.searchsorted(runs, torch.arange(size))
    end = torch.searchsorted(runs, torch.arange(size), right=True)
    place = begin[:, None] + torch.arange(k)
    order = torch.cat([order, order.new_tensor([-1])])
    return order[torch.where(place < end[:, None], place, len(inverse))]


def first_overwritten(inverse, size, k):
    """Writes all points, those beyond k into the last place: the last of all stays there."""
    here = torch.nn.functional.one_hot(inverse.long(), size)
    rank = ((here.cumsum(0) * here).sum(1) - 1).clamp(max=max(k - 1, 0))
    out = torch.full((size, max(k, 1)), -1)
    for n in range(len(inverse)):
        out[inverse[n], rank[n]] = n
    return out[:, :k]


def first_from_the_end(inverse, size, k):
    counts = inverse.bincount(minlength=size)
    order = torch.cat([inverse.argsort(stable=True), torch.tensor([-1])])
    end = counts.cumsum(0)
    begin = torch.maximum(end - counts, end - k)
    place = begin[:, None] + torch.arange(k)
    return order[torch.where(place < end[:, None], place, len(inverse))]


def first_descending(inverse, size, k):
    mine = inverse == torch.arange(size)[:, None]
    found = torch.where(mine, torch.arange(len(inverse)), -1)
    found = torch.nn.functional.pad(found, (0, k), value=-1)
    return found.sort(dim=1, descending=True).values[:, :k]


def first_without_order(inverse, size, k):
    counts = torch.bincount(inverse, minlength=size)
    place = (counts.cumsum(0) - counts)[:, None] + torch.arange(k)
    return place.masked_fill(torch.arange(k) >= counts[:, None], -1)


def first_after_the_run(inverse, size, k):
    order = inverse.argsort(stable=True)
    place = inverse.bincount(minlength=size).cumsum(0)[:, None] + torch.arange(k)
    return order[torch.minimum(place, torch.tensor(len(order) - 1))]


def first_after_the_run_masked(inverse, size, k):
    counts = inverse.bincount(minlength=size)
    there = torch.arange(k) < counts[:, None]
    return first_after_the_run(inverse, size, k).masked_fill(~there, -1)


def first_without_mask(inverse, size, k):
    order = inverse.argsort(stable=True)
    counts = inverse.bincount(minlength=size)
    start = torch.cat([counts.new_zeros(1), counts.cumsum(0)[:-1]])
    place = (start[:, None] + torch.arange(k)).clamp(max=len(inverse) - 1)
    return torch.take(order, place)


def first_masked_early(inverse, size, k):
    order = inverse.argsort(stable=True)
    counts = inverse.bincount(minlength=size)
    place = (counts.cumsum(0) - counts)[:, None] + torch.arange(k)
    place[torch.arange(k) >= counts[:, None]] = -1
    return order[place] if len(order) else torch.zeros(size, k, dtype=torch.int64)


def first_from_zeros(inverse, size, k):
    out = torch.zeros(size, k, dtype=torch.int64)
    found = first_by_rank(inverse, size, k)
    out[found >= 0] = found[found >= 0]
    return out


def first_with_sentinel(inverse, size, k):
    mine = inverse == torch.arange(size)[:, None]
    N = len(inverse)
    found = torch.nn.functional.pad(torch.where(mine, torch.arange(N), N), (0, k), value=N)
    return found.sort(dim=1).values[:, :k]


def first_of_unique(inverse, size, k):
    _, counts = torch.unique(inverse, return_counts=True)
    order = torch.cat([inverse.argsort(stable=True), torch.tensor([-1])])
    place = (counts.cumsum(0) - counts)[:, None] + torch.arange(k)
    return order[place.where(torch.arange(k) < counts[:, None], len(inverse))]


def first_as_wide_as_it_is(inverse, size, k):
    counts = inverse.bincount(minlength=size)
    return first_by_search(inverse, size, int(counts.amax()))[:, :k]


def first_by_dictionary(inverse, size, k):
    members = [[] for _ in range(size)]
    for n, v in enumerate(inverse.tolist()):
        members[v].append(n)
    rows = [(inside + k * [-1])[:k] for inside in members]
    return torch.tensor(rows, dtype=torch.int64).reshape(size, k)


def first_by_voxel(inverse, size, k):
    out = torch.full((size, k), -1)
    for v in range(size):
        inside = (inverse == v).nonzero()[:k, 0]
        out[v, : len(inside)] = inside
    return out


def first_as_float(inverse, size, k):
    return first_by_search(inverse, size, k).float()


def first_k_by_size(inverse, size, k):
    return first_by_search(inverse, size, k).T


def first_sorted_in_place(inverse, size, k):
    out = first_by_search(inverse, size, k)
    inverse.copy_(inverse.sort().values)
    return out


def first_as_lists(inverse, size, k):
    return first_by_search(inverse, size, k).tolist()


# ---- voxels.neighbours


def touch_compare(coords):
    step = torch.arange(-1, 2, device=coords.device)
    offsets = torch.cartesian_prod(step[1:2], step, step, step)
    wanted = coords[:, None] + offsets  # [V, 27, 4]
    out = torch.full(wanted.shape[:2], -1, device=coords.device)
    v, t, u = (wanted[:, :, None] == coords).all(-1).nonzero().unbind(1)
    out[v, t] = u
    return out


def offsets_of_27():
    return torch.tensor(
        [[dz, dy, dx] for dz in (-1, 0, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    )


def keys_of(coords, sizes):
    D, H, W = sizes
    return ((coords[..., 0] * D + coords[..., 1]) * H + coords[..., 2]) * W + coords[..., 3]


def moved(coords, offsets):
    wanted = coords[:, None].repeat(1, len(offsets), 1)
    wanted[..., 1:] += offsets
    return wanted


def looked_up(keys, wanted):
    sorted_keys, row = torch.sort(keys)
    place = torch.searchsorted(sorted_keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(sorted_keys[place] == wanted, row[place], -1)


def touch_sorted_keys(coords):
    if len(coords) == 0:
        return torch.zeros(0, 27, dtype=torch.int64)
    zyx = coords[:, 1:] - coords[:, 1:].min(dim=0).values + 1
    coords = torch.cat([coords[:, :1], zyx], dim=1)
    sizes = (zyx.max(dim=0).values + 2).tolist()
    return looked_up(keys_of(coords, sizes), keys_of(moved(coords, offsets_of_27()), sizes))


def touch_tap_loop(coords):
    """Three nested loops over taps, a search in each: 27 times a few operations, not V times."""
    if len(coords) == 0:
        return torch.zeros(0, 27, dtype=torch.int64)
    b, z, y, x = coords.unbind(1)
    z, y, x = z - z.min() + 1, y - y.min() + 1, x - x.min() + 1
    sizes = [int(axis.max()) + 2 for axis in (z, y, x)]
    keys = keys_of(torch.stack([b, z, y, x], 1), sizes)
    out = []
    for dz in (-1, 0, 1):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                moved_key = keys_of(torch.stack([b, z + dz, y + dy, x + dx], 1), sizes)
                out.append(looked_up(keys, moved_key))
    return torch.stack(out, 1)


def touch_dense_volume(coords):
    if not len(coords):
        return coords.new_zeros(0, 27)
    b, z, y, x = (coords - coords.amin(0)).T
    B, D, H, W = (int(c.max()) + 1 for c in (b, z, y, x))
    volume = torch.full((B, D + 2, H + 2, W + 2), -1)
    volume[b, z + 1, y + 1, x + 1] = torch.arange(len(coords))
    dz, dy, dx = offsets_of_27().T + 1
    return volume[b[:, None], z[:, None] + dz, y[:, None] + dy, x[:, None] + dx]


def touch_tap_by_tap(coords):
    columns = []
    for offset in torch.nn.functional.pad(offsets_of_27(), (1, 0)):
        equal = (coords[:, None] + offset == coords).all(-1)  # [V, V]
        row = equal.long().argmax(1) if len(coords) else coords[:, 0]
        columns.append(torch.where(equal.any(1), row, -1))
    return torch.stack(columns, dim=1)


def touch_dx_outer(coords):
    offsets = offsets_of_27().flip(1)  # dx in the outer loop
    wanted = moved(coords, offsets)
    equal = (wanted[:, :, None] == coords).all(-1)
    return torch.where(equal.any(-1), equal.int().argmax(-1), -1) if len(coords) else equal.long()


def touch_minus(coords):
    wanted = moved(coords, -offsets_of_27())
    out = torch.full(wanted.shape[:2], -1)
    v, t, u = (wanted[:, :, None] == coords).all(-1).nonzero().T
    out[v, t] = u
    return out


def touch_distance(coords):
    zyx = coords[:, 1:]
    difference = zyx - zyx[:, None]  # [V, V, 3]
    close = (difference.abs() <= 1).all(-1)
    tap = ((difference + 1) * torch.tensor([9, 3, 1])).sum(-1)
    out = torch.full((len(coords), 27), -1)
    v, u = close.nonzero(as_tuple=True)
    out[v, tap[v, u]] = u
    return out


def touch_flat_offsets(coords):
    if not len(coords):
        return torch.empty(0, 27, dtype=torch.long)
    sizes = (coords[:, 1:].amax(0) + 1).tolist()
    keys = keys_of(coords, sizes)
    distance = offsets_of_27() @ torch.tensor([sizes[1] * sizes[2], sizes[2], 1])
    return looked_up(keys, keys[:, None] + distance)


def touch_slices_together(coords):
    D, H, W = (
        (coords[:, 1:].amax(0) - coords[:, 1:].amin(0) + 1).tolist() if len(coords) else (1,) * 3
    )
    low = coords[:, 1:].amin(0) if len(coords) else 0
    shifted = torch.cat([coords[:, :1], coords[:, 1:] - low + torch.tensor([0, 1, 1])], 1)
    sizes = (D, H + 2, W + 2)
    if len(coords) == 0:
        return torch.empty(0, 27, dtype=torch.int64)
    return looked_up(keys_of(shifted, sizes), keys_of(moved(shifted, offsets_of_27()), sizes))


def touch_margin_only(coords):
    if coords.numel() == 0:
        return coords.new_zeros((0, 27))
    padded = coords + torch.tensor([0, 1, 1, 1])
    sizes = (padded[:, 1:].amax(0) + 2).tolist()
    return looked_up(keys_of(padded, sizes), keys_of(moved(padded, offsets_of_27()), sizes))


def padded_keys(coords):
    zyx = coords[:, 1:] - coords[:, 1:].amin(0) + 1
    padded = torch.cat([coords[:, :1], zyx], 1)
    sizes = (zyx.amax(0) + 2).tolist()
    return keys_of(padded, sizes), keys_of(moved(padded, offsets_of_27()), sizes)


def touch_unsorted(coords):
    if not len(coords):
        return coords.new_zeros(0, 27)
    keys, wanted = padded_keys(coords)
    place = torch.searchsorted(keys, wanted)
    place[place == len(keys)] = len(keys) - 1
    return torch.where(keys[place] == wanted, place, -1)


def touch_place_for_row(coords):
    if not len(coords):
        return coords.new_zeros(0, 27)
    keys, wanted = padded_keys(coords)
    keys = keys.sort().values
    place = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    place[keys[place] != wanted] = -1
    return place


def touch_argmax(coords):
    if not len(coords):
        return coords.new_zeros(0, 27)
    wanted = moved(coords, offsets_of_27())
    return (wanted[:, :, None] == coords).all(-1).int().argmax(-1)


def touch_sentinel(coords):
    V = len(coords)
    out = torch.full((V, 27), V)
    v, t, u = (moved(coords, offsets_of_27())[:, :, None] == coords).all(-1).nonzero().unbind(1)
    out[v, t] = u
    return out


def touch_others_only(coords):
    table = touch_compare(coords)
    itself = torch.arange(len(coords))[:, None]
    return table.masked_fill(table == itself, -1)


def touch_26(coords):
    offsets = offsets_of_27()
    offsets = offsets[offsets.any(1)]
    wanted = moved(coords, offsets)
    out = torch.full((len(coords), 26), -1)
    v, t, u = (wanted[:, :, None] == coords).all(-1).nonzero().T
    out[v, t] = u
    return out


def touch_six_faces(coords):
    one = torch.eye(3, dtype=torch.long)
    wanted = moved(coords, torch.cat([-one, one.flip(0)]))
    out = torch.full((len(coords), 6), -1)
    v, t, u = (wanted[:, :, None] == coords).all(-1).nonzero().T
    out[v, t] = u
    return out


def touch_taps_first(coords):
    return touch_tap_by_tap(coords).T


def touch_dictionary(coords):
    row = {tuple(c): v for v, c in enumerate(coords.tolist())}
    table = [
        [row.get((b, z + dz, y + dy, x + dx), -1) for dz, dy, dx in offsets_of_27().tolist()]
        for b, z, y, x in coords.tolist()
    ]
    return torch.tensor(table, dtype=torch.int64).reshape(-1, 27)


def touch_float_keys(coords):
    if not len(coords):
        return coords.new_zeros(0, 27)
    keys, wanted = padded_keys(coords)
    return looked_up(keys.float(), wanted.float())


def touch_moves_the_input(coords):
    if len(coords):
        coords -= coords.amin(0)
    return touch_sorted_keys(coords)


def touch_int32(coords):
    return touch_compare(coords).int()


def touch_flattened_wrong(coords):
    if not len(coords):
        return coords.new_zeros(0, 27)
    return touch_compare(coords).T.reshape(-1, 27)


# ---- from other people's repositories, and two mistakes at once


def coords_from_own_minimum(points, voxel_size, origin):
    shifted = points - points.min(dim=0).values if points.numel() else points
    return torch.div(shifted, voxel_size, rounding_mode="floor").long().flip(-1)


def coords_made_positive(points, voxel_size, origin):
    out = coords_floor(points, voxel_size, origin)
    return out - out.min(0, keepdim=True).values if out.numel() else out


def coords_half_and_cut(points, voxel_size, origin):
    return torch.trunc((points - origin) / voxel_size + 0.5).flip(1).to(torch.int64)


def coords_ceil(points, voxel_size, origin):
    return torch.ceil((points - origin) / voxel_size)[:, [2, 1, 0]].long()


def coords_rounded_and_xyz(points, voxel_size, origin):
    return torch.round((points - origin) / voxel_size).long()


def coords_xyz_as_float(points, voxel_size, origin):
    return ((points - origin) / voxel_size).floor()


def coords_own_minimum_and_xyz(points, voxel_size, origin):
    origin = points.min(0).values if len(points) else origin
    return torch.floor((points - origin) / voxel_size).long()


def ravel_powers(coords, shape):
    k = max(shape)
    return (coords.long() * torch.tensor([k**3, k**2, k, 1])).sum(-1)


def ravel_hash(coords, shape):
    if not coords.numel():
        return coords.new_zeros(len(coords)).long()
    moved = coords.long() - coords.long().min(0).values
    size, out = moved.max(0).values + 1, torch.zeros(len(coords), dtype=torch.int64)
    for axis in range(3):
        out = (out + moved[:, axis]) * size[axis + 1]
    return out + moved[:, 3]


def ravel_bxyz(coords, shape):
    b, x, y, z = coords.long().T
    return ((b * shape[0] + z) * shape[1] + y) * shape[2] + x


def ravel_xyzb(coords, shape):
    x, y, z, b = coords.long().T
    return b * shape[0] * shape[1] * shape[2] + (z * shape[1] + y) * shape[2] + x


def ravel_int32_without_batch(coords, shape):
    return (coords[:, 1] * shape[1] + coords[:, 2]) * shape[2] + coords[:, 3]


def ravel_int32_z_first(coords, shape):
    b, z, y, x = coords.unbind(1)
    return ((b * shape[2] + x) * shape[1] + y) * shape[0] + z


def knn_without_idx_base(features, index):
    rows = features.movedim(1, 2).reshape(-1, features.shape[1])
    return rows[index].movedim(-1, 1)


def knn_index_points(points, idx):
    batch = torch.arange(points.shape[0]).view(-1, 1, 1).expand_as(idx)
    return points[batch, idx, :]


def knn_first_and_last(features, index):
    return features.movedim(1, 2).reshape(-1, features.shape[1])[index]


def knn_one_channel_k_first(features, index):
    return knn_no_expand(features, index).transpose(2, 3)


def first_pointnet2(inverse, size, k):
    out = first_by_search(inverse, size, k)
    if k:
        first = out[:, 0].view(size, 1).repeat(1, k)
        out[out < 0] = first[out < 0]
    return out


def first_zero_and_transposed(inverse, size, k):
    return torch.relu(first_by_search(inverse, size, k)).T


def touch_batch_of_row_0(coords):
    out = torch.full((len(coords), 27), -1)
    rows = {tuple(row): i for i, row in enumerate(coords.tolist())}
    for v, (_, *zyx) in enumerate(coords.tolist()):
        for t, step in enumerate(offsets_of_27().tolist()):
            key = (coords[0, 0].item(), *(a + b for a, b in zip(zyx, step[-3:], strict=True)))
            out[v, t] = rows.get(key, -1)
    return out


def touch_in_a_grid_from_0(coords):
    out = touch_tap_by_tap(coords)
    outside = (moved(coords, offsets_of_27()) < 0).any(-1) if len(coords) else out > 0
    return out.masked_fill(outside, -1)


def touch_minus_and_zero(coords):
    return touch_minus(coords).clamp(min=0)


def touch_mixed_and_dx_slowest(coords):
    return touch_dx_outer(torch.nn.functional.pad(coords[:, 1:], (1, 0)))


RIGHT = {
    "voxels.coords": [
        coords_floor,
        coords_floor_division,
        coords_axis_by_axis,
        coords_trunc_by_hand,
    ],
    "voxels.ravel": [ravel_horner, ravel_strides, ravel_step_by_step],
    "voxels.knn_features": [
        knn_flatten,
        knn_batches_beside,
        knn_take_along_dim,
        knn_voxel_axis,
    ],
    "voxels.first_points": [
        first_by_runs,
        first_by_rank,
        first_by_minimum,
        first_by_comparison,
        first_by_search,
    ],
    "voxels.neighbours": [
        touch_compare,
        touch_sorted_keys,
        touch_dense_volume,
        touch_tap_by_tap,
        touch_tap_loop,
    ],
}

WRONG = {
    "voxels.coords": {
        coords_long: "trunc",
        coords_trunc: "trunc",
        coords_round: "round",
        coords_plus_half: "round",
        coords_not_flipped: "xyz",
        coords_flip_zero: "points-turned",
        coords_no_origin: "no-origin",
        coords_origin_after: "origin-late",
        coords_flipped_first: "origin-zyx",
        coords_times: "multiplied",
        coords_clamped: "clamped",
        coords_as_float: "float",
        coords_int32: "wrong-dtype",
        coords_in_place: "in-place",
        coords_half_precision: "fails-large",
        coords_loop: "python-loop",
        coords_view: "fails-strided",
        coords_without_flip_and_floor: "trunc+xyz",
        coords_from_own_minimum: "own-minimum",
        coords_made_positive: "own-minimum-of-voxels",
        coords_half_and_cut: "half-then-cut",
        coords_ceil: "ceil",
        coords_rounded_and_xyz: "round+xyz",
        coords_xyz_as_float: "xyz+float",
        coords_own_minimum_and_xyz: "xyz+own-minimum",
    },
    "voxels.ravel": {
        ravel_int32: "never-converted",
        ravel_in_place: "in-place",
        ravel_long_at_the_end: "converted-late",
        ravel_z_first: "z-fastest",
        ravel_one_sample: "no-batch",
        ravel_sizes: "sizes-as-strides",
        ravel_shifted_sizes: "own-sizes",
        ravel_depth_in_slice: "slice-size",
        ravel_height_for_width: "line-length",
        ravel_batch_by_slice: "batch-depth",
        ravel_float: "fails-large",
        ravel_columns: "wrong-shape",
        ravel_list: "python-loop",
        ravel_as_python: "wrong-type",
        ravel_of_each: "python-loop",
        ravel_powers: "one-size",
        ravel_hash: "own-range",
        ravel_bxyz: "bxyz",
        ravel_xyzb: "batch-last",
        ravel_int32_without_batch: "never-converted+no-batch",
        ravel_int32_z_first: "never-converted+z-fastest",
    },
    "voxels.knn_features": {
        knn_plain_gather: "index-as-it-is",
        knn_four_dimensional_index: "four-dimensions",
        knn_no_expand: "first-channel",
        knn_first_batch: "first-batch",
        knn_all_batches: "crossed",
        knn_channels_last: "channels-last",
        knn_k_first: "k-before-v",
        knn_viewed_kv: "order-split",
        knn_viewed_and_permuted: "order-turned",
        knn_index_transposed: "order-joined",
        knn_mean: "mean",
        knn_maximum: "maximum",
        knn_inferred_size: "fails-empty",
        knn_view: "fails-strided",
        knn_still_flat: "wrong-shape",
        knn_stacked: "python-loop",
        knn_detached: "no-gradient",
        knn_as_float: "wrong-dtype",
        knn_index_changed: "in-place",
        knn_without_idx_base: "no-batch-offset",
        knn_index_points: "for-channels-last",
        knn_first_and_last: "channels-last+no-batch-offset",
        knn_one_channel_k_first: "first-channel+k-before-v",
    },
    "voxels.first_points": {
        first_from_the_end: "last-points",
        first_descending: "newest-first",
        first_without_order: "sorted-places",
        first_after_the_run: "starts-late",
        first_after_the_run_masked: "starts-late",
        first_without_mask: "runs-on",
        first_masked_early: "reads-last-point",
        first_from_zeros: "none-is-zero",
        first_with_sentinel: "none-is-count",
        first_of_unique: "empty-voxels-dropped",
        first_as_wide_as_it_is: "too-narrow",
        first_overwritten: "last-place-overwritten",
        first_by_dictionary: "python-loop",
        first_by_voxel: "python-loop",
        first_as_float: "wrong-dtype",
        first_k_by_size: "transposed",
        first_sorted_in_place: "in-place",
        first_as_lists: "wrong-type",
        first_pointnet2: "padded-with-first",
        first_zero_and_transposed: "none-is-zero+transposed",
    },
    "voxels.neighbours": {
        touch_dx_outer: "dx-slowest",
        touch_minus: "signs-turned",
        touch_distance: "batches-mixed",
        touch_flat_offsets: "no-margin",
        touch_slices_together: "no-margin-in-z",
        touch_margin_only: "not-shifted",
        touch_unsorted: "never-sorted",
        touch_place_for_row: "sorted-places",
        touch_argmax: "none-is-zero",
        touch_sentinel: "none-is-count",
        touch_others_only: "not-itself",
        touch_26: "without-the-middle",
        touch_six_faces: "faces-only",
        touch_taps_first: "taps-first",
        touch_dictionary: "python-loop",
        touch_float_keys: "fails-large",
        touch_moves_the_input: "in-place",
        touch_int32: "wrong-dtype",
        touch_flattened_wrong: "not-permuted",
        touch_batch_of_row_0: "first-batch",
        touch_in_a_grid_from_0: "negative-dropped",
        touch_minus_and_zero: "signs-turned+none-is-zero",
        touch_mixed_and_dx_slowest: "dx-slowest+batches-mixed",
    },
}
