"""Logging of the long-running processes: one line per event, on standard error.

With the format ``json`` each line is a JSON object with ``time``, ``level``, ``logger`` and
``message``, and where they apply ``frame_id`` or ``frame_ids``, ``camera``, ``reason`` and
``exception``.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Final, Literal

from ops.terminal import printable
from storage.redaction import redact_urls

LogFormat = Literal["text", "json"]

#: Libraries that log every step at level INFO.
QUIET = ("alembic", "rq", "watchdog", "PIL", "uvicorn", "asyncio", "python_multipart")
#: Libraries that warn about errors which they raise as well.
TWICE = ("psycopg",)


class OneLine(logging.Filter):
    """Removes tracebacks from RQ's log records.

    RQ logs three of them whenever Redis is unreachable; the worker reports that in one line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("rq"):
            record.exc_info = record.exc_text = None
        return True


class PrintableFormatter(logging.Formatter):
    """Escapes line breaks in messages, so that only tracebacks take more than one line."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_urls(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line, for log collectors."""

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
        return redact_urls(json.dumps(event, default=str))


#: Attributes of every log record. All others were passed as `extra`.
_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure_logging(*, debug: bool, log_format: LogFormat = "text") -> None:
    """Log to standard error. Times are in UTC, as in results."""
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
    for name in TWICE:
        logging.getLogger(name).setLevel(logging.ERROR)
