"""Files that may still be written."""

from __future__ import annotations

import pytest

import producer.settle
from producer.settle import Settling
from storage.frames.identity import NewFrame


def frame(path: str, size: int = 1) -> NewFrame:
    return NewFrame("cam", "/in", path, 1, size)


def test_a_file_is_due_when_it_was_watched_for_long_enough() -> None:
    settling = Settling(2.0)
    settling.watch([frame("a")], now=10.0)
    assert settling.due(now=11.9) == []
    assert settling.due(now=12.0) == [frame("a")]
    assert settling.due(now=99.0) == []
    assert len(settling) == 0


def test_seeing_a_file_again_unchanged_does_not_delay_it() -> None:
    settling = Settling(2.0)
    settling.watch([frame("a")], now=10.0)
    settling.watch([frame("a")], now=11.5)
    assert settling.due(now=12.0) == [frame("a")]


def test_a_file_that_changed_starts_again_and_those_behind_it_do_not_wait() -> None:
    settling = Settling(2.0)
    settling.watch([frame("a"), frame("b")], now=10.0)
    settling.watch([frame("a", size=2)], now=11.0)
    assert settling.due(now=12.0) == [frame("b")]
    assert settling.due(now=13.0) == [frame("a", size=2)]


def test_the_number_of_remembered_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer.settle, "MAX_REMEMBERED", 2)
    settling = Settling(2.0)
    assert settling.watch([frame("a"), frame("b")], now=0.0)
    assert not settling.watch([frame("c")], now=0.0)
    assert settling.watch([frame("a")], now=0.0)
    assert len(settling) == 2
