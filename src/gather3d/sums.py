"""Sums of the values that meet in a slot, rounded once, and the reading that is their adjoint.

A sum of n float32 numbers that is kept in float32 loses up to n - 1 last digits: a mean of
coordinates leaves its voxel, and ones are counted to 16,777,216 and no further. Here a sum is kept
in float64 (complex128; int64 for whole numbers) and rounded at its end. A device without float64
(MPS) keeps it in float32.

`add_up` and `pick` are each other's gradient, so what meets in a gradient is summed alike.
"""

import math

import torch
from torch import Tensor
from torch.autograd import Function

LARGE = 1 << 18  # elements of a cloud from which on it is worth a look at which slots are crowded
BLOCK = 1 << 16  # elements that a thread widens at a time: torch shares out no less than half
CACHE = 1 << 21  # bytes that a core finds again at once
BLOCK_ON_A_GPU = 1 << 26  # and many enough to keep it busy

# what torch's index kernels do not take, and a dtype that holds the same numbers and is taken
CARRIERS = {
    torch.bool: torch.uint8,
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,  # wraps there and back
    torch.complex32: torch.complex64,
}


def carrier(dtype: torch.dtype) -> torch.dtype:
    """A dtype that holds the same numbers, and that torch's index kernels take."""
    narrow = dtype.is_floating_point and dtype.itemsize == 1
    return torch.float32 if narrow else CARRIERS.get(dtype, dtype)


def summed(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a sum, as of torch.sum: int64 for whole numbers and bools."""
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.int64


def wide(tensor: Tensor) -> torch.dtype:
    """The dtype in which a sum is kept until its end."""
    double = tensor.device.type != "mps"
    if tensor.is_complex():
        return torch.complex128 if double else torch.complex64
    if tensor.is_floating_point():
        return torch.float64 if double else torch.float32
    return torch.int64


def pick(features: Tensor, index: Tensor, fill: complex, least: int) -> Tensor:
    """[B, C, S] from features [B, C, N] and index [B, S], `fill` where it is -1; least ≤ index."""
    if torch.compiler.is_compiling():  # autograd adds up in the dtype that is read from
        read = features.to(wide(features)) if features.is_floating_point() else features
        return _pick(read, index, fill, least).to(features.dtype)
    return _Pick.apply(features, index, fill, least)


def add_up(values: Tensor, index: Tensor, size: int, least: int, mean: bool = False) -> Tensor:
    """[B, C, size], the sums or means of values [B, C, S] by index [B, S]; -1 is skipped."""
    count = count_up(index, size, least) if mean else None
    if torch.compiler.is_compiling() or values.is_meta:  # no value can be looked at
        slot, room = _spare(index, size, least)
        start = values.new_zeros(*values.shape[:2], room, dtype=wide(values))
        slot = slot[:, None].expand_as(values)
        sums = start.scatter_add(2, slot, values.to(start.dtype))[..., :size]
        sums = sums if count is None else sums / count.clamp(min=1)[:, None]
        return sums.to(summed(values.dtype)).contiguous()
    return _Sum.apply(values, index, count, size, least)


def count_up(index: Tensor, size: int, least: int) -> Tensor:
    """[B, size]: how often each slot is named in index [B, S]; int32 where that holds it."""
    slot, room = _spare(index, size, least)
    held = not torch.compiler.is_compiling() and index.shape[1] < 1 << 31
    one = slot.new_ones(1, dtype=torch.int32 if held else torch.int64)
    return one.new_zeros(len(slot), room).scatter_add_(1, slot, one.expand_as(slot))[:, :size]


def extreme(values: Tensor, index: Tensor, size: int, least: int, reduce: str) -> Tensor:
    """[B, C, size], the "amax" or "amin" of what meets in a slot; 0 where nothing does."""
    if torch.compiler.is_compiling() or values.is_meta:
        return _extreme(values, index, size, least, reduce)
    return _Extreme.apply(values, index, size, least, reduce)


class _OfChannels(Function):
    """What treats all channels alike: a dimension that is mapped over is more of them."""

    @classmethod
    def vmap(cls, info, in_dims: tuple, values: Tensor, *others) -> tuple[Tensor, int]:
        several = values.movedim(in_dims[0], 1)  # [B, V, C, S]
        out = cls.apply(several.flatten(1, 2), *others)
        return out.unflatten(1, several.shape[1:3]), 1


class _Pick(_OfChannels):
    @staticmethod
    def forward(features: Tensor, index: Tensor, fill: complex, least: int) -> Tensor:
        return _pick(features, index, fill, least)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        features, index, _, ctx.least = inputs
        ctx.size = features.shape[2]
        ctx.save_for_backward(index)
        ctx.save_for_forward(index)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        (index,) = ctx.saved_tensors
        return _Sum.apply(grad, index, None, ctx.size, ctx.least), None, None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_) -> Tensor:
        (index,) = ctx.saved_tensors
        return _Pick.apply(tangent, index, 0, ctx.least)


class _Sum(_OfChannels):
    @staticmethod
    def forward(values: Tensor, index: Tensor, count: Tensor | None, size: int, least: int):
        return _add_up(values, index, count, size, least)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        _, index, count, ctx.size, ctx.least = inputs
        ctx.save_for_backward(index, count)
        ctx.save_for_forward(index, count)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        index, count = ctx.saved_tensors
        if count is not None:
            grad = _divided(grad, count.clamp(min=1)[:, None])
        return _Pick.apply(grad, index, 0, ctx.least), None, None, None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_) -> Tensor:
        index, count = ctx.saved_tensors
        return _Sum.apply(tangent, index, count, ctx.size, ctx.least)


class _Extreme(_OfChannels):
    """Its gradient is torch.amax's: shared by the values that tie, and not by what a slot held
    before them."""

    @staticmethod
    def forward(values: Tensor, index: Tensor, size: int, least: int, reduce: str) -> Tensor:
        return _extreme(values, index, size, least, reduce)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        values, index, ctx.size, ctx.least, _ = inputs
        ctx.save_for_backward(values, index, output)
        ctx.save_for_forward(values, index, output)

    @staticmethod
    def ties(ctx) -> tuple[Tensor, Tensor, Tensor]:
        values, index, out = ctx.saved_tensors
        won = values == _pick(out, index, math.nan, ctx.least)
        counted = won.to(torch.promote_types(values.dtype, torch.float32))
        times = _add_up(counted, index, None, ctx.size, ctx.least).clamp_(min=1)
        return index, won, times.masked_fill_(out.isnan(), math.nan)  # as torch.amax's is

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        index, won, times = _Extreme.ties(ctx)
        share = _Pick.apply(_divided(grad, times), index, 0, ctx.least)
        return share * won, None, None, None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_) -> Tensor:
        index, won, times = _Extreme.ties(ctx)
        sums = _Sum.apply(tangent * won, index, None, ctx.size, ctx.least)
        return _divided(sums, times)


def _divided(tensor: Tensor, count: Tensor) -> Tensor:
    """In float32 at the least: a float16 holds no count above 65,504."""
    dtype = torch.promote_types(tensor.dtype, torch.float32)
    return (tensor.to(dtype) / count.to(dtype)).to(tensor.dtype)


def _spare(index: Tensor, size: int, least: int) -> tuple[Tensor, int]:
    """The slots, and how many: what is missing goes to one more, cut off at the end."""
    index = index.long()
    return (index, size) if least >= 0 else (index.where(index >= 0, size), size + 1)


def _pick(features: Tensor, index: Tensor, fill: complex, least: int) -> Tensor:
    (B, C, N), S = features.shape, index.shape[1]
    if N == 0:  # every index is -1, and there is no point 0 for them to read meanwhile
        return features.new_full((B, C, S), fill)
    index = index.long()[:, None]
    read = index if least >= 0 else index.clamp(min=0)  # -1 reads point 0 ...
    picked = features.to(carrier(features.dtype)).gather(2, read.expand(B, C, S))
    if least < 0:  # ... and is overwritten
        fill = features.new_full((), fill).to(picked.dtype)
        picked = picked.masked_fill(index < 0, fill)
    return picked.to(features.dtype)


def _extreme(values: Tensor, index: Tensor, size: int, least: int, reduce: str) -> Tensor:
    sent = values.to(carrier(values.dtype))
    slot, room = _spare(index, size, least)
    slot = slot[:, None]
    if torch.compiler.is_compiling() and values.is_floating_point():
        # there autograd would give the start a share where all that meets is as low; NaN has none
        start, itself = math.nan, False
    elif values.is_floating_point():
        start, itself = (-math.inf if reduce == "amax" else math.inf), True
    else:
        ends = torch.iinfo(sent.dtype)
        start, itself = (ends.min if reduce == "amax" else ends.max), True
    out = sent.new_full((*sent.shape[:2], room), start)
    out = out.scatter_reduce_(2, slot.expand_as(sent), sent, reduce, include_self=itself)
    reached = slot.new_zeros(len(slot), 1, room, dtype=torch.bool).scatter_(2, slot, True)
    out = out[..., :size].masked_fill(~reached[..., :size], 0)
    return out.to(values.dtype).contiguous()


def _add_up(values: Tensor, index: Tensor, count: Tensor | None, size: int, least: int) -> Tensor:
    """Into one result, cloud by cloud where they are large."""
    if (dtype := carrier(values.dtype)) != values.dtype:
        return _add_up(values.to(dtype), index, count, size, least).to(summed(values.dtype))
    B, C, S = values.shape
    out = values.new_empty(B, C, size, dtype=summed(values.dtype))
    if out.numel() == 0:
        return out
    large = C * max(S, size) >= LARGE
    for b in range(0, B, 1 if large else B):
        part = slice(b, b + 1 if large else B)
        n = None if count is None else count[part].clamp(min=1)
        if not (large and _sum_crowded(values[part], index[part], n, out[part], least)):
            _sum_all(values[part], index[part], n, out[part], least)
    return out


def _sum_all(
    values: Tensor,
    index: Tensor,
    count: Tensor | None,
    out: Tensor,
    least: int,
    dtype: torch.dtype | None = None,
) -> None:
    """Every slot in this dtype, or in the wide one, a few channels at a time.

    On a CPU two channels are the real and the imaginary part of one, as long as the slots stay in
    its cache: an addition costs less than to find its slot.
    """
    (B, C, S), size = values.shape, out.shape[2]
    dtype = dtype or wide(values)
    slot, room = _spare(index, size, least)
    on_cpu = values.device.type == "cpu"
    threads, block = (torch.get_num_threads(), BLOCK) if on_cpu else (1, BLOCK_ON_A_GPU)
    paired = on_cpu and C > 1 and values.dtype in (torch.float32, torch.float64)
    paired = paired and 2 * room * dtype.itemsize <= CACHE
    if values.dtype == dtype and room == size and not paired:  # nothing to widen, to pair, to drop
        out.zero_().scatter_add_(2, slot[:, None].expand_as(values), values)
        if count is not None:
            out.div_(count[:, None])
        return
    lanes, kept = (2, dtype.to_complex()) if paired else (1, dtype)
    rows = max(threads * block // (B * max(S, size, 1)), threads // B, 1)
    rows = min(rows - rows % threads or rows, -(-C // lanes))
    piece = max(min(S, max(threads * block // (B * rows), block)), 1)
    sums = values.new_empty(B, rows, room, dtype=kept)
    widened = None if values.dtype == dtype else values.new_empty(B, rows, piece, dtype=kept)
    times = None if count is None else count[:, None].to(dtype)
    for c in range(0, C, lanes * rows):
        into = out[:, c : c + lanes * rows]
        row = -(-into.shape[1] // lanes)
        first, last = slice(row), slice(-row, None)  # of an odd number, the middle one is in both
        adding = sums[:, first].zero_()
        for s in range(0, S, piece):
            part = values[:, c : c + lanes * rows, s : s + piece]
            part = torch.complex(part[:, first], part[:, last]) if paired else part
            if widened is not None:
                part = widened[:, first, : part.shape[2]].copy_(part)
            adding.scatter_add_(2, slot[:, None, s : s + piece].expand_as(part), part)
        adding = adding[..., :size]
        parts = torch.view_as_real(adding).unbind(-1) if paired else (adding,)
        for channels, part in zip((first, last)[:lanes], parts, strict=True):
            if times is None:
                into[:, channels] = part
            else:
                torch.div(part, times, out=into[:, channels])


def _sum_crowded(
    values: Tensor, index: Tensor, count: Tensor | None, out: Tensor, least: int
) -> bool:
    """One cloud, with the wide dtype for slots that more than two values reach: in the others the
    first addition is to 0, so the second one's rounding is the only one. False where this is no
    gain; then `out` holds nothing yet.
    """
    (_, C, S), size = values.shape, out.shape[2]
    slot = index.long()
    there = slot >= 0
    if few := size > 4 * S:  # so that nothing but the result is as large as it is
        again = there
    else:
        if values.dtype not in (torch.float32, torch.complex64, wide(values)):
            return False  # float16 would overflow before a mean is divided
        again = torch.zeros_like(there)
        slot = slot if least >= 0 else slot.clamp(min=0)  # what is missing spoils slot 0 ...
        if values.dtype != wide(values):
            times = count_up(slot, size, 0) if count is None else count
            again = (times > 2).gather(1, slot)
        if least < 0:  # ... which is therefore among those that are summed again
            again = again.logical_or_(slot == 0).logical_and_(there)
    if not few and again.count_nonzero() > S // 4:
        return False
    again = again.nonzero()[:, 1]

    if few:
        out.zero_()
    else:
        _sum_all(values, slot, count, out, 0, values.dtype)
        if count is not None and not out.sum().isfinite():
            return False  # perhaps the sum of two numbers whose mean is not too large
        if least < 0:
            out[..., 0] = 0
    slots, label = slot[:, again].unique(return_inverse=True)
    sums = out.new_empty(1, C, len(slots))
    picked = values.gather(2, again.expand(1, C, -1))
    _sum_all(picked, label, None if count is None else count[:, slots], sums, 0)
    out.index_copy_(2, slots, sums)  # scatter_ of float16 visits every slot
    return True
