"""The process that runs answers: it loads torch once, and gives each check a process of its own.

`serve` reads requests from standard input and writes reports to standard output, both pickled
behind their length. A request names the exercise and carries the pickled answer and the limits.
What an answer does (an endless loop, `sys.exit`, a changed torch, a full memory) ends with its
process.
"""

import contextlib
import os
import pickle
import select
import signal
import struct
import sys
import time
from typing import BinaryIO

LENGTH = struct.Struct("<Q")


def write(stream: BinaryIO, message: object) -> None:
    body = pickle.dumps(message)
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def read(stream: BinaryIO) -> object:
    """The next message; EOFError where the other side has gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)


def reply(request: dict) -> dict:
    """Judge one answer, here."""
    import cloudpickle

    from .catalogue import EXERCISES
    from .judge import judge

    exercise = EXERCISES[request["exercise"]]
    try:
        answer = cloudpickle.loads(request["answer"])
    except Exception as error:  # whatever the import of its modules raises
        return {"stopped": f"cannot be loaded: {type(error).__name__}: {error}"}
    report = judge(exercise, answer, seed=request["seed"], device=request["device"])
    return {"report": report}


def limit_memory(gigabytes: float) -> None:
    """Of addresses, beyond what this process has now; CUDA maps more than any such limit."""
    import resource

    with open("/proc/self/statm") as pages:
        now = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + int(gigabytes * 2**30),) * 2)


def child_of_its_own(request: dict, into: int) -> None:
    os.setsid()
    if sys.platform == "linux" and request["device"] is None:
        limit_memory(request["gigabytes"])
    try:
        message = reply(request)
    except MemoryError:
        message = {"stopped": "wants more memory than an exercise may take"}
    with os.fdopen(into, "wb") as stream:
        write(stream, message)


def forked(request: dict) -> dict:
    """Judge one answer in a child, and end it with all that it started when its time is up."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            child_of_its_own(request, into)
        finally:
            os._exit(0)  # never back into this loop
    os.close(into)
    body, end = b"", time.monotonic() + request["seconds"]
    message = {"stopped": f"did not end within {request['seconds']:g} seconds"}
    while (left := end - time.monotonic()) > 0:
        if not select.select([out], [], [], left)[0]:
            break
        part = os.read(out, 1 << 20)
        if part:
            body += part
            continue
        message = {"stopped": "ended the Python that it runs in"}
        if len(body) > LENGTH.size and len(body) == LENGTH.size + LENGTH.unpack_from(body)[0]:
            message = pickle.loads(body[LENGTH.size :])
        break
    os.close(out)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return message


def serve() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nowhere:  # what an answer writes past Python goes nowhere
        for number in (0, 1, 2):
            os.dup2(nowhere.fileno(), number)
    import torch

    from . import judge  # noqa: F401 (loaded before the first child)

    torch.set_num_threads(1)  # threads do not survive a fork
    judged = forked if hasattr(os, "fork") else reply
    while True:
        try:
            request = read(requests)
        except EOFError:
            return
        write(replies, judged(request))
