"""WarpExplorer: 32 threads read at once; which bytes of memory must move?"""

from functools import cache
from typing import Any

import torch
import traitlets
from jaxtyping import Int
from torch import Tensor

from gather3d import datasets
from gather3d.voxels import neighbour_index, voxelize

from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, shape_of, tensor, whole

WARP, SECTOR, LINE = 32, 32, 128  # threads, bytes, bytes

PATTERNS = [
    "consecutive",
    "shifted",
    "strided",
    "reversed",
    "same point",
    "random",
    "sorted",
    "neighbours",
    "own",
]


@cache
def street_reads() -> dict:
    """How the voxels of the street scan at 0.1 m are read, by the warp in the middle of them all.

    "points" is their number N. "random" are 32 of N random indices, "sorted" 32 of the same N after
    a sort; "neighbours" are 32 voxels' neighbours, [27 taps, 32], -1 where there is none.
    """
    points = datasets.load("street").points
    there = points.any(dim=1)  # a pulse without an echo is stored as (0, 0, 0)
    neighbours = neighbour_index(voxelize(points[there], 0.1).coords)
    N = len(neighbours)
    random = torch.randint(N, (N,), generator=torch.Generator().manual_seed(0))
    warp = slice(N // 2 // WARP * WARP, (N // 2 // WARP + 1) * WARP)
    return {
        "points": N,
        "random": random[warp].tolist(),
        "sorted": random.sort().values[warp].tolist(),
        "neighbours": neighbours[warp].T.tolist(),
    }


class WarpExplorer(Explorable):
    """The 32 threads of a warp each read one element of a feature table; see what must move.

    address[t] = width · (n · C + c)   where the table is channel-last, [N, C]
    address[t] = width · (c · N + n)   where it is channel-first, [C, N]
    sectors = unique(address // 32),  moved = 32 · len(sectors),  efficiency = useful / moved

    Thread t reads point n = index[t], channel c = 0, where threads run along the points; and
    n = index[t // C], c = t % C, where they run along the channels. `useful` counts the different
    bytes that the threads ask for.

    An NVIDIA GPU moves memory in sectors of 32 bytes, and the loads of a warp that fall into one
    sector are served together (CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory");
    four sectors make a cache line of 128 bytes (Nsight Compute, Kernel Profiling Guide). What is
    counted here is one load of one warp, from a table that starts at a line's edge; what a later
    load may find in a cache is not.

    Args:
        index: the 32 points that pattern "own" reads, -1 for a thread that reads none.
        pattern: "consecutive", "shifted" by `offset`, "strided" by `stride`, "reversed", "same
            point" for all, "random", "sorted" (as many random ones, sorted before the warps share
            them), "neighbours" (of 32 LiDAR voxels, across `tap`), or "own".
        width: bytes of an element: 2 (half), 4 (float), 8 (double) or 16 (float4, one vector load).
        channels: C, elements in the column of a point.
        memory: "channel-first", [C, N], or "channel-last", [N, C].
        along: what neighbouring threads run along, "points" or "channels".
        offset: of the shifted pattern, 0 to 31.
        stride: of the strided pattern, 1 to 32.
        tap: of the neighbours, 0 to 26 in (dz, dy, dx) order, dx fastest; 13 is the voxel itself.
        points: N, at least the number of voxels of the street scan, which it is if not given.

    Attributes:
        rows: [32], the point that each thread reads, -1 for none.
        addresses: [32], the first byte that each thread reads, -1 for none.
        sectors: the numbers of the touched sectors, ascending.
        lines: the numbers of the touched cache lines, ascending.
        asked: bytes that the threads ask for, together.
        useful: different bytes among them.
        moved: bytes of the touched sectors.
        efficiency: useful / moved, nan where nothing moves.

    Raises:
        traitlets.TraitError: an index that is not 32 whole numbers from -1 to N - 1, a width or a
            pattern that there is not, a number out of range.

    Example:
        >>> explorer = WarpExplorer(pattern="strided", stride=4)
        >>> len(explorer.sectors), explorer.moved, explorer.efficiency
        (16, 512, 0.25)
        >>> explorer = WarpExplorer(pattern="random", channels=8)
        >>> explorer.memory, explorer.along = "channel-last", "channels"
        >>> len(explorer.sectors), explorer.efficiency
        (4, 1.0)
    """

    _esm = front_end("warp_explorer.js")

    pattern = traitlets.Enum(PATTERNS, "random").tag(sync=True)
    width = traitlets.Enum([2, 4, 8, 16], 4).tag(sync=True)
    channels = traitlets.Int(1, min=1, max=1024).tag(sync=True)
    memory = traitlets.Enum(["channel-first", "channel-last"], "channel-first").tag(sync=True)
    along = traitlets.Enum(["points", "channels"], "points").tag(sync=True)
    offset = traitlets.Int(1, min=0, max=31).tag(sync=True)
    stride = traitlets.Int(2, min=1, max=32).tag(sync=True)
    tap = traitlets.Int(22, min=0, max=26).tag(sync=True)
    points = traitlets.Int(min=1, max=2**31).tag(sync=True)
    # 31 neighbours and a stray
    index = traitlets.List([*range(5), 9000, *range(6, WARP)]).tag(sync=True)
    reads = traitlets.Dict().tag(sync=True)
    caption = traitlets.Unicode(
        "Each of 32 random reads moves a sector of its own and uses an eighth of it; try the other "
        "patterns. Then take 16 channels: where memory is [N, C] and the threads run along the "
        "*channels*, random points cost no more than consecutive ones; in [C, N] every thread is "
        "alone again. Type another point, or point at a sector to see who reads it."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "A list of access patterns, each with a bar for its efficiency; 32 cells, one for each "
        "thread of a warp, with the point that it reads; and the cache lines that they touch, each "
        "made of four sectors with a bar where bytes are used. An arrow leads from a thread to its "
        "sector."
    ).tag(sync=True)
    height = traitlets.List([1293, 870, 752]).tag(sync=True)

    def __init__(self, index: Any = None, **rest: Any) -> None:
        reads = street_reads()
        if index is not None:
            rest = {"index": nested("index", index), "pattern": "own", **rest}
        super().__init__(**{"reads": reads, "points": reads["points"], **rest})

    @traitlets.validate("points")
    def _enough(self, proposal: dict) -> int:
        least = max(self.reads["points"], *(n + 1 for n in self.index))
        if proposal["value"] < least:
            raise traitlets.TraitError(
                f"points: got {proposal['value']}, wanted at least {least}, which are read"
            )
        return proposal["value"]

    @traitlets.validate("index")
    def _a_warp(self, proposal: dict) -> list:
        value = whole("index", nested("index", proposal["value"]))
        if shape_of("index", value) != (WARP,):
            raise traitlets.TraitError(
                f"index: got shape {list(shape_of('index', value))}, wanted [{WARP}]"
            )
        for n in value:
            if not -1 <= n < self.points:
                raise traitlets.TraitError(f"index: got {n}, wanted -1 … {self.points - 1}")
        return value

    @property
    def rows(self) -> Int[Tensor, "32"]:
        return self._reading()[0]

    @property
    def addresses(self) -> Int[Tensor, "32"]:
        point, channel = self._reading()
        last = self.memory == "channel-last"
        element = point * self.channels + channel if last else channel * self.points + point
        return (element * self.width).where(point >= 0, -1)

    @property
    def sectors(self) -> Int[Tensor, "S"]:
        return self._touched(SECTOR)

    @property
    def lines(self) -> Int[Tensor, "L"]:
        return self._touched(LINE)

    @property
    def asked(self) -> int:
        return self.width * int((self.addresses >= 0).sum())

    @property
    def useful(self) -> int:
        return self.width * len(self._touched(self.width))

    @property
    def moved(self) -> int:
        return SECTOR * len(self.sectors)

    @property
    def efficiency(self) -> float:
        return self.useful / self.moved if self.moved else float("nan")

    def _index(self) -> Int[Tensor, "32"]:
        """The points that the pattern names, one after another."""
        t = torch.arange(WARP)
        counted = {
            "consecutive": t,
            "shifted": t + self.offset,
            "strided": t * self.stride,
            "reversed": WARP - 1 - t,
            "same point": t * 0,
        }
        if self.pattern in counted:
            return counted[self.pattern]
        listed = self.index if self.pattern == "own" else self.reads[self.pattern]
        return tensor(listed[self.tap] if self.pattern == "neighbours" else listed, torch.int64)

    def _reading(self) -> tuple[Int[Tensor, "32"], Int[Tensor, "32"]]:
        """The point and the channel of each thread."""
        t, index = torch.arange(WARP), self._index()
        if self.along == "points":
            return index, t * 0
        return index[t // self.channels], t % self.channels

    def _touched(self, size: int) -> Int[Tensor, "pieces"]:
        """The pieces of memory of this size in which a thread reads."""
        addresses = self.addresses
        return (addresses[addresses >= 0] // size).unique()
