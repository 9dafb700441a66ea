"""The data files can be made again, byte for byte, and nothing wrong or half-written gets in."""

import base64
import hashlib
import io
import os
import shutil
import struct
import subprocess
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from gather3d import datasets
from gather3d.datasets import packing, rebuild

NAMES = ("street", "aerial", "brain", "frog", "bunny")
LIBRARY = {"street": "plyfile", "aerial": "laspy", "brain": "nibabel"}
TETRAHEDRON = b"""exports.positions=[[0,0,0],[1.5,0,0],[0,1,0],[0,0,-0.000001]]
exports.cells=[[0,2,1],[0,1,3],[1,2,3],[2,0,3]]
"""


def set_in_table(folder, old, new):
    table = folder / "sources.toml"
    text = table.read_text("utf-8")
    assert text.count(old) == 1
    table.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def tetrahedron_package(tmp_path, copied_folder):
    """A package that is right in the table but holds another mesh than the bunny's."""
    packages = tmp_path / "packages"
    packages.mkdir()
    archive = packages / "bunny-1.0.1.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("package/index.js")
        member.size = len(TETRAHEDRON)
        tar.addfile(member, io.BytesIO(TETRAHEDRON))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    set_in_table(copied_folder, datasets.sources()["bunny"]["archive_sha256"], sha256)
    return packages


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# The files


@pytest.mark.parametrize("name", NAMES)
def test_packing_the_same_arrays_gives_the_same_file(name):
    source = datasets.sources()[name]
    path = datasets.FOLDER / source["file"]
    arrays = packing.unpack(path, source["sha256"], name)
    assert packing.pack(arrays) == path.read_bytes()


def test_a_change_of_one_value_changes_the_file():
    one, other = np.arange(6), np.arange(6)
    other[3] = 0
    assert packing.pack({"a": one}) != packing.pack({"a": other})
    assert packing.pack({"a": one}) == packing.pack({"a": one[::-1][::-1]})


def test_steps_are_undone():
    values = np.random.default_rng(0).integers(-100_000, 100_000, (3, 4, 50), dtype=np.int32)
    assert np.array_equal(packing.from_steps(packing.to_steps(values)), values)


@pytest.mark.parametrize("name", NAMES)
def test_rebuilding_from_the_packages_gives_the_same_file(name, copied_folder):
    packages = os.environ.get("GATHER3D_PACKAGES")
    if packages is None:
        pytest.skip("set GATHER3D_PACKAGES to a folder with the archives that sources.toml names")
    if name in LIBRARY:
        pytest.importorskip(LIBRARY[name], reason='pip install "gather3d[data]"')
    before = files(copied_folder)
    (copied_folder / f"{name}.npz").unlink()
    rebuild.main([name, "--packages", packages])
    assert files(copied_folder) == before


# What must not get in


def test_an_archive_that_is_missing(tmp_path, copied_folder):
    with pytest.raises(FileNotFoundError, match=r"bunny-1\.0\.1\.tgz is missing.*npm"):
        rebuild.rebuild("bunny", tmp_path)


def test_an_archive_with_a_wrong_checksum(tmp_path, copied_folder):
    before = files(copied_folder)
    (tmp_path / "bunny-1.0.1.tgz").write_bytes(b"something else")
    with pytest.raises(datasets.ChecksumError, match=r"bunny-1\.0\.1\.tgz has sha256"):
        rebuild.rebuild("bunny", tmp_path)
    assert files(copied_folder) == before


def test_a_new_result_is_refused(copied_folder, tetrahedron_package):
    before = files(copied_folder)
    with pytest.raises(datasets.ChecksumError, match="--update-table"):
        rebuild.rebuild("bunny", tetrahedron_package)
    assert files(copied_folder) == before


def test_a_new_result_is_written_when_asked_for(copied_folder, tetrahedron_package):
    before = files(copied_folder)
    rebuild.rebuild("bunny", tetrahedron_package, update_table=True)
    after = files(copied_folder)
    assert {key for key in before if before[key] != after[key]} == {"bunny.npz", "sources.toml"}
    old, new = (each["sources.toml"].split(b"\n") for each in (before, after))
    changed = [line for line, was in zip(new, old, strict=True) if line != was]
    assert changed == [f'sha256 = "{hashlib.sha256(after["bunny.npz"]).hexdigest()}"'.encode()]
    mesh = datasets.load("bunny")
    assert mesh.faces.tolist() == [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]
    assert mesh.vertices[1:].tolist() == [[1.5, 0, 0], [0, 1, 0], [0, 0, np.float32(-1e-6)]]


def test_a_write_that_fails_leaves_the_old_file(copied_folder, monkeypatch):
    before = files(copied_folder)

    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        rebuild.replace(copied_folder / "bunny.npz", b"half")
    assert files(copied_folder) == before


# The command line


def test_the_command_names_what_is_wrong(tmp_path, copied_folder, capsys):
    with pytest.raises(SystemExit) as stop:
        rebuild.main(["rabbit"])
    assert stop.value.code == 2
    assert "rabbit" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        rebuild.main(["bunny", "--packages", str(tmp_path)])
    assert stop.value.code == 1
    assert "bunny-1.0.1.tgz is missing" in capsys.readouterr().err


def test_a_missing_library_names_the_extra(tmp_path, copied_folder, monkeypatch, capsys):
    def street(members):
        raise ModuleNotFoundError("No module named 'plyfile'")

    monkeypatch.setitem(rebuild.READERS, "street", street)
    monkeypatch.setattr(rebuild, "read_members", lambda archive, source: [])
    with pytest.raises(SystemExit):
        rebuild.main(["street", "--packages", str(tmp_path)])
    assert "gather3d[data]" in capsys.readouterr().err


def test_packages_are_fetched_by_name_version_and_hash(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(rebuild, "run", commands.append)
    for name in ("street", "brain"):
        source = datasets.sources()[name]
        rebuild.fetch(source, tmp_path)
        requirement = Path(commands[-1][-1]).read_text("utf-8")
        assert requirement == (
            f"{source['package']}=={source['version']} --hash=sha256:{source['archive_sha256']}\n"
        )
    assert "--no-binary" in commands[0]
    assert "--only-binary" in commands[1]
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(FileNotFoundError, match=r"npm is needed to fetch bunny 1\.0\.1"):
        rebuild.fetch(datasets.sources()["bunny"], tmp_path)


def test_a_program_that_fails_shows_what_it_wrote(capsys):
    with pytest.raises(subprocess.CalledProcessError):
        rebuild.run(["sh", "-c", "echo no such version >&2; exit 3"])
    assert "no such version" in capsys.readouterr().err


# The readers


def vti(labels, block):
    """A VTK image file, written here from the format's description, in blocks of `block` bytes."""
    raw = labels.tobytes()
    blocks = [raw[start : start + block] for start in range(0, len(raw), block)]
    packed = [zlib.compress(each) for each in blocks]
    last = len(raw) % block
    sizes = [len(each) for each in packed]
    header = struct.pack(f"<{3 + len(packed)}I", len(packed), block, last, *sizes)
    depth, height, width = labels.shape
    text = (base64.b64encode(header) + base64.b64encode(b"".join(packed))).decode()
    return f"""<?xml version="1.0"?>
<VTKFile type="ImageData" header_type="UInt32" compressor="vtkZLibDataCompressor">
<ImageData WholeExtent="0 {width - 1} 0 {height - 1} 0 {depth - 1}"><Piece><PointData>
<DataArray type="UInt8" format="binary">
  {text}
</DataArray></PointData></Piece></ImageData></VTKFile>""".encode()


@pytest.mark.parametrize("block", [7, 64, 100, 1000])
def test_a_vtk_image_is_read_back(block):
    labels = np.random.default_rng(block).integers(0, 30, (8, 5, 7), dtype=np.uint8)
    assert np.array_equal(rebuild.read_vti(vti(labels, block)), labels)


def test_another_kind_of_vtk_image_is_refused():
    content = vti(np.zeros((2, 2, 2), np.uint8), 8).replace(b"UInt8", b"Int16")
    with pytest.raises(ValueError, match="UInt8"):
        rebuild.read_vti(content)


def test_frog_labels_are_picked_and_never_averaged():
    labels = np.random.default_rng(0).integers(0, 30, (8, 6, 4), dtype=np.uint8)
    picked = rebuild.frog([vti(labels, 50)])["labels"]
    expected = labels[[0, 2, 3, 4, 6, 7]][:, [0, 2, 4]][:, :, [0, 2]].copy()
    expected[expected > 15] = 0
    assert np.array_equal(picked, expected)


def test_halving_is_a_smooth_and_a_pick():
    from scipy import ndimage

    volume = np.random.default_rng(0).integers(0, 256, (5, 6, 7))
    for axis in range(3):
        smooth = ndimage.convolve1d(volume, [1, 2, 1], axis=axis, mode="constant")
        expected = smooth.take(range(0, volume.shape[axis], 2), axis)
        assert np.array_equal(rebuild.halve(volume, axis), expected)
