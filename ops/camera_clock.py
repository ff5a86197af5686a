"""How far a camera's clock is off, judged by the times of capture and arrival of its latest frames.

A time of capture after the arrival is always a wrong clock. One before the arrival may also be that
of a frame that waited as a file: an archive that was moved in, a camera that was offline. Such
frames arrive faster than they were captured, so their delays differ; a wrong clock keeps its
distance while frames arrive.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.results.wall import RecentResult

#: Seconds beyond which a clock counts as wrong. Uploads of a right one take some of them.
WRONG_S: Final = 300.0
#: Latest frames whose median counts, and fewest frames that show that a clock is behind.
FRAMES: Final = 5
#: Seconds within which the distances of a clock that is behind must stay.
STEADY_S: Final = 600.0
#: 2001-01-01 in Unix s. Clocks that lost their time restart in 1970, 1980 or 2000.
EARLIEST_CAPTURE: Final = 978_307_200.0

_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_YEAR_S: Final = 365.25 * _DAY_S


def clock_offset_s(recent: Sequence[RecentResult]) -> float | None:
    """Seconds by which the camera's clock is ahead (positive) or behind; None if that is unknown.

    `recent` are the camera's latest results, latest arrival first.
    """
    if not recent:
        return None
    offsets = [result.captured_at - result.arrived_at for result in recent]
    latest = statistics.median(offsets[:FRAMES])
    captured = statistics.median(result.captured_at for result in recent[:FRAMES])
    if latest >= -WRONG_S or captured < EARLIEST_CAPTURE:
        return latest
    steady = 1
    while steady < len(offsets) and _spread(offsets[: steady + 1]) < STEADY_S:
        steady += 1
    arrivals = [result.arrived_at for result in recent[:steady]]
    if steady < FRAMES or _spread(offsets[:steady]) >= _spread(arrivals) / 2:
        return None
    return statistics.median(offsets[:steady])


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def clock_text(offset_s: float | None) -> str | None:
    """``8 h ahead``, ``1 h behind``; None for a clock that is right or unknown."""
    if offset_s is None or abs(offset_s) <= WRONG_S:
        return None
    away_s = abs(offset_s)
    if away_s < 0.9 * _HOUR_S:
        text = f"{away_s / 60:.0f} min"
    elif away_s < 2 * _DAY_S:
        text = f"{round(2 * away_s / _HOUR_S) / 2:g} h"  # time zones differ by half hours
    elif away_s < 2 * _YEAR_S:
        text = f"{away_s / _DAY_S:.0f} days"
    else:
        text = f"{away_s / _YEAR_S:.0f} years"
    return f"{text} {'ahead' if offset_s > 0 else 'behind'}"
