"""The state directory belongs to its user alone, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.config.state_directory import StateDirectory


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def others_may(path: Path) -> int:
    """The rights of group and others."""
    return path.stat().st_mode & 0o077


def test_its_directories_are_created_for_the_user_alone(tmp_path: Path) -> None:
    StateDirectory(tmp_path / "deep" / "state").create()
    created = [path for path in (tmp_path / "deep").rglob("*") if path.is_dir()]
    assert {path.name for path in created} >= {"state", "pictures", "logs", "run"}
    assert [path for path in (tmp_path / "deep", *created) if others_may(path)] == []


def test_a_directory_that_was_there_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    StateDirectory(tmp_path).create()
    assert others_may(tmp_path) == 0o050
