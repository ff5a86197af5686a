"""Which files are frames, and which camera they come from.

A frame is a regular file with an image suffix. What other programs leave beside the images
(`producer.ignored`) and what a camera's settings exclude is ignored. Symbolic links below the root
are not followed, so none can leave the root or form a loop. The root itself may be a link, and so
may the directory of a camera in the settings, which then is a root of its own: the operator chose
them.

Paths are `str` as `os` gives them (any bytes, surrogateescape); the ledger holds their text form.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from producer.ignored import Ignored, file_ignored
from producer.layout import Choice, Layout, composed, folded
from storage.files.paths import path_to_text, text_to_path
from storage.frames.identity import NewFrame

#: Name that stands for all cameras without an entry of their own.
ANY_CAMERA = "*"


@dataclass(frozen=True)
class WatchRoot:
    """A watch directory and the names of its cameras."""

    path: str  #: absolute
    text: str  #: `path` in text form
    #: (directory relative to the root, camera)
    cameras: tuple[tuple[str, str], ...] = ()
    layout: Layout = field(default_factory=Layout)
    #: by camera; every camera in the settings has one
    choices: Mapping[str, Choice] = field(default_factory=dict)
    is_linked: bool = False  #: whether it is the linked directory of a camera, in another root

    @classmethod
    def at(
        cls,
        path: Path,
        cameras: Mapping[str, Path],
        layout: Layout = Layout(),  # noqa: B008 – immutable
        choices: Mapping[str, Choice] = MappingProxyType({}),
    ) -> WatchRoot:
        """The root at `path`, with the configured cameras whose directories overlap it."""
        absolute = os.path.normpath(path.absolute())
        placed = [
            (directory, camera)
            for camera, prefix in cameras.items()
            if (directory := _beneath(Path(absolute), prefix)) is not None
        ]
        return cls(absolute, path_to_text(absolute), tuple(placed), layout, choices)

    def linked(self) -> list[WatchRoot]:
        """The roots of configured cameras whose directories lead through symbolic links."""
        return [
            replace(
                self,
                path=self.join(directory),
                text=path_to_text(self.join(directory)),
                cameras=(("", camera),),
                is_linked=True,
            )
            for directory, camera in self.cameras
            if directory and os.path.realpath(self.join(directory)) != self._real(directory)
        ]

    def _real(self, directory: str) -> str:
        return f"{os.path.realpath(self.path)}/{directory}"

    def join(self, relative: str) -> str:
        """The absolute path of `relative`, which is relative to the root ('' is the root)."""
        return f"{self.path}/{relative}" if relative else self.path

    def camera_of(self, directory: str) -> str:
        """The camera whose frames lie in `directory` (relative to the root; '' is the root)."""
        looked_for = folded(directory)
        beneath = [entry for entry in self.cameras if _is_beneath(looked_for, folded(entry[0]))]
        if beneath:
            # the innermost one; of several, a directory of exactly this name
            return max(beneath, key=lambda e: (_depth(e[0]), _is_beneath(directory, e[0])))[1]
        found = self.layout.camera_of(directory)
        name = path_to_text(found or Path(self.path).name or self.path)
        return name if name in self.choices else self._names.get(composed(name), name)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """The names of the cameras in the settings, by their normal form."""
        return {composed(name): name for name in self.choices}

    def ignores(self, path: str, camera: str | None = None) -> Ignored | None:
        """Why a regular file at `path` is no frame; None if it is one.

        `camera` saves time where the camera of the file's directory is known.
        """
        directory, _, name = path.rpartition("/")
        if found := file_ignored(name):
            return found
        if not self.choices:
            return None
        camera = camera or self.camera_of(directory)
        choice = self.choices.get(camera) or self.choices.get(ANY_CAMERA)
        return None if choice is None or choice.takes(path) else "excluded"

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
        return NewFrame.at(camera, self.text, path_to_text(path), status)

    def can_read(self, frame: NewFrame) -> bool:
        """Whether this process may read the file of `frame`."""
        return os.access(self.join(text_to_path(frame.path)), os.R_OK)

    def seen_again(self, frame: NewFrame) -> NewFrame | None:
        """The frame now at the path of `frame`; None if there is none."""
        return self.frame_at(text_to_path(frame.path))


def _depth(directory: str) -> int:
    return directory.count("/") + 1 if directory else 0


def _is_beneath(directory: str, prefix: str) -> bool:
    """Whether `directory` is `prefix` or lies below it; everything lies below ''."""
    return not prefix or directory == prefix or directory.startswith(prefix + "/")


def _beneath(root: Path, prefix: Path) -> str | None:
    """`prefix` relative to `root`: '' if it is or contains the root, None if it is elsewhere."""
    absolute = os.path.normpath(root / prefix)
    if root.is_relative_to(absolute):
        return ""
    if Path(absolute).is_relative_to(root):
        return os.path.relpath(absolute, root)
    return None
