"""Where every output came from: a linear function drawn from its matrix."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..indexing import Counts, Sources
from ..indexing import sources as find
from .flat import image, images
from .inputs import described
from .layers import cubes, points, wire
from .palette import css
from .picture import Picture
from .spaces import Scene, scene
from .svg import Canvas, Diagram, _n

FEW = 36  # cells of an input or an output that are drawn one by one, in one line
MANY = 96  # arrows that an eye can follow
CELL = 32
_VOXELS = 1500  # drawn as cubes; more are points


def sources(
    fn: Callable[[Tensor], Tensor],
    shape: Sequence[int],
    *,
    compare: Callable[[Tensor], Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
    line: int = 64,
    names: Sequence[str] | None = None,
    titles: tuple[str, str] = ("yours", "wanted"),
    caption: str | None = None,
    alt: str | None = None,
) -> Diagram | Picture | Scene:
    """What a linear function reads: an arrow from each input to each output that reads it.

    Small tensors are drawn as they lie in memory, one cell after the other, numbered; an output
    shows the number of the input it is, or the weights of those it is made of. Inputs that nobody
    reads are faded, those read more often carry ×2. Above, the cache lines; touched ones are heavy.
    Of large tensors the picture shows how often each input is read: an image (one dimension is
    folded so that a row is a cache line), or a volume (z, y, x).

    Args:
        fn: the function, as `gather3d.sources` takes it; it may be any that is linear.
        shape: the shape of its input.
        compare: the function that `fn` should be; drawn below, and in the picture of `fn` the
            outputs that read something else are marked wrong.
        dtype: of the input's elements in memory, for bytes and cache lines.
        line: bytes of a cache line.
        names: a word for each dimension of the input, for the words.
        titles: of the two pictures, where there are two.
        caption, alt: words of your own. Without them the picture says in words what the
            function does, and what it costs in memory.

    Raises:
        ValueError: fn is not linear, or an empty tensor, or an empty caption or alt.

    Example:
        >>> figure = sources(lambda x: x[:, 0], [4, 4])
        >>> print(figure.caption)  # doctest: +NORMALIZE_WHITESPACE
        Reads column 0 of every row; 12 of 16 inputs are never read. 4 reads of 4 inputs touch 1
        cache line: 16 of 64 bytes are used (float32).
    """
    found = [find(function, shape) for function in (fn, compare) if function is not None]
    for one in found:
        if 0 in one.matrix.shape:
            empty = f"from {list(one.input_shape)} to {list(one.output_shape)}"
            raise ValueError(f"fn: got {empty}, wanted inputs and outputs to draw")
    counts = found[0].counts(dtype, line)
    wrong = found[0].differs(found[1]) if compare else torch.zeros(found[0].output_shape).bool()
    if caption is None:
        told = [one.describe(names) for one in found]
        memory = f"{_memory(counts)} ({str(dtype).removeprefix('torch.')})"
        caption = (
            _compared(found, told, wrong, titles) if compare else f"{_upper(told[0])}. {memory}."
        )
    small = all(max(one.matrix.shape) <= FEW and one.matrix._nnz() <= MANY for one in found)
    if alt is None:
        what = (
            f"{_counted(found, titles)}, an arrow for each read"
            if small
            else (f"How often each of {found[0].matrix.shape[1]:,} inputs is read")
        )
        alt = f"{what}. {caption}"
    words, per_line = described(caption, alt), line // dtype.itemsize
    if small:
        return _diagram(found, wrong, titles, per_line, **words)
    return _picture(found, titles, per_line, names, **words)


# --- words -----------------------------------------------------------------------------------


def _memory(counts: Counts) -> str:
    lines = f"{counts.lines:,} cache line{'s' * (counts.lines != 1)}"
    return (
        f"{counts.reads:,} read{'s' * (counts.reads != 1)} of {counts.distinct:,} "
        f"input{'s' * (counts.distinct != 1)} touch{'es' * (counts.reads == 1)} {lines}: "
        f"{counts.useful_bytes:,} of {counts.moved_bytes:,} bytes are used"
    )


def _compared(found: list[Sources], told: list[str], wrong: Tensor, titles: tuple[str, str]) -> str:
    """Both patterns, and how many outputs differ."""
    shapes = [list(one.output_shape) for one in found]
    if shapes[0] == shapes[1] and not wrong.any():
        return f"The same reads: {told[0]}."
    both = ". ".join(f"{_upper(t)}: {words}" for t, words in zip(titles, told, strict=True))
    if shapes[0] != shapes[1]:
        return f"{both}. The output of {titles[0]} is {shapes[0]}, not {shapes[1]}."
    return f"{both}. {int(wrong.sum()):,} of {wrong.numel():,} outputs differ."


def _counted(found: list[Sources], titles: tuple[str, str]) -> str:
    shapes = [
        f"{_cells('input', one.input_shape)} above {_cells('output', one.output_shape)}"
        for one in found
    ]
    if len(found) == 1:
        return shapes[0]
    return "; ".join(f"{title}: {shape}" for title, shape in zip(titles, shapes, strict=True))


def _cells(kind: str, shape: tuple[int, ...]) -> str:
    return f"{math.prod(shape)} {kind} cell{'s' * (math.prod(shape) != 1)} {list(shape)}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- small: cells and arrows -----------------------------------------------------------------


def _diagram(
    found: list[Sources],
    wrong: Tensor,
    titles: tuple[str, str],
    per_line: int,
    caption: str,
    alt: str,
) -> Diagram:
    canvas, top = Canvas(), 0.0
    for k, one in enumerate(found):
        prefix = f"{titles[k]}: " if len(found) == 2 else ""
        bad = wrong.flatten().tolist() if k == 0 else [False] * one.matrix.shape[0]
        _panel(canvas, top, one, prefix, bad, per_line, _frame(one, found[-1]))
        top = canvas.bottom + 34
    return canvas.diagram(caption, alt)


def _frame(one: Sources, wanted: Sources) -> tuple[int, ...]:
    """The shape to lay the outputs out in: the wanted one, if these are a corner of it."""
    mine, right = one.output_shape, wanted.output_shape
    fits = len(mine) == len(right) and all(m <= r for m, r in zip(mine, right, strict=True))
    return right if fits else mine


def _panel(
    canvas: Canvas,
    top: float,
    one: Sources,
    prefix: str,
    wrong: list[bool],
    per_line: int,
    frame: tuple[int, ...],
) -> None:
    """One function: the input's cells, the arrows, the output's cells, absent ones dashed."""
    entries = [[] for _ in wrong]  # of each output: (input, weight)
    (row, column), weights = one.matrix.indices().tolist(), one.matrix.values().tolist()
    for o, i, weight in zip(row, column, weights, strict=True):
        entries[o].append((i, weight))
    times = one.reads().flatten().tolist()
    side = max(26, 8 * len(str(len(times) - 1)) + 10)
    slots = [_slots(entry, side) for entry in entries]
    here = np.arange(math.prod(frame)).reshape(frame)[tuple(map(slice, one.output_shape))]
    widths = [side] * math.prod(frame)
    for place, (_, each) in zip(here.reshape(-1), slots, strict=True):
        widths[place] = sum(each)
    left, wide = _lay(one.input_shape, [side] * len(times))
    below, across = _lay(frame, widths)
    left = [x + max(0, across - wide) / 2 for x in left]
    below = [x + max(0, wide - across) / 2 for x in below]
    canvas.text(left[0], top, f"{prefix}input {list(one.input_shape)}", "title")
    _row_labels(canvas, one.input_shape, left, side, top + 22)
    _cache_lines(canvas, left, side, times, per_line, top + 35, prefix)
    y = top + 41
    for i, (x, count) in enumerate(zip(left, times, strict=True)):
        _input_cell(canvas, x, y, side, i, count, f"{prefix}input:{i}")
    foot = y + CELL + 36 + min(60, 4 * len(weights))
    for place in set(range(len(below))) - set(here.reshape(-1).tolist()):
        name = f"{prefix}absent:{place}"
        canvas.cell(below[place], foot, widths[place], CELL, "", "missing", False, name)
    _row_labels(canvas, frame, below, widths, foot + CELL + 10)
    title = f"{prefix}output {list(one.output_shape)}"
    canvas.text(below[0], foot + CELL + 30, title, "title")
    below = [below[place] for place in here.reshape(-1)]
    for o, (x, (words, each)) in enumerate(zip(below, slots, strict=True)):
        role = "wrong" if wrong[o] else "result" if entries[o] else "missing"
        text = words[0] if len(words) == 1 else ""
        canvas.cell(x, foot, sum(each), CELL, text, role, True, f"{prefix}output:{o}")
        for k, word in enumerate(words if len(words) > 1 else []):
            canvas.text(x + sum(each[:k]) + each[k] / 2, foot + CELL / 2, word, "tiny")
    _arrows(canvas, entries, slots, left, below, side, (y + CELL, foot), wrong, times, prefix)


def _slots(entry: list[tuple[int, float]], side: float) -> tuple[list[str], list[float]]:
    """What an output cell says, and how wide the places are where its arrows end."""
    if not entry:
        return ["0"], [side]
    if len(entry) == 1:
        (i, weight), *_ = entry
        word = str(i) if abs(weight - 1) < 1e-6 else f"{_short(weight)}·{i}"
        return [word], [max(side, 8 * len(word) + 10)]
    weights = [weight for _, weight in entry]
    for word, each in (("sum", 1), ("mean", 1 / len(entry))):
        if all(abs(weight - each) < 1e-6 for weight in weights):
            return [word], [max(8 * len(word) + 10, 11 * len(entry), side)]
    words = [_short(weight) for weight in weights]
    return words, [max(16, 6 * len(word) + 8) for word in words]


def _short(weight: float) -> str:
    size = f"{abs(weight):.2g}".removeprefix("0").replace("-", "−")
    return f"−{size}" if weight < 0 else size


def _lay(shape: tuple[int, ...], widths: list[float]) -> tuple[list[float], float]:
    """Where each cell begins, in memory order, with a gap after every row and every slab."""
    left, x = [], 0.0
    row = shape[-1] if shape else 1
    slab = row * (shape[-2] if len(shape) > 1 else 1)
    for k, width in enumerate(widths):
        if k:
            x += 8 * (k % row == 0) + 8 * (k % slab == 0)
        left.append(x)
        x += width
    return left, x


def _row_labels(
    canvas: Canvas,
    shape: tuple[int, ...],
    left: list[float],
    widths: float | list[float],
    y: float,
) -> None:
    """[1, 0, :] over the row that it names, where there are several and the words fit."""
    rows = list(np.ndindex(*shape[:-1])) if len(shape) > 1 else []
    widths = widths if isinstance(widths, list) else [widths] * len(left)
    for k, at in enumerate(rows if len(rows) > 1 else []):
        first, last = k * shape[-1], (k + 1) * shape[-1] - 1
        label = f"[{', '.join(map(str, at))}, :]"
        right = left[last] + widths[last]
        if 5.4 * len(label) <= right - left[first] + 8:
            canvas.text((left[first] + right) / 2, y, label, "tiny")


def _cache_lines(
    canvas: Canvas,
    left: list[float],
    side: float,
    times: list[int],
    per_line: int,
    y: float,
    prefix: str,
) -> None:
    """A bracket over the cells of each cache line, heavy where a cell of it is read."""
    for first in range(0, len(left), per_line):
        last = min(first + per_line, len(left)) - 1
        touched = any(times[first : last + 1])
        look = f"stroke:{css('index' if touched else 'context')};stroke-width:{3 if touched else 1}"
        name = f"{prefix}line:{first // per_line}{' touched' if touched else ''}"
        start, end = left[first] + 2, left[last] + side - 2
        canvas.add(
            f'<path data-line="{name}" d="M{_n(start)} {_n(y + 4)}V{_n(y)}H{_n(end)}V{_n(y + 4)}" '
            f'style="fill:none;{look}"/>'
        )


def _input_cell(
    canvas: Canvas, x: float, y: float, side: float, i: int, count: int, name: str
) -> None:
    note = f"×{count}" if count > 1 else ""
    if not count:
        canvas.add('<g style="opacity:.45">')
    canvas.cell(x, y, side, CELL, str(i), "source" if count else "context", count > 1, name, note)
    if not count:
        canvas.add("</g>")


def _arrows(
    canvas: Canvas,
    entries: list[list[tuple[int, float]]],
    slots: list[tuple[list[str], list[float]]],
    left: list[float],
    below: list[float],
    side: float,
    heights: tuple[float, float],
    wrong: list[bool],
    times: list[int],
    prefix: str,
) -> None:
    started = [0] * len(times)
    y0, y1 = heights[0] + 1, heights[1] - 1
    for o, entry in enumerate(entries):
        widths = slots[o][1]
        ends = list(_ends(below[o], widths, len(entry)))
        for (i, weight), x1 in zip(entry, ends, strict=True):
            started[i] += 1
            x0 = left[i] + side * started[i] / (times[i] + 1)
            bend = (y1 - y0) * 0.55
            path = (
                f"M{_n(x0)} {_n(y0)}C{_n(x0)} {_n(y0 + bend)} "
                f"{_n(x1)} {_n(y1 - bend)} {_n(x1)} {_n(y1 - 5)}"
            )
            name = f"{prefix}{i}>{o} {weight:.6g}"
            canvas.arrow(path, (x1, y1), (0, 1), "wrong" if wrong[o] else "source", name)


def _ends(x: float, widths: list[float], count: int) -> Iterator[float]:
    """Where the arrows into one cell end: each over its weight, or spread over the cell."""
    if len(widths) == count:
        for width in widths:
            yield x + width / 2
            x += width
    else:
        for k in range(count):
            yield x + widths[0] * (k + 0.5) / count


# --- large: how often each input is read -------------------------------------------------------


def _picture(
    found: list[Sources],
    titles: tuple[str, str],
    per_line: int,
    names: Sequence[str] | None,
    caption: str,
    alt: str,
) -> Picture | Scene:
    times, axes = zip(*(_folded(one, per_line, names) for one in found), strict=True)
    words = {"caption": caption, "alt": alt}
    if times[0].ndim == 3:
        return _volume(times, titles, **words)
    look = {"rows": axes[0][0], "columns": axes[0][1], "label": "times read", **words}
    if len(found) == 2:
        return images(dict(zip(titles, times, strict=True)), **look)
    return image(times[0], limits=(0, max(1, float(times[0].nan_to_num().max()))), **look)


def _folded(
    one: Sources, per_line: int, names: Sequence[str] | None
) -> tuple[Tensor, tuple[str, ...]]:
    """How often each input is read, in two or three dimensions, and what its axes are called."""
    sizes = one.input_shape
    rank = len(sizes)
    names = names or (["row", "column"] if rank == 2 else [f"dimension {d}" for d in range(rank)])
    keep = [d for d, n in enumerate(sizes) if n > 1]
    times = one.reads().reshape([sizes[d] for d in keep]).double()
    if times.ndim > 3:  # such as channels: one picture for all of them
        times = times.flatten(0, -4).sum(dim=0)
    if times.ndim < 2:
        full = times.new_full((math.ceil(times.numel() / per_line) * per_line,), math.nan)
        full[: times.numel()] = times.flatten()
        return full.reshape(-1, per_line), ("cache line", "element of the line")
    return times, tuple(names[d] for d in keep[-times.ndim :])


def _volume(times: Sequence[Tensor], titles: tuple[str, str], caption: str, alt: str) -> Scene:
    """The voxels that are read, in a box that is the whole volume."""
    size = torch.tensor(times[0].shape).flip(0)
    box = wire(((size - 1) / 2)[None], tuple(size.tolist()), name="the whole input")
    if len(times) == 1:
        at = times[0].nonzero()
        label, most = "times read", float(times[0].max())
        look = {"name": "inputs read", "label": label, "limits": (0, max(1.0, most))}
        layers = [_voxels(at, times[0][tuple(at.T)], **look)] if len(at) else []
    else:
        mine, right = (t > 0 for t in times)
        sets = {
            "both read": ("source", mine & right),
            f"only {titles[0]}": ("wrong", mine & ~right),
            f"only {titles[1]}": ("index", right & ~mine),
        }
        shown = {name: (role, voxels.nonzero()) for name, (role, voxels) in sets.items()}
        layers = [_voxels(at, name=n, role=r) for n, (r, at) in shown.items() if len(at)]
    return scene(box, *layers, caption=caption, alt=alt, units="voxels")


def _voxels(at: Tensor, values: Tensor | None = None, **look: object) -> Any:
    xyz = at.flip(-1).double()  # (z, y, x) to x, y, z
    return cubes(xyz, 1, values, **look) if len(at) <= _VOXELS else points(xyz, values, **look)
