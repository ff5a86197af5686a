"""Clients of the dashboard that are slow, greedy or many."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import insert

from ops.web.security.hashing import hash_password
from storage.accounts import add_account
from storage.audit_log import PROGRAM
from storage.db.database import migrate, writing
from storage.db.schema import frames, results
from storage.tokens import add_token
from tests.faults.site import START_S, Site
from tests.ops.web.serving import received, sent
from tests.storage.examples import finished_frame, stored_row
from tests.waiting import wait_until

#: Results whose CSV does not fit into the kernel's buffers.
RESULTS = 40_000
#: Viewers, each with two exports that are not read.
VIEWERS = 10
HALF_OPEN, LOGINS, WALLS = 200, 200, 50
#: Seconds between a response and the next request of the same client: what Retry-After says.
PAUSE_S = 5.0
PASSWORD = "correct horse"

Address = tuple[str, int]


def request(path: str, *headers: str, body: str = "") -> bytes:
    """A request after which the server closes the connection."""
    method = "POST" if body else "GET"
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        *headers,
        *([f"Content-Length: {len(body)}"] if body else []),
    )
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


def login(password: str = PASSWORD) -> bytes:
    """The request of the login form."""
    form = "Content-Type: application/x-www-form-urlencoded"
    return request("/login", form, body=f"name=vera&password={password.replace(' ', '+')}")


def status(answer: bytes) -> int:
    """The status of a response; 0 if there was none."""
    return int(answer.split()[1]) if answer else 0


HEALTH = request("/healthz")
EXPORT, WALL = "/api/v1/results/export.csv", "/api/v1/cameras"


def token(number: int) -> str:
    """The header of a viewer."""
    return f"Authorization: Bearer tw_viewer{number}"


def fill(site: Site) -> None:
    """Add results and accounts."""
    migrate(site.engine)
    with writing(site.engine) as connection:
        ids = [f"{each:032x}" for each in range(RESULTS)]
        connection.execute(insert(frames), [finished_frame(frame_id) for frame_id in ids])
        rows = [stored_row(frame_id, seq) for seq, frame_id in enumerate(ids)]
        connection.execute(insert(results), rows)
    add_account(site.engine, "vera", "viewer", hash_password(PASSWORD), now=1.0)
    for number in range(VIEWERS):
        add_account(site.engine, f"viewer{number}", "viewer", "no hash", now=1.0)
        name = f"viewer{number}"
        add_token(
            site.engine,
            name,
            f"tw_{name}",
            name="crowd",
            scope=None,
            expires_at=None,
            now=1.0,
            by=PROGRAM,
        )


def serve(site: Site, *under: str | Path) -> Address:
    """Start the server; return its address."""
    site.data.mkdir()
    site.start("server", "serve", "--port", "0", under=list(map(str, under)))
    wait_until(lambda: "dashboard at" in site.log("server"), START_S, "an address")
    (port,) = re.findall(r"dashboard at http://127\.0\.0\.1:(\d+)", site.log("server"))
    address = ("127.0.0.1", int(port))
    assert status(received(sent(address, HEALTH))) == 200
    return address


@contextmanager
def opened(
    address: Address, *requests: bytes, unread_bytes: int = 0
) -> Iterator[list[socket.socket]]:
    """Connections on which these were sent."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(sent(address, data, source="127.0.0.2", unread_bytes=unread_bytes))
            for data in requests
        ]


@contextmanager
def repeated(*actions: Callable[[], object]) -> Iterator[None]:
    """Do all of these at once, and each again `PAUSE_S` after it ended."""
    ended = threading.Event()

    def repeat(action: Callable[[], object]) -> None:
        action()
        while not ended.wait(PAUSE_S):
            action()

    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def half_open(address: Address) -> Iterator[list[socket.socket]]:
    """Connections whose requests are never completed."""
    with opened(address, *[HEALTH[:-2], login()[:-2]] * (HALF_OPEN // 2)) as half:
        yield half


@contextmanager
def crowding(address: Address) -> Iterator[set[int]]:
    """Exports that nobody reads, and logins and walls all at once, again and again.

    Yields the statuses of the answers to logins and walls so far.
    """
    statuses: set[int] = set()

    def log_in(number: int) -> Callable[[], None]:
        source = f"127.0.1.{number}"  # failed logins of one address would soon be refused
        return lambda: statuses.add(status(received(sent(address, login(), source=source))))

    def look(number: int) -> Callable[[], None]:
        wall = request(WALL, token(number % VIEWERS))
        return lambda: statuses.add(status(received(sent(address, wall, source="127.0.0.3"))))

    asked = [request(EXPORT, token(number % VIEWERS)) for number in range(2 * VIEWERS)]
    clients = repeated(*map(log_in, range(LOGINS)), *map(look, range(WALLS)))
    with opened(address, *asked, unread_bytes=4096) as exports, clients:
        for export in exports:
            assert status(export.recv(15)) == 200
        yield statuses
