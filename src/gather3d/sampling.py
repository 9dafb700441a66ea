"""Gather at positions that are not whole numbers: eight corners and their weights.

Coordinates are (z, y, x) in voxels, and whole numbers name voxel centres, so 0 and D - 1 are the
centres of the first and last slice (`align_corners=True` in `F.grid_sample`'s words).
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .indexing import gather_points
from .refusals import check_finite, check_kernel_fits, check_one_of, check_shapes, check_triple


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
    """
    size = check_shapes(volume=(volume, "B C D H W"), coords=(coords, "B *S 3"))
    check_one_of("padding", padding, ("zeros", "border"))
    check_finite("coords", coords)
    B, C, S = size["B"], size["C"], size["S"]
    D, H, W = size["D"], size["H"], size["W"]
    if min(D, H, W) == 0:
        raise ValueError(f"volume: got shape {list(volume.shape)}, wanted D, H, W of at least 1")

    margin = 1 if padding == "zeros" else 0  # a whole voxel outside, every corner that counts is 0
    far = coords.new_tensor([D, H, W]) - 1 + margin
    coords = coords.reshape(B, math.prod(S), 3).clamp(torch.full_like(far, -margin), far)
    low = coords.detach().floor()
    above = coords - low  # [B, S, 3], weight of the upper corner along each axis
    voxels, out = volume.flatten(2), 0  # [B, C, DHW]
    for corner in product((0, 1), repeat=3):
        upper = torch.tensor(corner, device=coords.device)
        weight = torch.where(upper == 1, above, 1 - above).prod(2)  # [B, S]
        z, y, x = place = (low + upper).minimum(far).long().unbind(2)  # the border goes on as it is
        inside = [(at >= 0) & (at < n) for at, n in zip(place, (D, H, W), strict=True)]
        flat = ((z * H + y) * W + x).where(inside[0] & inside[1] & inside[2], -1)
        out = out + gather_points(voxels, flat) * weight[:, None]
    return out.reshape(B, C, *S)


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

    def axis(n: int, factor: int, start: int) -> Tensor:
        return torch.arange(n, device=offset.device, dtype=offset.dtype) * factor - start

    rest = zip(out_shape, stride, padding, strict=True)
    outputs = torch.cartesian_prod(*(axis(n, s, p) for n, s, p in rest)).reshape(*out_shape, 3)
    taps = torch.cartesian_prod(
        *(axis(k, d, 0) for k, d in zip(kernel, dilation, strict=True))
    ).reshape(K, 1, 1, 1, 3)
    moved = offset.reshape(B, K, 3, *out_shape).permute(0, 1, 3, 4, 5, 2)
    sampled = trilinear_sample(input, outputs + taps + moved)  # [B, Ci, K, Do, Ho, Wo]
    if mask is not None:
        sampled = sampled * mask[:, None]
    out = torch.einsum("bikdhw,oik->bodhw", sampled, weight.flatten(2))
    return out if bias is None else out + bias.reshape(-1, 1, 1, 1)
