"""What the producer can be told, as plain values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from storage.frames.ledger import LONGEST_LEASE_S


@dataclass(frozen=True)
class ProducerConfig:
    """Settings of one producer.

    Raises:
        ValueError: no root, roots that lie inside each other, or a number out of its range.
    """

    #: Directories to watch, with all that lies beneath them. They need not exist yet.
    roots: tuple[Path, ...]
    #: Camera name → directory whose frames are this camera's; relative ones are beneath each root.
    #: The innermost directory counts. Other frames belong to the camera named like the first
    #: directory below the root, or like the root itself if they lie directly in it.
    cameras: Mapping[str, Path] = field(default_factory=dict)
    #: Most frames in one job.
    max_batch: int = 256
    #: Most milliseconds that a frame waits for others to share its job; one that comes alone
    #: does not wait.
    max_delay_ms: float = 20.0
    #: Seconds that size and mtime must stand still, where no event tells that a file is complete.
    settle_s: float = 2.0
    #: Seconds between full comparisons of the directories with the ledger.
    scan_interval_s: float = 300.0
    #: Jobs that may wait on the queue; beyond, frames wait in the ledger.
    max_depth: int = 32
    #: Seconds after which a queued frame without an outcome is looked after again.
    lease_s: float = 15.0
    #: Seconds between two looks into the ledger for frames to queue.
    dispatch_interval_s: float = 1.0
    #: How changes are noticed; ``auto`` polls on network file systems, which report no changes
    #: that other machines make, and takes inotify elsewhere.
    observer: Literal["auto", "inotify", "polling"] = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.roots:
            raise ValueError("roots: name at least one directory to watch")
        _refuse_nested(self.roots)
        for name, least in (("max_batch", 1), ("max_depth", 1), ("max_delay_ms", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("settle_s", "scan_interval_s", "lease_s", "dispatch_interval_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 s, not {getattr(self, name)}")
        if self.lease_s > LONGEST_LEASE_S:
            raise ValueError(f"lease_s must be at most {LONGEST_LEASE_S} s, not {self.lease_s}")
        if self.observer not in ("auto", "inotify", "polling"):
            raise ValueError(f"observer must be auto, inotify or polling, not {self.observer!r}")


def _refuse_nested(roots: tuple[Path, ...]) -> None:
    resolved = [Path(os.path.realpath(root)) for root in roots]
    for i, inner in enumerate(resolved):
        for j, outer in enumerate(resolved):
            if i != j and inner.is_relative_to(outer):
                raise ValueError(
                    f"roots: {roots[i]} lies inside {roots[j]}, so its frames would be counted "
                    "twice; name only the outer one"
                )
