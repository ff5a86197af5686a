"""From a ledger entry to a decoded frame, or to the reason why there is none."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.files.paths import (
    MalformedPathText,
    NotRegular,
    OutsideRoot,
    open_beneath,
    text_to_path,
)
from storage.frames.ledger import LedgerFrame, ledger_mtime_ns
from thermal.decode import decode
from thermal.errors import DecodeError, ImageTooLarge, UnsupportedImage
from thermal.frame import Frame
from worker.config import CameraConfig
from worker.progress import Progress

#: Attempts after which a file that cannot be read is given up whatever the clocks say.
MAX_ATTEMPTS: Final = 20
#: Seconds until a file that could not be reached is tried again.
RETRY_S: Final = 5.0
#: Bytes read from a file at a time.
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class Decoded:
    """A frame that can be scored."""

    entry: LedgerFrame
    frame: Frame
    sha256: str


@dataclass(frozen=True)
class Refused:
    """A file that will never be scored: goes to quarantine."""

    entry: LedgerFrame
    reason: str  #: one machine word
    detail: str  #: a sentence for people


@dataclass(frozen=True)
class Replaced:
    """The file holds other content than the one in the ledger: superseded."""

    entry: LedgerFrame


@dataclass(frozen=True)
class Later:
    """Not now: the upload may go on, or the file's disk may come back."""

    entry: LedgerFrame
    until: float  #: Unix seconds


Outcome = Decoded | Refused | Replaced | Later


def read_frame(
    entry: LedgerFrame, config: CameraConfig, *, grace_s: float, now: float, progress: Progress
) -> Outcome:
    """Read and decode the file of a pending frame. Never raises for what a file may be."""
    young = _may_still_be_uploaded(entry, grace_s, now)
    limit = config.decode.max_bytes
    try:
        with progress.waiting():
            data = _read_unchanged(entry, limit, progress)
        if data is None:
            return Replaced(entry)
        frame = decode(data, suffix=Path(entry.path).suffix, options=config.decode)
    except ImageTooLarge as error:
        return Refused(entry, "too_large", str(error))
    except DecodeError as error:
        if young:
            return Later(entry, min(entry.seen_at + grace_s, now + RETRY_S))
        return Refused(entry, _reason(entry, error), str(error))
    except (OutsideRoot, MalformedPathText) as error:
        return Refused(entry, "outside_root", str(error))
    except NotRegular as error:
        return Refused(entry, "not_regular", str(error))
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        if young or not _root_is_there(entry):
            return Later(entry, now + RETRY_S)
        if isinstance(error, PermissionError):
            return Refused(entry, "unreadable", f"no permission to read it: {error.strerror}")
        return Refused(entry, "missing", "it was deleted or moved away before it was read")
    except OSError:
        return Later(entry, now + RETRY_S)  # the disk or the network, not the file
    return Decoded(entry, frame, hashlib.sha256(data).hexdigest())


def _read_unchanged(entry: LedgerFrame, limit: int, progress: Progress) -> bytes | None:
    """The file's content, or None if it is not the file that the ledger knows."""
    descriptor = open_beneath(text_to_path(entry.root), text_to_path(entry.path))
    try:
        if _identity(descriptor) != (entry.mtime_ns, entry.size):
            return None
        if entry.size > limit:
            raise ImageTooLarge(f"{entry.size} bytes are more than the limit of {limit}")
        chunks = []
        while chunk := os.read(descriptor, _CHUNK):
            chunks.append(chunk)
            progress.step()  # a slow disk is not a stuck one
        if _identity(descriptor) != (entry.mtime_ns, entry.size):
            return None
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return ledger_mtime_ns(status), status.st_size


def _may_still_be_uploaded(entry: LedgerFrame, grace_s: float, now: float) -> bool:
    # Any change would have made it another frame, so it has stood still since it was seen. When
    # it says it was written does not count: that is another machine's clock, or was copied.
    # Ours may go back, which must not keep a file for ever.
    return now - entry.seen_at < grace_s and entry.attempts < MAX_ATTEMPTS


def _root_is_there(entry: LedgerFrame) -> bool:
    return os.access(text_to_path(entry.root), os.R_OK | os.X_OK)


def _reason(entry: LedgerFrame, error: DecodeError) -> str:
    if entry.size == 0:
        return "empty"
    return "unsupported" if isinstance(error, UnsupportedImage) else "corrupt"
