"""Uploads files into a watch directory as cameras, FTP servers and copy tools do.

Used by ``thermalwatch demo`` and the tests: the producer must handle every manner of upload.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Manner(Protocol):
    """One way to upload a whole file to `path`."""

    def __call__(self, path: Path, data: bytes, *, chunk_bytes: int, pause_s: float) -> None: ...


def upload_in_place(path: Path, data: bytes, *, chunk_bytes: int, pause_s: float) -> None:
    """Write slowly under the final name, as most cameras and plain FTP do."""
    with path.open("wb") as file:
        for start in range(0, len(data), chunk_bytes):
            file.write(data[start : start + chunk_bytes])
            file.flush()
            time.sleep(pause_s)


def upload_as_part(path: Path, data: bytes, *, chunk_bytes: int, pause_s: float) -> None:
    """Write ``NAME.part`` and rename it, as careful FTP and SMB clients do."""
    partial = path.with_name(f"{path.name}.part")
    upload_in_place(partial, data, chunk_bytes=chunk_bytes, pause_s=pause_s)
    partial.rename(path)


def upload_as_dotfile(path: Path, data: bytes, *, chunk_bytes: int, pause_s: float) -> None:
    """Write ``.NAME.1a2b3c`` and rename it, as rsync does."""
    hidden = path.with_name(f".{path.name}.{zlib.crc32(path.name.encode()):06x}")
    upload_in_place(hidden, data, chunk_bytes=chunk_bytes, pause_s=pause_s)
    hidden.rename(path)


def upload_truncated(path: Path, data: bytes) -> None:
    """Write only the first half: an upload that broke off and was never resumed."""
    path.write_bytes(data[: len(data) // 2])


#: The manners that deliver the whole file.
MANNERS: tuple[Manner, ...] = (upload_in_place, upload_as_part, upload_as_dotfile)


@dataclass(frozen=True)
class Uploader:
    """Uploads into `root`/CAMERA/; `seed` and the name determine the manner."""

    root: Path
    seed: int
    chunk_bytes: int = 8192
    pause_s: float = 0.001  #: after each chunk

    def manner(self, name: str) -> Manner:
        return MANNERS[zlib.crc32(f"{self.seed} {name}".encode()) % len(MANNERS)]

    def upload(self, camera: str, name: str, data: bytes) -> Path:
        """Upload a file and return its path once it has its final name."""
        path = self._place(camera, name)
        self.manner(name)(path, data, chunk_bytes=self.chunk_bytes, pause_s=self.pause_s)
        return path

    def upload_truncated(self, camera: str, name: str, data: bytes) -> Path:
        """Like `upload`, but the second half of the file never arrives."""
        path = self._place(camera, name)
        upload_truncated(path, data)
        return path

    def _place(self, camera: str, name: str) -> Path:
        folder = self.root / camera
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name
