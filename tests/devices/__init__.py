"""A second device without a GPU, for the operators' tests and the notebooks.

standin/        the folder for PYTHONPATH: with it, `import torch` brings the device `standin`
test_standin    that it refuses what a GPU refuses, and gives what the CPU gives
test_chapters   that a chapter which forgets the device fails on it
"""

import os
from pathlib import Path

STANDIN = Path(__file__).parent / "standin"


def environment(device: str) -> dict[str, str]:
    """What a process or a kernel needs to run on the device, besides what it inherits."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [folder for folder in path if folder and Path(folder) != STANDIN]
    if device == STANDIN.name:
        path = [str(STANDIN), *path]
    return {"GATHER3D_DEVICE": device, "PYTHONPATH": os.pathsep.join(path)}
