"""Points in time on the command line and on the screen, in UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_instant(text: str, *, now: float) -> float:
    """Unix seconds of a date, an RFC 3339 time (UTC without an offset) or an age before `now`.

    Raises:
        ValueError: `text` is none of these.

    Example:
        >>> parse_instant("2026-07-01", now=0.0)
        1782864000.0
        >>> parse_instant("36h", now=1_000_000.0)
        870400.0
    """
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text):
        return now - float(match[1]) * _UNIT_S[match[2]]
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class InstantType(click.ParamType[float]):
    """A point in time as a command-line value."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_instant(str(value), now=time.time())
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time: give a date (2026-07-01), a time (2026-07-01T12:00Z) "
                "or an age (36h, 7d)"
            )


def ago(instant: float, *, now: float) -> str:
    """How long before `now` an instant was, in a suitable unit.

    Example:
        >>> ago(0.0, now=90.0), ago(0.0, now=200_000.0)
        ('90 s ago', '56 h ago')
    """
    age_s = max(0.0, now - instant)
    for unit, size_s, enough in (("d", 86_400, 3), ("h", 3600, 2), ("min", 60, 2)):
        if age_s >= enough * size_s:
            return f"{age_s / size_s:.0f} {unit} ago"
    return f"{age_s:.0f} s ago"
