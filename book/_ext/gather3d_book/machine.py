"""The machine that executes the notebooks, in words that a reader can compare with their own."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "torch", "numpy", "scipy", "matplotlib", "plotly", "ipywidgets", "anywidget", "jupyter-book",
)  # fmt: skip


@functools.cache
def machine() -> dict[str, str]:
    """What outputs and times depend on: no name of the machine, no path on it."""
    facts = device() | {
        "Processor": processor(),
        "Cores": str(os.cpu_count()),
        "Memory": memory(),
        "System": system(),
        "Python": platform.python_version(),
    }
    return facts | {name: version(name) for name in PACKAGES}


def device() -> dict[str, str]:
    """Where the notebooks' tensors lie: gather3d.device() decides, and torch knows its name."""
    if os.environ.get("GATHER3D_DEVICE") == "cpu":
        return {"Device": "cpu"}  # torch takes a second to load and would say the same
    import torch

    import gather3d

    chosen = gather3d.device()
    if chosen.type != "cuda":
        return {"Device": str(chosen)}
    name = torch.cuda.get_device_name(chosen)
    return {"Device": str(chosen), "GPU": f"{name}, CUDA {torch.version.cuda}"}


def processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES")
    return f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"


def system() -> str:
    if platform.system() == "Linux":
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.platform(terse=True)


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
