"""The artifact store: pictures and values as files below one directory, written atomically."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Literal

from storage.errors import UnsafePath

#: What a picture shows; `sheet` combines the other four.
PictureKind = Literal["original", "reconstruction", "heatmap", "overlay", "sheet"]

#: Prefix of temporary file names. A killed process leaves at most one such file; old ones can be
#: deleted.
TEMPORARY_PREFIX = ".writing-"

#: Directory names longer than this are shortened; file systems allow 255 bytes.
_LONGEST_NAME = 120

#: Attempts to create a file whose directory is deleted at the same time.
_ATTEMPTS = 3

_UNSAFE = re.compile(rb"[^A-Za-z0-9._-]")


class ArtifactStore:
    """Files below the directory `root`, addressed by relative paths with ``/``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, relative: str) -> Path:
        """Return the file's resolved path. Raises `UnsafePath` if it is outside the root."""
        root = self.root.resolve()
        # reject ".." before resolving: if `a` is a link, `a/../b` is ambiguous
        if not relative or "\0" in relative or ".." in relative.split("/"):
            raise UnsafePath(f"{relative!r} is not a valid path in the artifact store")
        path = (root / relative).resolve()
        if path == root or not path.is_relative_to(root):
            raise UnsafePath(f"{relative!r} is outside the artifact store {root}")
        return path

    def put(self, relative: str, data: bytes) -> None:
        """Write a file atomically and durably: readers see the old content or the new one.

        After an error, such as a full disk, the old file is unchanged and no partial file is left.

        Raises:
            UnsafePath: the path leaves the root.
            OSError: the file cannot be written.
        """
        path = self.path(relative)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        try:
            with _open_new(temporary) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise
        _sync_directory(path.parent)

    def remove(self, relative: str) -> None:
        """Delete a file; a missing file is ignored. Raises `UnsafePath`, `OSError`."""
        self.path(relative).unlink(missing_ok=True)


def picture_path(camera: str, captured_at: float, frame_id: str, kind: PictureKind) -> str:
    """Return the path of a picture, relative to the artifact store's root.

    There is one directory per camera and day (UTC), so that none grows without bound.
    `captured_at` is in Unix s.

    Example:
        >>> picture_path("cam-a", 1795435200.0, "3fe1", "overlay")
        'cam-a/2026/11/23/3fe1-overlay.png'
    """
    day = datetime.fromtimestamp(captured_at, UTC)
    return f"{_directory_name(camera)}/{day:%Y/%m/%d}/{frame_id}-{kind}.png"


def map_path(camera: str, captured_at: float, frame_id: str) -> str:
    """Return the path of a frame's values and anomaly map, next to its pictures."""
    original = picture_path(camera, captured_at, frame_id, "original")
    return f"{original.removesuffix('-original.png')}-map.npz"


def _directory_name(camera: str) -> str:
    """Return a directory name for a camera: unique, and valid in every file system and URL.

    Bytes other than letters, digits, ``.``, ``_`` and ``-`` are escaped like ``=C3``, and so is a
    leading dot, which would hide the directory or name its parent. Long names are truncated and
    end in ``~`` and a hash; no other name contains ``~``.
    """
    name = _UNSAFE.sub(lambda match: b"=%02X" % match[0][0], camera.encode("utf-8")).decode()
    if name.startswith("."):
        name = f"=2E{name[1:]}"
    if len(name) > _LONGEST_NAME:
        digest = blake2b(camera.encode("utf-8"), digest_size=16).hexdigest()
        name = f"{name[: _LONGEST_NAME - 33]}~{digest}"
    return name or "="


def _open_new(path: Path) -> BinaryIO:
    """Create a file and its directories; retention may delete an empty directory meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        _make_directories(path.parent)
        with suppress(FileNotFoundError):
            return path.open("xb")
    _make_directories(path.parent)
    return path.open("xb")


def _make_directories(directory: Path) -> None:
    """Create a directory and its parents durably."""
    missing = [directory]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir()
            _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
