"""A pytest plugin: each call of an operator that a test makes on the CPU is repeated on a device.

    pytest -p tests.ledger.plugin --ledger FOLDER --ledger-device cuda tests/operators

The public functions of `gather3d` are replaced in the package before a test module is imported.
One operator finds another in the modules, not in the package, so a call counts once, where the test
makes it. FOLDER gets a file from each process that ran tests, and one about the tests themselves.
"""

import functools
import inspect
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from .repeat import WITHIN, Answer, Gap, gaps, named

CALLS = 60  # of an operator in one test that are repeated: a gradcheck makes hundreds
LARGEST = 1 << 24  # elements: a call with more of them is not repeated
NAMED = 5  # differences of an operator that are kept, with the tests that showed them
NO_REPEAT = {"device", "sources"}  # one takes no tensor; the other asks a function of its own
METHODS = {"SparseVolume": ("to_dense", "from_dense")}
LOST = ("device-side assert", "CUDA error", "device kernel image")  # nothing works after these


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ledger")
    group.addoption("--ledger", metavar="FOLDER", help="keep there what each operator answered")
    group.addoption("--ledger-device", metavar="DEVICE", default="cuda", help="repeat calls there")


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("ledger"):
        import gather3d  # now: conftest.py's hook, which checks shapes, is in place

        recorder = Recorder(config.getoption("ledger_device"))
        recorder.watch(gather3d)
        config.pluginmanager.register(Keeper(Path(folder), recorder), "ledger-keeper")


class Recorder:
    """What the operators answered on the CPU and on the device, operator by operator."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.test = ""
        self.busy = False
        self.lost = ""
        self.pages: dict[str, dict] = {}
        self.repeated: Counter[tuple[str, str]] = Counter()

    def watch(self, package: Any) -> None:
        """Replace the package's operators by ones that are recorded."""
        for name in package.__all__:
            member = getattr(package, name)
            if inspect.isfunction(member) and name not in NO_REPEAT:
                setattr(package, name, self.recorded(name, member))
            for method in METHODS.get(name, ()):
                its = inspect.getattr_static(member, method)
                full = f"{name}.{method}"
                if isinstance(its, classmethod):
                    setattr(member, method, classmethod(self.recorded(full, its.__func__)))
                else:
                    setattr(member, method, self.recorded(full, its))

    def recorded(self, name: str, call: Callable) -> Callable:
        self.pages[name] = page()

        @functools.wraps(call)
        def operator(*args, **kwargs):
            if torch.compiler.is_compiling() or self.busy or not _ordinary((args, kwargs)):
                return call(*args, **kwargs)
            self.busy = True  # what the operator calls, and what repeats it, is not another call
            try:
                return self.answered(name, call, args, kwargs)
            finally:
                self.busy = False

        operator.__wrapped__ = inspect.unwrap(call)
        return operator

    def answered(self, name: str, call: Callable, args: tuple, kwargs: dict) -> Any:
        """What the call gives; on the way it is repeated and compared."""
        here, result = Answer(), None
        try:
            result = call(*args, **kwargs)
            here.results = dict(named(result))
        except Exception as error:
            here.error = error
        self.pages[name]["calls"] += 1
        if not self.lost and self.repeats(name, args, kwargs, here):
            try:
                bound = inspect.signature(call).bind(*args, **kwargs)
            except TypeError:
                pass  # arguments that no call has: no device would see them
            else:
                self.enter(name, list(gaps(name, call, bound, here, self.device)))
        if here.error:
            raise here.error
        return result

    def repeats(self, name: str, args: tuple, kwargs: dict, here: Answer) -> bool:
        tensors = [x for _, x in named([args, kwargs, here.results]) if isinstance(x, Tensor)]
        places = {x.device.type for x in tensors}
        if sum(x.numel() for x in tensors) > LARGEST or places - {"cpu", "meta"}:
            return False
        if "cpu" not in places:
            return False
        self.repeated[self.test, name] += 1
        return self.repeated[self.test, name] <= CALLS

    def enter(self, name: str, found: list[Gap]) -> None:
        into = self.pages[name]
        into["compared"] += 1
        into["ties"] += any(gap.tie for gap in found)
        into["differing"] += any(gap.relative > WITHIN for gap in found)
        for kind in {gap.kind for gap in found}:
            into["kinds"][kind] = into["kinds"].get(kind, 0) + 1
        for gap in found:
            if gap.relative > WITHIN:
                words = gap.words or f"{gap.absolute:.3g} apart, {gap.relative:.3g} eps"
                note = {"test": self.test, "kind": gap.kind, "where": gap.where, "what": words}
                into["differences"] = [*into["differences"], note][:NAMED]
                if any(sign in words for sign in LOST):
                    self.lost = f"{self.test}, {name}: {words}"
            widest(into["largest"], gap)


def page() -> dict:
    """What is kept of one operator."""
    return {
        "calls": 0,
        "compared": 0,
        "ties": 0,
        "differing": 0,
        "kinds": {},
        "largest": {},
        "differences": [],
    }


def widest(into: dict[str, dict], gap: Gap) -> None:
    """Keep the gap if none of its kind and dtype is wider."""
    if not gap.dtype:
        return
    key = f"{gap.kind} {gap.dtype}"
    kept = into.setdefault(key, {"absolute": 0.0, "relative": 0.0})
    kept["absolute"] = max(kept["absolute"], gap.absolute)
    kept["relative"] = max(kept["relative"], gap.relative)


def _ordinary(arguments: Any) -> bool:
    """No transform is at work (vmap, grad, a fake tensor, a mode that counts)."""
    if torch._C._functorch.peek_interpreter_stack() is not None or _get_current_dispatch_mode():
        return False
    tensors = (x for _, x in named(arguments) if isinstance(x, Tensor))
    return all(type(x) in (Tensor, torch.nn.Parameter) for x in tensors)


class Keeper:
    """Tells the recorder which test runs, and writes down what came of it."""

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self.folder = folder
        self.recorder = recorder
        self.tests: dict[str, Counter] = {}
        self.failures: list[dict] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.recorder.test = item.nodeid
        where = getattr(item, "callspec", None) and item.callspec.params.get("device")
        item.user_properties.append(("ledger device", where or "no device"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        where = dict(report.user_properties).get("ledger device", "no device")
        self.tests.setdefault(where, Counter())[report.outcome] += 1
        if report.outcome == "failed":
            self.failures.append(failure(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported; each worker says so again."""
        if report.failed and (entry := failure(report)) not in self.failures:
            self.tests.setdefault("no device", Counter())["failed"] += 1
            self.failures.append(entry)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        worker = getattr(session.config, "workerinput", {}).get("workerid")
        self.folder.mkdir(parents=True, exist_ok=True)
        if worker is None:
            tests = {"devices": self.tests, "failures": self.failures}
            (self.folder / "tests.json").write_text(json.dumps(tests))
        pages = {"lost": self.recorder.lost, "operators": self.recorder.pages}
        (self.folder / f"pages-{worker or 'main'}.json").write_text(json.dumps(pages))


def failure(report: pytest.TestReport | pytest.CollectReport) -> dict[str, str]:
    """A test and the line that says what was wrong."""
    lines = report.longreprtext.strip().splitlines() or [""]
    said = [line for line in lines if line.startswith("E  ")] or lines[-1:]
    return {"test": report.nodeid, "what": " ".join(said[0].removeprefix("E").split())[:300]}
