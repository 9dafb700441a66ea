"""Answers to the exercises of chapter 10 as students write them, right and wrong."""

import itertools

import torch
import torch.nn.functional as F

import gather3d as g3

# ---- sampling.trilinear


def trilinear_flat_gather(volume, coords):
    _, C, D, H, W = volume.shape
    low = torch.floor(coords)
    t = coords - low
    out = 0
    for dz in (0, 1):
        for dy in (0, 1):
            for dx in (0, 1):
                z = low[..., 0].long() + dz
                y = low[..., 1].long() + dy
                x = low[..., 2].long() + dx
                wz = t[..., 0] if dz else 1 - t[..., 0]
                wy = t[..., 1] if dy else 1 - t[..., 1]
                wx = t[..., 2] if dx else 1 - t[..., 2]
                ok = (z >= 0) & (z < D) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
                flat = (z.clamp(0, D - 1) * H + y.clamp(0, H - 1)) * W + x.clamp(0, W - 1)
                values = volume.flatten(2).gather(2, flat[:, None].expand(-1, C, -1))
                out = out + values * (wz * wy * wx * ok)[:, None]
    return out


def trilinear_grid_sample(volume, coords):
    size = torch.tensor(volume.shape[2:], device=volume.device)
    grid = ((2 * coords + 1) / size - 1).flip(-1)
    if not len(volume):
        return volume.new_zeros(0, volume.shape[1], coords.shape[1])
    picked = F.grid_sample(volume, grid[:, :, None, None], align_corners=False)
    return picked[..., 0, 0]


def trilinear_padded(volume, coords):
    """A frame of zeros, then ordinary indexing."""
    size = torch.tensor(volume.shape[2:], device=volume.device)
    framed = F.pad(volume, (1,) * 6).movedim(1, -1)  # [B, D+2, H+2, W+2, C]
    coords = torch.minimum(coords.clamp(min=-1), size.to(coords)) + 1
    low = coords.detach().floor().long()
    high = torch.minimum(low + 1, size + 1)
    t = coords - low
    batch = torch.arange(len(volume), device=volume.device)[:, None]
    rows = []
    for z, wz in ((low, 1 - t), (high, t)):
        for y, wy in ((low, 1 - t), (high, t)):
            for x, wx in ((low, 1 - t), (high, t)):
                weight = wz[..., 0] * wy[..., 1] * wx[..., 2]
                values = framed[batch, z[..., 0], y[..., 1], x[..., 2]]
                rows.append(values * weight[..., None])
    return torch.stack(rows).sum(0).transpose(1, 2)


def trilinear_axis_by_axis(volume, coords):
    """A weight for every voxel of each axis: a hat of width 2 around the position."""

    def hat(position, n):
        return (1 - (position[..., None] - torch.arange(n).to(position)).abs()).clamp(min=0)

    z, y, x = (hat(c, n) for c, n in zip(coords.unbind(-1), volume.shape[2:], strict=True))
    return torch.einsum("bcdhw,bmd,bmh,bmw->bcm", volume, z, y, x)


def trilinear_operator(volume, coords):
    return g3.trilinear_sample(volume, coords)


def corners_with(volume, coords, low, t, outside="zeros"):
    """What many drafts have in common; they differ in the lower corner and in the weights."""
    size = volume.shape[2:]
    batch = torch.arange(len(volume))[:, None]
    result = torch.zeros(len(volume), coords.shape[1], volume.shape[1], dtype=volume.dtype)
    for corner in itertools.product([0, 1], repeat=3):
        weight = torch.ones_like(t[..., 0])
        index = []
        for a in range(3):
            v = low[..., a] + corner[a]
            weight = weight * (t[..., a] if corner[a] == 1 else 1 - t[..., a])
            if outside == "zeros":
                weight = weight * ((v > -1) & (v < size[a]))
            index.append(v.clamp(0, size[a] - 1).long())
        result = result + volume[batch, :, index[0], index[1], index[2]] * weight[..., None]
    return result.permute(0, 2, 1)


def trilinear_indices_long(volume, coords):
    B, C, D, H, W = volume.shape
    z, y, x = coords.long().unbind(-1)
    z, y, x = z.clamp(0, D - 1), y.clamp(0, H - 1), x.clamp(0, W - 1)
    flat = z * H * W + y * W + x
    return torch.gather(volume.view(B, C, -1), 2, flat.unsqueeze(1).expand(B, C, flat.shape[1]))


def trilinear_nearest(volume, coords):
    places = torch.round(coords)
    return corners_with(volume, coords, places.long(), coords * 0)


def trilinear_nearest_mode(volume, coords):
    size = torch.tensor(volume.shape[2:])
    unit = ((2 * coords + 1) / size - 1).flip(-1)[:, :, None, None]
    if len(volume) == 0:
        return trilinear_nearest(volume, coords)
    picked = F.grid_sample(volume, unit, mode="nearest", padding_mode="border", align_corners=False)
    return picked.flatten(2)


def trilinear_floored(volume, coords):
    inside = (coords.floor() >= 0) & (coords.floor() < torch.tensor(volume.shape[2:]))
    return trilinear_indices_long(volume, coords.floor()) * inside.all(-1).unsqueeze(1)


def trilinear_one_flat_index(volume, coords):
    D, H, W = volume.shape[-3:]
    flat = coords[..., 0] * H * W + coords[..., 1] * W + coords[..., 2]
    flat = flat.long().clamp(min=0, max=D * H * W - 1)
    lines = volume.flatten(2)
    return torch.take_along_dim(lines, flat.unsqueeze(1), 2)


def trilinear_int_is_floor(volume, coords):
    low = coords.long()
    return corners_with(volume, coords, low, coords - low)


def trilinear_ceil(volume, coords):
    low, high = coords.floor(), coords.ceil()
    batch, size = torch.arange(len(volume))[:, None], volume.shape[2:]
    out = 0
    for which in itertools.product([0, 1], repeat=3):
        weight, index = 1, []
        for a in range(3):
            v = (high if which[a] else low)[..., a]
            w = coords[..., a] - low[..., a] if which[a] else high[..., a] - coords[..., a]
            weight = weight * w * ((v >= 0) & (v <= size[a] - 1))
            index.append(v.long().clamp(0, size[a] - 1))
        out = out + volume[batch, :, index[0], index[1], index[2]] * weight.unsqueeze(-1)
    return out.transpose(1, 2)


def trilinear_weights_swapped(volume, coords):
    low = coords.floor().long()
    t = coords - low
    return corners_with(volume, coords, low, 1 - t)


def trilinear_xyz(volume, coords):
    x, y, z = coords.unbind(-1)
    return trilinear_flat_gather(volume, torch.stack([z, y, x], dim=-1))


def trilinear_no_flip(volume, coords):
    size = torch.tensor(volume.shape[2:]).flip(0)
    grid = (2 * coords + 1) / size - 1
    if not len(volume):
        return volume.new_zeros(0, volume.shape[1], coords.shape[1])
    return F.grid_sample(volume, grid[:, :, None, None], align_corners=False)[..., 0, 0]


def trilinear_clamped_corners(volume, coords):
    low = coords.floor().long()
    return corners_with(volume, coords, low, coords - low, outside="clamp")


def trilinear_outside_is_zero(volume, coords):
    D, H, W = volume.shape[2:]
    z, y, x = coords.unbind(-1)
    outside = (z < 0) | (z > D - 1) | (y < 0) | (y > H - 1) | (x < 0) | (x > W - 1)
    return trilinear_flat_gather(volume, coords).masked_fill(outside[:, None], 0)


def trilinear_default_flag(volume, coords):
    D, H, W = volume.shape[2:]
    z, y, x = coords.unbind(-1)
    unit = torch.stack([x / (W - 1), y / (H - 1), z / (D - 1)], -1) * 2 - 1
    grid = unit.reshape(len(unit), -1, 1, 1, 3)
    return F.grid_sample(volume, grid, align_corners=False).flatten(2)


def trilinear_ends_are_centres(volume, coords):
    """Nothing is outside on an axis of length 1."""
    if len(volume) == 0:
        return volume.new_zeros(0, volume.shape[1], coords.shape[1])
    last = (torch.tensor(volume.shape[2:]) - 1).clamp(min=1)
    grid = (2 * coords / last - 1).flip(-1)[:, :, None, None]
    return F.grid_sample(volume, grid, align_corners=True).flatten(2)


def trilinear_index_not_expanded(volume, coords):
    low = coords.floor()
    t = coords - low
    size = torch.tensor(volume.shape[2:])
    flat_volume, out = volume.flatten(2), 0
    for corner in itertools.product([0, 1], repeat=3):
        k = torch.tensor(corner)
        place = (low + k).long()
        weight = (t * k + (1 - t) * (1 - k)).prod(-1)
        weight = weight * ((place >= 0) & (place < size)).all(-1)
        place = torch.minimum(place.clamp(min=0), size - 1)
        flat = (place[..., 0] * size[1] + place[..., 1]) * size[2] + place[..., 2]
        out = out + flat_volume.gather(2, flat[:, None]) * weight[:, None]
    return out


def trilinear_batch_zero(volume, coords):
    B, M, _ = coords.shape
    if B == 0:
        return volume.new_zeros(0, volume.shape[1], M)
    all_places = coords.reshape(1, B * M, 3)
    values = trilinear_flat_gather(volume[0:1], all_places)  # [1, C, B * M]
    return values.reshape(-1, B, M).transpose(0, 1)


def trilinear_channels_last(volume, coords):
    low = coords.floor()
    return corners_with(volume, coords, low, coords - low).transpose(1, 2)


def trilinear_detached(volume, coords):
    return trilinear_flat_gather(volume, coords.detach())


def trilinear_no_grad(volume, coords):
    with torch.no_grad():
        return trilinear_flat_gather(volume, coords)


def trilinear_sample_by_sample(volume, coords):
    B, C = volume.shape[:2]
    M = coords.shape[1]
    out = torch.zeros(B, C, M, dtype=volume.dtype)
    for b in range(B):
        for m in range(M):
            one = trilinear_flat_gather(volume[b : b + 1], coords[b : b + 1, m : m + 1])
            out[b, :, m] = one[0, :, 0]
    return out


def trilinear_float32(volume, coords):
    return trilinear_flat_gather(volume, coords).float()


def trilinear_shifts_its_coords(volume, coords):
    result = trilinear_flat_gather(volume, coords)
    coords -= coords.floor()
    return result


# ---- sampling.grid


def grid_one_flip(coords, shape, align_corners):
    size = torch.tensor(shape, dtype=coords.dtype, device=coords.device)
    if align_corners:
        unit = 2 * coords / (size - 1).clamp(min=1) - 1
    else:
        unit = (2 * coords + 1) / size - 1
    return unit.flip(-1)


def grid_axis_by_axis(coords, shape, align_corners):
    def unit(c, n):
        return c / max(n - 1, 1) * 2 - 1 if align_corners else (c + 0.5) * 2 / n - 1

    z, y, x = coords.unbind(-1)
    D, H, W = shape
    return torch.stack((unit(x, W), unit(y, H), unit(z, D)), dim=-1)


def grid_ends(coords, shape, align_corners):
    """Linear between the ends of each axis."""
    low, high = [], []
    for n in reversed(shape):
        low.append(0.0 if align_corners else -0.5)
        high.append(max(n - 1.0, 1.0) if align_corners else n - 0.5)
    low, high = coords.new_tensor(low), coords.new_tensor(high)
    xyz = coords[..., [2, 1, 0]]
    return (xyz - low) / (high - low) * 2 - 1


def grid_flip_forgotten(coords, shape, align_corners):
    D, H, W = shape
    if align_corners:
        last = coords.new_tensor([max(D - 1, 1), max(H - 1, 1), max(W - 1, 1)])
        return coords / last * 2 - 1
    return (coords * 2 + 1) / coords.new_tensor([D, H, W]) - 1


def grid_sizes_not_flipped(coords, shape, align_corners):
    size = torch.tensor(shape)
    xyz = coords.flip(-1)
    if align_corners:
        return 2 * xyz / (size - 1).clamp(min=1) - 1
    return (2 * xyz + 1) / size - 1


def grid_flag_unused_true(coords, shape, align_corners):
    size = torch.tensor(shape)
    return torch.flip(2 * coords / torch.clamp(size - 1, min=1) - 1, dims=[-1])


def grid_flag_unused_false(coords, shape, align_corners):
    D, H, W = shape
    z, y, x = coords[..., 0], coords[..., 1], coords[..., 2]
    return torch.stack([(2 * x + 1) / W - 1, (2 * y + 1) / H - 1, (2 * z + 1) / D - 1], -1)


def grid_flag_exchanged(coords, shape, align_corners):
    return grid_axis_by_axis(coords, shape, align_corners is False)


def grid_half_voxel_forgotten(coords, shape, align_corners):
    length = [max(n - 1, 1) if align_corners else n for n in shape]
    return (2 * coords / coords.new_tensor(length) - 1).flip(-1)


def grid_from_zero(coords, shape, align_corners):
    z, y, x = coords.unbind(-1)
    D, H, W = shape
    if align_corners:
        return torch.stack([x / max(W - 1, 1), y / max(H - 1, 1), z / max(D - 1, 1)], -1)
    return torch.stack([(x + 0.5) / W, (y + 0.5) / H, (z + 0.5) / D], -1)


def grid_divides_by_zero(coords, shape, align_corners):
    size = torch.tensor(shape, dtype=coords.dtype)
    grid = (2 * coords + 1) / size - 1
    if align_corners:
        grid = 2 * coords / (size - 1) - 1
    return grid[..., [2, 1, 0]]


def grid_in_place(coords, shape, align_corners):
    for axis, n in enumerate(shape):
        if not align_corners:
            coords[..., axis] += 0.5
        coords[..., axis] *= 2 / (max(n - 1, 1) if align_corners else n)
    coords -= 1
    return coords.flip(-1)


def grid_default_dtype(coords, shape, align_corners):
    out = torch.empty(coords.shape)
    out[...] = grid_one_flip(coords, shape, align_corners)
    return out


def grid_no_grad(coords, shape, align_corners):
    return grid_ends(coords.data, shape, align_corners)


def grid_by_points(coords, shape, align_corners):
    rows = [grid_one_flip(p, shape, align_corners) for batch in coords for p in batch]
    return torch.stack(rows).reshape(coords.shape) if rows else torch.zeros_like(coords)


def grid_one_batch_too_many(coords, shape, align_corners):
    return grid_one_flip(coords, shape, align_corners)[:, :, None, None]


# ---- sampling.corners


def corners_in_a_loop(coords, shape):
    D, H, W = shape
    low = coords.floor().long()
    t = coords - low
    index, weight = [], []
    for dz in (0, 1):
        for dy in (0, 1):
            for dx in (0, 1):
                z, y, x = low[:, 0] + dz, low[:, 1] + dy, low[:, 2] + dx
                inside = (z >= 0) & (z < D) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
                index.append(torch.where(inside, (z * H + y) * W + x, -1))
                wz = t[:, 0] if dz else 1 - t[:, 0]
                wy = t[:, 1] if dy else 1 - t[:, 1]
                wx = t[:, 2] if dx else 1 - t[:, 2]
                weight.append(wz * wy * wx)
    return torch.stack(index, 1), torch.stack(weight, 1)


def corners_at_once(coords, shape):
    step = torch.tensor(list(itertools.product((0, 1), repeat=3)), device=coords.device)
    at = coords.floor()[:, None] + step  # [M, 8, 3]
    weight = (1 - (coords[:, None] - at).abs()).prod(-1)
    size = torch.tensor(shape, device=coords.device)
    stride = torch.tensor([shape[1] * shape[2], shape[2], 1], device=coords.device)
    flat = (at.long() * stride).sum(-1)
    return flat.masked_fill(((at < 0) | (at >= size)).any(-1), -1), weight


def corners_outer_products(coords, shape):
    """Two ends on each axis; the eight corners are all their combinations."""
    M = len(coords)
    low = coords.floor().long()
    ends = torch.stack([low, low + 1], 1)  # [M, 2, 3]
    share = torch.stack([1 - (coords - low), coords - low], 1)
    ok = (ends >= 0) & (ends < torch.tensor(shape, device=coords.device))
    (z, y, x), (a, b, c), (i, j, k) = ends.unbind(2), share.unbind(2), ok.unbind(2)
    flat = (z[:, :, None] * shape[1] + y[:, None])[..., None] * shape[2] + x[:, None, None]
    weight = a[:, :, None, None] * b[:, None, :, None] * c[:, None, None]
    inside = i[:, :, None, None] & j[:, None, :, None] & k[:, None, None]
    return flat.where(inside, -1).reshape(M, 8), weight.reshape(M, 8)


def corners_draft(coords, shape, low=None, order=(0, 1, 2), outside="missing"):
    """What drafts have in common: the list of corners, the loop over axes."""
    low = coords.floor() if low is None else low
    t, (D, H, W) = coords - low, shape
    index, weight = [], []
    for which in itertools.product([0, 1], repeat=3):
        which = [which[a] for a in order]
        w = 1
        for a in range(3):
            w = w * (t[:, a] if which[a] else 1 - t[:, a])
        z, y, x = (low[:, a].long() + which[a] for a in range(3))
        ok = (z >= 0) & (y >= 0) & (x >= 0) & (z < D) & (y < H) & (x < W)
        if outside == "clamp":
            z, y, x = z.clamp(0, D - 1), y.clamp(0, H - 1), x.clamp(0, W - 1)
        flat = z * H * W + y * W + x
        if outside == "range":
            ok = (flat >= 0) & (flat < D * H * W)
        if outside == "weight":
            w = w * ok
        index.append(flat if outside in ("clamp", "none") else torch.where(ok, flat, -1))
        weight.append(w)
    return torch.stack(index, -1), torch.stack(weight, -1)


def corners_no_check(coords, shape):
    return corners_draft(coords, shape, outside="none")


def corners_flat_check(coords, shape):
    return corners_draft(coords, shape, outside="range")


def corners_clamped(coords, shape):
    return corners_draft(coords, shape, outside="clamp")


def corners_without_weight(coords, shape):
    return corners_draft(coords, shape, outside="weight")


def corners_long(coords, shape):
    return corners_draft(coords, shape, low=coords.long())


def corners_z_fastest(coords, shape):
    return corners_draft(coords, shape, order=(2, 1, 0))


def corners_upper_first(coords, shape):
    """Weights in the right order, corners from the other end."""
    index, weight = corners_in_a_loop(coords, shape)
    return index, weight[:, torch.arange(7, -1, -1)]


def corners_x_y_z(coords, shape):
    x, y, z = coords.unbind(1)
    return corners_at_once(torch.stack((z, y, x), 1), shape)


def corners_x_times_height(coords, shape):
    _, H, W = shape
    index, weight = corners_in_a_loop(coords, shape)
    z, y, x = index // (H * W), index // W % H, index % W
    return torch.where(index < 0, index, (x * H + y) * W + z), weight


def corners_by_ceil(coords, shape):
    index, weight = corners_in_a_loop(coords, shape)
    size = torch.tensor(shape)
    for m, row in enumerate(coords):
        for k, which in enumerate(itertools.product([torch.floor, torch.ceil], repeat=3)):
            at = [int(f(c)) for f, c in zip(which, row, strict=True)]
            parts = [
                1 - c % 1 if f is torch.floor else c % 1 for f, c in zip(which, row, strict=True)
            ]
            parts = [0 * p if c % 1 == 0 else p for p, c in zip(parts, row, strict=True)]
            weight[m, k] = parts[0] * parts[1] * parts[2]
            legal = all(0 <= a < n for a, n in zip(at, size.tolist(), strict=True))
            index[m, k] = (at[0] * shape[1] + at[1]) * shape[2] + at[2] if legal else -1
    return index, weight


def corners_int32(coords, shape):
    index, weight = corners_at_once(coords, shape)
    return index.int(), weight


def corners_float_index(coords, shape):
    index, weight = corners_in_a_loop(coords, shape)
    return index.to(coords), weight


def corners_one_by_one(coords, shape):
    index = torch.full((len(coords), 8), -1)
    weight = torch.zeros(len(coords), 8, dtype=coords.dtype)
    for m in range(len(coords)):
        one = corners_at_once(coords[m : m + 1], shape)
        index[m], weight[m] = one[0][0], one[1][0]
    return index, weight


def corners_weight_first(coords, shape):
    index, weight = corners_at_once(coords, shape)
    return weight, index


def corners_2_2_2(coords, shape):
    index, weight = corners_at_once(coords, shape)
    return index.unflatten(1, (2, 2, 2)), weight.unflatten(1, (2, 2, 2))


def corners_moved(coords, shape):
    found = corners_at_once(coords, shape)
    coords -= coords.floor()
    return found


# ---- sampling.matrix


def matrix_by_interpolate(inputs, outputs, align_corners):
    if not outputs:
        return torch.zeros(0, inputs)
    ones = torch.eye(inputs)[None]  # one channel for each input
    rows = F.interpolate(ones, size=outputs, mode="linear", align_corners=align_corners)
    return rows[0].T


def matrix_by_scatter(inputs, outputs, align_corners):
    j = torch.arange(outputs, dtype=torch.float64)
    if align_corners:
        place = j * (inputs - 1) / max(outputs - 1, 1)
    else:
        place = (2 * j + 1) * inputs / (2 * max(outputs, 1)) - 0.5
    place = place.clamp(0, inputs - 1)
    low = place.floor().long()
    above = (place - low).float()
    index = torch.stack([low, (low + 1).clamp(max=inputs - 1)], 1)
    share = torch.stack([1 - above, above], 1)
    return torch.zeros(outputs, inputs).scatter_add(1, index, share)


def matrix_of_hats(inputs, outputs, align_corners):
    """Each input weighs what is left of 1 after the distance, as wide as one voxel."""
    if align_corners:
        place = torch.arange(outputs) * ((inputs - 1) / max(outputs - 1, 1))
    else:
        place = (torch.arange(outputs) + 0.5) * (inputs / max(outputs, 1)) - 0.5
    apart = place.clamp(min=0, max=inputs - 1)[:, None] - torch.arange(inputs)
    return torch.relu(1 - apart.abs())


def matrix_by_sampling(inputs, outputs, align_corners):
    """The sampler reads a line of which every channel holds one 1."""
    line = torch.eye(inputs).reshape(1, inputs, 1, 1, inputs)
    unit = torch.arange(outputs) if align_corners else torch.arange(outputs) + 0.5
    if align_corners:
        x = unit * (inputs - 1) / max(outputs - 1, 1)
    else:
        x = unit * inputs / max(outputs, 1) - 0.5
    coords = F.pad(x[None, :, None], (2, 0))  # z = y = 0
    return g3.trilinear_sample(line, coords, padding="border")[0].T


def line_places(inputs, outputs, align_corners, half=0.5, last=1):
    j = torch.arange(float(outputs))
    if align_corners:
        return j * ((inputs - 1) / max(outputs - last, 1))
    return (j + half) * (inputs / max(outputs, 1)) - half


def two_ones(place, inputs, assign=False, swap=False):
    out = torch.zeros(len(place), inputs)
    low = place.floor().clamp(max=inputs - 1)
    for end, share in ((low, 1 - (place - low)), (low + 1, place - low)):
        column = end.clamp(max=inputs - 1).long()[:, None]
        share = (1 - share if swap else share)[:, None]
        out = out.scatter(1, column, share) if assign else out.scatter_add(1, column, share)
    return out


def matrix_columns_are_outputs(inputs, outputs, align_corners):
    return matrix_by_scatter(inputs, outputs, align_corners).transpose(0, 1)


def matrix_interpolate_as_it_comes(inputs, outputs, align_corners):
    if outputs == 0:
        return torch.zeros(inputs, 0)
    line = torch.eye(inputs).unsqueeze(1)
    return F.interpolate(line, outputs, mode="linear", align_corners=align_corners).squeeze(1)


def matrix_corners_only(inputs, outputs, align_corners):
    step = (inputs - 1) / (outputs - 1) if outputs > 1 else 0
    return two_ones(torch.arange(outputs) * step, inputs)


def matrix_default_flag(inputs, outputs, align_corners):
    return matrix_by_scatter(inputs, outputs, False)


def matrix_flag_negated(inputs, outputs, align_corners):
    return matrix_by_sampling(inputs, outputs, align_corners=1 - int(align_corners))


def matrix_no_border(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners)
    near = (place.unsqueeze(1) - torch.arange(float(inputs))).abs()
    return torch.where(near < 1, 1 - near, 0.0)


def matrix_second_overwrites(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners).clamp(0, inputs - 1)
    return two_ones(place, inputs, assign=True)


def matrix_no_half_voxel(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners, half=0)
    return two_ones(place.clamp(max=inputs - 1), inputs)


def matrix_steps_by_m(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners, last=0)
    return two_ones(place.clamp(0, inputs - 1), inputs)


def matrix_whole_places(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners).clamp(0, inputs - 1)
    return F.one_hot(place.round().long(), inputs).float()


def matrix_far_one_counts(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners).clamp(0, inputs - 1)
    return two_ones(place, inputs, swap=True)


def matrix_of_doubles(inputs, outputs, align_corners):
    return matrix_by_scatter(inputs, outputs, align_corners).double()


def matrix_row_by_row(inputs, outputs, align_corners):
    out = torch.zeros(outputs, inputs)
    for j in range(outputs):
        out[j] = matrix_by_scatter(inputs, outputs, align_corners)[j]
    return out


def matrix_divides_by_zero(inputs, outputs, align_corners):
    place = (torch.arange(outputs) + 0.5) * (inputs / max(outputs, 1)) - 0.5
    if align_corners:
        place = torch.arange(outputs) * (inputs - 1) / (outputs - 1 + (outputs == 0))
    return two_ones(place.clamp(0, inputs - 1).nan_to_num(0.5), inputs)


# ---- sampling.splat


def splat_with_scatter_points(values, coords, shape):
    B, C, M = values.shape
    index, weight = corners_at_once(coords.reshape(-1, 3), shape)
    index, weight = index.reshape(B, M, 8), weight.reshape(B, M, 8)
    shares = values[..., None] * weight[:, None]  # [B, C, M, 8]
    D, H, W = shape
    return g3.scatter_points(shares, index, D * H * W).reshape(B, C, D, H, W)


def splat_by_autograd(values, coords, shape):
    """The transpose is what the backward pass does."""
    volume = torch.zeros(*values.shape[:2], *shape, dtype=values.dtype, device=values.device)
    volume.requires_grad_()
    with torch.enable_grad():
        read = g3.trilinear_sample(volume, coords)
        (out,) = torch.autograd.grad(read, volume, values, create_graph=True)
    return out if values.requires_grad or coords.requires_grad else out.detach()


def splat_by_hats(values, coords, shape):
    rows = [
        (1 - (c[..., None] - torch.arange(n, device=c.device)).abs()).clamp(min=0)
        for c, n in zip(coords.unbind(-1), shape, strict=True)
    ]
    return torch.einsum("bcm,bmz,bmy,bmx->bczyx", values, *rows)


def splat_corner_by_corner(values, coords, shape):
    B, C, M = values.shape
    D, H, W = shape
    out = values.new_zeros(B, C, D * H * W)
    index, weight = corners_in_a_loop(coords.flatten(0, 1), shape)
    for k in range(8):
        flat, w = index[:, k].reshape(B, 1, M), weight[:, k].reshape(B, 1, M)
        w = w * (flat >= 0)
        out = out.scatter_add(2, flat.clamp(min=0).expand(B, C, M), values * w)
    return out.reshape(B, C, D, H, W)


def splat_draft(values, coords, shape, low=None, outside="zero", write="add", flip=False):
    """What drafts have in common: one corner after the other, one write for each."""
    B, C, _ = values.shape
    D, H, W = shape
    low = coords.floor() if low is None else low
    t = coords - low
    out = torch.zeros(B, C, D * H * W, dtype=values.dtype)
    for dz, dy, dx in itertools.product((0, 1), repeat=3):
        w = 1
        for a, d in enumerate((dz, dy, dx)):
            w = w * (t[..., a] if d != flip else 1 - t[..., a])
        z, y, x = (low[..., a].long() + d for a, d in enumerate((dz, dy, dx)))
        ok = (z >= 0) & (z < D) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
        if outside != "range":
            z, y, x = z.clamp(0, D - 1), y.clamp(0, H - 1), x.clamp(0, W - 1)
        flat = (z * H + y) * W + x
        if outside == "range":
            ok = (flat >= 0) & (flat < D * H * W)
        if outside != "border":
            w = w * ok
        flat = flat.clamp(0, D * H * W - 1)
        for b in range(B):
            if write == "add":
                out[b] = out[b].index_add(1, flat[b], values[b] * w[b])
            else:
                out[b][:, flat[b]] += values[b] * w[b]
    return out.view(B, C, D, H, W)


def splat_plus_equals(values, coords, shape):
    return splat_draft(values, coords, shape, write="+=")


def splat_scatter_without_add(values, coords, shape):
    B, C, M = values.shape
    last = torch.tensor(shape) - 1
    step = torch.tensor(list(itertools.product((0, 1), repeat=3)))
    at = coords.floor().long()[:, :, None] + step  # [B, M, 8, 3]
    weight = (1 - (coords[:, :, None] - at).abs()).prod(-1)
    weight = weight * ((at >= 0) & (at <= last)).all(-1)
    z, y, x = torch.minimum(at.clamp(min=0), last).unbind(-1)
    index = (z * shape[1] + y) * shape[2] + x
    out = values.new_zeros(B, C, shape[0] * shape[1] * shape[2])
    shares = (values[..., None] * weight[:, None]).reshape(B, C, 8 * M)
    out.scatter_(2, index.reshape(B, 1, 8 * M).expand(B, C, 8 * M), shares)
    return out.reshape(B, C, *shape)


def splat_rounded(values, coords, shape):
    return splat_draft(values, coords.round(), shape)


def splat_to_long(values, coords, shape):
    whole = coords.long().to(coords.dtype)
    return splat_by_hats(values, whole, shape)


def splat_floored(values, coords, shape):
    return splat_by_hats(values, torch.floor(coords), shape)


def splat_int_is_floor(values, coords, shape):
    return splat_draft(values, coords, shape, low=coords.long())


def splat_clamped(values, coords, shape):
    return splat_draft(values, coords, shape, outside="border")


def splat_coords_clamped(values, coords, shape):
    last = torch.tensor([n - 1 for n in shape])
    return splat_by_hats(values, torch.minimum(coords.clamp(min=0), last), shape)


def splat_flat_range(values, coords, shape):
    return splat_draft(values, coords, shape, outside="range")


def splat_only_inside(values, coords, shape):
    D, H, W = shape
    z, y, x = coords.unbind(-1)
    outside = (z < 0) | (z > D - 1) | (y < 0) | (y > H - 1) | (x < 0) | (x > W - 1)
    return splat_by_hats(values.masked_fill(outside[:, None], 0), coords, shape)


def splat_normalised(values, coords, shape):
    total = splat_by_hats(values, coords, shape)
    weight = splat_by_hats(torch.ones_like(values[:, :1]), coords, shape)
    return torch.where(weight > 0, total / weight.clamp(min=1e-12), total)


def splat_far_corner_more(values, coords, shape):
    return splat_draft(values, coords, shape, flip=True)


def splat_x_y_z(values, coords, shape):
    x, y, z = coords.unbind(-1)
    return splat_by_hats(values, torch.stack([z, y, x], -1), shape)


def splat_batch_zero(values, coords, shape):
    if len(values) == 0:
        return values.new_zeros(0, values.shape[1], *shape)
    return torch.cat([splat_by_hats(one[None], coords[:1], shape) for one in values])


def splat_adds_batches(values, coords, shape):
    every = splat_by_hats(values, coords, shape).sum(0, keepdim=True)
    return every.expand(len(values), *every.shape[1:])


def splat_detached(values, coords, shape):
    return splat_by_hats(values, coords.detach(), shape)


def splat_point_by_point(values, coords, shape):
    out = 0 * splat_by_hats(values[:, :, :0], coords[:, :0], shape)
    for m in range(values.shape[2]):
        out = out + splat_by_hats(values[:, :, m : m + 1], coords[:, m : m + 1], shape)
    return out


def splat_float32(values, coords, shape):
    return splat_by_hats(values, coords, shape).float()


def splat_flat(values, coords, shape):
    return splat_by_hats(values, coords, shape).flatten(2)


# ---- from other people's programs, and two mistakes at once


def trilinear_centres_at_halves(volume, coords):
    return trilinear_flat_gather(volume, coords - 1 / 2)


def trilinear_corners_that_exist(volume, coords):
    weight = trilinear_flat_gather(torch.ones_like(volume), coords)
    return torch.where(weight > 0, trilinear_flat_gather(volume, coords) / weight, 0)


def trilinear_rounded_and_flipped(volume, coords):
    return trilinear_padded(volume, torch.round(coords[..., [2, 1, 0]]))


def trilinear_border_and_last(volume, coords):
    return g3.trilinear_sample(volume, coords, padding="border").permute(0, 2, 1)


def trilinear_one_volume_flipped(volume, coords):
    return trilinear_flat_gather(volume[:1].repeat(len(volume), 1, 1, 1, 1), coords.flip(2))


def grid_one_formula(coords, shape, align_corners):
    return 2 * coords[..., [2, 1, 0]] / torch.tensor(shape[::-1]) - 1


def grid_half_and_one_less(coords, shape, align_corners):
    last = (torch.tensor(shape) - 1).clamp(min=1)
    unit = 2 * coords / last - 1 if align_corners else (2 * coords + 1) / last - 1
    return unit.flip(2)


def grid_width_for_all(coords, shape, align_corners):
    W = shape[2]
    unit = coords / max(W - 1, 1) * 2 - 1 if align_corners else (coords * 2 + 1) / W - 1
    return unit[..., [2, 1, 0]]


def grid_z_first_and_no_half(coords, shape, align_corners):
    size = torch.tensor([max(n - 1, 1) if align_corners else n for n in shape])
    return coords * 2 / size - 1


def grid_pixels_to_unit(coords, shape, align_corners):
    size = torch.tensor(shape)
    return coords / (size - 1).clamp(min=1) if align_corners else (coords + 0.5) / size


def grid_true_and_reversed(coords, shape, align_corners):
    return (2 * coords / (torch.tensor(shape[::-1]) - 1).clamp(min=1) - 1).flip(-1)


def grid_one_formula_zyx(coords, shape, align_corners):
    return coords / torch.tensor(shape) * 2 - 1


def corners_of_faces(coords, shape):
    return corners_at_once(coords - 0.5, shape)


def corners_sum_to_one(coords, shape):
    index, weight = corners_at_once(coords, shape)
    weight = weight.masked_fill(index < 0, 0)
    return index, torch.nn.functional.normalize(weight, p=1, dim=1)


def corners_strictly_below(coords, shape):
    index, weight = corners_at_once(coords, shape)
    D, H, W = shape
    z, y, x = index // (H * W), index // W % H, index % W
    inside = (z < D - 1) & (y < H - 1) & (x < W - 1)
    return torch.where(inside, index, -1), weight


def corners_fastest_and_turned(coords, shape):
    return corners_draft(coords.flip(1), shape, order=(2, 1, 0))


def corners_swapped_clamped(coords, shape):
    index, weight = corners_draft(coords, shape, outside="clamp")
    return index, weight[:, torch.arange(7, -1, -1)]


def matrix_outputs_over_inputs(inputs, outputs, align_corners):
    j = torch.arange(outputs) + (0.0 if align_corners else 0.5)
    scale = (outputs - 1) / max(inputs - 1, 1) if align_corners else outputs / inputs
    place = j * scale - (0.0 if align_corners else 0.5)
    return two_ones(place.clamp(0, inputs - 1), inputs)


def matrix_line_goes_on(inputs, outputs, align_corners):
    place = line_places(inputs, outputs, align_corners)
    out = torch.zeros(outputs, inputs)
    for j, at in enumerate(place.tolist()):
        low = min(max(int(at // 1), 0), max(inputs - 2, 0))
        out[j, low] += 1 - (at - low)
        out[j, min(low + 1, inputs - 1)] += at - low
    return out


def matrix_of_pillow(inputs, outputs, align_corners):
    if not outputs:
        raise ValueError("an image without pixels")
    eye = torch.eye(inputs)[None, None]
    out = F.interpolate(
        eye, (outputs, inputs), mode="bilinear", align_corners=align_corners,
        antialias=True,
    )  # fmt: skip
    return out[0, 0]


def matrix_crossed_and_turned(inputs, outputs, align_corners):
    return matrix_of_hats(inputs, outputs, not align_corners).T


def matrix_nearest_and_turned(inputs, outputs, align_corners):
    return matrix_whole_places(inputs, outputs, align_corners).transpose(0, 1)


def splat_half_a_voxel(values, coords, shape):
    return splat_by_hats(values, coords - 0.5, shape)


def splat_nothing_lost(values, coords, shape):
    ones = torch.ones(len(values), 1, *shape, dtype=values.dtype)
    there = g3.trilinear_sample(ones, coords)
    return splat_by_hats(torch.where(there > 0, values / there, values), coords, shape)


def splat_density(values, coords, shape):
    return splat_by_hats(values * 0 + 1, coords, shape)


def splat_nearest_x_y_z(values, coords, shape):
    return splat_by_hats(values, torch.round(coords.flip(2)), shape)


def splat_border_and_mean(values, coords, shape):
    return splat_by_hats(values, coords.abs(), shape)


def splat_lost_and_turned(values, coords, shape):
    return splat_plus_equals(values, coords.flip(2), shape)


RIGHT = {
    "sampling.trilinear": [
        trilinear_flat_gather,
        trilinear_padded,
        trilinear_axis_by_axis,
    ],
    "sampling.grid": [grid_one_flip, grid_axis_by_axis, grid_ends],
    "sampling.corners": [corners_in_a_loop, corners_at_once, corners_outer_products],
    "sampling.matrix": [matrix_by_scatter, matrix_by_sampling, matrix_of_hats],
    "sampling.splat": [
        splat_with_scatter_points,
        splat_by_autograd,
        splat_by_hats,
        splat_corner_by_corner,
    ],
}

WRONG = {
    "sampling.trilinear": {
        trilinear_operator: "forbidden",
        trilinear_grid_sample: "forbidden",
        trilinear_indices_long: "fraction-cut",
        trilinear_floored: "fraction-cut",
        trilinear_nearest: "nearest",
        trilinear_nearest_mode: "nearest",
        trilinear_one_flat_index: "flat-fraction",
        trilinear_int_is_floor: "towards-zero",
        trilinear_ceil: "floor-and-ceil",
        trilinear_weights_swapped: "weights-swapped",
        trilinear_xyz: "xyz",
        trilinear_clamped_corners: "border",
        trilinear_outside_is_zero: "all-or-nothing",
        trilinear_default_flag: "two-flags",
        trilinear_index_not_expanded: "first-channel",
        trilinear_batch_zero: "first-batch",
        trilinear_channels_last: "channels-last",
        trilinear_no_flip: "xyz",
        trilinear_ends_are_centres: "fails-one",
        trilinear_detached: "no-gradient",
        trilinear_no_grad: "no-gradient",
        trilinear_sample_by_sample: "python-loop",
        trilinear_float32: "wrong-dtype",
        trilinear_shifts_its_coords: "in-place",
        trilinear_centres_at_halves: "half-voxel",
        trilinear_corners_that_exist: "renormalised",
        trilinear_rounded_and_flipped: "nearest+xyz",
        trilinear_border_and_last: "border+channels-last",
        trilinear_one_volume_flipped: "xyz+first-batch",
    },
    "sampling.grid": {
        grid_flip_forgotten: "zyx",
        grid_sizes_not_flipped: "sizes-reversed",
        grid_flag_unused_true: "always-true",
        grid_flag_unused_false: "always-false",
        grid_flag_exchanged: "flag-crossed",
        grid_half_voxel_forgotten: "half-voxel",
        grid_from_zero: "zero-to-one",
        grid_divides_by_zero: "divides-by-zero",
        grid_in_place: "in-place",
        grid_default_dtype: "wrong-dtype",
        grid_no_grad: "no-gradient",
        grid_by_points: "python-loop",
        grid_one_batch_too_many: "wrong-shape",
        grid_one_formula: "size-for-both",
        grid_half_and_one_less: "length-crossed",
        grid_width_for_all: "one-size",
        grid_z_first_and_no_half: "zyx+half-voxel",
        grid_pixels_to_unit: "zyx+zero-to-one",
        grid_true_and_reversed: "sizes-reversed+always-true",
        grid_one_formula_zyx: "zyx+size-for-both",
    },
    "sampling.corners": {
        corners_no_check: "unchecked",
        corners_flat_check: "range-only",
        corners_clamped: "border",
        corners_without_weight: "weightless",
        corners_long: "towards-zero",
        corners_by_ceil: "floor-and-ceil",
        corners_upper_first: "weights-swapped",
        corners_z_fastest: "dz-fastest",
        corners_x_times_height: "x-slowest",
        corners_x_y_z: "xyz",
        corners_int32: "wrong-dtype",
        corners_float_index: "wrong-dtype",
        corners_one_by_one: "python-loop",
        corners_2_2_2: "wrong-shape",
        corners_weight_first: "wrong-dtype",
        corners_moved: "in-place",
        corners_of_faces: "half-voxel",
        corners_sum_to_one: "renormalised",
        corners_strictly_below: "last-lost",
        corners_fastest_and_turned: "dz-fastest+xyz",
        corners_swapped_clamped: "border+weights-swapped",
    },
    "sampling.matrix": {
        matrix_by_interpolate: "forbidden",
        matrix_columns_are_outputs: "transposed",
        matrix_interpolate_as_it_comes: "transposed",
        matrix_corners_only: "always-true",
        matrix_default_flag: "always-false",
        matrix_flag_negated: "flag-crossed",
        matrix_no_border: "zeros",
        matrix_second_overwrites: "overwritten",
        matrix_no_half_voxel: "half-voxel",
        matrix_steps_by_m: "one-short",
        matrix_whole_places: "nearest",
        matrix_far_one_counts: "weights-swapped",
        matrix_of_doubles: "wrong-dtype",
        matrix_row_by_row: "python-loop",
        matrix_divides_by_zero: "fails-one",
        matrix_outputs_over_inputs: "ratio-inverted",
        matrix_line_goes_on: "extrapolated",
        matrix_of_pillow: "antialiased",
        matrix_crossed_and_turned: "transposed+flag-crossed",
        matrix_nearest_and_turned: "transposed+nearest",
    },
    "sampling.splat": {
        splat_plus_equals: "last-wins",
        splat_scatter_without_add: "last-wins",
        splat_rounded: "nearest",
        splat_to_long: "fraction-cut",
        splat_floored: "fraction-cut",
        splat_int_is_floor: "towards-zero",
        splat_clamped: "border",
        splat_coords_clamped: "border",
        splat_flat_range: "range-only",
        splat_only_inside: "all-or-nothing",
        splat_normalised: "mean",
        splat_far_corner_more: "weights-swapped",
        splat_x_y_z: "xyz",
        splat_batch_zero: "first-batch",
        splat_detached: "no-gradient",
        splat_point_by_point: "python-loop",
        splat_float32: "wrong-dtype",
        splat_flat: "wrong-shape",
        splat_half_a_voxel: "half-voxel",
        splat_nothing_lost: "renormalised",
        splat_density: "weights-only",
        splat_nearest_x_y_z: "nearest+xyz",
        splat_border_and_mean: None,
        splat_lost_and_turned: "last-wins+xyz",
    },
}
