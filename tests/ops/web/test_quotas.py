"""What one account may have in progress, and how logins wait for each other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import anyio
import pytest
from sqlalchemy import insert
from sqlalchemy.pool import QueuePool

from ops.web.security import quotas
from ops.web.security.quotas import Lane, Lanes, Quotas
from storage.db.database import writing
from storage.db.schema import frames, results
from tests.ops.web.serving import received, sent, serving
from tests.ops.web.site import BOTH, PASSWORD, WebSite
from tests.storage.examples import finished_frame, stored_row
from tests.waiting import PATIENCE_S, wait_until

#: Results whose CSV does not fit into the kernel's buffers.
MANY = 40_000


def fill(site: WebSite, number: int = MANY) -> None:
    """Store results."""
    with writing(site.engine) as connection:
        ids = [f"{each:032x}" for each in range(number)]
        connection.execute(insert(frames), [finished_frame(frame_id) for frame_id in ids])
        connection.execute(
            insert(results), [stored_row(frame_id, seq) for seq, frame_id in enumerate(ids)]
        )


def asked(path: str, token: str, method: str = "GET", more: str = "") -> bytes:
    """A request with an account's token."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer tw_{token}\r\n{more}\r\n"
    ).encode()


@contextmanager
def in_progress(address: tuple[str, int], *requests: bytes) -> Iterator[list[socket.socket]]:
    """Requests whose responses have begun and are not read."""
    opened = [sent(address, request, unread_bytes=4096) for request in requests]
    for connection in opened:
        assert connection.recv(15).startswith(b"HTTP/1.1 200"), "refused"
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


@BOTH
def test_exports_that_nobody_reads_hold_no_database_connection(site: WebSite) -> None:
    fill(site)
    for number in range(10):
        site.with_token(f"viewer{number}", "viewer")
    export = "/api/v1/results/export.csv"
    pool = cast(QueuePool, site.engine.pool)
    with serving(site) as address:
        requests = [asked(export, f"viewer{number % 10}") for number in range(20)]
        with in_progress(address, *requests):
            wait_until(lambda: pool.checkedout() == 0, what="the end of all transactions")
            page = received(sent(address, asked("/api/v1/results?limit=1", "viewer0")))
            assert page.startswith(b"HTTP/1.1 200 ")


def test_a_third_export_of_an_account_must_wait(site: WebSite) -> None:
    fill(site)
    site.with_token("vera", "viewer")
    site.with_token("otto", "viewer")
    csv, parquet = (f"/api/v1/results/export.{kind}" for kind in ("csv", "parquet"))
    with serving(site) as address:
        with in_progress(address, asked(csv, "vera"), asked(csv, "vera")):
            for path in (csv, parquet):
                refused = received(sent(address, asked(path, "vera")))
                assert refused.startswith(b"HTTP/1.1 429 ")
                assert b"retry-after: 5" in refused
                assert b"vera has 2 exports in progress" in refused
            with in_progress(address, asked(csv, "otto")):
                pass

        def is_free() -> bool:
            return received(sent(address, asked(csv, "vera"))).startswith(b"HTTP/1.1 200 ")

        wait_until(is_free, what="a free slot after the exports were given up")


@pytest.mark.parametrize(
    ("quota", "method", "path", "more", "ends"),
    [
        ("streams", "GET", "/api/v1/events", "", False),
        (
            "uploads",
            "POST",
            "/api/v1/images?camera=north",
            "Content-Type: image/png\r\nContent-Length: 5\r\n",
            True,
        ),
    ],
)
def test_streams_and_uploads_of_an_account_are_limited(
    site: WebSite,
    monkeypatch: pytest.MonkeyPatch,
    quota: str,
    method: str,
    path: str,
    more: str,
    ends: bool,
) -> None:
    site.with_token("anna", "reviewer")
    site.with_token("otto", "reviewer")
    limited = Quotas(**{quota: quotas.Quota("of these", of_account=2, of_all=3)})
    monkeypatch.setattr("ops.web.services.Quotas", lambda: limited)
    counted = getattr(limited, quota)
    with serving(site) as address:

        def begun(account: str) -> socket.socket:
            before = counted.in_progress
            connection = sent(address, asked(path, account, method, more))
            wait_until(lambda: counted.in_progress > before, what="the request's beginning")
            return connection

        def refused(account: str) -> bool:
            with sent(address, asked(path, account, method, more)) as connection:
                return connection.recv(100).startswith(b"HTTP/1.1 429 ")

        opened = [begun("anna"), begun("anna")]
        assert refused("anna")
        opened.append(begun("otto"))
        assert refused("otto")  # all accounts together
        for connection in opened:
            if ends:
                connection.sendall(b"abcde")
                assert received(connection).startswith(b"HTTP/1.1 422 ")  # not an image
            connection.close()
        wait_until(lambda: counted.in_progress == 0, what="free slots")


def logins(address: tuple[str, int], number: int) -> list[int]:
    """The statuses of simultaneous logins, each to another account from another address."""
    body = f"name=anna&password={PASSWORD.replace(' ', '+')}"
    request = (
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    opened = [sent(address, request, source=f"127.0.1.{each}") for each in range(number)]
    return [int(received(connection).split()[1]) for connection in opened]


def test_of_many_simultaneous_logins_a_few_wait_and_the_others_are_told_so(site: WebSite) -> None:
    site.account("anna", "viewer")
    with serving(site) as address:
        statuses = logins(address, 100)
        assert set(statuses) == {303, 503}
        assert statuses.count(303) >= 12
        assert logins(address, 3) == [303] * 3


def test_a_lane_rests_only_while_calls_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    # to see it fail: never rest, or after every call
    rests: list[float] = []
    monkeypatch.setattr("ops.web.security.quotas.time.sleep", rests.append)
    lane = Lane("logins", at_once=1, waiting=2, rest_s=0.2)
    done: list[int] = []

    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(lane.run, done.append, number)

    anyio.run(all_at_once)
    assert sorted(done) == [0, 1, 2]
    assert rests == [0.2, 0.2]


def test_waiting_logins_leave_threads_to_other_requests(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(
        "ops.web.security.access.verify_password", lambda *_: release.wait(PATIENCE_S)
    )
    lane = Lane("logins", at_once=2, waiting=98)  # for more than the server has threads
    monkeypatch.setattr("ops.web.services.Lanes", lambda: Lanes(logins=lane))
    site.with_token("vera", "viewer")
    site.account("anna", "viewer")
    found: list[int] = []
    with serving(site) as address:
        attempts = threading.Thread(target=lambda: found.extend(logins(address, 100)))
        attempts.start()
        try:
            wait_until(lambda: lane.in_progress == 100, what="the logins' turn")
            page = received(sent(address, asked("/api/v1/results", "vera")))
            assert page.startswith(b"HTTP/1.1 200 ")
        finally:
            release.set()
            attempts.join()
    assert found == [303] * 100
