"""Folders of images and the MVTec layout."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.thermal.plates import plates, write_images
from thermal.decode import DecodeOptions
from thermal.detection.frame_kind import FrameKind
from thermal.errors import DatasetError, TrainingError
from thermal.training.dataset import (
    list_images,
    offset_and_span,
    read_test_set,
    read_training_images,
    training_folder,
)


def test_images_are_listed_in_order_and_hidden_or_foreign_files_are_not(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "a/9.jpg", "b/10.tiff", ".cache/1.png", "a/.2.png", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert names == ["a/9.jpg", "b/10.tiff", "b/2.PNG"]


def test_a_folder_that_is_missing_or_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a folder"):
        list_images(tmp_path / "absent")
    with pytest.raises(DatasetError, match="no images"):
        list_images(tmp_path)


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    home = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.chdir(home)
    (tmp_path / "a.png").touch()
    with pytest.raises(DatasetError, match="ddd cannot be listed: File name too long"):
        list_images(tmp_path)


def test_mvtec_layout_is_read_by_defect_class(tmp_path: Path) -> None:
    write_images(tmp_path / "train" / "good", plates(3, seed=0))
    write_images(tmp_path / "test" / "good", plates(2, seed=1))
    write_images(tmp_path / "test" / "cell", plates(4, seed=2))
    write_images(tmp_path / "test" / "diode", plates(1, seed=3))
    tests = read_test_set(tmp_path)
    assert len(tests.normal) == 2
    assert {name: len(paths) for name, paths in tests.defects.items()} == {"cell": 4, "diode": 1}
    assert training_folder(tmp_path) == tmp_path / "train" / "good"
    assert training_folder(tmp_path / "test" / "good") == tmp_path / "test" / "good"


def test_a_test_set_without_defects_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(2, seed=1))
    with pytest.raises(DatasetError, match="no defect folder"):
        read_test_set(tmp_path)


def test_training_images_share_one_offset_and_span(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(50, seed=4))
    dataset = read_training_images(paths, None, DecodeOptions())
    assert dataset.images.shape == (50, 24, 16)
    assert dataset.normalization.offset == pytest.approx(120, abs=3)
    assert np.median(dataset.images) == pytest.approx(0, abs=1e-6)
    assert dataset.names[0] == "000.png"


def test_offset_and_span_are_not_moved_by_hot_outliers() -> None:
    values = np.random.default_rng(0).normal(30, 2, (100, 8, 8)).astype(np.float32)
    values[0] = 500
    offset, span = offset_and_span(values)
    assert offset == pytest.approx(30, abs=0.2)
    assert span == pytest.approx(2, abs=0.1)


def test_images_of_one_constant_value_teach_nothing() -> None:
    with pytest.raises(TrainingError, match="nothing to learn"):
        offset_and_span(np.full((3, 8, 8), 7, np.float32))


def test_the_fingerprint_follows_names_and_content(tmp_path: Path) -> None:
    def fingerprint(folder: Path) -> str:
        return read_training_images(list_images(folder), None, DecodeOptions()).fingerprint

    for name in ("a", "b", "c"):
        write_images(tmp_path / name, plates(4, seed=5))
    (tmp_path / "c" / "003.png").rename(tmp_path / "c" / "004.png")
    original = fingerprint(tmp_path / "a")
    assert fingerprint(tmp_path / "b") == original
    assert fingerprint(tmp_path / "c") != original
    write_images(tmp_path / "b", plates(4, seed=6))
    assert fingerprint(tmp_path / "b") != original


def test_files_that_are_not_images_are_left_out_and_named(tmp_path: Path) -> None:
    write_images(tmp_path, plates(6, seed=7))
    (tmp_path / "001.png").write_bytes(b"not an image")
    dataset = read_training_images(list_images(tmp_path), None, DecodeOptions())
    assert dataset.unreadable == ("001.png",)
    assert len(dataset.images) == 5


def test_a_folder_of_damaged_files_is_refused(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path in paths:
        path.write_bytes(b"not an image")
    with pytest.raises(TrainingError, match="can be read"):
        read_training_images(paths, None, DecodeOptions())


def test_images_of_different_units_cannot_be_learned_together(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(3, seed=8))
    matrix = tmp_path / "z.csv"
    matrix.write_text("\n".join(",".join("21.5" for _ in range(16)) for _ in range(24)) + "\n")
    with pytest.raises(TrainingError, match="one model a unit"):
        read_training_images([*paths, matrix], (24, 16), DecodeOptions())


def test_images_of_another_shape_or_depth_are_left_out_and_named(tmp_path: Path) -> None:
    images = plates(40, seed=7)
    write_images(tmp_path, images)
    cv2.imwrite(str(tmp_path / "003.png"), images[3].T)
    cv2.imwrite(str(tmp_path / "030.png"), images[30].astype(np.uint16) * 250)
    dataset = read_training_images(list_images(tmp_path), None, DecodeOptions())
    assert dataset.mismatched == ("003.png", "030.png")
    assert len(dataset.images) == len(dataset.names) == 38
    assert dataset.frames == FrameKind(24, 16, 8)


def test_a_folder_of_two_shapes_is_refused(tmp_path: Path) -> None:
    images = plates(20, seed=7)
    write_images(tmp_path, images)
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), images[number].T)
    with pytest.raises(TrainingError, match=r"5 of 20 images have another shape.*as 000.png"):
        read_training_images(list_images(tmp_path), None, DecodeOptions())


def test_pixels_out_of_range_do_not_outweigh_the_others(tmp_path: Path) -> None:
    celsius = np.random.default_rng(0).normal(20, 1, (8, 24, 16)).astype(np.float32)
    celsius[0, 0, 0], celsius[1, 0, 0] = np.inf, -np.inf
    for number, values in enumerate(celsius):
        cv2.imwrite(str(tmp_path / f"{number}.tif"), values)
    images = read_training_images(list_images(tmp_path), None, DecodeOptions()).images
    assert images[0, 0, 0] == images[0].max() < 10
    assert images[1, 0, 0] == images[1].min() > -10
