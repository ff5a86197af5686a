"""Uploads in every manner end complete, and never show part of a file under its final name."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ops.demo.uploader import MANNERS, Manner, Uploader, upload_as_dotfile, upload_as_part

DATA = bytes(range(256)) * 40


def test_every_upload_arrives_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    uploader = Uploader(tmp_path, seed=1, chunk_bytes=1000, pause_s=0)
    names = [f"frame-{n}.png" for n in range(12)]
    for name in names:
        assert uploader.upload("cam-1", name, DATA).read_bytes() == DATA
    assert sorted(path.name for path in (tmp_path / "cam-1").iterdir()) == sorted(names)


@pytest.mark.parametrize("manner", [upload_as_part, upload_as_dotfile])
def test_a_renaming_upload_has_its_final_name_only_when_complete(
    tmp_path: Path, manner: Manner
) -> None:
    path = tmp_path / "frame.png"
    sender = threading.Thread(
        target=manner, args=(path, DATA), kwargs={"chunk_bytes": 256, "pause_s": 0.001}
    )
    sender.start()
    sizes = set()
    while sender.is_alive():
        if path.exists():
            sizes.add(path.stat().st_size)
    sender.join()
    assert sizes <= {len(DATA)}
    assert path.read_bytes() == DATA


def test_seed_and_name_determine_the_manner(tmp_path: Path) -> None:
    def chosen(seed: int) -> list[Manner]:
        return [Uploader(tmp_path, seed=seed).manner(f"{n}.png") for n in range(30)]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    assert set(chosen(1)) == set(MANNERS)


def test_a_truncated_upload_leaves_the_first_half(tmp_path: Path) -> None:
    path = Uploader(tmp_path, seed=1).upload_truncated("cam-1", "bad.png", DATA)
    assert path.read_bytes() == DATA[: len(DATA) // 2]
