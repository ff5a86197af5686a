"""The books, counted without reading the whole ledger each time.

Results are numbered as they are written, so what came since the last look is a range of numbers.
Numbers of the last `OPEN_S` are counted anew each time: a slow transaction commits late.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from storage.frames.tally import (
    camera_names,
    count_anomalies,
    count_frames,
    count_results,
    first_result_since,
    last_result_id,
    oldest_pending,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Seconds after which no transaction is open any more.
OPEN_S: Final = 120.0
#: Seconds for which what was counted holds.
HOLDS_S: Final = 1.0


@dataclass(frozen=True)
class Books:
    """What became of all frames, by camera."""

    scored: dict[str, int]
    quarantined: dict[str, int]
    superseded: dict[str, int]
    pending: dict[str, int]
    oldest_pending_at: float | None  #: Unix s; when it was noticed
    last_minute: int  #: results
    last_hour: int  #: results
    #: frames by camera and outcome (`anomaly` counts beside `scored`); never falls while the
    #: server runs, whatever is requeued or deleted
    totals: dict[tuple[str, str], int] = field(default_factory=dict)


class LedgerBooks:
    """Keeps count; threads share it."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._settled: Counter[str] | None = None  # results up to number `_settled_id`, by camera
        self._settled_id = 0
        self._seen: dict[tuple[str, str], int] = {}
        self._totals: Counter[tuple[str, str]] = Counter()
        self._books: Books | None = None
        self._counted_at = float("-inf")

    def get(self) -> Books:
        """The books, at most `HOLDS_S` old. Raises `DatabaseUnavailable`."""
        with self._lock:
            now = self._clock()
            if self._books is None or not 0 <= now - self._counted_at < HOLDS_S:
                self._books = self._count(now)
                self._counted_at = now
            return self._books

    def _count(self, now: float) -> Books:
        engine = self._engine
        cameras = camera_names(engine)
        scored = self._count_scored(now)
        others = {
            state: {name: n for name in cameras if (n := count_frames(engine, name, state))}
            for state in ("quarantined", "superseded", "pending")
        }
        last = last_result_id(engine)
        minute = first_result_since(engine, now - 60.0)
        hour = first_result_since(engine, now - 3600.0)
        flagged = {name: n for name in cameras if (n := count_anomalies(engine, name))}
        counted = {"scored": scored, "anomaly": flagged, **others}
        del counted["pending"]  # no outcome
        for outcome, counts in counted.items():
            for camera, number in counts.items():
                key = (camera, outcome)
                self._totals[key] += max(0, number - self._seen.get(key, 0))
            for camera in cameras:
                self._seen[camera, outcome] = counts.get(camera, 0)
        return Books(
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
                    name: number
                    for name in camera_names(engine)
                    if (number := count_frames(engine, name, "scored"))
                }
            )
            self._settled.subtract(count_results(engine, first_open, last_result_id(engine)))
            self._settled_id = first_open - 1
        elif first_open - 1 > self._settled_id:
            self._settled.update(count_results(engine, self._settled_id + 1, first_open - 1))
            self._settled_id = first_open - 1
        recent = count_results(engine, self._settled_id + 1, last_result_id(engine))
        return dict(self._settled + Counter(recent))
