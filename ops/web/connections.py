"""The server's connections: how many there may be, and how long they wait for a client.

uvicorn itself waits without limit for a request's header, for its body, and for a client that does
not read its response. Here each of these has a deadline, and when there are too many connections,
those that wait for a request make room first.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import time
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from math import inf
from typing import Any, Final

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ops.web.security.proxies import TrustedProxies, client_of

log = logging.getLogger(__name__)

#: Seconds for a request's whole header, from the connection or the end of the last response.
HEADER_S: Final = 10.0
#: Seconds for which a request's body may pause.
BODY_S: Final = 20.0
#: Least bytes per second of a body, on average; `BODY_S` is granted on top.
BODY_BYTES_S: Final = 1024
#: Seconds for the rest of a body that is no longer wanted, because the response has been sent.
LINGER_S: Final = 5.0
#: Seconds for which a client may read nothing of a response that waits for it.
STALL_S: Final = 30.0
#: Most open connections. An open page takes one for live updates and up to five for requests.
MOST: Final = 1000
#: Most of one client, that is an IPv4 address or an IPv6 /64. Trusted proxies have no such limit.
MOST_OF_CLIENT: Final = 500
#: File descriptors for everything else: database, files, and connections being accepted.
SPARE_FILES: Final = 400
#: Seconds between two log lines about the same.
LOG_S: Final = 60.0

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 36\r\n"
    b"Retry-After: 5\r\nConnection: close\r\n\r\ntoo many connections; try again soon"
)


def most_connections() -> int:
    """How many connections this process may have; raises its limit of open files for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limit = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft)
    return max(limit - SPARE_FILES, limit // 2)


class Connections:
    """All open connections. Everything runs on the server's event loop."""

    def __init__(self, most: int, trusted: TrustedProxies) -> None:
        self._most = most
        self._trusted = trusted
        self._clients: dict[Connection, str] = {}
        self._numbers: Counter[str] = Counter()  # connections by client
        self._ended: Counter[str] = Counter()  # why connections were ended since the last log line
        self._logged_at = -inf

    def admit(self, connection: Connection, address: str) -> bool:
        """Count a new connection; False if it must be refused."""
        client = client_of(address)
        candidates = None
        if len(self._clients) >= self._most:
            candidates = list(self._clients)
        elif self._numbers[client] >= MOST_OF_CLIENT and address not in self._trusted:
            candidates = [one for one, of in self._clients.items() if of == client]
        if candidates is not None and not self._make_room(candidates):
            return False
        self._clients[connection] = client
        self._numbers[client] += 1
        return True

    def discard(self, connection: Connection) -> None:
        """Count a connection no longer."""
        client = self._clients.pop(connection, None)
        if client is not None:
            self._numbers[client] -= 1
            if not self._numbers[client]:
                del self._numbers[client]

    def _make_room(self, candidates: list[Connection]) -> bool:
        """Close the connection that has been idle longest; False if none is idle."""
        waiting = [one for one in candidates if one.is_waiting]
        if not waiting:
            self.ended("refused, because there were too many")
            return False
        oldest = min(waiting, key=lambda one: one.waits_since)
        self.discard(oldest)
        self.ended("without a request, to make room")
        oldest.transport.close()
        return True

    def ended(self, reason: str) -> None:
        """Note for the log why a connection was ended."""
        self._ended[reason] += 1

    def check(self) -> None:
        """End the connections whose clients are too slow. To be called about once a second."""
        for connection in list(self._clients):
            connection.check()
        now = time.monotonic()
        if self._ended and now - self._logged_at >= LOG_S:
            reasons = ", ".join(f"{number} {reason}" for reason, number in self._ended.items())
            log.warning("connections ended: %s", reasons)
            self._ended.clear()
            self._logged_at = now


class Connection(H11Protocol):
    """One connection: uvicorn's, with deadlines."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        everybody: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._everybody = everybody
        self._stage: tuple[object, ...] = ()
        self.waits_since = self._read_at = self.loop.time()
        self._until = inf
        self._unread = 0  # bytes that the client had not read at the last check
        self._resumed = False  # whether it has read enough since then

    @property
    def is_waiting(self) -> bool:
        """Whether no request is in progress."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._everybody.admit(self, self.client[0] if self.client else ""):
            self._note_progress(0)
        else:
            transport.write(_BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._everybody.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._note_progress(len(data))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note_progress(0)

    def resume_writing(self) -> None:
        self._resumed = True
        super().resume_writing()

    def _note_progress(self, received: int) -> None:
        """Set the deadline: of a stage as a whole, except that a body's parts prolong it."""
        now = self.loop.time()
        answered = self.cycle is not None and self.cycle.response_complete
        stage = (self.conn.their_state, self.cycle, answered)
        sends_body = self.conn.their_state is h11.SEND_BODY
        if stage != self._stage:
            self._stage, self.waits_since = stage, now
            allowed_s = HEADER_S if self.conn.their_state is h11.IDLE else inf
            if sends_body:
                allowed_s = LINGER_S if answered else BODY_S
            self._until = now + allowed_s
        elif sends_body and not answered:
            self._until = min(now + BODY_S, self._until + received / BODY_BYTES_S)

    def check(self) -> None:
        """End the connection if its client is too slow."""
        now, unread = self.loop.time(), self.transport.get_write_buffer_size()
        if unread < self._unread or not unread or self._resumed:
            self._read_at = now
        self._unread, self._resumed = unread, False
        if now - self._read_at > STALL_S:
            self._everybody.ended("because the client stopped reading")
            self.transport.abort()
        elif now > self._until and not self.transport.is_closing():
            if self.flow.read_paused:  # it is the server that takes its time
                self._until = now + BODY_S
            else:
                self._time_out()

    def _time_out(self) -> None:
        self._until = inf
        answering = self.cycle is not None and not self.cycle.response_complete
        partial = answering or self.conn.trailing_data[0]
        if not partial:  # unused, or with the rest of a body that was answered long ago
            self.transport.close()
            return
        self._everybody.ended("because the request was not complete in time")
        if answering and self.cycle.response_started:
            self.transport.abort()
            return
        text = b"the request was not complete in time"
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        headers.append(("Connection", "close"))
        reason = HTTPStatus.REQUEST_TIMEOUT.phrase.encode()
        for event in (
            h11.Response(status_code=408, headers=headers, reason=reason),
            h11.Data(data=text),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        if answering:
            self.cycle.disconnected = True  # tells the application, which waits for the body
            self.cycle.message_event.set()


class Listener(socket.socket):
    """A listening socket that outlives a lack of file descriptors.

    Without one, a waiting connection can be neither accepted nor refused, and the event loop would
    try and log it again and again. So one descriptor is kept to accept and close it with.
    """

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._spare: int | None = _any_descriptor()

    def accept(self) -> tuple[socket.socket, Any]:
        """A connection; raises `BlockingIOError` also if there is no descriptor for it."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            log.warning("a connection was closed at once: %s", error.strerror)
            self._release()
            with suppress(OSError):  # it is gone, or another thread took the descriptor
                super().accept()[0].close()
            self._spare = _any_descriptor()
            raise BlockingIOError(errno.EAGAIN, error.strerror) from error

    def close(self) -> None:
        """Close the socket."""
        super().close()
        self._release()

    def _release(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


def _any_descriptor() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


class RareLines(logging.Filter):
    """Passes each warning once in `LOG_S`, because clients can cause any number of them."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if record.levelno != logging.WARNING:
            return True
        if now - self._passed_at.get(str(record.msg), -inf) < LOG_S:
            return False
        self._passed_at[str(record.msg)] = now
        return True
