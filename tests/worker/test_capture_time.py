"""When a frame was captured: which of the stated times counts, and which are impossible."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
import pytest

from thermal.frame import CaptureSource, Frame
from worker.capture_time import Capture, CaptureClock, NamePattern, capture_of, parse_zone

MTIME_S: Final = 1_717_243_300.0
ARRIVED_AT: Final = 1_717_243_320.0  # 2024-06-01T12:02:00Z
BERLIN: Final = CaptureClock(zone=parse_zone("Europe/Berlin"))
IN_NAME: Final = NamePattern("%Y%m%d_%H%M%S")
NAMED: Final = CaptureClock(zone=parse_zone("Europe/Berlin"), name=IN_NAME)


def unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def capture(
    stated: str | None,
    clock: CaptureClock,
    *,
    source: CaptureSource = "exif",
    path: str = "cam/IMG_20240601_135900.jpg",
    refused: str = "",
) -> Capture:
    time = None if stated is None else datetime.fromisoformat(stated)
    frame = Frame(
        np.zeros((2, 2), np.float32),
        "counts",
        8,
        captured_at=time,
        captured_at_source=None if time is None else source,
        metadata={"implausible_time": refused} if refused else {},
    )
    return capture_of(frame, path, mtime_s=MTIME_S, arrived_at=ARRIVED_AT, clock=clock)


@pytest.mark.parametrize(
    ("stated", "clock", "at", "source"),
    [
        ("2024-06-01T14:00:00+02:00", CaptureClock(), "2024-06-01T12:00:00Z", "exif"),
        ("2024-06-01T14:00:00+02:00", BERLIN, "2024-06-01T12:00:00Z", "exif"),
        ("2024-06-01T14:00:00", BERLIN, "2024-06-01T12:00:00Z", "exif"),  # summer
        ("2024-01-01T14:00:00", BERLIN, "2024-01-01T13:00:00Z", "exif"),  # winter
        ("2024-06-01T14:00:00", NAMED, "2024-06-01T12:00:00Z", "exif"),
        ("2024-06-01T14:00:00", CaptureClock(name=IN_NAME), None, "mtime"),  # whose 14 o'clock?
        (None, NAMED, "2024-06-01T11:59:00Z", "name"),
        (None, BERLIN, None, "mtime"),
        ("2024-06-01T14:00:00", CaptureClock(), None, "mtime"),
    ],
)
def test_the_first_time_with_a_zone_counts(
    stated: str | None, clock: CaptureClock, at: str | None, source: str
) -> None:
    expected = MTIME_S if at is None else unix_s(at)
    assert capture(stated, clock) == Capture(expected, source, doubtful=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["flir", "tiff"])
def test_the_source_in_the_file_is_kept(source: CaptureSource) -> None:
    assert capture("2024-06-01T14:00:00", BERLIN, source=source).source == source


@pytest.mark.parametrize(
    "stated", ["1970-01-01T00:00:00Z", "2004-12-31T23:59:59Z", "2024-06-02T12:02:01Z", "2099-01-01"]
)
def test_an_implausible_time_is_passed_over_and_told(stated: str) -> None:
    # to see it fail: take the first time that is stated
    assert capture(stated, NAMED) == Capture(unix_s("2024-06-01T11:59:00Z"), "name", doubtful=True)
    assert capture(stated, BERLIN) == Capture(MTIME_S, "mtime", doubtful=True)


def test_a_clock_that_is_some_hours_fast_is_plausible() -> None:
    assert capture("2024-06-02T12:01:59Z", BERLIN).source == "exif"


def test_a_time_that_the_decoder_refused_is_told() -> None:
    assert capture(None, NAMED, refused="flir: 1970-01-01").doubtful
    found = capture("2024-06-01T14:00:00", BERLIN, refused="flir: 1970-01-01")
    assert (found.source, found.doubtful) == ("exif", True)


def test_an_implausible_time_in_a_name_is_passed_over() -> None:
    found = capture(None, NAMED, path="cam/20990601_135900.jpg")
    assert found == Capture(MTIME_S, "mtime", doubtful=True)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("%Y%m%d_%H%M%S", "a/IMG_20240601_135900.jpg", "2024-06-01T13:59:00"),
        ("%Y%m%d_%H%M%S", "20230101_000000/20240601_135900.jpg", "2024-06-01T13:59:00"),
        ("%Y-%m-%d/%H-%M-%S", "a/2024-06-01/13-59-00.png", "2024-06-01T13:59:00"),
        ("%y%m%d%H%M", "T2406011359.csv", "2024-06-01T13:59:00"),
        ("%d.%m.%Y %H.%M.%S.%f", "01.06.2024 13.59.00.25.tif", "2024-06-01T13:59:00.250000"),
        ("%Y%m%dT%H%M%S%z", "x_20240601T135900+0530.png", "2024-06-01T13:59:00+05:30"),
        ("%Y%m%dT%H%M%S%z", "x_20240601T135900Z.png", "2024-06-01T13:59:00+00:00"),
        ("%s%f_", "1717243140605_100.jpg", "2024-06-01T11:59:00.605000+00:00"),
        ("(%Y%m%d%H%M)", "99999999999(202406011359).png", "2024-06-01T13:59:00"),
        ("%Y%m%d_%H%M", "99999999_9999_20240601_1359.png", "2024-06-01T13:59:00"),
        ("%Y%m%d_%H%M%S", "IMG_0001.jpg", None),
        ("%Y%m%d_%H%M%S", "20240631_135900.jpg", None),
        ("%Y%m%d_%H%M%S", "20240601_135900/1.jpg", None),
    ],
)
def test_a_time_in_a_name_is_found(pattern: str, path: str, expected: str | None) -> None:
    found = NamePattern(pattern).find(path)
    assert (found and found.isoformat()) == expected


@pytest.mark.parametrize(
    "pattern", ["", "%Y%m%d", "%H%M%S", "%Y%m%d%H%M%q", "%Y%Y%m%d%H%M", "100%"]
)
def test_a_pattern_that_gives_no_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"should (have|be of)"):
        NamePattern(pattern)


@pytest.mark.parametrize(
    ("text", "hours"), [("UTC", 0), ("+01:00", 1), ("-0330", -3.5), ("Asia/Tokyo", 9)]
)
def test_zones_have_names_or_offsets(text: str, hours: float) -> None:
    offset = datetime(2024, 6, 1, tzinfo=parse_zone(text)).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 3600 * hours


@pytest.mark.parametrize(
    "text", ["", "CEST?", "Europe/Atlantis", "+25:00", "../etc/passwd", "/etc"]
)
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        parse_zone(text)


def test_a_time_of_the_hour_that_comes_twice_is_the_first_of_the_two() -> None:
    found = capture("2023-10-29T02:30:00", BERLIN)
    assert datetime.fromtimestamp(found.at, UTC).isoformat() == "2023-10-29T00:30:00+00:00"
