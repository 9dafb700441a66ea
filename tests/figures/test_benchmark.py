"""The cost of an operator: who is timed, how often, and what the table says. No time is tested."""

import pytest
import torch

from gather3d.benchmark import Comparison, Row, compare

COST = Comparison(
    (Row("plain copy", 0.5, 4 * 10**9), Row("gather <x>", 2.0, 10**9)), "plain copy", "a CPU"
)


def test_ratio_and_bandwidth_are_arithmetic():
    assert COST.seconds("gather <x>") == 2.0
    assert COST.ratio("gather <x>") == 4.0 and COST.ratio("plain copy") == 1.0
    assert COST.bandwidth("plain copy") == 8.0 and COST.bandwidth("gather <x>") == 0.5
    with pytest.raises(ValueError, match="name: got 'scatter', wanted one of"):
        COST.seconds("scatter")


def test_the_table_says_it_all():
    text = repr(COST).splitlines()
    assert text[1].split() == ["plain", "copy", "500", "ms", "4", "GB", "8.00", "1.00", "×"]
    assert text[2].split() == ["gather", "<x>", "2", "s", "1", "GB", "0.50", "4.00", "×"]
    html = COST._repr_html_()
    assert "gather &lt;x&gt;" in html and "<x>" not in html
    assert "4.00 ×" in html and "a CPU" in html


def test_a_copy_moves_its_bytes_twice():
    calls = []
    cost = compare({"mine": lambda: calls.append(1)}, 64, copy_of=1000, rounds=1, min_run_time=1e-4)
    assert [row.name for row in cost.rows] == ["plain copy", "mine"]
    assert cost.row("plain copy").bytes == 2000 and cost.row("mine").bytes == 64
    assert calls and cost.seconds("mine") > 0
    assert cost.ratio("mine") == cost.seconds("mine") / cost.seconds("plain copy")


def test_rows_take_turns():
    calls = []
    rows = {name: lambda name=name: calls.append(name) for name in "ab"}
    compare(rows, {"a": 1, "b": 2}, baseline="a", rounds=3, min_run_time=1e-4)
    turns = [a for a, b in zip(calls, [*calls[1:], ""], strict=True) if a != b]
    assert turns == list("ababab")


def test_the_number_of_threads_is_given_back():
    before = torch.get_num_threads()
    seen = []
    compare(
        {"a": lambda: seen.append(torch.get_num_threads())},
        1,
        baseline="a",
        rounds=1,
        min_run_time=1e-4,
    )
    assert set(seen) == {1} and torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": {}, "bytes_moved": 1}, "rows: got none"),
        ({"rows": {"a": int}, "bytes_moved": {"b": 1}}, "bytes_moved: got"),
        ({"rows": {"a": int}, "bytes_moved": 1}, "baseline: got 'plain copy'"),
        ({"rows": {"a": int}, "bytes_moved": 1, "copy_of": 0}, "copy_of: got 0"),
        ({"rows": {"plain copy": int}, "bytes_moved": 1, "copy_of": 8}, "copy_of: there is"),
        ({"rows": {"a": int}, "bytes_moved": 1, "baseline": "a", "rounds": 0}, "rounds: got 0"),
    ],
)
def test_refusals_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**arguments)
