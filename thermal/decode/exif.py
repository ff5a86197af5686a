"""Metadata of a picture: its EXIF or TIFF tags (EXIF 2.32, JEITA CP-3451)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone

from thermal.decode.capture_time import REFUSED_TIME, is_plausible
from thermal.decode.tiff import Directory, first_directory, read_directory
from thermal.errors import DecodeError
from thermal.frame import CaptureSource

_MAKER, _MODEL, _DATE_TIME, _EXIF_POINTER = 271, 272, 306, 34665
_ORIGINAL, _ORIGINAL_OFFSET, _ORIGINAL_FRACTION = 36867, 36881, 37521
_OFFSET_TIME = 36880

_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)


@dataclass(frozen=True)
class About:
    """When and by which camera a picture was taken, as far as the file tells."""

    captured_at: datetime | None = None
    captured_at_source: CaptureSource | None = None  #: None without `captured_at`
    metadata: Mapping[str, float | str] = field(default_factory=dict)


def about(first: Directory, source: CaptureSource = "tiff") -> About:
    """Facts from the first directory of a TIFF or EXIF structure and its EXIF directory.

    Damage there costs the facts, never the picture.
    """
    try:
        directories = [first]
        pointer = first.integer(_EXIF_POINTER, 0)
        if pointer:
            directories.append(read_directory(first.data, first.order, pointer))
        model = first.text(_MODEL)
        metadata: dict[str, float | str] = {"camera_model": model} if model else {}
        return at_time(About(metadata=metadata), _captured_at(directories), source)
    except DecodeError:
        return About()


def at_time(facts: About, captured_at: datetime | None, source: CaptureSource) -> About:
    """The facts with the time of this source, unless it is implausible: then that is a fact."""
    if captured_at is None:
        return facts
    if is_plausible(captured_at):
        return replace(facts, captured_at=captured_at, captured_at_source=source)
    refused = {REFUSED_TIME: f"{source}: {captured_at.isoformat()}"}
    return replace(facts, metadata={**facts.metadata, **refused})


def about_exif(block: bytes) -> About:
    """The same from the EXIF block of a JPEG; empty bytes give no facts."""
    try:
        return about(first_directory(block), "exif") if block else About()
    except DecodeError:
        return About()


def maker_of(block: bytes) -> str:
    """The camera's maker that an EXIF block names; empty if it names none."""
    try:
        return first_directory(block).text(_MAKER) if block else ""
    except DecodeError:
        return ""


def _captured_at(directories: list[Directory]) -> datetime | None:
    def text(tag: int) -> str:
        return next(filter(None, (directory.text(tag) for directory in directories)), "")

    original = text(_ORIGINAL)
    match = _TIME.fullmatch(original or text(_DATE_TIME))
    if match is None:
        return None
    try:
        local = datetime(*map(int, match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    if not original:
        return _with_zone(local, text(_OFFSET_TIME))
    fraction = text(_ORIGINAL_FRACTION)
    if fraction.isascii() and fraction.isdigit():
        local = local.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    return _with_zone(local, text(_ORIGINAL_OFFSET))


def _with_zone(local: datetime, offset: str) -> datetime:
    match = _OFFSET.fullmatch(offset)
    if match is None:
        return local
    hours, minutes = int(match[2]), int(match[3])
    if hours > 14 or minutes > 59:
        return local
    ahead = timedelta(hours=hours, minutes=minutes) * (-1 if match[1] == "-" else 1)
    return local.replace(tzinfo=timezone(ahead) if ahead else UTC)
