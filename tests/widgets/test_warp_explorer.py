"""WarpExplorer: the sectors it counts are those of the addresses that torch's indexing reads."""

import math
import random
import re
from functools import cache

import pytest
import torch
import traitlets
from tests.widgets.numbers import close, numbers, words

from gather3d import datasets, voxelize
from gather3d.widgets import WarpExplorer
from gather3d.widgets.warp_explorer import PATTERNS

READS = WarpExplorer().reads
N = READS["points"]
SEEN = """(root) => [...root.querySelectorAll('[data-table="memory"] [data-place]')].map((cell) =>
  [cell.title, cell.textContent, cell.style.backgroundImage, cell.classList.contains("mark")])"""


def state(seed: int) -> dict:
    """Random traits; every pattern comes, and some threads of an own index read nothing."""
    draw = random.Random(seed)
    near = draw.choice([40, 400, N])
    return {
        "pattern": PATTERNS[seed % len(PATTERNS)],
        "width": draw.choice([2, 4, 8, 16]),
        "channels": draw.choice([1, 3, 4, 8, 16, 32, 64, 5]),
        "memory": draw.choice(["channel-first", "channel-last"]),
        "along": draw.choice(["points", "channels"]),
        "offset": draw.randrange(32),
        "stride": draw.randint(1, 32),
        "tap": draw.randrange(27),
        "index": [draw.randrange(near) if draw.random() < 0.9 else -1 for _ in range(32)],
    }


def index_of(pattern: str, values: dict) -> torch.Tensor:
    """What the pattern's name says, by other means."""
    return torch.tensor(
        {
            "consecutive": list(range(32)),
            "shifted": list(range(values["offset"], values["offset"] + 32)),
            "strided": list(range(0, 32 * values["stride"], values["stride"])),
            "reversed": list(range(31, -1, -1)),
            "same point": [0] * 32,
            "random": READS["random"],
            "sorted": READS["sorted"],
            "neighbours": READS["neighbours"][values["tap"]],
            "own": values["index"],
        }[pattern]
    )


@cache
def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(math.prod(shape)).reshape(shape)


def bytes_read(pattern: str, values: dict) -> torch.Tensor:
    """[reading threads, width]: which bytes the first 32 elements of a gather's output come from.

    The table holds the number of each of its elements in memory, and torch gathers from it. Threads
    that run along the points write an output [C, 32] from its start, the others one [32, C].
    """
    C, index = values["channels"], index_of(pattern, values)
    if values["memory"] == "channel-first":
        picked = numbered(C, N)[:, index.clamp(min=0)]
    else:
        picked = numbered(N, C)[index.clamp(min=0)].T
    picked = picked.where(index >= 0, -1)  # [C, 32]
    element = (picked if values["along"] == "points" else picked.T).reshape(-1)[:32]
    element = element[element >= 0]
    return element[:, None] * values["width"] + torch.arange(values["width"])


def cost(read: torch.Tensor) -> dict[str, float]:
    sectors, moved = len((read // 32).unique()), 32 * len((read // 32).unique())
    return {
        "asked": read.numel(),
        "useful": len(read.unique()),
        "sectors": sectors,
        "lines": len((read // 128).unique()),
        "moved": moved,
        "share": 100 * len(read.unique()) / moved if moved else float("nan"),
    }


def test_fifty_states(instrument):
    shown = instrument("WarpExplorer")
    silent = shares = 0
    for seed in range(54):
        values = state(seed)
        shown.set(**values)
        python = WarpExplorer(**values)
        read, on_screen = bytes_read(values["pattern"], values), words(shown)
        wanted = cost(read)
        for name, number in wanted.items():
            close(numbers(on_screen[name]), [number] if number == number else [], (name, values))
        assert len(python.sectors) == wanted["sectors"] and len(python.lines) == wanted["lines"]
        assert (python.asked, python.useful, python.moved) == tuple(
            wanted[name] for name in ("asked", "useful", "moved")
        )
        if wanted["moved"]:
            assert python.efficiency == wanted["useful"] / wanted["moved"]
            assert python.addresses[python.addresses >= 0].tolist() == read[:, 0].tolist()
        sectors = f"{wanted['sectors']} sector{'s' * (wanted['sectors'] != 1)}"
        assert f": {sectors}, {wanted['useful']} of {wanted['moved']} bytes used" in shown.said

        for pattern in PATTERNS:  # the list beside it
            each = cost(bytes_read(pattern, values))
            assert numbers(on_screen[f"{pattern} sectors"]) == [each["sectors"]], (pattern, values)
            close(
                numbers(on_screen[f"{pattern} share"]),
                [each["share"]] if each["moved"] else [],
                (pattern, values),
            )
        assert on_memory(shown) == in_memory(read), values
        silent += len(read) < 32
        shares += wanted["useful"] < wanted["asked"]
        assert shown.refusal == ""
    assert silent > 3 and shares > 3


def in_memory(read: torch.Tensor) -> dict[int, tuple[int, set[int]]]:
    """Each touched sector: how many threads read there, and which of its 32 bytes."""
    return {
        int(s): (
            int((read[:, 0] // 32 == s).sum()),
            set((read[read[:, 0] // 32 == s] % 32).flatten().tolist()),
        )
        for s in (read // 32).unique()
    }


def on_memory(shown) -> dict[int, tuple[int, set[int]]]:
    """The same as it is drawn; the lines come whole and in order."""
    cells = shown.root.evaluate(SEEN)
    sectors = [int(title.removeprefix("sector ")) for title, *_ in cells]
    assert sectors == sorted(sectors)
    assert all(s % 4 == k % 4 for k, s in enumerate(sectors))
    drawn = {}
    for sector, (_, text, bars, _) in zip(sectors, cells, strict=True):
        if text:
            ends = [
                [float(p) * 0.32 for p in re.findall(r"([\d.]+)%", bar)]
                for bar in bars.split("linear-gradient")[1:]
            ]
            used = {b for each in ends for b in range(round(min(each)), round(max(each)))}
            drawn[sector] = int(text.removesuffix("×")), used
    return drawn


def test_the_reads_are_those_of_the_scan():
    """The neighbours by a dictionary of voxels, the random ones anew."""
    points = datasets.load("street").points
    coords = voxelize(points[points.any(dim=1)], 0.1).coords
    row = {tuple(c): k for k, c in enumerate(coords.tolist())}
    first = READS["neighbours"][13][0]  # the middle tap is the voxel itself
    assert len(coords) == N and READS["neighbours"][13] == list(range(first, first + 32))
    steps = [(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    for tap, (dz, dy, dx) in enumerate(steps):
        wanted = [
            row.get((b, z + dz, y + dy, x + dx), -1)
            for b, z, y, x in coords[first : first + 32].tolist()
        ]
        assert READS["neighbours"][tap] == wanted
    drawn = torch.randint(N, (N,), generator=torch.Generator().manual_seed(0))
    assert READS["random"] == drawn[first : first + 32].tolist()
    assert READS["sorted"] == sorted(drawn.tolist())[first : first + 32]


SAID = [
    ({}, "32 random float values: 32 sectors, 128 of 1024 bytes used: 12.5 %"),
    (
        {"pattern": "consecutive"},
        "The 32 threads read 32 consecutive float values: 4 sectors, 128 of 128 bytes used: "
        "100 %. No bytes move in vain.",
    ),
    ({"pattern": "same point"}, "1 sector, 4 of 32 bytes used: 12.5 %. One sector serves"),
    ({"pattern": "reversed"}, "100 %. The order within a warp does not matter."),
    ({"pattern": "shifted", "offset": 8}, "from number 8 on: 4 sectors"),
    (
        {"channels": 16, "memory": "channel-last", "along": "channels"},
        "16 channels of 2 random points: 4 sectors, 128 of 128 bytes used: 100 %. "
        "A point's row is 2 whole sectors, wherever it lies",
    ),
    (
        {"channels": 64, "memory": "channel-last", "along": "channels", "width": 2},
        "32 channels of 1 random point: 2 sectors, 64 of 64 bytes used: 100 %",
    ),
    (
        {"channels": 16, "along": "channels"},
        "neighbouring channels lie N elements apart",
    ),
    (
        {"channels": 16, "memory": "channel-last"},
        "channel 0 of 32 random points: 32 sectors, 128 of 1024 bytes used: 12.5 %. "
        "Each takes one element out of a row of 64 bytes.",
    ),
    ({"pattern": "neighbours"}, "27 of 32 threads read the neighbours (1, 0, 0)"),
    (
        {"pattern": "own", "index": [-1] * 32},
        "0 of 32 threads read your float values: 0 sectors, 0 of 0 bytes used: none.",
    ),
]


def test_words(instrument):
    shown = instrument("WarpExplorer")
    names = {name for traits, _ in SAID for name in traits}
    start = {name: shown.get(name) for name in names}
    for traits, said in SAID:
        shown.set(**start | traits)
        assert said in shown.said, traits


def test_the_start_shows_random_against_consecutive(instrument):
    shown = instrument("WarpExplorer")
    on_screen = words(shown)
    assert [on_screen[f"{name} sectors"] for name in ("random", "consecutive")] == [
        "32 sectors",
        "4 sectors",
    ]
    assert shown.control("pattern").get_by_role("radio", checked=True).count() == 1
    assert shown.marked("threads") == [(0,)] and len(shown.marked("memory")) == 1
    assert shown.line.startswith("thread 0: point 8052, channel 0, bytes 32208–32211")
    assert shown.root.locator(".g3x-arrows g").count() == 1


def test_editing_a_thread(instrument):
    shown = instrument("WarpExplorer")
    before = shown.get("reads")["random"]
    cell = shown.cell("threads", 5)
    cell.fill("7")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("pattern") == "own" and shown.marked("threads") == [(5,)]
    assert shown.get("index") == [*before[:5], 7, *before[6:]]
    assert shown.line == "thread 5: point 7, channel 0, bytes 28–31: sector 0 (line 0)"
    shown.page.keyboard.press("ArrowUp")
    shown.settle()
    assert shown.get("index")[5] == 8
    assert shown.line == "thread 5: point 8, channel 0, bytes 32–35: sector 1 (line 0)"
    cell.fill("−1")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.line == "thread 5: index −1, reads nothing"
    assert shown.said.startswith("31 of 32 threads read your float values")
    assert shown.root.locator(".g3x-arrows g").count() == 0
    for text in ("-2", str(N), "1.5", "x", "", "NaN"):
        cell.fill(text)
        shown.page.keyboard.press("Enter")
        shown.settle()
        assert "wanted −1 or a point" in shown.refusal, text
        assert shown.get("index")[5] == -1
    shown.page.keyboard.press("ArrowRight")
    cell.fill(str(N - 1))
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.refusal == "" and shown.get("index")[5] == N - 1
    shown.page.keyboard.press("Escape")
    assert not shown.root.evaluate("root => root.contains(document.activeElement)")


def test_threads_that_share_a_point_are_edited_together(instrument):
    shown = instrument("WarpExplorer")
    shown.set(channels=16, memory="channel-last", along="channels", pattern="consecutive")
    shown.cell("threads", 20).fill("9")
    shown.page.keyboard.press("Enter")
    shown.settle()
    assert shown.get("index") == [0, 9, *range(2, 32)]
    assert shown.numbers("threads") == {(t,): 0 if t < 16 else 9 for t in range(32)}
    assert shown.line == "thread 20: point 9, channel 4, bytes 592–595: sector 18 (line 4)"


def test_pointing_at_a_sector(instrument):
    shown = instrument("WarpExplorer")
    shown.set(pattern="strided", stride=3)
    shown.cell("memory", 1, 2).hover()  # sector 6: floats 48 to 55
    shown.settle()
    assert shown.marked("memory") == [(1, 2)]
    assert shown.marked("threads") == [(16,), (17,), (18,)]
    assert shown.line == "sector 6 (line 1): 3 threads: 16, 17, 18"
    assert shown.root.locator(".g3x-arrows g").count() == 3
    shown.cell("memory", 1, 2).click()
    shown.page.keyboard.press("ArrowLeft")
    shown.page.keyboard.press("ArrowUp")
    shown.settle()
    assert shown.marked("memory") == [(0, 1)] and shown.marked("threads") == [(3,), (4,), (5,)]
    shown.set(pattern="same point")  # sector 1 is not read any more
    assert shown.marked("threads") == [(0,)] and shown.marked("memory") == [(0, 0)]


def test_controls_of_the_patterns(instrument):
    shown = instrument("WarpExplorer")
    sliders = {"shifted": "offset", "strided": "stride", "neighbours": "tap"}
    for pattern in PATTERNS:
        shown.control("pattern").get_by_role("radio", name=pattern).check()
        shown.settle()
        assert shown.get("pattern") == pattern
        for owner, slider in sliders.items():
            assert shown.control(slider).is_visible() == (owner == pattern)
    shown.set(pattern="neighbours")
    shown.control("tap").locator("input").press("ArrowRight")
    shown.settle()
    assert shown.get("tap") == 23 and "neighbours (1, 0, 1)" in shown.said
    shown.control("memory").get_by_label("[N, C]").check()
    shown.control("along").get_by_label("channels").check()
    shown.control("channels").get_by_label("8", exact=True).check()
    shown.control("width").get_by_label("2 (half)").check()
    shown.settle()
    names = ("memory", "along", "channels", "width")
    assert [shown.get(name) for name in names] == ["channel-last", "channels", 8, 2]
    code = shown.root.locator(".g3x-call").text_content()
    assert code == "thread t reads features[index[t // 8], t % 8]"


def test_gaps_are_marked(instrument):
    shown = instrument("WarpExplorer")
    shown.set(pattern="own", index=[0, 32, 96, *[96] * 29])
    rows = shown.root.locator('[data-table="memory"] .g3x-row')
    labels = rows.evaluate_all("rows => rows.map((row) => row.dataset.line)")
    assert labels == ["line 0", "line 1", "⋯ line 3"]


def test_narrow(instrument):
    shown = instrument("WarpExplorer", width=375)
    shown.set(channels=64, along="channels", width=16)  # the longest numbers
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 375
    edge = shown.root.bounding_box()
    for cell in (shown.cell("threads", 7), shown.cell("memory", 2, 3)):
        box = cell.bounding_box()
        assert box["width"] > 18 and box["x"] + box["width"] <= edge["x"] + edge["width"] + 1


def test_own_tensors():
    """An index of one's own, and a table that is larger than the scan."""
    explorer = WarpExplorer(torch.arange(32) * 1000, points=10**6, channels=2, along="channels")
    assert explorer.pattern == "own" and explorer.points == 10**6
    assert explorer.addresses[:4].tolist() == [0, 4_000_000, 4000, 4_004_000]
    assert WarpExplorer([0] * 32, pattern="reversed").addresses[0] == 31 * 4


def test_python_refuses():
    explorer = WarpExplorer()
    with pytest.raises(traitlets.TraitError, match=r"index: got shape \[31\], wanted \[32\]"):
        explorer.index = [0] * 31
    for wrong in (N, -2):
        with pytest.raises(traitlets.TraitError, match=rf"index: got {wrong}, wanted -1 … {N - 1}"):
            explorer.index = [wrong] * 32
    with pytest.raises(traitlets.TraitError, match=r"index: got 1\.5, wanted whole numbers"):
        WarpExplorer([1.5] * 32)
    with pytest.raises(traitlets.TraitError, match=f"points: got 5, wanted at least {N}"):
        explorer.points = 5
    for name, wrong in {"width": 3, "pattern": "zigzag", "stride": 0, "tap": 27}.items():
        with pytest.raises(traitlets.TraitError, match=name):
            explorer.set_trait(name, wrong)
    assert explorer.addresses.shape == (32,)
