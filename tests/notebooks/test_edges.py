"""What `gather3d.edges` says of a call, on functions written to show each outcome."""

import doctest
import warnings

import pytest
import torch

from gather3d import edges
from gather3d.edges import AS_MEANT, RAISES, SILENT, Entry, Outcome, Reader, Writer, outcome


def test_the_examples():
    results = doctest.testmod(edges, extraglobs={"torch": torch})
    assert results.attempted >= 4 and not results.failed


def found(entries: list[Entry], case: str) -> Outcome:
    (entry,) = [entry for entry in entries if entry.case == case]
    return entry.outcome


def wraps(source, rows):
    return source[rows % len(source)]


def refuses(source, rows):
    if ((rows < 0) | (rows >= len(source))).any():
        raise IndexError("rows: out of range. Nothing was read (got, of all things, this).")
    return source[rows.long()]


def garbage(source, rows):
    return source[rows.long() % len(source)] * 0 + 7


def fills(source, rows):
    return refuses(source, rows.clamp(min=0)) * (rows >= 0)[:, None]


def test_readers():
    """One that wraps, one that refuses, one that returns garbage, one that is right."""
    entries = edges.readers({f.__name__: Reader(f) for f in (wraps, refuses, garbage, fills)})
    kinds = {(e.function, e.case): e.outcome for e in entries}
    assert kinds["wraps", "-1"] == Outcome(SILENT, "reads the last row")
    assert kinds["wraps", "n or more"].words == "reads row 0, which is 4 modulo 4"
    assert kinds["wraps", "below -n"].words == "reads row 3, which is -5 modulo 4"
    assert kinds["refuses", "-1"] == Outcome(RAISES, "IndexError: rows: out of range")
    assert kinds["refuses", "int32"].kind == AS_MEANT
    assert kinds["garbage", "int32"].kind == SILENT and "[7.0, 7.0" in kinds["garbage", "-1"].words
    assert kinds["garbage", "gradient, duplicates"].kind == SILENT
    assert kinds["fills", "-1"].kind == AS_MEANT and kinds["fills", "n or more"].kind == RAISES
    assert kinds["fills", "gradient, duplicates"].kind == AS_MEANT
    assert ("fills", "one column") not in kinds, "it takes no index of another shape"


def adds(target, rows, values):
    return target.index_add(0, rows, values)


def first_wins(target, rows, values):
    out = target.clone()
    for row, value in zip(rows.tolist()[::-1], values.flip(0), strict=True):
        out[row] = value
    return out


def wraps_and_adds(target, rows, values):
    return target.index_add(0, rows % len(target), values)


def test_writers():
    functions = {"adds": Writer("add", adds), "wraps": Writer("add", wraps_and_adds)}
    functions |= {"first": Writer("set", first_wins), "lost": Writer("add", first_wins)}
    kinds = {(e.function, e.case): e.outcome for e in edges.writers(functions)}
    assert kinds["adds", "duplicates"].kind == AS_MEANT and kinds["adds", "-1"].kind == RAISES
    assert kinds["adds", "gradient, duplicates"].kind == AS_MEANT
    assert kinds["wraps", "-1"] == Outcome(SILENT, "writes to the last row")
    assert kinds["wraps", "below -n"].words == "writes to row 3, which is -5 modulo 4"
    for function in ("first", "lost"):
        assert kinds[function, "duplicates"].words == "keeps the first, loses the other"
    assert kinds["first", "gradient, duplicates"].kind == AS_MEANT  # of what it kept


def test_a_wrong_gradient_is_noticed():
    """A copy's gradient for what survives: autograd is told that every value does."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, target, rows, values):
            ctx.save_for_backward(rows)
            return first_wins(target, rows, values)

        @staticmethod
        def backward(ctx, grad):
            (rows,) = ctx.saved_tensors
            return None, None, grad[rows]

    kinds = edges.writers({"wrong": Writer("set", Wrong.apply)})
    assert found(kinds, "gradient").kind == AS_MEANT
    assert found(kinds, "gradient, duplicates").words == "every duplicate gets the gradient"


def test_warnings_and_shapes_are_said():
    def warned():
        warnings.warn("careful now. More of it.", stacklevel=1)
        return torch.ones(1, 3)

    assert outcome(warned, torch.ones(3)).words == "as meant, of shape [1, 3]; warns: careful now"
    assert outcome(warned, torch.ones(4)).kind == SILENT
    assert outcome(warned).kind == SILENT, "where only an exception is right"


def test_no_call_changes_what_it_is_given():
    before = [tensor.clone() for tensor in (edges.SOURCE, edges.VALUES)]
    always = torch.is_warn_always_enabled()
    edges.readers(), edges.writers(), edges.without_index()
    assert all(map(torch.equal, before, (edges.SOURCE, edges.VALUES)))
    assert torch.is_warn_always_enabled() == always


def test_other_bits_are_noticed():
    calls = iter(range(100))
    assert edges.repeats(lambda: torch.tensor(next(calls)), runs=3) == {
        "without the switch": "other bits in 2 of 3 runs",
        "with it": "other bits in 2 of 3 runs",
    }

    def picky():
        if torch.are_deterministic_algorithms_enabled():
            raise RuntimeError("no such algorithm")
        return torch.zeros(1)

    assert edges.repeats(picky)["with it"] == "raises: no such algorithm"
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_documentation_is_read():
    """Both lists of the docstring, of a function in both, and none that only begins alike."""
    said = edges.documented(["put_", "scatter"])
    assert {line.with_it for line in said if line.function == "put_"} == {
        "another algorithm",
        "raises",
    }
    assert [line.with_it for line in said if line.function == "scatter"] == ["another algorithm"]


@pytest.mark.parametrize("show", [edges.Table, edges.Glance])
def test_tables(show):
    entries = [
        Entry("f", "-1", Outcome(SILENT, "reads <the> last")),
        Entry("g", "below -n", Outcome(AS_MEANT, "as meant")),
    ]
    table = show(entries, "What & where.")
    html = table._repr_html_()
    assert html.count("<tr") == 3 and html.count('data-kind="silent"') == 1
    assert "below −n" in html and "What &amp; where." in html and "<the>" not in html
    assert "below -n" in repr(table)
