"""What child processes print: kept in size-bounded files, and shown on one console.

Neither a full disk nor a console that nobody reads may hold up a child, so the files drop what
cannot be written and the console drops what cannot be shown in time.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import threading
from pathlib import Path
from typing import IO

#: Size of one log file; with its older copies a child's log stays below 20 MiB.
LOG_BYTES = 5 * 1024 * 1024
OLDER_COPIES = 3

#: Lines that wait for the console before more are dropped.
WAITING_LINES = 1000

#: Bytes after which a line is cut in two.
LINE_BYTES = 16 * 1024


class _BoundedFile(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A full disk must not stop the child that logs."""


class Console:
    """Prints prefixed lines from many threads without ever blocking them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._print, name="console", daemon=True)
        self._thread.start()

    def say(self, name: str, text: str) -> None:
        try:
            self._lines.put_nowait(f"{name:<10} │ {text}\n")
        except queue.Full:
            self._dropped += 1

    def close(self, timeout_s: float = 2.0) -> None:
        """Print what waits, for `timeout_s` at most."""
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
                return  # nobody reads any more; the files go on


class ChildLog:
    """One child's log file, and its echo on the console where there is to be one."""

    def __init__(self, name: str, path: Path, console: Console | None) -> None:
        self.name = name
        self.path = path
        self._console = console
        self._file = _BoundedFile(
            path, maxBytes=LOG_BYTES, backupCount=OLDER_COPIES, encoding="utf-8", delay=True
        )

    def write(self, text: str) -> None:
        self._file.handle(logging.makeLogRecord({"msg": text}))
        if self._console is not None:
            self._console.say(self.name, text)

    def follow(self, pipe: IO[bytes]) -> threading.Thread:
        """Copy lines from `pipe` until its end, in a thread of its own."""
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
