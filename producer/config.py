"""Settings of the producer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
        ValueError: there is no root, one root lies inside another, or a value is out of range.
    """

    #: Directories to watch, with their subdirectories. They need not exist yet.
    roots: tuple[Path, ...]
    #: Directory of each camera's frames, by camera name. Relative ones are below each root, and the
    #: innermost directory counts. Other frames belong to the camera that is named like the first
    #: directory below the root, or like the root if they lie directly in it.
    cameras: Mapping[str, Path] = field(default_factory=dict)
    #: Most jobs waiting on the queue. Further frames wait in the ledger.
    max_depth: int = 32
    #: Seconds after which a queued frame without an outcome may be queued again.
    lease_s: float = 15.0
    #: Seconds between two queries of the ledger for frames to queue.
    dispatch_interval_s: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.roots:
            raise ValueError("roots: name at least one directory to watch")
        _refuse_nested(self.roots)
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


def _refuse_nested(roots: tuple[Path, ...]) -> None:
    resolved = [Path(os.path.realpath(root)) for root in roots]
    for i, inner in enumerate(resolved):
        for j, outer in enumerate(resolved):
            if i != j and inner.is_relative_to(outer):
                raise ValueError(
                    f"roots: {roots[i]} lies inside {roots[j]}, so its frames would be counted "
                    "twice; name only the outer one"
                )
