"""`check(id, answer)`: is the answer right, and if not, what is wrong with it?"""

import atexit
import builtins
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor

from gather3d import device as default_device

from .answer import Arguments, Outcome, Raised
from .catalogue import EXERCISES
from .judge import judge
from .report import Report
from .sending import UnsendableError, by_value
from .wire import UnreadableError, packed, read, unpacked, write

SECONDS = 10.0  # for all cases of an exercise together
GIGABYTES = 4.0
PATIENCE = 30.0  # seconds beyond the limit in which the worker itself must answer


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
    elsewhere = isinstance(answer, Elsewhere)  # a sandbox has no GPU
    if elsewhere:
        worker, sent = answer.worker, answer.sent
    else:
        try:
            worker, sent = WORKER, by_value(answer)
        except UnsendableError as why:
            return stopped(id, "cannot-be-sent", str(why))
    where = str(device or ("cpu" if elsewhere else default_device().type))
    tried = None if where == "cpu" else where
    try:
        with There(worker, sent, seconds, gigabytes, limited=tried is None) as there:
            return judge(EXERCISES[id], there, seed=seed, device=tried)
    except StoppedError as why:
        return stopped(id, "stopped", f"The answer {why}.")


def stopped(id: str, diagnosis: str, words: str) -> Report:
    return Report(id, False, diagnosis, words, EXERCISES[id].page)


class StoppedError(Exception):
    """The answer gave no reply: why, as the end of a sentence about it."""


class There:
    """A function in a process of its own: what the judge asks of it, `answer.Answer`."""

    def __init__(
        self, worker: "Worker", sent: bytes, seconds: float, gigabytes: float, *, limited: bool
    ) -> None:
        self.worker, self.printed = worker, ""
        self.opening = {
            "open": sent,
            "seconds": seconds,
            "gigabytes": gigabytes,
            "limited": limited,
        }

    def open(self) -> None:
        """Start its process; the worker's lock is the caller's."""
        self.worker.ask(self.opening, self.opening["seconds"])

    def __enter__(self) -> "There":
        self.worker.lock.acquire()
        try:
            self.open()
        except BaseException:
            self.worker.lock.release()
            raise
        return self

    def __exit__(self, kind: type | None, *error) -> None:
        try:
            self.worker.close()
            if kind is not None:  # whatever the answer may have left behind goes with the process
                self.worker.stop()
        finally:
            self.worker.lock.release()

    def call(self, given: Arguments) -> Outcome:
        outcome = self._ask(Outcome, "call", dict(given))
        if not isinstance(outcome.error, Raised | None) or not set(outcome.changed) <= set(given):
            raise StoppedError("sends back what no call gives")
        return outcome

    def gradients(self, given: Arguments, names: list[str]) -> list[Tensor | None]:
        return self._ask(list, "gradients", dict(given), names)

    def steps(self, given: Arguments, limit: float) -> int:
        return self._ask(int, "steps", dict(given), limit)

    def calls(self, given: Arguments) -> list[str]:
        return self._ask(list, "calls", dict(given))

    def seconds(self, given: Arguments) -> float:
        return self._ask(float, "seconds", dict(given))

    def devices(self, given: Arguments, device: str) -> list[str] | Raised:
        return self._ask((list, Raised), "devices", dict(given), device)

    def _ask(self, kind: type | tuple[type, ...], name: str, *arguments: Any) -> Any:
        message = self.worker.ask({"ask": name, "with": arguments}, self.opening["seconds"])
        if not isinstance(message.get("reply"), kind):
            raise StoppedError("sends back what no call gives")
        self.printed = str(message.get("printed", ""))
        return message["reply"]


class Elsewhere:
    """A function of which only the pickled bytes are here; a call runs it in the worker.

    The grader's tests call it as they would call the function itself. An exception comes back as
    the nearest built-in one. Calls that follow each other share a process and its seconds.
    """

    def __init__(self, sent: bytes, worker: "Worker", seconds: float = SECONDS) -> None:
        self.sent, self.worker = sent, worker
        self.there = There(worker, sent, seconds, GIGABYTES, limited=True)

    def __call__(self, *arguments: Any) -> Any:
        given = {str(place): value for place, value in enumerate(arguments)}
        with self.worker.lock:
            try:
                if self.worker.opened is not self.there.opening:
                    self.there.open()
                outcome = self.there.call(given)
            except StoppedError as why:
                self.worker.close()
                self.worker.stop()
                raise RuntimeError(f"The answer {why}.") from None
        if outcome.error is None:
            return outcome.value
        raise nearest(outcome.error)(outcome.error.text)


def nearest(error: Raised) -> type[Exception]:
    """The first class of the exception that is built in; SystemExit and the like are not taken."""
    known = (getattr(builtins, str(name), None) for name in error.names)
    return next(
        (kind for kind in known if isinstance(kind, type) and issubclass(kind, Exception)),
        RuntimeError,
    )


class Worker:
    """The process of worker.py: started when it is first asked, once more if it has gone.

    Args:
        prefix: of its command, where something else is to start it: a sandbox.
    """

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self.prefix = prefix
        self.process: subprocess.Popen | None = None
        self.opened: dict[str, Any] | None = None  # the message that started the child
        self.lock = threading.Lock()

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The reply; StoppedError where there is none. The lock is the asker's."""
        gone = StoppedError("ended the process that checks it")
        if "open" in message:
            if self.process is None or self.process.poll() is not None:
                self.start()
        elif self.process is None:
            raise gone
        late = threading.Timer(seconds + PATIENCE, self.process.kill)
        late.start()
        try:
            write(self.process.stdin, packed(message))
            reply = unpacked(read(self.process.stdout))
        except (EOFError, BrokenPipeError):
            self.stop()
            raise gone from None
        except UnreadableError:
            self.stop()
            raise StoppedError("sends back what cannot be read") from None
        finally:
            late.cancel()
        if "ask" not in message:
            self.opened = message if "open" in message else None
        if "stopped" in reply:
            raise StoppedError(str(reply["stopped"])[:500])
        return reply

    def close(self) -> None:
        if self.process is not None:
            try:
                self.ask({"close": True}, 0.0)
            except StoppedError:
                self.stop()

    def start(self) -> None:
        self.stop()
        serve = "from gather3d.exercises.worker import serve; serve()"
        command = [*self.prefix, sys.executable, "-c", serve]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self) -> None:
        if self.process is None:
            return
        process, self.process, self.opened = self.process, None, None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                stream.close()


WORKER = Worker()
atexit.register(WORKER.stop)
