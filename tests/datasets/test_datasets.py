"""The data sets are what their docstrings say, and refuse to load when they are not."""

import dataclasses
import doctest
import socket
import typing

import pytest
import torch
from scipy.spatial import cKDTree

from gather3d import datasets

NAMES = ("street", "aerial", "brain", "frog", "bunny")
LIMIT_BYTES = {
    "street": 1_100_000,
    "aerial": 1_000_000,
    "brain": 500_000,
    "frog": 400_000,
    "bunny": 40_000,
}


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def street():
    return datasets.load("street")


@pytest.fixture(scope="module")
def aerial():
    return datasets.load("aerial")


@pytest.fixture(scope="module")
def brain():
    return datasets.load("brain")


@pytest.fixture(scope="module")
def frog():
    return datasets.load("frog")


@pytest.fixture(scope="module")
def bunny():
    return datasets.load("bunny")


# Every data set


def test_names():
    assert datasets.names() == NAMES


def test_fields_have_the_annotated_shapes_and_are_on_the_cpu(name):
    data = datasets.load(name)
    hints = typing.get_type_hints(type(data))
    for field in dataclasses.fields(data):
        value = getattr(data, field.name)
        if isinstance(value, torch.Tensor):
            assert isinstance(value, hints[field.name]), (field.name, value.shape, value.dtype)
            assert value.device.type == "cpu"
            assert value.is_contiguous()
            assert bool(torch.isfinite(value.double()).all())


def test_fields_cannot_be_replaced(name):
    data = datasets.load(name)
    first = dataclasses.fields(data)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(data, first, None)


def test_a_loaded_tensor_is_yours_to_change():
    changed = datasets.load("brain").volume
    changed.zero_()
    assert datasets.load("brain").volume.any()


def test_docstring_examples():
    assert doctest.testmod(datasets).attempted >= 4
    assert doctest.testmod(datasets).failed == 0


def test_loads_without_a_network(name, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a data set opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert datasets.load(name) is not None


# The table, the notices, the sizes


def test_every_file_has_a_source_and_a_notice(name):
    source = datasets.sources()[name]
    for key in ("registry", "package", "version", "licence", "attribution", "changed", "members"):
        assert source[key], key
    notice = (datasets.FOLDER / "NOTICE").read_text("utf-8")
    assert source["file"] in notice
    assert f"{source['package']} {source['version']}" in " ".join(notice.split())
    assert f"{source['package']} {source['version']}" in " ".join(
        type(datasets.load(name)).__doc__.split()
    )


def test_no_file_without_a_source():
    described = {source["file"] for source in datasets.sources().values()}
    assert {path.name for path in datasets.FOLDER.glob("*.npz")} == described


def test_the_notices_that_must_be_kept():
    notice = " ".join((datasets.FOLDER / "NOTICE").read_text("utf-8").split())
    for words in (
        "Copyright (c) 2024 Kenji Koide",
        "Copyright (c) 2020, Thomas Montaigu",
        "Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre",
        "Copyright (c) The nilearn developers",
        "Copyright (c) 2017-2026 The PyVista Developers",
        "credit is given to the Stanford Computer Graphics Laboratory",
    ):
        assert words in notice, words


def test_each_file_is_small(name):
    size = (datasets.FOLDER / datasets.sources()[name]["file"]).stat().st_size
    assert size < min(LIMIT_BYTES[name], 1_500_000)


def test_all_files_are_small():
    files = [path for path in datasets.FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 4_000_000


# Refusals


@pytest.mark.parametrize("wrong", ["Street", "", "dragon", None, 3])
def test_a_wrong_name(wrong):
    with pytest.raises(ValueError) as refusal:
        datasets.load(wrong)
    message = str(refusal.value)
    assert "name" in message
    assert repr(wrong) in message
    assert all(repr(each) in message for each in NAMES)


def test_a_missing_file(name, copied_folder):
    path = copied_folder / f"{name}.npz"
    path.unlink()
    with pytest.raises(FileNotFoundError) as refusal:
        datasets.load(name)
    assert str(path) in str(refusal.value)
    assert f"python -m gather3d.datasets.rebuild {name}" in str(refusal.value)


@pytest.mark.parametrize("damage", ["one bit", "cut short", "empty", "another file"])
def test_a_wrong_checksum(name, damage, copied_folder):
    path = copied_folder / f"{name}.npz"
    content = path.read_bytes()
    other = copied_folder / ("brain.npz" if name != "brain" else "bunny.npz")
    half = len(content) // 2
    path.write_bytes(
        {
            "one bit": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
            "cut short": content[:-1],
            "empty": b"",
            "another file": other.read_bytes(),
        }[damage]
    )
    with pytest.raises(datasets.ChecksumError) as refusal:
        datasets.load(name)
    assert isinstance(refusal.value, ValueError)
    assert str(path) in str(refusal.value)
    assert f"python -m gather3d.datasets.rebuild {name}" in str(refusal.value)


# Street


def measured(points):
    return points[points.any(dim=1)]


def test_street_sizes(street):
    assert street.points.shape == (69_792, 3)
    assert street.target_points.shape == (69_088, 3)
    assert street.intensity.shape == (69_792,)
    assert len(measured(street.points)) == 69_792 - 5_107
    assert len(measured(street.target_points)) == 69_088 - 5_032


def test_street_is_in_metres_with_z_up(street):
    for points in (street.points, street.target_points):
        distance = measured(points).norm(dim=1)
        assert 1 < distance.min() < 3
        assert 40 < distance.max() < 80
        ground = measured(points)[:, 2].quantile(0.05)
        assert -3 < ground < -1


def test_street_rows_are_in_the_order_of_the_32_lasers(street):
    for points in (street.points, street.target_points):
        columns = points.reshape(-1, 32, 3)
        distance = columns.norm(dim=2)
        elevation = torch.rad2deg(torch.asin(columns[..., 2] / distance))
        middle = elevation.nanmedian(dim=0).values
        assert (elevation - middle).abs()[distance > 0].max() < 0.1
        steps = middle.sort().values.diff()
        assert torch.allclose(steps, torch.full_like(steps, 4 / 3), atol=0.02)


def test_street_coordinates_are_the_middles_of_millimetres(street):
    for points in (street.points, street.target_points):
        millimetres = measured(points).double() * 1000
        assert (millimetres - millimetres.floor() - 0.5).abs().max() < 0.005


def test_street_intensity(street):
    assert street.intensity.min() == 0
    assert street.intensity.max() == 187
    assert torch.equal(street.intensity, street.intensity.round())


def test_street_pose_is_a_rigid_motion(street):
    rotation = street.pose[:3, :3].double()
    assert torch.allclose(rotation @ rotation.T, torch.eye(3).double(), atol=1e-5)
    assert torch.linalg.det(rotation).item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(street.pose[3], torch.tensor([0.0, 0.0, 0.0, 1.0]))
    assert street.pose[:3, 3].norm().item() == pytest.approx(0.504, abs=1e-3)


def test_street_pose_takes_the_source_onto_the_target(street):
    tree = cKDTree(measured(street.target_points).numpy())
    points = measured(street.points)[::8]

    def mean_distance(pose):
        moved = points @ pose[:3, :3].T + pose[:3, 3]
        return tree.query(moved.numpy())[0].mean()

    found = mean_distance(street.pose)
    assert found < 0.16
    assert found < 0.9 * mean_distance(torch.eye(4))
    assert found < 0.5 * mean_distance(torch.linalg.inv(street.pose))


# Aerial


def test_aerial_sizes_and_classes(aerial):
    assert aerial.points.shape == aerial.colors.shape == (110_000, 3)
    counts = aerial.labels.bincount().tolist()
    assert counts == [0, 83_893, 26_107]
    assert datasets.AERIAL_CLASSES == {1: "unclassified", 2: "ground"}


def test_aerial_is_in_metres_from_a_local_origin(aerial):
    half_step = 0.3048 / 100 / 2
    low, high = aerial.points.min(dim=0).values, aerial.points.max(dim=0).values
    assert torch.allclose(low, torch.full((3,), half_step), atol=1e-6)
    assert torch.allclose(high, torch.tensor([358.89, 171.52, 34.82]), atol=0.01)
    hundredths = aerial.points.double() / 0.3048 * 100
    assert (hundredths - hundredths.floor() - 0.5).abs().max() < 0.01


def test_aerial_ground_lies_low(aerial):
    height = aerial.points[:, 2]
    assert height[aerial.labels == 2].median() < height[aerial.labels == 1].median()


def test_aerial_colors_and_intensity(aerial):
    assert 0 <= aerial.colors.min() < aerial.colors.max() <= 1
    bytes_ = aerial.colors * 255
    assert torch.allclose(bytes_, bytes_.round(), atol=1e-4)
    assert bytes_.round().min() == 40
    assert bytes_.round().max() == 236
    assert (aerial.intensity.min(), aerial.intensity.max()) == (0, 254)


# Brain


def in_millimetres(z, y, x):
    return 2 * (z - 36), 2 * (y - 67), 2 * (x - 49)


def test_brain_shape_and_range(brain):
    assert brain.volume.shape == (95, 117, 99)
    assert brain.volume.dtype == torch.uint8
    assert (brain.volume.min(), brain.volume.max()) == (0, 238)
    assert brain.spacing == (2.0, 2.0, 2.0)


def test_brain_is_symmetric_in_x_and_in_no_other_axis(brain):
    assert torch.equal(brain.volume, brain.volume.flip(2))
    assert not torch.equal(brain.volume, brain.volume.flip(1))
    assert not torch.equal(brain.volume, brain.volume.flip(0))


def test_brain_axes_go_up_forward_and_right(brain):
    """The brain reaches 82 mm above the origin of MNI space, 74 before it and 108 behind it."""
    where = brain.volume.nonzero()
    low = in_millimetres(*where.min(dim=0).values.tolist())
    high = in_millimetres(*where.max(dim=0).values.tolist())
    assert low == (-72, -108, -72)
    assert high == (82, 74, 72)


def test_brain_stem_is_at_the_bottom_and_behind_the_middle(brain):
    stem = brain.volume[:6].nonzero().float().mean(dim=0)
    _, forward, right = in_millimetres(0, stem[1], stem[2])
    assert -60 < forward < -20
    assert abs(right) < 1e-3


# Frog


def test_frog_labels_and_names(frog):
    assert frog.labels.shape == (102, 235, 250)
    assert frog.labels.dtype == torch.int64
    counts = frog.labels.ravel().bincount(minlength=16)
    assert len(counts) == len(frog.names) == 16
    assert (counts > 500).all()
    assert counts[1:].argmax() + 1 == frog.names.index("skeleton")
    assert counts.argmax() == frog.names.index("unlabelled")


def test_frog_lies_as_its_docstring_says(frog):
    """Head at large x, back at small z, left and right along y."""
    middle = {
        tissue: (frog.labels == label).nonzero().double().mean(dim=0).tolist()
        for label, tissue in enumerate(frog.names)
    }
    assert middle["brain"][2] > middle["heart"][2] > middle["kidney"][2]
    assert middle["brain"][0] < middle["kidney"][0] < middle["heart"][0]
    eyes = (frog.labels == frog.names.index("eye retina")).nonzero()[:, 1]
    between = middle["brain"][1]
    assert (eyes < between).sum() > 1000
    assert (eyes > between).sum() > 1000


# Bunny


def test_bunny_sizes(bunny):
    assert bunny.vertices.shape == (1_839, 3)
    assert bunny.faces.shape == (3_674, 3)
    assert torch.equal(bunny.faces.unique(), torch.arange(1_839))
    extent = bunny.vertices.max(dim=0).values - bunny.vertices.min(dim=0).values
    assert torch.allclose(extent, torch.tensor([9.907325, 9.657897, 7.540472]), atol=1e-5)


def test_bunny_is_closed_and_its_faces_turn_outward(bunny):
    corners = bunny.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    directed = set(map(tuple, corners.tolist()))
    assert len(directed) == len(corners) == 3 * 3_674
    assert all((end, start) in directed for start, end in directed)
    a, b, c = bunny.vertices[bunny.faces].double().unbind(dim=1)
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert volume.item() == pytest.approx(194.288, abs=1e-2)
