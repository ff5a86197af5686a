"""The thread that reads inotify events, where there is inotify."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchdog.utils import UnsupportedLibcError

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

logger = logging.getLogger(__name__)

#: Seconds that the thread gets to end.
FAREWELL_S = 1.0


@contextmanager
def reading_inotify() -> Iterator[InotifyFD | None]:
    """A running reader while the ``with`` block lasts; None if there cannot be one."""
    try:
        from watchdog.observers.inotify_c import InotifyFD  # noqa: PLC0415 – exists on Linux only

        inotify = InotifyFD()
    except (UnsupportedLibcError, OSError) as error:
        logger.warning("no inotify here, so directories are polled: %s", error)
        yield None
        return
    inotify.start()
    try:
        yield inotify
    finally:
        inotify.stop()
        inotify.join(FAREWELL_S)
