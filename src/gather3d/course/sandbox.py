"""Where a student's program runs: a place of its own, with limits, and without what it may not see.

With bubblewrap (Linux) a program sees Python, this package and an empty folder: no file of the
instructor's, no other submission, no network, no other process. Without bubblewrap only the limits
hold; `missing` says so, and nothing runs that way unless `--unsandboxed` asks for it.
"""

import functools
import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

import gather3d

OWN = Path(gather3d.__file__).parent
"""This package: a submission's sandbox must have the same."""
HOME = "/home/student"
NOT_ISOLATED = (
    "every file that you may read (masters, hidden tests, other submissions), every file that you "
    "may write, the network, and your other processes"
)
_NUMBERS = itertools.count(1)


class SandboxError(RuntimeError):
    """There is no sandbox on this machine."""


@dataclass(frozen=True)
class Limits:
    """What one submission may take.

    Attributes:
        cell: seconds for one cell.
        total: seconds for all of its cells.
        gigabytes: of memory, for each process and for all of them.
        processes: and threads.
        disk: megabytes of files.
        output: kilobytes that one cell may show.
    """

    cell: float = 20.0
    total: float = 120.0
    gigabytes: float = 4.0
    processes: int = 100
    disk: int = 64
    output: int = 200


@dataclass(frozen=True)
class Sandbox:
    """A way to start programs.

    Args:
        limits: of each program.
        isolated: in bubblewrap. Without it only the limits hold.
    """

    limits: Limits = Limits()
    isolated: bool = True

    @classmethod
    def here(cls, limits: Limits, *, unsandboxed: bool = False) -> "Sandbox":
        """The best that this machine has.

        Raises:
            SandboxError: there is no bubblewrap, and `unsandboxed` does not allow that.
        """
        why = missing()
        if why and not unsandboxed:
            raise SandboxError(
                f"No sandbox: {why}. Without one, a submission reaches {NOT_ISOLATED}. "
                "Install bubblewrap, or say --unsandboxed to grade all the same."
            )
        return cls(limits, isolated=not why)

    def command(self, program: list[str], folder: Path) -> list[str]:
        """The program's command, confined. `folder` is the one place outside that it writes to.

        Its file names stay the same inside.
        """
        limits = self.limits
        memory, files = int((limits.gigabytes + BASE) * 2**30), limits.disk * 2**20
        if not self.isolated:  # any system; other processes of this user would count, too
            return [sys.executable, "-c", LIMITED, str(memory), str(files), *program]
        limited = [tool("prlimit"), f"--as={memory}", f"--nproc={limits.processes}"]
        limited += [f"--fsize={files}", "--core=0", "--"]
        other = []
        if os.geteuid() == 0:  # a user of its own: root's processes are not counted
            user = 1_000_000 + 10_000 * (os.getpid() % 100_000) + next(_NUMBERS) % 10_000
            for path in (folder, *folder.iterdir()):  # a program before may have left links there
                os.chown(path, user, user, follow_symlinks=False)
            ids = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            other = [tool("setpriv"), *ids, "--no-new-privs", "--"]
        return [*bubblewrap(folder, limits), *other, *limited, *program]


BASE = 2.0
"""Gigabytes of addresses that a kernel with torch maps before it does anything."""


LIMITED = """
import os, resource, sys
for kind, most in (("AS", sys.argv[1]), ("FSIZE", sys.argv[2]), ("CORE", 0)):
    try:
        resource.setrlimit(getattr(resource, "RLIMIT_" + kind), (int(most),) * 2)
    except (ValueError, OSError):  # macOS knows no limit of addresses
        pass
os.execv(sys.argv[3], sys.argv[3:])
"""
"""A program that starts another one with limits, where bubblewrap and prlimit are not."""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SandboxError(f"{name}: not found on this machine (it belongs to util-linux)")
    return found


def bubblewrap(folder: Path, limits: Limits) -> list[str]:
    """bwrap and its options: what a program sees."""
    options = [
        "--die-with-parent",
        "--new-session",
        *(() if os.geteuid() == 0 else ("--unshare-user",)),
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--clearenv",
    ]
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HOME": HOME,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PLOTLY_RENDERER": "plotly_mimetype",
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    for name, value in environment.items():
        options += ["--setenv", name, value]
    space = ["--perms", "1777", "--size", str(limits.disk * 2**20), "--tmpfs"]
    options += ["--proc", "/proc", "--dev", "/dev", *space, "/tmp", *space, HOME]
    shown = visible()
    parents = {parent for path in (*shown, folder) for parent in path.parents}
    for parent in sorted(parents - {Path("/"), Path("/tmp")}):
        if not any(parent.is_relative_to(path) for path in shown):
            options += ["--perms", "0755", "--dir", str(parent)]
    for path in shown:
        if path.is_symlink() and not path.resolve().is_relative_to(path):
            options += ["--symlink", os.readlink(path), str(path)]
        else:
            options += ["--ro-bind", str(path), str(path)]
    return [tool("bwrap"), *options, "--bind", str(folder), str(folder), "--chdir", HOME, "--"]


def visible() -> list[Path]:
    """The system's programs, Python with its packages, and this package: nothing of a course."""
    system = [
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/etc/ld.so.cache",
        "/etc/alternatives",
    ]
    python = [
        sys.prefix,
        sys.base_prefix,
        *map(sysconfig.get_path, ("purelib", "platlib", "stdlib", "platstdlib")),
    ]
    wanted = [*map(Path, system), *map(Path, python), OWN]
    seen: list[Path] = []
    for path in wanted:
        if path.exists() and not any(path.is_relative_to(known) for known in seen):
            seen.append(path)
    return seen


@functools.cache
def missing() -> str | None:
    """Why there is no sandbox here, None where there is one: it is tried."""
    if sys.platform != "linux":
        return f"bubblewrap is for Linux, this is {sys.platform}"
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed"
    with tempfile.TemporaryDirectory(prefix="g3-") as folder:
        try:
            command = Sandbox().command([sys.executable, "-c", "import zmq"], Path(folder))
        except SandboxError as error:
            return str(error)
        tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode:
        said = tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"]
        if said[-1].startswith("bwrap:"):
            return f"bubblewrap does not work here: {said[-1]}"
        return f"Python does not start in bubblewrap, {sys.executable} says: {said[-1]}"
    return None


class Watch:
    """Ends a confined program, with all of its processes, when together they take too much.

    A limit of the system holds for one process; this counts them all.
    """

    def __init__(self, process: int, folder: Path, limits: Limits) -> None:
        self.process, self.folder, self.limits = process, folder, limits
        self.ended: str | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            try:
                self.ended = self._too_much()
                if self.ended:
                    end(self.process)
                    return
            except psutil.NoSuchProcess:
                continue

    def _too_much(self) -> str | None:
        family = psutil.Process(self.process).children(recursive=True)
        if len(family) > self.limits.processes:
            return "started too many processes"
        memory = 0
        for member in family:
            try:
                memory += member.memory_info().rss
            except psutil.Error:
                continue
        if memory > self.limits.gigabytes * 2**30:
            return "took too much memory"
        files = sum(path.lstat().st_size for path in self.folder.glob("**/*"))
        return "wrote too much" if files > self.limits.disk * 2**20 else None


def end(process: int) -> None:
    """Kill a program and all that it started; bubblewrap's die with it in any case."""
    try:
        parent = psutil.Process(process)
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
