"""The lock pins all that is installed; make, Binder and the workflows use it and agree."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
READABLE = [
    ROOT / "requirements.txt",
    ROOT / "tests" / "operators" / "references" / "requirements.txt",
]
SITE = sysconfig.get_path("purelib")  # not what setuptools carries inside itself
MAKES_OWN = (Path(sys.prefix) / ".ready").exists()  # this runs in the environment that make makes
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def requirements(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def here(path: Path) -> dict[str, Requirement]:
    """Those that count on this machine, by their names."""
    wanted = [r for r in requirements(path) if r.marker is None or r.marker.evaluate()]
    return {canonicalize_name(r.name): r for r in wanted}


def test_the_lock_names_versions_and_nothing_else():
    """No address and no build of one machine: it installs from PyPI, on every platform."""
    text = LOCK.read_text()
    assert "://" not in text and "--" not in text
    for locked in requirements(LOCK):
        assert re.fullmatch(r"==[\w.]+", str(locked.specifier)), locked
        assert locked.url is None and not locked.extras


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.parent.name)
def test_the_lock_has_the_requirements(path):
    """`make lock` after a change of one of them."""
    locked = {canonicalize_name(r.name): set() for r in requirements(LOCK)}
    for r in requirements(LOCK):
        locked[canonicalize_name(r.name)].add(str(r.specifier))
    wanted = {canonicalize_name(r.name): {str(r.specifier)} for r in requirements(path)}
    assert {name: locked.get(name) for name in wanted} == wanted


def needed(names: set[str]) -> set[str]:
    """These packages and all that they require here, as far as it is installed."""
    found, waiting = set(), {(name, "") for name in names}
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for line in metadata.requires(name) or []:
            r = Requirement(line)
            if r.marker is None or r.marker.evaluate({"extra": extra}):
                waiting |= {(canonicalize_name(r.name), each) for each in ("", *r.extras)}
    return {name for name, _ in found}


@pytest.mark.skipif(not MAKES_OWN, reason="this is not the environment that make makes")
def test_what_is_installed_is_what_is_locked():
    locked = here(LOCK)
    own = set().union(*(here(path) for path in READABLE))
    assert needed(own) <= {*locked, "setuptools"}
    installed = {canonicalize_name(d.name): d.version for d in metadata.distributions(path=[SITE])}
    differ = {
        name: installed[name]
        for name in needed(own) & locked.keys()
        if not locked[name].specifier.contains(installed[name], prereleases=True)
    }
    assert differ == {}


def told(*given: str) -> str:
    """What make would do, did it make .venv anew."""
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "TORCH_INDEX")}
    command = ["make", "-n", "-B", *given]
    return subprocess.run(
        command, cwd=ROOT, env=clean, check=True, capture_output=True, text=True
    ).stdout


def test_make_installs_what_is_locked():
    for target in (".venv/.ready", ".venv/.referees"):
        installs = [line for line in told(target).splitlines() if " pip install" in line]
        assert installs and all(f"--constraint {LOCK.name}" in line for line in installs)
        assert "index-url" not in told(target)


def test_make_takes_pytorch_from_where_it_is_told():
    """torch alone, and before the rest, which then takes it as it is."""
    installs = [
        line.partition(f"--constraint {LOCK.name} ")[2]
        for line in told(".venv/.ready", "TORCH_INDEX=https://pytorch.example/cpu").splitlines()
        if " pip install" in line
    ]
    assert installs == [
        "--no-deps --index-url https://pytorch.example/cpu torch",
        "-r requirements.txt",
    ]


def test_binder_has_the_package_at_the_locked_versions():
    """Where there is a folder binder/, repo2docker looks at no requirements elsewhere."""
    text = (ROOT / "binder" / "requirements.txt").read_text()
    options = dict(re.findall(r"^--([\w-]+) (\S+)$", text, re.MULTILINE))
    assert (ROOT / "binder" / options["constraint"]).resolve() == LOCK
    extras = re.fullmatch(r"\.\[(.+)\]", options["editable"])[1].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    assert "jupyterlab" in text.splitlines()
    python = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert Version(python) in Requirement(f"python{PROJECT['requires-python']}").specifier
    addresses = {options["extra-index-url"]}
    addresses |= {yaml.safe_load(path.read_text())["env"]["TORCH_INDEX"] for path in WORKFLOWS}
    assert len(addresses) == 1 and addresses.pop() in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow(path):
    """It may read alone, its steps are pinned and exist, and its cache follows the lock."""
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        versions = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
            if "cache" in step.get("with", {}):
                assert step["with"]["cache-dependency-path"] == LOCK.name
            if re.match(r"make |\.ci/", command := step.get("run", "")):
                for values in versions:
                    program, *given = re.sub(
                        r"\$\{\{ matrix\.(\w+) \}\}", lambda m, v=values: v[m[1]], command
                    ).split()
                    told(*given) if program == "make" else (ROOT / program).stat()
    assert "secrets." not in path.read_text()
