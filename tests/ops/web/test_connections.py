"""Slow clients, and too many of them."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ops.web.server import listen
from tests.ops.web.serving import received, sent, serving
from tests.ops.web.site import WebSite
from tests.waiting import PATIENCE_S, wait_until

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WHOLE = HEALTH + b"Connection: close\r\n\r\n"
#: Seconds that replace the deadlines, and after which the server checks.
SHORT_S = 0.5


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADER_S", "BODY_S", "LINGER_S", "STALL_S"):
        monkeypatch.setattr(f"ops.web.connections.{name}", SHORT_S)
    monkeypatch.setattr("ops.web.server.TICKS", 1)


def dripped(address: tuple[str, int], first: bytes) -> bytes:
    """The response to a client that goes on sending one byte at a time."""
    connection = sent(address, first)

    def drip() -> None:
        while True:
            try:
                connection.sendall(b"x")
            except OSError:
                return
            time.sleep(0.02)

    threading.Thread(target=drip, daemon=True).start()
    return received(connection)


@pytest.mark.usefixtures("_short")
def test_a_header_that_never_ends_is_answered_with_408(site: WebSite) -> None:
    with serving(site) as address:
        assert received(sent(address, HEALTH)).startswith(b"HTTP/1.1 408 ")
        assert dripped(address, HEALTH + b"X-Slow: ").startswith(b"HTTP/1.1 408 ")
        assert received(sent(address, b"")) == b""  # unused connections are just closed
        assert received(sent(address, WHOLE)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("_short")
def test_a_second_request_has_the_same_deadline(site: WebSite) -> None:
    with serving(site) as address:
        answers = received(sent(address, HEALTH + b"\r\n" + HEALTH))
        assert answers.index(b"HTTP/1.1 408 ") > answers.index(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("path", ["/login", "/api/v1/reviews", "/api/v1/images?camera=north"])
def test_a_body_that_never_ends_is_answered_with_408(site: WebSite, path: str) -> None:
    kind = "application/x-www-form-urlencoded" if path == "/login" else "image/png"
    header = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    half = f"{header}Content-Length: 4000\r\n\r\nname=a".encode()
    with serving(site) as address:
        assert received(sent(address, half)).startswith(b"HTTP/1.1 408 ")
        assert dripped(address, half).startswith(b"HTTP/1.1 408 ")
    assert not any((site.folder / "watch").rglob("*.uploading"))


def test_the_rest_of_an_unwanted_body_is_not_awaited(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.web.connections.LINGER_S", SHORT_S)
    # others must not end it
    monkeypatch.setattr("ops.web.connections.BODY_S", PATIENCE_S)
    with serving(site) as address:
        answer = dripped(address, HEALTH + b"Content-Length: 100000\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("_short")
def test_a_client_that_reads_nothing_is_disconnected(site: WebSite) -> None:
    request = b"GET /static/vendor/uplot/uPlot.iife.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(site) as address:
        # many responses on one connection fill the buffers of any kernel
        connection = sent(address, b"", unread_bytes=4096)
        assert _is_reset(connection, request)


def _is_reset(connection: socket.socket, request: bytes) -> bool:
    connection.settimeout(60)
    try:
        for _ in range(20_000):
            connection.sendall(request * 100)
    except (ConnectionResetError, BrokenPipeError):
        return True
    finally:
        connection.close()
    return False


def test_when_there_are_too_many_connections_the_idle_ones_make_room(
    site: WebSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.web.server.TICKS", 1)
    with serving(site, most=20) as address:
        half = [sent(address, HEALTH) for _ in range(200)]
        assert received(sent(address, WHOLE)).startswith(b"HTTP/1.1 200 ")
        for connection in half:
            connection.close()
        wait_until(lambda: "to make room" in caplog.text, what="a log line")
    assert len(caplog.records) < 10


def test_without_idle_ones_a_new_connection_is_refused_with_a_sentence(site: WebSite) -> None:
    events = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(site, most=3) as address:
        streams = [sent(address, events) for _ in range(3)]
        for stream in streams:
            assert stream.recv(100).startswith(b"HTTP/1.1 200 ")
        refused = received(sent(address, WHOLE))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert refused.endswith(b"too many connections; try again soon")
        streams.pop().close()

        def answers() -> bool:
            return received(sent(address, WHOLE)).startswith(b"HTTP/1.1 200 ")

        wait_until(answers, what="an answer after a connection was closed")
        for stream in streams:
            stream.close()


def test_one_client_cannot_take_all_connections(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.web.connections.MOST_OF_CLIENT", 3)
    events = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(site) as address:
        streams = [sent(address, events, source="127.0.0.2") for _ in range(3)]
        for stream in streams:
            assert stream.recv(100).startswith(b"HTTP/1.1 200 ")
        greedy = sent(address, WHOLE, source="127.0.0.2")
        assert received(greedy).startswith(b"HTTP/1.1 503 ")
        other = sent(address, WHOLE, source="127.0.0.3")
        assert received(other).startswith(b"HTTP/1.1 200 ")
        for stream in streams:
            stream.close()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Whatever needs a new file descriptor fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_file_descriptors_waiting_connections_are_closed_one_by_one() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        waiting = [sent(listener.getsockname(), b"x") for _ in range(3)]
        with no_descriptor_left():
            for _ in waiting:
                with pytest.raises(BlockingIOError):
                    listener.accept()
        assert [received(connection) for connection in waiting] == [b""] * 3
        client = sent(listener.getsockname(), b"x")
        accepted, _ = listener.accept()
        accepted.close()
        client.close()
