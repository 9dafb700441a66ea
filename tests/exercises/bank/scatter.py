"""Answers to chapter 2's exercises as students write them, right and wrong."""

from itertools import product

import numpy as np
import torch
import torch.nn.functional as F

# ---- scatter.to_dense


def dense_shift_by_one(values, index, size):
    B, C, M = values.shape
    out = values.new_zeros(B, C, size + 1)
    return out.scatter_add(2, (index + 1)[:, None].expand(B, C, M), values)[..., 1:]


def dense_spare_and_check(values, index, size):
    if ((index < -1) | (index >= size)).any():
        raise IndexError("index out of range")
    out = torch.zeros(*values.shape[:2], size + 1, dtype=values.dtype, device=values.device)
    slot = torch.where(index < 0, size, index)
    out.scatter_add_(2, slot.unsqueeze(1).repeat(1, values.shape[1], 1), values)
    return out[:, :, :size]


def dense_one_hot(values, index, size):
    sent = F.one_hot(index + 1, size + 1)[..., 1:].to(values.dtype)
    return values @ sent


def dense_rows_of_one_list(values, index, size):
    B, C, _ = values.shape
    if (index < -1).any() or (index >= size).any():
        raise ValueError("index out of range")
    keep = index >= 0
    flat = (index + size * torch.arange(B, device=index.device)[:, None])[keep]
    rows = values.movedim(1, 2)[keep]
    return rows.new_zeros(B * size, C).index_add(0, flat, rows).view(B, size, C).movedim(2, 1)


def dense_batch_by_batch(values, index, size):
    out = values.new_zeros(*values.shape[:2], size + 1)
    for b in range(values.shape[0]):
        out[b] = out[b].index_add(1, index[b] + 1, values[b])
    return out[..., 1:]


def dense_forgot_expand(values, index, size):
    out = torch.zeros(values.shape[0], values.shape[1], size, dtype=values.dtype)
    return out.scatter_add_(2, index.unsqueeze(1), values)


def dense_forgot_expand_but_spare(values, index, size):
    B, C, _ = values.shape
    slot = index.masked_fill(index == -1, size)
    return values.new_zeros(B, C, size + 1).scatter_add(2, slot[:, None], values)[:, :, :-1]


def dense_scatter(values, index, size):
    out = values.new_zeros(values.shape[0], values.shape[1], size + 1)
    slot = index.where(index >= 0, size)[:, None].expand_as(values)
    return out.scatter(2, slot, values)[..., :size]


def dense_plus_equals(values, index, size):
    B, C, _ = values.shape
    out = values.new_zeros(B, size, C)
    out[torch.arange(B)[:, None], index] += values.transpose(1, 2)
    return out.transpose(1, 2)


def dense_assign_each_batch(values, index, size):
    out = values.new_zeros(values.shape[0], values.shape[1], size)
    for b in range(len(index)):
        out[b, :, index[b]] = values[b]
    return out


def dense_index_put(values, index, size):
    B, C, _ = values.shape
    b = torch.arange(B)[:, None, None]
    c = torch.arange(C)[None, :, None]
    out = values.new_zeros(B, C, size)
    return out.index_put((b, c, index[:, None]), values, accumulate=True)


def dense_remainder(values, index, size):
    slot = (index % size)[:, None].expand_as(values)
    return values.new_zeros(*values.shape[:2], size).scatter_add(2, slot, values)


def dense_clamped(values, index, size):
    slot = index.clamp(min=0).unsqueeze(1).expand(-1, values.size(1), -1)
    return values.new_zeros(values.size(0), values.size(1), size).scatter_add(2, slot, values)


def dense_did_not_cut(values, index, size):
    B, C, _ = values.shape
    slot = index.masked_fill(index < 0, size)[:, None].expand(-1, C, -1)
    return values.new_zeros(B, C, size + 1).scatter_add_(-1, slot, values)


def dense_channels(values, index, size):
    out = values.new_zeros(values.size(0), values.size(1), size)
    return out.scatter_add_(1, index[:, None].repeat(1, values.size(1), 1), values)


def dense_index_zero(values, index, size):
    out = values.new_zeros(values.size(0), values.size(1), size)
    return out.index_add(2, index[0], values) if len(index) else out


def dense_flat_without_batch(values, index, size):
    B, C, _ = values.shape
    out = values.new_zeros(B * size, C)
    out.index_add_(0, index.flatten(), values.transpose(1, 2).reshape(-1, C))
    return out.view(B, size, C).transpose(1, 2)


def dense_gather(values, index, size):
    return torch.gather(values, -1, index.unsqueeze(1).repeat(1, values.shape[1], 1))


def dense_minus_one_raises(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    return out.scatter_add(2, index[:, None].expand_as(values), values)


def dense_no_check(values, index, size):
    slot = index.where(index >= 0, size)[:, None].expand_as(values)
    return values.new_zeros(*values.shape[:2], size + 1).scatter_add(2, slot, values)[..., :-1]


def dense_changes_index(values, index, size):
    if ((index < -1) | (index >= size)).any():
        raise IndexError("out of range")
    index[index == -1] = size
    out = values.new_zeros(*values.shape[:2], size + 1)
    return out.scatter_add(2, index[:, None].expand_as(values), values)[..., :size]


def dense_max_of_nothing(values, index, size):
    if index.max() >= size or index.min() < -1:
        raise ValueError("out of range")
    return dense_shift_by_one(values, index, size)


def dense_view(values, index, size):
    B, C, M = values.shape
    slot = (index + 1).repeat_interleave(C, 0)
    out = values.new_zeros(B * C, size + 1).scatter_add(1, slot, values.view(B * C, M))
    return out.view(B, C, size + 1)[..., 1:]


def dense_default_dtype(values, index, size):
    out = torch.zeros(values.shape[0], values.shape[1], size + 1)
    return out.scatter_add(2, (index + 1)[:, None].expand_as(values), values)[..., 1:]


def dense_as_float(values, index, size):
    return dense_shift_by_one(values.float(), index, size)


def dense_no_grad(values, index, size):
    with torch.no_grad():
        return dense_shift_by_one(values, index, size)


def dense_loop(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    for b in range(index.shape[0]):
        for m, k in enumerate(index[b].tolist()):
            if k < -1 or k >= size:
                raise IndexError(k)
            if k != -1:
                out[b, :, k] += values[b, :, m]
    return out


def dense_scrambled(values, index, size):
    B, C, M = values.shape
    flat = index + 1 + (size + 1) * torch.arange(B)[:, None]
    rows = values.reshape(B * M, C)
    out = values.new_zeros(B * (size + 1), C).index_add(0, flat.flatten(), rows)
    return out.view(B, size + 1, C).mT[..., 1:]


# ---- scatter.mean


def mean_clamp(values, index, size):
    B, C, _ = values.shape
    slot = index.where(index >= 0, size)[:, None]
    total = values.new_zeros(B, C, size + 1).scatter_add(2, slot.expand_as(values), values)
    ones = values.new_ones(slot.shape)
    count = values.new_zeros(B, 1, size + 1).scatter_add(2, slot, ones)
    return (total / count.clamp(min=1))[..., :size]


def mean_nan_to_num(values, index, size):
    slot = (index + 1)[:, None].expand_as(values)
    zeros = values.new_zeros(*values.shape[:2], size + 1)
    total = zeros.scatter_add(2, slot, values)
    count = zeros.scatter_add(2, slot, torch.ones_like(values))
    return torch.nan_to_num(total / count)[..., 1:]


def mean_scatter_reduce(values, index, size):
    slot = torch.where(index == -1, size, index).unsqueeze(1).expand(-1, values.shape[1], -1)
    out = values.new_zeros(*values.shape[:2], size + 1)
    return out.scatter_reduce(2, slot, values, "mean", include_self=False)[:, :, :size]


def mean_of_shares(values, index, size):
    sent = (index[..., None] == torch.arange(size)).to(values.dtype)
    return values @ (sent / sent.sum(1, keepdim=True).clamp(min=1))


def mean_nan(values, index, size):
    B, C, _ = values.shape
    every = index.unsqueeze(1).expand(-1, C, -1)
    total = values.new_zeros(B, C, size).scatter_add_(2, every, values)
    count = values.new_zeros(B, C, size).scatter_add_(2, every, torch.ones_like(values))
    return total / count


def mean_nan_spare(values, index, size):
    slot = (index + 1)[:, None].expand_as(values)
    zeros = values.new_zeros(*values.shape[:2], size + 1)
    total = zeros.scatter_add(2, slot, values)
    return (total / zeros.scatter_add(2, slot, torch.ones_like(values)))[..., 1:]


def mean_clamp_max(values, index, size):
    slot = (index + 1)[:, None].expand_as(values)
    zeros = values.new_zeros(*values.shape[:2], size + 1)
    count = zeros.scatter_add(2, slot, torch.ones_like(values)).clamp(max=1)
    return (zeros.scatter_add(2, slot, values) / count)[..., 1:]


def mean_counts_lost(values, index, size):
    B = values.shape[0]
    slot = index + 1
    count = values.new_zeros(B, size + 1)
    count[torch.arange(B)[:, None], slot] += 1
    out = values.new_zeros(*values.shape[:2], size + 1)
    out = out.scatter_add(2, slot[:, None].expand_as(values), values)
    return (out / count[:, None].clamp(min=1))[..., 1:]


def mean_is_a_sum(values, index, size):
    out = values.new_zeros(*values.shape[:2], size + 1)
    return out.scatter_add(2, (index + 1)[:, None].expand_as(values), values)[..., 1:]


def mean_over_m(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    return out.scatter_add(2, index[:, None].expand_as(values), values) / index.shape[1]


def mean_include_self(values, index, size):
    out = values.new_zeros(*values.shape[:2], size + 1)
    slot = (index + 1)[:, None].expand_as(values)
    return out.scatter_reduce(2, slot, values, "mean")[..., 1:]


def mean_zero_for_missing(values, index, size):
    B, C, _ = values.shape
    slot = index.clamp(min=0)[:, None]
    sent = values.masked_fill(index[:, None] < 0, 0)
    total = values.new_zeros(B, C, size).scatter_add(2, slot.expand_as(values), sent)
    ones = values.new_ones(slot.shape)
    count = values.new_zeros(B, 1, size).scatter_add(2, slot, ones)
    return total / count.clamp(min=1)


def mean_index_put(values, index, size):
    B, C, _ = values.shape
    b = torch.arange(B)[:, None]
    total = values.new_zeros(B, size, C).index_put((b, index), values.mT, accumulate=True)
    one = values.new_ones(1, 1)
    count = values.new_zeros(B, size).index_put((b, index), one, accumulate=True)
    return (total / count.clamp(min=1)[..., None]).mT


def mean_bincount(values, index, size):
    out = values.new_zeros(*values.shape[:2], size + 1)
    out = out.scatter_add(2, (index + 1)[:, None].expand_as(values), values)
    count = torch.bincount((index + 1).flatten(), minlength=size + 1)
    return (out / count.clamp(min=1))[..., 1:]


def mean_no_channels(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    return out.scatter_reduce(2, index[:, None], values, "mean", include_self=False)


def mean_assigned(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    for b in range(len(index)):
        out[b, :, index[b]] = values[b]
    return out


def mean_weights(values, index, size):
    B, C, _ = values.shape
    weight = (index >= 0).to(values.dtype)[:, None]
    slot = index.clamp(min=0)[:, None]
    total = values.new_zeros(B, C, size).scatter_add(2, slot.expand_as(values), values * weight)
    count = values.new_zeros(B, 1, size).scatter_add(2, slot, weight)
    return torch.where(count > 0, total / count, 0)


def mean_changes_index(values, index, size):
    index[index < 0] = size
    return mean_clamp(values, index, size)


def mean_minus_one_raises(values, index, size):
    return mean_nan(values, index, size).nan_to_num()


def mean_double_count(values, index, size):
    slot = (index + 1)[:, None]
    count = torch.zeros(len(index), 1, size + 1, dtype=torch.float64)
    count = count.scatter_add(2, slot, torch.ones(slot.shape, dtype=torch.float64))
    total = values.new_zeros(*values.shape[:2], size + 1)
    total = total.scatter_add(2, slot.expand_as(values), values)
    return (total / count.clamp(min=1))[..., 1:]


def mean_loop(values, index, size):
    total = values.new_zeros(*values.shape[:2], size)
    count = values.new_zeros(values.shape[0], 1, size)
    for b in range(index.shape[0]):
        for m in range(index.shape[1]):
            if index[b, m] >= 0:
                total[b, :, index[b, m]] += values[b, :, m]
                count[b, 0, index[b, m]] += 1
    return total / count.clamp(min=1)


def mean_per_slot(values, index, size):
    slots = [index == k for k in range(size)]
    means = [(values * s[:, None]).sum(2) / s.sum(1, keepdim=True).clamp(min=1) for s in slots]
    return torch.stack(means, 2)


def mean_detached(values, index, size):
    return mean_scatter_reduce(values.detach(), index, size)


# ---- scatter.invert


def invert_argsort(p):
    return p.argsort(1)


def invert_scatter(p):
    places = torch.arange(p.shape[1], device=p.device).expand_as(p)
    return torch.empty_like(p).scatter(1, p, places)


def invert_indexed(p):
    B, N = p.shape
    inverse = torch.zeros_like(p)
    inverse[torch.arange(B)[:, None], p] = torch.arange(N)
    return inverse


def invert_one_hot(p):
    N = p.shape[1]
    return (p[:, None, :] == torch.arange(N)[None, :, None]).long() @ torch.arange(N)


def invert_same(p):
    return p


def invert_gather_positions(p):
    return torch.arange(p.shape[1]).expand_as(p).gather(1, p)


def invert_argsort_twice(p):
    return torch.argsort(torch.argsort(p, dim=1), dim=1)


def invert_p_of_p(p):
    return p[torch.arange(len(p))[:, None], p]


def invert_scatter_itself(p):
    return torch.zeros_like(p).scatter_(1, p, p)


def invert_sorted_values(p):
    return p.sort(1).values


def invert_dim_zero(p):
    return p.sort(dim=0).indices


def invert_row_zero(p):
    if len(p) == 0:
        return p.clone()
    return torch.argsort(p[0]).repeat(len(p), 1)


def invert_flat(p):
    B, N = p.shape
    inverse = torch.zeros(B * N, dtype=torch.int64)
    for row in p:
        inverse[row] = torch.arange(N)
    return inverse.view(B, N)


def invert_backwards(p):
    order = torch.arange(p.shape[1] - 1, -1, -1)
    return p[:, order]


def invert_descending(p):
    return p.argsort(1, descending=True)


def invert_as_float(p):
    places = torch.arange(p.shape[1]).float().expand(len(p), -1)
    return torch.zeros(p.shape).scatter(1, p, places)


def invert_int32(p):
    return p.argsort(-1).to(torch.int32)


def invert_into_itself(p):
    return p.scatter_(1, p, torch.arange(p.shape[1]).expand_as(p))


def invert_moves_p(p):
    B, N = p.shape
    p += N * torch.arange(B)[:, None]
    inverse = torch.empty(B * N, dtype=torch.int64)
    inverse[p.flatten()] = torch.arange(N).repeat(B)
    return inverse.view(B, N)


def invert_squeezed(p):
    return p.argsort(1).squeeze()


def invert_view(p):
    B, N = p.shape
    flat = p.view(-1) + N * torch.arange(B).repeat_interleave(N)
    inverse = torch.empty(B * N, dtype=torch.int64)
    inverse[flat] = torch.arange(N).repeat(B)
    return inverse.view(B, N)


def invert_loop(p):
    inverse = torch.zeros_like(p)
    for b, row in enumerate(p.tolist()):
        for n, k in enumerate(row):
            inverse[b][k] = n
    return inverse


# ---- scatter.backward


def backward_scatter_add(grad_out, dim, index, input_shape):
    return grad_out.new_zeros(input_shape).scatter_add_(dim, index, grad_out)


def backward_index_put(grad_out, dim, index, input_shape):
    places = list(torch.meshgrid(*[torch.arange(n) for n in index.shape], indexing="ij"))
    places[dim] = index
    return grad_out.new_zeros(input_shape).index_put(tuple(places), grad_out, accumulate=True)


def backward_flat(grad_out, dim, index, input_shape):
    grad = grad_out.new_zeros(input_shape)
    flat = torch.zeros_like(index)
    for axis, step in enumerate(grad.stride()):
        place = torch.arange(index.shape[axis])
        place = place.view([-1 if a == axis else 1 for a in range(index.ndim)])
        flat = flat + step * (index if axis == dim % index.ndim else place)
    return grad.view(-1).index_add(0, flat.flatten(), grad_out.flatten()).view(input_shape)


def backward_one_hot(grad_out, dim, index, input_shape):
    sent = F.one_hot(index, max(input_shape[dim], 1)).to(grad_out.dtype)[..., : input_shape[dim]]
    along = (grad_out[..., None] * sent).movedim(dim if dim >= 0 else dim - 1, -1)
    along = along.sum(-1).movedim(-1, dim)
    padding = []
    for want, have in zip(input_shape, along.shape, strict=True):
        padding = [0, want - have, *padding]
    return F.pad(along, padding)


def backward_gather(grad_out, dim, index, input_shape):
    return torch.gather(grad_out, dim, index)


def backward_scatter(grad_out, dim, index, input_shape):
    return grad_out.new_zeros(input_shape).scatter(dim, index, grad_out)


def backward_plus_equals(grad_out, dim, index, input_shape):
    places = list(torch.meshgrid(*[torch.arange(n) for n in index.shape], indexing="ij"))
    places[dim] = index
    grad = grad_out.new_zeros(input_shape)
    grad[tuple(places)] += grad_out
    return grad


def backward_like_grad_out(grad_out, dim, index, input_shape):
    grad = grad_out.new_zeros(grad_out.shape)
    grad.scatter_add_(dim, index, grad_out)
    return grad


def backward_long_along_dim(grad_out, dim, index, input_shape):
    shape = torch.tensor(grad_out.shape)
    shape[dim] = input_shape[dim]
    return grad_out.new_zeros(shape.tolist()).scatter_add(dim, index, grad_out)


def backward_ones(grad_out, dim, index, input_shape):
    ones = torch.ones_like(grad_out)
    return torch.zeros(input_shape, dtype=grad_out.dtype).scatter_add(dim, index, ones)


def backward_axis_is_dim(grad_out, dim, index, input_shape):
    places = torch.meshgrid(*[torch.arange(n) for n in index.shape], indexing="ij")
    places = tuple(index if axis == dim else place for axis, place in enumerate(places))
    return grad_out.new_zeros(input_shape).index_put(places, grad_out, accumulate=True)


def backward_always_last(grad_out, dim, index, input_shape):
    grad = grad_out.new_zeros(input_shape)
    return grad.scatter_add_(index.ndim - 1, index, grad_out)


def backward_always_first(grad_out, dim, index, input_shape):
    grad = torch.zeros(input_shape, dtype=grad_out.dtype)
    return torch.scatter_add(grad, 0, index, grad_out)


def backward_default_dtype(grad_out, dim, index, input_shape):
    return torch.zeros(input_shape).scatter_add(dim, index, grad_out)


def backward_as_float(grad_out, dim, index, input_shape):
    return torch.zeros(input_shape).scatter_add(dim, index, grad_out.float())


def backward_index_add(grad_out, dim, index, input_shape):
    return grad_out.new_zeros(input_shape).index_add(dim, index, grad_out)


def backward_autograd(grad_out, dim, index, input_shape):
    x = torch.zeros(input_shape, dtype=torch.float64, requires_grad=True)
    x.gather(dim, index).backward(grad_out.double())
    return x.grad.to(grad_out.dtype)


def backward_mean(grad_out, dim, index, input_shape):
    grad = grad_out.new_zeros(input_shape)
    return grad.scatter_reduce(dim, index, grad_out, "mean", include_self=False)


def backward_view(grad_out, dim, index, input_shape):
    places = list(torch.meshgrid(*[torch.arange(n) for n in index.shape], indexing="ij"))
    places[dim] = index
    places = tuple(place.reshape(-1) for place in places)
    grad = grad_out.new_zeros(input_shape)
    return grad.index_put(places, grad_out.view(-1), accumulate=True)


def backward_loop(grad_out, dim, index, input_shape):
    grad = grad_out.new_zeros(input_shape)
    for place in torch.ones_like(index).nonzero().tolist():
        to = place.copy()
        to[dim] = index[tuple(place)].item()
        grad[tuple(to)] += grad_out[tuple(place)]
    return grad


# ---- scatter.second_highest


def right_two_sorts(z, flat, size):
    order = z.argsort(stable=True)
    order = order[flat[order].argsort(stable=True)]
    cell, height = flat[order], z[order]
    out = z.new_full((size,), float("-inf"))
    ends = torch.ones_like(cell, dtype=torch.bool)
    ends[:-1] = cell[:-1] != cell[1:]  # the highest of each cell
    at = ends.nonzero()[:, 0]
    at = at[(at > 0) & (cell[at - 1] == cell[at])]
    out[cell[at]] = height[at - 1]
    return out


def right_take_the_winner_out(z, flat, size):
    low = float("-inf")
    best = z.new_full((size,), low).scatter_reduce(0, flat, z, "amax")
    number = torch.arange(len(z), device=z.device)
    first = torch.full((size,), len(z), device=z.device)
    wins = z == best[flat]
    first = first.scatter_reduce(0, flat[wins], number[wins], "amin")
    rest = z.masked_fill(first[flat] == number, low)
    return z.new_full((size,), low).scatter_reduce(0, flat, rest, "amax")


def right_two_places_for_each(z, flat, size):
    down = z.argsort(descending=True)
    down = down[flat[down].argsort(stable=True)]
    counts = flat.bincount(minlength=size)
    starts = counts.cumsum(0) - counts
    out = z.new_full((size,), float("-inf"))
    out[counts > 1] = z[down][starts[counts > 1] + 1]
    return out


def right_numpy(z, flat, size):
    order = np.lexsort((z.cpu().numpy(), flat.cpu().numpy()))
    order = torch.from_numpy(order).to(z.device)
    cell, height = flat[order], z[order]
    out = z.new_full((size,), float("-inf"))
    return out.scatter_reduce(
        0, cell[:-1], height[:-1].where(cell[1:] == cell[:-1], float("-inf")), "amax"
    )


def the_highest(z, flat, size):
    return torch.full((size,), -torch.inf, dtype=z.dtype).scatter_reduce(0, flat, z, "amax")


def second_or_first(z, flat, size):
    second = right_two_sorts(z, flat, size)
    return torch.where(flat.bincount(minlength=size) == 1, the_highest(z, flat, size), second)


def all_winners_out(z, flat, size):
    best = the_highest(z, flat, size)
    rest = torch.where(z == best[flat], -torch.inf, z)
    return the_highest(rest, flat, size)


def zeros_at_first(z, flat, size):
    order = z.argsort()
    order = order[flat[order].argsort(stable=True)]
    cell, height = flat[order], z[order]
    followed = cell[:-1] == cell[1:]
    out = z.new_zeros(size)
    return out.scatter_reduce(
        0, cell[:-1][followed], height[:-1][followed], "amax", include_self=False
    )


def zeros_take_part(z, flat, size):
    order = z.argsort()
    order = order[flat[order].argsort(stable=True)]
    cell, height = flat[order], z[order]
    followed = cell[:-1] == cell[1:]
    return z.new_zeros(size).scatter_reduce(0, cell[:-1][followed], height[:-1][followed], "amax")


def infinity_to_zero(z, flat, size):
    return right_two_sorts(z, flat, size).nan_to_num(neginf=0.0)


def sorted_upwards(z, flat, size):
    order = z.argsort()
    order = order[flat[order].argsort(stable=True)]
    counts = flat.bincount(minlength=size)
    starts = counts.cumsum(0) - counts
    out = z.new_full((size,), float("-inf"))
    out[counts > 1] = z[order][starts[counts > 1] + 1]
    return out


def sorted_by_cell_alone(z, flat, size):
    order = flat.argsort(stable=True)
    cell, height = flat[order], z[order]
    ends = torch.ones_like(cell, dtype=torch.bool)
    ends[:-1] = cell[:-1] != cell[1:]
    at = ends.nonzero()[:, 0]
    at = at[(at > 0) & (cell[at - 1] == cell[at])]
    out = z.new_full((size,), float("-inf"))
    out[cell[at]] = height[at - 1]
    return out


def one_before_the_end(z, flat, size):
    order = z.argsort()
    order = order[flat[order].argsort(stable=True)]
    cell, height = flat[order], z[order]
    at = (cell.diff(append=cell.new_tensor([size])) != 0).nonzero()[:, 0]
    at = at[at > 0]
    out = z.new_full((size,), float("-inf"))
    out[cell[at]] = height[at - 1]
    return out


def over_all_cells(z, flat, size):
    out = z.new_full((size,), float("-inf"))
    if len(z) > 1:
        out[flat] = z.topk(2).values[1]
    return out


def one_cell_after_another(z, flat, size):
    cells = [z[flat == k].sort().values for k in range(size)]
    low = z.new_full((2,), float("-inf"))
    if not cells:
        return low[:0]
    return torch.stack([torch.cat([low, cell])[-2] for cell in cells])


def default_floats(z, flat, size):
    return right_two_sorts(z, flat, size).float()


def nan_where_none(z, flat, size):
    out = right_two_sorts(z, flat, size)
    return out.masked_fill(out.isinf(), float("nan"))


def sorts_in_place(z, flat, size):
    result = right_two_sorts(z, flat, size)
    z.copy_(z.sort().values)
    return result


# ---- from other people's repositories, and two mistakes at once


def dense_averaged(values, index, size):
    out = values.new_zeros(*values.shape[:2], size + 1)
    slot = index.where(index >= 0, size)[:, None].expand_as(values)
    return out.scatter_reduce(2, slot, values, "mean", include_self=False)[..., :size]


def dense_first_comes(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    for b in range(len(index)):
        seen, first = np.unique(index[b].numpy(), return_index=True)
        for k, m in zip(seen, first, strict=True):
            if k >= 0:
                out[b, :, k] = values[b, :, m]
    return out


def dense_mask_of_the_first(values, index, size):
    there = (index[:1] >= 0).all(0)
    return dense_shift_by_one(values[..., there], index.clamp(min=0)[:, there], size)


def dense_assigned_and_wrapped(values, index, size):
    out = values.new_zeros(len(values), size, values.shape[1])
    out[torch.arange(len(values))[:, None], index] = values.mT
    return out.mT


def dense_zero_and_spare(values, index, size):
    out = values.new_zeros(*values.shape[:2], size + 1)
    return out.scatter_add(2, index.clamp(min=0)[:, None].expand_as(values), values)


def dense_one_index_and_wrapped(values, index, size):
    out = values.new_zeros(*values.shape[:2], size)
    for m in range(values.shape[2]):
        if len(index):
            out[:, :, index[0, m]] += values[:, :, m]
    return out


def mean_of_all_numbers(values, index, size):
    total = dense_shift_by_one(values, index, size)
    count = dense_shift_by_one(torch.ones_like(values), index, size).sum(1, keepdim=True)
    return total / count.clamp(min=1)


def mean_over_slots(values, index, size):
    total = dense_shift_by_one(values, index, size)
    return total / total.shape[-1] if size else total


def mean_running(values, index, size):
    out = values.new_full((*values.shape[:2], size), float("nan"))
    for b in range(len(index)):
        for m, k in enumerate(index[b].tolist()):
            if k >= 0:
                new = values[b, :, m]
                out[b, :, k] = torch.where(out[b, :, k].isnan(), new, (out[b, :, k] + new) / 2)
    return out.nan_to_num()


def mean_mask_of_the_first(values, index, size):
    there = (index[:1] >= 0).all(0)
    return mean_clamp(values[..., there], index.clamp(min=0)[:, there], size)


def mean_nan_and_wrapped(values, index, size):
    index = index.remainder(size)[:, None].expand_as(values)
    out = values.new_zeros(*values.shape[:2], size)
    return out.scatter_add(2, index, values) / out.scatter_add(2, index, torch.ones_like(values))


def mean_assigned_and_wrapped(values, index, size):
    out = values.new_zeros(len(values), size, values.shape[1])
    out[torch.arange(len(values))[:, None], index] = values.transpose(1, 2)
    return out.transpose(1, 2)


def invert_mirrored(p):
    return p.size(1) - p - 1


def invert_in_one_list(p):
    B, N = p.shape
    flat = (p + N * torch.arange(B)[:, None]).flatten()
    return torch.empty_like(flat).scatter(0, flat, torch.arange(B * N)).reshape(B, N)


def invert_as_in_matlab(p):
    places = torch.arange(1, p.shape[1] + 1).expand_as(p)
    return torch.zeros_like(p).scatter(1, p, places)


def invert_first_and_from_one(p):
    places = torch.arange(1, p.shape[1] + 1).repeat(len(p), 1)
    return torch.zeros_like(places).scatter(1, p[:1].repeat(len(p), 1), places)


def invert_offset_and_descending(p):
    B, N = p.shape
    return p.argsort(dim=1, descending=True) + torch.arange(0, B * N, max(N, 1))[:B, None]


def backward_put(grad_out, dim, index, input_shape):
    return grad_out.new_zeros(input_shape).put(index, grad_out, accumulate=True)


def backward_first_comes(grad_out, dim, index, input_shape):
    grad, seen = grad_out.new_zeros(input_shape), set()
    for position in product(*map(range, index.shape)):
        source = list(position)
        source[dim] = int(index[position])
        if tuple(source) not in seen:
            grad[tuple(source)] = grad_out[position]
        seen.add(tuple(source))
    return grad


def backward_mean_of_ones(grad_out, dim, index, input_shape):
    grad = grad_out.new_zeros(input_shape)
    return grad.scatter_reduce(dim, index, grad_out * 0 + 1, "mean", include_self=False)


def one_too_far(z, flat, size):
    cells = [z[flat == k].sort().values for k in range(size)]
    last = [c[-3] if len(c) >= 3 else z.new_tensor(float("-inf")) for c in cells]
    return torch.stack(last) if last else z.new_zeros(0)


def lowest_float(z, flat, size):
    out = right_two_sorts(z, flat, size)
    return out.clamp(min=torch.finfo(z.dtype).min)


def nan_and_clamped(z, flat, size):
    out = right_two_sorts(z, flat, size)
    return torch.where(out < 0, -out, out)


def third_and_nan(z, flat, size):
    return torch.where(one_too_far(z, flat, size).isinf(), float("nan"), one_too_far(z, flat, size))


def lowest_and_finite(z, flat, size):
    lowest = -right_two_sorts(-z, flat, size)
    return torch.where(lowest.isinf(), torch.finfo(z.dtype).min, lowest)


def mean_assigned_with_spare(values, index, size):
    out = values.new_zeros(len(values), size + 1, values.shape[1])
    out[torch.arange(len(values))[:, None], index] = values.mT  # −1 goes to the spare slot
    return out[:, :size].mT


RIGHT = {
    "scatter.to_dense": [
        dense_shift_by_one,
        dense_spare_and_check,
        dense_one_hot,
        dense_rows_of_one_list,
        dense_batch_by_batch,
    ],
    "scatter.mean": [mean_clamp, mean_nan_to_num, mean_of_shares],
    "scatter.invert": [invert_scatter, invert_indexed, invert_one_hot],
    "scatter.backward": [
        backward_scatter_add,
        backward_index_put,
        backward_flat,
        backward_one_hot,
    ],
    "scatter.second_highest": [
        right_two_sorts,
        right_take_the_winner_out,
        right_two_places_for_each,
        right_numpy,
    ],
}


WRONG = {
    "scatter.to_dense": {
        dense_forgot_expand: "first-channel",
        dense_forgot_expand_but_spare: "first-channel",
        dense_scatter: "overwrites",
        dense_plus_equals: "overwrites+wraps",
        dense_assign_each_batch: "overwrites+wraps",
        dense_index_put: "wraps",
        dense_remainder: "wraps",
        dense_clamped: "missing-to-zero",
        dense_did_not_cut: "spare-slot",
        dense_channels: "dim-1",
        dense_index_zero: "first-batch",
        dense_flat_without_batch: "no-batch-offset",
        dense_gather: "gathers",
        dense_minus_one_raises: "fails-missing",
        dense_no_check: "accepts-bad-input",
        dense_changes_index: "in-place",
        dense_max_of_nothing: "fails-empty",
        dense_view: "fails-strided",
        dense_default_dtype: "raises",
        dense_as_float: "wrong-dtype",
        dense_no_grad: "no-gradient",
        dense_loop: "python-loop",
        dense_scrambled: None,
        dense_averaged: "mean",
        dense_first_comes: "keeps-the-first",
        dense_mask_of_the_first: "first-mask",
        dense_assigned_and_wrapped: "overwrites+wraps",
        dense_zero_and_spare: "missing-to-zero+spare-slot",
        dense_one_index_and_wrapped: "wraps+first-batch",
    },
    "scatter.mean": {
        mean_scatter_reduce: "forbidden",
        mean_nan: "empty-nan",
        mean_nan_spare: "empty-nan",
        mean_clamp_max: "clamp-from-above",
        mean_counts_lost: "not-divided",
        mean_is_a_sum: "not-divided",
        mean_over_m: "divides-by-m",
        mean_include_self: "one-too-many",
        mean_zero_for_missing: "missing-counted",
        mean_index_put: "wraps",
        mean_bincount: "counts-all-batches",
        mean_no_channels: "first-channel",
        mean_assigned: "wraps+overwrites",
        mean_weights: "wrong-gradient",
        mean_changes_index: "in-place",
        mean_minus_one_raises: "fails-missing",
        mean_double_count: "fails-dtype",
        mean_loop: "python-loop",
        mean_per_slot: "python-loop",
        mean_detached: "no-gradient",
        mean_of_all_numbers: "counts-channels",
        mean_over_slots: "divides-by-size",
        mean_running: "halves",
        mean_mask_of_the_first: "first-mask",
        mean_nan_and_wrapped: "empty-nan+wraps",
        mean_assigned_and_wrapped: "wraps+overwrites",
        mean_assigned_with_spare: "overwrites",
    },
    "scatter.invert": {
        invert_argsort: "forbidden",
        invert_same: "unchanged",
        invert_gather_positions: "unchanged",
        invert_argsort_twice: "unchanged",
        invert_p_of_p: "applied-twice",
        invert_scatter_itself: "identity",
        invert_sorted_values: "identity",
        invert_dim_zero: "dim-0",
        invert_row_zero: "first-batch",
        invert_flat: "no-batch-offset",
        invert_backwards: "flipped",
        invert_descending: "descending",
        invert_as_float: "wrong-dtype",
        invert_int32: "wrong-dtype",
        invert_into_itself: "raises",
        invert_moves_p: "in-place",
        invert_squeezed: "wrong-shape",
        invert_view: "fails-strided",
        invert_loop: "python-loop",
        invert_mirrored: "mirrored",
        invert_in_one_list: "offset-left",
        invert_as_in_matlab: "counts-from-one",
        invert_first_and_from_one: "first-batch+counts-from-one",
        invert_offset_and_descending: "descending+offset-left",
    },
    "scatter.backward": {
        backward_gather: "gathers",
        backward_scatter: "overwrites",
        backward_plus_equals: "overwrites",
        backward_like_grad_out: "output-shape",
        backward_long_along_dim: "index-shape",
        backward_ones: "counts",
        backward_axis_is_dim: "negative-dim",
        backward_always_last: "last-dim",
        backward_always_first: "first-dim",
        backward_default_dtype: "raises",
        backward_as_float: "wrong-dtype",
        backward_index_add: "raises",
        backward_autograd: "no-gradient",
        backward_mean: "averages",
        backward_view: "fails-strided",
        backward_loop: "python-loop",
        backward_put: "counted-in-memory",
        backward_first_comes: "keeps-the-first",
        backward_mean_of_ones: "overwrites+counts",
    },
    "scatter.second_highest": {
        the_highest: "highest",
        second_or_first: "only-one",
        all_winners_out: "ties",
        zeros_at_first: "starts-at-zero",
        infinity_to_zero: "starts-at-zero",
        zeros_take_part: "never-below-zero",
        sorted_upwards: "lowest",
        sorted_by_cell_alone: "order-of-arrival",
        one_before_the_end: "cell-before",
        over_all_cells: "all-cells",
        one_cell_after_another: "python-loop",
        default_floats: "wrong-dtype",
        nan_where_none: "nan-for-none",
        sorts_in_place: "in-place",
        one_too_far: "third",
        lowest_float: "finite-start",
        nan_and_clamped: None,
        third_and_nan: "third+nan-for-none",
        lowest_and_finite: "lowest+finite-start",
    },
}
