import shutil

import pytest

from gather3d import datasets


@pytest.fixture
def copied_folder(tmp_path, monkeypatch):
    """A copy of the data sets' folder, to damage; `load` and `rebuild` use it."""
    folder = tmp_path / "datasets"
    shutil.copytree(datasets.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(datasets, "FOLDER", folder)
    return folder
