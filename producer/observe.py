"""Keeps the ledger in step with one watch directory, by scans; events only make it faster.

Each root has a thread that scans it when the producer starts, periodically, after lost events, and
when the directory returns after an absence. New directories are scanned at once, even during a
full scan. Polling is the same scan at short intervals. (watchdog's `PollingObserver` keeps every
file in memory, ends when the directory disappears, and reports files still being written.)
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from producer.coalesce import Coalescer, NoticedFile
from producer.config import ProducerConfig
from producer.ignored import LeftAlone
from producer.mounts import MOUNTS, network_type
from producer.naming import WatchRoot
from producer.outage import Stopping
from producer.reconcile import Reconciler
from producer.scan import walk

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

    from producer.watch import TreeWatch

logger = logging.getLogger(__name__)

#: Seconds between checks that the watch directory is still there and still the same one.
PRESENCE_S = 0.5
#: Shortest pause between two scans when polling, in seconds.
SHORTEST_POLL_S = 0.5
#: On network file systems a file counts as settled at first sight only if it is this many seconds
#: older than usually required, because clocks differ; younger ones are observed.
CLOCK_SKEW_S = 600.0
#: New directories remembered; with more, everything is scanned instead.
MAX_NEW_DIRECTORIES = 1000
#: Seconds between attempts to read paths that could not be read.
REFUSED_RETRY_S = 10.0
#: Unreadable paths that are logged by name after one scan.
MAX_REPORTED = 10

#: Unix s before the year 2100, and a number that a database takes: bounds of a heartbeat.
Instant = Annotated[float, Field(ge=0, lt=4_102_444_800)]
Count = Annotated[int, Field(ge=0, lt=2**53)]


@dataclass(frozen=True)
class RootStatus:
    """What a producer knows about one watch directory."""

    # a later release may send more
    __pydantic_config__ = ConfigDict(extra="ignore", allow_inf_nan=False)

    root: str  #: in text form
    mode: Literal["inotify", "polling", "absent"]
    frames: Count  #: found by the last complete scan
    refused: Count  #: directories and files that cannot be read
    settling: Count  #: files that may still be written
    scanned_at: Instant | None  #: end of that scan
    scan_s: float | None  #: duration of that scan
    #: files, links and directories that the scan left alone, by reason; older producers send none
    ignored: Mapping[str, Count] = field(default_factory=dict)
    #: files that nothing reads, by the ending of their name: the most frequent ones
    endings: Mapping[str, Count] = field(default_factory=dict)


class RootObserver:
    """Watches one root. `run` is the thread's loop; other threads call the other methods."""

    def __init__(
        self,
        root: WatchRoot,
        config: ProducerConfig,
        reconciler: Reconciler,
        coalescer: Coalescer,
        clock: Callable[[], float],
        *,
        inotify: InotifyFD | None,
    ):
        """Without `inotify` the root is polled."""
        self._root = root
        self._config = config
        self._reconciler = reconciler
        self._coalescer = coalescer
        self._clock = clock  # Unix s
        self._watch = _tree_watch(inotify, root, self)
        self._wake = threading.Event()
        self._scan_requested = threading.Event()
        self._new_directories: deque[str] = deque()
        self._next_scan = 0.0  # monotonic s
        self._identity: tuple[int, int] | None = None  # device and inode; None while absent
        self._told_away = False
        self._polling = False
        self._unwatched = False  # the kernel allows no more watches
        self._refused: dict[str, OSError] = {}
        self._next_retry = 0.0  # monotonic s
        self._frames = 0
        self._scanned_at: float | None = None
        self._scan_s: float | None = None
        self._left = LeftAlone()

    def status(self) -> RootStatus:
        """The current state, for people."""
        mode: Literal["inotify", "polling"] = "polling" if self._polling else "inotify"
        return RootStatus(
            root=self._root.text,
            mode=mode if self._identity else "absent",
            frames=self._frames,
            refused=len(self._refused),
            settling=self._reconciler.settling,
            scanned_at=self._scanned_at,
            scan_s=self._scan_s,
            ignored=dict(self._left.reasons),
            endings=self._left.most_endings(),
        )

    # Called by the watch, and by others that need a scan.

    def file_complete(self, path: str) -> None:
        """A file is complete: register it."""
        if not self._coalescer.put(self._noticed(path)):
            self.events_lost()

    def file_touched(self, path: str) -> None:
        """Attributes of a file changed: hold it longer, or observe it until it settles."""
        if not self._coalescer.put(self._noticed(path), complete=False):
            self.events_lost()

    def _noticed(self, path: str) -> NoticedFile:
        return NoticedFile(self._root, path, self.file_refused, self.file_appeared)

    def file_refused(self, path: str) -> None:
        """A complete file cannot be read: let scans try again."""
        directory = path.rpartition("/")[0]
        if self._refused.keys().isdisjoint((directory, path)):  # else it is retried anyway
            self.directory_appeared(directory)

    def file_appeared(self, path: str) -> None:
        """A file appeared without being closed: observe it until it settles."""
        self._reconciler.observe(path)

    def directory_appeared(self, directory: str) -> None:
        """Scan a new directory: files may have been written before its watch was set."""
        if len(self._new_directories) >= MAX_NEW_DIRECTORIES:
            self._scan_requested.set()
        else:
            self._new_directories.append(directory)
        self._wake.set()

    def events_lost(self) -> None:
        """Scan everything."""
        self._scan_requested.set()
        self._wake.set()

    # The thread.

    def run(self, stop: threading.Event) -> None:
        """Keep the ledger in step with the directory until `stop` is set."""
        with suppress(Stopping):
            while not stop.is_set():
                if self._is_present():
                    if self._scan_requested.is_set() or time.monotonic() >= self._next_scan:
                        self._scan_all(stop)
                    self._look_further(stop)
                self._wake.wait(PRESENCE_S)
                self._wake.clear()

    def _is_present(self) -> bool:
        """Whether the root can be listed; requests a scan when it returned or was replaced."""
        try:
            os.scandir(self._root.path).close()
            status = Path(self._root.path).stat()
        except OSError as error:
            if not self._told_away:
                logger.warning("cannot watch %r; waiting for it: %s", self._root.path, error)
            self._told_away, self._identity = True, None
            return False
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            if self._told_away:
                logger.warning("%r can be watched again", self._root.path)
            self._told_away, self._identity = False, identity
            self._forget_watches()
            self._scan_requested.set()
        return True

    def _scan_all(self, stop: threading.Event) -> None:
        self._scan_requested.clear()
        started = time.monotonic()
        was_unwatched, self._unwatched = self._unwatched, False
        self._polling = self._must_poll()
        if self._polling:
            self._forget_watches()
        refused: dict[str, OSError] = {}
        left = LeftAlone()
        found, complete = self._scan("", refused, stop, left)
        self._report(refused)
        if self._unwatched and not was_unwatched:
            logger.warning(
                "the kernel allows no more directory watches; %r is scanned every few seconds "
                "instead: raise fs.inotify.max_user_watches",
                self._root.path,
            )
        self._frames, self._scanned_at, self._left = found, self._clock(), left
        self._scan_s = time.monotonic() - started
        self._next_scan = time.monotonic() + self._interval(self._scan_s, complete=complete)

    def _interval(self, scan_s: float, *, complete: bool) -> float:
        """Seconds until the next scan of everything."""
        if complete and not self._polling and not self._unwatched:
            return self._config.scan_s
        # spend at most half of the time scanning
        return max(self._config.settle_s, SHORTEST_POLL_S, scan_s)

    def _scan(
        self,
        start: str,
        refused: dict[str, OSError],
        stop: threading.Event,
        left: LeftAlone,
    ) -> tuple[int, bool]:
        """Scan a subtree; return the number of frames and whether all could be handled."""
        age_s = self._config.settle_s + (CLOCK_SKEW_S if self._polling else 0.0)
        found, complete = 0, True

        def enter(directory: str) -> None:
            if stop.is_set():
                raise Stopping
            self._set_watch(directory)

        for batch in walk(
            self._root, start, enter=enter, refused=refused.__setitem__, ignored=left.add
        ):
            found += len(batch)
            complete &= self._reconciler.take(
                batch, stop, settled_age_s=age_s, watched=not self._polling and not self._unwatched
            )
            if start == "":
                # new files must not wait for the end of a long scan
                self._follow_up(refused, stop)
        return found, complete

    def _look_further(self, stop: threading.Event) -> None:
        """Do what must not wait for the next full scan."""
        refused = dict(self._refused)
        self._follow_up(refused, stop)
        if refused and time.monotonic() >= self._next_retry:
            self._look_again(refused, stop)
        self._report(refused)

    def _follow_up(self, refused: dict[str, OSError], stop: threading.Event) -> None:
        """Scan directories that appeared, and register files that have settled."""
        while self._new_directories:
            self._scan_part(self._new_directories.popleft(), refused, stop)
        self._reconciler.recheck(stop)

    def _look_again(self, refused: dict[str, OSError], stop: threading.Event) -> None:
        """Scan unreadable paths again: no event reports that they became readable."""
        directories = sorted(set(map(self._directory, refused)))
        refused.clear()
        for directory in directories:
            self._scan_part(directory, refused, stop)
        self._next_retry = time.monotonic() + REFUSED_RETRY_S

    def _scan_part(
        self, directory: str, refused: dict[str, OSError], stop: threading.Event
    ) -> None:
        _found, complete = self._scan(directory, refused, stop, LeftAlone())
        if not complete:
            self._scan_requested.set()

    def _directory(self, path: str) -> str:
        """The directory to scan in order to read `path`: itself, or its parent."""
        # unlike Path.is_dir, it does not raise for a path that is too long
        is_directory = os.path.isdir(self._root.join(path))  # noqa: PTH112
        return path if is_directory else path.rpartition("/")[0]

    def _set_watch(self, directory: str) -> None:
        if self._watch is None or self._polling:
            return
        try:
            self._watch.add(directory)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._unwatched = True

    def _forget_watches(self) -> None:
        if self._watch is not None:
            self._watch.remove("")

    def _must_poll(self) -> bool:
        if self._watch is None or self._config.observer == "polling":
            return True
        if self._config.observer == "inotify":
            return False
        try:
            mounts = Path(MOUNTS).read_bytes()
        except OSError:
            return True  # unknown without /proc; polling works everywhere
        mount_type = network_type(os.path.realpath(self._root.path), mounts)
        if mount_type is not None and not self._polling:
            logger.info(
                "%r is on, or contains, a %s mount: polling it", self._root.path, mount_type
            )
        return mount_type is not None

    def _report(self, refused: dict[str, OSError]) -> None:
        """Remember unreadable paths and log new ones; ignore paths that vanished."""
        refused = {path: error for path, error in refused.items() if error.errno != errno.ENOENT}
        if refused and not self._refused:
            self._next_retry = time.monotonic() + REFUSED_RETRY_S
        new = [path for path in refused if path not in self._refused]
        for path in new[:MAX_REPORTED]:
            logger.warning("cannot read %r: %s", self._root.join(path), refused[path])
        if len(new) > MAX_REPORTED:
            logger.warning("… and %d more", len(new) - MAX_REPORTED)
        self._refused = refused


def _tree_watch(
    inotify: InotifyFD | None, root: WatchRoot, observer: RootObserver
) -> TreeWatch | None:
    if inotify is None:
        return None
    from producer.watch import TreeWatch  # noqa: PLC0415 – cannot be imported without inotify

    return TreeWatch(inotify, root, observer)
