"""Checks whether an uploaded file has certainly been deleted.

A frame must keep its row in the ledger as long as its file is in the watch directory; otherwise the
next scan registers the file as a new frame. An unmounted disk must not look like deleted files, or
all of its files would be registered again when it is back.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from storage.files.paths import text_to_path
from storage.frames.identity import ledger_mtime_ns


def is_absent(root: str, path: str) -> bool:
    """Whether no file is at `path` now though its root is there; both in text form."""
    root_path = text_to_path(root)
    try:
        os.lstat(f"{root_path}/{text_to_path(path)}")
    except (FileNotFoundError, NotADirectoryError):
        try:
            with os.scandir(root_path) as entries:  # an empty root may be a missing disk's
                return any(True for _ in entries)
        except OSError:
            return False
    except OSError:
        pass
    return False


class Uploads:
    """Looks for files. Caches what it finds about directories: use an instance only briefly."""

    def __init__(self) -> None:
        self._trusted: dict[str, bool] = {}

    def is_gone(self, root: str, path: str, *, mtime_ns: int, size: int) -> bool:
        """Whether this version of a file is certainly gone.

        `root` and `path` are in text form, `size` is in bytes. A version that was overwritten is
        gone. A missing file counts as gone only if the innermost existing directory of its path,
        the root or one below, is not empty: an empty one may be the mount point of a missing disk.
        """
        root_path, relative = text_to_path(root), text_to_path(path)
        try:
            status = os.lstat(f"{root_path}/{relative}")
        except (FileNotFoundError, NotADirectoryError):
            return self._can_trust(root_path, relative.rpartition("/")[0])
        except OSError:
            return False
        same = ledger_mtime_ns(status) == mtime_ns and status.st_size == size
        return not (stat.S_ISREG(status.st_mode) and same)

    def _can_trust(self, root: str, directory: str) -> bool:
        full = f"{root}/{directory}" if directory else root
        if full not in self._trusted:
            self._trusted[full] = self._look(root, directory, full)
        return self._trusted[full]

    def _look(self, root: str, directory: str, full: str) -> bool:
        try:
            with os.scandir(full) as entries:
                return any(True for _ in entries)
        except (FileNotFoundError, NotADirectoryError):
            above = directory.rpartition("/")[0]
            return bool(directory) and Path(root).is_dir() and self._can_trust(root, above)
        except OSError:
            return False
