"""Answers to the exercises of chapter 14 as students write them, right and wrong."""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

# ---- speed.bytes_moved


def bytes_by_strides(features, index):
    stored = index.element_size()
    for size, step in zip(index.shape, index.stride(), strict=True):
        stored *= size if step > 0 else 1
    return stored + 2 * index.numel() * features.element_size()


def bytes_one_channel_if_expanded(features, index):
    B, C, M = index.shape
    rows = B if C > 1 and index.stride(1) == 0 else B * C
    return rows * M * index.dtype.itemsize + 2 * B * C * M * features.dtype.itemsize


def bytes_of_the_parts(features, index):
    kept = index
    for axis in range(3):
        if index.stride(axis) == 0:
            kept = kept.narrow(axis, 0, min(1, index.shape[axis]))
    result = torch.empty(index.shape, dtype=features.dtype, device="meta")
    return kept.nbytes + 2 * result.nbytes


def bytes_of_the_input(features, index):
    expanded = index.stride(1) == 0 and index.shape[1] > 1
    stored = index[:, :1] if expanded else index
    return stored.nbytes + features.nbytes + features.itemsize * index.numel()


def bytes_read(features, index):
    expanded = index.stride(1) == 0 and index.shape[1] > 1
    stored = index[:, :1] if expanded else index
    return stored.nbytes + features.itemsize * index.numel()


def bytes_of_values(features, index):
    B, C, M = index.shape
    return 2 * B * C * M * features.element_size()


def bytes_by_shape(features, index):
    return index.numel() * (index.element_size() + 2 * features.element_size())


def bytes_of_nbytes(features, index):
    return index.nbytes + 2 * features.itemsize * index.numel()


def bytes_of_one_index_row(features, index):
    B, C, M = index.shape
    return B * M * index.element_size() + 2 * B * C * M * features.element_size()


def bytes_of_storage(features, index):
    return index.untyped_storage().size() + 2 * index.numel() * features.element_size()


def bytes_float32_int64(features, index):
    B, C, M = index.shape
    rows = B if C > 1 and index.stride(1) == 0 else B * C
    return rows * M * 8 + 2 * B * C * M * 4


def bytes_int64(features, index):
    return bytes_one_channel_if_expanded(features, as_wide(index))


def as_wide(index):
    """The same index in int64, expanded where it was."""
    if index.stride(1) == 0 and index.shape[1] > 1:
        return index[:, :1].long().expand(index.shape)
    return index.long()


def bytes_float32(features, index):
    return bytes_one_channel_if_expanded(features.float(), index)


def bytes_all_like_values(features, index):
    B, C, M = index.shape
    rows = B if C > 1 and index.stride(1) == 0 else B * C
    return (rows * M + 2 * B * C * M) * features.element_size()


def bytes_as_elements(features, index):
    B, C, M = index.shape
    rows = B if C > 1 and index.stride(1) == 0 else B * C
    return rows * M + B * C * M + B * C * M


def bytes_as_bits(features, index):
    return bytes_by_strides(features, index) * 8


def bytes_of_a_channel(features, index):
    B, _, M = index.shape
    return B * M * (index.element_size() + 2 * features.element_size())


def bytes_as_float(features, index):
    return float(bytes_by_strides(features, index))


def bytes_as_tensor(features, index):
    return torch.tensor(bytes_by_strides(features, index))


def bytes_one_by_one(features, index):
    seen, total = set(), 0
    for b in range(index.shape[0]):
        for c in range(index.shape[1]):
            for m in range(index.shape[2]):
                seen.add(b * index.stride(0) + c * index.stride(1) + m * index.stride(2))
                total += 2 * features.element_size()
    return total + len(seen) * index.element_size()


# ---- speed.sectors


def sectors_sorted(position, size):
    sector = (position.long() * size // 32).sort(dim=1).values
    padded = F.pad(sector, (1, 0), value=-1)
    return (padded[:, 1:] != padded[:, :-1]).sum(dim=1)


def sectors_scattered(position, size):
    sector = position.long() * size // 32 + 1  # 0 for nobody
    _, dense = sector.unique(return_inverse=True)
    width = int(dense.max()) + 1 if dense.numel() else 1
    met = torch.zeros(len(position), width, dtype=torch.bool, device=position.device)
    met.scatter_(1, dense, True)
    none = torch.zeros_like(met)
    none.scatter_(1, dense, sector == 0)
    return (met & ~none).sum(1)


def sectors_compared(position, size):
    """A sector counts for the first thread that asks for it."""
    T = position.shape[1]
    sector = position.long() * size // 32
    earlier = torch.ones(T, T, dtype=torch.bool, device=position.device).tril(-1)
    again = ((sector[:, :, None] == sector[:, None, :]) & earlier).any(2)
    return ((sector >= 0) & ~again).sum(1)


def sectors_unique_pairs(position, size):
    w, t = (position >= 0).nonzero(as_tuple=True)
    pairs = torch.stack([w, position[w, t].long() * size // 32], 1)
    return torch.bincount(torch.unique(pairs, dim=0)[:, 0], minlength=len(position))


def warp_by_warp(position, count):
    out = [count(row[row >= 0].long()) for row in position]
    return torch.tensor(out, dtype=torch.int64)


def sectors_as_elements(position, size):
    return warp_by_warp(position, lambda k: len(k.unique()))


def sectors_span(position, size):
    def span(k):
        return int(k.max() * size // 32 - k.min() * size // 32 + 1) if len(k) else 0

    return warp_by_warp(position, span)


def sectors_of_everything(position, size):
    sector = position[position >= 0].long() * size // 32
    return torch.tensor(len(sector.unique()))


def sectors_with_minus_one(position, size):
    out = [len((row.long() * size // 32).unique()) for row in position]
    return torch.tensor(out, dtype=torch.int64)


def sectors_truncated(position, size):
    start = position.long() * size
    sector = start.div(32, rounding_mode="trunc").sort(dim=1).values
    if not sector.shape[1]:
        return torch.zeros(len(sector), dtype=torch.int64)
    return 1 + (sector.diff(dim=1) > 0).sum(1)


def sectors_of_32_elements(position, size):
    return warp_by_warp(position, lambda k: len((k // 32).unique()))


def sectors_over_size(position, size):
    return warp_by_warp(position, lambda k: len((k // size).unique()))


def sectors_of_eight(position, size):
    return warp_by_warp(position, lambda k: len((k // 8).unique()))


def sectors_of_64(position, size):
    return warp_by_warp(position, lambda k: len((k * size // 64).unique()))


def sectors_at_best(position, size):
    return warp_by_warp(position, lambda k: math.ceil(len(k.unique()) * size / 32))


def sectors_of_all_threads(position, size):
    return warp_by_warp(position, lambda k: math.ceil(len(k) * size / 32))


def sectors_consecutive(position, size):
    out = []
    for row in position:
        runs = torch.unique_consecutive(row.long() * size // 32)
        out.append(int((runs >= 0).sum()))
    return torch.tensor(out, dtype=torch.int64)


def sectors_changes(position, size):
    return warp_by_warp(position, lambda k: int(((k * size // 32).sort()[0].diff() > 0).sum()))


def sectors_times_32(position, size):
    return sectors_sorted(position, size) * 32


def sectors_in_int32(position, size):
    start = torch.where(position < 0, -1, position * size)
    gone, sector = position < 0, start // 32
    out = [len(row[~none].unique()) for row, none in zip(sector, gone, strict=True)]
    return torch.tensor(out, dtype=torch.int64)


def sectors_as_floats(position, size):
    return sectors_sorted(position, size).float()


def sectors_in_sets(position, size):
    found = [len({k * size // 32 for k in row if k >= 0}) for row in position.tolist()]
    return torch.tensor(found, dtype=torch.int64)


# ---- speed.reorder


def reorder_with_argsort(features, table, order):
    new = torch.argsort(order)
    moved = table[order]
    named = new[moved.clamp(min=0).long()].to(table.dtype)
    return features[order], torch.where(moved >= 0, named, -1)


def reorder_with_assignment(features, table, order):
    new = torch.empty_like(order)
    new[order] = torch.arange(len(order), device=order.device)
    renamed = table.clone()
    there = table >= 0
    renamed[there] = new[table[there].long()].to(table.dtype)
    return features.index_select(0, order), renamed.index_select(0, order)


def reorder_with_an_entry_more(features, table, order):
    new = torch.full((len(order) + 1,), -1, dtype=table.dtype, device=order.device)
    new[order] = torch.arange(len(order), dtype=table.dtype, device=order.device)
    return features[order], new[table[order].long()]


def inverse_of(order):
    new = torch.zeros_like(order)
    return new.scatter(0, order, torch.arange(len(order)))


def lookup(new, table):
    there = table >= 0
    return torch.where(there, new[table.clamp(min=0).long()].to(table.dtype), table)


def reorder_rows_only(features, table, order):
    return features.index_select(0, order), table.index_select(0, order)


def reorder_looks_up_order(features, table, order):
    return features[order], lookup(order, table[order])


def reorder_names_only(features, table, order):
    return features[order], lookup(inverse_of(order), table)


def reorder_names_by_order(features, table, order):
    return features[order], lookup(order, table)


def reorder_without_a_mask(features, table, order):
    new = inverse_of(order)
    return features[order], new.to(table.dtype)[table.long()][order]


def reorder_clamped(features, table, order):
    new = inverse_of(order)
    return features[order], new.to(table.dtype)[table.clamp(min=0).long()][order]


def reorder_scattered(features, table, order):
    """Row v goes to place order[v], and takes that name."""
    out, rows = torch.zeros_like(features), torch.zeros_like(table)
    out[order] = features
    rows[order] = lookup(order, table)
    return out, rows


def reorder_table_only(features, table, order):
    return features, lookup(inverse_of(order), table)[order]


def reorder_features_only(features, table, order):
    return features[order], table


def reorder_features_scattered(features, table, order):
    out = torch.zeros_like(features)
    out[order] = features
    return out, lookup(inverse_of(order), table)[order]


def reorder_rows_scattered(features, table, order):
    rows = torch.zeros_like(table)
    rows[order] = lookup(inverse_of(order), table)
    return features[order], rows


def reorder_to_int64(features, table, order):
    return features[order], lookup(inverse_of(order), table.long())[order]


def reorder_a_list(features, table, order):
    return list(reorder_with_argsort(features, table, order))[:1]


def reorder_in_place(features, table, order):
    there = table >= 0
    table[there] = inverse_of(order)[table[there].long()].to(table.dtype)
    return features[order], table[order]


def reorder_with_a_dict(features, table, order):
    new = {int(old): row for row, old in enumerate(order)} | {-1: -1}
    rows = [[new[int(entry)] for entry in table[old]] for old in order]
    return features[order], torch.tensor(rows, dtype=table.dtype).reshape(table.shape)


# ---- speed.segment_sum


def segments_by_index_add(values, start):
    S = len(start) - 1
    slot = torch.arange(S, device=start.device).repeat_interleave(start[1:] - start[:-1])
    return torch.zeros(S, values.shape[1]).to(values).index_add(0, slot, values)


def segments_by_search(values, start):
    n = torch.arange(len(values), device=values.device, dtype=start.dtype)
    slot = torch.searchsorted(start.contiguous(), n, right=True) - 1
    out = values.new_zeros(len(start) - 1, values.shape[1])
    return out.scatter_add(0, slot[:, None].expand_as(values), values)


def segments_in_bags(values, start):
    n = torch.arange(len(values), device=values.device, dtype=start.dtype)
    return F.embedding_bag(n, values, start, mode="sum", include_last_offset=True)


def segments_running_in_float64(values, start):
    total = values.double().cumsum(0)
    total = torch.cat([total.new_zeros(1, values.shape[1]), total])
    return (total[start[1:].long()] - total[start[:-1].long()]).to(values.dtype)


def before(values):
    return torch.cat([values.new_zeros(1, values.shape[1]), torch.cumsum(values, 0)])


def segments_running(values, start):
    total = before(values)
    return total[start[1:].long()] - total[start[:-1].long()]


def segments_without_the_first(values, start):
    total = torch.cumsum(values, 0)
    first = start[:-1].long().clamp(max=max(0, len(values) - 1))
    return total[start[1:].long() - 1] - total[first]


def segments_from_zero(values, start):
    return torch.stack([values[: int(end)].sum(0) for end in start[1:]])


def segments_with_values(values, start):
    lengths = start.diff()
    lengths = lengths[lengths > 0]
    slot = torch.arange(len(lengths)).repeat_interleave(lengths)
    return values.new_zeros(len(lengths), values.shape[1]).index_add(0, slot, values)


def segments_counted_by_change(values, start):
    """A new segment begins where one begins: empty ones do not show."""
    begins = torch.zeros(len(values) + 1, dtype=torch.int64)
    begins[start.long()] = 1
    slot = begins[:-1].cumsum(0) - 1
    out = values.new_zeros(len(start) - 1, values.shape[1])
    return out.index_add(0, slot, values)


def segments_reduceat(values, start):
    sums = np.add.reduceat(values.numpy(), start[:-1].numpy(), axis=0)
    return torch.from_numpy(sums)


def segments_averaged(values, start):
    lengths = start.diff().clamp(min=1)
    return segments_by_index_add(values, start) / lengths[:, None]


def segments_bucketized(values, start):
    n = torch.arange(len(values))
    slot = (torch.bucketize(n, start.long().contiguous()) - 1).clamp(min=0)
    return values.new_zeros(len(start) - 1, values.shape[1]).index_add(0, slot, values)


def segments_plus_equals(values, start):
    slot = torch.arange(len(start) - 1).repeat_interleave(start.diff())
    out = values.new_zeros(len(start) - 1, values.shape[1])
    out[slot] += values
    return out


def segments_of_all_channels(values, start):
    return segments_by_index_add(values, start).sum(-1)


def segments_reduced(values, start):
    return torch.segment_reduce(values, "sum", offsets=start.long(), axis=0)


def segments_detached(values, start):
    return segments_by_index_add(values.detach().clone(), start)


def segments_one_by_one(values, start):
    rows = [values[a:b].sum(0) for a, b in pairwise(start)]
    return torch.stack(rows) if rows else values.new_zeros(0, values.shape[1])


def segments_in_float32(values, start):
    return segments_by_index_add(values.float(), start)


# ---- speed.bag


def bag_of_offsets(rows, index, weight):
    there = index >= 0
    ends = there.sum(dim=1).cumsum(0)
    start = torch.cat([ends.new_zeros(1), ends])[: len(index)].to(index.dtype)
    return F.embedding_bag(index[there], rows, start, None, 2.0, False, "sum", False, weight[there])


def bag_with_a_row_of_zeros(rows, index, weight):
    wide = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])
    index = torch.where(index >= 0, index, len(rows))
    return F.embedding_bag(index, wide, per_sample_weights=weight, mode="sum")


def bag_by_pairs(rows, index, weight):
    m, k = (index >= 0).nonzero(as_tuple=True)
    read = rows[index[m, k].long()] * weight[m, k][:, None]
    return rows.new_zeros(len(index), rows.shape[1]).index_add(0, m, read)


def bag_term_by_term(rows, index, weight):
    wide = F.pad(rows, (0, 0, 0, 1))  # -1 reads zeros
    out = rows.new_zeros(len(index), rows.shape[1])
    for k in range(index.shape[1]):
        out = out + weight[:, k, None] * wide[index[:, k].long()]
    return out


def weighted(rows, index, weight):
    return rows[index.long()] * weight[:, :, None]


def bag_averaged(rows, index, weight):
    count = (index >= 0).sum(dim=1, keepdim=True)
    return bag_by_pairs(rows, index, weight) / count.clamp(min=1)


def bag_averaged_over_k(rows, index, weight):
    return bag_by_pairs(rows, index, weight) / max(index.shape[1], 1)


def bag_weights_to_one(rows, index, weight):
    weight = weight * (index >= 0)
    total = weight.sum(dim=1, keepdim=True)
    return bag_by_pairs(rows, index, weight) / torch.where(total == 0, 1.0, total)


def bag_plain_sum(rows, index, weight):
    there = (index >= 0).to(rows)
    return bag_by_pairs(rows, index, there)


def bag_three_steps(rows, index, weight):
    return weighted(rows, index, weight).sum(dim=1)


def bag_straight(rows, index, weight):
    return torch.nn.functional.embedding_bag(
        input=index, weight=rows, per_sample_weights=weight, mode="sum"
    )


def bag_padding_is_minus_one(rows, index, weight):
    layer = torch.nn.EmbeddingBag.from_pretrained(rows, freeze=False, mode="sum", padding_idx=-1)
    return layer(index, per_sample_weights=weight)


def bag_clamped(rows, index, weight):
    return F.embedding_bag(
        index.clamp(min=0), rows, per_sample_weights=weight.contiguous(), mode="sum"
    )


def bag_masked_weights(rows, index, weight):
    weight = weight * (index >= 0)
    return weighted(rows, index.clamp(min=0), weight).sum(1)


def bag_masked_weights_read_last(rows, index, weight):
    return weighted(rows, index, torch.where(index < 0, 0.0, weight).to(weight)).sum(1)


def bag_padding_is_0(rows, index, weight):
    return F.embedding_bag(
        index.clamp(min=0).long(), rows, per_sample_weights=weight, mode="sum", padding_idx=0
    )


def bag_rows_and_weights(rows, index, weight):
    wide = torch.cat([rows, torch.zeros(1, rows.shape[1])]).to(rows)
    return weighted(wide, torch.where(index >= 0, index, len(rows)), weight)


def bag_all_together(rows, index, weight):
    there = index >= 0
    return (rows[index[there].long()] * weight[there][:, None]).sum(0)


def bag_default_mode(rows, index, weight):
    return F.embedding_bag(index.clamp(min=0), rows, per_sample_weights=weight)


def bag_weights_detached(rows, index, weight):
    return bag_by_pairs(rows, index, weight.detach())


def bag_nan_to_num(rows, index, weight):
    return torch.nan_to_num(bag_masked_weights(rows, index, weight))


def bag_masked_afterwards(rows, index, weight):
    """Right in value; backwards, 0 meets infinity."""
    there = (index >= 0)[:, :, None]
    return torch.where(there, weighted(rows, index.clamp(min=0), weight), 0.0).to(rows).sum(1)


def bag_bag_by_bag(rows, index, weight):
    out = []
    for asked, w in zip(index, weight, strict=True):
        kept = asked >= 0
        out.append(w[kept] @ rows[asked[kept].long()])
    return torch.stack(out) if out else rows.new_zeros(0, rows.shape[1])


# ----

# ---- from other people's programs, and two mistakes at once


def read_once_if_it_stays(features, index):
    B, C, M = index.shape
    entries = index.numel() // max(1, C) if index.stride(1) == 0 and C > 1 else index.numel()
    seen = {(b, c, k) for b in range(B) for c in range(C) for k in index[b, c].tolist()}
    values = (len(seen) + B * C * M) * features.element_size()
    return entries * index.element_size() + values


def with_write_allocate(features, index):
    return bytes_by_strides(features, index) + index.numel() * features.element_size()


def bits_of_one_channel(features, index):
    return 8 * bytes_by_strides(features, index[:, 0:1, :])


def bits_without_index(features, index):
    return index.numel() * 2 * features.element_size() * 8


def lines_of_128(position, size):
    return sectors_any(position, size, 128)


def ceiling_of_bytes(position, size):
    out = []
    for row in position.tolist():
        out.append(len({(k * size + 31) // 32 for k in row if k >= 0}))
    return torch.tensor(out, dtype=torch.int64)


def four_bytes_and_bytes(position, size):
    return sectors_any(position, 4, 32) * 32


def zero_and_too_few(position, size):
    return (sectors_any(position.clamp(0), size, 32) - 1).clamp(0)


def sectors_any(position, size, piece):
    rows = [{k * size // piece for k in row if k >= 0} for row in position.tolist()]
    return torch.tensor([len(row) for row in rows], dtype=torch.int64)


def moved_with(features, table, order, missing=-1):
    new = torch.empty_like(order).scatter(0, order, torch.arange(len(order)))
    entries = table[order].long()
    wide = torch.cat([new, new.new_tensor([missing])])
    return features[order], wide[entries].to(table.dtype)


def missing_as_count(features, table, order):
    return moved_with(features, table, order, missing=len(features))


def renamed_one_by_one(features, table, order):
    out = torch.clone(table[order])
    for row in range(len(order)):
        out = torch.where(out == order[row], row, out)
    return features[order], out.to(table.dtype)


def other_way_features_stay(features, table, order):
    _, moved = moved_with(features, table, order.argsort())
    return features.clone(), moved


def rows_stay_and_zero(features, table, order):
    return features[order], order.argsort()[table.clamp(min=0).long()].to(table.dtype)


def ends_one_early(values, start):
    rows = [values[a : max(a, b - 1)].sum(0) for a, b in pairwise(start)]
    return torch.stack(rows) if rows else values.new_zeros(0, values.shape[1])


def segment_maximum(values, start):
    out = values.new_zeros(len(start) - 1, values.shape[1])
    slot = torch.arange(len(out)).repeat_interleave(start.diff())[:, None].expand_as(values)
    return out.scatter_reduce(0, slot, values, "amax", include_self=False)


def mean_without_empties(values, start):
    rows = [values[a:b].mean(0) for a, b in pairwise(start) if b > a]
    return torch.stack(rows) if rows else values.new_zeros(0, values.shape[1])


def one_early_in_one_column(values, start):
    return ends_one_early(values, start).sum(-1)


def as_attention(rows, index, weight):
    return bag_by_hand(rows, index, torch.softmax(weight, -1))


def as_masked_attention(rows, index, weight):
    return bag_by_hand(rows, index, torch.softmax(weight.where(index >= 0, -torch.inf), -1))


def bag_by_hand(rows, index, weight):
    out = rows.new_zeros(len(index), rows.shape[1])
    for k in range(index.shape[1]):
        there = index[:, k] >= 0
        out[there] = out[there] + weight[there, k, None] * rows[index[there, k].long()]
    return out


def maximum_of_bag(rows, index, weight):
    out = []
    for m in range(len(index)):
        there = index[m] >= 0
        weighted = rows[index[m, there].long()] * weight[m, there, None]
        out.append(weighted.max(0).values if len(weighted) else rows.new_zeros(rows.shape[1]))
    return torch.stack(out) if out else rows.new_zeros(0, rows.shape[1])


def weights_of_bag_0(rows, index, weight):
    return bag_by_hand(rows, index, weight[0:1].repeat(len(index), 1))


def mean_without_weights(rows, index, weight):
    count = (index >= 0).sum(-1, keepdim=True)
    return bag_by_hand(rows, index, weight * 0 + 1) / count.clamp(min=1)


def first_row_in_one_bag(rows, index, weight):
    return bag_by_hand(rows, index.clamp(min=0), weight).sum(0)


RIGHT = {
    "speed.bytes_moved": [
        bytes_by_strides,
        bytes_one_channel_if_expanded,
        bytes_of_the_parts,
    ],
    "speed.sectors": [sectors_sorted, sectors_scattered, sectors_compared, sectors_unique_pairs],
    "speed.reorder": [
        reorder_with_argsort,
        reorder_with_assignment,
        reorder_with_an_entry_more,
    ],
    "speed.segment_sum": [
        segments_by_index_add,
        segments_by_search,
        segments_in_bags,
        segments_running_in_float64,
    ],
    "speed.bag": [bag_of_offsets, bag_with_a_row_of_zeros, bag_by_pairs, bag_term_by_term],
}

WRONG = {
    "speed.bytes_moved": {
        bytes_of_the_input: "whole-input",
        bytes_read: "no-write",
        bytes_of_values: "no-index",
        bytes_by_shape: "index-repeated",
        bytes_of_nbytes: "index-repeated",
        bytes_of_one_index_row: "index-always-shared",
        bytes_of_storage: "whole-storage",
        bytes_float32_int64: "fixed-sizes",
        bytes_int64: "fixed-sizes",
        bytes_float32: "fixed-sizes",
        bytes_all_like_values: "one-size",
        bytes_as_elements: "elements",
        bytes_as_bits: "bits",
        bytes_of_a_channel: "one-channel",
        bytes_as_float: "wrong-type",
        bytes_as_tensor: "wrong-type",
        bytes_one_by_one: "python-loop",
        read_once_if_it_stays: "each-value-once",
        with_write_allocate: "write-allocate",
        bits_of_one_channel: "bits+one-channel",
        bits_without_index: "no-index+bits",
    },
    "speed.sectors": {
        sectors_as_elements: "elements",
        sectors_span: "range",
        sectors_of_everything: "together",
        sectors_with_minus_one: "missing-counted",
        sectors_truncated: "missing-counted",
        sectors_of_32_elements: "size-ignored",
        sectors_over_size: "divided-by-size",
        sectors_of_eight: "always-four",
        sectors_of_64: "lines",
        sectors_at_best: "packed",
        sectors_of_all_threads: "packed",
        sectors_consecutive: "not-sorted",
        sectors_changes: "one-too-few",
        sectors_times_32: "bytes",
        sectors_in_int32: "overflow",
        sectors_as_floats: "wrong-dtype",
        sectors_in_sets: "python-loop",
        lines_of_128: "lines",
        ceiling_of_bytes: "rounded-up",
        four_bytes_and_bytes: "always-four+bytes",
        zero_and_too_few: "missing-counted+one-too-few",
    },
    "speed.reorder": {
        reorder_rows_only: "not-renamed",
        reorder_looks_up_order: "renamed-by-order",
        reorder_names_only: "rows-stay",
        reorder_names_by_order: "rows-stay",
        reorder_without_a_mask: "missing-renamed",
        reorder_clamped: "missing-is-zero",
        reorder_scattered: "other-way",
        reorder_table_only: "features-stay",
        reorder_features_only: "table-stays",
        reorder_features_scattered: "features-back",
        reorder_rows_scattered: "rows-back",
        reorder_to_int64: "wider",
        reorder_a_list: "wrong-type",
        reorder_in_place: "in-place",
        reorder_with_a_dict: "python-loop",
        missing_as_count: "missing-is-count",
        renamed_one_by_one: "renamed-twice",
        other_way_features_stay: "other-way+features-stay",
        rows_stay_and_zero: "rows-stay+missing-is-zero",
    },
    "speed.segment_sum": {
        segments_running: "running-sum",
        segments_without_the_first: "first-left-out",
        segments_from_zero: "from-the-beginning",
        segments_with_values: "empties-dropped",
        segments_counted_by_change: "empties-not-counted",
        segments_reduceat: "empty-takes-next",
        segments_averaged: "mean",
        segments_bucketized: "first-too-early",
        segments_plus_equals: "one-stays",
        segments_of_all_channels: "channels-summed",
        segments_reduced: "forbidden",
        segments_detached: "no-gradient",
        segments_one_by_one: "python-loop",
        segments_in_float32: "wrong-dtype",
        ends_one_early: "last-left-out",
        segment_maximum: "maximum",
        mean_without_empties: "empties-dropped+mean",
        one_early_in_one_column: "channels-summed+last-left-out",
    },
    "speed.bag": {
        bag_averaged: "mean",
        bag_averaged_over_k: "mean",
        bag_weights_to_one: "normalised",
        bag_plain_sum: "unweighted",
        bag_straight: "minus-one-given",
        bag_padding_is_minus_one: "last-is-padding",
        bag_three_steps: "reads-last",
        bag_clamped: "reads-first",
        bag_masked_weights: "zero-weight",
        bag_masked_weights_read_last: "zero-weight",
        bag_padding_is_0: "row-0-lost",
        bag_rows_and_weights: "not-summed",
        bag_all_together: "one-bag",
        bag_default_mode: "raises",
        bag_weights_detached: "no-gradient",
        bag_nan_to_num: "fails-missing",
        bag_masked_afterwards: "wrong-gradient",
        bag_bag_by_bag: "python-loop",
        as_attention: "softmax",
        as_masked_attention: "softmax",
        maximum_of_bag: "maximum",
        weights_of_bag_0: "first-weights",
        mean_without_weights: "mean+unweighted",
        first_row_in_one_bag: "reads-first+one-bag",
    },
}
