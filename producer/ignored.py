"""Names of files and directories that are never frames: what other programs leave beside them.

A camera may call its files what it likes (`part_0001.png`, `template.png`), so each rule names the
program that makes such files, and none goes by a word inside a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

from thermal.decode import IMAGE_SUFFIXES

#: Why a file or directory below a watch directory is left alone.
Ignored = Literal["other ending", "temporary", "hidden", "system folder", "link", "excluded"]

#: Directories that servers and desktops make in a share; in lower case.
SYSTEM_DIRECTORIES: Final = frozenset(
    {
        "@eadir",  # Synology: thumbnails
        "#recycle",  # Synology: recycle bin
        "#snapshot",  # Synology: snapshots
        "@recycle",  # QNAP: recycle bin
        "@recently-snapshot",  # QNAP: snapshots
        "~snapshot",  # NetApp over SMB: snapshots
        "$recycle.bin",  # Windows: recycle bin
        "recycler",  # Windows XP: recycle bin
        "system volume information",  # Windows
        "lost+found",  # ext4: repaired files
        "__macosx",  # macOS: inside unpacked archives
    }
)
#: Endings that uploaders and editors give to unfinished files; in lower case.
UNFINISHED_SUFFIXES: Final = (
    ".tmp",
    ".part",  # Firefox, wget
    ".partial",  # Edge, rclone
    ".filepart",  # WinSCP
    ".crdownload",  # Chrome
    ".uploading",
    ".!ut",  # uTorrent
    "~",  # editors: backup
)
#: The same before the image's suffix: `shot_tmp.png`, `shot.part.png`.
_UNFINISHED_STEMS: Final = ("_tmp", ".tmp", ".part", ".partial", ".filepart")
#: Beginnings of names. A dot also stands for macOS (`._shot.png`) and ProFTPD (`.in.shot.png.`).
_HIDDEN: Final = "."
_OFFICE_LOCK: Final = "~$"

#: Most characters of an ending; what is longer is a sentence with a dot in it.
_LONGEST_ENDING: Final = 12
#: Different endings that a scan counts, and those of them that are told.
_COUNTED_ENDINGS, _TOLD_ENDINGS = 1000, 20

_FRAME_SUFFIXES: Final = tuple(sorted(IMAGE_SUFFIXES))


def directory_ignored(name: str) -> Ignored | None:
    """Why a directory of this name is left alone with everything beneath it; None if it is not."""
    lower = name.lower()
    if lower in SYSTEM_DIRECTORIES:
        return "system folder"
    return _by_name(lower)


def file_ignored(name: str) -> Ignored | None:
    """Why a regular file of this name is no frame; None if it is one."""
    lower = name.lower()
    if found := _by_name(lower):
        return found
    if not lower.endswith(_FRAME_SUFFIXES):
        return "other ending"
    return "temporary" if lower.rpartition(".")[0].endswith(_UNFINISHED_STEMS) else None


def _by_name(lower: str) -> Ignored | None:
    if lower.startswith(_HIDDEN):
        return "hidden"
    if lower.startswith(_OFFICE_LOCK) or lower.endswith(UNFINISHED_SUFFIXES):
        return "temporary"
    return None


class LeftAlone:
    """Counts what a scan leaves alone."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self._endings: Counter[str] = Counter()

    def add(self, why: Ignored, name: str) -> None:
        """Count one file, link or directory of this name."""
        self.reasons[why] += 1
        if why == "other ending":
            ending = _ending(name)
            if ending in self._endings or len(self._endings) < _COUNTED_ENDINGS:
                self._endings[ending] += 1

    def most_endings(self) -> dict[str, int]:
        """Numbers of files that nothing reads, by the most frequent endings of their names."""
        return dict(self._endings.most_common(_TOLD_ENDINGS))


def _ending(name: str) -> str:
    """The ending of a file's name with its dot, in lower case; empty if it has none."""
    stem, _, ending = name.rpartition(".")
    is_ending = stem and ending.isalnum() and ending.isascii() and len(ending) <= _LONGEST_ENDING
    return f".{ending.lower()}" if is_ending else ""


_WORDS: Final[dict[str, tuple[str, str]]] = {
    "other ending": ("file with another ending", "files with other endings"),
    "temporary": ("temporary file", "temporary files"),
    "hidden": ("hidden file", "hidden files"),
    "system folder": ("system folder", "system folders"),
    "link": ("link", "links"),
    "excluded": ("excluded file", "excluded files"),
}


def ignored_text(counts: Mapping[str, int]) -> str:
    """``13 files with other endings, 1 link``; empty if nothing was ignored."""
    parts = []
    for why, count in counts.items():
        one, several = _WORDS.get(why, (why, why))
        parts.append(f"{count:,} {one if count == 1 else several}")
    return ", ".join(parts)
