"""Copies the output of child processes to log files of bounded size and to the console.

Neither a full disk nor a stalled console may block a child. Lines that cannot be written or shown
in time are dropped.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import threading
from pathlib import Path
from typing import IO

#: Size of a log file in bytes; with the older copies, a child's logs stay within 20 MiB.
LOG_BYTES = 5 * 1024 * 1024
OLDER_COPIES = 3

#: Lines buffered for the console; further ones are dropped.
WAITING_LINES = 1000

#: Longer lines are split; bytes.
LINE_BYTES = 16 * 1024


class _BoundedFile(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore errors: a full disk must not stop the child."""


class Console:
    """Prints lines of many threads, each with its prefix, without blocking them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._print, name="console", daemon=True)
        self._thread.start()

    def say(self, name: str, text: str) -> None:
        """Print a line of process `name`, or drop it if too many are waiting."""
        try:
            self._lines.put_nowait(f"{name:<10} │ {text}\n")
        except queue.Full:
            self._dropped += 1

    def close(self, timeout_s: float = 2.0) -> None:
        """Print the waiting lines, but stop after about `timeout_s`."""
        try:
            self._lines.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._dropped:
                line = f"({self._dropped} lines not shown: the console was not read)\n{line}"
                self._dropped = 0
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError):
                return  # the console is gone; the log files go on


class ChildLog:
    """A child's log file, with an echo on `console` if there is one."""

    def __init__(self, name: str, path: Path, console: Console | None) -> None:
        self.name = name
        self.path = path
        self._console = console
        self._file = _BoundedFile(
            path, maxBytes=LOG_BYTES, backupCount=OLDER_COPIES, encoding="utf-8", delay=True
        )

    def write(self, text: str) -> None:
        """Write a line."""
        self._file.handle(logging.makeLogRecord({"msg": text}))
        if self._console is not None:
            self._console.say(self.name, text)

    def follow(self, pipe: IO[bytes]) -> threading.Thread:
        """Copy lines from `pipe` until it ends, in a new thread, which is returned."""
        thread = threading.Thread(
            target=self._copy, args=(pipe,), name=f"log-{self.name}", daemon=True
        )
        thread.start()
        return thread

    def close(self) -> None:
        self._file.close()

    def _copy(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(LINE_BYTES):
                self.write(line.decode("utf-8", "backslashreplace").rstrip())
