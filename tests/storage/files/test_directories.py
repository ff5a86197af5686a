"""Directories beneath a root are opened and made without following links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.files.directories import directory_beneath
from storage.files.paths import OutsideRoot


def test_missing_directories_are_made(tmp_path: Path) -> None:
    with directory_beneath(str(tmp_path), "a/b") as directory:
        os.close(os.open("x", os.O_WRONLY | os.O_CREAT, dir_fd=directory))
    assert (tmp_path / "a" / "b" / "x").is_file()


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with directory_beneath(str(tmp_path / "link"), "a"):
        assert (tmp_path / "real" / "a").is_dir()


@pytest.mark.parametrize("relative", ["/etc", "..", "a/../..", "link", "link/a", "a\0b"])
def test_no_path_leaves_the_root(tmp_path: Path, relative: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / "link").symlink_to(elsewhere)
    with pytest.raises(OutsideRoot), directory_beneath(str(root), relative):
        pass
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_the_place_of_a_directory_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError), directory_beneath(str(tmp_path), "a/b"):
        pass


def test_what_was_made_for_a_failure_is_removed_unless_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(RuntimeError), directory_beneath(str(tmp_path), "there/a/b"):
        raise RuntimeError
    assert list((tmp_path / "there").iterdir()) == []
    with pytest.raises(RuntimeError), directory_beneath(str(tmp_path), "c/d"):
        (tmp_path / "c" / "other").touch()
        raise RuntimeError
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["other"]
