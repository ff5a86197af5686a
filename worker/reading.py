"""From a ledger entry to the content of its file, or to the reason why it cannot be read."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Final

from storage.errors import UnsafePath
from storage.files.paths import (
    MalformedPathText,
    NotRegular,
    OutsideRoot,
    open_beneath,
    text_to_path,
)
from storage.frames.identity import NewFrame
from storage.frames.ledger import LedgerFrame
from storage.frames.registration import MISSING, UNREADABLE
from thermal.errors import ImageTooLarge
from thermal.inspection import Refusal
from worker.progress import Progress

#: Attempts after which an unreadable file is refused, even if clocks say it is new.
MAX_ATTEMPTS: Final = 20
#: Seconds before a file that could not be read is tried again.
RETRY_S: Final = 5.0
#: Bytes read from a file at a time.
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class FileContent:
    """The content of a file that has not changed since the ledger recorded it."""

    entry: LedgerFrame
    data: bytes
    sha256: str  #: of `data`, hexadecimal


@dataclass(frozen=True)
class Refused:
    """A file that cannot be scored: goes to quarantine."""

    entry: LedgerFrame
    reason: str  #: one machine word
    detail: str  #: a sentence for people
    sha256: str | None = None  #: of the content, hexadecimal; None: it was not read

    @property
    def is_missing(self) -> bool:
        """Whether there is no file."""
        return self.reason == MISSING


@dataclass(frozen=True)
class Changed:
    """The file changed since the ledger recorded it."""

    entry: LedgerFrame
    successor: NewFrame | None  #: the file that lies there now


@dataclass(frozen=True)
class KnownContent:
    """The file has the content that was last read at its place."""

    entry: LedgerFrame
    sha256: str  #: hexadecimal


@dataclass(frozen=True)
class Postponed:
    """Try again later: the upload may still be in progress, or the disk may come back."""

    entry: LedgerFrame
    until: float  #: Unix s
    is_missing: bool = False  #: there is no file now


def read_frame(
    entry: LedgerFrame, *, max_bytes: int, grace_s: float, now: float, progress: Progress
) -> FileContent | KnownContent | Refused | Changed | Postponed:
    """Read the file of a pending frame. Never raises, whatever the file is.

    Files over `max_bytes` are refused unread. For `grace_s` seconds after it was first seen, a
    file that cannot be opened is postponed, not refused. `now` is in Unix s.
    """
    try:
        with progress.waiting():
            data = _read_unchanged(entry, max_bytes, progress)
    except ImageTooLarge as error:
        return Refused(entry, "too_large", str(error))
    except (OutsideRoot, MalformedPathText) as error:
        return Refused(entry, "outside_root", str(error))
    except NotRegular as error:
        return Refused(entry, "not_regular", str(error))
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        young = _may_still_be_uploaded(entry, grace_s, now)
        if young or not _root_is_there(entry):
            gone = not isinstance(error, PermissionError)
            return Postponed(entry, now + RETRY_S, is_missing=gone)
        if isinstance(error, PermissionError):
            return Refused(entry, UNREADABLE, f"no permission to read it: {error.strerror}")
        return Refused(entry, MISSING, "the file was deleted or moved before it was read")
    except OSError:
        return Postponed(entry, now + RETRY_S)  # a fault of the disk or the network
    if data is None:
        return Changed(entry, _file_now(entry))
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 == entry.last_sha256:
        return KnownContent(entry, sha256)
    return FileContent(entry, data, sha256)


def refuse(
    entry: LedgerFrame, refusal: Refusal, sha256: str, *, grace_s: float, now: float
) -> Refused | Postponed:
    """Refuse a file whose content cannot be scored, or postpone it while it may be uploading."""
    if refusal.may_be_incomplete and _may_still_be_uploaded(entry, grace_s, now):
        return Postponed(entry, min(entry.seen_at + grace_s, now + RETRY_S))
    return Refused(entry, refusal.reason, refusal.detail, sha256)


def _read_unchanged(entry: LedgerFrame, limit: int, progress: Progress) -> bytes | None:
    """The file's content, or None if the file has changed since the ledger recorded it."""
    descriptor = _open(entry)
    try:
        if _is_changed(entry, os.fstat(descriptor)):
            return None
        if entry.size > limit:
            raise ImageTooLarge(f"{entry.size} bytes are more than the limit of {limit}")
        chunks = []
        while chunk := os.read(descriptor, _CHUNK):
            chunks.append(chunk)
            progress.step()  # a slow disk is not a stuck one
        status = os.fstat(descriptor)
        # replacing or deleting the file changes the ctime of the one that was read, not its content
        replaced = status.st_nlink == 0
        if _is_changed(entry, status, but_for_ctime=replaced):
            return None
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _open(entry: LedgerFrame) -> int:
    return open_beneath(text_to_path(entry.root), text_to_path(entry.path))


def _is_changed(entry: LedgerFrame, status: os.stat_result, *, but_for_ctime: bool = False) -> bool:
    now = NewFrame.at(entry.camera, entry.root, entry.path, status)
    if (now.mtime_ns, now.size) != (entry.mtime_ns, entry.size):
        return True
    return not but_for_ctime and entry.ctime_ns not in (None, now.ctime_ns)


def _file_now(entry: LedgerFrame) -> NewFrame | None:
    """The file at the path of `entry` as it is now; None if there is none."""
    try:
        descriptor = _open(entry)
    except (OSError, UnsafePath, NotRegular):
        return None
    try:
        return NewFrame.at(entry.camera, entry.root, entry.path, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _may_still_be_uploaded(entry: LedgerFrame, grace_s: float, now: float) -> bool:
    # A changed file is another frame, so this one has been unchanged since `seen_at`. Its mtime
    # says little: another machine's clock may have set it, or a copy preserved it. MAX_ATTEMPTS
    # ends the wait if our own clock was set back.
    return now - entry.seen_at < grace_s and entry.attempts < MAX_ATTEMPTS


def _root_is_there(entry: LedgerFrame) -> bool:
    return os.access(text_to_path(entry.root), os.R_OK | os.X_OK)
