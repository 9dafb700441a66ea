"""Answers to the exercises of chapters 10 and 11 as students write them, right and wrong."""

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


# ---- deform.sites


def sites_broadcast(offset):
    B, _, D, H, W = offset.shape
    options = {"dtype": offset.dtype, "device": offset.device}
    z = torch.arange(D, **options).reshape(D, 1, 1)
    y = torch.arange(H, **options).reshape(1, H, 1)
    x = torch.arange(W, **options).reshape(1, 1, W)
    voxel = torch.stack(torch.broadcast_tensors(z, y, x), dim=-1)  # [D, H, W, 3]
    steps = torch.arange(-1, 2, **options)
    tap = torch.cartesian_prod(steps, steps, steps).reshape(27, 1, 1, 1, 3)
    moved = offset.reshape(B, 27, 3, D, H, W).permute(0, 1, 3, 4, 5, 2)
    return voxel + tap + moved


def sites_tap_by_tap(offset):
    D, H, W = offset.shape[2:]
    axes = [torch.arange(n, device=offset.device) for n in (D, H, W)]
    voxel = torch.stack(torch.meshgrid(*axes, indexing="ij"))  # [3, D, H, W]
    places = []
    for k in range(27):
        tap = torch.tensor([k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1], device=offset.device)
        move = offset[:, 3 * k : 3 * k + 3]
        places.append(move + (voxel + tap[:, None, None, None]))
    return torch.stack(places, 1).movedim(2, -1)


def sites_axis_by_axis(offset):
    D, H, W = offset.shape[2:]
    k = torch.arange(27, device=offset.device).reshape(27, 1, 1, 1)
    z = offset[:, 0::3] + torch.arange(D, device=offset.device)[:, None, None] + k // 9 - 1
    y = offset[:, 1::3] + torch.arange(H, device=offset.device)[:, None] + k // 3 % 3 - 1
    x = offset[:, 2::3] + torch.arange(W, device=offset.device) + k % 3 - 1
    return torch.stack([z, y, x], dim=-1)


def sites_a_list_of_taps(offset):
    D, H, W = offset.shape[2:]
    z, y, x = torch.meshgrid(torch.arange(D), torch.arange(H), torch.arange(W), indexing="ij")
    rows = []
    for kz in range(3):
        for ky in range(3):
            for kx in range(3):
                k = 9 * kz + 3 * ky + kx
                at_z = z + kz - 1 + offset[:, 3 * k]
                at_y = y + ky - 1 + offset[:, 3 * k + 1]
                at_x = x + kx - 1 + offset[:, 3 * k + 2]
                rows.append(torch.stack([at_z, at_y, at_x], dim=-1))
    return torch.stack(rows, dim=1)


def voxels_and_taps(offset):
    D, H, W = offset.shape[2:]
    voxel = torch.stack(
        torch.meshgrid(torch.arange(D), torch.arange(H), torch.arange(W), indexing="ij"), -1
    )
    tap = torch.tensor(list(itertools.product((-1, 0, 1), repeat=3)))
    return voxel, tap.reshape(27, 1, 1, 1, 3)


def sites_three_blocks(offset):
    voxel, tap = voxels_and_taps(offset)
    dz, dy, dx = offset.chunk(3, dim=1)  # [B, 27, D, H, W] each
    return voxel + tap + torch.stack([dz, dy, dx], -1)


def sites_viewed(offset):
    voxel, tap = voxels_and_taps(offset)
    B, _, D, H, W = offset.shape
    return voxel + tap + offset.reshape(B, 27, D, H, W, 3)


def sites_x_first(offset):
    z, y, x = sites_axis_by_axis(offset).unbind(-1)
    return torch.stack((x, y, z), -1)


def sites_offset_dx_first(offset):
    voxel, tap = voxels_and_taps(offset)
    moved = torch.stack([offset[:, 2::3], offset[:, 1::3], offset[:, 0::3]], -1)
    return voxel + tap + moved


def sites_around_the_origin(offset):
    _, tap = voxels_and_taps(offset)
    return offset.unflatten(1, (27, 3)).movedim(2, -1) + tap


def sites_without_kernel(offset):
    voxel, _ = voxels_and_taps(offset)
    return offset.unflatten(1, (27, 3)).movedim(2, -1) + voxel


def sites_kernel_from_zero(offset):
    voxel, _ = voxels_and_taps(offset)
    tap = torch.cartesian_prod(*[torch.arange(3)] * 3)[:, None, None, None]
    return voxel + tap + offset.unflatten(1, (27, 3)).movedim(2, -1)


def sites_x_outermost(offset):
    voxel, _ = voxels_and_taps(offset)
    tap = [(dz, dy, dx) for dx in (-1, 0, 1) for dy in (-1, 0, 1) for dz in (-1, 0, 1)]
    tap = torch.tensor(tap).reshape(27, 1, 1, 1, 3)
    return voxel + tap + offset.unflatten(1, (27, 3)).movedim(2, -1)


def sites_as_the_channels_are(offset):
    voxel, tap = voxels_and_taps(offset)
    places = (voxel + tap).movedim(-1, 1)  # [27, 3, D, H, W]
    return offset.unflatten(1, (27, 3)) + places


def sites_voxels_first(offset):
    return sites_broadcast(offset).permute(0, 2, 3, 4, 1, 5)


def sites_in_place(offset):
    voxel, tap = voxels_and_taps(offset)
    places = offset.unflatten(1, (27, 3)).movedim(2, -1)
    places += voxel
    places += tap
    return places


def sites_detached(offset):
    return sites_broadcast(offset.detach().clone())


def sites_default_dtype(offset):
    out = torch.zeros(sites_axis_by_axis(offset).shape)
    return out.copy_(sites_axis_by_axis(offset))


def sites_voxel_by_voxel(offset):
    B, _, D, H, W = offset.shape
    tap = torch.cartesian_prod(*[torch.arange(-1, 2)] * 3)
    out = offset.new_zeros(B, 27, D, H, W, 3)
    for z in range(D):
        for y in range(H):
            for x in range(W):
                here = offset[:, :, z, y, x].reshape(B, 27, 3)
                out[:, :, z, y, x] = here + tap + torch.tensor([z, y, x])
    return out


def sites_whole(offset):
    return sites_broadcast(offset).long()


# ---- deform.conv


def conv_sampler_and_einsum(input, offset, weight):
    sampled = g3.trilinear_sample(input, sites_broadcast(offset))
    return torch.einsum("bcklmn,ock->bolmn", sampled, weight.flatten(2))


def conv_tap_by_tap(input, offset, weight):
    out, where = 0, sites_axis_by_axis(offset)
    B, _, D, H, W = input.shape
    for k in range(27):
        places = where[:, k].reshape(B, D * H * W, 3)
        values = trilinear_flat_gather(input, places).unflatten(2, (D, H, W))
        out = out + torch.einsum("bcdhw,oc->bodhw", values, weight.flatten(2)[:, :, k])
    return out


def conv_grid_sample(input, offset, weight):
    B, Ci, D, H, W = input.shape
    if B == 0:
        return input.new_zeros(0, len(weight), D, H, W)
    size = torch.tensor([D, H, W], device=input.device)
    unit = ((2 * sites_tap_by_tap(offset) + 1) / size - 1).flip(-1)
    values = F.grid_sample(input, unit.reshape(B, 27, -1, 1, 3), align_corners=False)
    columns = values.reshape(B, Ci * 27, D * H * W)
    return (weight.flatten(1) @ columns).reshape(B, -1, D, H, W)


def conv_operator(input, offset, weight):
    return g3.deform_conv3d(input, offset, weight, stride=1, padding=1)


def conv_of(input, where, weight, padding="zeros"):
    sampled = g3.trilinear_sample(input, where, padding)  # [B, Ci, 27, D, H, W]
    rows = weight.reshape(len(weight), -1)  # [Co, Ci * 27]
    return torch.einsum("bkdhw,ok->bodhw", sampled.flatten(1, 2), rows)


def conv_offsets_rounded(input, offset, weight):
    return conv_of(input, sites_broadcast(offset.round()), weight)


def conv_offsets_long(input, offset, weight):
    return conv_of(input, sites_broadcast(offset.long()).to(input), weight)


def conv_places_long(input, offset, weight):
    where = sites_broadcast(offset).long()
    return conv_of(input, where.to(input.dtype), weight)


def conv_places_floored(input, offset, weight):
    return conv_of(input, torch.floor(sites_broadcast(offset)), weight)


def conv_without_offsets(input, offset, weight):
    return torch.conv3d(input, weight, stride=1, padding=1)


def conv_offsets_multiplied_by_zero(input, offset, weight):
    return conv_operator(input, torch.zeros_like(offset), weight)


def conv_blocks(input, offset, weight):
    return conv_of(input, sites_three_blocks(offset), weight)


def conv_dx_first(input, offset, weight):
    return conv_of(input, sites_offset_dx_first(offset), weight)


def conv_positions_turned(input, offset, weight):
    return conv_of(input, sites_x_first(offset), weight)


def conv_border_padding(input, offset, weight):
    return conv_of(input, sites_broadcast(offset), weight, padding="border")


def conv_last_weight_first(input, offset, weight):
    return conv_of(input, sites_broadcast(offset), weight.flatten(2).flip(2))


def conv_weight_read_backwards(input, offset, weight):
    return conv_of(input, sites_broadcast(offset), weight.permute(0, 1, 4, 3, 2))


def conv_taps_x_outermost(input, offset, weight):
    return conv_of(input, sites_x_outermost(offset), weight)


def conv_padding_forgotten(input, offset, weight):
    return conv_of(input, sites_kernel_from_zero(offset), weight)


def conv_taps_forgotten(input, offset, weight):
    return conv_of(input, sites_without_kernel(offset), weight)


def conv_pushed(input, offset, weight):
    return conv_of(input, 2 * sites_broadcast(offset * 0) - sites_broadcast(offset), weight)


def conv_offsets_detached(input, offset, weight):
    return conv_operator(input, offset.detach(), weight)


def conv_straight_through_integers(input, offset, weight):
    """Right values; the gradient is one that somebody made up."""
    return conv_operator(input, offset + 0.1 * (offset - offset.detach()), weight)


def conv_no_padding_at_all(input, offset, weight):
    return conv_sampler_and_einsum(input, offset, weight)[..., 1:, 1:, 1:]


def conv_single(input, offset, weight):
    out = conv_operator(input.float(), offset.float(), weight.float())
    return out


def conv_in_place(input, offset, weight):
    where = sites_in_place(offset)
    return conv_of(input, where, weight)


RIGHT = {
    "sampling.trilinear": [
        trilinear_flat_gather,
        trilinear_grid_sample,
        trilinear_padded,
        trilinear_axis_by_axis,
        trilinear_operator,
    ],
    "sampling.grid": [grid_one_flip, grid_axis_by_axis, grid_ends],
    "deform.sites": [sites_broadcast, sites_tap_by_tap, sites_axis_by_axis, sites_a_list_of_taps],
    "deform.conv": [conv_sampler_and_einsum, conv_tap_by_tap, conv_grid_sample, conv_operator],
}

WRONG = {
    "sampling.trilinear": {
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
    },
    "sampling.grid": {
        grid_flip_forgotten: "zyx",
        grid_sizes_not_flipped: "sizes-reversed",
        grid_flag_unused_true: "always-true",
        grid_flag_unused_false: "always-false",
        grid_flag_exchanged: "flag-crossed",
        grid_half_voxel_forgotten: "half-voxel",
        grid_from_zero: "zero-to-one",
        grid_divides_by_zero: "fails-one",
        grid_in_place: "in-place",
        grid_default_dtype: "wrong-dtype",
        grid_no_grad: "no-gradient",
        grid_by_points: "python-loop",
        grid_one_batch_too_many: "wrong-shape",
    },
    "deform.sites": {
        sites_three_blocks: "planar",
        sites_viewed: "reshaped",
        sites_x_first: "xyz",
        sites_offset_dx_first: "offset-xyz",
        sites_around_the_origin: "no-voxel",
        sites_without_kernel: "no-tap",
        sites_kernel_from_zero: "not-centred",
        sites_x_outermost: "kx-slowest",
        sites_as_the_channels_are: "axis-third",
        sites_voxels_first: "taps-last",
        sites_in_place: "in-place",
        sites_detached: "no-gradient",
        sites_default_dtype: "wrong-dtype",
        sites_whole: "wrong-dtype",
        sites_voxel_by_voxel: "python-loop",
    },
    "deform.conv": {
        conv_offsets_rounded: "rounded",
        conv_offsets_long: "rounded",
        conv_places_long: "rounded",
        conv_places_floored: "rounded",
        conv_without_offsets: "offset-ignored",
        conv_offsets_multiplied_by_zero: "offset-ignored",
        conv_blocks: "planar",
        conv_dx_first: "offset-xyz",
        conv_positions_turned: "sites-xyz",
        conv_border_padding: "border",
        conv_last_weight_first: "kernel-flipped",
        conv_weight_read_backwards: "kx-slowest",
        conv_taps_x_outermost: "kx-slowest",
        conv_padding_forgotten: "not-centred",
        conv_taps_forgotten: "no-tap",
        conv_pushed: "subtracted",
        conv_offsets_detached: "no-gradient",
        conv_straight_through_integers: "wrong-gradient",
        conv_no_padding_at_all: "wrong-shape",
        conv_single: "wrong-dtype",
        conv_in_place: "in-place",
    },
}
