"""Logging of the long-running processes: one line an event, on standard error.

With the format ``json`` each line is one JSON object: ``time``, ``level``, ``logger``, ``message``,
and what belongs to the event: ``frame_id`` or ``frame_ids``, ``camera``, ``reason``, ``exception``.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Final, Literal

from ops.terminal import printable

LogFormat = Literal["text", "json"]

#: Libraries that would report every step of theirs.
QUIET = ("alembic", "rq", "watchdog", "PIL", "uvicorn", "asyncio", "python_multipart")


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


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        event: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= {key: value for key, value in vars(record).items() if key not in _RECORD_FIELDS}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


#: What every log record has; the rest was given with the event.
_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure_logging(*, debug: bool, log_format: LogFormat = "text") -> None:
    """Send log lines to standard error, with the time in UTC as results have it."""
    formatter: logging.Formatter
    if log_format == "json":
        formatter = JsonFormatter()
    else:
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
