"""What a sparse matrix does as a function from tensor to tensor, in words.

A pattern is said only where the whole matrix has it: each is found by comparing all reads with
what the words mean. Where none is found, the counts are left, which always hold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SHORT = 6  # positions that are listed one by one
_ORDINAL = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth"}


def words(
    matrix: Tensor,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    names: Sequence[str] | None = None,
    precision: float = 1e-6,
) -> str:
    """The pattern of the reads, how often inputs are read, and which outputs read nothing.

    Args:
        matrix: [outputs, inputs], sparse and coalesced.
        names: a word for each dimension of the input.
        precision: how far a weight may be from the true one, as a share of it.

    Example:
        >>> matrix = torch.eye(6).to_sparse()[[0, 3]].coalesce()
        >>> words(matrix, (2, 3), (2,))
        'reads column 0 of every row; 4 of 6 inputs are never read'
    """
    outputs, inputs = matrix.shape
    rows, columns = matrix.indices()
    weights = matrix.values()
    if outputs == 0:
        return "gives no outputs"
    if len(rows) == 0:
        return "reads nothing: every output is 0"
    dims = _dims(input_shape, names)
    reading = rows.bincount(minlength=outputs)
    times = columns.bincount(minlength=inputs)
    if (reading <= 1).all():
        clauses = [_selection(columns, reading, dims, input_shape, output_shape)]
        if not all_near(weights, 1, precision):
            alike = all_near(weights, weights[0].item(), precision)
            one = _number(weights[0]) if alike else "a weight"
            clauses.append(f"each is multiplied by {one}")
    else:
        how = _how(rows, weights, reading, precision)
        clauses = [_mixture(how, rows, columns, weights, reading, times, dims, input_shape)]
    moves = len(clauses) == 1 and bool((reading == 1).all()) and "copies" not in clauses[0]
    return "; ".join(clauses + _counts(reading, times, permutation=moves))


def all_near(values: Tensor, wanted: complex, precision: float) -> bool:
    """Whether all values are the wanted one, but for rounding."""
    return bool(((values - wanted).abs() <= precision * abs(wanted or 1)).all())


def _counts(reading: Tensor, times: Tensor, permutation: bool) -> list[str]:
    """How often the inputs are read, and which outputs read nothing."""
    never, read = int((times == 0).sum()), times[times > 0]
    often, most = int((times > 1).sum()), int(times.max())
    clauses = []
    if never:
        verb = "is" if never == 1 else "are"
        clauses.append(f"{never:,} of {len(times):,} inputs {verb} never read")
    elif most == 1:
        once = "every input is read once"
        clauses.append(f"a permutation: {once}" if permutation else once)
    elif int(times.min()) == most:
        clauses.append(f"every input is read {_times(most)}")
    if never and most > 1 and int(read.min()) == most:
        clauses.append(f"the others are read {_times(most)} each")
    elif most > 1 and int(read.min()) < most:
        verb = "input is" if often == 1 else "inputs are"
        equal = int(times[times > 1].min()) == most
        how = _times(most) if equal else f"more than once, at most {_times(most)}"
        clauses.append(f"{often:,} {verb} read {how}")
    if empty := int((reading == 0).sum()):
        verb = "reads" if empty == 1 else "read"
        clauses.append(f"{empty:,} of {len(reading):,} outputs {verb} nothing")
    return clauses


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count:,} times"


def _and(parts: Sequence[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


# --- each output is one input --------------------------------------------------------------------


@dataclass
class _Dim:
    """A dimension of the input: how its positions are called."""

    number: int
    size: int
    one: str  # "column"
    place: str = ""  # " of dimension 2", where positions have no name of their own

    @property
    def many(self) -> str:
        if self.one.endswith(("s", "x", "ch", "sh")):
            return f"{self.one}es"
        return f"{self.one}s"

    @property
    def all(self) -> str:
        return f"every {self.one}{self.place}"


@dataclass
class _Reads:
    """How the reads run along one dimension of the input."""

    dim: _Dim
    along: int | None  # the dimension of the output that decides the position, if one does alone
    table: Tensor | None  # which position it decides
    words: str  # "" for all positions in their order
    kind: str  # "all", "some" (a set in order), "moved" (all, in another order), "index"


def _dims(shape: tuple[int, ...], names: Sequence[str] | None) -> list[_Dim]:
    if names is None:
        names = {1: ("element",), 2: ("row", "column")}.get(len(shape))
    if names is None:
        return [_Dim(d, n, "position", f" of dimension {d}") for d, n in enumerate(shape)]
    return [_Dim(d, n, name) for d, (n, name) in enumerate(zip(shape, names, strict=True))]


def _selection(
    columns: Tensor,
    reading: Tensor,
    dims: list[_Dim],
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
) -> str:
    """What a matrix with at most one weight in a row reads."""
    present = reading.bool()
    source = torch.full_like(reading, -1)
    source[present] = columns
    if torch.equal(source, torch.arange(math.prod(input_shape), device=source.device)):
        changed = [n for n in input_shape if n > 1] != [n for n in output_shape if n > 1]
        return "copies its input" + (", in another shape" if changed else "")
    own = torch.arange(len(source), device=source.device)
    if input_shape == output_shape and bool((source == own)[present].all()):
        return "keeps some inputs in their places" if not present.all() else "copies its input"
    position = torch.unravel_index(source.clamp(min=0), input_shape)
    found, used = [], set()
    for dim, at in zip(dims, position, strict=True):
        if dim.size > 1:
            found.append(_along(dim, at.reshape(output_shape), present.reshape(output_shape), used))
            used.add(found[-1].along)
    flat = _in_memory(columns, math.prod(input_shape))
    if flat and any(reads.kind == "index" for reads in found):
        return flat
    if len(found) > 1 and len({r.along for r in found}) == 1 and {r.kind for r in found} == {"all"}:
        return "reads the diagonal"
    return (
        _pattern(found, columns, present.reshape(output_shape), position)
        or flat
        or ("a selection: each output is one input" + ("" if present.all() else ", or 0"))
    )


def _along(dim: _Dim, at: Tensor, present: Tensor, used: set[int | None]) -> _Reads:
    """How the reads run along one dimension: `at` holds the position that each output reads."""
    if bool((at[present] == (first := int(at[present][0]))).all()):
        return _Reads(dim, None, None, f"{dim.one} {first}{dim.place}", "some")
    for along in sorted(range(at.ndim), key=lambda d: (d in used, d)):
        others = [d for d in range(at.ndim) if d != along]
        low = at.where(present, dim.size).amin(others) if others else at.where(present, dim.size)
        high = at.where(present, -1).amax(others) if others else at.where(present, -1)
        if bool(((low == high) | (high < 0)).all()):
            table = high[high >= 0]
            return _Reads(dim, along, table, *_run(table, dim))
    windows = _windows(dim, at) if present.all() else None
    return _Reads(dim, None, None, *(windows or _indexed(dim)))


def _indexed(dim: _Dim) -> tuple[str, str]:
    return f"{dim.many}{dim.place} chosen by an index", "index"


def _run(table: Tensor, dim: _Dim) -> tuple[str, str]:
    """What a list of positions along one dimension is, in words, and of which kind."""
    n, many, place = dim.size, dim.many, dim.place
    every = torch.arange(n, device=table.device)
    first, last, step = int(table[0]), int(table[-1]), table.diff()
    times, rest = divmod(len(table), n)
    if torch.equal(table, every):
        return "", "all"
    if (step == 1).all():
        return f"{many} {first} to {last}{place}", "some"
    by = int(step[0])
    if by > 1 and (step == by).all() and last + by >= n:
        start = f" from {first}" if first else ""
        return f"every {_ordinal(by)} {dim.one}{place}{start}", "some"
    if torch.equal(table, every.flip(0)):
        return f"the {many}{place} in reverse order", "moved"
    if torch.equal(table, every.roll(-first)):
        shift = -first % n
        shift = str(shift if 2 * shift <= n else shift - n).replace("-", "−")
        return f"the {many}{place} rolled by {shift}", "moved"
    if rest == 0 and times > 1 and torch.equal(table, every.repeat_interleave(times)):
        return f"each {dim.one}{place} {_times(times)} in a row", "moved"
    if rest == 0 and times > 1 and torch.equal(table, every.repeat(times)):
        return f"the {many}{place} {_times(times)} over", "moved"
    if len(table) <= SHORT:
        return f"{many} {_and(list(map(str, table.tolist())))}{place}", "some"
    return _indexed(dim)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 * (number // 10 % 10 != 1), "th")
    return _ORDINAL.get(number, f"{number}{ending}")


def _windows(dim: _Dim, at: Tensor) -> tuple[str, str] | None:
    """Where two dimensions of the output decide one of the input as start and place in a window."""
    origin = (0,) * at.ndim
    steps = {}
    for d, n in enumerate(at.shape):
        if n > 1:
            steps[d] = int(at[tuple(int(e == d) for e in range(at.ndim))] - at[origin])
    moving = [d for d, step in steps.items() if step]
    straight = sum(
        steps.get(d, 0)
        * torch.arange(n, device=at.device).reshape([-1 if e == d else 1 for e in range(at.ndim)])
        for d, n in enumerate(at.shape)
    )
    if len(moving) != 2 or at[origin] != 0 or not torch.equal(at, straight.expand_as(at)):
        return None
    for outer, inner in (moving, moving[::-1]):
        step, size, count = steps[outer], at.shape[inner], at.shape[outer]
        end = step * (count - 1) + size
        if steps[inner] == 1 and step > 0 and end <= dim.size < end + step:
            return f"windows of {size} {dim.many}{dim.place}, one every {step}", "moved"
    return None


def _pattern(
    found: list[_Reads], columns: Tensor, present: Tensor, position: tuple[Tensor, ...]
) -> str | None:
    """The dimensions put together; None where they say too little or too much."""
    found = _parted(found)
    if found is None:
        return None
    named = [reads for reads in found if reads.kind in ("some", "moved")]
    chosen = [reads for reads in found if reads.kind == "index"]
    every = [reads for reads in found if reads.kind == "all"]
    tables = [reads.table for reads in found if reads.table is not None]
    box = math.prod(table.unique().numel() for table in tables)
    windows = any(reads.along is None and reads.kind == "moved" for reads in found)
    if not chosen and not windows and columns.unique().numel() != box:
        return None  # a mask: not every combination of these positions is read
    told, order = ", ".join(reads.words for reads in named or chosen), _order(found)
    alike = _alike(chosen, every, present, position)
    if named:
        outer = [r.dim.all for r in every if r.dim.number < named[-1].dim.number]
        reads_on = all(reads.kind == "some" for reads in named) and not named[0].dim.place
        main = f"reads {told}" + (f" of {_and(outer)}" if outer and reads_on else "")
    elif chosen:
        own = [reads.dim.all for reads in every if reads.dim.all not in alike]
        main = f"reads {told}" + (f" in {_and(own)}" if own else "")
        main += f", the same in {_and(alike)}" if alike else ""
    elif torch.equal(columns, torch.arange(box, device=columns.device)):
        main = "copies its input"
    else:
        main = "" if order else "repeats its input"
    clauses = [main, order]
    if named and chosen:
        which = _and([f"{reads.dim.many}{reads.dim.place}" for reads in chosen])
        clauses.append(f"the {which} are chosen by an index")
    return "; ".join(clause for clause in clauses if clause)


def _parted(found: list[_Reads]) -> list[_Reads] | None:
    """Where one dimension of the output decides two of the input, one is its own and the other
    chosen by an index; None where neither is its own."""
    parted = []
    for reads in found:
        rivals = [r for r in found if r.along == reads.along and r.along is not None]
        own = [r for r in rivals if r.kind == "all"]
        if len(rivals) > 1 and len(own) != 1:
            return None
        if len(rivals) > 1 and reads.kind != "all":
            reads = _Reads(reads.dim, None, None, *_indexed(reads.dim))
        parted.append(reads)
    return parted


def _order(found: list[_Reads]) -> str:
    """In which order the output has the dimensions of the input, where it is another."""
    follows = [reads for reads in found if reads.along is not None]
    order = [reads.dim.number for reads in sorted(follows, key=lambda reads: reads.along)]
    straight = [reads.dim.number for reads in follows]
    if order == straight:
        return ""
    apart = [a for a, b in zip(straight, order, strict=True) if a != b]
    if len(apart) > 2:
        return f"puts the dimensions in the order {', '.join(map(str, order))}"
    one, other = (reads.dim for reads in follows if reads.dim.number in apart)
    if one.place:
        last = apart == straight[-2:] and len(straight) == len(found) and len(straight) > 2
        both = "the last two dimensions" if last else f"dimensions {apart[0]} and {apart[1]}"
    else:
        both = f"{one.many} and {other.many}"
    return f"transposes {both}"


def _alike(
    chosen: list[_Reads], every: list[_Reads], present: Tensor, position: tuple[Tensor, ...]
) -> list[str]:
    """The dimensions along which the index does not change."""
    ats = [position[reads.dim.number].reshape(present.shape) for reads in chosen]
    ats = [present, *(at.where(present, -1) for at in ats)]
    return [
        reads.dim.all
        for reads in every
        if all(bool((at == at.narrow(reads.along, 0, 1)).all()) for at in ats)
    ]


def _in_memory(columns: Tensor, count: int) -> str | None:
    """The pattern of the flat positions, whatever the dimensions are."""
    told, kind = _run(columns, _Dim(0, count, "input"))
    few = kind == "some" and len(columns) < 3  # two reads are always evenly spaced
    if (
        few
        or kind == "index"
        or (kind == "some" and not told.startswith("every") and " to " not in told)
    ):
        return None
    return f"reads {told} in memory order" if told else "copies its input"


# --- each output is a sum ------------------------------------------------------------------------


def _mixture(
    how: str,
    rows: Tensor,
    columns: Tensor,
    weights: Tensor,
    reading: Tensor,
    times: Tensor,
    dims: list[_Dim],
    input_shape: tuple[int, ...],
) -> str:
    """What a matrix with several weights in a row does."""
    each = "each output" if bool((reading > 0).all()) else "each output that reads"
    fewest, most = int(reading[reading > 0].min()), int(reading.max())
    if how == "sum" and fewest < most and bool((times <= 1).all()):
        inputs = "every input" if bool((times == 1).all()) else "each input that is read"
        return f"sends {inputs} to one output; sums where they meet, at most {most}"
    if where := _box(rows, columns, weights, reading, dims, input_shape):
        return f"{each} is the {how} {where}"
    span = str(most) if fewest == most else f"{fewest} to {most}"
    return f"{each} is the {how} of {span} inputs"


def _how(rows: Tensor, weights: Tensor, reading: Tensor, precision: float) -> str:
    sums = weights.new_zeros(len(reading)).index_add(0, rows, weights)[reading > 0]
    if all_near(weights, 1, precision):
        return "sum"
    if all_near(weights * reading[rows], 1, precision):
        return "mean"
    if not weights.is_complex() and bool((weights > 0).all()) and all_near(sums, 1, precision):
        return "weighted mean"
    opposite = all_near(weights.abs(), 1, precision) and all_near(sums, 0, precision)
    if opposite and bool((reading[rows] == 2).all()):
        return "difference"
    return "weighted sum"


def _box(
    rows: Tensor,
    columns: Tensor,
    weights: Tensor,
    reading: Tensor,
    dims: list[_Dim],
    input_shape: tuple[int, ...],
) -> str | None:
    """The window of inputs that every output reads, if that is what it reads."""
    full = reading[reading > 0]
    extents, wide = torch.ones_like(full), []
    for dim, at in zip(dims, torch.unravel_index(columns, input_shape), strict=True):
        low = torch.full_like(reading, dim.size).scatter_reduce(0, rows, at, "amin")
        high = torch.full_like(reading, -1).scatter_reduce(0, rows, at, "amax")
        extent = (high - low + 1)[reading > 0]
        extents = extents * extent
        if int(extent.max()) > 1:
            wide.append((dim, extent))
    if not torch.equal(extents, full):
        return None  # a read is missing in the box around the reads
    if all(bool((extent == dim.size).all()) for dim, extent in wide):
        return f"over all {_and([f'{dim.size} {dim.many}{dim.place}' for dim, _ in wide])}"
    one_size = bool((full == full.max()).all())
    size = "×".join(str(int(extent.max())) for _, extent in wide)
    where = f"over a window of {'' if one_size else 'at most '}{size} "
    if len(wide) == 1:
        where += f"{wide[0][0].many}{wide[0][0].place}"
    elif wide[0][0].place:
        where += f"inputs, along dimensions {_and([str(dim.number) for dim, _ in wide])}"
    else:
        where += f"inputs, along {_and([dim.many for dim, _ in wide])}"
    table = weights.reshape(-1, int(full[0])) if one_size else None
    largest = float(weights.abs().max())
    alike = table is not None and torch.allclose(table, table[:1], 1e-5, 1e-6 * largest)
    uneven = alike and not all_near(table[0], table[0, 0].item(), 1e-6)
    return where + (", with the same weights everywhere" if uneven and len(full) > 1 else "")


def _number(value: Tensor) -> str:
    number = value.item()
    imaginary = f"{number.imag:+.4g}i" if value.is_complex() else ""
    return f"{number.real:.4g}{imaginary}".replace("-", "−")
