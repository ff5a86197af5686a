"""The state directory: its layout, and the lock that allows one `up` at a time."""

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
    """Where an installation keeps its files on this machine."""

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
        """Create any missing directories, accessible to this user only.

        Raises:
            StateError: it cannot be created or written.
        """
        if "?" in str(self.root):
            raise StateError(f"{self.root}: --data must not contain '?' (special in URLs)")
        try:
            for folder in (self.pictures, self.logs, self.lock.parent):
                create_private(folder)
        except OSError as error:
            raise StateError(f"{error.filename}: cannot be created: {error.strerror}") from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StateError(f"{self.root}: no write permission")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the one `up` of this directory. The kernel frees it even after SIGKILL.

        Raises:
            StateError: another `up` holds it, or its file cannot be opened.
        """
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
                    "stop it first, or give another --data"
                ) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
            yield
        finally:
            os.close(descriptor)


def create_private(folder: Path) -> None:
    """Create a directory and its parents where missing, with mode 0700 whatever the umask."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def keep_files_private() -> None:
    """Give the files that this process and its children create mode 0600, and directories 0700."""
    os.umask(0o077)
