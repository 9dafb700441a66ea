"""Make the ledger: every operator's tests and every chapter, on the CPU and on other devices.

    make ledger                              all that are here: the stand-in, and CUDA
    python -m tests.ledger --device cuda     that one alone; the others stay as they were measured
    python -m tests.ledger --device cpu      the CPU against itself, to _build/ledger.json

It writes book/ledger.json, which the book shows. It runs with the Python that starts it, and
installs nothing. What a device answered is written once it has answered all.
"""

import argparse
import importlib.util
import json
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.devices import STANDIN, environment

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "book" / "ledger.json"
REHEARSAL = ROOT / "_build" / "ledger.json"
NEEDED = {  # to import, to install; none of them brings or changes torch
    "numpy": "numpy",
    "scipy": "scipy",
    "jaxtyping": "jaxtyping",
    "beartype": "beartype",
    "hypothesis": "hypothesis",
    "pytest": "pytest",
    "nbformat": "nbformat",
    "nbclient": "nbclient",
    "ipykernel": "ipykernel",
    "cloudpickle": "cloudpickle",
    "matplotlib": "matplotlib",
    "plotly": "plotly",
    "ipywidgets": "ipywidgets",
    "anywidget": "anywidget",
}
# without the comparisons with other packages, which a machine with a GPU rarely has
TESTS = ["tests/operators", "--ignore=tests/operators/references"]
COLUMNS = ("standin", "cuda")  # of the ledger, besides the CPU
FEW = {"standin": {"HYPOTHESIS_PROFILE": "few"}}  # its kernels are the CPU's, with which they agree
MOST_WORKERS = 12  # each holds a context on the device


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", nargs="*", help="compare the CPU with these; all that are here")
    parser.add_argument("--to", type=Path, help="the file to write")
    parser.add_argument("--commit", help="the commit that runs, where git cannot say")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="for pytest")
    parser.add_argument("--notebooks", nargs="*", type=Path, help="all chapters, if not given")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("torch") is None:
        return refuse(f"{sys.executable} has no torch: name a Python that has the one to measure")
    if lacking := missing():
        return refuse(
            f"missing: {', '.join(lacking)}. None of them brings or changes torch:\n"
            f"    {sys.executable} -m pip install {' '.join(lacking)}"
        )
    # the package of this folder, here, in pytest's workers and in the kernels
    source = str(ROOT / "src")
    sys.path.insert(0, source)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))

    asked = options.device or COLUMNS
    lacks = {device: lack for device in asked if (lack := no_device(device))}
    devices = [device for device in asked if device not in lacks]
    for device, lack in lacks.items():
        print(f"no device {device!r}: {lack}", file=sys.stderr)
    if not devices or (options.device and lacks):
        return refuse("none of it is measured")
    rehearsal = not {device.partition(":")[0] for device in devices} <= {*COLUMNS}
    to = options.to or (REHEARSAL if rehearsal else LEDGER)
    if rehearsal and to.resolve() == LEDGER:
        return refuse(f"a rehearsal is not kept in {LEDGER.relative_to(ROOT)}")

    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    chapters = options.notebooks
    if chapters is None:
        chapters = sorted((ROOT / "notebooks").glob("*.ipynb"))
    from .notebooks import compare_all, executed_all

    here = None
    for device in devices:
        start = time.monotonic()
        machine = facts(device, options.commit)
        digests = digest().operators(ROOT) | digest().notebooks(ROOT)  # of what runs now
        with tempfile.TemporaryDirectory() as folder:
            tested = run_tests(Path(folder), device, options.tests, workers)
        if tested is None:
            return refuse(f"the tests did not run to their end: {device} is not written")
        if here is None:
            here = executed_all(chapters, "cpu", workers)
        notebooks = compare_all(chapters, here, executed_all(chapters, device, workers))
        column = {
            "machine": machine,
            "minutes": round((time.monotonic() - start) / 60, 1),
            "digests": digests,
            **tested,
            "notebooks": notebooks,
        }
        write(to, column, device.partition(":")[0])
        print(summary(column))
        print(f"{device} is written to {to}, after {column['minutes']} minutes")
    return 0


def no_device(device: str) -> str:
    """Why this Python's torch has no such device, or ""; asked in a process of its own."""
    there = {**os.environ, **environment(device)}
    command = [sys.executable, "-c", f"import torch; torch.empty(0, device={device!r})"]
    done = subprocess.run(command, env=there, capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["it ended"])[-1] if done.returncode else ""


def missing() -> list[str]:
    """The packages that this Python lacks."""
    return [package for name, package in NEEDED.items() if importlib.util.find_spec(name) is None]


def refuse(words: str) -> int:
    print(f"ledger: {words}", file=sys.stderr)
    return 1


def digest():
    """The module that the book's extension reads the ledger with; it needs no Sphinx."""
    path = ROOT / "book" / "_ext" / "gather3d_book" / "digest.py"
    spec = importlib.util.spec_from_file_location("ledger_digest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the tests


def run_tests(folder: Path, device: str, tests: list[str], workers: int) -> dict | None:
    """What the operators answered and how the tests went; None if they did not come to an end."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
    command += ["-p", "tests.ledger.plugin", "--ledger", str(folder), "--ledger-device", device]
    if workers > 1 and importlib.util.find_spec("xdist"):
        command += ["-n", str(workers), "--max-worker-restart=0"]
    there = {**os.environ, **environment(device), **FEW.get(device, {})}
    del there["GATHER3D_DEVICE"]  # the tests run on the CPU too
    status = subprocess.run([*command, *tests], cwd=ROOT, env=there, check=False).returncode
    done = folder / "tests.json"
    if status not in (0, 1) or not done.exists():  # 1: tests failed, and the ledger says which
        return None
    tests_done = json.loads(done.read_text())
    if any("crashed while running" in failure["what"] for failure in tests_done["failures"]):
        return None
    pages = [json.loads(path.read_text()) for path in sorted(folder.glob("pages-*.json"))]
    return {
        "tests": tests_done,
        "lost": next((page["lost"] for page in pages if page["lost"]), ""),
        "operators": merged([page["operators"] for page in pages]),
    }


def merged(pages: list[dict[str, dict]]) -> dict[str, dict]:
    """What several processes saw of each operator, as if one had run all tests."""
    from .plugin import NAMED, page
    from .reasons import OPERATORS

    whole: dict[str, dict] = {}
    for name, part in (item for each in pages for item in each.items()):
        into = whole.setdefault(name, page())
        for count in ("calls", "compared", "ties", "differing"):
            into[count] += part[count]
        into["kinds"] = dict(Counter(into["kinds"]) + Counter(part["kinds"]))
        for key, gap in part["largest"].items():
            kept = into["largest"].setdefault(key, gap)
            into["largest"][key] = {unit: max(kept[unit], gap[unit]) for unit in gap}
        into["differences"] = [*into["differences"], *part["differences"]][:NAMED]
    for name, into in whole.items():
        for difference in into["differences"]:
            difference["why"] = OPERATORS.get((name, difference["kind"]), "unexplained")
    return {name: whole[name] for name in sorted(whole)}


# ---- what it was made with, and where it goes


def facts(device: str, commit: str | None) -> dict[str, str]:
    """The machine and the versions, with no name of the machine and no path on it."""
    import torch

    known = {}
    if device.startswith("cuda"):
        known["Device"] = torch.cuda.get_device_name(device)
        known["Driver"] = told("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        known["CUDA"] = str(torch.version.cuda)
    else:
        known["Device"] = {STANDIN.name: "none: the CPU computes"}.get(device, device)
    measured = ("src", "notebooks", "tests/operators")
    changes = "" if commit else told("git", "status", "--porcelain", "--", *measured)
    head = commit or told("git", "rev-parse", "--short=12", "HEAD")
    return known | {
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "Cores": str(os.cpu_count()),
        "Date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "Commit": head + (", with changes" if changes not in ("", "unknown") else ""),
    }


def told(*command: str) -> str:
    """The first line that a program prints; "unknown" where it cannot."""
    if shutil.which(command[0]) is None:
        return "unknown"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return "unknown"
    return (done.stdout.strip().splitlines() or [""])[0]


def write(path: Path, column: dict, device: str) -> None:
    """A device's column, beside those that are there; all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ledger = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ledger = dict.fromkeys(COLUMNS) | ledger | {device: column}
    draft = path.with_suffix(".draft")
    text = json.dumps(finite(ledger), indent=1, allow_nan=False, ensure_ascii=False)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def finite(value):
    """JSON has no infinity: it is kept as a word, which float() reads."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
    return str(value) if value in (math.inf, -math.inf) else value


def summary(column: dict) -> str:
    pages, cells = column["operators"].values(), column["notebooks"]
    lines = [
        f"{sum(p['compared'] for p in pages)} of {sum(p['calls'] for p in pages)} calls of "
        f"{len(pages)} operators repeated: {sum(p['differing'] for p in pages)} differ, "
        f"{sum(p['ties'] for p in pages)} are ties",
        *(f"tests, {where}: {counts}" for where, counts in column["tests"]["devices"].items()),
        f"{sum(c['compared'] for c in cells)} cells of {len(cells)} notebooks compared: "
        f"{sum(len(c['differing']) for c in cells)} differ",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    # an exit like any other: the tests that run are ended too, and the folder is removed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
