"""A model and images for the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scene import picture
from thermal.detection.bundle import Bundle, save_bundle


@pytest.fixture
def model(bundle: Bundle, tmp_path: Path) -> Path:
    """The directory of a model bundle."""
    save_bundle(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images of each of two cameras, one of `east` hot; a broken file and an empty one."""
    folder = tmp_path / "images"
    for camera in ("east", "west"):
        (folder / camera).mkdir(parents=True)
        for number in range(10):
            hot = camera == "east" and number == 7
            (folder / camera / f"{number}.png").write_bytes(picture(500 + number, hot=hot))
    (folder / "west" / "broken.png").write_bytes(picture(1)[:200])
    (folder / "west" / "=empty.png").touch()
    return folder
