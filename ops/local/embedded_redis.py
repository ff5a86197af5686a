"""The private Redis server of a state directory.

It is a real server (`ops.local.redis_server`), listens on a unix socket that only the owner can
open, and has no TCP port. Its append-only file is synced every second. Losing it loses no frame:
the queue and the windows are rebuilt from the database.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config.addresses import redis_socket, urls_for
from ops.errors import EmbeddedRedisError, StateError
from ops.local.redis_server import choose_server

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after which a command to the embedded server fails.
ANSWER_S = 2.0
#: What a server logs when it starts, and when it cannot read its append-only files.
_STARTING = re.compile(rb"(?:Redis|Valkey) is starting")
_DAMAGED = (
    b"Bad file format reading the append only file",
    b"Can't handle RDB format version",  # of another kind of server
    b"Wrong signature trying to load DB",
    b"AOF loading aborted",
    b"Error reading the RDB preamble of the AOF file",
)


def redis_command(state: Path) -> tuple[str, ...]:
    """The argument list of the server, which stays in the foreground and logs to its output.

    Raises:
        EmbeddedRedisError: no server runs here.
    """
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
        "save": "",  # no snapshots: the append-only file suffices
        "maxmemory-policy": "noeviction",
    }
    options = [word for key, value in settings.items() for word in (f"--{key}", value)]
    return (str(choose_server().executable), *options)


def prepare(state: Path) -> None:
    """Create the server's directories, and end a server that an earlier run left behind.

    Call it with the state directory locked: a server that answers is then a leftover.

    Raises:
        StateError: a directory cannot be created, or belongs to another user.
        EmbeddedRedisError: the leftover server does not end.
    """
    for folder in (state / "redis", redis_socket(state).parent):
        _private_directory(folder)
    if answers(state):
        _end_leftover(state)


def set_aside_damaged(state: Path, log: Path, *, now: float) -> Path | None:
    """Rename append-only files that the server refused to read; their new path, else None.

    Otherwise one damaged disk block would keep the server down. No frame is lost: pending frames
    are queued again from the ledger, and windows are rebuilt from the result rows. `now` (Unix s)
    becomes part of the new name.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            tail = file.read()
    except FileNotFoundError:
        return None
    latest = _STARTING.split(tail)[-1]
    if not any(words in latest for words in _DAMAGED):
        return None
    # servers before 7 have a file, which later ones move into a directory
    journals = (state / "redis" / name for name in ("appendonlydir", "appendonly.aof"))
    journal = next((path for path in journals if path.exists()), None)
    return journal and journal.rename(state / "redis" / f"appendonly.damaged-{int(now)}")


def answers(state: Path) -> bool:
    """Whether a server answers on the socket of `state` and has loaded its data."""
    from redis import RedisError

    try:
        with _client(state) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Poll `condition`.

    Raises:
        EmbeddedRedisError: it is still false after `timeout_s`; the message begins with `what`.
    """
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
            client.shutdown(nosave=True)  # writes its append-only file first
    except RedisError:
        pass  # it ended before it could answer
    wait_until(
        lambda: not answers(state),
        timeout_s=10,
        what=f"{redis_socket(state)}: the Redis server of an earlier run did not end",
    )


def _private_directory(folder: Path) -> None:
    """Create `folder` for this user alone: whoever opens the socket controls the queue."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.lstat()
    except OSError as error:
        raise StateError(f"{folder}: cannot be used: {error.strerror}") from None
    if folder.is_symlink() or owner.st_uid != os.geteuid():
        raise StateError(f"{folder}: belongs to another user; remove it or use another --data")
    folder.chmod(0o700)
