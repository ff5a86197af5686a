"""How far a camera's clock is off: told from delays of frames that waited as files."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ops.camera_clock import clock_offset_s, clock_text
from storage.results.wall import RecentResult

#: Unix s
NOW = 1_750_000_000.0
HOUR = 3600.0
DAY = 86_400.0


def frames(times: Sequence[tuple[float, float]]) -> list[RecentResult]:
    """Results of frames with these times of capture and arrival, given earliest first."""
    return [
        RecentResult(
            id=number,
            sha256=f"{number:064x}",
            captured_at=captured_at,
            arrived_at=arrived_at,
            scored_at=arrived_at,
            score=1.0,
            threshold=2.0,
            anomaly=False,
            learning=False,
            held=False,
            max_temperature=20.0,
            temperature_unit="celsius",
            saturated_px=0,
            review=None,
            model_id="m",
            body=1.0,
        )
        for number, (captured_at, arrived_at) in reversed(list(enumerate(times)))
    ]


def live(offset_s: float, number: int, *, step_s: float = 30.0) -> list[tuple[float, float]]:
    """Times of frames that arrive 2 to 4 s after their capture by a clock with this offset."""
    return [(NOW + n * step_s + offset_s, NOW + n * step_s + 2 + n % 3) for n in range(number)]


@pytest.mark.parametrize("offset_s", [0.0, 200.0, -200.0, HOUR, 8 * HOUR, 13 * 365 * DAY])
@pytest.mark.parametrize("number", [1, 2, 60])
def test_a_clock_that_is_ahead_or_nearly_right_is_known_from_the_first_frame(
    offset_s: float, number: int
) -> None:
    assert clock_offset_s(frames(live(offset_s, number))) == pytest.approx(offset_s, abs=5)


@pytest.mark.parametrize("offset_s", [-310.0, -HOUR, -8 * HOUR, -400 * DAY])
@pytest.mark.parametrize("step_s", [1.0, 30.0, 900.0])
def test_a_clock_that_is_behind_is_known_once_its_frames_keep_their_distance(
    offset_s: float, step_s: float
) -> None:
    assert clock_offset_s(frames(live(offset_s, 4, step_s=step_s))) is None
    known = clock_offset_s(frames(live(offset_s, 20, step_s=step_s)))
    assert known == pytest.approx(offset_s, abs=5)


def test_a_clock_that_was_set_counts_from_then_on() -> None:
    right, ahead, behind = live(0, 30), live(8 * HOUR, 30), live(-HOUR, 30)
    later = [(captured + 900, arrived + 900) for captured, arrived in right[:5]]
    assert clock_text(clock_offset_s(frames([*right, later[0]]))) is None
    assert clock_text(clock_offset_s(frames(ahead + later))) is None
    assert clock_text(clock_offset_s(frames(behind + later))) is None
    assert clock_text(clock_offset_s(frames(ahead + behind))) == "1 h behind"


@pytest.mark.parametrize("captured_step_s", [0.0, 0.1, 1.0, 60.0, DAY])
@pytest.mark.parametrize("arrival_step_s", [0.0, 0.01, 0.05])
def test_an_archive_that_was_moved_in_is_not_a_wrong_clock(
    captured_step_s: float, arrival_step_s: float
) -> None:
    archive = [
        (NOW - 90 * DAY + n * captured_step_s, NOW + n // 20 * 20 * arrival_step_s)
        for n in range(60)
    ]
    assert clock_offset_s(frames(archive)) is None


def test_frames_of_a_camera_that_was_offline_are_not_a_wrong_clock() -> None:
    # recorded every 30 s for half an hour, then uploaded ten times as fast
    waited = [(NOW - 1800 + n * 30, NOW + n * 3) for n in range(60)]
    assert clock_text(clock_offset_s(frames(waited))) is None
    assert clock_offset_s(frames(waited[:40])) is None


def test_a_clock_that_lost_its_time_is_known_from_the_first_frame() -> None:
    restarted = [(60.0 + n * 60, NOW + n * 0.1) for n in range(20)]
    for number in (1, 20):
        text = clock_text(clock_offset_s(frames(restarted[:number])))
        assert text == "55 years behind"


def test_without_results_nothing_is_known() -> None:
    assert clock_offset_s([]) is None


@pytest.mark.parametrize(
    ("offset_s", "text"),
    [
        (None, None),
        (0.0, None),
        (300.0, None),
        (-301.0, "5 min behind"),
        (1801.0, "30 min ahead"),
        (3590.0, "1 h ahead"),
        (-3600.0 * 1.03, "1 h behind"),
        (5.5 * HOUR + 40, "5.5 h ahead"),
        (-3 * DAY, "3 days behind"),
        (13 * 365.25 * DAY, "13 years ahead"),
    ],
)
def test_an_offset_is_said_in_a_suitable_unit(offset_s: float | None, text: str | None) -> None:
    assert clock_text(offset_s) == text
