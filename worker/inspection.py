"""From ledger entries to scored and measured frames: what has no effects, so it is done ahead.

Threads share the frames of a part. Each of them takes some through all steps (read, decode,
forward pass, hotspots), because on a CPU that beats threads inside the forward pass: they wait for
one another at every layer, and while a neighbour uses a core, for that too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from storage.frames.ledger import LedgerFrame
from thermal.detection.detector import Detector, Scored
from thermal.hotspots import HotspotReport, default_rule, measure
from worker.config import WorkerConfig
from worker.progress import Progress
from worker.reading import Decoded, Later, Outcome, Refused, Replaced, read_frame
from worker.rows import Inspected


@dataclass(frozen=True)
class Inspection:
    """What was found out about some frames, each list in the order of the entries."""

    inspected: list[Inspected]
    refused: list[Refused]
    replaced: list[Replaced]
    later: list[Later]


class Inspector:
    """Inspects frames in threads."""

    def __init__(
        self,
        config: WorkerConfig,
        clock: Callable[[], float],
        progress: Progress,
        pool: ThreadPoolExecutor,
    ):
        self._config = config
        self._clock = clock
        self._progress = progress
        self._pool = pool

    def start(self, detector: Detector, entries: Sequence[LedgerFrame]) -> InspectionAhead:
        """Begin to inspect `entries`."""
        share = math.ceil(len(entries) / self._config.threads)
        size = max(1, min(share, detector.images_a_pass))
        now = self._clock()
        return InspectionAhead(
            [
                self._pool.submit(self._inspect, detector, entries[start : start + size], now)
                for start in range(0, len(entries), size)
            ]
        )

    def _inspect(
        self, detector: Detector, entries: Sequence[LedgerFrame], now: float
    ) -> list[Inspected | Outcome]:
        outcomes = [self._read(entry, detector, now) for entry in entries]
        decoded = [outcome for outcome in outcomes if isinstance(outcome, Decoded)]
        scores = finite(detector.score([outcome.frame for outcome in decoded]))
        self._progress.step()
        inspected = iter(
            [Inspected(d, s, self._measure(d)) for d, s in zip(decoded, scores, strict=True)]
        )
        return [next(inspected) if isinstance(o, Decoded) else o for o in outcomes]

    def _read(self, entry: LedgerFrame, detector: Detector, now: float) -> Outcome:
        config = self._config
        outcome = read_frame(
            entry,
            config.camera(entry.camera),
            grace_s=config.grace_s,
            now=now,
            progress=self._progress,
        )
        self._progress.step()
        unit = detector.bundle.preparation.unit
        if isinstance(outcome, Decoded) and outcome.frame.unit != unit:
            return _wrong_unit(outcome, unit)
        return outcome

    def _measure(self, decoded: Decoded) -> HotspotReport:
        frame = decoded.frame
        rule = self._config.camera(decoded.entry.camera).hotspot
        report = measure(frame, rule or default_rule(frame.unit, frame.bit_depth))
        self._progress.step()
        return report


class InspectionAhead:
    """An inspection that goes on in other threads."""

    def __init__(self, shares: Sequence[Future[list[Inspected | Outcome]]]):
        self._shares = shares

    def result(self) -> Inspection:
        """Wait for it. Raises what a thread raised."""
        found = [item for share in self._shares for item in share.result()]
        return Inspection(
            inspected=[item for item in found if isinstance(item, Inspected)],
            refused=[item for item in found if isinstance(item, Refused)],
            replaced=[item for item in found if isinstance(item, Replaced)],
            later=[item for item in found if isinstance(item, Later)],
        )

    def cancel(self) -> None:
        """Drop what has not begun; what has may end, it has no effects."""
        for share in self._shares:
            share.cancel()
        self._shares = ()  # they hold what they raised, and that all it worked with


def finite(scored: list[Scored]) -> list[Scored]:
    """Raise FloatingPointError for a score that is no number."""
    # frames hold numbers only, so one that is none comes from the model or its device
    if not all(math.isfinite(one.score) for one in scored):
        raise FloatingPointError("a score is not a number")
    return scored


def _wrong_unit(outcome: Decoded, unit: str) -> Refused:
    return Refused(
        outcome.entry,
        "unit_mismatch",
        f"the image is in {outcome.frame.unit}, the model was trained in {unit}: declare the "
        "camera's scale, or train a model on images like this one",
    )
