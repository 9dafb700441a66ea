"""How a data set lies in its file: a few arrays in one `.npz`, the same bytes each time.

The members are compressed with bzip2. It is in Python's standard library, `numpy.load` reads it,
and unlike zlib's its output does not depend on which implementation a Python was built with, so
a file that is rebuilt on another machine has the same checksum.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class ChecksumError(ValueError):
    """A file is not, byte for byte, the one that the table of sources describes."""


def repair_command(name: str) -> str:
    """The command that makes the file of data set `name` again."""
    return f"python -m gather3d.datasets.rebuild {name}"


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an `.npz` that holds `arrays`; equal arrays give equal bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for key, array in arrays.items():
            member = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_BZIP2
            member.create_system = 3  # Unix: otherwise zipfile writes the system it runs on
            member.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0))
            archive.writestr(member, content.getvalue())
    return stream.getvalue()


def unpack(path: Path, sha256: str, name: str) -> dict[str, np.ndarray]:
    """The arrays in the `.npz` at `path`, once its checksum is found right.

    Raises:
        FileNotFoundError: there is no file at `path`.
        ChecksumError: the file's checksum is not `sha256`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. To make it again: {repair_command(name)}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ChecksumError(
            f"{path} has sha256 {found}, but sources.toml has {sha256}: the file is damaged or of "
            f"another version. To make it again: {repair_command(name)}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def to_steps(values: np.ndarray) -> np.ndarray:
    """Each value less the one before it on the last axis (before the first: 0), as int32.

    Neighbours in a scan are near each other, so these are small numbers, which compress well.
    """
    return np.diff(values, axis=-1, prepend=0).astype(np.int32)


def from_steps(steps: np.ndarray) -> np.ndarray:
    """The values whose `to_steps` is `steps`."""
    return np.cumsum(steps, axis=-1, dtype=np.int32)
