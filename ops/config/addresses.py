"""URLs of Redis and the database: those of a state directory."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from storage.redaction import redact

#: Longest path of a unix socket, in bytes, on every system (limits: Linux 108, macOS 104).
SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class Urls:
    """URLs of the two services. They may hold passwords, so `repr` hides those."""

    redis_url: str
    database_url: str

    def __repr__(self) -> str:
        return f"Urls({redact(self.redis_url)!r}, {redact(self.database_url)!r})"


def urls_for(state: Path) -> Urls:
    """URLs of the embedded services of state directory `state`. Starts and checks nothing."""
    state = state.absolute()
    return Urls(
        redis_url=f"unix://{quote(str(redis_socket(state)))}?db=0",
        database_url=f"sqlite:///{state / 'thermalwatch.db'}",
    )


def redis_socket(state: Path) -> Path:
    """The server's socket: in `state`/run, or below /tmp where that path would be too long."""
    state = state.absolute()
    plain = state / "run" / "redis.sock"
    if len(os.fsencode(plain)) < SOCKET_PATH_BYTES:
        return plain
    digest = hashlib.blake2b(os.fsencode(state.resolve()), digest_size=8).hexdigest()
    # not TMPDIR: it may be long too, and differs between shells
    return Path("/tmp") / f"thermalwatch-{digest}" / "redis.sock"  # noqa: S108 (made 0700)
