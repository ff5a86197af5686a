"""A server with real connections, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from ops.web.connections import MOST, Connections
from ops.web.security.proxies import Network, TrustedProxies
from ops.web.server import listen, make_server
from tests.ops.web.site import WebSite
from tests.waiting import PATIENCE_S, wait_until


@contextmanager
def serving(
    site: WebSite, *, most: int = MOST, trusted: Sequence[Network] = ()
) -> Iterator[tuple[str, int]]:
    """Serve the site on a free port; yields the address."""
    server = make_server(site.new_services(), Connections(most, TrustedProxies(trusted)))
    with closing(listen("127.0.0.1", 0)) as listener:
        running = threading.Thread(target=server.run, args=([listener],))
        running.start()
        try:
            wait_until(lambda: server.started, what="the start of the server")
            yield listener.getsockname()
        finally:
            server.should_exit = True
            running.join(PATIENCE_S)


def sent(
    address: tuple[str, int], data: bytes, *, source: str = "", unread_bytes: int = 0
) -> socket.socket:
    """A connection on which `data` was sent, from the address `source`.

    With `unread_bytes`, the kernel holds about so many of the response for it.
    """
    connection = socket.socket()
    connection.settimeout(PATIENCE_S)
    if unread_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread_bytes)
    if source:
        connection.bind((source, 0))
    connection.connect(address)
    connection.sendall(data)
    return connection


def received(connection: socket.socket) -> bytes:
    """Everything that comes until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    finally:
        connection.close()
    return b"".join(parts)
