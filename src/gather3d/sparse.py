"""Sparse convolution: gather the inputs of a tap, multiply once, scatter-add to the outputs.

A sparse volume stores its V active voxels only. The kernel map (the rulebook) lists, for each tap
of the kernel, the pairs (input row, output row) that the tap connects:

    out = Σₖ  S_outₖᵀ · (S_inₖ · X) · Wₖ

Volumes are [B, C, D, H, W]; voxel coordinates are (b, z, y, x).

How many voxels `from_dense`, `+` and `concatenate` find depends on values: `torch.compile` of old
versions takes them with `torch._dynamo.config.capture_dynamic_output_shape_ops` only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from .indexing import ravel_index, unravel_index
from .refusals import (
    check_floating,
    check_kernel_fits,
    check_range,
    check_same_dtype,
    check_shapes,
    check_triple,
    check_type,
    check_whole,
    has_values,
)
from .voxels import neighbour_index

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class SparseVolume:
    """A volume that stores its active voxels only.

    Attributes:
        coords: [V, 4] int64, (b, z, y, x), sorted by flat index, none twice.
        features: [V, C], one row for each active voxel; everywhere else the volume is 0. Floats,
            or labels and masks of any other dtype, which are not for convolutions.
        shape: (D, H, W).
        batch_size: B.

    Raises:
        ValueError: shapes that do not fit, or coords not sorted by flat index with none twice.
        IndexError: a coordinate outside the volume.

    Example:
        >>> x = SparseVolume(torch.tensor([[0, 0, 0, 1]]), torch.tensor([[5.]]), (1, 1, 3), 1)
        >>> x.to_dense()
        tensor([[[[[0., 5., 0.]]]]])

    SparseConvTensor of spconv, SparseTensor of MinkowskiEngine and TorchSparse.
    """

    coords: Int[Tensor, "V 4"]
    features: Shaped[Tensor, "V C"]
    shape: Triple
    batch_size: int

    def __post_init__(self) -> None:
        check_shapes(coords=(self.coords, "V 4"), features=(self.features, "V C"))
        object.__setattr__(self, "shape", check_triple("shape", self.shape, 0))
        check_whole("batch_size", self.batch_size, 0)
        flat = ravel_index(self.coords, (self.batch_size, *self.shape))
        if has_values(flat) and not (flat[1:] > flat[:-1]).all():
            at = int((flat[1:] <= flat[:-1]).nonzero()[0]) + 1
            raise ValueError(
                f"coords: got row {at}, {self.coords[at].tolist()}, at or before the row above it, "
                "wanted rows sorted by flat index and none twice"
            )

    def to_dense(self) -> Shaped[Tensor, "B C D H W"]:
        """The same volume with its zeros: every row goes to its voxel, in all channels.

        Runs in float16, bfloat16, float32 and float64, with int32 or int64 coordinates.
        Deterministic on the CPU and on CUDA. `torch.compile(fullgraph=True)` and `torch.export`
        take it; `torch.func.vmap` maps over features, not over coords, whose values it checks.
        """
        B, C, (D, H, W) = self.batch_size, self.features.shape[1], self.shape
        flat = ravel_index(self.coords, (B, D, H, W))  # [V], and refuses what is outside
        b, voxel = self.coords[:, 0].long(), flat % max(D * H * W, 1)
        dense = self.features.new_zeros(B, C, D * H * W)
        dense.mT[b, voxel] = self.features  # each row once, so a copy is enough
        return dense.unflatten(2, (D, H, W))

    @classmethod
    def from_dense(cls, volume: Shaped[Tensor, "B C D H W"]) -> "SparseVolume":
        """The voxels of a dense volume in which any channel is not 0; differentiable.

        Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU and on CUDA.
        `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map
        over volume, whose zeros decide the shape.
        """
        check_shapes(volume=(volume, "B C D H W"))
        coords = (volume != 0).any(1).nonzero()  # [V, 4], in row-major order, so sorted
        b, z, y, x = coords.unbind(1)
        features = volume[b, :, z, y, x]
        return cls(coords.contiguous(), features, tuple(volume.shape[2:]), volume.shape[0])

    def __add__(self, other: "SparseVolume") -> "SparseVolume":
        """The sum of two volumes: active is what is active in either; what is missing counts as 0.

        out[v] = self[v] + other[v]   over the union of both sets of voxels

        Raises:
            TypeError: other is not a SparseVolume, or has another dtype.
            ValueError: shapes, batch sizes, channels or devices differ.

        Example:
            >>> x = SparseVolume(torch.tensor([[0, 0, 0, 1]]), torch.tensor([[5.]]), (1, 1, 3), 1)
            >>> y = SparseVolume(torch.tensor([[0, 0, 0, 2]]), torch.tensor([[7.]]), (1, 1, 3), 1)
            >>> (x + y).to_dense()
            tensor([[[[[0., 5., 7.]]]]])

        MinkowskiEngine's sum of tensors with different coordinate maps.

        Runs in float16, bfloat16, float32 and float64, with int32 or int64 coordinates.
        Deterministic on the CPU and on CUDA. `torch.compile(fullgraph=True)` and `torch.export`
        take it; `torch.func.vmap` maps over features and other_features, not over coords and
        other_coords, whose values it checks.
        """
        coords, rows = _union(["self", "other"], [self, other])
        check_shapes(
            **{"self.features": (self.features, "V C"), "other.features": (other.features, "U C")}
        )
        none = torch.cat(
            [self.features[:0], other.features[:0]]
        )  # mapped over where one of them is
        out = none.new_zeros(coords.shape[0], self.features.shape[1])
        for row, volume in zip(rows, (self, other), strict=True):
            out.index_add_(0, row, volume.features)  # no row stands twice in one volume
        return SparseVolume(coords, out, self.shape, self.batch_size)


def concatenate(volumes: Sequence[SparseVolume]) -> SparseVolume:
    """The channels of several volumes side by side: a skip connection.

    out[v] = [volumes[0][v], volumes[1][v], …]   over the union of their voxels; missing is 0

    Args:
        volumes: one or more, of one shape, batch size and dtype; channels may differ.

    Raises:
        TypeError: something that is not a SparseVolume, or dtypes that differ.
        ValueError: no volumes; shapes, batch sizes or devices that differ.

    Example:
        >>> x = SparseVolume(torch.tensor([[0, 0, 0, 1]]), torch.tensor([[5.]]), (1, 1, 3), 1)
        >>> y = SparseVolume(torch.tensor([[0, 0, 0, 2]]), torch.tensor([[7.]]), (1, 1, 3), 1)
        >>> both = concatenate([x, y])
        >>> both.coords, both.features
        (tensor([[0, 0, 0, 1],
                [0, 0, 0, 2]]), tensor([[5., 0.],
                [0., 7.]]))

    MinkowskiEngine's `cat`, which wants the same coordinates in all.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 coordinates. Deterministic
    on the CPU and on CUDA. `torch.compile(fullgraph=True)` and `torch.export` take it;
    `torch.func.vmap` maps over features and other_features, not over coords and other_coords, whose
    values it checks.
    """
    if not isinstance(volumes, Sequence):
        got = type(volumes).__name__
        raise TypeError(f"volumes: got {got}, wanted a sequence of SparseVolume")
    if not volumes:
        raise ValueError("volumes: got none, wanted at least one")
    coords, rows = _union([f"volumes[{i}]" for i in range(len(volumes))], volumes)
    blocks = [
        x.features.new_zeros(coords.shape[0], x.features.shape[1]).index_add_(0, row, x.features)
        for row, x in zip(rows, volumes, strict=True)
    ]
    return SparseVolume(coords, torch.cat(blocks, dim=1), volumes[0].shape, volumes[0].batch_size)


def _union(
    names: Sequence[str], volumes: Sequence[SparseVolume]
) -> tuple[Tensor, Sequence[Tensor]]:
    """The voxels that are active in any of the volumes, and each volume's rows among them."""
    for name, x in zip(names, volumes, strict=True):
        check_type(name, x, SparseVolume)
    first = volumes[0]
    for name, x in zip(names, volumes, strict=True):
        for what in ("shape", "batch_size"):
            got, wanted = getattr(x, what), getattr(first, what)
            if got != wanted:
                raise ValueError(
                    f"{name}.{what}: got {got}, wanted {wanted}, as {names[0]}.{what} is"
                )
    features = {f"{name}.features": x.features for name, x in zip(names, volumes, strict=True)}
    check_shapes(**{name: (each, f"V{i} C{i}") for i, (name, each) in enumerate(features.items())})
    check_same_dtype(**features)
    grid = (first.batch_size, *first.shape)
    keys = [ravel_index(x.coords, grid) for x in volumes]
    active, rows = torch.cat(keys).unique(return_inverse=True)
    return unravel_index(active, grid), rows.split([len(key) for key in keys])


@dataclass(frozen=True)
class KernelMap:
    """The rulebook of one convolution: for each tap, which input row meets which output row.

    Attributes:
        pairs: for each tap in (kz, ky, kx) order, kx fastest: (in_index [P], out_index [P]).
            Within one tap no row stands twice on either side. The middle tap of a submanifold
            map pairs every row with itself: one tensor, twice.
        coords_in, shape_in: the active voxels that are read, and their grid.
        coords_out, shape_out: the active voxels that are written, and their grid.
    """

    pairs: tuple[tuple[Int[Tensor, "_P"], Int[Tensor, "_P"]], ...]
    coords_in: Int[Tensor, "V 4"]
    shape_in: Triple
    coords_out: Int[Tensor, "U 4"]
    shape_out: Triple

    def transpose(self) -> "KernelMap":
        """The map of the transposed convolution: every pair the other way round."""
        swapped = tuple((out_index, in_index) for in_index, out_index in self.pairs)
        return KernelMap(swapped, self.coords_out, self.shape_out, self.coords_in, self.shape_in)


def kernel_map(
    coords: Int[Tensor, "V 4"],
    shape: Sequence[int],
    kernel_size: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | None = None,
    dilation: int | Sequence[int] = 1,
    submanifold: bool = False,
) -> KernelMap:
    """Find the pairs (input row, output row) of every tap.

    (i, o) is a pair of tap k  ⇔  coords_in[i] = coords_out[o] · stride - padding + k · dilation

    An ordinary convolution is active wherever a tap reads an active voxel; a submanifold one is
    active where its input is, and nowhere else.

    Args:
        coords: the active input voxels, (b, z, y, x), none twice.
        shape: (D, H, W) of the input.
        kernel_size, stride, padding, dilation: one number, or three in (z, y, x) order.
            padding None is kernel_size // 2; submanifold convolutions are centred instead,
            with dilation · (kernel_size // 2), which is the same for dilation 1.
        submanifold: keep the active set; wants an odd kernel_size and stride 1.

    Raises:
        ValueError: sizes that are not positive, a submanifold map with a stride, an even kernel or
            a padding of its own, or coordinates that stand twice.
        IndexError: a coordinate outside the shape.

    Example:
        >>> rulebook = kernel_map(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]]), (1, 1, 2), (1, 1, 3),
        ...                       submanifold=True)
        >>> [(i.tolist(), o.tolist()) for i, o in rulebook.pairs]
        [([0], [1]), ([0, 1], [0, 1]), ([1], [0])]

    Submanifold sparse convolution (Graham et al., 2018); MinkowskiEngine's kernel map.

    Runs with int32 or int64 coordinates. Deterministic on the CPU and on CUDA. Not for
    `torch.compile(fullgraph=True)` or `torch.export`: how many rows it gives depends on values;
    `torch.func.vmap` does not map over coords, whose values it checks.
    """
    check_shapes(coords=(coords, "V 4"))
    check_range("coords", coords, 0)
    shape = check_triple("shape", shape, 0)
    kernel = check_triple("kernel_size", kernel_size, 1)
    stride = check_triple("stride", stride, 1)
    dilation = check_triple("dilation", dilation, 1)
    coords = coords.contiguous()  # it is handed on
    B = int(coords[:, 0].max()) + 1 if len(coords) else 1
    keys = ravel_index(coords, (B, *shape))  # refuses what is not in the grid
    if submanifold:
        _check_centred(kernel, stride, padding, dilation)
        return KernelMap(_submanifold_pairs(coords, kernel, dilation), coords, shape, coords, shape)

    padding = tuple(k // 2 for k in kernel) if padding is None else padding
    padding = check_triple("padding", padding, 0)
    shape_out = check_kernel_fits("kernel_size", kernel, shape, kernel, stride, padding, dilation)
    if not (keys[1:] > keys[:-1]).all() and len(keys.unique()) < len(keys):
        raise ValueError("coords: got a voxel twice, wanted each voxel once")

    # for every tap the flat output that reads each input, and whether there is one, axis by axis
    flat = coords[:, 0].long()
    there = torch.ones_like(flat, dtype=torch.bool)
    for axis in range(3):
        tap = torch.arange(kernel[axis], device=coords.device)[:, None]
        number = coords[:, axis + 1].long() + padding[axis] - tap * dilation[axis]  # [k, V]
        place = number.div(stride[axis], rounding_mode="floor")
        exact = place * stride[axis] == number
        there = there[..., None, :] & exact & (place >= 0) & (place < shape_out[axis])
        flat = flat[..., None, :] * shape_out[axis] + place  # [kD, V], [kD, kH, V], [kD, kH, kW, V]
    lengths = there.flatten(0, 2).sum(1).tolist()
    i = there.nonzero()[:, 3].contiguous()
    active, o = flat[there].unique(return_inverse=True)
    pairs = tuple(zip(i.split(lengths), o.split(lengths), strict=True))
    coords_out = unravel_index(active, (B, *shape_out))
    return KernelMap(pairs, coords, shape, coords_out, shape_out)


def apply_kernel_map(
    features: Float[Tensor, "V Ci"],
    weight: Float[Tensor, "Co Ci kD kH kW"],
    rulebook: KernelMap,
    bias: Float[Tensor, "Co"] | None = None,
) -> Float[Tensor, "U Co"]:
    """Gather, multiply, scatter-add: a convolution whose map is known.

    out[o] = bias + Σₖ Σ_{(i, o) in pairs[k]}  features[i] · weight[:, :, k]ᵀ

    Half types are multiplied and added up in float32, and rounded once at the end. Under autocast
    the products are in half, and their sums are not.

    Args:
        features: one row for each voxel of rulebook.coords_in.
        weight: as F.conv3d has it, out channels first.
        rulebook: from `kernel_map`, or its `.transpose()`.
        bias: added to every output.

    Raises:
        ValueError: rows, channels or taps do not fit.
        TypeError: features are not floating point, or weight and bias have another dtype.

    Example:
        >>> rulebook = kernel_map(torch.tensor([[0, 0, 0, 0]]), (1, 1, 1), submanifold=True)
        >>> apply_kernel_map(torch.tensor([[2.]]), torch.ones(1, 1, 3, 3, 3), rulebook)
        tensor([[2.]])

    The gather-GEMM-scatter of spconv and TorchSparse (Tang et al., 2022).

    Runs in float16, bfloat16, float32 and float64. Deterministic on the CPU and on CUDA.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` maps over
    features, weight and bias.
    """
    check_type("rulebook", rulebook, KernelMap)
    check_shapes(
        **{"rulebook.coords_in": (rulebook.coords_in, "V 4")},
        features=(features, "V Ci"),
        weight=(weight, "Co Ci kD kH kW"),
    )
    check_floating("features", features)
    check_same_dtype(multiplied=True, features=features, weight=weight)
    if bias is not None:
        check_shapes(weight=(weight, "Co Ci kD kH kW"), bias=(bias, "Co"))
        check_same_dtype(multiplied=True, features=features, bias=bias)
    if (K := math.prod(weight.shape[2:])) != len(rulebook.pairs):
        raise ValueError(f"weight: got {K} taps, wanted {len(rulebook.pairs)}")
    dtype = (features[:0] @ weight[:, :, 0, 0, 0].mT).dtype  # which autocast may choose
    wide = torch.promote_types(features.dtype, torch.float32)
    features, weight = features.to(wide), weight.to(wide)
    taps = weight.flatten(2).permute(2, 0, 1).contiguous().mT  # [K, Ci, Co], copied cheaply
    middle = len(taps) // 2
    i, o = rulebook.pairs[middle]
    if whole := i is o and len(i) == len(features):  # every row with itself: nothing to gather
        out = (features @ taps[middle]).to(wide)
    else:
        nothing = features[:0] @ taps[middle]  # vmap maps over zeros that are made of both
        out = nothing.new_zeros(len(rulebook.coords_out), weight.shape[0], dtype=wide)
    for k, (i, o) in enumerate(rulebook.pairs):
        if not (whole and k == middle):  # in one tap no output row stands twice
            out.index_add_(0, o, (features.index_select(0, i) @ taps[k]).to(wide))
    return (out if bias is None else out + bias).to(dtype)


def sparse_conv3d(
    x: SparseVolume,
    weight: Float[Tensor, "Co Ci kD kH kW"],
    bias: Float[Tensor, "Co"] | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | None = None,
    dilation: int | Sequence[int] = 1,
    submanifold: bool = False,
) -> SparseVolume:
    """Convolve a sparse volume, touching active voxels only.

    out[o] = bias + Σₖ weight[:, :, k] · x[o · stride - padding + k · dilation]   at active o

    At every active output this equals `F.conv3d` of the dense volume; elsewhere it is 0, without
    the bias. Active are the outputs that read an active input, or, for submanifold, the inputs.
    Half types are added up in float32 (see `apply_kernel_map`).

    Args:
        x: the volume.
        weight: as F.conv3d has it.
        bias: added at active outputs.
        stride, padding, dilation, submanifold: as in `kernel_map`.

    Raises:
        ValueError: channels or sizes that do not fit; see `kernel_map`.
        TypeError: features are not floating point, or weight and bias have another dtype.

    Example:
        >>> x = SparseVolume(torch.tensor([[0, 0, 0, 1]]), torch.tensor([[5.]]), (1, 1, 4), 1)
        >>> sparse_conv3d(x, torch.ones(1, 1, 1, 1, 3)).to_dense()
        tensor([[[[[5., 5., 5., 0.]]]]])

    SECOND (Yan et al., 2018); MinkowskiEngine (Choy et al., 2019); Graham et al. (2018).

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 coordinates. Deterministic
    on the CPU and on CUDA. Not for `torch.compile(fullgraph=True)` or `torch.export`: how many rows
    it gives depends on values; `torch.func.vmap` maps over features, weight and bias, not over
    coords, whose values it checks.
    """
    check_type("x", x, SparseVolume)
    check_shapes(**{"x.features": (x.features, "V Ci"), "weight": (weight, "Co Ci kD kH kW")})
    check_floating("x.features", x.features)
    check_same_dtype(multiplied=True, **{"x.features": x.features}, weight=weight)
    if bias is not None:
        check_shapes(weight=(weight, "Co Ci kD kH kW"), bias=(bias, "Co"))
        check_same_dtype(multiplied=True, **{"x.features": x.features}, bias=bias)
    rulebook = kernel_map(
        x.coords, x.shape, weight.shape[2:], stride, padding, dilation, submanifold
    )
    features = apply_kernel_map(x.features, weight, rulebook, bias)
    return SparseVolume(rulebook.coords_out, features, rulebook.shape_out, x.batch_size)


def _submanifold_pairs(coords: Tensor, kernel: Triple, dilation: Triple) -> tuple:
    """The pairs of every tap, from the taps after the middle: the others are their mirror image."""
    table = neighbour_index(coords, kernel, dilation).T  # [K, V]
    after = table[len(table) // 2 + 1 :]
    there = after >= 0
    lengths = there.sum(1).tolist()
    tap, o = (index.contiguous() for index in there.nonzero().unbind(1))
    read = list(zip(after[tap, o].split(lengths), o.split(lengths), strict=True))
    own = torch.arange(len(coords), device=coords.device)
    return (*((o, i) for i, o in reversed(read)), (own, own), *read)


def _check_centred(
    kernel: Triple, stride: Triple, padding: int | Sequence[int] | None, dilation: Triple
) -> None:
    """Refuse what does not put a submanifold kernel's middle tap on its output."""
    centred = tuple(d * (k // 2) for k, d in zip(kernel, dilation, strict=True))
    if any(k % 2 == 0 for k in kernel):
        raise ValueError(f"kernel_size: got {kernel}, wanted odd sizes for submanifold")
    if stride != (1, 1, 1):
        raise ValueError(f"stride: got {stride}, wanted 1 for submanifold")
    if padding is not None and check_triple("padding", padding, 0) != centred:
        raise ValueError(f"padding: got {padding}, wanted None or {centred} for submanifold")
