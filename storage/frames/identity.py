"""What a frame is: content at a place. What `stat` says is only a hint that something changed.

A place is a path of a camera. Each frame's row keeps the hint under which its file was last seen. A
file whose hint is known is not read again. One whose hint is unknown may have other content or may
only have been touched; only its content tells, so it is registered and a worker reads it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

_BIGINT = 2**63 - 1


@dataclass(frozen=True)
class NewFrame:
    """A settled file as the producer saw it."""

    camera: str
    root: str  #: the watch directory, in text form (`storage.files.paths`)
    path: str  #: relative to `root`, in text form
    mtime_ns: int
    size: int  #: bytes
    ctime_ns: int = 0  #: when content or attributes last changed; unlike mtime, no client sets it
    inode: int = 0  #: 0: unknown

    @classmethod
    def at(cls, camera: str, root: str, path: str, status: os.stat_result) -> NewFrame:
        """A frame from the `stat` result of its file; `root` and `path` in text form."""
        return cls(
            camera,
            root,
            path,
            ledger_mtime_ns(status),
            status.st_size,
            ledger_ctime_ns(status),
            status.st_ino & _BIGINT,
        )

    @property
    def hint(self) -> str:
        """BLAKE2b of camera, path, mtime, size and ctime, as 32 hexadecimal digits.

        Without the inode: some network file systems make up new ones.
        """
        return _digest(self.camera, self.path, self.mtime_ns, self.size, self.ctime_ns)

    @property
    def frame_id(self) -> str:
        """The id of the frame if it is new: its hint. The id stays when the hint changes."""
        return self.hint

    @property
    def first_release_id(self) -> str:
        """The id that the first release gave: BLAKE2b of camera, path, mtime and size."""
        return _digest(self.camera, self.path, self.mtime_ns, self.size)

    @property
    def place(self) -> int:
        """See `place_of`."""
        return place_of(self.camera, self.path)


def place_of(camera: str, path: str) -> int:
    """63 bits of BLAKE2b of camera and path: a path itself may be too long for an index."""
    digest = hashlib.blake2b(f"{camera}\0{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) & _BIGINT


def ledger_mtime_ns(status: os.stat_result) -> int:
    """The file's mtime in ns, clipped to the range of BIGINT, as the ledger stores it.

    A broken clock can date a file after the year 2262, which would overflow.
    """
    return _clipped(status.st_mtime_ns)


def ledger_ctime_ns(status: os.stat_result) -> int:
    """The file's ctime in ns, clipped likewise."""
    return _clipped(status.st_ctime_ns)


def _clipped(time_ns: int) -> int:
    return max(-_BIGINT, min(time_ns, _BIGINT))


def _digest(*parts: object) -> str:
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
