"""Logging of the long-running processes: one line an event, on standard error."""

from __future__ import annotations

import logging
import time

from ops.printable import printable

#: Libraries that would report every step of theirs.
QUIET = ("alembic", "rq", "watchdog", "PIL")


class OneLine(logging.Filter):
    """Takes the tracebacks off what RQ logs.

    It prints three of them for every moment that Redis is away; the worker says so in one line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("rq"):
            record.exc_info = record.exc_text = None
        return True


class PrintableFormatter(logging.Formatter):
    """Keeps a message on its line, whatever names are in it; only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))


def configure_logging(*, debug: bool) -> None:
    """Send log lines to standard error, with the time in UTC as results have it."""
    formatter = PrintableFormatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    if not debug:
        handler.addFilter(OneLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
