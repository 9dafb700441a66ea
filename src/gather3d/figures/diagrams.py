"""Pictures of indices: small tensors, matrices and memory, drawn as cells.

Colours: what is read is blue, an index orange and round, a result green with a heavy foot,
missing grey and dashed, wrong red and hatched.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .flat import spy
from .inputs import described
from .palette import colour, css
from .picture import Picture
from .svg import Canvas, Diagram, _n, code, html_table, say

CELL = 32  # the height of a cell
_WRAP = 480  # where a row of grids ends


def reads(
    input: Tensor,
    index: Tensor,
    dim: int = 0,
    *,
    caption: str,
    alt: str,
    show: Sequence[Any] | None = None,
    fill: float | None = None,
    names: tuple[str, str, str] = ("input", "index", "output"),
) -> Diagram:
    """What `torch.gather(input, dim, index)` reads: input, index and output, and the ways between.

    Args:
        input: `[N]` or `[H, W]`.
        index: as many dimensions as `input`.
        show: the output positions whose way is drawn (numbers, or pairs); all of them where the
            output has at most 12, else a few.
        fill: an index of -1 means missing, and gives this value. Without it -1 is refused, as
            gather refuses it.
        names: of the three grids.

    Raises:
        ValueError: other than one or two dimensions, or shapes that gather refuses.
        IndexError: an index out of range, or a position of `show` that is not in the output.

    Example:
        >>> reads(torch.tensor([10, 20, 30]), torch.tensor([2, 0]),
        ...       caption="Each output cell takes the value that its index names.",
        ...       alt="Output 0 reads input 2 and output 1 reads input 0.")
        Diagram: Output 0 reads input 2 and output 1 reads input 0.
    """
    described(caption, alt)
    dim = _checked(input, "input", index, dim)
    sizes = list(input.shape)
    _within(index, sizes[dim], -1 if fill is not None else 0, f"input has {sizes[dim]} along {dim}")
    safe = index.long().clamp(min=0)
    output = torch.gather(input, dim, safe)
    if fill is not None:
        output = output.masked_fill(index == -1, fill)
    wanted = _positions(output, show)
    flows = []
    for at in wanted:
        k = int(index[at])
        if k >= 0:
            flows.append(_Flow((*at[:dim], k, *at[dim + 1 :]), at, at))
    missing = {tuple(at) for at in (index == -1).nonzero().tolist()}
    grids = [
        _Grid(names[0], input, "source", {f.first for f in flows}),
        _Grid(names[1], index, "index", set(wanted), dict.fromkeys(missing, "missing")),
        _Grid(names[2], output, "result", set(wanted), dict.fromkeys(missing, "missing")),
    ]
    return _draw_flows(grids, flows, dim, "source").diagram(caption, alt)


def writes(
    src: Tensor,
    index: Tensor,
    dim: int = 0,
    *,
    size: int | None = None,
    input: Tensor | None = None,
    reduce: str | None = None,
    caption: str,
    alt: str,
    show: Sequence[Any] | None = None,
    names: tuple[str, str, str] = ("src", "index", "output"),
) -> Diagram:
    """Where scatter writes: src, index and output, and what happens where two meet.

    Without `reduce` (`scatter`), a slot that gets two different values is marked wrong and holds
    a "?": which of them stays is not promised. With `reduce`, a slot shows the combined value and
    how many values met in it (×2). A slot that nothing reaches is drawn as missing.

    Args:
        src: `[N]` or `[H, W]`.
        index: of the same shape as `src`; -1 writes nowhere (as in `scatter_points`).
        size: slots along `dim`; they start as 0.
        input: what is there before, instead of `size`.
        reduce: "sum", "mean", "amax", "amin" or "prod". With `input` its values take part (as
            with torch's `include_self=True`); with `size` they do not.
        show: the positions of src whose way is drawn.

    Raises:
        ValueError: neither or both of size and input, unlike shapes, an unknown reduce.
        IndexError: an index out of range.

    Example:
        >>> writes(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 2]), size=4, reduce="sum",
        ...        caption="Slot 2 gets 2 + 3.", alt="Two values are added in slot 2.")
        Diagram: Two values are added in slot 2.
    """
    described(caption, alt)
    if (size is None) == (input is None):
        raise ValueError("size and input: wanted one of the two")
    if reduce not in (None, "sum", "mean", "amax", "amin", "prod"):
        raise ValueError(f"reduce: got {reduce!r}, wanted None, sum, mean, amax, amin or prod")
    dim = _checked(src, "src", index, dim)
    if src.shape != index.shape:
        raise ValueError(f"src and index: got shapes {list(src.shape)} and {list(index.shape)}")
    shape = list(src.shape)
    before = src.new_zeros([*shape[:dim], size, *shape[dim + 1 :]]) if input is None else input
    _within(index, before.shape[dim], -1, f"the output has {before.shape[dim]} along {dim}")
    arriving: dict[tuple, list] = {}
    for at in _all_positions(src):
        k = int(index[at])
        if k >= 0:
            arriving.setdefault((*at[:dim], k, *at[dim + 1 :]), []).append(at)
    texts, roles, counts = {}, {}, {}
    for slot in _all_positions(before):
        values = [src[at] for at in arriving.get(slot, [])]
        texts[slot], roles[slot] = _met(values, before[slot], reduce, input is not None)
        if len(values) > 1:
            counts[slot] = len(values)
    wanted = _positions(src, show)
    flows = [_Flow(at, at, slot) for slot, ats in arriving.items() for at in ats if at in wanted]
    skipped = {at: "missing" for at in _all_positions(src) if int(index[at]) == -1}
    grids = [
        _Grid(names[0], src, "source", set(wanted)),
        _Grid(names[1], index, "index", set(wanted), skipped),
        _Grid(names[2], before, "result", set(counts), roles, texts, counts),
    ]
    return _draw_flows(grids, flows, dim, "source").diagram(caption, alt)


def matrix(
    m: Tensor,
    *,
    caption: str,
    alt: str,
    rows: str = "outputs",
    columns: str = "inputs",
    role: str = "index",
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
) -> Diagram | Picture:
    """A small matrix as a grid, its nonzeros filled; a large one (over 40 × 40) as spots.

    A value that is not 1 is printed in its cell where there is room.

    Args:
        m: `[R, C]`, dense or sparse.
        rows, columns: what a row and a column stand for.
        row_labels, column_labels: words instead of numbers.

    Raises:
        ValueError: not a matrix, or labels that do not match it.

    Example:
        >>> matrix(torch.eye(3).to_sparse(), caption="Nothing moves.", alt="The identity.")
        Diagram: The identity.
    """
    described(caption, alt)
    colour(role)
    if m.dim() != 2 or 0 in m.shape:
        raise ValueError(f"m: got shape {list(m.shape)}, wanted [R, C] with no 0")
    for name, labels, count in (
        ("row_labels", row_labels, m.shape[0]),
        ("column_labels", column_labels, m.shape[1]),
    ):
        if labels is not None and len(labels) != count:
            raise ValueError(f"{name}: got {len(labels)} labels, wanted {count}")
    sparse = m.detach().cpu()
    sparse = (sparse if sparse.layout == torch.sparse_coo else sparse.to_sparse_coo()).coalesce()
    keep = sparse.values() != 0
    places, values = sparse.indices()[:, keep], sparse.values()[keep]
    if max(m.shape) > 40:
        words = {"caption": caption, "alt": alt, "rows": rows, "columns": columns}
        return spy(places.numpy(), tuple(m.shape), role=role, **words)
    canvas = Canvas()
    _cells_of_matrix(canvas, places, values, m.shape, role, row_labels, column_labels)
    middle_x, middle_y = (canvas.left + canvas.right) / 2, (canvas.top + canvas.bottom) / 2
    canvas.text(middle_x, canvas.top - 12, f"{columns} ({m.shape[1]})")
    canvas.text(canvas.left - 12, middle_y, f"{rows} ({m.shape[0]})", turn=True)
    share = 100 * len(values) / m.numel()
    canvas.text(middle_x, canvas.bottom + 12, f"{len(values)} nonzeros, {share:.3g} %", "tiny")
    return canvas.diagram(caption, alt)


def tensors(
    named: dict[str, Tensor],
    *,
    caption: str,
    alt: str,
    mark: dict[str, Iterable[Any]] | None = None,
    roles: dict[str, str] | None = None,
) -> Diagram:
    """Tensors as labelled grids, side by side, in as many rows as they need.

    Args:
        named: name → tensor of one, two or three dimensions (three: one slab after another).
        mark: name → the positions to stress (numbers for one dimension, else tuples).
        roles: name → what the tensor means; "context" where none is given.

    Raises:
        ValueError: no tensor, more than three dimensions, a name that is not in `named`.
        IndexError: a marked position that is not in its tensor.

    Example:
        >>> tensors({"x": torch.arange(3)}, mark={"x": [2]}, roles={"x": "source"},
        ...         caption="The last of three.", alt="0, 1, 2; the 2 is marked.")
        Diagram: 0, 1, 2; the 2 is marked.
    """
    described(caption, alt)
    mark, roles = mark or {}, roles or {}
    if not named:
        raise ValueError("named: got no tensors, wanted at least one")
    for argument, names in (("mark", mark), ("roles", roles)):
        for name in names:
            if name not in named:
                raise ValueError(f"{argument}: got {name!r}, wanted one of {list(named)}")
    canvas, x, y, lowest = Canvas(), 0.0, 0.0, 0.0
    for name, tensor in named.items():
        if not 1 <= tensor.dim() <= 3:
            raise ValueError(f"named[{name!r}]: got {tensor.dim()} dimensions, wanted 1, 2 or 3")
        marked = set(_positions(tensor, list(mark[name]))) if name in mark else set()
        grid = _Grid(name, tensor, roles.get(name, "context"), marked)
        slabs = grid.slabs()
        width = max(sum(slab.width() + 30 for slab in slabs), grid.title_width() + 30)
        if x and x + width > _WRAP:
            x, y = 0.0, lowest + 30
        across = x
        for number, slab in enumerate(slabs):
            if number and across + slab.width() + 30 > _WRAP:
                across, y = 0.0, lowest + 8
            slab.draw(canvas, across + 18, y, title=number == 0)
            across += slab.width() + 30
            lowest = max(lowest, y + slab.height() + 40)
        x = max(across, x + width) + 8
    return canvas.diagram(caption, alt)


def tape(
    size: int,
    read: Any,
    *,
    caption: str,
    alt: str,
    itemsize: int = 4,
    line: int = 64,
    values: Sequence[Any] | Tensor | None = None,
    roles: dict[str, str] | None = None,
) -> Diagram:
    """Memory as a tape of elements, one cache line a row, and what is read of it.

    Memory comes in whole lines: a line with one read element is outlined, and all its bytes move.

    Args:
        size: how many elements the memory holds.
        read: the flat positions that are read; or name → positions.
        itemsize: bytes of an element.
        line: bytes of a cache line.
        values: what to print in the cells; nothing if not given.
        roles: name → what those reads mean; "source" where none is given.

    Raises:
        ValueError: a size below 1, a line that no whole element fits in.
        IndexError: a position outside the memory.

    Example:
        >>> tape(32, [0, 17], caption="Two reads, two lines.", alt="Elements 0 and 17 of 32.")
        Diagram: Elements 0 and 17 of 32.
    """
    described(caption, alt)
    if size < 1:
        raise ValueError(f"size: got {size}, wanted at least 1")
    if itemsize < 1 or line < itemsize or line % itemsize:
        raise ValueError(
            f"line: got {line} bytes of {itemsize} each, wanted a whole number of them"
        )
    named = read if isinstance(read, dict) else {"": read}
    roles, owner, order = roles or {}, {}, {}
    for name, positions in named.items():
        for position in _flat_list(positions):
            if not 0 <= position < size:
                raise IndexError(f"read: got position {position}, wanted 0 to {size - 1}")
            owner[position] = roles.get(name, "source")
            order.setdefault(position, len(order))
    texts = None if values is None else [_word(v) for v in _flat_list(values)]
    if texts is not None and len(texts) != size:
        raise ValueError(f"values: got {len(texts)}, wanted {size}")
    per_row = line // itemsize
    side = max(20, *(8 * len(t) + 6 for t in texts)) if texts else 20
    canvas, pitch = Canvas(), 28
    for position in range(size):
        row, place = divmod(position, per_row)
        role = owner.get(position, "context")
        text = texts[position] if texts else ""
        canvas.cell(
            place * side, row * pitch, side, 20, text, role, position in owner, f"tape:{position}"
        )
    touched = sorted({position // per_row for position in owner})
    for row in range(-(-size // per_row)):
        canvas.text(-6, row * pitch + 10, str(row * per_row), "tiny right")
    for row in touched:
        wide = min(per_row, size - row * per_row) * side
        canvas.outline(-2, row * pitch - 2.5, wide + 4, 25, "index", 2.5)
    used, moved = len(owner) * itemsize, len(touched) * line
    canvas.text(
        canvas.left,
        canvas.bottom + 14,
        f"{len(owner)} elements in {len(touched)} lines: {used} of {moved} bytes used",
        "tiny left",
    )
    for name in filter(None, named):
        y = canvas.bottom + 6
        canvas.cell(0, y, 14, 14, "", roles.get(name, "source"), True)
        canvas.text(20, y + 7, name, "left")
    return canvas.diagram(caption, alt)


@dataclass(frozen=True)
class Table:
    """A table that a notebook shows as HTML."""

    columns: list[str]
    rows: list[list[Any]]
    caption: str

    def _repr_html_(self) -> str:
        return (
            '<figure class="g3-table"><div class="g3-scroll" style="overflow-x:auto" tabindex="0" '
            f'role="group" aria-label="table">{html_table(self.columns, self.rows)}</div>'
            f"<figcaption>{code(self.caption)}</figcaption></figure>"
        )

    def __repr__(self) -> str:
        return _text_table(self.columns, [[say(v) for v in row] for row in self.rows])


def table(data: list[dict[str, Any]] | dict[str, Sequence[Any]], *, caption: str) -> Table:
    """A table of comparisons; `words in backticks` are set as code, True and False as yes and no.

    Args:
        data: one dictionary a row (all with the same keys), or column → its values.
        caption: what to notice, printed under the table.

    Raises:
        ValueError: no rows, unlike rows or columns, an empty caption.

    Example:
        >>> table([{"call": "gather", "int32": True}], caption="What it takes.")
        call    int32
        gather  yes
    """
    described(caption, "a table")
    if isinstance(data, dict):
        lengths = {name: len(values) for name, values in data.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"data: got columns of lengths {lengths}, wanted one length")
        names = list(data)
        rows = [list(row) for row in zip(*data.values(), strict=True)]
    else:
        names = list(data[0]) if data else []
        for number, row in enumerate(data):
            if list(row) != names:
                raise ValueError(f"data: row {number} has {list(row)}, wanted {names}")
        rows = [list(row.values()) for row in data]
    if not rows:
        raise ValueError("data: got no rows, wanted at least one")
    return Table(names, rows, caption.strip())


# --- one tensor ------------------------------------------------------------------------------


@dataclass
class _Grid:
    """A tensor to draw, and what is special about some of its cells."""

    name: str
    tensor: Tensor
    role: str
    marked: set
    roles: dict | None = None
    texts: dict | None = None
    counts: dict | None = None
    prefix: tuple = ()
    whole: list | None = None

    def __post_init__(self) -> None:
        colour(self.role)
        self.tensor = self.tensor.detach().cpu()
        self.words = {
            at: (self.texts or {}).get(at) or _word(self.tensor[at])
            for at in _all_positions(self.tensor)
        }
        longest = max((len(word) for word in self.words.values()), default=1)
        self.side = max(30, 8 * longest + 8)

    @property
    def shape(self) -> tuple[int, int]:
        return (1, *self.tensor.shape) if self.tensor.dim() == 1 else tuple(self.tensor.shape)

    def at(self, i: int, j: int) -> tuple:
        return (j,) if self.tensor.dim() == 1 else (i, j)

    def width(self) -> float:
        return max(self.shape[1], 1) * self.side

    def height(self) -> float:
        return max(self.shape[0], 1) * CELL

    def slabs(self) -> list["_Grid"]:
        """A grid of two dimensions for each first index of three, or the grid itself."""
        if self.tensor.dim() < 3:
            return [self]
        grids = []
        for k, slab in enumerate(self.tensor):
            marked = {at[1:] for at in self.marked if at[0] == k}
            whole = list(self.tensor.shape)
            grids.append(_Grid(self.name, slab, self.role, marked, prefix=(k,), whole=whole))
        for grid in grids:
            grid.side = max(g.side for g in grids)
        return grids

    def title(self) -> tuple[str, str]:
        """The name, and its shape: "features [C, N]" becomes "features" and "[C, N] = [3, 6]"."""
        name, bracket, letters = self.name.partition(" [")
        shape = str(self.whole or list(self.tensor.shape))
        return name, f"[{letters} = {shape}" if bracket else shape

    def title_above(self, canvas: Canvas, x: float, y: float) -> None:
        name, shape = self.title()
        canvas.text(x, y - 15, name, "title")
        canvas.text(x, y, shape, "tiny left")

    def title_beside(self, canvas: Canvas, x: float, y: float) -> None:
        name, shape = self.title()
        canvas.text(x, y - 7, name, "title right")
        canvas.text(x, y + 8, shape, "tiny right")

    def title_width(self) -> float:
        name, shape = self.title()
        return max(8.3 * len(name), 5.8 * len(shape))

    def draw(self, canvas: Canvas, x: float, y: float, title: bool = True) -> None:
        """Title, column numbers, row numbers, cells."""
        if title:
            self.title_above(canvas, x, y + 11)
        if self.prefix:
            canvas.text(x - 18, y + 27, f"[{self.prefix[0]}]", "tiny left")
        rows, columns = self.shape
        for j in range(columns):
            canvas.text(x + (j + 0.5) * self.side, y + 27, str(j), "tiny")
        for i in range(rows):
            if self.tensor.dim() > 1:
                canvas.text(x - 6, y + 36 + (i + 0.5) * CELL, str(i), "tiny right")
            for j in range(columns):
                self.cell(canvas, x + j * self.side, y + 36 + i * CELL, i, j)

    def cell(self, canvas: Canvas, x: float, y: float, i: int, j: int) -> None:
        at = self.at(i, j)
        role = (self.roles or {}).get(at, self.role)
        place = ",".join(str(k) for k in (*self.prefix, *at))
        count = (self.counts or {}).get(at)
        canvas.cell(
            x,
            y,
            self.side,
            CELL,
            self.words[at],
            role,
            at in self.marked,
            f"{self.name}:{place}",
            f"×{count}" if count else "",
        )


# --- three tensors and the ways between them ---------------------------------------------------


@dataclass(frozen=True)
class _Flow:
    """The way of one value: from a cell of the first grid, by way of the index, to the third."""

    first: tuple
    middle: tuple
    last: tuple


def _draw_flows(grids: list[_Grid], flows: list[_Flow], dim: int, role: str) -> Canvas:
    side = max(grid.side for grid in grids)
    for grid in grids:
        grid.side = side
    if grids[0].tensor.dim() == 1:
        return _strips(grids, flows, role)
    return _across(grids, flows, role) if dim == 1 else _down(grids, flows, role)


def _strips(grids: list[_Grid], flows: list[_Flow], role: str) -> Canvas:
    """One dimension: three strips under each other, curves from cell to cell."""
    canvas, side = Canvas(), grids[0].side
    room = 46
    top = [k * (CELL + room) for k in range(3)]
    for k, grid in enumerate(grids):
        grid.title_beside(canvas, -8, top[k] + CELL / 2)
        for j in range(grid.shape[1]):
            grid.cell(canvas, j * side, top[k], 0, j)
            y = top[k] - 8 if k == 0 else top[k] + CELL + 8
            if k != 1:
                canvas.text((j + 0.5) * side, y, str(j), "tiny")
    leaving, landing = _spread([f.first for f in flows]), _spread([f.last for f in flows])
    for flow, out, into in zip(flows, leaving, landing, strict=True):
        for k, (a, b, da, db) in enumerate(
            [(flow.first, flow.middle, out, 0.0), (flow.middle, flow.last, 0.0, into)]
        ):
            x0, x1 = (a[0] + 0.5 + da) * side, (b[0] + 0.5 + db) * side
            y0, y1 = top[k] + CELL + 1, top[k + 1] - 1
            bend = (y1 - y0) / 2
            path = (
                f"M{_n(x0)} {_n(y0)}C{_n(x0)} {_n(y0 + bend)} "
                f"{_n(x1)} {_n(y1 - bend)} {_n(x1)} {_n(y1 - 5)}"
            )
            name = _way(grids[k], a, grids[k + 1], b)
            canvas.arrow(path, (x1, y1), (0, 1), role if k == 0 else "index", name)
    return canvas


def _across(grids: list[_Grid], flows: list[_Flow], role: str) -> Canvas:
    """dim = 1: everything stays in its row, so rows line up and the ways run above each row."""
    canvas, side = Canvas(), grids[0].side
    lanes = _lanes(flows, 0)
    room = 10 + 6 * max((lane + 1 for lane in lanes), default=0)
    left, x = [], 18.0
    for grid in grids:
        left.append(x)
        x += max(grid.shape[1] * side, grid.title_width()) + 28
    for grid, x in zip(grids, left, strict=True):
        grid.title_above(canvas, x, -room - 7)
        rows, columns = grid.shape
        for i in range(rows):
            y = i * (CELL + room)
            canvas.text(x - 6, y + CELL / 2, str(i), "tiny right")
            for j in range(columns):
                grid.cell(canvas, x + j * side, y, i, j)
        for j in range(columns):
            foot = (rows - 1) * (CELL + room) + CELL + 9
            canvas.text(x + (j + 0.5) * side, foot, str(j), "tiny")
    leaving, landing = _spread([f.first for f in flows]), _spread([f.last for f in flows])
    for flow, lane, out, into in zip(flows, lanes, leaving, landing, strict=True):
        y = flow.first[0] * (CELL + room) - 1
        x0 = left[0] + (flow.first[1] + 0.5 + out) * side
        x1 = left[2] + (flow.last[1] + 0.5 + into) * side
        high = y - 7 - 6 * lane
        path = f"M{_n(x0)} {_n(y)}V{_n(high + 4)}q0 -4 4 -4H{_n(x1 - 4)}q4 0 4 4V{_n(y - 5)}"
        canvas.arrow(path, (x1, y), (0, 1), role, _way(grids[0], flow.first, grids[2], flow.last))
    return canvas


def _down(grids: list[_Grid], flows: list[_Flow], role: str) -> Canvas:
    """dim = 0: everything stays in its column, so columns line up and the ways run beside them."""
    canvas, side = Canvas(), grids[0].side
    lanes = _lanes(flows, 1)
    room = 10 + 6 * max((lane + 1 for lane in lanes), default=0)
    top, y = [], 0.0
    for grid in grids:
        top.append(y)
        y += grid.shape[0] * CELL + 34
    for grid, y in zip(grids, top, strict=True):
        grid.title_beside(canvas, -22, y + grid.height() / 2)
        rows, columns = grid.shape
        for j in range(columns):
            canvas.text(j * (side + room) + side / 2, y - 9, str(j), "tiny")
            for i in range(rows):
                grid.cell(canvas, j * (side + room), y + i * CELL, i, j)
        for i in range(rows):
            canvas.text(-6, y + (i + 0.5) * CELL, str(i), "tiny right")
    leaving, landing = _spread([f.first for f in flows]), _spread([f.last for f in flows])
    for flow, lane, out, into in zip(flows, lanes, leaving, landing, strict=True):
        x = flow.first[1] * (side + room) + side + 1
        y0 = top[0] + (flow.first[0] + 0.5 + out) * CELL
        y1 = top[2] + (flow.last[0] + 0.5 + into) * CELL
        far = x + 7 + 6 * lane
        canvas.room(x, y0, far + 4, y1)
        path = f"M{_n(x)} {_n(y0)}H{_n(far - 4)}q4 0 4 4V{_n(y1 - 4)}q0 4 -4 4H{_n(x + 5)}"
        canvas.arrow(path, (x, y1), (-1, 0), role, _way(grids[0], flow.first, grids[2], flow.last))
    return canvas


def _lanes(flows: list[_Flow], line: int) -> list[int]:
    """A lane for each way, counted in the row (line 0) or column (line 1) that it runs along."""
    used: dict[int, int] = {}
    lanes = []
    for flow in flows:
        lane = used.get(flow.first[line], 0)
        used[flow.first[line]] = lane + 1
        lanes.append(lane)
    return lanes


def _spread(cells: list[tuple]) -> list[float]:
    """Where in its cell each way starts or ends (-0.3 to 0.3), so that none hides another."""
    seen: dict[tuple, int] = {}
    places = []
    for cell in cells:
        k, count = seen.get(cell, 0), cells.count(cell)
        seen[cell] = k + 1
        places.append(0.0 if count == 1 else 0.6 * k / (count - 1) - 0.3)
    return places


def _way(first: _Grid, a: tuple, last: _Grid, b: tuple) -> str:
    return f"{first.name}:{','.join(map(str, a))}>{last.name}:{','.join(map(str, b))}"


# --- helpers ---------------------------------------------------------------------------------


def _checked(tensor: Tensor, name: str, index: Tensor, dim: int) -> int:
    """The dimension as a positive number, once the shapes are those that torch accepts."""
    if tensor.dim() not in (1, 2):
        raise ValueError(f"{name}: got {tensor.dim()} dimensions, wanted 1 or 2")
    if index.dim() != tensor.dim():
        raise ValueError(f"index: got {index.dim()} dimensions, wanted {tensor.dim()} as in {name}")
    if index.is_floating_point() or index.dtype == torch.bool:
        raise ValueError(f"index: got {index.dtype}, wanted an integer type")
    if not -tensor.dim() <= dim < tensor.dim():
        raise ValueError(f"dim: got {dim}, wanted 0 to {tensor.dim() - 1}")
    dim %= tensor.dim()
    for d in range(tensor.dim()):
        if d != dim and index.shape[d] > tensor.shape[d]:
            raise ValueError(
                f"index: got {index.shape[d]} along dimension {d}, wanted at most "
                f"{tensor.shape[d]} as in {name}"
            )
    return dim


def _within(index: Tensor, size: int, lowest: int, why: str) -> None:
    bad = (index < lowest) | (index >= size)
    if bad.any():
        raise IndexError(f"index: got {int(index[bad][0])}, wanted {lowest} to {size - 1} ({why})")


def _all_positions(tensor: Tensor) -> list[tuple]:
    return [tuple(at) for at in torch.ones(tensor.shape).nonzero().tolist()]


def _positions(tensor: Tensor, show: Sequence[Any] | None) -> list[tuple]:
    """The positions to show, as tuples: those asked for, or all of a few, or a few of many."""
    everywhere = _all_positions(tensor)
    if show is None:
        if len(everywhere) <= 12:
            return everywhere
        return [everywhere[round(k * (len(everywhere) - 1) / 4)] for k in range(5)]
    wanted = [tuple(at) if isinstance(at, Iterable) else (at,) for at in show]
    wanted = [tuple(int(k) for k in at) for at in wanted]
    for at in wanted:
        inside = len(at) == tensor.dim() and all(
            0 <= k < n for k, n in zip(at, tensor.shape, strict=True)
        )
        if not inside:
            raise IndexError(f"got position {at}, wanted one inside {list(tensor.shape)}")
    return wanted


def _flat_list(values: Any) -> list:
    values = values.detach().cpu().reshape(-1).tolist() if isinstance(values, Tensor) else values
    return list(values)


def _met(values: list[Tensor], before: Tensor, reduce: str | None, include: bool) -> tuple:
    """What a slot shows, and its role, once these values have arrived in it."""
    if not values:
        return _word(before), "missing"
    if reduce is None:
        same = all(bool(v == values[0]) for v in values)
        return (
            (_word(values[-1]), "wrong" if len(values) > 1 else "result")
            if same
            else ("?", "wrong")
        )
    stack = torch.stack([before, *values] if include else values)
    whole = not stack.is_floating_point()
    if reduce == "mean":
        result = stack.sum() // len(stack) if whole else stack.mean()
    else:
        result = {"sum": stack.sum, "prod": stack.prod, "amax": stack.amax, "amin": stack.amin}[
            reduce
        ]()
    return _word(result), "result"


def _word(value: Any) -> str:
    """A number as short as a cell: at most three digits that matter, a true minus sign."""
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, bool):
        return "T" if value else "F"
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("-", "−")


def _text_table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, *rows]
    widths = [max(len(str(line[k])) for line in lines) for k in range(len(columns))]
    return "\n".join(
        "  ".join(str(word).ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells_of_matrix(canvas, places, values, shape, role, row_labels, column_labels) -> None:
    rows, columns = shape
    words = [_word(round(float(v), 2)).removesuffix(".0") for v in values]
    printed = any(word != "1" for word in words)
    side = max(9, min(28, 350 // columns))
    if printed and columns <= 16:
        side = max(side, 8 * max(len(word) for word in words) + 6)
    tall = min(side, 28)
    grid = "".join(f"M0 {_n(i * tall)}H{_n(columns * side)}" for i in range(rows + 1))
    grid += "".join(f"M{_n(j * side)} 0V{_n(rows * tall)}" for j in range(columns + 1))
    canvas.room(0, 0, columns * side, rows * tall)
    canvas.add(f'<path d="{grid}" style="stroke:{css("context")};stroke-opacity:.4;fill:none"/>')
    for i, j, word in zip(*places.tolist(), words, strict=True):
        fits = word != "1" and 7.6 * len(word) <= side
        canvas.cell(j * side, i * tall, side, tall, word if fits else "", role, True, f"m:{i},{j}")
    step = 1 if max(shape) <= 20 else 5
    for i in range(0, rows, 1 if row_labels else step):
        label = row_labels[i] if row_labels else str(i)
        canvas.text(-6, (i + 0.5) * tall, label, "tiny right")
    for j in range(0, columns, 1 if column_labels else step):
        label = column_labels[j] if column_labels else str(j)
        canvas.text((j + 0.5) * side, -9, label, "tiny")
