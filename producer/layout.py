"""Which camera a path belongs to, and which of a camera's files are its images."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from pathspec import GitIgnoreSpec

CAMERA, DATE = "{camera}", "{date}"


@dataclass(frozen=True)
class Layout:
    """The directories between a watch directory and a camera's files.

    Raises:
        ValueError: `template` does not name the camera exactly once, or is no relative path.
    """

    template: str = CAMERA

    def __post_init__(self) -> None:
        parts = self.template.split("/")
        words = [part for part in parts if part not in (CAMERA, DATE)]
        if parts.count(CAMERA) != 1 or any("{" in w or w in ("", ".", "..") for w in words):
            raise ValueError(
                "layout: should be like {camera}, {camera}/{date} or {date}/{camera}, given "
                f"{self.template!r}"
            )

    def camera_of(self, directory: str) -> str | None:
        """The camera's directory name in `directory`; None if this lies outside the layout."""
        for wanted, found in zip(self.template.split("/"), directory.split("/"), strict=False):
            if wanted == CAMERA:
                return found or None
            if wanted not in (DATE, found):
                return None
        return None

    def directory_of(self, camera: str, date: str) -> str:
        """Where the files that `camera` uploads on the day `date` belong."""
        return self.template.replace(CAMERA, camera).replace(DATE, date)


@dataclass(frozen=True)
class Choice:
    """Which files are a camera's images: patterns as in .gitignore, below the watch directory.

    Case does not matter: cameras and servers write ``.PNG`` and ``.png`` by turns.

    Raises:
        ValueError: a pattern cannot be read, or would match nothing.
    """

    include: tuple[str, ...] = ()  #: if there is one, only files that match one
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("include", "exclude"):
            for pattern in getattr(self, name):
                try:
                    (compiled,) = _compiled((pattern,)).patterns
                except (ValueError, re.error) as error:
                    raise ValueError(f"{name}: {pattern!r} cannot be read: {error}") from error
                if compiled.include is None:
                    raise ValueError(f"{name}: {pattern!r} is empty or a comment")

    def takes(self, path: str) -> bool:
        """Whether a file at `path`, relative to the watch directory, is an image of the camera."""
        lower = path.lower()
        included = not self.include or _compiled(self.include).match_file(lower)
        return included and not _compiled(self.exclude).match_file(lower)


@lru_cache
def _compiled(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines([pattern.lower() for pattern in patterns])


def composed(name: str) -> str:
    """A name in Unicode normal form C: macOS and some servers store ``ü`` as two characters."""
    return unicodedata.normalize("NFC", name)


@lru_cache(maxsize=1024)
def folded(directory: str) -> str:
    """A directory's name without case and Unicode normal form; SMB clients change case."""
    return composed(composed(directory).casefold())
