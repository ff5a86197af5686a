"""Which files are frames, and which camera they come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.config import ProducerConfig
from producer.naming import WatchRoot, is_frame_name, is_ignored
from storage.files.paths import text_to_path


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "A.PNG",
        "b.JpEg",
        "c.tiff",
        "m.csv",
        "no space .png",
        "\n.jpg",
        "\udcff.bmp",
        "a..png",
    ],
)
def test_names_with_an_image_suffix_are_frames(name: str) -> None:
    assert is_frame_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".png",  # a dotfile without a suffix
        ".a.png",
        "a.png.tmp",
        "a.png.PART",
        "a.png.filepart",
        "a.png.uploading",
        "a.txt",
        "png",
        "a",
        "a.png ",
        "a.png~",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not is_frame_name(name)


def test_unfinished_and_hidden_directories_are_ignored() -> None:
    assert is_ignored(".snapshots")
    assert is_ignored("2024-05-01.Part")
    assert not is_ignored("2024-05-01")
    assert not is_ignored("parts")


@given(st.binary(min_size=1, max_size=255))
def test_any_name_is_accepted_or_ignored_without_error(name: bytes) -> None:
    assert is_frame_name(os.fsdecode(name)) in (True, False)


def test_a_camera_is_the_first_directory_below_the_root(tmp_path: Path) -> None:
    root = WatchRoot.at(tmp_path / "in", {})
    assert root.camera_of("roof") == "roof"
    assert root.camera_of("roof/2024/05") == "roof"
    assert root.camera_of("") == "in"


def test_a_camera_with_a_name_that_is_not_unicode_has_a_name_in_text_form(tmp_path: Path) -> None:
    assert WatchRoot.at(tmp_path, {}).camera_of(os.fsdecode(b"K\xfchler")) == r"K\xfchler"


def test_configured_cameras_come_first_and_the_innermost_directory_counts(tmp_path: Path) -> None:
    root = WatchRoot.at(
        tmp_path / "in",
        {
            "line": Path("hall/line-1"),
            "oven": tmp_path / "in" / "hall" / "line-1" / "oven",
            "elsewhere": tmp_path / "other",
        },
    )
    assert root.camera_of("hall/line-1") == "line"
    assert root.camera_of("hall/line-1/a") == "line"
    assert root.camera_of("hall/line-1/oven/a") == "oven"
    assert root.camera_of("hall/line-10") == "hall"
    assert root.camera_of("") == "in"


def test_a_root_can_be_one_camera_as_a_whole(tmp_path: Path) -> None:
    root = WatchRoot.at(tmp_path / "in", {"kiln": tmp_path / "in"})
    assert root.camera_of("") == root.camera_of("a/b") == "kiln"


def test_a_frame_is_described_by_its_file(tmp_path: Path) -> None:
    name = os.fsdecode(b"cam/new\nline \xff.png")
    file = tmp_path / name
    file.parent.mkdir()
    file.write_bytes(b"12345")
    frame = WatchRoot.at(tmp_path, {}).frame_at(name)
    assert frame is not None
    assert (frame.camera, frame.root, frame.size) == ("cam", str(tmp_path), 5)
    assert frame.mtime_ns == file.stat().st_mtime_ns
    assert text_to_path(frame.path) == name


def test_only_regular_files_are_frames(tmp_path: Path) -> None:
    (tmp_path / "dir.png").mkdir()
    (tmp_path / "real.png").touch()
    (tmp_path / "link.png").symlink_to("real.png")
    os.mkfifo(tmp_path / "fifo.png")
    root = WatchRoot.at(tmp_path, {})
    for name in ("dir.png", "link.png", "fifo.png", "gone.png", "real.png/a.png"):
        assert root.frame_at(name) is None
    assert root.frame_at("real.png") is not None


def test_a_date_beyond_the_columns_range_is_clamped(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.touch()
    os.utime(file, (0, 2**34 - 2**20))  # the year 2514
    if file.stat().st_mtime_ns < 2**63:
        pytest.skip("this file system holds no such date")
    frame = WatchRoot.at(tmp_path, {}).frame_at("a.png")
    assert frame is not None
    assert frame.mtime_ns == 2**63 - 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"roots": ()}, "roots"),
        ({"max_batch": 0}, "max_batch"),
        ({"max_depth": 0}, "max_depth"),
        ({"max_delay_ms": -1}, "max_delay_ms"),
        ({"settle_s": 0}, "settle_s"),
        ({"lease_s": float("nan")}, "lease_s"),
        ({"observer": "fsevents"}, "observer"),
    ],
)
def test_invalid_settings_are_rejected_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ProducerConfig(**{"roots": (Path("in"),), **change})  # type: ignore[arg-type]


def test_nested_roots_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"):
        ProducerConfig(roots=(tmp_path, tmp_path / "a"))
    with pytest.raises(ValueError, match="inside"):
        ProducerConfig(roots=(tmp_path, tmp_path))
