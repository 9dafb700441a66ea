"""Run the cells of a student's notebook in a sandbox, and bring back the functions.

The kernel is in the sandbox and talks through sockets in a folder. What comes out of it is data,
and is counted: a flood is cut, and a message that is far too long never arrives.
"""

import base64
import contextlib
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec
from nbformat import NotebookNode
from nbformat.v4 import new_output, output_from_msg

from .export import FUNCTIONS, REFUSED
from .sandbox import OWN, Sandbox, SandboxError, Watch, end

MESSAGE = 32 << 20  # bytes; the connection drops what is longer
FLOOD = 50  # times what a cell may show, after which its kernel is ended
RESTARTS = 4  # kernels that a notebook may use up
START = 60.0  # seconds, for the kernel with torch in it
GRACE = 3.0  # seconds, for a cell to end after an interrupt

IMPORT = """\
import os, torch, gather3d.exercises, gather3d.course.export
_here = os.path.realpath(os.path.dirname(gather3d.__file__))
if _here != {own!r}:
    raise ImportError("gather3d is another one there, in " + _here)
del os, torch, gather3d, _here
"""
EXPORT = "__import__('sys').modules['gather3d.course.export'].export({names!r})"


class Clock:
    """The seconds that are left for a notebook's cells; it stands while a kernel starts."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *error) -> None:
        self.left -= time.monotonic() - self.began


class EndedError(Exception):
    """The kernel has gone: why, as the end of a sentence about the cell."""


def run(
    cells: list[NotebookNode],
    names: Sequence[str],
    sandbox: Sandbox,
    refused: dict[str, str] | None = None,
) -> dict[str, bytes]:
    """Run the cells in order, each to its end or its limit; their outputs are put into them.

    A cell that ends its kernel is left out, and the others run again in a new one.

    Args:
        cells: code cells, changed in place.
        names: of the functions wanted.
        refused: gets the names of those that cannot be sent, with the reason.

    Returns:
        the functions found, pickled. Nothing here unpickles them.

    Raises:
        SandboxError: what every submission needs cannot be imported in the sandbox.
    """
    found: dict[str, bytes] = {}
    left, clock = list(cells), Clock(sandbox.limits.total)
    for _ in range(RESTARTS):
        fatal = run_once(left, names, sandbox, found, {} if refused is None else refused, clock)
        if fatal is None:
            return found
        left = [cell for cell in left if cell is not fatal]
    for cell in left:
        if not cell.outputs:
            cell.outputs = [failed("NotRun", "the cells before it ended the kernel too often")]
    return found


def run_once(
    cells: list[NotebookNode],
    names: Sequence[str],
    sandbox: Sandbox,
    found: dict[str, bytes],
    refused: dict[str, str],
    clock: "Clock",
) -> NotebookNode | None:
    """Run the cells in one kernel; the cell that ended it, None if they all ran."""
    with started(sandbox) as kernel:
        for cell in cells:
            cell.outputs = []
            seconds = min(sandbox.limits.cell, clock.left)
            if seconds <= 0:
                cell.outputs = [failed("NotRun", "the notebook's time was up before it")]
                continue
            try:
                with clock:
                    kernel.cell(cell, seconds)
                    sent, why = kernel.functions(names)
                found.update(sent)
                refused.update(why)
            except EndedError as error:
                cell.outputs.append(failed("KernelDied", f"this cell {error}"))
                return cell
    return None


def failed(name: str, words: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=words, traceback=[f"{name}: {words}"])


@contextlib.contextmanager
def started(sandbox: Sandbox) -> Iterator["Kernel"]:
    """A kernel in the sandbox; it and all that it started end with the block."""
    with tempfile.TemporaryDirectory(prefix="g3-") as folder:
        manager = ConfinedManager(sandbox, Path(folder))
        manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process = manager.provisioner.pid
        client = manager.client()
        try:
            with Watch(process, Path(folder), sandbox.limits) as watch:
                client.start_channels()
                client.wait_for_ready(timeout=START)
                kernel = Kernel(manager, client, watch, sandbox)
                kernel.prepare()
                yield kernel
        finally:
            client.stop_channels()
            end(process)
            manager.shutdown_kernel(now=True)
            manager.context.destroy(linger=0)


class ConfinedManager(KernelManager):
    """Starts ipykernel in the sandbox; its sockets are files in a folder of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        context = zmq.Context()
        context.setsockopt(zmq.MAXMSGSIZE, MESSAGE)  # of every socket made from it
        super().__init__(
            context=context,
            transport="ipc",
            ip=str(folder / "k"),
            connection_file=str(folder / "kernel.json"),
        )
        self._kernel_spec = KernelSpec(
            argv=[], display_name="", language="python", interrupt_mode="message"
        )
        self.sandbox, self.folder = sandbox, folder

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        program = [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]
        program += ["--HistoryManager.enabled=False", "--colors=NoColor"]
        return self.sandbox.command(program, self.folder)


class Kernel:
    """A running kernel, asked cell by cell."""

    def __init__(self, manager: KernelManager, client: Any, watch: Watch, sandbox: Sandbox) -> None:
        self.manager, self.client, self.watch = manager, client, watch
        self.shown = sandbox.limits.output << 10  # bytes of one cell

    def prepare(self) -> None:
        """Import what every submission needs, before any cell of the student's."""

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "error":
                said = f"{message['content']['ename']}: {message['content']['evalue']}"
                raise SandboxError(
                    f"No submission is graded: gather3d cannot be used in the sandbox: {said}. "
                    f"Install it for {sys.executable}; PYTHONPATH does not count there."
                )

        self.execute(IMPORT.format(own=str(OWN.resolve())), START, take)

    def cell(self, cell: NotebookNode, seconds: float) -> None:
        """Run it; what it shows goes into its outputs, up to a limit."""
        size = 0

        def take(message: dict[str, Any]) -> None:
            nonlocal size
            if message["msg_type"] not in ("stream", "display_data", "execute_result", "error"):
                return
            before = size
            size += len(repr(message["content"]))
            if size > self.shown * FLOOD:
                raise EndedError("shows too much")
            if size <= self.shown:
                cell.outputs.append(output_from_msg(message))
            elif before <= self.shown:
                note = f"\n[more than {self.shown >> 10} kB: the rest is left out]\n"
                cell.outputs.append(new_output("stream", name="stdout", text=note))

        try:
            self.execute(cell.source, seconds, take)
        except TimeoutError:
            words = f"stopped after {seconds:.0f} seconds"
            cell.outputs.append(failed("CellTimeout", words))
        cell.outputs = merged(cell.outputs)

    def functions(self, names: Sequence[str]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Those that are defined by now, pickled; and why others cannot be."""
        found: dict[str, bytes] = {}
        refused: dict[str, str] = {}

        def take(message: dict[str, Any]) -> None:
            data = message["content"].get("data", {})
            sent, why = data.get(FUNCTIONS, {}), data.get(REFUSED, {})
            if isinstance(why, dict):  # the student's own output, as all of it may be
                refused.update({name: str(why[name])[:500] for name in set(why) & set(names)})
            if isinstance(sent, dict):
                for name in set(sent) & set(names):
                    with contextlib.suppress(ValueError, TypeError):  # the student's own output
                        found[name] = base64.b64decode(sent[name], validate=True)

        with contextlib.suppress(TimeoutError):
            self.execute(EXPORT.format(names=list(names)), START, take)
        return found, refused

    def execute(self, source: str, seconds: float, take: Callable[[dict], None]) -> None:
        """Run a source and hand on its messages.

        Raises:
            TimeoutError: it was interrupted, and has ended.
            EndedError: the kernel has ended.
        """
        request = self.client.execute(source, stop_on_error=False, allow_stdin=False)
        if self._idle(request, seconds, take):
            return
        self.manager.interrupt_kernel()
        if not self._idle(request, GRACE, take):
            raise EndedError(f"did not end within {seconds:.0f} seconds, nor when interrupted")
        raise TimeoutError

    def _idle(self, request: str, seconds: float, take: Callable[[dict], None]) -> bool:
        """Whether the request is done by then."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                message = self.client.get_iopub_msg(timeout=min(left, 0.2))
            except queue.Empty:
                if not self.manager.is_alive():
                    raise EndedError(self.watch.ended or "ended the kernel") from None
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] != "status":
                take(message)
            elif message["content"]["execution_state"] == "idle":
                return True
        return False


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What a stream says in many messages becomes one output."""
    kept: list[NotebookNode] = []
    for output in outputs:
        last = kept[-1] if kept else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last.text += output.text
        else:
            kept.append(output)
    return kept
