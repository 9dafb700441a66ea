"""Answers to chapter 1's exercises as students write them, right and wrong."""

from itertools import product
from math import prod

import numpy as np
import torch

# ---- gather.result_shape


def right_size_by_size(input_shape, dim, index_shape):
    if len(input_shape) != len(index_shape):
        raise ValueError("as many dimensions, please")
    for d, (size, asked) in enumerate(zip(input_shape, index_shape, strict=True)):
        if d != dim % len(input_shape) and asked > size:
            raise ValueError(f"too large in dimension {d}")
    return index_shape


def right_all_at_once(input_shape, dim, index_shape):
    if input_shape.shape != index_shape.shape:
        raise ValueError("as many dimensions, please")
    too_large = index_shape > input_shape
    too_large[dim] = False
    if too_large.any():
        raise ValueError("larger than the input")
    return index_shape.clone()


def right_without_dim(input_shape, dim, index_shape):
    have, want = input_shape.tolist(), index_shape.tolist()
    if len(have) != len(want):
        raise ValueError
    result = torch.tensor(want)
    have.pop(dim)
    want.pop(dim)
    if any(w > h for h, w in zip(have, want, strict=True)):
        raise ValueError
    return result


def asks_gather(input_shape, dim, index_shape):
    input = torch.zeros(1).expand(input_shape.tolist())
    index = torch.zeros(1, dtype=torch.int64).expand(index_shape.tolist())
    try:
        return torch.tensor(input.gather(dim, index).shape, device=index_shape.device)
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def shape_of_the_input(input_shape, dim, index_shape):
    if right_size_by_size(input_shape, dim, index_shape) is not None:
        return input_shape


def one_size_replaced(input_shape, dim, index_shape):
    if len(input_shape) != len(index_shape):
        raise ValueError("dimensions")
    sizes = input_shape.tolist()
    sizes[dim] = int(index_shape[dim])
    return torch.tensor(sizes)


def the_larger_elsewhere(input_shape, dim, index_shape):
    checked = right_size_by_size(input_shape, dim, index_shape)
    shape = torch.maximum(input_shape, checked)
    shape[dim] = index_shape[dim]
    return shape


def one_means_all(input_shape, dim, index_shape):
    right_size_by_size(input_shape, dim, index_shape)
    sizes = []
    for d in range(len(input_shape)):
        grows = index_shape[d] == 1 and d != dim % len(input_shape)
        sizes.append(input_shape[d] if grows else index_shape[d])
    return torch.stack(sizes)


def as_fancy_indexing(input_shape, dim, index_shape):
    sizes, asked = input_shape.tolist(), index_shape.tolist()
    dim = dim % len(sizes)
    return torch.tensor(sizes[:dim] + asked + sizes[dim + 1 :])


def as_index_select(input_shape, dim, index_shape):
    sizes = input_shape.tolist()
    sizes[dim] = prod(index_shape.tolist())
    return torch.tensor(sizes)


def the_smaller_elsewhere(input_shape, dim, index_shape):
    sizes = index_shape.tolist()
    if len(sizes) == len(input_shape):
        for d, size in enumerate(input_shape.tolist()):
            if d != dim % len(sizes):
                sizes[d] = min(sizes[d], size)
    return torch.tensor(sizes)


def index_shape_always(input_shape, dim, index_shape):
    return torch.tensor(index_shape.tolist())


def dimensions_alone(input_shape, dim, index_shape):
    if len(input_shape) != len(index_shape):
        raise ValueError("dimensions")
    return index_shape


def sizes_alone(input_shape, dim, index_shape):
    pairs = zip(input_shape, index_shape, strict=False)
    if any(asked > size for d, (size, asked) in enumerate(pairs) if d != dim % len(input_shape)):
        raise ValueError("too large")
    return index_shape


def must_be_equal(input_shape, dim, index_shape):
    right_size_by_size(input_shape, dim, index_shape)
    for d in range(len(input_shape)):
        if d != dim % len(input_shape) and input_shape[d] != index_shape[d]:
            raise ValueError("not equal")
    return index_shape


def longest_is_the_input(input_shape, dim, index_shape):
    if len(input_shape) != len(index_shape) or (index_shape > input_shape).any():
        raise ValueError("too long")
    return index_shape


def dim_compared_as_it_is(input_shape, dim, index_shape):
    if len(input_shape) != len(index_shape):
        raise ValueError("dimensions")
    for d in range(len(input_shape)):
        if d != dim and index_shape[d] > input_shape[d]:
            raise ValueError("too large")
    return index_shape


def a_tuple(input_shape, dim, index_shape):
    return tuple(right_size_by_size(input_shape, dim, index_shape).tolist())


def floats(input_shape, dim, index_shape):
    return torch.Tensor(right_size_by_size(input_shape, dim, index_shape).tolist())


def refused_with_assert(input_shape, dim, index_shape):
    assert len(input_shape) == len(index_shape)
    return right_all_at_once(input_shape, dim, index_shape)


def one_for_what_it_overwrites(input_shape, dim, index_shape):
    right_size_by_size(input_shape, dim, index_shape)
    input_shape[dim] = index_shape[dim]
    return torch.minimum(input_shape, index_shape)


# ---- gather.loops


def right_one_entry_replaced(input, dim, index):
    out = input.new_empty(index.shape)
    for position in product(*map(range, index.shape)):
        k = index[position].item()
        if k < 0 or k >= input.size(dim):
            raise IndexError("index out of range")
        read = list(position)
        read[dim] = k
        out[position] = input[tuple(read)]
    return out


def right_by_recursion(input, dim, index):
    if dim < 0:
        dim += input.ndim
    if index.numel() == 0:
        return input.new_empty(index.shape)
    if input.ndim == 1:
        return torch.stack([input[checked(int(k), len(input))] for k in index])
    if dim == 0:
        columns = range(index.shape[-1])
        parts = [right_by_recursion(input[..., j], 0, index[..., j]) for j in columns]
        return torch.stack(parts, -1)
    rows = range(index.shape[0])
    return torch.stack([right_by_recursion(input[i], dim - 1, index[i]) for i in rows])


def checked(k, size):
    if not 0 <= k < size:
        raise IndexError(f"{k} is not in 0 … {size - 1}")
    return k


def right_on_the_line(input, dim, index):
    line, asked = input.reshape(-1), index.reshape(-1)
    steps = [prod(input.shape[d + 1 :]) for d in range(input.ndim)]
    values = []
    for number, position in enumerate(np.ndindex(*index.shape)):
        place = list(position)
        place[dim] = checked(int(asked[number]), input.shape[dim])
        values.append(line[sum(p * step for p, step in zip(place, steps, strict=True))])
    return torch.stack(values).reshape(index.shape) if values else input.new_empty(index.shape)


def as_in_the_chapter(input, dim, index):
    out = input.new_empty(index.shape)
    for position in np.ndindex(*index.shape):
        read = list(position)
        read[dim] = int(index[position])
        out[position] = input[tuple(read)]
    return out


def two_nested_loops(input, dim, index):
    H, W = index.shape
    out = torch.zeros(H, W, dtype=input.dtype)
    for y, x in product(range(H), range(W)):
        if dim in (0, -2):
            out[y, x] = input[index[y, x], x]
        else:
            out[y, x] = input[y, index[y, x]]
    return out


def loop_over_the_input(input, dim, index):
    out = input.clone()
    for position in np.ndindex(*input.shape):
        read = list(position)
        read[dim] = int(index[position])
        out[position] = input[tuple(read)]
    return out


def result_like_the_input(input, dim, index):
    out = input.new_zeros(input.shape)
    for place in np.ndindex(*index.shape):
        read = [*place]
        read[dim] = index[place].item()
        out[place] = input[tuple(read)]
    return out


def compares_dim(input, dim, index):
    out = input.new_empty(index.shape)
    for position in product(*[range(size) for size in index.shape]):
        read = []
        for d in range(input.ndim):
            if d == dim:
                read.append(int(index[position]))
            else:
                read.append(position[d])
        out[position] = input[tuple(read)]
    return out


def slices_at_dim(input, dim, index):
    values = []
    for position in np.ndindex(*index.shape):
        before, after = position[:dim], position[dim + 1 :]
        values.append(input[(*before, int(index[position]), *after)])
    return torch.stack(values).reshape(index.shape) if values else input.new_empty(index.shape)


def forgets_dim(input, dim, index):
    out = input.new_empty(index.shape)
    for place in np.ndindex(*index.shape):
        read = [index[place].item()]
        for other in place[1:]:
            read.append(other)
        out[place] = input[tuple(read)]
    return out


def writes_where_it_should_read(input, dim, index):
    result = torch.zeros(index.shape, dtype=input.dtype)
    for place in np.ndindex(*index.shape):
        to = list(place)
        to[dim] = index[place]
        result[tuple(to)] = input[place]
    return result


def rows_one_by_one(input, dim, index):
    rows = [input[k] for k in index.flatten()]
    if not rows:
        return input[index]
    return torch.stack(rows).reshape(*index.shape, *input.shape[1:])


def take_from_the_line(input, dim, index):
    line = input.reshape(-1)
    if index.numel() == 0:
        return input.new_empty(index.shape)
    return torch.stack([line[k] for k in index.reshape(-1)]).view(index.shape)


def default_dtype(input, dim, index):
    out = torch.zeros(index.shape)
    out[...] = right_one_entry_replaced(input, dim, index)
    return out


def numbers_not_elements(input, dim, index):
    out = torch.empty(index.shape, dtype=input.dtype)
    for position in np.ndindex(*index.shape):
        read = list(position)
        read[dim] = checked(index[position].item(), input.shape[dim])
        out[position] = input[tuple(read)].item()
    return out


def asserts_the_range(input, dim, index):
    assert ((index >= 0) & (index < input.shape[dim])).all(), "out of range"
    return as_in_the_chapter(input, dim, index)


def shape_not_given_back(input, dim, index):
    return right_on_the_line(input, dim, index).flatten()


# ---- gather.pick_points


def right_expand(features, index):
    return features.gather(2, index[:, None].expand(-1, features.shape[1], -1))


def right_take_along_dim(features, index):
    if index.numel() and index.max() >= features.shape[2]:
        raise IndexError("out of range")
    return torch.take_along_dim(features, index[:, None], dim=2)


def right_batches_beside(features, index):
    batch = torch.arange(features.shape[0], device=features.device)[:, None]
    return features.movedim(1, 2)[batch, index].movedim(2, 1)


def trap(features, index):
    return torch.gather(features, 2, index.unsqueeze(1))


def forgot_the_channels(features, index):
    return torch.gather(features, dim=2, index=index)


def dim_one(features, index):
    return torch.gather(features, 1, index.unsqueeze(1).repeat(1, features.size(1), 1))


def first_batch(features, index):
    return torch.index_select(features, 2, index[0])


def points_first(features, index):
    batch = torch.arange(len(index)).unsqueeze(1)
    return features.transpose(1, 2)[batch, index]


def all_with_all(features, index):
    return features[..., index]


def loop(features, index):
    rows = [features[b, :, k] for b in range(len(index)) for k in index[b]]
    if not rows:
        return features.new_zeros(features.shape[0], features.shape[1], index.shape[1])
    return torch.stack(rows).unflatten(0, index.shape).transpose(1, 2)


def detached(features, index):
    return right_expand(features.detach(), index)


def in_place(features, index):
    picked = right_expand(features, index)
    features.mul_(0)
    return picked


def as_float(features, index):
    return right_expand(features.float(), index)


# ---- gather.padded


def in_range(index, size):
    if index.numel() and (index.min() < -1 or index.max() >= size):
        raise IndexError("index out of range")


def right_overwritten(features, index, fill=0.0):
    in_range(index, features.shape[2])
    if features.shape[2] == 0:
        return features.new_full((*features.shape[:2], index.shape[1]), fill)
    picked = right_expand(features, index.clamp(min=0))
    return picked.masked_fill(index[:, None] < 0, fill)


def right_one_more_column(features, index, fill=0.0):
    B, C, N = features.shape
    in_range(index, N)
    longer = torch.cat([features, features.new_full((B, C, 1), fill)], dim=2)
    return right_expand(longer, torch.where(index < 0, N, index))


def right_only_what_is_there(features, index, fill=0.0):
    if (index < -1).any():
        raise ValueError("below -1")
    b, m = (index >= 0).nonzero(as_tuple=True)
    out = features.new_full((features.shape[0], index.shape[1], features.shape[1]), fill)
    return out.index_put((b, m), features[b, :, index[b, m]]).transpose(1, 2)


def minus_one_to_gather(features, index, fill=0.0):
    return right_expand(features, index).masked_fill(index[:, None] == -1, fill)


def python_counts_from_the_end(features, index, fill=0.0):
    batch = torch.arange(len(features))[:, None]
    return features.transpose(1, 2)[batch, index].transpose(1, 2)


def clamped_and_left(features, index, fill=0.0):
    return right_expand(features, torch.clamp(index, min=0))


def times_zero(features, index, fill=0.0):
    there = (index >= 0)[:, None]
    return right_expand(features, index.clamp(min=0)) * there


def mask_after_the_clamp(features, index, fill=0.0):
    index = index.clamp(min=0)
    return torch.where(index[:, None] == 0, fill, right_expand(features, index))


def fills_point_zero(features, index, fill=0.0):
    features = features.clone()
    features[:, :, 0] = fill
    return right_expand(features, index.clamp(min=0))


def column_in_front(features, index, fill=0.0):
    longer = torch.nn.functional.pad(features, (1, 0), value=fill)
    index = torch.where(index == -1, 0, index)
    return right_expand(longer, index)


def one_channel(features, index, fill=0.0):
    picked = torch.gather(features, 2, index.clamp(min=0)[:, None])
    return picked.masked_fill((index < 0)[:, None], fill)


def everything_below_zero_is_missing(features, index, fill=0.0):
    if features.shape[2] == 0:
        return features.new_full((*features.shape[:2], index.shape[1]), fill)
    return right_expand(features, index.clamp(min=0)).masked_fill(index[:, None] < 0, fill)


def column_behind_and_wrap(features, index, fill=0.0):
    longer = torch.nn.functional.pad(features, (0, 1), value=fill).transpose(1, 2)
    return longer[torch.arange(len(index))[:, None], index].transpose(1, 2)


def some_point_is_there(features, index, fill=0.0):
    in_range(index, features.shape[2])
    return right_expand(features, index.clamp(min=0)).masked_fill(index[:, None] < 0, fill)


def mask_times_fill(features, index, fill=0.0):
    picked = right_overwritten(features, index)
    mask = (index >= 0).to(features.dtype).unsqueeze(1)
    return mask * picked + (1 - mask) * fill


def fill_of_the_default_dtype(features, index, fill=0.0):
    picked = right_overwritten(features, index)
    return torch.where(index[:, None] < 0, torch.full(picked.shape, fill), picked)


def gradient_to_point_zero(features, index, fill=0.0):
    picked = right_overwritten(features, index, fill)
    if features.shape[2] == 0:
        return picked
    read = right_expand(features, index.clamp(min=0))
    return read + (picked - read).detach()


def detached_padded(features, index, fill=0.0):
    with torch.no_grad():
        return right_overwritten(features, index, fill)


def index_changed(features, index, fill=0.0):
    in_range(index, features.shape[2])
    missing = index == -1
    index[missing] = features.shape[2]
    longer = torch.nn.functional.pad(features, (0, 1), value=fill)
    return right_expand(longer, index)


def loop_padded(features, index, fill=0.0):
    in_range(index, features.shape[2])
    B, C, _ = features.shape
    out = features.new_full((B, C, index.shape[1]), fill)
    for b in range(B):
        for m, k in enumerate(index[b].tolist()):
            if k != -1:
                out[b, :, m] = features[b, :, k]
    return out


# ---- gather.along


def right_from_the_hint(input, index, dim):
    dim %= input.ndim
    index = torch.where(index < 0, index + input.shape[dim], index)
    left, right = list(input.shape), list(index.shape)
    left[dim] = right[dim] = 1
    common = list(torch.broadcast_shapes(left, right))
    common[dim] = input.shape[dim]
    input = input.expand(common)
    common[dim] = index.shape[dim]
    return input.gather(dim, index.expand(common))


def right_expand_as_neighbour(input, index, dim):
    """Along dim one slice of each tells the other how wide it must be."""
    size = input.shape[dim]
    first, entry = input.movedim(dim, -1), index.movedim(dim, -1)
    heads = torch.broadcast_shapes(first.shape[:-1], entry.shape[:-1])
    entry = (entry % size).expand(*heads, -1)
    return first.expand(*heads, -1).gather(-1, entry).movedim(-1, dim)


def right_coordinates_of_all(input, index, dim):
    ndim = input.ndim
    coordinates = []
    for d, size in enumerate(input.shape):
        if d == dim % ndim:
            coordinates.append(index)
            continue
        count = size if index.shape[d] == 1 else index.shape[d]
        row = torch.arange(count, device=index.device) if size > 1 else index.new_zeros(count)
        coordinates.append(row.reshape([-1 if d == other else 1 for other in range(ndim)]))
    return input[tuple(coordinates)]


def just_gather(input, index, dim):
    n = input.size(dim)
    return torch.gather(input, dim, torch.where(index < 0, index + n, index))


def index_like_input(input, index, dim):
    index = index.where(index >= 0, index + input.shape[dim])
    wanted = torch.Size(
        [index.shape[d] if d == dim % input.ndim else n for d, n in enumerate(input.shape)]
    )
    return torch.gather(input, dim, index.expand(wanted))


def input_like_index(input, index, dim):
    index = index.where(index >= 0, index + input.shape[dim])
    shape = list(index.shape)
    shape[dim] = input.size(dim)
    return torch.gather(input.expand(*shape), dim, index)


def input_like_index_with_minus_one(input, index, dim):
    shape = [-1 if d == dim % input.ndim else n for d, n in enumerate(index.shape)]
    return torch.gather(input.expand(shape), dim, index % input.shape[dim])


def broadcast_both(input, index, dim):
    index = index.where(index >= 0, index + input.shape[dim])
    index, input = torch.broadcast_tensors(index, input)
    return input.gather(dim, index)


def dim_not_normalised(input, index, dim):
    index = index % input.shape[dim]
    for d in range(input.ndim):
        if d == dim:
            continue
        size = max(input.shape[d], index.shape[d])
        input = input.expand([size if k == d else n for k, n in enumerate(input.shape)])
        index = index.expand([size if k == d else n for k, n in enumerate(index.shape)])
    return input.gather(dim, index)


def one_list(input, index, dim):
    chosen = index.reshape(-1)
    return torch.cat([input.narrow(dim, k % input.shape[dim], 1) for k in chosen.tolist()], dim)


def no_negatives(input, index, dim):
    dim = dim if dim >= 0 else dim + input.ndim
    a, b = list(input.shape), list(index.shape)
    a[dim] = b[dim] = 1
    both = torch.broadcast_shapes(a, b)
    head, tail = both[:dim], both[dim + 1 :]
    index = index.expand(*head, -1, *tail)
    return input.expand(*head, -1, *tail).gather(dim, index)


def fills_negatives(input, index, dim):
    return no_negatives(input, index.clamp(min=0), dim).where(index >= 0, 0)


def clamps_negatives(input, index, dim):
    return no_negatives(input, index.clamp(0, input.shape[dim] - 1), dim)


def size_of_zero_forgotten(input, index, dim):
    dim %= input.ndim
    sizes = [max(a, b) for a, b in zip(input.shape, index.shape, strict=True)]
    wide, every = list(sizes), list(sizes)
    wide[dim], every[dim] = input.shape[dim], index.shape[dim]
    return input.expand(wide).gather(dim, (index % input.shape[dim]).expand(every))


def index_repaired_in_place(input, index, dim):
    index[index < 0] += input.shape[dim]
    return no_negatives(input, index, dim)


def detached_along(input, index, dim):
    return right_from_the_hint(input.data, index, dim)


def loop_along(input, index, dim):
    dim %= input.ndim
    sizes = [b if a == 1 else a for a, b in zip(input.shape, index.shape, strict=True)]
    sizes[dim] = index.shape[dim]
    every = index.expand(sizes)
    out = input.new_empty(sizes)
    for position in np.ndindex(*sizes):
        read = [min(p, n - 1) for p, n in zip(position, input.shape, strict=True)]
        read[dim] = int(every[position])
        out[position] = input[tuple(read)]
    return out


# ---- from other people's repositories, and two mistakes at once


def broadcast_like_take_along_dim(input_shape, dim, index_shape):
    if input_shape.numel() != index_shape.numel():
        raise ValueError("dimensions")
    sizes = []
    for d, (n, m) in enumerate(zip(input_shape.tolist(), index_shape.tolist(), strict=True)):
        if d != dim % len(input_shape) and n != m and 1 not in (n, m):
            raise ValueError("does not broadcast")
        sizes.append(n if m == 1 and d != dim % len(input_shape) else m)
    return torch.tensor(sizes)


def always_the_last_dimension(input, dim, index):
    out = torch.empty(index.shape, dtype=input.dtype)
    for *head, j in product(*map(range, index.shape)):
        k = index[(*head, j)]
        if not 0 <= k < input.shape[-1]:
            raise IndexError(f"index: got {k}, wanted 0 to {input.shape[-1] - 1}")
        out[(*head, j)] = input[(*head, k)]
    return out


def index_select_by_hand(input, dim, index):
    first = index.flatten()[:0] if 0 in index.shape else index
    for d in range(index.ndim):
        if d != dim % index.ndim and first.ndim > 1:
            first = first.narrow(d, 0, 1)
    picked = [input.narrow(dim, int(checked(int(k), input.shape[dim])), 1) for k in first.flatten()]
    return torch.cat(picked, dim) if picked else input.narrow(dim, 0, 0)


def as_in_matlab(input, dim, index):
    out = input.new_zeros(index.shape)
    for position in product(*map(range, index.shape)):
        k = index[position].item() - 1
        if not 0 <= k < input.shape[dim]:
            raise IndexError(f"index: got {k}, wanted 0 to {input.shape[dim] - 1}")
        out[position] = input.select(dim, k)[position[: dim % input.ndim] + position[dim:][1:]]
    return out


def dgcnn_without_idx_base(features, index):
    rows = features.transpose(1, 2).reshape(-1, features.shape[1])
    return rows[index.reshape(-1)].reshape(*index.shape, -1).transpose(1, 2)


def batched_index_select(features, index):
    dummy = index.unsqueeze(2).expand(index.size(0), index.size(1), features.size(2))
    return features.gather(1, dummy)


def take_along_dim_as_it_is(features, index):
    return torch.take_along_dim(features, index[:, None], 2)


def remainder_for_safety(features, index):
    return right_expand(features, index.remainder(features.shape[-1]))


def minimum_for_safety(features, index):
    return right_expand(features, torch.clamp(index, 0, features.size(-1) - 1))


def first_cloud_and_channels_last(features, index):
    rows = features.transpose(1, 2).reshape(-1, features.shape[1])
    return rows[index]


def one_channel_of_the_first_cloud(features, index):
    return features.transpose(1, 2).reshape(-1, features.shape[1])[index][..., :1].mT


def pointnet2_padding(features, index, fill=0.0):
    if features.shape[2] == 0:
        return features.new_full((*features.shape[:2], index.shape[1]), fill)
    first = index[:, 0:1].expand_as(index) if index.shape[1] else index
    index = torch.where(index == -1, first, index)
    return right_expand(features, torch.where(index == -1, 0, index))


def mask_of_cloud_zero(features, index, fill=0.0):
    picked = right_overwritten(features, index.clamp(min=0)) if features.shape[2] else None
    if picked is None:
        return features.new_full((*features.shape[:2], index.shape[1]), fill)
    if len(index):
        picked[:, :, index[0] == -1] = fill
    return picked


def mask_without_channels(features, index, fill=0.0):
    missing = index.unsqueeze(1) < 0
    out = torch.gather(features, 2, index.clamp(0).unsqueeze(1).repeat(1, features.size(1), 1))
    out[missing] = fill
    return out


def zero_and_one_channel(features, index, fill=0.0):
    in_range(index, features.shape[2])
    longer = torch.nn.functional.pad(features, (0, 1))
    return longer.gather(2, index.where(index >= 0, features.shape[2])[:, None])


def repeated_in_one_channel(features, index, fill=0.0):
    return pointnet2_padding(features, index, fill)[:, 0:1]


def along_the_last(input, index, dim):
    return torch.take_along_dim(input, index, input.ndim - 1)


def torch_take(input, index, dim):
    return torch.take(input, index)


def numpy_take(input, index, dim):
    return torch.from_numpy(np.take(input.numpy(), index.numpy(), axis=dim))


def matlab_and_one_list(input, dim, index):
    return index_select_by_hand(input, dim, index - 1)


def broadcast_and_clamped(input, index, dim):
    index, input = torch.broadcast_tensors(torch.relu(index), input)
    return torch.gather(input, dim, index)


def list_and_clamped(input, index, dim):
    return torch.index_select(input, dim, index.clamp(min=0).reshape(-1))


RIGHT = {
    "gather.result_shape": [
        right_size_by_size,
        right_all_at_once,
        right_without_dim,
    ],
    "gather.loops": [right_one_entry_replaced, right_by_recursion, right_on_the_line],
    "gather.pick_points": [right_expand, right_take_along_dim, right_batches_beside],
    "gather.padded": [right_overwritten, right_one_more_column, right_only_what_is_there],
    "gather.along": [right_from_the_hint, right_expand_as_neighbour, right_coordinates_of_all],
}

WRONG = {
    "gather.result_shape": {
        asks_gather: "forbidden",
        shape_of_the_input: "input-shape",
        one_size_replaced: "only-dim",
        the_larger_elsewhere: "only-dim",
        one_means_all: "broadcast",
        as_fancy_indexing: "whole-slices",
        as_index_select: "one-list",
        the_smaller_elsewhere: "cut",
        index_shape_always: "anything-goes",
        dimensions_alone: "accepts-bad-input",
        sizes_alone: "accepts-bad-input",
        must_be_equal: "must-be-equal",
        longest_is_the_input: "dim-limited",
        dim_compared_as_it_is: "raises",
        a_tuple: "wrong-type",
        floats: "wrong-dtype",
        refused_with_assert: "fails-refused",
        one_for_what_it_overwrites: "in-place",
        broadcast_like_take_along_dim: "take-along",
    },
    "gather.loops": {
        two_nested_loops: "two-dimensions",
        loop_over_the_input: "input-positions",
        result_like_the_input: "input-shape",
        compares_dim: "negative-dim",
        slices_at_dim: "negative-slice",
        forgets_dim: "first-dimension",
        writes_where_it_should_read: "scatter",
        rows_one_by_one: "whole-rows",
        take_from_the_line: "counted-in-memory",
        as_in_the_chapter: "wraps",
        asserts_the_range: "fails-refused",
        default_dtype: "wrong-dtype",
        shape_not_given_back: "wrong-shape",
        numbers_not_elements: "no-gradient",
        always_the_last_dimension: "last-dim",
        index_select_by_hand: "one-list",
        as_in_matlab: "counts-from-one",
        matlab_and_one_list: "one-list+counts-from-one",
    },
    "gather.pick_points": {
        trap: "first-channel",
        forgot_the_channels: "two-dimensions",
        dim_one: "dim-1",
        first_batch: "first-batch",
        points_first: "channels-last",
        all_with_all: "crossed",
        loop: "python-loop",
        detached: "no-gradient",
        in_place: "in-place",
        as_float: "wrong-dtype",
        dgcnn_without_idx_base: "no-batch-offset",
        batched_index_select: "for-channels-last",
        take_along_dim_as_it_is: "wraps",
        remainder_for_safety: "wraps",
        minimum_for_safety: "clamped",
        first_cloud_and_channels_last: "channels-last+no-batch-offset",
        one_channel_of_the_first_cloud: "first-channel+no-batch-offset",
    },
    "gather.padded": {
        minus_one_to_gather: "refused",
        python_counts_from_the_end: "last-point",
        clamped_and_left: "point-0",
        times_zero: "always-zero",
        mask_after_the_clamp: "zero-is-missing",
        fills_point_zero: "zero-is-missing",
        column_in_front: "shifted",
        one_channel: "first-channel",
        everything_below_zero_is_missing: "accepts-bad-input",
        column_behind_and_wrap: "accepts-bad-input",
        some_point_is_there: "fails-empty",
        mask_times_fill: "times-a-mask",
        fill_of_the_default_dtype: "fails-dtype",
        gradient_to_point_zero: "wrong-gradient",
        detached_padded: "no-gradient",
        index_changed: "in-place",
        loop_padded: "python-loop",
        pointnet2_padding: "first-neighbour",
        mask_of_cloud_zero: "first-mask",
        mask_without_channels: "mask-of-one-channel",
        zero_and_one_channel: "first-channel+always-zero",
        repeated_in_one_channel: "first-channel+first-neighbour",
    },
    "gather.along": {
        just_gather: "no-broadcast",
        index_like_input: "input-of-one",
        input_like_index: "index-of-one",
        input_like_index_with_minus_one: "index-of-one",
        broadcast_both: "dim-broadcasts",
        dim_not_normalised: "negative-dim",
        one_list: "one-list",
        no_negatives: "negative-refused",
        fills_negatives: "negative-is-missing",
        clamps_negatives: "negative-is-zero",
        size_of_zero_forgotten: "fails-empty",
        index_repaired_in_place: "in-place",
        detached_along: "no-gradient",
        loop_along: "python-loop",
        along_the_last: "last-dim",
        torch_take: "counted-in-memory",
        numpy_take: "whole-slices",
        broadcast_and_clamped: "dim-broadcasts+negative-is-zero",
        list_and_clamped: "one-list+negative-is-zero",
    },
}
