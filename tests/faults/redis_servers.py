"""Redis as plants run it: behind TLS, or with Sentinels and a replica that they promote."""

from __future__ import annotations

import selectors
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme
from redis import Redis
from redis.exceptions import RedisError

from ops.local.redis_server import choose_server
from tests.waiting import wait_until


@contextmanager
def behind_tls(path: Path, directory: Path) -> Iterator[tuple[int, Path]]:
    """A port that speaks TLS and passes everything on to the socket `path`, and its CA's file.

    The wheel's server is built without TLS.
    """
    authority = trustme.CA()
    authority_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(authority_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_pass_on, args=(client, context, path), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], authority_file
        server.shutdown(socket.SHUT_RDWR)


def _pass_on(client: socket.socket, context: ssl.SSLContext, path: Path) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as server:
        server.connect(str(path))
        with context.wrap_socket(client, server_side=True) as secured:
            selector = selectors.DefaultSelector()
            selector.register(secured, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, secured)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)
                    while key.fileobj is secured and secured.pending():
                        key.data.sendall(secured.recv(65536))


class SentinelSetup:
    """A master, a replica of it, and the Sentinel that promotes the replica."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.master, self.replica, self.sentinel = _free_ports(3)
        self.url = f"redis+sentinel://127.0.0.1:{self.sentinel}/plant"
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all three and wait until the Sentinel knows the replica."""
        self._run(self.master, "--save", "")
        self._run(self.replica, "--save", "", "--replicaof", "127.0.0.1", str(self.master))
        settings = self.directory / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor plant 127.0.0.1 {self.master} 1\n"
            "sentinel down-after-milliseconds plant 1000\n"
            "sentinel failover-timeout plant 3000\n"
        )
        self._run(self.sentinel, "--sentinel", first=str(settings))
        wait_until(self._knows_the_replica, what="the replica's registration")

    def _run(self, port: int, *options: str, first: str = "") -> None:
        command = [str(choose_server().executable), *([first] if first else [])]
        command += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        with (self.directory / f"{port}.log").open("ab") as log:
            self.processes[port] = subprocess.Popen([*command, *options], stdout=log, stderr=log)

    def _knows_the_replica(self) -> bool:
        with suppress(RedisError, KeyError, ValueError), Redis(port=self.sentinel) as sentinel:
            (replica,) = sentinel.sentinel_slaves("plant")
            return bool(replica["master-link-status"] == "ok")
        return False

    def current_master(self) -> int:
        """The port of the master, as the Sentinel knows it."""
        with Redis(port=self.sentinel) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name("plant")[1])

    def kill_master(self) -> None:
        """``kill -9``."""
        self.processes[self.master].kill()
        self.processes[self.master].wait()

    def stop(self) -> None:
        """Stop all that are left."""
        for process in self.processes.values():
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
