"""`check(id, answer)`: is the answer right, and if not, what is wrong with it?"""

import atexit
import subprocess
import sys
import threading
from collections.abc import Callable

import cloudpickle

from gather3d import device as default_device

from .catalogue import EXERCISES
from .report import Report
from .worker import read, write

SECONDS = 10.0  # for all cases of an exercise together
GIGABYTES = 4.0
PATIENCE = 60.0  # seconds beyond the limit in which the worker itself must answer


def check(
    id: str,
    answer: Callable,
    *,
    seed: int = 0,
    seconds: float = SECONDS,
    gigabytes: float = GIGABYTES,
    device: str | None = None,
) -> Report:
    """Run an answer against the loop that defines the operation, on generated inputs.

    The answer runs in a process of its own, with limits, so that nothing it does reaches the
    caller: this neither raises nor hangs. The worker starts with the first check (some seconds).

    Args:
        id: the exercise, "gather.pick_points".
        answer: the function.
        seed: of the cases; a hidden test uses another one.
        seconds: after which the answer is stopped.
        gigabytes: of memory that it may take.
        device: is tried after the CPU; `gather3d.device()` if not given.

    Example:
        >>> report = check("gather.pick_points", lambda features, index: features)
        >>> report.passed, report.diagnosis
        (False, 'wrong-shape')
    """
    if id not in EXERCISES:
        known = ", ".join(EXERCISES)
        return Report(str(id), False, "unknown-exercise", f"There is no such exercise: {known}.")
    if answer is None or answer is ...:
        return stopped(id, "unsolved", "Not solved yet: there is no function.")
    if not callable(answer):
        return stopped(id, "not-a-function", f"Got {type(answer).__name__}, wanted a function.")
    try:
        sent = by_value(answer)
    except Exception as error:  # pickling runs the answer's own code
        words = f"The function holds on to something that cannot be copied: {error}"
        return stopped(id, "cannot-be-sent", words)
    where = str(device or default_device().type)
    request = {
        "exercise": id,
        "answer": sent,
        "seed": seed,
        "seconds": seconds,
        "gigabytes": gigabytes,
        "device": None if where == "cpu" else where,
    }
    message = WORKER.ask(request)
    if "report" in message:
        return message["report"]
    return stopped(id, "stopped", f"The answer {message['stopped']}.")


def stopped(id: str, diagnosis: str, words: str) -> Report:
    return Report(id, False, diagnosis, words, EXERCISES[id].page)


def by_value(answer: Callable) -> bytes:
    """The function with what it uses from its own module: the worker cannot import a notebook."""
    module = sys.modules.get(getattr(answer, "__module__", None) or "")
    own = module and module.__name__ != "__main__" and not module.__name__.startswith("gather3d.")
    if own and getattr(module, "__file__", None) and "site-packages" not in module.__file__:
        cloudpickle.register_pickle_by_value(module)
        try:
            return cloudpickle.dumps(answer)
        finally:
            cloudpickle.unregister_pickle_by_value(module)
    return cloudpickle.dumps(answer)


class Worker:
    """The process of worker.py: started when it is first asked, once more if it has gone."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.lock = threading.Lock()

    def ask(self, request: dict) -> dict:
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start()
            late = threading.Timer(request["seconds"] + PATIENCE, self.process.kill)
            late.start()
            try:
                write(self.process.stdin, request)
                return read(self.process.stdout)
            except (EOFError, BrokenPipeError):
                self.stop()
                return {"stopped": "ended the process that checks it"}
            finally:
                late.cancel()

    def start(self) -> None:
        serve = "from gather3d.exercises.worker import serve; serve()"
        command = [sys.executable, "-c", serve]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


WORKER = Worker()
atexit.register(WORKER.stop)
