"""Which files are frames, and which camera they come from.

A frame is a regular file with an image suffix. Names that begin with a dot, names that uploaders
give to unfinished files, and everything in directories with such names are ignored. Symbolic links
below the root are never followed, so none can leave the root or form a loop. The root itself may
be a link; the operator chose it.

Paths are `str` as `os` gives them (any bytes, surrogateescape); the ledger holds their text form.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.files.paths import path_to_text, text_to_path
from storage.frames.ledger import NewFrame, ledger_mtime_ns
from thermal.decode import IMAGE_SUFFIXES

#: Suffixes that uploaders give to unfinished files.
UNFINISHED_SUFFIXES = (".tmp", ".part", ".filepart", ".uploading")

_FRAME_SUFFIXES = tuple(sorted(IMAGE_SUFFIXES))


def is_ignored(name: str) -> bool:
    """Whether a file or directory of this name is ignored, with everything beneath it."""
    return name.startswith(".") or name.lower().endswith(UNFINISHED_SUFFIXES)


def is_frame_name(name: str) -> bool:
    """Whether a regular file of this name is a frame."""
    return name.lower().endswith(_FRAME_SUFFIXES) and not is_ignored(name)


@dataclass(frozen=True)
class WatchRoot:
    """A watch directory and the names of its cameras."""

    path: str  #: absolute
    text: str  #: `path` in text form
    #: (directory relative to the root, camera), innermost directories first
    cameras: tuple[tuple[str, str], ...] = ()

    @classmethod
    def at(cls, path: Path, cameras: Mapping[str, Path]) -> WatchRoot:
        """The root at `path`, with the configured cameras whose directories overlap it."""
        absolute = os.path.normpath(path.absolute())
        placed = [
            (directory, camera)
            for camera, prefix in cameras.items()
            if (directory := _beneath(Path(absolute), prefix)) is not None
        ]
        placed.sort(key=lambda entry: len(entry[0]), reverse=True)
        return cls(absolute, path_to_text(absolute), tuple(placed))

    def join(self, relative: str) -> str:
        """The absolute path of `relative`, which is relative to the root ('' is the root)."""
        return f"{self.path}/{relative}" if relative else self.path

    def camera_of(self, directory: str) -> str:
        """The camera whose frames lie in `directory` (relative to the root; '' is the root)."""
        for prefix, camera in self.cameras:
            if not prefix or directory == prefix or directory.startswith(prefix + "/"):
                return camera
        first = directory.partition("/")[0]
        return path_to_text(first or Path(self.path).name or self.path)

    def frame_at(self, path: str) -> NewFrame | None:
        """The frame at `path` as it is now; None if no regular file is there.

        Raises:
            OSError: `stat` failed, for another reason than a missing file.
        """
        try:
            status = os.lstat(self.join(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        camera = self.camera_of(path.rpartition("/")[0])
        return new_frame(camera, self.text, path_to_text(path), status)

    def seen_again(self, frame: NewFrame) -> NewFrame | None:
        """The frame now at the path of `frame`; None if there is none."""
        return self.frame_at(text_to_path(frame.path))


def new_frame(camera: str, root: str, path: str, status: os.stat_result) -> NewFrame:
    """A frame from its `stat` result; `root` and `path` in text form."""
    return NewFrame(camera, root, path, ledger_mtime_ns(status), status.st_size)


def _beneath(root: Path, prefix: Path) -> str | None:
    """`prefix` relative to `root`: '' if it is or contains the root, None if it is elsewhere."""
    absolute = os.path.normpath(root / prefix)
    if root.is_relative_to(absolute):
        return ""
    if Path(absolute).is_relative_to(root):
        return os.path.relpath(absolute, root)
    return None
