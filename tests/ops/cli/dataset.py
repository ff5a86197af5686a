"""A dataset of simulated images."""

from __future__ import annotations

from pathlib import Path

from tests.scene import picture


def write_dataset(folder: Path, *, training: int, normal: int, hot: int) -> None:
    """Write a dataset in MVTec AD layout."""
    for place, first, count in (
        ("train/good", 0, training),
        ("test/good", 1000, normal),
        ("test/hot", 2000, hot),
    ):
        (folder / place).mkdir(parents=True)
        for number in range(first, first + count):
            data = picture(number, hot=place == "test/hot")
            (folder / place / f"{number}.png").write_bytes(data)
