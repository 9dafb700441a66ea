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
from jaxtyping import Float
from torch import Tensor

from .indexing import gather_points, unravel_index
from .refusals import check_finite, check_kernel_fits, check_one_of, check_shapes, check_triple

BLOCK = 8  # channels that are copied to channels last at once: a large volume is not there twice
PART = 1 << 16  # samples whose eight rows the backward pass holds at once


def trilinear_sample(
    volume: Float[Tensor, "B C D H W"],
    coords: Float[Tensor, "B *S 3"],
    padding: Literal["zeros", "border"] = "zeros",
) -> Float[Tensor, "B C *S"]:
    """Values of a volume between its voxels: the weighted sum of the eight around each position.

    out[b, c, s] = Σ over corners k of  Πₐ (1 - |coords[b, s, a] - kₐ|) · volume[b, c, k]

    Differentiable in both arguments; at a whole number, the gradient is that of the cell above.

    Args:
        volume: the values at voxel centres.
        coords: where to sample, (z, y, x) in voxels.
        padding: "zeros" takes corners outside the volume as 0; "border" moves positions outside
            onto its border.

    Raises:
        ValueError: shapes or devices that do not fit, a NaN or infinite coordinate, an unknown
            padding.

    Example:
        >>> volume = torch.tensor([0., 10., 20.]).reshape(1, 1, 1, 1, 3)
        >>> trilinear_sample(volume, torch.tensor([[[0., 0., 0.5], [0., 0., 2.5]]]))
        tensor([[[ 5., 10.]]])

    Spatial transformer networks (Jaderberg et al., 2015), eq. 5 in 3D; `F.grid_sample`.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over volume,
    not over coords, whose values it checks.
    """
    size = check_shapes(volume=(volume, "B C D H W"), coords=(coords, "B *S 3"))
    check_one_of("padding", padding, ("zeros", "border"))
    check_finite("coords", coords)
    B, C, S = size["B"], size["C"], size["S"]
    D, H, W = size["D"], size["H"], size["W"]
    if min(D, H, W) == 0:
        raise ValueError(f"volume: got shape {list(volume.shape)}, wanted D, H, W of at least 1")

    dtype = torch.promote_types(volume.dtype, coords.dtype)
    axes = coords.reshape(B, math.prod(S), 3).unbind(2)  # three of [B, S]
    row, weight = _eight_rows(axes, (D, H, W), padding)
    if 32 * math.prod(S) < D * H * W:  # reads less than a quarter: no need to copy the volume
        _, z, y, x = (unravel_index(row, (B, D + 3, H + 3, W + 3)) - 1).unbind(3)  # [B, S, 8]
        inside = (z >= 0) & (z < D) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
        values = gather_points(volume.flatten(2), ((z * H + y) * W + x).where(inside, -1))
        return (values * weight[:, None]).sum(3).reshape(B, C, *S)
    bags = []
    for block in volume.split(BLOCK, dim=1):
        bags.append(_WeightedBag.apply(block.to(dtype), row, weight.to(dtype), None).mT)
    del row, weight  # before the samples are there twice
    return torch.cat(bags, dim=1).reshape(B, C, *S)


def deform_conv3d(
    input: Float[Tensor, "B Ci D H W"],
    offset: Float[Tensor, "B 3K={3*weight.shape[2:].numel()} Do Ho Wo"],
    weight: Float[Tensor, "Co Ci kD kH kW"],
    bias: Float[Tensor, "Co"] | None = None,
    mask: Float[Tensor, "B K={weight.shape[2:].numel()} Do Ho Wo"] | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
) -> Float[Tensor, "B Co Do Ho Wo"]:
    """A convolution whose taps move: each reads where its offset says, between voxels if need be.

    out[b, :, p] = bias + Σₖ mₖ · weight[:, :, k] · input(b, p·stride - padding + k·dilation + Δₖ)

    with Δₖ = offset[b, 3k : 3k + 3, p] and mₖ = mask[b, k, p]. Zero offsets and no mask give
    `F.conv3d`. Outside the volume the input is 0.

    Args:
        input: the volume that is read.
        offset: (z, y, x) of tap 0, then of tap 1 …, in voxels; taps in (kz, ky, kx) order, kx
            fastest.
        weight: as F.conv3d has it.
        bias: added to every output.
        mask: one factor for each tap and output (the modulation of version 2), or None for 1.
        stride, padding, dilation: one number, or three in (z, y, x) order.

    Raises:
        ValueError: shapes or devices that do not fit, or an offset that is NaN or infinite.

    Example:
        >>> input = torch.tensor([1., 2., 3., 4.]).reshape(1, 1, 1, 1, 4)
        >>> half = torch.tensor([0., 0., .5]).reshape(1, 3, 1, 1, 1).expand(1, 3, 1, 1, 4)
        >>> deform_conv3d(input, half, torch.ones(1, 1, 1, 1, 1))
        tensor([[[[[1.5000, 2.5000, 3.5000, 2.0000]]]]])

    Deformable convolution (Dai et al., 2017) and its modulated form (Zhu et al., 2019), in 3D.

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU; on CUDA, gradients
    that meet are added in any order, unless `torch.use_deterministic_algorithms` is on.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over input,
    weight, bias and mask, not over offset, whose values it checks.
    """
    size = check_shapes(input=(input, "B Ci D H W"), weight=(weight, "Co Ci kD kH kW"))
    B, kernel = size["B"], check_triple("weight.shape[2:]", tuple(weight.shape[2:]), 1)
    stride = check_triple("stride", stride, 1)
    padding = check_triple("padding", padding, 0)
    dilation = check_triple("dilation", dilation, 1)
    shape = tuple(input.shape[2:])
    out_shape = check_kernel_fits("input", shape, shape, kernel, stride, padding, dilation)
    if 0 in out_shape:
        raise ValueError(f"input: got {shape}, wanted D, H, W of at least 1")
    K, places = math.prod(kernel), " ".join(map(str, out_shape))
    check_shapes(input=(input, "B Ci D H W"), offset=(offset, f"B {3 * K} {places}"))
    if mask is not None:
        check_shapes(input=(input, "B Ci D H W"), mask=(mask, f"B {K} {places}"))
    if bias is not None:
        check_shapes(weight=(weight, "Co Ci kD kH kW"), bias=(bias, "Co"))
    check_finite("offset", offset)

    starts = [
        torch.arange(n, device=offset.device, dtype=offset.dtype) * s - p
        for n, s, p in zip(out_shape, stride, padding, strict=True)
    ]
    corner = torch.meshgrid(*starts, indexing="ij")  # where the first tap reads: three of [*out]
    dtype = torch.promote_types(input.dtype, offset.dtype)
    input, out = input.to(dtype), 0
    table = _rows(input.detach())  # once for all taps
    weights = weight.flatten(2).permute(2, 1, 0).contiguous()  # [K, Ci, Co]
    for k, tap in enumerate(product(*map(range, kernel))):
        moved = offset[:, 3 * k : 3 * k + 3].unbind(1)  # three of [B, *out]
        steps = zip(corner, moved, tap, dilation, strict=True)
        axes = [(start + by + t * d).flatten(1) for start, by, t, d in steps]
        row, share = _eight_rows(axes, shape)
        if mask is not None:
            share = share * mask[:, k].reshape(B, -1, 1)
        sampled = _WeightedBag.apply(input, row, share.to(dtype), table)  # [B, P, Ci]
        out = out + sampled @ weights[k]  # [B, P, Co]
    out = out.mT.unflatten(2, out_shape)
    return out if bias is None else out + bias.reshape(-1, 1, 1, 1)


def _rows(volume: Tensor) -> Tensor:
    """The voxels as rows of a table, with zeros around: [B (D + 3) (H + 3) (W + 3), C].

    One voxel of zeros before and two after: a position may reach D, and the corner above is D + 1.
    """
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
        else:  # the border goes on as it is
            at = at.clamp(min=0).where(at < n - 1, n - 1)
        low = at.detach().floor()
        shares.append(torch.stack([1 - (at - low), at - low]))  # [2, B, S]
        cell = cell * (n + 3) + (low.to(whole) + 1)
    z, y, x = shares
    weight = (z[:, None, None] * (y[:, None] * x)).reshape(8, B, S)
    upper = [(z * H + y) * W + x for z, y, x in product((0, 1), repeat=3)]
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
        bag, weights = row.flatten(0, 1), weight.flatten(0, 1)
        out = F.embedding_bag(bag, table, per_sample_weights=weights, mode="sum")
        return out.reshape(*row.shape[:2], table.shape[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:3])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        volume, row, weight = ctx.saved_tensors
        table, to_weight = _rows(volume), []
        to_table = grad.new_zeros(table.mT.shape)  # channels first, as the volume is
        parts = [x.flatten(0, 1).split(PART) for x in (row, weight, grad)]
        for r, w, g in zip(*parts, strict=True):
            if ctx.needs_input_grad[0]:
                sent = (g.T[:, :, None] * w).flatten(1)  # [C, 8 M]
                to_table.scatter_add_(1, r.long().flatten().expand_as(sent), sent)
            if ctx.needs_input_grad[2]:
                read = table.index_select(0, r.flatten()).unflatten(0, r.shape)  # [M, 8, C]
                to_weight.append((read @ g[:, :, None]).squeeze(2))  # [M, 8]
        B, C, D, H, W = volume.shape
        to_volume = to_table.reshape(C, B, D + 3, H + 3, W + 3)[:, :, 1:-2, 1:-2, 1:-2]
        to_weight = torch.cat(to_weight).reshape_as(weight) if to_weight else None
        return to_volume.transpose(0, 1), None, to_weight, None
