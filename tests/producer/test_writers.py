"""Whether a file is open for writing."""

from __future__ import annotations

from pathlib import Path

from producer.writers import surely_not_written


def test_a_closed_file_is_surely_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"image")
    assert surely_not_written(str(path))
    assert surely_not_written(str(path))  # the first look left no lease


def test_a_file_open_for_writing_may_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.write(b"half")
        file.flush()
        assert not surely_not_written(str(path))
    assert surely_not_written(str(path))


def test_what_cannot_be_opened_may_be_written(tmp_path: Path) -> None:
    assert not surely_not_written(str(tmp_path / "missing.png"))
