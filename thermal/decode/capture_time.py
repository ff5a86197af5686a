"""Whether a time that a file states can be the time of its capture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

#: A camera whose clock was never set reports 1970, 1980 or 2000, all before this.
FIRST_PLAUSIBLE: Final = datetime(2005, 1, 1, tzinfo=UTC)
_LAST_PLAUSIBLE: Final = datetime(2100, 1, 1, tzinfo=UTC)

#: Name of a time that was refused, in a frame's metadata.
REFUSED_TIME: Final = "implausible_time"

#: Farthest zone from Greenwich in minutes.
_MOST_MINUTES: Final = 14 * 60


def is_plausible(captured_at: datetime) -> bool:
    """Whether the camera's clock was set; a time without a zone is taken for UTC."""
    instant = captured_at if captured_at.tzinfo else captured_at.replace(tzinfo=UTC)
    return FIRST_PLAUSIBLE <= instant < _LAST_PLAUSIBLE


def from_record(unix_s: int, milliseconds: int, minutes_west: int) -> datetime:
    """The time in a FLIR record, in the camera's own zone (UTC if that zone is impossible)."""
    ahead = -minutes_west if abs(minutes_west) <= _MOST_MINUTES else 0
    zone = timezone(timedelta(minutes=ahead)) if ahead else UTC
    milliseconds = milliseconds if milliseconds < 1000 else 0
    return datetime.fromtimestamp(unix_s, zone) + timedelta(milliseconds=milliseconds)
