"""The cost of an operator: who is timed, how often, and what the table says. No time is tested."""

import pytest
import torch

from gather3d.benchmark import Comparison, Row, cache_bytes, compare

COST = Comparison(
    (Row("plain copy", 0.5, 4 * 10**9), Row("gather <x>", 2.0, 10**9)), "plain copy", "a CPU"
)
BOTH = Comparison(
    (
        Row("plain copy", 0.0123, 2 * 10**6, 0.0123, 0.00612),
        Row("gather", 0.9996, 10**6, None, 0.25),
    ),
    "plain copy",
    "a CPU, 1 and 4 threads",
    (1, 4),
)


def test_ratio_and_bandwidth_are_arithmetic():
    assert COST.seconds("gather <x>") == 2.0
    assert COST.ratio("gather <x>") == 4.0 and COST.ratio("plain copy") == 1.0
    assert COST.bandwidth("plain copy") == 8.0 and COST.bandwidth("gather <x>") == 0.5
    with pytest.raises(ValueError, match="name: got 'scatter', wanted one of"):
        COST.seconds("scatter")


def test_the_table_says_it_all():
    text = repr(COST).splitlines()
    assert text[0].split() == ["asked", "time", "asked", "GB/s", "against", "baseline"]
    assert text[1].split() == ["plain", "copy", "4", "GB", "500", "ms", "8", "1", "×"]
    assert text[2].split() == ["gather", "<x>", "1", "GB", "2", "s", "0.5", "4", "×"]
    html = COST._repr_html_()
    assert "gather &lt;x&gt;" in html and "<x>" not in html
    assert "4 ×" in html and "a CPU" in html


def test_the_table_of_one_and_of_all_threads():
    text = repr(BOTH).splitlines()
    assert text[0].split()[:6] == ["asked", "predicted", "1", "thread", "4", "threads"]
    assert text[1].split()[2:10] == ["2", "MB", "12", "ms", "12", "ms", "6.1", "ms"]
    assert text[2].split()[1:8] == ["1", "MB", "–", "1", "s", "250", "ms"]
    html = BOTH._repr_html_()
    assert "1 and 4 threads" in html and "speed and ratio are those of one thread" in html
    assert BOTH.predicted("plain copy") == 0.0123
    with pytest.raises(ValueError, match="nothing was predicted for 'gather'"):
        BOTH.predicted("gather")


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
    compare(rows, {"a": 1, "b": 2}, baseline="a", rounds=3, min_run_time=1e-4, threads=1)
    turns = [a for a, b in zip(calls, [*calls[1:], ""], strict=True) if a != b]
    assert turns == list("ababab")


@pytest.mark.parametrize(("threads", "wanted"), [(None, [1, 2]), (1, [1]), (2, [2])])
def test_one_thread_then_all_and_the_number_is_given_back(threads, wanted):
    before = torch.get_num_threads()
    seen = []
    torch.set_num_threads(2)
    try:
        cost = compare(
            {"a": lambda: seen.append(torch.get_num_threads())},
            1,
            baseline="a",
            rounds=1,
            min_run_time=1e-4,
            threads=threads,
        )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert list(dict.fromkeys(seen)) == wanted == list(cost.threads)
    assert (cost.row("a").on_all is not None) == (len(wanted) == 2)


def test_bytes_are_predicted_at_the_speed_of_the_copy():
    arguments = {"copy_of": 1000, "rounds": 1, "min_run_time": 1e-4}
    cost = compare({"a": int, "b": int}, 6000, predicted={"b": 0.5}, **arguments)
    assert cost.predicted("a") == pytest.approx(3 * cost.seconds("plain copy"))
    assert cost.predicted("b") == 0.5
    cost = compare({"a": int, "b": int}, 6000, "a", rounds=1, min_run_time=1e-4)
    assert cost.row("a").predicted is None and "predicted" not in repr(cost)


def test_the_cache_is_the_largest_that_the_system_names(monkeypatch, tmp_path):
    for name, text in {"index0": "32K\n", "index3": "32768K\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(text)
    monkeypatch.setattr("gather3d.benchmark.CACHES", tmp_path)
    assert cache_bytes() == 2**25
    (tmp_path / "index3" / "size").write_text("98304K\n")
    assert cache_bytes() == 96 * 2**20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": {}, "bytes_moved": 1}, "rows: got none"),
        ({"rows": {"a": int}, "bytes_moved": {"b": 1}}, "bytes_moved: got"),
        ({"rows": {"a": int}, "bytes_moved": 1}, "baseline: got 'plain copy'"),
        ({"rows": {"a": int}, "bytes_moved": 1, "copy_of": 0}, "copy_of: got 0"),
        ({"rows": {"plain copy": int}, "bytes_moved": 1, "copy_of": 8}, "copy_of: there is"),
        ({"rows": {"a": int}, "bytes_moved": 1, "baseline": "a", "rounds": 0}, "rounds: got 0"),
        (
            {"rows": {"a": int}, "bytes_moved": 1, "baseline": "a", "predicted": {"b": 1.0}},
            r"predicted: got \['b'\], wanted some of \['a'\]",
        ),
    ],
)
def test_refusals_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**arguments)
