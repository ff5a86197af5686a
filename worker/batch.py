"""The main path: frame ids in, committed rows and pictures out.

Every stage can die and be done again: reading and scoring have no effects, a decision is kept by
the window, pictures are replaced by the same pictures, and the rows are one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Engine

from storage.artifacts import ArtifactStore, PictureKind
from storage.errors import StaleEpoch
from storage.ledger import Quarantined, load_pending, postpone
from storage.queue import FrameBatch
from storage.results import ResultRow, commit_results
from storage.streams import Streams
from storage.window import Decided, StreamKey
from thermal.detector import Detector
from thermal.hotspots import HotspotReport, default_rule, measure
from thermal.threshold import Decision
from worker.config import WorkerConfig
from worker.models import ModelSource
from worker.pictures import keeps_pictures, store_pictures
from worker.reading import Decoded, Later, Outcome, Refused, Replaced, read_frame
from worker.rows import Inspected, make_row

log = logging.getLogger(__name__)

#: Times a batch is decided anew because its window was replaced meanwhile.
DECIDE_ATTEMPTS = 5


@dataclass(frozen=True)
class BatchReport:
    """What became of a batch's frames."""

    scored: int
    anomalies: int
    quarantined: int
    superseded: int
    postponed: int


class BatchScorer:
    """Scores batches with a warm model. One per process; called by one thread at a time."""

    def __init__(
        self,
        config: WorkerConfig,
        engine: Engine,
        streams: Streams,
        models: ModelSource,
        store: ArtifactStore,
        clock: Callable[[], float],
    ):
        self.config = config
        self.engine = engine
        self.streams = streams
        self.models = models
        self.store = store
        self.clock = clock
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix="batch")

    def __call__(self, batch: FrameBatch) -> BatchReport:
        """Bring the batch's frames that are still pending to their outcome.

        Raises:
            storage.errors.StorageError, redis.RedisError, OSError: a service failed; nothing is
                lost, the batch may be run again.
        """
        outcomes = self._read(batch)
        detector = self.models.current()
        inspected, unfit = self._inspect(detector, outcomes)
        refused = [o for o in outcomes if isinstance(o, Refused)] + unfit
        replaced = [o for o in outcomes if isinstance(o, Replaced)]
        later = [o for o in outcomes if isinstance(o, Later)]
        rows = self._decide_and_commit(detector, inspected, refused, replaced)
        for wait in later:
            postpone(self.engine, [wait.entry.id], until=wait.until)
        for file in refused:
            log.warning(
                "quarantined %s of camera %s: %s", file.entry.path, file.entry.camera, file.detail
            )
        return BatchReport(
            scored=len(rows),
            anomalies=sum(row.anomaly for row in rows),
            quarantined=len(refused),
            superseded=len(replaced),
            postponed=len(later),
        )

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _read(self, batch: FrameBatch) -> list[Outcome]:
        entries = load_pending(self.engine, batch.frame_ids)
        now, config = self.clock(), self.config
        return list(
            self._pool.map(
                lambda entry: read_frame(
                    entry, config.camera(entry.camera), grace_s=config.grace_s, now=now
                ),
                entries,
            )
        )

    def _inspect(
        self, detector: Detector, outcomes: Iterable[Outcome]
    ) -> tuple[list[Inspected], list[Refused]]:
        unit = detector.bundle.preparation.unit
        fitting, unfit = [], []
        for outcome in outcomes:
            if isinstance(outcome, Decoded):
                if outcome.frame.unit == unit:
                    fitting.append(outcome)
                else:
                    unfit.append(_wrong_unit(outcome, unit))
        scored = detector.score([outcome.frame for outcome in fitting])
        reports = self._pool.map(self._measure, fitting)
        return [Inspected(*parts) for parts in zip(fitting, scored, reports, strict=True)], unfit

    def _measure(self, outcome: Decoded) -> HotspotReport:
        rule = self.config.camera(outcome.entry.camera).hotspot or default_rule(
            outcome.frame.unit, outcome.frame.bit_depth
        )
        return measure(outcome.frame, rule)

    def _decide_and_commit(
        self,
        detector: Detector,
        inspected: Sequence[Inspected],
        refused: Sequence[Refused],
        replaced: Sequence[Replaced],
    ) -> list[ResultRow]:
        attempt = 0
        while True:
            attempt += 1
            decided = self._decide(detector, inspected)
            rows = self._draw(detector, inspected, decided)
            try:
                commit_results(
                    self.engine,
                    rows,
                    epochs={stream.camera: d.epoch for stream, d in decided.items()},
                    open_decisions={s.camera: d.open_decisions for s, d in decided.items()},
                    model_id=detector.model_id,
                    quarantined=[Quarantined(r.entry.id, r.reason, r.detail) for r in refused],
                    superseded=[r.entry.id for r in replaced],
                    now=self.clock(),
                )
            except StaleEpoch as stale:
                if attempt == DECIDE_ATTEMPTS:
                    raise
                for camera in stale.streams:
                    stream = StreamKey(camera, detector.model_id)
                    self.streams.windows.drop(stream, decided[stream].epoch)
                # a frame that another worker has committed meanwhile has its number for good
                ids = [item.decoded.entry.id for item in inspected]
                pending = {entry.id for entry in load_pending(self.engine, ids)}
                inspected = [i for i in inspected if i.decoded.entry.id in pending]
            else:
                break
        for stream, answer in decided.items():
            mine = [row.frame_id for row in rows if row.camera == stream.camera]
            self.streams.windows.confirm(stream, [*mine, *answer.open_decisions])
        return rows

    def _decide(
        self, detector: Detector, inspected: Sequence[Inspected]
    ) -> dict[StreamKey, Decided]:
        frames: dict[StreamKey, list[tuple[str, float]]] = {}
        for item in inspected:
            stream = StreamKey(item.decoded.entry.camera, detector.model_id)
            frames.setdefault(stream, []).append((item.decoded.entry.id, item.scored.score))
        return {
            stream: self.streams.decide(stream, detector.bundle, batch)
            for stream, batch in frames.items()
        }

    def _draw(
        self,
        detector: Detector,
        inspected: Sequence[Inspected],
        decided: Mapping[StreamKey, Decided],
    ) -> list[ResultRow]:
        """Draw and store what is kept of each frame, and make its row."""
        answers = {stream: iter(answer.decisions) for stream, answer in decided.items()}

        def finish(item: Inspected, stream: StreamKey, decision: Decision) -> ResultRow:
            pictures: dict[PictureKind, str] = {}
            if keeps_pictures(self.config, item.decoded.entry.id, decision):
                pictures = store_pictures(self.store, detector.bundle, item, decision)
            return make_row(
                item,
                decision,
                epoch=decided[stream].epoch,
                pictures=pictures,
                model_id=detector.model_id,
                worker=self.config.name,
                now=self.clock(),
            )

        streams = [StreamKey(i.decoded.entry.camera, detector.model_id) for i in inspected]
        decisions = [next(answers[stream]) for stream in streams]
        return list(self._pool.map(finish, inspected, streams, decisions))


def _wrong_unit(outcome: Decoded, unit: str) -> Refused:
    return Refused(
        outcome.entry,
        "unit_mismatch",
        f"the image is in {outcome.frame.unit}, the model was trained in {unit}: declare the "
        "camera's scale, or train a model on images like this one",
    )
