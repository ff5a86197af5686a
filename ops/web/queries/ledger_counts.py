"""Ledger counts by camera, kept up to date without reading the whole ledger each time.

Result ids rise as results are written, so everything since the last count is a range of ids. Ids of
the last `OPEN_S` seconds are counted again each time, because a slow transaction commits late.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from storage.frames.counts import LedgerCounts, count_frames, list_cameras, oldest_pending
from storage.results.counts import (
    count_anomalies,
    count_results,
    first_result_since,
    last_result_id,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Seconds after which no transaction is still open.
OPEN_S: Final = 120.0
#: Seconds for which counts are cached.
HOLDS_S: Final = 1.0


@dataclass(frozen=True)
class CountsByCamera:
    """Frames in each state, by camera."""

    scored: dict[str, int]
    quarantined: dict[str, int]
    superseded: dict[str, int]
    duplicate: dict[str, int]
    pending: dict[str, int]
    oldest_pending_at: float | None  #: Unix s; when it was registered
    last_minute: int  #: results
    last_hour: int  #: results
    #: frames by camera and outcome, `anomaly` being part of `scored`; never falls while the server
    #: runs, even if frames are requeued or deleted
    totals: dict[tuple[str, str], int] = field(default_factory=dict)

    def overall(self) -> LedgerCounts:
        """The counts of all cameras together."""
        states = (self.scored, self.quarantined, self.superseded, self.duplicate, self.pending)
        numbers = [sum(by_camera.values()) for by_camera in states]
        return LedgerCounts(sum(numbers), *numbers)


class LedgerCounter:
    """Keeps count. Threads may share it."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._settled: Counter[str] | None = None  # results up to id `_settled_id`, by camera
        self._settled_id = 0
        self._seen: dict[tuple[str, str], int] = {}
        self._totals: Counter[tuple[str, str]] = Counter()
        self._counts: CountsByCamera | None = None
        self._counted_at = float("-inf")

    def get(self) -> CountsByCamera:
        """The counts, at most `HOLDS_S` old. Raises `DatabaseUnavailable`."""
        with self._lock:
            now = self._clock()
            if self._counts is None or not 0 <= now - self._counted_at < HOLDS_S:
                self._counts = self._count(now)
                self._counted_at = now
            return self._counts

    def _count(self, now: float) -> CountsByCamera:
        engine = self._engine
        cameras = [camera.name for camera in list_cameras(engine)]
        scored = self._count_scored(now)
        others = {
            state: {name: n for name in cameras if (n := count_frames(engine, name, state))}
            for state in ("quarantined", "superseded", "duplicate", "pending")
        }
        last = last_result_id(engine)
        minute = first_result_since(engine, now - 60.0)
        hour = first_result_since(engine, now - 3600.0)
        flagged = {name: n for name in cameras if (n := count_anomalies(engine, name))}
        counted = {"scored": scored, "anomaly": flagged, **others}
        del counted["pending"]  # not an outcome
        for outcome, counts in counted.items():
            for camera, number in counts.items():
                key = (camera, outcome)
                self._totals[key] += max(0, number - self._seen.get(key, 0))
            for camera in cameras:
                self._seen[camera, outcome] = counts.get(camera, 0)
        return CountsByCamera(
            scored=scored,
            **others,
            oldest_pending_at=oldest_pending(engine),
            last_minute=sum(count_results(engine, minute, last).values()),
            last_hour=sum(count_results(engine, hour, last).values()),
            totals=dict(self._totals),
        )

    def _count_scored(self, now: float) -> dict[str, int]:
        engine = self._engine
        first_open = first_result_since(engine, now - OPEN_S)
        if self._settled is None:
            self._settled = Counter(
                {
                    camera.name: number
                    for camera in list_cameras(engine)
                    if (number := count_frames(engine, camera.name, "scored"))
                }
            )
            self._settled.subtract(count_results(engine, first_open, last_result_id(engine)))
            self._settled_id = first_open - 1
        elif first_open - 1 > self._settled_id:
            self._settled.update(count_results(engine, self._settled_id + 1, first_open - 1))
            self._settled_id = first_open - 1
        recent = count_results(engine, self._settled_id + 1, last_result_id(engine))
        return dict(self._settled + Counter(recent))
