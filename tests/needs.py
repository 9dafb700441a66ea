"""What tests need of a machine besides Python and its packages, and what is said where it lacks.

A test that needs such a piece is skipped without it, and the run ends with a few lines that name
what was left out, why, and the command that installs it. With CI=true it fails: there, nothing
may be missing. `.ci/system` has the list of Debian's packages.
"""

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

SEARCH = os.environ.get("HYPOTHESIS_PROFILE") == "search"  # the weekly run, which has time
COMMAND = "make system"
MISSING = "missing here: "  # begins the reason of a skip that COMMAND may help against


def need(lack: str | None, *, module: bool = False) -> None:
    """Go on where nothing lacks; else skip the tests that ask, or fail them with CI=true.

    Args:
        lack: what the machine lacks, in a few words; None or "" where it is there.
        module: this is asked while a file is imported, and all of its tests are meant.
    """
    if not lack:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{lack}: `{COMMAND}` installs what the tests need", pytrace=False)
    pytest.skip(MISSING + lack, allow_module_level=module)


def no_program(name: str, words: str) -> str | None:
    """What `need` is told of a program that is looked for on the PATH."""
    return None if shutil.which(name) else words


def no_compiler() -> str | None:
    """torch.compile looks for one by itself, and is asked for it."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "no C++ compiler for torch.compile"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last lines of a run, above its counts."""
    skipped = terminalreporter.getreports("skipped")
    if lines := left_out((report.nodeid, report.longrepr[2]) for report in skipped):
        terminalreporter.section("left out")
        for line in lines:
            terminalreporter.line(line)


def left_out(skips: Iterable[tuple[str, str]]) -> list[str]:
    """The lines on what was skipped, from each skip's test and reason: first what lacks here."""
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for test, reason in skips:
        file, _, name = test.partition("::")
        # a file that was skipped whole is named, with no count; of a test, the folder below tests/
        place = "/".join(file.split("/")[:2]) if name else file
        places[reason.removeprefix("Skipped: ")][place] += bool(name)
    lacks = sorted(reason for reason in places if reason.startswith(MISSING))
    lines = [f"{reason}: {where(places[reason])}" for reason in lacks]
    if lacks:
        lines.append(
            f"`{COMMAND}` installs what is missing, on Debian and Ubuntu; then these run too."
        )
    others = sorted(places.keys() - set(lacks))
    return [*lines, *(f"skipped, {reason}: {where(places[reason])}" for reason in others)]


def where(places: Counter[str]) -> str:
    """How many tests, of which folders."""
    return ", ".join(f"{n} of {place}" if n else place for place, n in sorted(places.items()))
