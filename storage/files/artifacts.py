"""The artifact store: pictures as files below one directory, each written at once or not at all."""

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

#: What a picture shows; `sheet` is the four others side by side.
PictureKind = Literal["original", "reconstruction", "heatmap", "overlay", "sheet"]

#: How names begin under which files are written before they get their own; a process that was
#: killed leaves at most one such file, and it is safe to delete when it is old.
TEMPORARY_PREFIX = ".writing-"

#: Longest directory name that is made of a camera's name as it is; file systems allow 255 bytes.
_LONGEST_NAME = 120

#: Times that a file's directory is made anew because it was gone before the file was there.
_ATTEMPTS = 3

_UNSAFE = re.compile(rb"[^A-Za-z0-9._-]")


class ArtifactStore:
    """Files below a directory, addressed by relative paths with ``/``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, relative: str) -> Path:
        """Return where the file lies, resolved. Raises `UnsafePath` if that is outside the root."""
        root = self.root.resolve()
        # refused before the file system is asked: `a/../b` means two things when `a` is a link
        if not relative or "\0" in relative or ".." in relative.split("/"):
            raise UnsafePath(f"{relative!r} is not a path of the artifact store")
        path = (root / relative).resolve()
        if path == root or not path.is_relative_to(root):
            raise UnsafePath(f"{relative!r} lies outside the artifact store {root}")
        return path

    def put(self, relative: str, data: bytes) -> None:
        """Write a file that survives a power cut; readers see the old one or the new one.

        On any error (a full disk, say) there is no new file and nothing half-written.

        Raises:
            UnsafePath: the path leaves the root.
            OSError: as the operating system says.
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
        """Delete a file; one that is not there is no error. Raises `UnsafePath`, `OSError`."""
        self.path(relative).unlink(missing_ok=True)


def picture_path(camera: str, captured_at: float, frame_id: str, kind: PictureKind) -> str:
    """Return where a picture is stored, relative to the picture root.

    One directory per camera and day (UTC), so that no directory grows without bound.

    Example:
        >>> picture_path("cam-a", 1795435200.0, "3fe1", "overlay")
        'cam-a/2026/11/23/3fe1-overlay.png'
    """
    day = datetime.fromtimestamp(captured_at, UTC)
    return f"{_directory_name(camera)}/{day:%Y/%m/%d}/{frame_id}-{kind}.png"


def map_path(camera: str, captured_at: float, frame_id: str) -> str:
    """Return where a frame's values and anomaly map are stored, beside its pictures."""
    original = picture_path(camera, captured_at, frame_id, "original")
    return f"{original.removesuffix('-original.png')}-map.npz"


def _directory_name(camera: str) -> str:
    """Return a name that any file system and URL can hold, another one for each camera.

    Bytes other than letters, digits, ``.``, ``_`` and ``-`` become ``=C3``, and so does a leading
    dot, which would hide the directory or name its parent. Long names are cut and end in ``~``
    and their hash, which no other name contains.
    """
    name = _UNSAFE.sub(lambda match: b"=%02X" % match[0][0], camera.encode("utf-8")).decode()
    if name.startswith("."):
        name = f"=2E{name[1:]}"
    if len(name) > _LONGEST_NAME:
        digest = blake2b(camera.encode("utf-8"), digest_size=16).hexdigest()
        name = f"{name[: _LONGEST_NAME - 33]}~{digest}"
    return name or "="


def _open_new(path: Path) -> BinaryIO:
    """Make a file and its directories; retention may delete an empty one just then."""
    for _ in range(_ATTEMPTS - 1):
        _make_directories(path.parent)
        with suppress(FileNotFoundError):
            return path.open("xb")
    _make_directories(path.parent)
    return path.open("xb")


def _make_directories(directory: Path) -> None:
    """Make a directory and its parents so that they survive a power cut."""
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
