"""Outages of services."""

from __future__ import annotations

import logging
import threading

import pytest

from producer.outage import FIRST_PAUSE_S, LONGEST_PAUSE_S, Outage, Stopping


def service(returns: list[None]) -> Outage:
    return Outage(
        "the service", ConnectionError, on_return=lambda: returns.append(None), check=lambda: None
    )


def test_an_outage_and_its_end_are_each_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    returns: list[None] = []
    outage = service(returns)
    for _ in range(5):
        outage.failed(ConnectionError("refused"))
        assert outage.down
    outage.answered()
    outage.answered()
    assert not outage.down
    assert len(returns) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "refused" in caplog.messages[0]
    assert "back" in caplog.messages[1]


def test_pauses_grow_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("producer.outage.time.monotonic", lambda: now)
    outage = service([])
    pauses = []
    for _ in range(10):
        pauses.append(outage.failed(ConnectionError()))
        now += pauses[-1]
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert sum(pauses[:6]) < 10


def test_an_action_is_repeated_until_it_succeeds() -> None:
    attempts: list[None] = []

    def action() -> str:
        attempts.append(None)
        if len(attempts) < 3:
            raise ConnectionError
        return "done"

    returns: list[None] = []
    assert service(returns).outlast(action, threading.Event()) == "done"
    assert len(attempts) == 3
    assert len(returns) == 1


def test_a_service_that_works_only_partly_is_not_back() -> None:
    attempts: list[None] = []

    def check() -> None:
        attempts.append(None)
        if len(attempts) < 3:
            raise ConnectionError

    outage = Outage("the service", ConnectionError, on_return=lambda: None, check=check)
    outage.failed(ConnectionError())
    with pytest.raises(ConnectionError):
        outage.answered()
    assert outage.down
    assert outage.outlast(lambda: "read", threading.Event()) == "read"
    assert not outage.down
    assert len(attempts) == 3


def test_waiting_for_a_service_ends_when_the_producer_stops() -> None:
    stop = threading.Event()
    stop.set()

    def action() -> None:
        raise ConnectionError

    with pytest.raises(Stopping):
        service([]).outlast(action, stop)


def test_an_error_of_another_kind_is_no_outage() -> None:
    def action() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        service([]).outlast(action, threading.Event())
