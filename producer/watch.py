"""Directory changes as they happen: inotify, through watchdog's reader thread.

Why not watchdog's `Observer`, the layer above: it pairs the two halves of each rename in a list
that it searches from the front, and delays everything for half a second after a file moved out of
the tree, so a burst of 10,000 uploads that end in a rename overflows the kernel's queue. It does
not report the overflow either. Here an event costs one dictionary look-up.

The scan sets the watch of each directory before listing it. So files that were there before the
watch are listed, later ones cause events, and after an overflow, or when a directory was moved in,
the same scan sets the missing watches.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from dataclasses import dataclass
from typing import Protocol

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from producer.ignored import directory_ignored
from producer.naming import WatchRoot

_COMPLETE = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO
#: Times or permissions were set; uploaders do so after closing a file.
_TOUCHED = InotifyConstants.IN_ATTRIB
_APPEARED = InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO
_GONE = InotifyConstants.IN_MOVED_FROM
_IS_DIRECTORY = InotifyConstants.IN_ISDIR
_MASK = (
    _COMPLETE
    | _TOUCHED
    | _APPEARED
    | _GONE
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_EXCL_UNLINK  # no events for files that are deleted but still open
)


class Listener(Protocol):
    """Receives the changes, in the reader thread: must be quick and must not raise.

    Paths are relative to the root.
    """

    def file_complete(self, path: str) -> None:
        """A file was closed after writing, or a complete one was moved here."""

    def file_touched(self, path: str) -> None:
        """The time or the permissions of a file were set."""

    def file_appeared(self, path: str) -> None:
        """A file appeared that may still be written, or was linked here."""

    def directory_appeared(self, directory: str) -> None:
        """A directory was created or moved here; it may already hold files."""

    def events_lost(self) -> None:
        """Some changes were not reported."""


@dataclass(frozen=True)
class _Watch:
    directory: str
    wd: WatchDescriptor
    callback_id: CallbackId


class TreeWatch:
    """The watches on one root and its subdirectories; receives the callbacks of `InotifyFD`."""

    def __init__(self, inotify: InotifyFD, root: WatchRoot, listener: Listener):
        self._inotify = inotify
        self._root = root
        self._listener = listener
        self._lock = threading.Lock()
        self._by_directory: dict[str, _Watch] = {}
        self._by_wd: dict[WatchDescriptor, _Watch] = {}
        self._ids = itertools.count(1)

    def add(self, directory: str) -> None:
        """Watch a directory; does nothing if it is already watched.

        The kernel is always asked, because the directory may have been replaced, mounted over or
        renamed without an event.

        Raises:
            OSError: it is gone or not readable, or (`errno.ENOSPC`) the limit
                ``fs.inotify.max_user_watches`` is reached.
        """
        path = self._root.join(directory)
        follow = 0 if directory == "" else InotifyConstants.IN_DONT_FOLLOW
        callback_id = CallbackId(next(self._ids))
        with self._lock:  # events of the new watch wait until its directory is registered here
            wd = self._inotify.add_callback(
                os.fsencode(path), Mask(_MASK | follow), self, callback_id
            )
            if wd == -1:  # watchdog raises for all errors but this one
                self._inotify.remove_callbacks([(wd, callback_id)])
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            for outdated in (self._by_directory.get(directory), self._by_wd.get(wd)):
                if outdated is not None and outdated.wd in self._by_wd:
                    self._remove(outdated)
            watch = _Watch(directory, wd, callback_id)
            self._by_directory[directory] = self._by_wd[wd] = watch

    def remove(self, directory: str) -> None:
        """Stop watching a directory and everything beneath it ('' for all)."""
        prefix = f"{directory}/" if directory else ""
        with self._lock:
            for watch in list(self._by_wd.values()):
                if watch.directory == directory or watch.directory.startswith(prefix):
                    self._remove(watch)

    def _remove(self, watch: _Watch) -> None:
        self._forget(watch)
        self._inotify.remove_callbacks([(watch.wd, watch.callback_id)])

    def _forget(self, watch: _Watch) -> None:
        del self._by_wd[watch.wd]
        del self._by_directory[watch.directory]

    # Called by InotifyFD in its thread.

    def on_event(self, event: InotifyEvent) -> None:
        """Translate one event of a watched directory."""
        with self._lock:
            watch = self._by_wd.get(event.wd)
        name = os.fsdecode(event.name)
        if watch is None or not name:
            return
        path = f"{watch.directory}/{name}" if watch.directory else name
        if event.mask & _IS_DIRECTORY:
            if directory_ignored(name):
                pass
            elif event.mask & _GONE:
                self.remove(path)
            elif event.mask & _APPEARED:
                self._listener.directory_appeared(path)
        elif self._root.ignores(path) is None:
            if event.mask & _COMPLETE:
                self._listener.file_complete(path)
            elif event.mask & _TOUCHED:
                self._listener.file_touched(path)
            elif event.mask & _APPEARED:
                self._listener.file_appeared(path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The directory was deleted, or its file system unmounted."""
        with self._lock:
            watch = self._by_wd.get(wd)
            if watch is not None:
                self._forget(watch)
        if watch is not None and watch.directory == "":
            self._listener.events_lost()

    def on_queue_overflow(self) -> None:
        """The kernel dropped events."""
        self._listener.events_lost()
