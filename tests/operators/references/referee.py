"""The operators against packages that do the same and that no one here wrote.

Where requirements.txt beside this file installs a package, its tests run; where it leaves one out
(no wheel for the platform), they are skipped and say so. So are those of a package that wants a
library of the system that is not there.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from tests.needs import need

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def referee(package: str, module: str) -> ModuleType:
    """The module of a package that requirements.txt names, or a skip of the tests that ask."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    wanted = next(line for line in lines if line.startswith(f"{package}=="))
    marker = Requirement(wanted).marker
    if marker is not None and not marker.evaluate():
        pytest.skip(f"{package} has no wheel for this platform: {marker}", allow_module_level=True)
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        pytest.fail(f"{error}: `make test` installs it, from {REQUIREMENTS.name} beside this test")
    except (ImportError, OSError) as error:  # a library that the package is linked with, or loads
        need(f"{package} cannot be loaded ({str(error).splitlines()[0]})", module=True)
