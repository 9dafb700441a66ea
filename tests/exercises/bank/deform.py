"""Answers to the exercises of chapter 11 as students write them, right and wrong."""

import itertools
import math

import torch
import torch.nn.functional as F

import gather3d as g3

from .sampling import trilinear_flat_gather

# ---- deform.dilated


def dilated_outwards(dilation, shape):
    k = torch.arange(-1, 2, device=dilation.device)
    taps = torch.cartesian_prod(k, k, k)  # [27, 3]
    offset = taps * (dilation - 1)
    return offset.reshape(1, 81, 1, 1, 1).expand(-1, -1, *shape)


def dilated_channel_by_channel(dilation, shape):
    out = torch.zeros(1, 81, *shape, dtype=dilation.dtype, device=dilation.device)
    for channel in range(81):
        tap, axis = channel // 3, channel % 3
        place = (tap // 9, tap // 3 % 3, tap % 3)[axis] - 1
        out[:, channel] = place * (dilation[axis] - 1)
    return out


def dilated_as_a_volume(dilation, shape):
    """The offsets as a volume of the kernel, [3, 3, 3, 3]."""
    more = dilation - 1
    line = torch.tensor([-1, 0, 1], device=dilation.device)
    z, y, x = (m * line for m in more)
    kernel = torch.stack(torch.meshgrid(z, y, x, indexing="ij"), -1)
    return kernel.reshape(81, 1, 1, 1).repeat(1, *shape)[None]


def grid_of_taps():
    return torch.tensor([(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)])


def for_all(rows, shape):
    return rows.flatten()[None, :, None, None, None].repeat(1, 1, *shape)


def dilated_where_they_stand(dilation, shape):
    return for_all(grid_of_taps() * dilation, shape)


def dilated_k_from_zero(dilation, shape):
    k = torch.arange(3)
    return for_all(torch.cartesian_prod(k, k, k) * (dilation - 1), shape)


def dilated_drawn_together(dilation, shape):
    return for_all(grid_of_taps() - grid_of_taps() * dilation, shape)


def dilated_axis_blocks(dilation, shape):
    rows = (grid_of_taps() * (dilation - 1)).unbind(1)
    return torch.cat([row.reshape(1, 27, 1, 1, 1).repeat(1, 1, *shape) for row in rows], 1)


def dilated_offset_x_first(dilation, shape):
    z, y, x = (grid_of_taps() * (dilation - 1)).unbind(1)
    return for_all(torch.stack([x, y, z], 1), shape)


def dilated_reads_x_first(dilation, shape):
    dx, dy, dz = dilation
    return for_all(grid_of_taps() * (torch.stack([dz, dy, dx]) - 1), shape)


def dilated_x_outermost(dilation, shape):
    taps = torch.tensor([(a, b, c) for c in (-1, 0, 1) for b in (-1, 0, 1) for a in (-1, 0, 1)])
    return for_all(taps * (dilation - 1), shape)


def dilated_27_by_3(dilation, shape):
    return dilated_outwards(dilation, shape).unflatten(1, (27, 3))


def dilated_half(dilation, shape):
    return for_all(grid_of_taps() * dilation / 2, shape)


def dilated_numbers_only(dilation, shape):
    return for_all(grid_of_taps() * (torch.tensor(dilation.tolist()).to(dilation) - 1), shape)


def dilated_one_voxel(dilation, shape):
    return dilated_outwards(dilation, (1, 1, 1))


def dilated_float(dilation, shape):
    return torch.zeros(1, 81, *shape) + dilated_outwards(dilation, shape).float()


def dilated_minus_one_in_place(dilation, shape):
    dilation -= 1
    return for_all(grid_of_taps() * dilation, shape)


def dilated_voxel_by_voxel(dilation, shape):
    out = dilation.new_zeros(1, 81, *shape)
    for z, y, x in itertools.product(*map(range, shape)):
        out[0, :, z, y, x] = (grid_of_taps() * (dilation - 1)).flatten()
    return out


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


# ---- deform.turned


def turned_matrix(degrees):
    angle = torch.deg2rad(degrees)
    c, s, o = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack([o + 1, o, o, o, c, s, o, -s, c]).reshape(3, 3)
    taps = torch.cartesian_prod(*[torch.arange(-1, 2, device=degrees.device)] * 3).to(degrees)
    return taps @ turn.T - taps


def turned_by_parts(degrees):
    k = torch.arange(27, device=degrees.device)
    y, x = k // 3 % 3 - 1, k % 3 - 1
    angle = degrees * torch.pi / 180
    dy = y * (angle.cos() - 1) + x * angle.sin()
    dx = x * (angle.cos() - 1) - y * angle.sin()
    return torch.stack([torch.zeros_like(dy), dy, dx], 1)


def turned_polar(degrees):
    """Every tap keeps its distance from the axis and gets another bearing."""
    taps = grid_of_taps().to(degrees)
    z, y, x = taps.unbind(1)
    bearing = torch.atan2(y, x) + degrees.deg2rad()
    far = torch.hypot(y, x)
    return torch.stack([z, far * bearing.sin(), far * bearing.cos()], 1) - taps


def turned_complex(degrees):
    taps = grid_of_taps().to(degrees)
    spin = torch.polar(torch.ones_like(degrees), degrees.deg2rad())
    at = torch.complex(taps[:, 2], taps[:, 1]) * spin
    return torch.stack([taps[:, 0], at.imag, at.real], 1) - taps


def turned_draft(degrees, sign=1, plane=(1, 2), taps=None, home=True):
    angle = sign * degrees * torch.pi / 180
    taps = (grid_of_taps() if taps is None else taps).to(degrees)
    a, b = (taps[:, axis] for axis in plane)
    columns = list(taps.unbind(1))
    columns[plane[0]] = a * angle.cos() + b * angle.sin()
    columns[plane[1]] = b * angle.cos() - a * angle.sin()
    return torch.stack(columns, 1) - (taps if home else 0)


def turned_places(degrees):
    return turned_draft(degrees, home=False)


def turned_forgets_radians(degrees):
    return turned_by_parts(degrees * 180 / torch.pi)


def turned_clockwise(degrees):
    return turned_draft(degrees, sign=-1)


def turned_image_matrix(degrees):
    """The matrix for (x, y), applied to (y, x)."""
    c, s = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    turn = torch.stack([torch.stack([c, -s]), torch.stack([s, c])])
    yx = grid_of_taps()[:, 1:].to(degrees)
    return torch.cat([torch.zeros_like(yx[:, :1]), yx @ turn.T - yx], 1)


def turned_from_there_to_here(degrees):
    return grid_of_taps() - turned_draft(degrees, home=False)


def turned_first_two(degrees):
    return turned_draft(degrees, plane=(0, 1))


def turned_first_two_the_other_way(degrees):
    return turned_draft(degrees, plane=(1, 0))


def turned_z_and_x(degrees):
    return turned_draft(degrees, plane=(0, 2))


def turned_k_from_zero(degrees):
    return turned_draft(degrees, taps=torch.cartesian_prod(*[torch.arange(3)] * 3))


def turned_x_first(degrees):
    z, y, x = turned_complex(degrees).unbind(1)
    return torch.stack([x, y, z], 1)


def turned_taps_kz_fastest(degrees):
    taps = torch.tensor([(a, b, c) for c in (-1, 0, 1) for b in (-1, 0, 1) for a in (-1, 0, 1)])
    return turned_draft(degrees, taps=taps)


def turned_by_math(degrees):
    number = math.radians(degrees.item())
    return turned_polar(torch.tensor(math.degrees(number), dtype=degrees.dtype))


def turned_float(degrees):
    return turned_polar(degrees.float())


def turned_kernel_shaped(degrees):
    return turned_polar(degrees).reshape(3, 3, 3, 3)


def turned_channels(degrees):
    return turned_polar(degrees).flatten()


# ---- from other people's programs, and two mistakes at once


def dilated_by_the_first(dilation, shape):
    return for_all(grid_of_taps() * (dilation[0] - 1), shape)


def dilated_by_whole_steps(dilation, shape):
    return for_all(grid_of_taps() * (torch.round(dilation) - 1), shape)


def dilated_half_as_far(dilation, shape):
    return for_all(grid_of_taps() * (dilation - 1) * 0.5, shape)


def dilated_planar_and_xyz(dilation, shape):
    return for_all((grid_of_taps() * (dilation - 1)).flip(1).T, shape)


def dilated_places_x_first(dilation, shape):
    return for_all((grid_of_taps() * dilation).flip(1), shape)


def dilated_inwards_kz_fastest(dilation, shape):
    return -dilated_x_outermost(dilation, shape)


def sites_middle_for_all(offset):
    voxel, tap = voxels_and_taps(offset)
    return voxel + tap + offset[:, 39:42].movedim(1, -1)[:, None]


def sites_first_for_all(offset):
    voxel, tap = voxels_and_taps(offset)
    return voxel + tap + offset[:, :3].movedim(1, -1)[:, None]


def sites_minus(offset):
    return sites_broadcast(offset * -1)


def sites_of_faces(offset):
    return sites_broadcast(offset) + 1 / 2


def sites_mmdetection_guess(offset):
    """x0 … x26, then y0 … y26, then z."""
    voxel, tap = voxels_and_taps(offset)
    x, y, z = offset.chunk(3, dim=1)
    return voxel + tap + torch.stack([z, y, x], -1)


def sites_planar_kz(offset):
    voxel, tap = voxels_and_taps(offset)
    return voxel + tap.flip(-1) + torch.stack(offset.chunk(3, dim=1), -1)


def sites_no_home_x_first(offset):
    return sites_around_the_origin(offset)[..., [2, 1, 0]]


def sites_guess_minus(offset):
    voxel, tap = voxels_and_taps(offset)
    x, y, z = offset[:, 0::3], offset[:, 1::3], offset[:, 2::3]
    return voxel + tap - torch.stack([z, y, x], -1)


def conv_one_offset(input, offset, weight):
    return conv_of(input, sites_middle_for_all(offset), weight)


def conv_of_faces(input, offset, weight):
    return conv_of(input, sites_broadcast(offset) - 0.5, weight)


def conv_one_product_viewed(input, offset, weight):
    sampled = g3.trilinear_sample(input, sites_broadcast(offset)).movedim(2, 1).flatten(1, 2)
    return torch.einsum("bkdhw,ok->bodhw", sampled, weight.flatten(1))


def conv_mean_of_taps(input, offset, weight):
    return torch.stack([
        conv_of(input[b : b + 1], sites_broadcast(offset[b : b + 1]), weight)[0] / 27
        for b in range(len(input))
    ]) if len(input) else conv_of(input, sites_broadcast(offset), weight)  # fmt: skip


def conv_guess(input, offset, weight):
    return conv_of(input, sites_mmdetection_guess(offset), weight)


def conv_border_and_minus(input, offset, weight):
    return conv_of(input, sites_broadcast(-offset), weight, "border")


def conv_planar_and_kz(input, offset, weight):
    return conv_of(input, sites_planar_kz(offset), weight)


def turned_as_a_quaternion(degrees):
    return turned_draft(degrees * 0.5)


def turned_linearised(degrees):
    angle = degrees * torch.pi / 180
    taps = grid_of_taps().to(degrees)
    return torch.stack([0 * taps[:, 0], taps[:, 2] * angle, -taps[:, 1] * angle], 1)


def turned_to_whole_voxels(degrees):
    return torch.round(turned_matrix(degrees))


def turned_back_x_first(degrees):
    return turned_draft(degrees, sign=-1).flip(-1)


def turned_radians_places(degrees):
    return turned_draft(degrees * (180 / torch.pi), home=False)


RIGHT = {
    "deform.dilated": [dilated_outwards, dilated_channel_by_channel, dilated_as_a_volume],
    "deform.sites": [sites_broadcast, sites_tap_by_tap, sites_axis_by_axis, sites_a_list_of_taps],
    "deform.conv": [
        conv_sampler_and_einsum,
        conv_tap_by_tap,
        conv_grid_sample,
    ],
    "deform.turned": [turned_matrix, turned_by_parts, turned_polar, turned_complex],
}

WRONG = {
    "deform.dilated": {
        dilated_where_they_stand: "positions",
        dilated_k_from_zero: "from-corner",
        dilated_drawn_together: "inwards",
        dilated_axis_blocks: "planar",
        dilated_offset_x_first: "offset-xyz",
        dilated_reads_x_first: "dilation-xyz",
        dilated_x_outermost: "kz-fastest",
        dilated_27_by_3: "taps-and-axes",
        dilated_half: "half",
        dilated_numbers_only: "no-gradient",
        dilated_one_voxel: "wrong-shape",
        dilated_float: "wrong-dtype",
        dilated_minus_one_in_place: "in-place",
        dilated_voxel_by_voxel: "python-loop",
        dilated_by_the_first: "one-dilation",
        dilated_by_whole_steps: "rounded",
        dilated_half_as_far: "half",
        dilated_planar_and_xyz: "planar+offset-xyz",
        dilated_places_x_first: "positions+offset-xyz",
        dilated_inwards_kz_fastest: "inwards+kz-fastest",
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
        sites_middle_for_all: "one-offset",
        sites_first_for_all: "one-offset",
        sites_minus: "subtracted",
        sites_of_faces: "half-voxel",
        sites_mmdetection_guess: "planar+offset-xyz",
        sites_planar_kz: "planar+kx-slowest",
        sites_no_home_x_first: "xyz+no-voxel",
        sites_guess_minus: "offset-xyz+subtracted",
    },
    "deform.conv": {
        conv_operator: "forbidden",
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
        conv_one_offset: "one-offset",
        conv_of_faces: "half-voxel",
        conv_one_product_viewed: "weight-viewed",
        conv_mean_of_taps: "averaged",
        conv_guess: "planar+offset-xyz",
        conv_border_and_minus: "border+subtracted",
        conv_planar_and_kz: "planar+kx-slowest",
    },
    "deform.turned": {
        turned_places: "positions",
        turned_forgets_radians: "radians",
        turned_clockwise: "wrong-way",
        turned_image_matrix: "wrong-way",
        turned_from_there_to_here: "subtracted",
        turned_first_two: "axis",
        turned_first_two_the_other_way: "axis",
        turned_z_and_x: "axis",
        turned_k_from_zero: "corner",
        turned_x_first: "xyz",
        turned_taps_kz_fastest: "kz-fastest",
        turned_by_math: "no-gradient",
        turned_float: "wrong-dtype",
        turned_kernel_shaped: "wrong-shape",
        turned_channels: "wrong-shape",
        turned_as_a_quaternion: "half-angle",
        turned_linearised: "small-angle",
        turned_to_whole_voxels: "rounded",
        turned_back_x_first: "wrong-way+xyz",
        turned_radians_places: "positions+radians",
    },
}
