"""Whether an uploaded file still lies where the ledger says, told without a mistake.

A frame whose file lies in its watch directory must keep its row in the ledger, or the next scan
takes it for news. A disk that is away must not look like files that were deleted: then all of them
would be news when it is back.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from storage.files.paths import text_to_path
from storage.frames.ledger import ledger_mtime_ns


class Uploads:
    """Looks for files; make a new one now and then, for it remembers directories."""

    def __init__(self) -> None:
        self._trusted: dict[str, bool] = {}

    def is_gone(self, root: str, path: str, *, mtime_ns: int, size: int) -> bool:
        """Whether this version of a file is certainly not there any more.

        `root` and `path` are in text form. Another version in its place is another frame. A
        missing file counts as gone only if the innermost directory of its path that exists, the
        root or one below, holds something: an empty one may be where a disk is mounted.
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
