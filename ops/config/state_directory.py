"""The state directory: what lies where in it, and that one `up` at a time runs on it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.errors import StateError


@dataclass(frozen=True)
class StateDirectory:
    """Everything that one installation keeps on this machine."""

    root: Path

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        return self.root / "run" / "lock"

    def create(self) -> None:
        """Raises `StateError` when it cannot be made or written."""
        if "?" in str(self.root):
            raise StateError(f"{self.root}: a '?' cannot be part of --data (database addresses)")
        try:
            for folder in (self.pictures, self.logs, self.lock.parent):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{error.filename}: cannot be made: {error.strerror}") from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StateError(f"{self.root}: not writable for this user")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by the one `up` of this directory; freed by the kernel however that ends."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{self.lock}: cannot be opened: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
                raise StateError(
                    f"{self.root}: already in use by `thermalwatch up` (process {holder}); "
                    "stop that one first, or give another --data"
                ) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
            yield
        finally:
            os.close(descriptor)
