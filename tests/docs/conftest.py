"""A folder to run snippets in, with the images that they speak of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medimg_cnn.data.phantoms import make_phantoms


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """A folder with ``phantoms/``."""
    folder = tmp_path_factory.mktemp("snippets")
    make_phantoms(folder / "phantoms", patients=60, image_size=32, seed=1)
    return folder


@pytest.fixture
def workplace(images, tmp_path, monkeypatch) -> Path:
    """An own copy of that folder, and the current one."""
    shutil.copytree(images, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"
