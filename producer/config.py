"""Settings of the producer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from producer.layout import CAMERA, Choice, Layout
from producer.naming import WatchRoot
from storage.frames.ledger import LONGEST_LEASE_S


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """How the watch directories are observed and frames are grouped into jobs.

    Raises:
        ValueError: a value is out of range. The message begins with the name of the field.
    """

    #: How changes are noticed: `auto` uses inotify on local file systems and polls network file
    #: systems, which don't report changes made by other machines.
    observer: Literal["auto", "inotify", "polling"] = "auto"
    #: Directories between a watch directory and a camera's files: `{camera}`, or with any number of
    #: `{date}` before or after it, which stand for directories of any name.
    layout: str = CAMERA
    #: Seconds for which a file is held after an event reports that it is complete, and again after
    #: each further event: uploaders may set its time or its final name later.
    hold_s: float = 0.1
    #: Seconds for which size and mtime must not change, unless an event reports that the upload is
    #: complete.
    settle_s: float = 2.0
    #: Seconds between comparisons of the whole directory with the ledger.
    scan_s: float = 300.0
    #: Most frames in one job.
    max_batch: int = 256
    #: Most milliseconds that a frame waits for others to share its job. A single frame does not
    #: wait.
    max_delay_ms: float = 20.0

    def __post_init__(self) -> None:
        if self.observer not in ("auto", "inotify", "polling"):
            raise ValueError(
                f"observer: should be auto, inotify or polling, given {self.observer!r}"
            )
        Layout(self.layout)
        if not 0 <= self.hold_s <= 3600:
            raise ValueError(f"hold_s: should lie between 0 and 3600 s, given {self.hold_s}")
        if not 0 < self.settle_s <= 3600:
            raise ValueError(
                f"settle_s: should be above 0 and at most 3600 s, given {self.settle_s}"
            )
        if not self.scan_s > 0:
            raise ValueError(f"scan_s: should be above 0 s, given {self.scan_s}")
        if not 1 <= self.max_batch <= 1024:
            raise ValueError(f"max_batch: should lie between 1 and 1024, given {self.max_batch}")
        if not 0 <= self.max_delay_ms <= 60_000:
            raise ValueError(
                f"max_delay_ms: should lie between 0 and 60,000, given {self.max_delay_ms}"
            )


@dataclass(frozen=True, kw_only=True)
class ProducerConfig(WatchOptions):
    """Settings of one producer.

    Raises:
        ValueError: there is no root, one root lies inside another, a camera's linked directory
            leads into a root or to another camera's, or a value is out of range.
    """

    #: Directories to watch, with their subdirectories. They need not exist yet.
    roots: tuple[Path, ...]
    #: Directory of each camera's frames, by camera name. Relative ones are below each root, and the
    #: innermost directory counts. Other frames belong to the camera that is named like the first
    #: directory below the root, or like the root if they lie directly in it.
    cameras: Mapping[str, Path] = field(default_factory=dict)
    #: Which of their files are images, by camera; ``*`` for all without an entry.
    choices: Mapping[str, Choice] = field(default_factory=dict)
    #: Most jobs waiting on the queue. Further frames wait in the ledger.
    max_depth: int = 32
    #: Seconds after which a queued frame without an outcome may be queued again.
    lease_s: float = 8.0
    #: Seconds between two queries of the ledger for frames to queue.
    dispatch_interval_s: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.roots:
            raise ValueError("roots: name at least one directory to watch")
        if self.max_depth < 1:
            raise ValueError(f"max_depth: should be at least 1, given {self.max_depth}")
        if not 0 < self.lease_s <= LONGEST_LEASE_S:
            raise ValueError(
                f"lease_s: should be above 0 and at most {LONGEST_LEASE_S} s, given {self.lease_s}"
            )
        if not self.dispatch_interval_s > 0:
            raise ValueError(
                f"dispatch_interval_s: should be above 0 s, given {self.dispatch_interval_s}"
            )
        _refuse_shared([each for root in self.roots for each in self.watched(root)])

    def watched(self, root: Path) -> list[WatchRoot]:
        """`root`, then the linked directories of configured cameras in it: each is watched."""
        found = WatchRoot.at(root, self.cameras, Layout(self.layout), self.choices)
        return [found, *found.linked()]


def _refuse_shared(watched: Sequence[WatchRoot]) -> None:
    """Refuse directories that are watched twice: nested roots, and links that lead into one."""
    resolved = [Path(os.path.realpath(each.path)) for each in watched]
    for i, inner in enumerate(resolved):
        for j, outer in enumerate(resolved):
            if i == j or not inner.is_relative_to(outer):
                continue
            if not watched[i].is_linked and not watched[j].is_linked:
                raise ValueError(
                    f"roots: {watched[i].path} lies inside {watched[j].path}, so its frames would "
                    "be counted twice; name only the outer one"
                )
            link, other = (i, j) if watched[i].is_linked else (j, i)
            raise ValueError(
                f"roots: {watched[link].path} is a link to {resolved[link]}, where the frames "
                f"of {watched[other].path} lie, so they would be counted twice; delete the "
                "link, or its camera's path from the settings"
            )
