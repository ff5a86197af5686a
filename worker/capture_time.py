"""When a frame was captured: taken from the file's own record, else its name, else its mtime.

In this order: the FLIR record (which has a zone), EXIF or TIFF tags, the file's name, the mtime.
Times without a zone count only where the camera's zone is declared. Implausible times are passed
over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import PurePosixPath
from typing import Final
from zoneinfo import ZoneInfo

from thermal.decode.capture_time import REFUSED_TIME, is_plausible
from thermal.frame import CaptureSource, Frame

#: Seconds by which a camera's clock may be ahead of the arrival of its frames.
MOST_AHEAD_S: Final = 86_400.0

_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)

#: Directives of a pattern: as in strftime, and `%s` for Unix seconds.
_DIRECTIVES: Final = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{2})",
    "d": r"(?P<d>\d{2})",
    "H": r"(?P<H>\d{2})",
    "M": r"(?P<M>\d{2})",
    "S": r"(?P<S>\d{2})",
    "f": r"(?P<f>\d{1,6})",
    "z": r"(?P<z>Z|[+-]\d{2}:?\d{2})",
    "s": r"(?P<s>\d{9,10})",
}
_DATE: Final = ("m", "d", "H", "M")


def parse_zone(text: str) -> tzinfo:
    """A zone by its IANA name, such as Europe/Berlin, or a fixed offset such as +01:00.

    Raises:
        ValueError: there is no such zone.
    """
    match = _OFFSET.fullmatch(text)
    if match is not None:
        return _fixed(match)
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise ValueError(
            f"{text!r} is no time zone: should be an IANA name such as Europe/Berlin, if this "
            "machine has the zone database, or an offset such as +01:00"
        ) from None


def _fixed(match: re.Match[str]) -> tzinfo:
    ahead = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if ahead > timedelta(hours=14):
        raise ValueError(f"{match[0]!r} is no offset of a time zone")
    return timezone(-ahead if match[1] == "-" else ahead)


class NamePattern:
    """Finds the time in a file's path.

    Raises:
        ValueError: the pattern has an unknown directive, or does not give a time.
    """

    def __init__(self, pattern: str) -> None:
        self._separators = pattern.count("/")
        parts, directives = list[str](), list[str]()
        for literal, directive in re.findall(r"([^%]+)|%(.?)", pattern):
            if literal:
                parts.append(re.escape(literal))
            elif directive in _DIRECTIVES and directive not in directives:
                parts.append(_DIRECTIVES[directive])
                directives.append(directive)
            else:
                raise ValueError(
                    f"{pattern!r}: %{directive} is unknown or comes twice; should be of "
                    f"{', '.join('%' + each for each in _DIRECTIVES)}"
                )
        has_date = all(each in directives for each in _DATE) and {"Y", "y"} & set(directives)
        if not (has_date or "s" in directives):
            raise ValueError(
                f"{pattern!r} gives no time: should have %Y, %m, %d, %H and %M, or %s, such as "
                "%Y%m%d_%H%M%S"
            )
        self._expression = re.compile("".join(parts), re.ASCII)

    def find(self, path: str) -> datetime | None:
        """The time in the last components of a path, as many as the pattern has; None if none."""
        name = "/".join(PurePosixPath(path).parts[-1 - self._separators :])
        for match in self._expression.finditer(name):
            try:
                return _time(match.groupdict())
            except ValueError:
                continue
        return None


def _time(parts: dict[str, str]) -> datetime:
    fraction = int(parts.get("f", "").ljust(6, "0") or 0)
    if "s" in parts:
        return datetime.fromtimestamp(int(parts["s"]), UTC).replace(microsecond=fraction)
    year = int(parts["Y"]) if "Y" in parts else 2000 + int(parts["y"])
    month, day, hour, minute = (int(parts[each]) for each in _DATE)
    found = datetime(year, month, day, hour, minute, int(parts.get("S", 0)), fraction)
    if "z" not in parts:
        return found
    match = _OFFSET.fullmatch(parts["z"])
    return found.replace(tzinfo=_fixed(match) if match else UTC)


@dataclass(frozen=True)
class CaptureClock:
    """How one camera's times are read."""

    #: Zone of times without one; None: such times do not count.
    zone: tzinfo | None = None
    #: Where the time is in the names of files.
    name: NamePattern | None = None


@dataclass(frozen=True)
class Capture:
    """When a frame was captured."""

    at: float  #: Unix s
    source: CaptureSource
    doubtful: bool  #: a time that the file or its name states was implausible


def capture_of(
    frame: Frame, path: str, *, mtime_s: float, arrived_at: float, clock: CaptureClock
) -> Capture:
    """The time of capture of the frame in the file at `path`. Times are in Unix s."""
    doubtful = REFUSED_TIME in frame.metadata
    stated = [(frame.captured_at_source or "exif", frame.captured_at)]
    if clock.name is not None:
        stated.append(("name", clock.name.find(path)))
    for source, time in stated:
        if time is not None and time.tzinfo is None and clock.zone is not None:
            time = time.replace(tzinfo=clock.zone)  # noqa: PLW2901
        if time is None or time.tzinfo is None:
            continue
        if is_plausible(time) and time.timestamp() <= arrived_at + MOST_AHEAD_S:
            return Capture(time.timestamp(), source, doubtful)
        doubtful = True
    return Capture(mtime_s, "mtime", doubtful)
