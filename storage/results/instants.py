"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant_to_text(instant: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the microsecond: 2026-07-01T12:00:00.250000Z.

    Empty for an instant outside the years 1 to 9999: a file's mtime can be anything.
    """
    try:
        moment = _EPOCH + timedelta(seconds=instant)
    except OverflowError:
        return ""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
