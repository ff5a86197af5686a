"""Steps and waits of a batch."""

from __future__ import annotations

import pytest

from worker.progress import Progress


def test_a_finished_wait_counts_as_a_step() -> None:
    progress = Progress()
    with progress.waiting():
        assert progress.is_waiting
        assert progress.steps == 0
    assert not progress.is_waiting
    assert progress.steps == 1


def test_an_interrupted_wait_is_remembered_until_the_next_step() -> None:
    # to see it fail: don't set `_interrupted` in `waiting`
    progress = Progress()
    with pytest.raises(TimeoutError), progress.waiting():
        raise TimeoutError
    assert progress.is_waiting
    progress.step()
    assert not progress.is_waiting
