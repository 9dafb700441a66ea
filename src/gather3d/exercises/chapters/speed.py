"""Chapter 14's exercises: bytes, sectors, a new order of rows, sums of segments, bags of rows."""

import math
from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..exercise import (
    Case,
    Exercise,
    Misconception,
    after,
    before,
    integers,
    numbers,
    strided,
    transposed,
)

BYTES = "14-speed#the-bytes-that-must-move"
PIECES = "14-speed#the-pieces-in-which-they-move"
ORDER = "14-speed#in-which-order"
LAYOUT = "14-speed#which-way-round"
FUSED = "14-speed#do-not-write-what-is-read-once"
MANY = "14-speed#many-to-one-add-at-once-or-sort-first"
FORGETS = "14-speed#the-shortcut-that-forgets"
ALWAYS_THERE = "01-gather#the-point-that-is-always-there"


# ---- speed.bytes_moved


def bytes_moved_loop(features: Tensor, index: Tensor) -> int:
    moved, met = 0, set()
    for place in product(*map(range, index.shape)):
        entry = sum(at * step for at, step in zip(place, index.stride(), strict=True))
        if entry not in met:  # an entry of memory comes once, however often it is expanded
            moved += index.element_size()
        met.add(entry)
        moved += 2 * features.element_size()  # a value in, and out
    return moved


def bytes_moved_cases(g: Generator) -> Iterator[Case]:
    def case(B, C, N, M, kind="ordinary", value=torch.float32, entry=torch.int64, shared=True):
        index = integers(g, N, B, 1 if shared else C, M).to(entry)
        features = numbers(g, B, C, N, dtype=value)
        return Case({"features": features, "index": index.expand(B, C, M)}, kind)

    M, N = integers(g, 9, 2, low=5).tolist()
    yield case(1, 2, 3, 2, shared=False)
    yield case(1, 3, 4, 2)
    yield case(2, 3, N, M)
    yield case(2, 4, M, N, shared=False)
    yield case(1, 2, 4, 3, value=torch.float64)
    yield case(3, 2, N, 3, value=torch.float16, shared=False)
    yield case(1, 1, 1, 1, "one")
    yield case(2, 1, 4, 3, "one")
    yield case(2, 3, 4, 0, "empty")
    yield case(1, 3, 5, M, "dtype", torch.uint8)
    yield case(2, 3, 5, 4, "dtype", torch.float32, torch.int32)
    yield case(2, 3, 5, 4, "dtype", torch.float64, torch.int32, shared=False)
    wide = case(2, 3, 5, M, "strided", shared=False).arguments
    yield Case(
        {"features": transposed(wide["features"]), "index": strided(wide["index"])}, "strided"
    )
    same = case(2, 2, N, M, "repeated").arguments
    yield Case({**same, "index": torch.full((2, 1, M), N - 1).expand(2, 2, M)}, "repeated")


def stored(index: Tensor) -> int:
    """How many of the entries lie in memory: an expanded axis has the step 0."""
    return math.prod(n for n, step in zip(index.shape, index.stride(), strict=True) if step)


def bytes_moved_fast(features: Tensor, index: Tensor) -> int:
    return bill(features, stored(index) * index.element_size(), index.numel(), index.numel())


def bill(features: Tensor, indices: int, read: int, written: int) -> int:
    return indices + (read + written) * features.element_size()


def all_of_the_input(features: Tensor, index: Tensor) -> int:
    indices = stored(index) * index.element_size()
    return bill(features, indices, features.numel(), index.numel())


def nothing_written(features: Tensor, index: Tensor) -> int:
    return bill(features, stored(index) * index.element_size(), index.numel(), 0)


def no_index(features: Tensor, index: Tensor) -> int:
    return bill(features, 0, index.numel(), index.numel())


def every_entry_stored(features: Tensor, index: Tensor) -> int:
    n = index.numel()
    return bill(features, n * index.element_size(), n, n)


def always_one_row(features: Tensor, index: Tensor) -> int:
    n = index.numel()
    return bill(features, n // index.shape[1] * index.element_size(), n, n)


def whole_storage(features: Tensor, index: Tensor) -> int:
    return bill(features, index.untyped_storage().nbytes(), index.numel(), index.numel())


def four_and_eight(features: Tensor, index: Tensor) -> int:
    return 8 * stored(index) + 4 * 2 * index.numel()


def eight_for_entries(features: Tensor, index: Tensor) -> int:
    return bill(features, 8 * stored(index), index.numel(), index.numel())


def four_for_values(features: Tensor, index: Tensor) -> int:
    return stored(index) * index.element_size() + 4 * 2 * index.numel()


def entries_like_values(features: Tensor, index: Tensor) -> int:
    return bill(features, stored(index) * features.element_size(), index.numel(), index.numel())


def elements(features: Tensor, index: Tensor) -> int:
    return stored(index) + 2 * index.numel()


SIZES = "The size of an element is its dtype's: not every value has 4 bytes, nor every entry 8."


def each_value_once(features: Tensor, index: Tensor) -> int:
    read = sum(len(row.unique()) for row in index.flatten(0, 1)) if index.numel() else 0
    return bill(features, stored(index) * index.element_size(), read, index.numel())


def written_and_fetched(features: Tensor, index: Tensor) -> int:
    n = index.numel()
    return bill(features, stored(index) * index.element_size(), n, 2 * n)


bytes_moved = Exercise(
    id="speed.bytes_moved",
    name="bytes_moved",
    signature="bytes_moved(features [B, C, N], index [B, C, M]) → int",
    right=bytes_moved_loop,
    cases=bytes_moved_cases,
    misconceptions=(
        Misconception(
            "whole-input",
            "You count all of the input. A gather reads what the index names, and a value that is "
            "named twice is read twice.",
            BYTES,
            all_of_the_input,
        ),
        Misconception(
            "no-write",
            "The result has to be written, too: each value moves twice, in and out.",
            BYTES,
            nothing_written,
        ),
        Misconception(
            "no-index",
            "The index is missing from your bill: it is read from memory like the values.",
            BYTES,
            no_index,
        ),
        Misconception(
            "index-repeated",
            "An expanded index is stored once, however many channels read it; you count it for "
            "each of them.",
            LAYOUT,
            every_entry_stored,
        ),
        Misconception(
            "index-always-shared",
            "You count the index once for all channels. That is right where it is expanded; one "
            "that is stored for each channel has to be read for each.",
            LAYOUT,
            always_one_row,
        ),
        Misconception(
            "whole-storage",
            "The storage behind a view may be larger than the view: what is skipped is not read.",
            LAYOUT,
            whole_storage,
        ),
        Misconception("fixed-sizes", SIZES, BYTES, four_and_eight),
        Misconception("fixed-sizes", SIZES, BYTES, eight_for_entries),
        Misconception("fixed-sizes", SIZES, BYTES, four_for_values),
        Misconception(
            "one-size",
            "An entry of the index has a size of its own, which is not that of a value.",
            BYTES,
            entries_like_values,
        ),
        Misconception(
            "elements",
            "You count elements; the bill is in bytes.",
            BYTES,
            elements,
        ),
        Misconception(
            "bits",
            "These are bits: eight times as many as bytes.",
            BYTES,
            change=after(lambda bill, *_: 8 * bill),
        ),
        Misconception(
            "one-channel",
            "This is the bill of one channel.",
            BYTES,
            change=before(lambda features, index: (features, index[:, :1])),
        ),
        Misconception(
            "each-value-once",
            "A value that is named twice is read twice here. You count it once, as if everything "
            "that was read stayed at hand.",
            BYTES,
            each_value_once,
        ),
        Misconception(
            "write-allocate",
            "You count a fetch for each element that is written, as some caches do it. What must "
            "move, at the least, is the element itself.",
            BYTES,
            written_and_fetched,
        ),
    ),
    page=BYTES,
    asks={
        "int32": "Values and entries are as large as their dtypes say.",
        "loop": "Use no loop over entries: count them.",
    },
    large=lambda g: {
        "features": numbers(g, 2, 16, 100, dtype=torch.float32),
        "index": integers(g, 100, 2, 1, 200).expand(2, 16, 200),
    },
    fast=bytes_moved_fast,
)


# ---- speed.sectors


def sectors_loop(position: Tensor, size: int) -> Tensor:
    out = torch.zeros(len(position), dtype=torch.int64, device=position.device)
    for w, row in enumerate(position.tolist()):
        out[w] = len({k * size // 32 for k in row if k >= 0})
    return out


def sectors_cases(g: Generator) -> Iterator[Case]:
    def case(W, T, size, high, kind="ordinary", low=0, dtype=torch.int64):
        return given(integers(g, high, W, T, low=low).to(dtype), size, kind)

    def given(position, size, kind="ordinary"):
        return Case({"position": torch.as_tensor(position), "size": size}, kind)

    start = 8 * integers(g, 9, 1, low=1).item()
    yield given([[start + 8, start, start + 9, start + 1]], 4)
    yield case(2, 4, 4, 24)
    yield case(3, 8, 8, 40)
    yield case(4, 32, 4, 150)
    yield case(3, 32, 2, 400)
    yield case(2, 16, 16, 30)
    yield given(torch.arange(64).reshape(2, 32) + start + 3, 4)
    yield case(1, 1, 4, 9, "one")
    yield case(4, 1, 8, 9, "one")
    yield case(2, 8, 1, 90, "one")
    yield case(0, 32, 4, 9, "empty")
    yield case(3, 0, 4, 9, "empty")
    yield case(2, 32, 4, 150, "dtype", dtype=torch.int32)
    yield given(strided(integers(g, 150, 2, 32)), 4, "strided")
    yield given(transposed(integers(g, 150, 4, 32)), 8, "strided")
    yield given(integers(g, 90, 3, 1).expand(3, 32).contiguous(), 4, "repeated")
    yield given([[0, 7, 8], [31, 32, 0], [15, 16, 15]], 4, "extreme")
    yield given([[start, -1, start + 1, -1], [-1, -1, -1, -1], [-1, 0, start, 1]], 4, "missing")
    yield case(4, 32, 4, 150, "missing", low=-1)
    near = integers(g, 60, 3, 8)
    far = torch.cat([near, near + 2**28], 1).int()  # 4 GB further: the same number modulo 2³²
    yield given(far, 16, "large")


def sectors_fast(position: Tensor, size: int) -> Tensor:
    return different(sector_of(position, size))


def sector_of(position: Tensor, size: int, piece: int = 32) -> Tensor:
    """-1 stays -1."""
    position = position.long()
    return (position * size // piece).where(position >= 0, -1)


def different(rows: Tensor) -> Tensor:
    """How many different numbers from 0 on are in each row."""
    rows = rows.sort(dim=1).values
    return (rows.diff(dim=1, prepend=rows.new_full((len(rows), 1), -1)) != 0).sum(dim=1)


def different_elements(position: Tensor, size: int) -> Tensor:
    return different(position.long())


def from_first_to_last(position: Tensor, size: int) -> Tensor:
    sector = sector_of(position, size)
    first = sector.where(sector >= 0, 2**60).amin(1)
    return (sector.amax(1) - first + 1).clamp(min=0)


def all_warps_together(position: Tensor, size: int) -> Tensor:
    return different(sector_of(position, size).reshape(1, -1))[0]


def also_missing(position: Tensor, size: int) -> Tensor:
    return different(sector_of(position, size) + 1)


def divided_by_size(position: Tensor, size: int) -> Tensor:
    return different(sector_of(position, 1, size))


def whole_lines(position: Tensor, size: int) -> Tensor:
    return different(sector_of(position, size, 64))


def packed_tightly(position: Tensor, size: int) -> Tensor:
    return -(-different_elements(position, size) * size // 32)


def packed_threads(position: Tensor, size: int) -> Tensor:
    return -(-(position >= 0).sum(1) * size // 32)


def in_order_of_threads(position: Tensor, size: int) -> Tensor:
    sector = sector_of(position, size)
    before = sector.diff(dim=1, prepend=sector.new_full((len(sector), 1), -1))
    return ((before != 0) & (sector >= 0)).sum(1)


def overflowing(position: Tensor, size: int) -> Tensor:
    return different((position * size // 32).where(position >= 0, -1).long())


SIDE_BY_SIDE = "So many sectors would do if the elements lay side by side. Where they lie decides."
NOT_READ = "A thread with −1 reads nothing: it asks for no sector, not even for the first."


def begun_bytes_up(position: Tensor, size: int) -> Tensor:
    position = position.long()
    return different((-(-position * size // 32)).where(position >= 0, -1))


sectors = Exercise(
    id="speed.sectors",
    name="sectors",
    signature="sectors(position [W, T], size) → [W]",
    right=sectors_loop,
    cases=sectors_cases,
    misconceptions=(
        Misconception(
            "elements",
            "You count different elements. Memory delivers sectors, and several elements lie in "
            "one.",
            PIECES,
            different_elements,
        ),
        Misconception(
            "range",
            "You count from the first sector to the last. What lies between them moves only where "
            "somebody asks for it.",
            PIECES,
            from_first_to_last,
        ),
        Misconception(
            "together",
            "This is one number for all warps. Each warp asks for itself.",
            PIECES,
            all_warps_together,
        ),
        Misconception("missing-counted", NOT_READ, PIECES, also_missing),
        Misconception(
            "missing-counted",
            NOT_READ,
            PIECES,
            change=before(lambda position, size: (position.clamp(min=0), size)),
        ),
        Misconception(
            "size-ignored",
            "The size of an element has no effect: a position counts elements, a sector has 32 "
            "bytes.",
            PIECES,
            change=before(lambda position, size: (position, 1)),
        ),
        Misconception(
            "divided-by-size",
            "You divide a position by the size of an element. The size times the position is the "
            "byte at which the element begins.",
            PIECES,
            divided_by_size,
        ),
        Misconception(
            "always-four",
            "Every element counts as one of 4 bytes; the size is an argument.",
            PIECES,
            change=before(lambda position, size: (position, 4)),
        ),
        Misconception(
            "lines",
            "These are pieces of 64 bytes, a CPU's cache lines; a sector has 32.",
            PIECES,
            whole_lines,
        ),
        Misconception("packed", SIDE_BY_SIDE, PIECES, packed_tightly),
        Misconception("packed", SIDE_BY_SIDE, PIECES, packed_threads),
        Misconception(
            "not-sorted",
            "You count how often the sector changes from thread to thread. One that comes back "
            "later is counted twice.",
            PIECES,
            in_order_of_threads,
        ),
        Misconception(
            "one-too-few",
            "You count the steps between different sectors; there is one sector more than steps.",
            PIECES,
            change=after(lambda out, *_: (out - 1).clamp(min=0)),
        ),
        Misconception(
            "bytes",
            "These are bytes: 32 for each sector.",
            PIECES,
            change=after(lambda out, *_: 32 * out),
        ),
        Misconception(
            "overflow",
            "Right while the numbers are small. A position times a size does not fit into int32 "
            "from 2³¹ bytes on: convert first.",
            "05-voxels#a-key-that-does-not-fit-its-type",
            overflowing,
        ),
        Misconception(
            "lines",
            "These are lines of 128 bytes; a sector is a quarter of one, 32 bytes.",
            PIECES,
            lambda position, size: different(sector_of(position, size, 128)),
        ),
        Misconception(
            "rounded-up",
            "You round up: an element that begins within a sector counts for the next one.",
            PIECES,
            begun_bytes_up,
        ),
    ),
    page=PIECES,
    asks={
        "dtype": "Count the different sectors that each warp needs, as int64.",
        "int32": "Positions may come in int32, where a position times a size need not fit.",
        "loop": "Use no loop over warps.",
    },
    large=lambda g: {"position": integers(g, 9999, 500, 32), "size": 4},
    fast=sectors_fast,
)


# ---- speed.reorder


def reorder_loop(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    new = {old: row for row, old in enumerate(order.tolist())} | {-1: -1}
    out, renamed = features.new_zeros(features.shape), table.new_zeros(table.shape)
    for row, old in enumerate(order.tolist()):
        out[row] = features[old]
        for k in range(table.shape[1]):
            renamed[row, k] = new[int(table[old, k])]
    return out, renamed


def reorder_cases(g: Generator) -> Iterator[Case]:
    def case(V, C, K, kind="ordinary", dtype=torch.float64, low=0):
        return Case(
            {
                "features": numbers(g, V, C, dtype=dtype),
                "table": integers(g, max(V, 1), V, K, low=low),
                "order": torch.randperm(V, generator=g),
            },
            kind,
        )

    def with_order(order, K, kind="ordinary"):
        fresh = case(len(order), 2, K).arguments
        return Case({**fresh, "order": torch.as_tensor(order)}, kind)

    yield with_order([2, 0, 1], 2)  # not its own inverse
    yield with_order([1, 3, 0, 2], 1)
    yield case(5, 2, 3)
    yield case(7, 1, 4, low=-1)
    yield case(9, 3, 5, low=-1)
    yield case(1, 2, 3, "one")
    yield case(4, 1, 1, "one")
    yield case(0, 2, 3, "empty")
    yield case(4, 2, 0, "empty")
    yield case(6, 2, 3, "dtype", torch.float32, low=-1)
    narrow = case(6, 2, 3, "dtype", low=-1).arguments
    yield Case({**narrow, "table": narrow["table"].int()}, "dtype")
    wide = case(6, 2, 3, low=-1).arguments
    yield Case({name: strided(value) for name, value in wide.items()}, "strided")
    yield Case({**wide, "features": transposed(wide["features"])}, "strided")
    yield with_order(torch.arange(4).roll(1), 4, "extreme")
    ends = case(5, 2, 2).arguments
    yield Case({**ends, "table": torch.tensor([[0, 4], [4, 0], [4, 4], [0, 0], [4, 0]])}, "extreme")
    yield Case({**ends, "table": ends["table"][:1].repeat(5, 1)}, "repeated")
    yield Case({**ends, "table": torch.full((5, 2), -1)}, "missing")
    yield case(6, 2, 4, "missing", low=-1)


def names(order: Tensor, table: Tensor) -> Tensor:
    """Entry v of `order` for each v in the table, -1 for -1."""
    return F.pad(order, (0, 1), value=-1)[table.long()].to(table.dtype)


def reorder_fast(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return features[order], names(order.argsort(), table)[order]


def not_renamed(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return features[order], table[order]


def renamed_by_order(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return features[order], names(order, table)[order]


def rows_stay(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return features[order], names(order.argsort(), table)


def rows_stay_by_order(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return features[order], names(order, table)


def missing_renamed(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return features[order], order.argsort()[table[order].long()].to(table.dtype)


def rows_back(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    new = order.argsort()
    return features[order], names(new, table)[new]


STAYS = (
    "The entries have their new names, the rows of the table are where they were. Row r belongs to "
    "voxel r, and moves with its features."
)


def renamed_in_a_chain(features: Tensor, table: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    renamed = table[order].clone()
    for new, old in enumerate(order.tolist()):
        renamed[renamed == old] = new
    return features[order], renamed


reorder = Exercise(
    id="speed.reorder",
    name="reorder",
    signature="reorder(features [V, C], table [V, K], order [V]) → features [V, C], table [V, K]",
    right=reorder_loop,
    cases=reorder_cases,
    misconceptions=(
        Misconception(
            "not-renamed",
            "The rows of the table have moved, its entries are the old numbers. Each of them is "
            "the name of a voxel that has moved, too.",
            ORDER,
            not_renamed,
        ),
        Misconception(
            "renamed-by-order",
            "`order` says which old row stands in a new place. An entry needs the opposite: the "
            "new place of an old row.",
            ORDER,
            renamed_by_order,
        ),
        Misconception("rows-stay", STAYS, ORDER, rows_stay),
        Misconception("rows-stay", STAYS, ORDER, rows_stay_by_order),
        Misconception(
            "missing-renamed",
            "A neighbour that does not exist has got a number: as an index, −1 reads the last "
            "entry.",
            ALWAYS_THERE,
            missing_renamed,
        ),
        Misconception(
            "missing-is-zero",
            "A neighbour that does not exist has got the new number of voxel 0.",
            ALWAYS_THERE,
            change=before(lambda x, table, order: (x, table.clamp(min=0), order)),
        ),
        Misconception(
            "other-way",
            "Everything is moved the other way: `order[r]` is the old row that becomes row r, not "
            "the new place of row r.",
            ORDER,
            change=before(lambda x, table, order: (x, table, order.argsort())),
        ),
        Misconception(
            "features-stay",
            "The table is right, and the features are still in their old order.",
            ORDER,
            change=after(lambda pair, x, *_: (x.clone(), pair[1])),
        ),
        Misconception(
            "table-stays",
            "The features have moved, and the table still names their old rows.",
            ORDER,
            change=after(lambda pair, x, table, _: (pair[0], table.clone())),
        ),
        Misconception(
            "features-back",
            "The table is right; the features went the other way.",
            ORDER,
            change=after(lambda pair, x, table, order: (x[order.argsort()], pair[1])),
        ),
        Misconception(
            "rows-back",
            "The entries have their new names, but the rows of the table went the other way.",
            ORDER,
            rows_back,
        ),
        Misconception(
            "wider",
            "The numbers are right, but the table came as int32 and has become int64: twice the "
            "bytes.",
            LAYOUT,
            change=after(lambda pair, *_: (pair[0], pair[1].long())),
        ),
        Misconception(
            "missing-is-count",
            "A neighbour that does not exist came out as V; in this book that is −1.",
            ALWAYS_THERE,
            change=after(lambda pair, x, *_: (pair[0], pair[1].where(pair[1] >= 0, len(x)))),
        ),
        Misconception(
            "renamed-twice",
            "You rename in place, one voxel after the other. A number that is new already is taken "
            "for an old one later, and changes again.",
            ORDER,
            renamed_in_a_chain,
        ),
    ),
    page=ORDER,
    asks={
        "int32": "−1 stays −1, and the table keeps its dtype, int64 or int32.",
        "loop": "Use no loop over voxels.",
    },
    large=lambda g: {
        "features": numbers(g, 500, 4),
        "table": integers(g, 500, 500, 27, low=-1),
        "order": torch.randperm(500, generator=g),
    },
    fast=reorder_fast,
)


# ---- speed.segment_sum


def segment_sum_loop(values: Tensor, start: Tensor) -> Tensor:
    out = values.new_zeros(len(start) - 1, values.shape[1])
    for s, (first, end) in enumerate(pairwise(start.tolist())):
        for n in range(first, end):
            out[s] += values[n]
    return out


def segment_sum_cases(g: Generator) -> Iterator[Case]:
    def case(lengths, C, kind="ordinary", dtype=torch.float64):
        start = F.pad(torch.as_tensor(lengths, dtype=torch.int64).cumsum(0), (1, 0))
        return Case({"values": numbers(g, int(start[-1]), C, dtype=dtype), "start": start}, kind)

    def some(S, high=5, low=0):
        return integers(g, high, S, low=low)

    yield case([2, 1], 2)
    yield case([1, 0, 3], 1)
    yield case([0, 2, 0, 0, 3, 1, 0], 2)
    yield case([4, 2, 3, 2], 3)
    yield case(some(8), 2)
    yield case([1], 1, "one")
    yield case([1, 1, 1], 2, "one")
    yield case([5], 1, "one")
    yield case([], 2, "empty")
    yield case([0, 0, 0], 2, "empty")
    yield case(some(6), 2, "dtype", torch.float32)
    narrow = case([3, 0, 2], 2).arguments
    yield Case({**narrow, "start": narrow["start"].int()}, "dtype")
    wide = case(some(5, low=1), 3).arguments
    yield Case({name: strided(value) for name, value in wide.items()}, "strided")
    yield Case({**wide, "values": transposed(wide["values"])}, "strided")
    hot = case([2, 2, 0, 1], 1, "large", torch.float32).arguments
    hot["values"][1] += 2.0**27 * (1 + integers(g, 3, 1))  # beyond 2²⁴, what follows is lost
    yield Case(hot, "large")


def segment_slots(start: Tensor) -> Tensor:
    return torch.arange(len(start) - 1, device=start.device).repeat_interleave(start.diff())


def segment_sum_fast(values: Tensor, start: Tensor) -> Tensor:
    return summed_at(values, segment_slots(start), start)


def summed_at(values: Tensor, slot: Tensor, start: Tensor) -> Tensor:
    return values.new_zeros(len(start) - 1, values.shape[1]).index_add(0, slot, values)


def running(values: Tensor) -> Tensor:
    """Sums of everything before each row, and of all: [N + 1, C]."""
    return F.pad(values.cumsum(0), (0, 0, 1, 0))


def running_difference(values: Tensor, start: Tensor) -> Tensor:
    return running(values)[start].diff(dim=0)


def running_inclusive(values: Tensor, start: Tensor) -> Tensor:
    first = values.cumsum(0)[start[:-1].clamp(max=max(0, len(values) - 1))]
    last = values.cumsum(0)[start[1:] - 1]
    return last - first


def up_to_the_end(values: Tensor, start: Tensor) -> Tensor:
    return running(values)[start[1:]]


def first_too_early(values: Tensor, start: Tensor) -> Tensor:
    n = torch.arange(len(values), device=values.device)
    slot = torch.searchsorted(start.long().contiguous(), n) - 1
    return summed_at(values, slot.clamp(min=0), start)


def empties_not_counted(values: Tensor, start: Tensor) -> Tensor:
    _, lengths = segment_slots(start).unique(return_counts=True)
    dense = torch.arange(len(lengths), device=values.device).repeat_interleave(lengths)
    return summed_at(values, dense, start)


def last_stays(values: Tensor, start: Tensor) -> Tensor:
    there = start.diff() > 0
    out = values.new_zeros(len(start) - 1, values.shape[1])
    out[there] = values[start[1:][there].long() - 1]
    return out


def first_of_the_next(values: Tensor, start: Tensor) -> Tensor:
    return torch.from_numpy(np.add.reduceat(values.numpy(), start.numpy()[:-1]))


def last_of_each_left_out(values: Tensor, start: Tensor) -> Tensor:
    out = values.new_zeros(len(start) - 1, values.shape[1])
    for s, (first, end) in enumerate(pairwise(start.tolist())):
        if end > first:
            out[s] = values[first : end - 1].sum(0)
    return out


def highest_of_each(values: Tensor, start: Tensor) -> Tensor:
    out = values.new_zeros(len(start) - 1, values.shape[1])
    for s, (first, end) in enumerate(pairwise(start.tolist())):
        if end > first:
            out[s] = values[first:end].amax(0)
    return out


segment_sum = Exercise(
    id="speed.segment_sum",
    name="segment_sum",
    signature="segment_sum(values [N, C], start [S + 1]) → [S, C]",
    right=segment_sum_loop,
    cases=segment_sum_cases,
    misconceptions=(
        Misconception(
            "running-sum",
            "Right, except that a running sum remembers everything before the segment: after a "
            "large value, float32 has no digits left for small ones. Each segment must begin anew.",
            FORGETS,
            running_difference,
        ),
        Misconception(
            "first-left-out",
            "A running sum at the first value holds that value already: the difference leaves it "
            "out.",
            FORGETS,
            running_inclusive,
        ),
        Misconception(
            "from-the-beginning",
            "Each of your sums begins at the first value of all; it should begin at its segment's.",
            FORGETS,
            up_to_the_end,
        ),
        Misconception(
            "empties-dropped",
            "A segment without values has lost its row: S rows are wanted, and 0 is a good sum.",
            MANY,
            change=after(lambda out, values, start: out[start.diff() > 0]),
        ),
        Misconception(
            "empties-not-counted",
            "An empty segment has no number in your count, and those after it move up one place.",
            MANY,
            empties_not_counted,
        ),
        Misconception(
            "empty-takes-next",
            "An empty segment takes the value at its start, which belongs to the segment after it.",
            MANY,
            first_of_the_next,
        ),
        Misconception(
            "mean",
            "These are means; sums are wanted.",
            "02-scatter#when-two-meet",
            change=after(lambda out, values, start: out / start.diff().clamp(min=1)[:, None]),
        ),
        Misconception(
            "first-too-early",
            "The first value of a segment went to the segment before it: `start[s]` belongs to "
            "segment s already.",
            MANY,
            first_too_early,
        ),
        Misconception(
            "one-stays",
            "One value of each segment is left: an assignment keeps one of those that meet, and "
            "so does += with an index.",
            "02-scatter#a-index-1-loses",
            last_stays,
        ),
        Misconception(
            "channels-summed",
            "You have summed over the channels, too. Each channel has a sum of its own.",
            MANY,
            change=after(lambda out, *_: out.sum(1)),
        ),
        Misconception(
            "last-left-out",
            "The last value of each segment is missing. A segment ends before row `start[s + 1]`, "
            "and the row before that one belongs to it.",
            MANY,
            last_of_each_left_out,
        ),
        Misconception(
            "maximum",
            "This is the highest value of each segment; sums are wanted.",
            "02-scatter#when-two-meet",
            highest_of_each,
        ),
    ),
    page=MANY,
    asks={
        "gradient": "Gradients flow to the values.",
        "int32": "`start` rises from 0 to N, in int64 or int32.",
        "loop": "Write it without `torch.segment_reduce`, and without a loop over rows or "
        "segments.",
        "without": "Write it without `torch.segment_reduce`, and without a loop over rows or "
        "segments.",
    },
    without=("segment_reduce",),
    differentiable=("values",),
    linear_in="values",
    large=lambda g: {
        "values": numbers(g, 2000, 2),
        "start": torch.cat([integers(g, 2000, 600), torch.tensor([0, 2000])]).sort().values,
    },
    fast=segment_sum_fast,
    tolerance=1e-9,
)


# ---- speed.bag


def bag_loop(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    out = rows.new_zeros(len(index), rows.shape[1])
    for m, asked in enumerate(index.tolist()):
        for k, n in enumerate(asked):
            if n >= 0:
                out[m] += weight[m, k] * rows[n]
    return out


def bag_cases(g: Generator) -> Iterator[Case]:
    def case(N, C, M, K, kind="ordinary", dtype=torch.float64, low=0):
        return Case(
            {
                "rows": numbers(g, N, C, dtype=dtype),
                "index": integers(g, N, M, K, low=low),
                "weight": integers(g, 16, M, K, low=1).to(dtype) / 8,
            },
            kind,
        )

    def asked(index, kind, rows=None):
        index = torch.tensor(index)
        fresh = case(4, 2, *index.shape).arguments
        return Case({**fresh, "index": index, **({} if rows is None else {"rows": rows})}, kind)

    yield case(3, 2, 1, 2)
    yield case(4, 2, 3, 2)
    yield case(5, 3, 2, 4)
    yield case(6, 2, 5, 3, low=-1)
    yield case(4, 4, 4, 4)
    yield case(1, 1, 1, 1, "one")
    yield case(5, 2, 3, 1, "one")
    yield case(5, 2, 0, 3, "empty")
    yield case(5, 2, 0, 3, "empty")
    yield case(5, 2, 3, 4, "dtype", torch.float32, low=-1)
    narrow = case(5, 2, 3, 2, low=-1).arguments
    yield Case({**narrow, "index": narrow["index"].int()}, "dtype")
    wide = case(5, 3, 4, 2, low=-1).arguments
    yield Case({name: strided(value) for name, value in wide.items()}, "strided")
    yield Case({name: transposed(value) for name, value in wide.items()}, "strided")
    yield asked([[3, 0], [0, 3]], "extreme")
    yield asked([[2, 2, 2], [1, 2, 1]], "repeated")
    yield asked([[-1, 2], [-1, -1]], "missing")
    beyond = numbers(g, 4, 2)
    beyond[0], beyond[3] = float("inf"), float("nan")  # rows that nobody asks for
    yield asked([[1, -1], [-1, 2]], "missing", beyond)


def bag_fast(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    there = index >= 0
    length = there.sum(dim=1)
    start = (length.cumsum(0) - length).to(index.dtype)
    return F.embedding_bag(
        index[there], rows, start, mode="sum", per_sample_weights=weight[there].to(rows.dtype)
    )


def bag_normalised(rows: Tensor, index: Tensor, weight: Tensor) -> tuple:
    total = weight.where(index >= 0, 0).sum(1, keepdim=True)
    return rows, index, weight / total.where(total > 0, 1)


def bag_given_minus_one(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight)


def bag_last_is_padding(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight, padding_idx=-1)


def bag_reads_last(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return bag_fast(rows, index.where(index >= 0, len(rows) - 1), weight)


def bag_zero_weight(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return bag_fast(rows, index.clamp(min=0), weight.where(index >= 0, 0))


def bag_zero_weight_last(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return bag_reads_last(rows, index, weight.where(index >= 0, 0))


def bag_not_summed(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    there = (index >= 0)[:, :, None]
    return (rows[index.clamp(min=0).long()] * weight[:, :, None]).where(there, 0)


NO_MEAN = (
    "You divide by the number of rows. A sum is wanted: the weights say how much a row counts."
)
ZERO_TIMES = (
    "Right, until a row holds inf or nan: a weight of 0 does not leave a row out, for 0 times "
    "infinity is nan. What is missing must not be read."
)


def highest_in_the_bag(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    weighted = rows[index.clamp(min=0).long()] * weight[:, :, None]
    weighted = weighted.masked_fill((index < 0)[:, :, None], float("-inf"))
    out = weighted.amax(1)
    return out.masked_fill(out == float("-inf"), 0)


SOFTMAX = "Softmax has changed the weights. They are given, and count as they are."


bag = Exercise(
    id="speed.bag",
    name="bag",
    signature="bag(rows [N, C], index [M, K], weight [M, K]) → [M, C]",
    right=bag_loop,
    cases=bag_cases,
    misconceptions=(
        Misconception(
            "mean",
            NO_MEAN,
            FUSED,
            change=after(
                lambda out, rows, index, _: out / (index >= 0).sum(1).clamp(min=1)[:, None]
            ),
        ),
        Misconception(
            "mean",
            NO_MEAN,
            FUSED,
            change=after(lambda out, rows, index, _: out / max(1, index.shape[1])),
        ),
        Misconception(
            "normalised",
            "You make the weights of a bag sum to 1. They count as they are.",
            FUSED,
            change=before(bag_normalised),
        ),
        Misconception(
            "unweighted",
            "The weights have no effect.",
            FUSED,
            change=before(lambda rows, index, weight: (rows, index, torch.ones_like(weight))),
        ),
        Misconception(
            "minus-one-given",
            "`embedding_bag` knows no −1 and refuses it: what is missing must go before the call.",
            FUSED,
            bag_given_minus_one,
        ),
        Misconception(
            "last-is-padding",
            "A `padding_idx` of −1 counts from the end: it leaves out the last row, and an index "
            "of −1 is refused as before.",
            FUSED,
            bag_last_is_padding,
        ),
        Misconception(
            "reads-last",
            "−1 means that nothing is there, and as an index it reads the last row.",
            ALWAYS_THERE,
            bag_reads_last,
        ),
        Misconception(
            "reads-first",
            "Where nothing is there, row 0 is added with the weight of the missing entry.",
            ALWAYS_THERE,
            change=before(lambda rows, index, weight: (rows, index.clamp(min=0), weight)),
        ),
        Misconception("zero-weight", ZERO_TIMES, FUSED, bag_zero_weight),
        Misconception("zero-weight", ZERO_TIMES, FUSED, bag_zero_weight_last),
        Misconception(
            "row-0-lost",
            "Row 0 never counts: you use it for what is missing, but it is a row like any other.",
            ALWAYS_THERE,
            change=before(lambda rows, index, weight: (rows, index.where(index > 0, -1), weight)),
        ),
        Misconception(
            "not-summed",
            "These are the weighted rows, [M, K, C], the very tensor that is not to be written. "
            "Their sum over K is wanted.",
            FUSED,
            bag_not_summed,
        ),
        Misconception(
            "one-bag",
            "This is one sum for everything; each row of the index is a bag of its own.",
            FUSED,
            change=after(lambda out, *_: out.sum(0)),
        ),
        Misconception(
            "softmax",
            SOFTMAX,
            FUSED,
            change=before(lambda rows, index, weight: (rows, index, weight.softmax(1))),
        ),
        Misconception(
            "softmax",
            SOFTMAX,
            FUSED,
            change=before(
                lambda rows, index, weight: (
                    rows,
                    index,
                    weight.masked_fill(index < 0, float("-inf")).softmax(1),
                )
            ),
        ),
        Misconception(
            "maximum",
            "This is the highest of the weighted rows; their sum is wanted.",
            FUSED,
            highest_in_the_bag,
        ),
        Misconception(
            "first-weights",
            "Every bag is weighed with the weights of bag 0. Each has its own.",
            FUSED,
            change=before(lambda rows, index, weight: (rows, index, weight[:1].expand_as(weight))),
        ),
    ),
    page=FUSED,
    asks={
        "gradient": "Gradients flow to the rows and to the weights.",
        "int32": "The index may come in int32.",
        "loop": "Use no loop over bags.",
    },
    differentiable=("rows", "weight"),
    linear_in="rows",
    large=lambda g: {
        "rows": numbers(g, 300, 3),
        "index": integers(g, 300, 400, 4, low=-1),
        "weight": integers(g, 9, 400, 4, low=1).double() / 8,
    },
    fast=bag_fast,
    tolerance=1e-9,
)

EXERCISES = (bytes_moved, sectors, reorder, segment_sum, bag)
