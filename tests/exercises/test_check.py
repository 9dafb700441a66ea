"""`check` in its own process: whatever an answer does, a report comes back and nothing else."""

import os
import sys
import threading
import time

import pytest
import torch

from gather3d.exercises import Report, check
from gather3d.exercises.answer import copied
from gather3d.exercises.check import WORKER
from gather3d.exercises.judge import shown

from .bank import gather

ID = "gather.pick_points"


def right(features, index):
    return features.gather(2, wide(features, index))


def wide(features, index):
    return index[:, None].expand(-1, features.shape[1], -1)


def endless(features, index):
    while True:
        pass


def endless_and_stubborn(features, index):
    while True:
        try:
            time.sleep(1)
        except BaseException:
            continue


def flood(features, index):
    while True:
        print("x" * 1000)


def leaves(features, index):
    sys.exit(0)


def leaves_at_once(features, index):
    os._exit(0)


def crashes(features, index):
    os.abort()


def hungry(features, index):
    return torch.ones(50 * 2**27)


def hungry_in_python(features, index):
    return [0] * 10**11


def leaves_a_process(features, index):
    if os.fork() == 0:
        while True:
            time.sleep(1)
    while True:
        time.sleep(1)


def raises(features, index):
    return features[index.nonexistent]


def generator(features, index):
    yield features


def raises_a_stranger(features, index):
    class Stranger(BaseException):
        def __str__(self):
            raise RuntimeError("no words")

    raise Stranger


def changes_torch(features, index):
    torch.equal = torch.allclose = lambda *a, **k: True
    return features


@pytest.mark.parametrize(
    ("answer", "diagnosis", "words"),
    [
        (endless, "stopped", "did not end within 2 seconds"),
        (endless_and_stubborn, "stopped", "did not end within 2 seconds"),
        (flood, "stopped", "did not end within 2 seconds"),
        (leaves_a_process, "stopped", "did not end within 2 seconds"),
        (leaves_at_once, "stopped", "ended the Python"),
        (crashes, "stopped", "ended the Python"),
        (leaves, "raises", "SystemExit"),
        (hungry, "raises", "memory"),
        (hungry_in_python, "raises", "MemoryError"),
        (raises, "raises", "AttributeError: 'Tensor' object has no attribute 'nonexistent'"),
        (generator, "wrong-type", "wanted a tensor"),
        (raises_a_stranger, "raises", "Stranger"),
        (changes_torch, None, ""),
        (None, "unsolved", "no function"),
        (3, "not-a-function", "Got int"),
        (torch.zeros, "raises", ""),
        (threading.Lock().acquire, "cannot-be-sent", "cannot be copied"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whatever_an_answer_does(answer, diagnosis, words):
    start = time.monotonic()
    report = check(ID, answer, seconds=2)
    assert isinstance(report, Report) and not report.passed
    if diagnosis is not None:
        assert report.diagnosis == diagnosis, report
    assert words in report.words
    assert str(report) and report._repr_html_()
    assert len(report.printed) < 3000
    assert time.monotonic() - start < 30
    assert check(ID, right).passed  # nothing is left of it


def test_the_worker_is_started_once_and_again():
    assert check(ID, right).passed
    process = WORKER.process
    assert check(ID, right).passed and WORKER.process is process
    process.kill()
    assert not check(ID, right).passed or WORKER.process is not process
    assert check(ID, right).passed


def test_no_process_is_left_behind():
    """The answer, what it forked, and the worker that ran it."""
    before = workers()
    check(ID, right)
    mine = WORKER.process.pid
    check(ID, leaves_a_process, seconds=1)
    time.sleep(0.5)
    assert WORKER.process is None and mine not in workers()
    assert workers() <= before


def workers() -> set[int]:
    """All processes of workers and their children, orphans too."""
    pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return {pid for pid in pids if "gather3d.exercises.worker" in command(pid)}


def command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline") as line:
            return line.read()
    except FileNotFoundError:
        return ""


def test_unknown_exercise_is_a_report_too():
    report = check("gather.nothing", right)
    assert report.diagnosis == "unknown-exercise" and "gather.pick_points" in report.words


def test_other_seeds_are_other_cases():
    cases = {str(check(ID, gather.trap, seed=seed).case) for seed in range(3)}
    assert len(cases) == 3


def test_what_a_student_reads():
    report = check(ID, gather.trap)
    text = str(report)
    for part in ("not yet", "only channel 0", "the smallest case", "expected", "01-gather"):
        assert part in text
    assert "expand" not in text  # never the solution
    assert "g3-diagram" in report.picture and report.picture in report._repr_html_()


def test_a_number_is_a_result():
    """Wanted is an int: another one, a float and a tensor are told apart."""
    id = "speed.bytes_moved"
    report = check(id, lambda features, index: 1)
    assert report.diagnosis is None and report.words == "Not this number."
    assert check(id, lambda features, index: 1.0).words == "It gives a float, wanted an int."
    tensor = check(id, lambda features, index: torch.tensor(1))
    assert tensor.words == "It gives a tensor, wanted an int."


def test_an_expanded_argument_stays_expanded():
    """On its way to the answer, and to another device; and the report says that it is."""

    def strides(features, index):
        print(index.stride(1) == 0)
        return "not a number"

    report = check("speed.bytes_moved", strides)
    assert "True" in report.printed and "False" in report.printed
    index = torch.arange(3)[None].expand(2, 4, 3)
    for moved in (copied(index), copied(index, "meta")):
        assert moved.shape == index.shape and moved.stride() == index.stride()
    assert torch.equal(copied(index), index)
    assert shown(index).startswith("[2, 4, 3] int64, expanded")
    assert "expanded" not in shown(index.contiguous())


def test_what_torch_has_not_implemented_is_no_stub():
    """PyTorch raises NotImplementedError, too, and says what it lacks."""

    def stub(features, index):
        raise NotImplementedError

    def raised(features, index):
        raise NotImplementedError("no kernel for this dtype")

    assert check(ID, stub).diagnosis == "unsolved"
    assert check(ID, raised).diagnosis == "raises"
    assert "no kernel" in check(ID, raised).words


def test_an_answer_of_a_notebook():
    """A function without a module, with a helper and a value beside it, as in a cell."""
    cell = "import torch\nDIM = 2\ndef pick(x, i):\n    return torch.gather(x, DIM, wide(x, i))\n"
    cell += "def wide(x, i):\n    return i[:, None].expand(-1, x.shape[1], -1)\n"
    names = {"__name__": "__main__"}
    exec(cell, names)
    assert check(ID, names["pick"]).passed


def test_on_another_device():
    """`meta` stands for a device that is not the CPU: helpers made on the CPU do not fit there."""

    def on_the_cpu(features, index):
        batch = torch.arange(features.shape[0])[:, None].to("cpu")
        out = features.movedim(1, 2)[batch, index].movedim(2, 1)
        return torch.zeros(out.shape, dtype=out.dtype) + out.cpu() if features.is_meta else out

    assert check(ID, on_the_cpu, device="meta").diagnosis == "wrong-device"
    assert check(ID, right, device="meta").passed


def test_what_the_task_forbids_is_seen_through_a_name():
    """Under another name, in a helper, and the loop of the catalogue itself."""
    from gather3d import gather_points as innocent
    from gather3d.exercises import EXERCISES

    def helper(features, index):
        return innocent(features, index)

    def borrowed(features, index):
        return helper(features, index)

    def looked_up(features, index):
        return EXERCISES[ID].right(features, index)

    for answer, name in ((borrowed, "gather_points"), (looked_up, "pick_points_loop")):
        report = check(ID, answer)
        assert report.diagnosis in ("forbidden", "python-loop"), report
        if report.diagnosis == "forbidden":
            assert name in report.words


def test_an_answer_cannot_reach_its_judge():
    """It may change what it likes in its own process; the verdict is made in another one."""

    def rules(features, index):
        import gather3d.exercises.answer as answer
        import gather3d.exercises.judge as judge
        import gather3d.exercises.wire as wire

        torch.equal = torch.allclose = answer.same = judge.same = lambda *a, **k: True
        answer.Outcome.__init__ = wire.as_data = lambda *a, **k: {"reply": True}
        return features

    report = check(ID, rules)
    assert not report.passed
    assert check(ID, right).passed


def test_what_is_sent_back_is_read_and_never_run():
    """A pickle in place of the reply, with a program in it, is no reply."""

    def forged(features, index):
        import os
        import pickle

        import gather3d.exercises.wire as wire

        class Program:
            def __reduce__(self):
                return os.system, ("touch /tmp/gather3d-was-here",)

        body = pickle.dumps(Program())
        wire.packed.__globals__["torch"].save = lambda data, file: file.write(body)
        return features

    report = check(ID, forged)
    assert report.diagnosis == "stopped" and "cannot be read" in report.words
    assert not os.path.exists("/tmp/gather3d-was-here")
