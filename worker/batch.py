"""The main path: frame ids in, committed rows and pictures out.

Every stage can die and be done again: reading and scoring have no effects, a decision is kept by
the window, pictures are replaced by the same pictures, and the rows are one transaction.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass

from sqlalchemy import Engine

from storage.artifacts import ArtifactStore
from storage.errors import StaleEpoch
from storage.ledger import LedgerFrame, Quarantined, load_pending, postpone
from storage.queue import FrameBatch
from storage.results import ResultRow, commit_results
from storage.streams import Streams
from storage.window import Decided, StreamKey
from thermal.detector import Detector, Scored
from thermal.frame import Frame
from thermal.hotspots import HotspotReport, default_rule, measure
from thermal.threshold import Decision
from worker.config import WorkerConfig
from worker.models import ModelSource, is_out_of_memory
from worker.pictures import keeps_pictures, store_pictures
from worker.progress import Progress
from worker.reading import Decoded, Later, Outcome, Refused, Replaced, read_frame
from worker.rows import Inspected, Kept, make_row
from worker.stages import Stages

log = logging.getLogger(__name__)

#: Times a batch is decided anew because its window was replaced meanwhile.
DECIDE_ATTEMPTS = 5


@dataclass(frozen=True)
class BatchReport:
    """What became of a batch's frames."""

    scored: int = 0
    anomalies: int = 0
    quarantined: int = 0
    superseded: int = 0
    postponed: int = 0

    def __add__(self, other: BatchReport) -> BatchReport:
        """What became of two batches."""
        return BatchReport(
            *(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True))
        )


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
        progress: Progress,
    ):
        self.config = config
        self.engine = engine
        self.streams = streams
        self.models = models
        self.store = store
        self.clock = clock
        self.progress = progress
        #: How long the stages took; whoever runs batches takes it.
        self.stages = Stages()
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix="batch")

    def __call__(self, batch: FrameBatch) -> BatchReport:
        """Bring the batch's frames that are still pending to their outcome.

        Raises:
            storage.errors.StorageError, redis.RedisError, OSError, DeviceFailed: a service or the
                device failed; nothing is lost, the batch may be run again.
        """
        with self.stages.timed("read"):
            outcomes = self._read(batch)
        with self.progress.waiting():
            detector = self.models.current()
        with self.stages.timed("inspect"):
            inspected, unfit = self._inspect(detector, outcomes)
        refused = [o for o in outcomes if isinstance(o, Refused)] + unfit
        replaced = [o for o in outcomes if isinstance(o, Replaced)]
        later = [o for o in outcomes if isinstance(o, Later)]
        with self.progress.waiting():
            rows = self._decide_and_commit(detector, inspected, refused, replaced)
            for wait in later:
                postpone(self.engine, [wait.entry.id], until=wait.until)
        for file in refused:
            log.warning(
                "quarantined %s of camera %s: %s",
                file.entry.path,
                file.entry.camera,
                file.detail,
                extra={
                    "frame_id": file.entry.id,
                    "camera": file.entry.camera,
                    "reason": file.reason,
                },
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
        with self.progress.waiting():
            entries = load_pending(self.engine, batch.frame_ids)
        now, config = self.clock(), self.config

        def read(entry: LedgerFrame) -> Outcome:
            outcome = read_frame(
                entry,
                config.camera(entry.camera),
                grace_s=config.grace_s,
                now=now,
                progress=self.progress,
            )
            self.progress.step()
            return outcome

        return list(self._pool.map(read, entries))

    def _inspect(
        self, detector: Detector, outcomes: Iterable[Outcome]
    ) -> tuple[list[Inspected], list[Refused]]:
        unit = detector.bundle.preparation.unit
        decoded = [outcome for outcome in outcomes if isinstance(outcome, Decoded)]
        fitting = [outcome for outcome in decoded if outcome.frame.unit == unit]
        unfit = [_wrong_unit(outcome, unit) for outcome in decoded if outcome.frame.unit != unit]
        scores = self._score(detector, [outcome.frame for outcome in fitting])
        self.progress.step()
        reports = self._pool.map(self._measure, fitting)
        return [Inspected(*parts) for parts in zip(fitting, scores, reports, strict=True)], unfit

    def _score(self, detector: Detector, frames: Sequence[Frame]) -> list[Scored]:
        """One forward pass; another one with the model loaded anew if the first fails."""
        try:
            return _finite(detector.score(frames))
        except (RuntimeError, FloatingPointError) as error:  # RuntimeError: torch's for devices
            if is_out_of_memory(error):
                raise
            log.warning("scoring failed on %s, loading the model anew: %s", detector.device, error)
        # here the first attempt's tensors, which the error held, are free
        return _finite(self.models.renewed(detector).score(frames))

    def _measure(self, outcome: Decoded) -> HotspotReport:
        rule = self.config.camera(outcome.entry.camera).hotspot or default_rule(
            outcome.frame.unit, outcome.frame.bit_depth
        )
        report = measure(outcome.frame, rule)
        self.progress.step()
        return report

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
            self.progress.step()
            with self.stages.timed("decide"):
                decided = self._decide(detector, inspected)
            with self.stages.timed("draw"):
                rows = self._draw(detector, inspected, decided)
            try:
                with self.stages.timed("commit"):
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
            kept = Kept()
            if keeps_pictures(self.config, item.decoded.entry.id, decision):
                kept = store_pictures(self.store, detector.bundle, item, decision)
            self.progress.step()
            return make_row(
                item,
                decision,
                epoch=decided[stream].epoch,
                kept=kept,
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


def _finite(scored: list[Scored]) -> list[Scored]:
    # frames hold numbers only, so one that is none comes from the model or its device
    if not all(math.isfinite(one.score) for one in scored):
        raise FloatingPointError("a score is not a number")
    return scored
