"""The process in which answers run: it loads torch once, and gives each answer a child of its own.

`serve` reads messages from standard input and writes replies to standard output. "open" starts a
child with a pickled answer and its limits, "ask" hands it one question of `answer.Answer`, "close"
ends it. What an answer does (an endless loop, `sys.exit`, a changed torch, a full memory) ends
with its child; what it sends back is data, which this process hands on without reading it.
"""

import contextlib
import os
import select
import signal
import sys
import time
from typing import Any

from .answer import Here, display
from .wire import LENGTH, LONGEST, packed, read, unpacked, write

DO = "define what it uses in a cell, or in a file beside the notebook"
ASKED = ("call", "gradients", "steps", "calls", "seconds", "devices")


def answered(answer: Here, message: dict[str, Any]) -> dict[str, Any]:
    """One question, asked here."""
    reply = getattr(answer, ASKED[ASKED.index(message["ask"])])(*message["with"])
    return {"reply": reply, "printed": answer.printed}


def loaded(body: bytes) -> Here:
    import builtins
    import pickle

    if not hasattr(builtins, "display"):
        builtins.display = display  # as in a notebook
    return Here(pickle.loads(body))


def limit_memory(gigabytes: float) -> None:
    """Of addresses, beyond what this process has now; CUDA maps more than any such limit."""
    import resource

    with open("/proc/self/statm") as pages:
        now = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, most = resource.getrlimit(resource.RLIMIT_AS)  # of a sandbox around this process
    wanted = now + int(gigabytes * 2**30)
    wanted = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, wanted))


def end_with_parent() -> None:
    """Also where an answer has killed the process that would end it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Child:
    """An answer in a process of its own, which ends with everything that it started."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.left = message["seconds"]  # of waiting for it, in all
        self.seconds = message["seconds"]
        questions, self.into = os.pipe()
        self.out, replies = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                os.close(self.into)
                os.close(self.out)
                live(message, questions, replies)
            finally:
                os._exit(0)  # never back into the loop of `serve`
        os.close(questions)
        os.close(replies)

    def ask(self, body: bytes) -> bytes:
        """Its reply, as it stands, or why there is none."""
        start = time.monotonic()
        try:
            with os.fdopen(os.dup(self.into), "wb") as stream:
                write(stream, LENGTH.pack(len(body)) + body)
            return self._reply(start + self.left)
        except (BrokenPipeError, EOFError):
            return packed({"stopped": "ended the Python that it runs in"})
        except TimeoutError:
            return packed({"stopped": f"did not end within {self.seconds:g} seconds"})
        except OverflowError:
            return packed({"stopped": "gives back more than an exercise may"})
        finally:
            self.left -= time.monotonic() - start

    def _reply(self, end: float) -> bytes:
        body = b""
        while True:
            if not select.select([self.out], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError
            part = os.read(self.out, 1 << 20)
            if not part:
                raise EOFError
            body += part
            if len(body) < LENGTH.size:
                continue
            length = LENGTH.size + LENGTH.unpack_from(body)[0]
            if length > LONGEST:
                raise OverflowError
            if len(body) >= length:
                return body[:length]

    def end(self) -> None:
        os.close(self.into)
        os.close(self.out)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def live(message: dict[str, Any], questions: int, replies: int) -> None:
    """The child: load the answer, then reply to questions until there are no more."""
    os.setsid()
    end_with_parent()
    if sys.platform == "linux" and message["limited"]:
        limit_memory(message["gigabytes"])
    with os.fdopen(questions, "rb") as asked, os.fdopen(replies, "wb") as told:
        try:
            answer = loaded(message["open"])
        except Exception as error:  # whatever the import of its modules raises
            said = f"{type(error).__name__}: {error}"[:300]
            answer, cannot = None, f"cannot be loaded in the process that checks it ({said}): {DO}"
        while True:
            try:
                question = unpacked(read(asked))
                reply = answered(answer, question) if answer else {"stopped": cannot}
                body = packed(reply)
            except MemoryError:
                body = packed({"stopped": "wants more memory than an exercise may take"})
            except EOFError:
                return
            write(told, body)


class Inline:
    """Where there is no fork (Windows), this process is the child; its caller ends it in time."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.answer = loaded(message["open"])

    def ask(self, body: bytes) -> bytes:
        return packed(answered(self.answer, unpacked(body)))

    def end(self) -> None:
        pass


def serve() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nowhere:  # what an answer writes past Python goes nowhere
        for number in (0, 1, 2):
            os.dup2(nowhere.fileno(), number)
    import torch

    import gather3d.exercises.answer  # noqa: F401 (loaded before the first child)

    torch.set_num_threads(1)  # threads do not survive a fork
    start = Child if hasattr(os, "fork") else Inline
    child = None
    while True:
        try:
            body = read(requests)
        except EOFError:
            break
        message = unpacked(body)
        if "ask" in message:
            write(replies, child.ask(body))
            continue
        if child is not None:
            child.end()
        child = start(message) if "open" in message else None
        write(replies, packed({"ready": True}))
    if child is not None:
        child.end()
