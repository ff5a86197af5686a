"""The thread that reads inotify events, on systems that have inotify."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchdog.utils import UnsupportedLibcError

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

logger = logging.getLogger(__name__)

#: Seconds to wait for the thread to end.
FAREWELL_S = 1.0


@contextmanager
def reading_inotify() -> Iterator[InotifyFD | None]:
    """Run a reader during the ``with`` block; yields None where inotify is not available."""
    try:
        from watchdog.observers.inotify_c import InotifyFD  # noqa: PLC0415 – exists on Linux only

        inotify = InotifyFD()
    except (UnsupportedLibcError, OSError) as error:
        logger.warning("inotify is not available; directories are polled: %s", error)
        yield None
        return
    inotify.start()
    try:
        yield inotify
    finally:
        inotify.stop()
        inotify.join(FAREWELL_S)
