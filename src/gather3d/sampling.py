"""Gather at positions that are not whole numbers: eight corners and their weights.

Coordinates are (z, y, x) in voxels, and whole numbers name voxel centres, so 0 and D - 1 are the
centres of the first and last slice (`align_corners=True` in `F.grid_sample`'s words).
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from .indexing import gather_points, unravel_index
from .refusals import (
    check_finite,
    check_floating,
    check_kernel_fits,
    check_one_of,
    check_same_dtype,
    check_shapes,
    check_triple,
)

BLOCK = 8  # channels that are copied to channels last at once: a large volume is not there twice
PART = 1 << 16  # samples whose eight rows the backward pass holds at once


def trilinear_sample(
    volume: Shaped[Tensor, "B C D H W"],
    coords: Float[Tensor, "B *S 3"],
    padding: Literal["zeros", "border"] = "zeros",
    mode: Literal["linear", "nearest"] = "linear",
) -> Shaped[Tensor, "B C *S"]:
    """Values of a volume between its voxels: the weighted sum of the eight around each position.

    out[b, c, s] = Σ over corners k of  Πₐ (1 - |coords[b, s, a] - kₐ|) · volume[b, c, k]

    Differentiable in both arguments; at a whole number, the gradient is that of the cell above.
    The result has the wider of the two dtypes. Half types hold few positions (float16 no 2048.5,
    bfloat16 no 256.5): where a volume is large, give coords in float32.

    With mode "nearest", out[b, c, s] = volume[b, c, round(coords[b, s])]: the one voxel whose
    centre is nearest, halves to the even one. It takes any dtype, labels too, and gives the same
    one; it is differentiable in volume alone.

    Args:
        volume: the values at voxel centres; floating point for mode "linear".
        coords: where to sample, (z, y, x) in voxels.
        padding: "zeros" takes corners outside the volume as 0; "border" moves positions outside
            onto its border.
        mode: "linear" or "nearest".

    Raises:
        ValueError: shapes or devices that do not fit, a NaN or infinite coordinate, an unknown
            padding or mode.
        TypeError: coords are not floating point, or volume is not in mode "linear".

    Example:
        >>> volume = torch.tensor([0., 10., 20.]).reshape(1, 1, 1, 1, 3)
        >>> places = torch.tensor([[[0., 0., 0.5], [0., 0., 2.5]]])
        >>> trilinear_sample(volume, places)
        tensor([[[ 5., 10.]]])
        >>> trilinear_sample(volume, places, mode="nearest")
        tensor([[[ 0., 20.]]])

    Spatial transformer networks (Jaderberg et al., 2015), eq. 5 in 3D; `F.grid_sample`.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over volume,
    not over coords, whose values it checks.
    """
    size = check_shapes(volume=(volume, "B C D H W"), coords=(coords, "B *S 3"))
    check_one_of("padding", padding, ("zeros", "border"))
    check_one_of("mode", mode, ("linear", "nearest"))
    check_finite("coords", coords)
    if mode == "linear":
        check_floating("volume", volume)
    B, C, S = size["B"], size["C"], size["S"]
    D, H, W = size["D"], size["H"], size["W"]
    if min(D, H, W) == 0:
        raise ValueError(f"volume: got shape {list(volume.shape)}, wanted D, H, W of at least 1")

    dtype = torch.promote_types(volume.dtype, coords.dtype)
    axes = coords.to(_wide(coords.dtype)).reshape(B, math.prod(S), 3).unbind(2)  # three of [B, S]
    if mode == "nearest":
        return _nearest(volume.flatten(2), axes, (D, H, W), padding).reshape(B, C, *S)
    row, weight = _eight_rows(axes, (D, H, W), padding)
    few = 32 * math.prod(S) < D * H * W  # reads less than a quarter: no need to copy the volume
    # but the gradient of a gather is added up in half
    if few and not (volume.requires_grad and volume.dtype != _wide(volume.dtype)):
        _, z, y, x = (unravel_index(row, (B, D + 3, H + 3, W + 3)) - 1).unbind(3)  # [B, S, 8]
        inside = (z >= 0) & (z < D) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
        values = gather_points(volume.flatten(2), ((z * H + y) * W + x).where(inside, -1))
        return (values * weight[:, None]).sum(3).to(dtype).reshape(B, C, *S)
    bags = []
    # compiled, a loop over blocks would be as many times as long to compile
    for block in volume.split(C if torch.compiler.is_compiling() else BLOCK, dim=1):
        bags.append(_WeightedBag.apply(block.to(dtype), row, weight, None).mT)
    del row, weight  # before the samples are there twice
    return torch.cat(bags, dim=1).reshape(B, C, *S)


def deform_conv3d(
    input: Float[Tensor, "B Ci D H W"],
    offset: Float[Tensor, "B G3K Do Ho Wo"],
    weight: Float[Tensor, "Co Ci kD kH kW"],
    bias: Float[Tensor, "Co"] | None = None,
    mask: Float[Tensor, "B GK Do Ho Wo"] | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
) -> Float[Tensor, "B Co Do Ho Wo"]:
    """A convolution whose taps move: each reads where its offset says, between voxels if need be.

    out[b, :, p] = bias + Σₖ mₖ · weight[:, :, k] · input(b, p·stride - padding + k·dilation + Δₖ)

    with Δₖ = offset[b, 3k : 3k + 3, p] and mₖ = mask[b, k, p]. Zero offsets and no mask give
    `F.conv3d`. Outside the volume the input is 0.

    The number of channels of offset, G · 3K, says how many groups there are: each of the G groups
    of Ci / G input channels, in their order, has offsets (and a mask) of its own.

    Args:
        input: the volume that is read.
        offset: (z, y, x) of tap 0, then of tap 1 …, in voxels; taps in (kz, ky, kx) order, kx
            fastest; all of group 0, then all of group 1 …
        weight: as F.conv3d has it.
        bias: added to every output.
        mask: one factor for each tap and output (the modulation of version 2), in the order of
            offset, [B, G · K, Do, Ho, Wo]; or None for 1.
        stride, padding, dilation: one number, or three in (z, y, x) order.

    Values, places and factors of different dtypes are taken in the widest of them, which weight and
    bias must have as well. Half types are added up in float32, as places are.

    Raises:
        ValueError: shapes or devices that do not fit, groups that do not divide the channels, or an
            offset that is NaN or infinite.
        TypeError: a tensor that is not floating point, or weight and bias of another dtype.

    Example:
        >>> input = torch.tensor([1., 2., 3., 4.]).reshape(1, 1, 1, 1, 4)
        >>> half = torch.tensor([0., 0., .5]).reshape(1, 3, 1, 1, 1).expand(1, 3, 1, 1, 4)
        >>> deform_conv3d(input, half, torch.ones(1, 1, 1, 1, 1))
        tensor([[[[[1.5000, 2.5000, 3.5000, 2.0000]]]]])

    Deformable convolution (Dai et al., 2017) and its modulated form (Zhu et al., 2019), in 3D;
    groups as in torchvision's `deform_conv2d`.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over input,
    weight, bias and mask, not over offset, whose values it checks.
    """
    size = check_shapes(input=(input, "B Ci D H W"), weight=(weight, "Co Ci kD kH kW"))
    B, Ci, kernel = (
        size["B"],
        size["Ci"],
        check_triple("weight.shape[2:]", tuple(weight.shape[2:]), 1),
    )
    stride = check_triple("stride", stride, 1)
    padding = check_triple("padding", padding, 0)
    dilation = check_triple("dilation", dilation, 1)
    shape = tuple(input.shape[2:])
    out_shape = check_kernel_fits("input", shape, shape, kernel, stride, padding, dilation)
    if 0 in out_shape:
        raise ValueError(f"input: got {shape}, wanted D, H, W of at least 1")
    K, places = math.prod(kernel), " ".join(map(str, out_shape))
    channels = offset.shape[1] if isinstance(offset, Tensor) and offset.ndim == 5 else 0
    G = max(channels // (3 * K), 1) if channels % (3 * K) == 0 else 1
    check_shapes(input=(input, "B Ci D H W"), offset=(offset, f"B {G * 3 * K} {places}"))
    if Ci % G:
        raise ValueError(
            f"offset: got {G} groups of {3 * K} channels, wanted a number of groups that divides "
            f"input's {Ci} channels"
        )
    if mask is not None:
        check_shapes(input=(input, "B Ci D H W"), mask=(mask, f"B {G * K} {places}"))
        check_floating("mask", mask)
    if bias is not None:
        check_shapes(weight=(weight, "Co Ci kD kH kW"), bias=(bias, "Co"))
    check_floating("input", input)
    check_finite("offset", offset)
    dtype = torch.promote_types(input.dtype, offset.dtype)
    dtype = dtype if mask is None else torch.promote_types(dtype, mask.dtype)
    what = "input" if input.dtype == dtype else "the widest of input, offset and mask"
    input = input.to(dtype)
    check_same_dtype(multiplied=True, **{what: input}, weight=weight)
    if bias is not None:
        check_same_dtype(multiplied=True, **{what: input}, bias=bias)

    # each group is a volume of its own until the channels are multiplied
    input = input.reshape(B * G, Ci // G, *shape)
    moved = offset.to(_wide(offset.dtype)).reshape(B * G, K, 3, math.prod(out_shape))
    gate = None if mask is None else mask.reshape(B * G, K, math.prod(out_shape))
    weights = weight.to(_wide(weight.dtype)).flatten(2).permute(2, 1, 0).contiguous()  # [K, Ci, Co]
    table, out = _rows(input.detach()), 0  # once for all taps
    starts = [
        torch.arange(n, device=offset.device) * s - p
        for n, s, p in zip(out_shape, stride, padding, strict=True)
    ]
    corner = torch.cartesian_prod(*starts).T.to(moved.dtype)  # where the first tap reads: [3, P]
    steps = product(*(range(0, k * d, d) for k, d in zip(kernel, dilation, strict=True)))
    further = moved.new_tensor(list(steps))[..., None]  # how much further each tap: [K, 3, 1]
    # one tap after another, so that what they read is never there at once; all together where the
    # loop would be compiled tap by tap
    several = K if torch.compiler.is_compiling() else 1
    for k in range(0, K, several):
        taps = slice(k, k + several)
        at = moved[:, taps] + (corner + further[taps])  # [B · G, taps, 3, P]
        axes = [axis.flatten(1) for axis in at.unbind(2)]  # three of [B · G, taps · P]
        row, share = _eight_rows(axes, shape)
        if gate is not None:
            share = share * gate[:, taps].reshape(*share.shape[:2], 1)
        sampled = _WeightedBag.apply(input, row, share, table)  # [B · G, taps · P, Ci / G]
        sampled = sampled.reshape(B, G, several, math.prod(out_shape), Ci // G).permute(
            0, 3, 2, 1, 4
        )
        added = sampled.flatten(2).to(weights.dtype) @ weights[taps].flatten(0, 1)
        out = out + added.to(weights.dtype)  # [B, P, Co]; under autocast, added is in half
        del at, axes, row, share, sampled  # before the next tap's are there
    out = out if bias is None else out + bias
    out = out.to(added.dtype if torch.is_autocast_enabled(input.device.type) else dtype)
    return out.mT.contiguous().unflatten(2, out_shape)


def _wide(dtype: torch.dtype) -> torch.dtype:
    """In which places are worked out and many values added up: float32 for half types."""
    return torch.promote_types(dtype, torch.float32)


def _rows(volume: Tensor) -> Tensor:
    """The voxels as rows of a table, with zeros around: [B (D + 3) (H + 3) (W + 3), C].

    One voxel of zeros before and two after: a position may reach D, and the corner above is D + 1.
    """
    if volume.shape[1] == 0:  # no channels, which the pad of torch 2.8 would not name
        return F.pad(volume, (1, 2) * 3).permute(0, 2, 3, 4, 1).flatten(0, 3)
    return F.pad(volume.permute(0, 2, 3, 4, 1), (0, 0) + (1, 2) * 3).flatten(0, 3)


def _eight_rows(
    axes: Sequence[Tensor], shape: Sequence[int], padding: str = "zeros"
) -> tuple[Tensor, Tensor]:
    """The rows of the eight corners of each position, and their weights: [B, S, 8] twice."""
    B, S = axes[0].shape
    D, H, W = (n + 3 for n in shape)  # of the table, which has zeros around
    whole = torch.int32 if B * D * H * W < 2**31 else torch.int64  # half the bytes where it can be
    cell, shares = torch.arange(B, device=axes[0].device, dtype=whole)[:, None], []
    for at, n in zip(axes, shape, strict=True):  # at: [B, S]
        if padding == "zeros":  # before -1 and from n on, all eight are zeros
            at = at.where((at >= -1) & (at < n), n)
        else:  # the border goes on as it is; at 0 clamp's gradient is 1 in torch 2.13, 0 in 2.15
            at = at.where(at >= 0, 0).where(at < n - 1, n - 1)
        low = at.detach().floor()
        shares.append(torch.stack([1 - (at - low), at - low]))  # [2, B, S]
        cell = cell * (n + 3) + (low.to(whole) + 1)
    z, y, x = shares
    weight = (z[:, None, None] * (y[:, None] * x)).reshape(8, B, S)
    upper = [(z * H + y) * W + x for z, y, x in product((0, 1), (0, 1), (0, 1))]
    row = cell[:, :, None] + torch.tensor(upper, device=cell.device, dtype=whole)
    return row, weight.movedim(0, 2).contiguous()


class _WeightedBag(torch.autograd.Function):
    """out[b, s] = Σⱼ weight[b, s, j] · table[row[b, s, j]] with the volume's `_rows` as table.

    It is `F.embedding_bag`, but differentiable twice, and the table is not kept for the backward
    pass, which makes it again. Who has it already can hand it in.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(volume: Tensor, row: Tensor, weight: Tensor, table: Tensor | None) -> Tensor:
        table = _rows(volume) if table is None else table
        bag, weights = row.flatten(0, 1), weight.flatten(0, 1).to(table.dtype)
        out = F.embedding_bag(bag, table, per_sample_weights=weights, mode="sum")
        return out.reshape(*row.shape[:2], table.shape[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:3])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        volume, row, weight = ctx.saved_tensors
        table, to_weight = _rows(volume), []
        grad = grad.to(_wide(grad.dtype))  # many may meet in one voxel
        to_table = grad.new_zeros(table.mT.shape)  # channels first, as the volume is
        # compiled, nothing of this is held, and a loop would take longer to compile
        size = max(weight[..., 0].numel(), 1) if torch.compiler.is_compiling() else PART
        parts = [x.flatten(0, 1).split(size) for x in (row, weight, grad)]
        for r, w, g in zip(*parts, strict=True):
            if ctx.needs_input_grad[0]:
                sent = (g.T[:, :, None] * w).flatten(1)  # [C, 8 M]
                to_table.scatter_add_(1, r.long().flatten().expand_as(sent), sent)
            if ctx.needs_input_grad[2]:
                read = table.index_select(0, r.flatten()).unflatten(0, r.shape)  # [M, 8, C]
                to_weight.append((read.to(g.dtype) @ g[:, :, None]).squeeze(2))  # [M, 8]
        B, C, D, H, W = volume.shape
        to_volume = to_table.reshape(C, B, D + 3, H + 3, W + 3)[:, :, 1:-2, 1:-2, 1:-2]
        to_volume = to_volume.transpose(0, 1).to(volume.dtype)
        if to_weight:
            return to_volume, None, torch.cat(to_weight).reshape_as(weight).to(weight.dtype), None
        return to_volume, None, None, None


def _nearest(volume: Tensor, axes: Sequence[Tensor], shape: Sequence[int], padding: str) -> Tensor:
    """Of a volume [B, C, D · H · W], the voxel nearest to each position: [B, C, S]."""
    voxel, inside = 0, True
    for at, n in zip(axes, shape, strict=True):
        number = at.detach().round()  # halves to the even number
        within = (number >= 0) & (number < n)
        voxel = voxel * n + number.clamp(0, n - 1).long()
        inside = within & inside
    values = volume.gather(2, voxel[:, None].expand(-1, volume.shape[1], -1))
    return values if padding == "border" else values.masked_fill(~inside[:, None], 0)
