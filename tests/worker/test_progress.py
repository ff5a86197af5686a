"""Steps, and what is only waited for."""

from __future__ import annotations

import pytest

from worker.progress import Progress


def test_a_wait_that_ends_is_a_step() -> None:
    progress = Progress()
    with progress.waiting():
        assert progress.is_waiting
        assert progress.steps == 0
    assert not progress.is_waiting
    assert progress.steps == 1


def test_an_interrupted_wait_is_remembered_until_the_work_goes_on() -> None:
    # to see it fail: forget in `waiting` that it was left by an exception
    progress = Progress()
    with pytest.raises(TimeoutError), progress.waiting():
        raise TimeoutError
    assert progress.is_waiting
    progress.step()
    assert not progress.is_waiting
