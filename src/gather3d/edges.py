"""What torch's index functions do at the edges of what an index may be, found by calling them.

    outcome    what one call does, in a few words
    readers    each function that reads, in each case
    writers    each function that writes, in each case
    repeats    whether a call gives the same bits again, without and with the deterministic mode
    documented what torch's documentation says of that mode, function by function

The book's page *At the edges* shows the tables. The calls run on the CPU: on CUDA an index out of
range ends the process. A reader picks rows of a source [N, C] = [4, 3], a writer sends rows of
values to a target of that size; what is meant is what a loop over the index does, a -1 being a
missing neighbour, which reads 0 and is not written.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from .indexing import gather_points, scatter_points
from .trials import deterministic

AS_MEANT, RAISES, SILENT = KINDS = ("as meant", "raises", "silent")
NONE: Mapping[str, Tensor] = MappingProxyType({})
LONGEST = 110  # signs of a message
BETA = "beta"  # index_reduce says at each call that it is

N, C = 4, 3
EXPANDED = (("expanded", torch.int64), ("expanded, int32", torch.int32))
SOURCE = 10.0 * torch.arange(1, N + 1)[:, None] + torch.arange(C)  # [N, C]; no value is 0
VALUES = 2.0 ** torch.arange(N)[:, None] * torch.tensor([1.0, 10, 100])  # [N, C]; each sum is one's


@dataclass(frozen=True)
class Outcome:
    """What a call did: one of KINDS, and a few words."""

    kind: str
    words: str


@dataclass(frozen=True)
class Entry:
    """A line of a table."""

    function: str
    case: str
    outcome: Outcome


def outcome(
    call: Callable[[], Tensor], meant: Tensor | None = None, known: Mapping[str, Tensor] = NONE
) -> Outcome:
    """What a call does, in a few words: as meant, an exception, or something else in silence.

    Sizes of 1 do not count in the comparison; where they differ, the words name the shape.

    Args:
        call: the call.
        meant: what it should give; None where only an exception is right.
        known: what else it may give, by the words for it.

    Example:
        >>> x = torch.tensor([1, 2, 3])
        >>> outcome(lambda: x[-1:], x[:0], {"reads the last": x[2:]})
        Outcome(kind='silent', words='reads the last')
    """
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            result = call()
    except Exception as error:
        return Outcome(RAISES, f"{type(error).__name__}: {first_sentence(error)}")
    finally:
        torch.set_warn_always(always)
    said = [first_sentence(w.message) for w in raised if BETA not in str(w.message)]
    warned = f"; warns: {said[0]}" if said else ""
    if meant is not None and same(result, meant):
        shape = "" if result.shape == meant.shape else f", of shape {list(result.shape)}"
        return Outcome(AS_MEANT, f"as meant{shape}{warned}")
    for words, other in known.items():
        if same(result, other):
            return Outcome(SILENT, words + warned)
    values = [round(v, 4) for v in result.flatten().tolist()]
    shown = str(values) if len(values) <= 12 else f"{values[:12]} …"
    return Outcome(SILENT, f"gives {shown}, of shape {list(result.shape)}{warned}")


def same(one: Tensor, other: Tensor) -> bool:
    """Whether values and shapes are equal, sizes of 1 left out."""
    one, other = one.detach().squeeze(), other.detach().squeeze()
    return one.shape == other.shape and torch.equal(one.to(other.dtype), other)


def first_sentence(error: object) -> str:
    """The first sentence of a message, without what torch says of its own source."""
    line = (str(error).strip() or "no message").splitlines()[0]
    line = re.split(r"(?<=[^.\d])\. |\.$| \(Triggered| \(while| \(got|, but got", line)[0].strip()
    return line if len(line) <= LONGEST else line[:LONGEST].rsplit(" ", 1)[0] + " …"


# ---- readers


@dataclass(frozen=True)
class Reader:
    """A function that picks rows of a source, and how it is asked.

    `rows` takes a vector of row numbers. `index` hands an index on as it stands, where the function
    takes one of any shape; `wide` says that this index has an entry for each channel.
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    index: Callable[[Tensor, Tensor], Tensor] | None = None
    out: Callable[..., Tensor] | None = None
    wide: bool = False


def _wide(rows: Tensor) -> Tensor:
    """The same row for each channel, written out: [M] → [M, C]."""
    return rows[:, None].repeat(1, C)


def _flat(rows: Tensor) -> Tensor:
    """The places of whole rows in flat memory: [M] → [M, C]."""
    return (rows[:, None].to(_counting(rows)) * C + torch.arange(C)).to(rows.dtype)


def _counting(rows: Tensor) -> torch.dtype:
    return rows.dtype if rows.is_floating_point() else torch.int64


def _sampled(source: Tensor, rows: Tensor) -> Tensor:
    """The rows as positions in an image of one line; beyond its ends it is 0."""
    x = 2 * rows.to(source.dtype) / (N - 1) - 1
    grid = torch.stack((x, torch.zeros_like(x)), dim=-1)[None, None]  # [1, 1, M, 2]
    picked = F.grid_sample(source.T[None, :, None], grid, mode="nearest", align_corners=True)
    return picked[0, :, 0].T


READERS = {
    "gather": Reader(
        lambda x, i: x.gather(0, _wide(i)),
        lambda x, i: x.gather(0, i),
        lambda x, i, out: torch.gather(x, 0, _wide(i), out=out),
        wide=True,
    ),
    "take_along_dim": Reader(
        lambda x, i: torch.take_along_dim(x, i[:, None], 0),
        lambda x, i: torch.take_along_dim(x, i, 0),
        lambda x, i, out: torch.take_along_dim(x, i[:, None], 0, out=out),
        wide=True,
    ),
    "index_select": Reader(
        lambda x, i: x.index_select(0, i),
        lambda x, i: x.index_select(0, i),
        lambda x, i, out: torch.index_select(x, 0, i, out=out),
    ),
    "x[i]": Reader(lambda x, i: x[i], lambda x, i: x[i]),
    "take": Reader(
        lambda x, i: x.take(_flat(i)), None, lambda x, i, out: torch.take(x, _flat(i), out=out)
    ),
    "F.embedding": Reader(lambda x, i: F.embedding(i, x), lambda x, i: F.embedding(i, x)),
    "F.embedding_bag": Reader(lambda x, i: F.embedding_bag(i[:, None], x, mode="sum")),
    "F.grid_sample": Reader(_sampled),
    "g3.gather_points": Reader(lambda x, i: gather_points(x.T[None], i[None])[0].T),
}
"""By name. `F.embedding_bag` gets bags of one, `F.grid_sample` the nearest of whole positions."""

UNASKED = {("F.grid_sample", case) for case in ("int32", "uint8", "bool", "float")}
UNASKED |= {("take", case) for case in ("uint8", "bool")}
"""Where a function has no index of that dtype: positions are floats, a flat place fits no byte."""


def readers(functions: Mapping[str, Reader] = READERS) -> list[Entry]:
    """Each reader in each case that it knows, in the order of the functions."""
    return [
        Entry(name, case, outcome(*asked))
        for name, reader in functions.items()
        for case, *asked in reader_cases(reader)
        if (name, case) not in UNASKED
    ]


def reader_cases(reader: Reader) -> Iterable[tuple]:
    """Case, call, what is meant, and what else is known to come."""

    def rows(*index: float, dtype: torch.dtype = torch.int64) -> Callable[[], Tensor]:
        return lambda: reader.rows(SOURCE, torch.tensor(index, dtype=dtype))

    two = SOURCE[[2, 0]]
    missing = torch.stack((SOURCE[2], torch.zeros(C)))
    yield "-1", rows(2, -1), missing, {"reads the last row": SOURCE[[2, 3]]}
    other = {"gives 0": missing, "reads row 3, which is -5 modulo 4": SOURCE[[2, 3]]}
    yield "below -n", rows(2, -5), None, other
    other = {"gives 0": missing, "reads row 0, which is 4 modulo 4": SOURCE[[2, 0]]}
    yield "n or more", rows(2, 4), None, other
    yield "int32", rows(2, 0, dtype=torch.int32), two
    mask = {"takes it for a mask: rows 0, 2 and 3": SOURCE[[0, 2, 3]]}
    yield "uint8", rows(2, 0, 2, 1, dtype=torch.uint8), SOURCE[[2, 0, 2, 1]], mask
    yield "bool", rows(1, 0, 1, 0, dtype=torch.bool), SOURCE[[0, 2]]
    yield "float", rows(2, 0, dtype=torch.float32), two
    yield "empty", rows(), SOURCE[:0]

    if reader.index is not None:
        yield from _reader_shapes(reader)
    for case, dtype in EXPANDED:
        if reader.wide:
            index = torch.tensor([2, 0, 1], dtype=dtype)[:, None].expand(-1, C)
            yield case, partial(reader.index, SOURCE, index), SOURCE[[2, 0, 1]]
        else:
            index = torch.tensor([2], dtype=dtype).expand(3)
            yield case, partial(reader.rows, SOURCE, index), SOURCE[[2, 2, 2]]
    if reader.out is not None:
        ask = partial(reader.out, SOURCE, torch.tensor([2, 0]))
        yield "out=", _into(torch.empty(2, C), ask), two
        yield "out=, wrong shape", _into(torch.empty(7), ask), two

    def read(source: Tensor) -> Tensor:
        return reader.rows(source, torch.tensor([2, 0, 2]))

    counts = torch.tensor([1.0, 0, 2, 0])[:, None].expand(N, C)
    yield "gradient, duplicates", partial(_gradient, read, SOURCE), counts
    yield "second gradient", partial(_second, read, SOURCE), torch.ones(1)


def _reader_shapes(reader: Reader) -> Iterable[tuple]:
    """An index of another shape; where it has one entry for each row, any shape is right."""

    def shaped(index: Tensor) -> tuple[Callable[[], Tensor], Tensor | None]:
        return partial(reader.index, SOURCE, index), None if reader.wide else SOURCE[index]

    column = torch.tensor([[2], [0]])
    known = {"reads channel 0 only": SOURCE[[2, 0], :1]}
    yield "one column", partial(reader.index, SOURCE, column), SOURCE[[2, 0]], known
    known = {"reads channels 0 and 1 only": SOURCE[[2, 0], :2]}
    yield "two of three columns", *shaped(column.repeat(1, 2)), known
    yield "0-d", partial(reader.index, SOURCE, torch.tensor(2)), SOURCE[2]
    yield "three dimensions", *shaped(column[..., None])
    nothing = torch.empty(0, 9, 9, dtype=torch.int64)
    known = {"accepts it, and gives an empty result": torch.empty(0, 9, 9)}
    yield "three dimensions, empty", *shaped(nothing), known


# ---- writers


@dataclass(frozen=True)
class Writer:
    """A function that sends rows of values to a target; fields as those of a Reader.

    `how` is what should happen where two meet: "add", "max", or "set", where one is lost.
    """

    how: str
    rows: Callable[[Tensor, Tensor, Tensor], Tensor]
    index: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    out: Callable[..., Tensor] | None = None
    wide: bool = False


def looped(rows: Iterable[int], values: Tensor, how: str) -> Tensor:
    """What a writer is meant to do to a target of zeros: a loop, which leaves out a -1.

    Example:
        >>> looped([2, -1, 2], torch.ones(3, 1), "add").flatten()
        tensor([0., 0., 2., 0.])
    """
    out = values.new_zeros(N, *values.shape[1:])
    for row, value in zip(rows, values, strict=True):
        if row != -1:
            both = {"add": out[row] + value, "max": torch.maximum(out[row], value), "set": value}
            out[row] = both[how]
    return out


def _scatter(name: str, how: str, *more: str) -> Writer:
    """scatter and those that are called like it."""
    function = getattr(torch, name)
    return Writer(
        how,
        lambda x, i, v: function(x, 0, _wide(i), v, *more),
        lambda x, i, v: function(x, 0, i, v, *more),
        lambda x, i, v, out: function(x, 0, _wide(i), v, *more, out=out),
        wide=True,
    )


def _by_rows(name: str, how: str, *more: str) -> Writer:
    """index_add and those that are called like it."""
    function = getattr(torch, name)

    def call(x: Tensor, i: Tensor, v: Tensor, **out: Tensor) -> Tensor:
        return function(x, 0, i, v, *more, **out)

    return Writer(how, call, call, call)


def _set(x: Tensor, i: Tensor, v: Tensor) -> Tensor:
    x = x.clone()
    x[i] = v
    return x


def _plus(x: Tensor, i: Tensor, v: Tensor) -> Tensor:
    x = x.clone()
    x[i] += v
    return x


def _put(x: Tensor, i: Tensor, v: Tensor) -> Tensor:
    return x.index_put((i,), v, accumulate=True)


WRITERS = {
    "scatter": _scatter("scatter", "set"),
    "scatter_add": _scatter("scatter_add", "add"),
    "scatter_reduce, sum": _scatter("scatter_reduce", "add", "sum"),
    "scatter_reduce, amax": _scatter("scatter_reduce", "max", "amax"),
    "index_add": _by_rows("index_add", "add"),
    "index_copy": _by_rows("index_copy", "set"),
    "index_reduce, amax": _by_rows("index_reduce", "max", "amax"),
    "index_put, accumulate": Writer("add", _put, _put),
    "put_, accumulate": Writer("add", lambda x, i, v: x.put(_flat(i), v, accumulate=True)),
    "x[i] = v": Writer("set", _set, _set),
    "x[i] += v": Writer("add", _plus, _plus),
    "g3.scatter_points": Writer(
        "add", lambda x, i, v: x + scatter_points(v.T[None], i[None], len(x))[0].T
    ),
}
"""By name. `put_` gets the flat places of whole rows."""

UNASKED |= {("put_, accumulate", case) for case in ("uint8", "bool")}


def writers(functions: Mapping[str, Writer] = WRITERS) -> list[Entry]:
    """Each writer in each case that it knows, in the order of the functions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*{BETA}")
        return [
            Entry(name, case, outcome(*asked))
            for name, writer in functions.items()
            for case, *asked in writer_cases(writer)
            if (name, case) not in UNASKED
        ]


def writer_cases(writer: Writer) -> Iterable[tuple]:
    """Case, call, what is meant, and what else is known to come."""
    how, target = writer.how, torch.zeros(N, C)

    def rows(*index: float, dtype=torch.int64, values: Tensor | None = None):
        values = VALUES[: len(index)] if values is None else values
        return lambda: writer.rows(target, torch.tensor(index, dtype=dtype), values)

    def done(*index: int, how: str = how) -> Tensor:
        return looped(index, VALUES[: len(index)], how)

    known = {
        "keeps the last, loses the other": done(2, 0, 2, how="set"),
        "keeps the first, loses the other": done(2, 0, -1, how="set"),
    }
    yield "duplicates", rows(2, 0, 2), None if how == "set" else done(2, 0, 2), known
    yield "-1", rows(2, -1), done(2, -1), {"writes to the last row": done(2, 3)}
    yield "below -n", rows(2, -5), None, {"writes to row 3, which is -5 modulo 4": done(2, 3)}
    yield "n or more", rows(2, 4), None, {"writes to row 0, which is 4 modulo 4": done(2, 0)}
    yield "int32", rows(2, 0, dtype=torch.int32), done(2, 0)
    yield "uint8", rows(2, 0, 1, 3, dtype=torch.uint8), done(2, 0, 1, 3)
    yield "bool", rows(1, 0, 1, 0, dtype=torch.bool, values=VALUES[:2]), done(0, 2)
    yield "float", rows(2, 0, dtype=torch.float32), done(2, 0)
    yield "empty", rows(), target
    both = looped((2, 0), VALUES[:1].expand(2, C), how)
    yield "one row of values", rows(2, 0, values=VALUES[:1]), both
    known = {"writes the first row only": done(2)}
    yield "more values than indices", rows(2, values=VALUES[:2]), None, known
    yield "values in float64", rows(2, 0, values=VALUES[:2].double()), done(2, 0)

    if writer.index is not None:
        yield from _writer_shapes(writer)
    for case, dtype in EXPANDED:
        if writer.wide:
            index = torch.tensor([2, 0, 1], dtype=dtype)[:, None].expand(-1, C)
            yield case, partial(writer.index, target, index, VALUES[:3]), done(2, 0, 1)
        elif how != "set":  # a vector that is expanded is one of duplicates
            index = torch.tensor([2], dtype=dtype).expand(3)
            known = {"keeps the last, loses the others": done(2, 2, 2, how="set")}
            yield case, partial(writer.rows, target, index, VALUES[:3]), done(2, 2, 2), known
    if writer.out is not None:
        write = partial(writer.out, target, torch.tensor([2, 0]), VALUES[:2])
        yield "out=", _into(torch.empty(N, C), write), done(2, 0)
        yield "out=, wrong shape", _into(torch.empty(7), write), done(2, 0)
    yield from _writer_gradients(writer)


def _writer_shapes(writer: Writer) -> Iterable[tuple]:
    """An index of another shape than it should have."""

    def shaped(index: Tensor) -> Callable[[], Tensor]:
        values = VALUES[: len(index) if index.dim() else 1]
        return partial(writer.index, torch.zeros(N, C), index, values)

    column, rows = torch.tensor([[2], [0]]), looped((2, 0), VALUES[:2], writer.how)
    channel = torch.arange(C)
    yield "one column", shaped(column), rows, {"writes channel 0 only": rows * (channel < 1)}
    known = {"writes channels 0 and 1 only": rows * (channel < 2)}
    for how, end in ((writer.how, ""), ("set", ", keeps one")):  # the values broadcast
        both = looped((2, 2, 0, 0), VALUES[:2].repeat(2, 1), how)
        known[f"sends both rows of values to rows 2 and 0{end}"] = both
    yield "two of three columns", shaped(column.repeat(1, 2)), None, known
    yield "0-d", shaped(torch.tensor(2)), looped((2,), VALUES[:1], writer.how)
    yield "three dimensions", shaped(column[..., None]), None
    nothing = torch.empty(0, 9, 9, dtype=torch.int64)
    known = {"accepts it, and writes nothing": torch.zeros(N, C)}
    yield "three dimensions, empty", shaped(nothing), None, known


def _writer_gradients(writer: Writer) -> Iterable[tuple]:
    """The gradient of the values against differences of the call itself."""
    start = torch.zeros(N, C, dtype=torch.float64)

    def written(*index: int) -> Callable[[Tensor], Tensor]:
        return lambda values: writer.rows(start, torch.tensor(index), values)

    values = VALUES[:3].double()
    every = {"every duplicate gets the gradient": _slopes(written(2, 0, 1), values)[[0, 1, 0]]}
    equal = torch.ones_like(values)
    unsent = {"values that were not sent get one too": _ramp()[2].expand(3, C)}
    for case, index, at, known in (
        ("gradient", (2, 0, 1), values, NONE),
        ("gradient, duplicates", (2, 0, 2), values, every),
        ("gradient, more values", (2,), equal, unsent),
    ):
        write = written(*index)
        if outcome(partial(write, at)).kind != RAISES:
            yield case, partial(_gradient, write, at, _ramp()), _slopes(write, at), known
    yield "second gradient", partial(_second, written(2, 0, 1), values), torch.ones(1)


def without_index() -> list[Entry]:
    """Two writers that have no index: segment_reduce has lengths, masked_scatter a mask."""

    def summed(*lengths: int, dtype=torch.int64) -> Callable[[], Tensor]:
        given = torch.tensor(lengths, dtype=dtype)
        return lambda: torch.segment_reduce(three, "sum", lengths=given)

    def masked(*mask: int, dtype=torch.bool, values: Tensor = VALUES) -> Callable[[], Tensor]:
        given = torch.tensor(mask, dtype=dtype)[:, None]
        return lambda: torch.zeros(N, C).masked_scatter(given, values)

    three, two = VALUES[:3], looped((0, 2), VALUES[:2], "set")
    pairs = torch.stack((three[:2].sum(0), three[2]))
    double = three.double()
    sums = partial(torch.segment_reduce, reduce="sum", lengths=torch.tensor([2, 1]))
    segment = {
        "lengths": (summed(2, 1), pairs),
        "a length of 0": (summed(2, 0, 1), torch.stack((pairs[0], torch.zeros(C), pairs[1]))),
        "a length of -1": (summed(2, -1, 2), None),
        "lengths of too few": (summed(2), None),
        "lengths of too many": (summed(2, 5), None),
        "int32": (summed(2, 1, dtype=torch.int32), pairs),
        "float": (summed(2, 1, dtype=torch.float32), pairs),
        "gradient": (partial(_gradient, sums, double), torch.ones(3, C)),
        "second gradient": (partial(_second, sums, double), torch.ones(1)),
    }
    mask = {
        "bool": (masked(1, 0, 1, 0, values=VALUES[:2]), two),
        "int32": (masked(1, 0, 1, 0, dtype=torch.int32), two),
        "one row of values": (masked(1, 0, 1, 0, values=VALUES[:1]), None),
        "more values than true": (masked(1, 0, 1, 0), None, {"drops the last values": two}),
    }
    functions = {"segment_reduce, sum": segment, "masked_scatter": mask}
    return [
        Entry(name, case, outcome(*asked))
        for name, cases in functions.items()
        for case, asked in cases.items()
    ]


# ---- gradients


def _ramp() -> Tensor:
    """Weights of the outputs, no two alike, so that a gradient says where it came from."""
    return torch.arange(1.0, N * C + 1, dtype=torch.float64).reshape(N, C)


def _gradient(
    function: Callable[[Tensor], Tensor], at: Tensor, weights: Tensor | float = 1.0
) -> Tensor:
    """The gradient of the weighted sum, as torch has it."""
    at = at.clone().requires_grad_()
    (function(at) * weights).sum().backward()
    return at.grad


def _slopes(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 2.0**-4) -> Tensor:
    """The gradient of the weighted sum by differences: exact, for whole weights and this step."""
    slopes = torch.zeros_like(at)
    for k in range(at.numel()):
        ends = []
        for sign in (1, -1):
            moved = at.clone()
            moved.view(-1)[k] += sign * step
            ends.append((function(moved) * _ramp()).sum())
        slopes.view(-1)[k] = (ends[0] - ends[1]) / (2 * step)
    return slopes


def _second(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """1 where torch's own check of second derivatives passes; it raises where there are none."""
    at = at.double().clone().requires_grad_()
    torch.autograd.gradgradcheck(function, (at,))
    return torch.ones(1)


def _into(out: Tensor, call: Callable[..., Tensor]) -> Callable[[], Tensor]:
    """A call that gives what lies in `out` after it."""

    def filled() -> Tensor:
        call(out=out)
        return out

    return filled


# ---- the same bits


def repeats(call: Callable[[], Tensor], runs: int = 5) -> dict[str, str]:
    """Whether a call gives the same bits in so many runs, without and with deterministic mode.

    Example:
        >>> repeats(lambda: torch.zeros(2))
        {'without the switch': 'same bits', 'with it': 'same bits'}
    """
    return {"without the switch": _again(call, runs), "with it": _switched(call, runs)}


def _again(call: Callable[[], Tensor], runs: int) -> str:
    first = call()
    others = sum(not torch.equal(first, call()) for _ in range(runs - 1))
    return f"other bits in {others} of {runs} runs" if others else "same bits"


def _switched(call: Callable[[], Tensor], runs: int) -> str:
    with deterministic(), warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        try:
            said = _again(call, runs)
        except RuntimeError as error:
            return f"raises: {first_sentence(error)}"
    return f"{said}; warns" if any("determin" in str(w.message) for w in raised) else said


@dataclass(frozen=True)
class Documented:
    """A line of torch's documentation of `use_deterministic_algorithms`."""

    function: str
    when: str
    with_it: str


def documented(names: Iterable[str]) -> list[Documented]:
    """The lines on these functions, from the docstring of the torch that runs.

    Example:
        >>> [line.with_it for line in documented(["gather"])]
        ['another algorithm']
    """
    text = torch.use_deterministic_algorithms.__doc__ or ""
    names, found = list(names), []
    item = r"\* :\w+:`([^`]+)`(.*?)(?=\n +\* |\n\n(?! +-))"
    acts, _, throws = text.partition("operations will throw a\n")
    for part, said in ((acts, "another algorithm"), (throws, "raises")):
        for name, when in re.findall(item, part, re.DOTALL):
            function = name.rpartition(".")[2]
            if function in names:
                when = " ".join(when.replace("`", "").split()).replace(" - ", ", ")
                found.append(Documented(function, when.replace(":,", ":") or "always", said))
    return sorted(found, key=lambda line: names.index(line.function))


# ---- tables


SAID = {AS_MEANT: "", RAISES: "", SILENT: "<strong>silent:</strong> "}
"""What stands before the words, where they do not say it themselves."""


@dataclass(frozen=True)
class Table:
    """Entries line by line; a page of the book can filter them (book/_static/edges.js)."""

    entries: list[Entry]
    caption: str

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{w}</th>' for w in ("function", "case", "what happens"))
        body = "".join(
            f'<tr data-kind="{e.outcome.kind}"><th scope="row"><code>{escape(e.function)}</code>'
            f"</th><td>{minus(e.case)}</td><td>{SAID[e.outcome.kind]}{escape(e.outcome.words)}"
            "</td></tr>"
            for e in self.entries
        )
        return _figure("g3-edges", head, body, self.caption)

    def __repr__(self) -> str:
        return "\n".join(
            f"{e.function:22}  {e.case:24}  {e.outcome.kind:8}  {e.outcome.words}"
            for e in self.entries
        )


@dataclass(frozen=True)
class Glance:
    """The kinds alone, a line for each case and a column for each function."""

    entries: list[Entry]
    caption: str

    def cells(self) -> dict[str, dict[str, str]]:
        """Case → function → kind; "" where the case is not asked."""
        functions = dict.fromkeys(e.function for e in self.entries)
        found = {e.case: dict.fromkeys(functions, "") for e in self.entries}
        for entry in self.entries:
            found[entry.case][entry.function] = entry.outcome.kind
        return found

    def _repr_html_(self) -> str:
        cells = self.cells()
        head = "<td></td>" + "".join(
            f'<th scope="col"><code>{escape(f)}</code></th>' for f in next(iter(cells.values()))
        )
        body = "".join(
            f'<tr><th scope="row">{minus(case)}</th>'
            + "".join(f'<td data-kind="{kind}">{kind or "·"}</td>' for kind in kinds.values())
            + "</tr>"
            for case, kinds in cells.items()
        )
        return _figure("g3-glance", head, body, self.caption)

    def __repr__(self) -> str:
        return "\n".join(f"{case:24}  {kinds}" for case, kinds in self.cells().items())


def minus(case: str) -> str:
    """The name of a case as HTML, its hyphen before a number or n a minus."""
    return re.sub(r"-(?=\d|n\b)", "−", escape(case))


def _figure(name: str, head: str, body: str, caption: str) -> str:
    return (
        f'<figure class="g3-table {name}"><div class="g3-scroll" style="overflow-x:auto" '
        'tabindex="0" role="group" aria-label="table"><table class="table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
