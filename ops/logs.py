"""Logging of the long-running processes: one line an event, on standard error."""

from __future__ import annotations

import logging
import time

#: Libraries that would report every step of theirs.
QUIET = ("alembic", "rq", "watchdog", "PIL")


def configure_logging() -> None:
    """Send log lines to standard error, with the time in UTC as results have it."""
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
