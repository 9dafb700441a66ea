"""The ledger is not older than what it speaks of, and what makes it finds what is planted."""

import functools
import inspect
import json
import warnings
from types import SimpleNamespace

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output

import gather3d

from . import __main__ as command
from . import notebooks, repeat
from .plugin import CALLS, Keeper, Recorder, page
from .repeat import gaps, moved, named

INF = float("inf")
digest = command.digest()


def test_the_ledger_is_of_these_operators():
    """A warning and no failure: it takes minutes, or a GPU, to make another."""
    ledger = json.loads(command.LEDGER.read_text(encoding="utf-8"))
    assert ledger.keys() == {*command.COLUMNS}
    for device, column in ledger.items():
        if column and (changed := digest.changed(column, command.ROOT)):
            words = f"the ledger of {device} is older than {', '.join(changed)}: make ledger"
            warnings.warn(words, stacklevel=1)
    if ledger["cuda"] is None:
        pytest.skip("no GPU has measured yet: `make ledger` where there is one")


# ---- the whole, on a folder with two operators and a notebook

PLANTED = """
import itertools
import gather3d

right, turns = gather3d.gather_points, itertools.count()


def gather_points(features, index, fill=0.0):
    \"\"\"Every other call, which is the one that repeats, is wrong by a thousandth.\"\"\"
    return right(features, index, fill) * (1 + 1e-3 * (next(turns) % 2))


gather3d.gather_points = gather_points
"""
TESTS = """
import pytest
import torch
from gather3d import gather_points, knn

cloud = torch.arange(12.0).reshape(1, 4, 3)


def test_knn():
    assert knn(cloud, cloud, 2)[0].shape == (1, 4, 2)
    with pytest.raises(ValueError):
        knn(cloud, cloud, 5)


@pytest.mark.parametrize("device", ["cpu"])
def test_gather(device):
    gather_points(cloud, torch.tensor([[0, -1]], device=device))


def test_that_fails():
    assert 1 == 2, "as planted"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The ledger of a run, CPU against CPU."""
    folder = tmp_path_factory.mktemp("ledger")
    (folder / "conftest.py").write_text(PLANTED)
    (folder / "test_two.py").write_text(TESTS)
    sources = ["1 + 1", "import os; os.environ['GATHER3D_DEVICE']", "print(2)"]
    sources = [new_code_cell(source) for source in sources]
    sources[2].metadata.tags = ["timing"]
    (folder / "small.ipynb").write_text(json.dumps(new_notebook(cells=sources)))
    arguments = ["--device", "cpu:0", "--commit", "abc", "--to", str(folder / "made.json")]
    arguments += ["--tests", str(folder), "--notebooks", str(folder / "small.ipynb")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "MOST_WORKERS", 1)  # this is a small folder
        patch.setattr(command.sys, "path", [*command.sys.path])
        patch.setenv("PYTHONPATH", "")
        assert command.main(arguments) == 0
    ledger = json.loads((folder / "made.json").read_text())
    assert ledger.keys() == {"cpu", *command.COLUMNS}
    return ledger["cpu"]


def test_facts(made):
    assert made["machine"]["Commit"] == "abc" and made["machine"]["torch"] == torch.__version__
    assert {"points", "voxels", "01-gather"} <= made["digests"].keys()


def test_an_operator_that_answers_the_same(made):
    knn = made["operators"]["knn"]
    assert (knn["calls"], knn["compared"], knn["differing"]) == (2, 2, 0)
    assert knn["kinds"] == {"value": 1, "gradient": 1, "error": 1}
    nothing = {"absolute": 0, "relative": 0}
    assert knn["largest"] == {
        "value float32": nothing,
        "value int64": nothing,
        "gradient float32": nothing,
    }
    assert made["operators"]["ball_query"] == page()


def test_a_planted_difference_is_found(made):
    gather = made["operators"]["gather_points"]
    assert (gather["calls"], gather["compared"], gather["differing"]) == (1, 1, 1)
    assert gather["largest"]["value float32"]["absolute"] == pytest.approx(9e-3, rel=0.01)
    for kind in ("value", "gradient"):
        gap = gather["largest"][f"{kind} float32"]
        assert gap["relative"] == pytest.approx(1e-3 / 2**-23, rel=0.01)
    value, gradient = gather["differences"]
    assert (value["kind"], gradient["kind"], gradient["where"]) == ("value", "gradient", "features")
    assert value["test"].endswith("test_gather[cpu]") and value["why"] == "unexplained"


def test_tests_are_counted_by_device(made):
    assert made["tests"]["devices"] == {
        "no device": {"passed": 1, "failed": 1},
        "cpu": {"passed": 1},
    }
    (failure,) = made["tests"]["failures"]
    assert failure["test"].endswith("::test_that_fails") and "as planted" in failure["what"]


def test_a_cell_that_prints_something_else_is_found(made):
    differing = {"cell": 2, "cpu": "'cpu'", "device": "'cpu:0'", "why": "unexplained"}
    row = {"notebook": "small", "cells": 3, "compared": 2, "differing": [differing]}
    assert made["notebooks"] == [row]


# ---- the command


def test_missing_packages_are_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(command.NEEDED, "no_such_module", "no-such-package")
    assert command.main(["--to", str(tmp_path / "a.json")]) == 1
    assert "pip install no-such-package" in capsys.readouterr().err


def test_no_device_and_no_rehearsal_in_its_place(monkeypatch, capsys):
    monkeypatch.setattr(command.sys, "path", [*command.sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    assert command.main(["--device", "cuda:99"]) == 1
    assert "no device 'cuda:99'" in capsys.readouterr().err
    monkeypatch.setattr(command, "run_tests", lambda *_: None)
    assert command.main(["--device", "cpu", "--to", str(command.LEDGER)]) == 1
    assert "a rehearsal is not kept in book/ledger.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "failures", "whole"),
    [
        (0, [], True),
        (1, ["E assert 1 == 2"], True),
        (1, ["worker 'gw0' crashed while running 'test_points.py'"], False),
        (2, [], False),
        (0, None, False),
    ],
)
def test_tests_that_do_not_end_are_no_ledger(monkeypatch, tmp_path, status, failures, whole):
    """What pytest leaves behind where a file cannot be imported, or a process dies."""

    def run(*_, **__):
        if failures is not None:
            listed = [{"test": "t", "what": what} for what in failures]
            (tmp_path / "tests.json").write_text(json.dumps({"devices": {}, "failures": listed}))
            (tmp_path / "pages-main.json").write_text(json.dumps({"lost": "", "operators": {}}))
        return SimpleNamespace(returncode=status)

    monkeypatch.setattr(command.subprocess, "run", run)
    assert (command.run_tests(tmp_path, "cpu", [], workers=1) is not None) is whole


def test_nothing_is_half_written(monkeypatch, tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text('{"cuda": "before"}')

    def broken_off(path, text, **_):
        with path.open("w") as file:
            file.write(text[:5])
        raise OSError("no space left on device")

    monkeypatch.setattr(type(kept), "write_text", broken_off)
    with pytest.raises(OSError, match="no space"):
        command.write(kept, {"machine": None}, "standin")
    assert kept.read_text() == '{"cuda": "before"}'


def test_what_is_written_is_json(tmp_path):
    command.write(tmp_path / "a.json", {"far": [INF, 1.5], "none": None}, "cuda")
    kept = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert float(kept["cuda"]["far"][0]) == INF and kept["cuda"]["far"][1] == 1.5


def test_one_device_leaves_the_others_columns(tmp_path):
    for device, minutes in (("cuda", 1), ("standin", 2), ("cuda", 3)):
        command.write(tmp_path / "a.json", {"minutes": minutes}, device)
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept == {"cuda": {"minutes": 3}, "standin": {"minutes": 2}}


def test_workers_are_merged():
    one, two = page(), page()
    one |= {"calls": 2, "kinds": {"value": 2}}
    two |= {"calls": 3, "kinds": {"value": 1, "error": 2}}
    one["largest"] = {"value float32": {"absolute": 1.0, "relative": 2.0}}
    two["largest"] = {"value float32": {"absolute": 0.5, "relative": 4.0}}
    two["differences"] = [{"kind": "value"}]
    whole = command.merged([{"knn": one}, {"knn": two}])["knn"]
    assert whole["calls"] == 5 and whole["kinds"] == {"value": 3, "error": 2}
    assert whole["largest"] == {"value float32": {"absolute": 1.0, "relative": 4.0}}
    assert whole["differences"] == [{"kind": "value", "why": "unexplained"}]


# ---- a call and its repetition


def compared(call, *args, name="", **kwargs):
    """The gaps between a call and its repetition, as the plugin finds them."""
    bound = inspect.signature(call).bind(*args, **kwargs)
    here = repeat.Answer()
    try:
        here.results = dict(named(call(*args, **kwargs)))
    except Exception as error:
        here.error = error
    return list(gaps(name, call, bound, here, "cpu"))


def turns(*results):
    """A function that gives one after another, whatever it is asked."""
    left = iter(results)
    return lambda **kwargs: next(left)


def test_a_copy_is_laid_out_as_the_original():
    base = torch.arange(24.0).reshape(4, 6)
    for tensor in (base[:, 1::2], base.T, base[2:, 3:], base[:1].expand(5, 6), base[:0]):
        twin = moved(tensor, "cpu", {})
        assert torch.equal(twin, tensor) and twin.stride() == tensor.stride()
        assert twin.data_ptr() != tensor.data_ptr() or not tensor.numel()
    leaf = base.clone().requires_grad_()
    one, two = moved([leaf, leaf], "cpu", {})
    assert (
        one is two and one.requires_grad and one.is_leaf and not moved(base, "cpu", {}).is_leaf - 1
    )


def test_a_volume_is_moved_with_all_that_it_holds():
    x = gather3d.SparseVolume(torch.zeros(1, 4).long(), torch.ones(1, 2), (1, 1, 1), 1)
    twin = moved((x, 3), "cpu", {})[0]
    assert type(twin) is type(x) and twin.shape == (1, 1, 1)
    assert [name for name, _ in named({"x": twin})] == [
        "x.coords",
        "x.features",
        "x.shape",
        "x.batch_size",
    ]
    assert twin.features is not x.features and torch.equal(twin.features, x.features)


@pytest.mark.parametrize(
    ("ours", "theirs", "far"),
    [
        ([1.0, INF, float("nan")], [1.0, INF, float("nan")], 0),
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([1.0, INF], [1.0, -INF], INF),
        ([1.0, float("nan")], [1.0, 0.0], INF),
        ([], [], 0),
    ],
)
def test_distance(ours, theirs, far):
    assert repeat.distance(torch.tensor(ours), torch.tensor(theirs)) == far


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (torch.zeros(2), torch.zeros(3)),
        (torch.zeros(2), torch.zeros(2).double()),
        ((torch.zeros(2), 5), (torch.zeros(2), 6)),
        ((torch.zeros(2), 5), torch.zeros(2)),
        (torch.tensor([1.0, 1e-3]), torch.tensor([1.0, 1.1e-3])),
        (ValueError("index: got 3"), torch.zeros(2)),
        (ValueError("index: got 3"), ValueError("index: got 4")),
        (ValueError("index: got 3"), IndexError("index: got 3")),
    ],
)
def test_what_differs_is_noticed(ours, theirs):
    def answer(which):
        if isinstance(which, Exception):
            raise which
        return which

    left = iter((ours, theirs))
    found = compared(lambda: answer(next(left)))
    assert any(gap.relative > repeat.WITHIN for gap in found)


def test_what_does_not_differ():
    assert [g.relative for g in compared(turns(*[torch.ones(2, dtype=torch.int64)] * 2))] == [0]
    same = [ValueError("on cpu, cpu:0"), ValueError("on cpu, cuda:0")]
    (gap,) = repeat._errors(*(repeat.Answer(error) for error in same))
    assert gap.relative == 0


def test_gradients_are_those_of_every_argument():
    x, w = torch.ones(3), torch.tensor(2.0, dtype=torch.float64)
    found = compared(lambda x, w, n: x * w * n, x, w, 3)
    assert [(g.kind, g.where, g.dtype, g.relative) for g in found] == [
        ("value", "", "float32", 0),
        ("gradient", "x", "float32", 0),
        ("gradient", "w", "float64", 0),
    ]
    assert x.grad is None and not x.requires_grad


def test_a_result_that_stays_behind_is_noticed():
    """It was made without `device=`."""
    call = lambda x: torch.zeros(2)  # noqa: E731
    bound = inspect.signature(call).bind(torch.ones(2))
    here = repeat.Answer(results={"": torch.zeros(2)})
    (gap,) = gaps("op", call, bound, here, "meta")
    assert gap.words == "left on cpu" and gap.relative == INF


# ---- ties

LATTICE = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 3, 0]]])
CENTRE = LATTICE[:, :1]


@pytest.mark.parametrize(("other", "tie"), [([0, 2], True), ([0, 3], False), ([-1, 1], False)])
def test_ties_of_a_search(other, tie):
    first = (torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0, 1]]]))
    answers = iter([first, (first[0], torch.tensor([[other]])), first, first])
    found = compared(lambda query, points: next(answers), CENTRE, LATTICE, name="knn")
    assert [gap.tie for gap in found][:1] == [tie]
    assert any(gap.relative > repeat.WITHIN for gap in found) is not tie


@pytest.mark.parametrize(("query", "tie"), [([0.0, 0, 0], True), ([0.1, 0, 0], False)])
def test_ties_of_an_interpolation(query, tie):
    answers = iter([torch.ones(1, 1, 1), torch.zeros(1, 1, 1)] + [torch.ones(1, 1, 1)] * 2)
    call = lambda query, points, features, k: next(answers)  # noqa: E731
    query = torch.tensor([[query]])
    found = compared(call, query, LATTICE, torch.ones(1, 1, 4), 2, name="interpolate")
    assert found[0].tie is tie


@pytest.mark.parametrize(("other", "tie"), [([0, 3, 2], True), ([0, 2, 3], False)])
def test_ties_of_the_farthest(other, tie):
    answers = iter([torch.tensor([[0, 3, 1]]), torch.tensor([other])])
    found = compared(lambda points, m: next(answers), LATTICE, 3, name="farthest_point_sample")
    assert found[0].tie is tie


# ---- the recorder


def recorder_of(call, name="op"):
    package = SimpleNamespace(__all__=[name], **{name: call})
    recorder = Recorder("cpu")
    recorder.watch(package)
    return recorder, getattr(package, name)


def test_a_call_inside_a_call_counts_once():
    recorder, operator = recorder_of(lambda x, again=None: again(x) if again else x * 2)
    operator(torch.ones(2), again=operator)
    assert recorder.pages["op"]["calls"] == 1


def test_a_test_repeats_so_many_calls():
    recorder, operator = recorder_of(lambda x: x + 1)
    for _ in range(CALLS + 5):
        operator(torch.ones(2))
    assert recorder.pages["op"]["calls"] == CALLS + 5
    assert recorder.pages["op"]["compared"] == CALLS


def test_transforms_and_other_devices_pass_through():
    recorder, operator = recorder_of(lambda x: x * 2)
    torch.func.vmap(operator)(torch.ones(2, 3))
    torch.func.grad(lambda x: operator(x).sum())(torch.ones(3))
    torch.compile(operator, fullgraph=True, backend="eager")(torch.ones(3))
    assert recorder.pages["op"]["calls"] == 0
    operator(torch.ones(3, device="meta"))
    assert recorder.pages["op"]["compared"] == 0
    operator(torch.ones(3))
    assert recorder.pages["op"]["compared"] == 1


def test_the_widest_gap_is_kept():
    recorder, _ = recorder_of(lambda x: x)
    for far in (1.0, 3.0, 2.0):
        recorder.enter("op", [repeat.Gap("value", "", far / 2, far, "float32")])
    assert recorder.pages["op"]["largest"] == {"value float32": {"absolute": 1.5, "relative": 3.0}}


def test_methods_are_recorded_too():
    def dense(self, x):
        return x + 1

    class Volume:
        to_dense = functools.wraps(dense)(lambda self, x: dense(self, x))  # as jaxtyping leaves it

        @classmethod
        def from_dense(cls, x):
            return x + (cls is Volume)

    sparse = inspect.getattr_static(Volume, "from_dense").__func__
    recorder = Recorder("cpu")
    recorder.watch(SimpleNamespace(__all__=["SparseVolume"], SparseVolume=Volume))
    assert Volume().to_dense(torch.ones(1)) == 2 and Volume.from_dense(torch.ones(1)) == 2
    assert {name: page["compared"] for name, page in recorder.pages.items()} == {
        "SparseVolume.to_dense": 1,
        "SparseVolume.from_dense": 1,
    }
    # what reads a signature or a source finds the operator's
    assert Volume.to_dense.__wrapped__ is dense
    assert Volume.from_dense.__wrapped__ is sparse


def test_a_call_on_the_device_is_not_repeated():
    class There(torch.Tensor):
        device = torch.device("cuda")

    recorder, _ = recorder_of(lambda x: x)
    tensor = torch.ones(2)
    assert recorder.repeats("op", (tensor,), {}, repeat.Answer())
    assert not recorder.repeats("op", (tensor, tensor.as_subclass(There)), {}, repeat.Answer())


def test_a_file_that_cannot_be_imported_is_a_failure(tmp_path):
    keeper = Keeper(tmp_path, Recorder("cpu"))
    report = SimpleNamespace(failed=True, nodeid="test_x.py", longreprtext="x\nE   no module y\n")
    for _ in range(2):  # as two workers say it
        keeper.pytest_collectreport(report)
    assert keeper.failures == [{"test": "test_x.py", "what": "no module y"}]
    assert keeper.tests == {"no device": {"failed": 1}}


def test_after_a_lost_device_nothing_is_repeated():
    answers = iter([torch.ones(1), RuntimeError("CUDA error: device-side assert triggered")])

    def call(x):
        answer = next(answers, torch.ones(1))
        if isinstance(answer, Exception):
            raise answer
        return answer

    recorder, operator = recorder_of(call)
    operator(torch.ones(1))
    operator(torch.ones(1))
    assert "device-side assert" in recorder.lost
    assert recorder.pages["op"]["compared"] == 1 and recorder.pages["op"]["calls"] == 2


# ---- notebooks


def ran(*sources, ended=None):
    notebook = new_notebook(cells=[new_code_cell("x", outputs=outputs) for outputs in sources])
    if ended:
        notebook.metadata["ended"] = ended
    return notebook


def printed(text):
    return new_output("stream", name="stdout", text=text)


def test_cells_are_compared_line_by_line():
    raised = new_output("error", ename="IndexError", evalue="v", traceback=[])
    here = ran([printed("a\n"), printed("b\n")], [printed("a\nb\n")], [printed("1\n")], [])
    there = ran([printed("a\nb\n")], [printed("a\nc\n")], [raised], [])
    row = notebooks.compare("one", here, there)
    assert (row["cells"], row["compared"]) == (4, 3)
    assert [(d["cell"], d["cpu"], d["device"]) for d in row["differing"]] == [
        (2, "b", "c"),
        (3, "1", "IndexError is raised"),
    ]


def test_a_timing_that_raises_is_a_difference():
    raised = new_output("error", ename="IndexError", evalue="v", traceback=[])
    here, there = ran([printed("1 ms\n")]), ran([raised])
    for notebook in (here, there):
        notebook.cells[0].metadata.tags = ["timing"]
    (differing,) = notebooks.compare("one", here, there)["differing"]
    assert (differing["cpu"], differing["device"]) == ("", "IndexError is raised")


def test_a_kernel_that_dies_is_a_difference():
    row = notebooks.compare("one", ran([]), ran([], ended="DeadKernelError"))
    assert row["differing"][0]["device"] == "DeadKernelError"


def test_reasons_are_given(monkeypatch):
    monkeypatch.setitem(notebooks.CELLS, ("one", "there"), "atomics")
    here, there = ran([printed("a\n")]), ran([printed("b\n")])
    here.cells[0].id = there.cells[0].id = "there"
    assert notebooks.compare("one", here, there)["differing"][0]["why"] == "atomics"


# ---- how old it is

MODULE = '''"""What it is for."""


def f(x):
    """Twice.

    Example: 4
    """
    # why
    return 2 * x
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Twice.", "Two times.", True),
        ("# why", "# for a better reason", True),
        ("for.", "for.\n\nAnd more.", True),
        ("\n\n\ndef", "\n\ndef", True),
        ("2 * x", "3 * x", False),
        ("f(x)", "f(y)", False),
    ],
)
def test_the_digest_is_of_the_code(tmp_path, old, new, same):
    path = tmp_path / "m.py"
    path.write_text(MODULE)
    before = digest.of_module(path)
    path.write_text(MODULE.replace(old, new))
    assert (digest.of_module(path) == before) is same


def test_what_changed_is_named(tmp_path):
    (tmp_path / "src" / "gather3d").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    module, chapter = tmp_path / "src/gather3d/points.py", tmp_path / "notebooks/01-one.ipynb"
    module.write_text(MODULE)
    chapter.write_text(json.dumps(new_notebook(cells=[new_code_cell("1 + 1")])))
    ledger = {"digests": digest.operators(tmp_path) | digest.notebooks(tmp_path)}
    assert digest.changed(ledger, tmp_path) == []
    module.write_text(MODULE + "\n\nx = 1\n")
    (tmp_path / "src/gather3d/voxels.py").write_text("y = 1\n")
    chapter.unlink()
    assert digest.changed(ledger, tmp_path) == ["01-one", "points", "voxels"]


def test_the_operators_modules_are_known():
    assert {"indexing", "points", "voxels", "sparse", "sampling"} <= set(
        digest.operators(command.ROOT)
    )
