"""Chapter 14's predictions: sectors of random reads, an index of half the size, channels last."""

import torch
from torch import Tensor

from gather3d.indexing import sources

from ..predict import Option, Prediction

VALUE, LONG, INT, SECTOR, LINE = 4, 8, 4, 32, 64  # bytes

# ---- speed.sectors

THREADS = 32


def used(address: Tensor, piece: int = SECTOR) -> str:
    """Of the bytes that are fetched in pieces, those that somebody asked for."""
    return f"{VALUE * len(address) / (piece * len((address // piece).unique())):.0%}"


def scattered() -> Tensor:
    """Addresses of floats in a large table."""
    g = torch.Generator().manual_seed(0)
    return VALUE * torch.randperm(2**20, generator=g)[:THREADS]


SECTORS = Prediction(
    "speed.sectors",
    "The 32 threads of a warp each read one float32 at a random place of a large table. Memory "
    "answers in sectors of 32 bytes. What share of the bytes that are fetched is used?",
    Option(
        "12%",
        lambda: used(scattered()),
        "4 of 32 bytes: an eighth. Each thread has a sector of its own.",
    ),
    (
        Option(
            "100%",
            lambda: used(VALUE * torch.arange(THREADS)),
            "So it is for 32 floats that lie side by side: four sectors, all of them used.",
        ),
        Option(
            "3%",
            lambda: used(scattered(), piece=4 * SECTOR),
            "That would be a piece of 128 bytes for each. A line of a GPU is 128 bytes long, but "
            "it is fetched by sectors.",
        ),
        Option(
            "50%",
            lambda: used(2 * VALUE * torch.arange(THREADS)),
            "That is every other float, in order. At random, neighbours in a sector are rare.",
        ),
    ),
)

# ---- speed.index


def saved(channels: int, left: int = INT, rows_move: bool = True) -> str:
    """Of all bytes of a gather of rows, what is saved if so many bytes are left of an index."""
    rows = 2 * VALUE * channels if rows_move else 0  # read and written
    return f"{(LONG - left) / (LONG + rows):.1%}"


INDEX = Prediction(
    "speed.index",
    "Rows of 64 float32 values are gathered with an int64 index. You turn the index into int32. "
    "How many of the bytes that move do you save?",
    Option(
        "0.8%",
        lambda: saved(64),
        "4 of 8 + 256 + 256 bytes a row. With rows, the index hardly counts.",
    ),
    (
        Option(
            "50.0%",
            lambda: saved(64, rows_move=False),
            "Half of the index. But the rows move too, in and out.",
        ),
        Option(
            "25.0%",
            lambda: saved(1),
            "So it is for single values: 4 of 8 + 4 + 4 bytes. A row has one index for 64 values.",
        ),
        Option(
            "1.5%",
            lambda: saved(64, left=0),
            "That is the whole index. Half of it stays.",
        ),
    ),
)

# ---- speed.pieces

SOME, POINTS, CHANNELS = torch.tensor([3, 17, 18, 40, 41, 63]), 64, 8


def moved() -> tuple[int, int]:
    first = sources(lambda x: x[:, SOME], (CHANNELS, POINTS)).counts()
    last = sources(lambda x: x[SOME], (POINTS, CHANNELS)).counts()
    return first.moved_bytes, last.moved_bytes


def both(first: int, last: int) -> str:
    return f"{first:,} and {last:,}"


ASKED = VALUE * CHANNELS * len(SOME)

PIECES = Prediction(
    "speed.pieces",
    "Points 3, 17, 18, 40, 41 and 63 of 64 are read, with 8 channels of float32: 192 bytes. "
    "Memory moves in lines of 64 bytes. How many bytes move if channels come first in memory, and "
    "how many if they come last?",
    Option(
        "2,048 and 320",
        lambda: both(*moved()),
        "Channels first, a channel of 64 points is four lines, and these points touch all four, in "
        "each of 8 channels. Channels last, a point is half a line, and five lines hold the six.",
    ),
    (
        Option(
            "192 and 192",
            lambda: both(ASKED, ASKED),
            "That is what you asked for. What moves is whole lines.",
        ),
        Option(
            "320 and 2,048",
            lambda: both(*reversed(moved())),
            "The other way round. What lies side by side in `[C, N]` are the points of a channel, "
            "and you want a few of them; in `[N, C]`, the channels of a point, and you want all.",
        ),
        Option(
            "3,072 and 3,072",
            lambda: both(*[LINE * CHANNELS * len(SOME)] * 2),
            "A line for each value would be the worst case. Values that share a line share its "
            "price.",
        ),
    ),
)

PREDICTIONS = (SECTORS, INDEX, PIECES)
