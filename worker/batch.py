"""The main path: frame ids in, committed rows and pictures out.

Every stage can be repeated after a crash: reading and scoring have no side effects, the window
remembers each frame's decision, pictures are overwritten with the same content, and all rows are
committed in one transaction.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace

from sqlalchemy import Engine

from storage.db.result_fields import ResultRow
from storage.errors import RepeatedContent, StaleEpoch
from storage.files.artifacts import ArtifactStore
from storage.frames.ledger import LedgerFrame, load_pending, postpone
from storage.frames.outcomes import Outcome, Quarantined, Superseded
from storage.queue import FrameBatch
from storage.results.commit import commit_results
from storage.stream.streams import Streams
from storage.stream.window import StreamKey
from storage.stream.wire import Decided
from thermal.detection.detector import Detector
from thermal.sandbox import Sandbox
from thermal.threshold import Decision
from worker.config import WorkerConfig
from worker.frame import InspectedFrame
from worker.inspection import Inspection, InspectionAhead, InspectionPool
from worker.models import ModelSource, is_out_of_memory
from worker.pictures import keeps_pictures, store_pictures
from worker.progress import Progress
from worker.repeats import Sorted, set_repeats_apart
from worker.rows import StoredArtifacts, make_row
from worker.stages import Stages

log = logging.getLogger(__name__)

#: Most frames, and most bytes of their files, that are decided and committed together.
PART_FRAMES = 64
PART_BYTES = 64 * 1024 * 1024
#: Parts inspected ahead while another one is committed.
PARTS_AHEAD = 1
#: Attempts to decide a part whose window is rebuilt in the meantime.
DECIDE_ATTEMPTS = 5

Part = Sequence[LedgerFrame]


@dataclass(frozen=True)
class BatchReport:
    """Number of frames of a batch, by outcome."""

    scored: int = 0
    anomalies: int = 0
    quarantined: int = 0
    superseded: int = 0
    repeated: int = 0
    postponed: int = 0

    def __add__(self, other: BatchReport) -> BatchReport:
        """The counts of two batches together."""
        return BatchReport(
            *(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True))
        )


@dataclass(frozen=True)
class _Begun:
    """A part whose inspection has started, with the model it uses."""

    part: Part
    detector: Detector
    inspection: InspectionAhead


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
        self._inspecting = ThreadPoolExecutor(config.threads, thread_name_prefix="inspect")
        self._drawing = ThreadPoolExecutor(config.threads, thread_name_prefix="draw")
        self._sandbox = Sandbox(config.threads, config.sandbox)
        self._inspections = InspectionPool(config, clock, progress, self._inspecting, self._sandbox)
        #: Durations of the stages; the caller takes them after each batch.
        self.stages = Stages()

    def __call__(self, batch: FrameBatch) -> BatchReport:
        """Give each frame of the batch that is still pending its outcome, part by part.

        While one part is decided, drawn and committed, threads inspect the next.

        Raises:
            storage.errors.StorageError, redis.RedisError, OSError, DeviceFailed: a service or the
                device failed; nothing is lost and the batch can be run again.
        """
        with self.progress.waiting(), self.stages.timed("load"):
            entries = load_pending(self.engine, batch.frame_ids)
        report, ahead = BatchReport(), deque[_Begun]()
        try:
            for part in parts_of(entries):
                ahead.append(self._begin(part))
                if len(ahead) > PARTS_AHEAD:
                    report += self._finish(ahead.popleft())
            while ahead:
                report += self._finish(ahead.popleft())
        finally:
            for begun in ahead:
                begun.inspection.cancel()
        return report

    def close(self) -> None:
        """Stop the threads and the decoder processes."""
        self._inspecting.shutdown()
        self._sandbox.close()
        self._drawing.shutdown()

    def _begin(self, part: Part) -> _Begun:
        with self.progress.waiting():
            detector = self.models.current()
        return _Begun(part, detector, self._inspections.start(detector, part))

    def _finish(self, begun: _Begun) -> BatchReport:
        """Give the frames of one part their outcome."""
        with self.stages.timed("inspect"):  # only the time spent waiting for it
            found = self._inspected(begun)
        with self.progress.waiting():
            parted = set_repeats_apart(self.engine, found, now=self.clock())
            rows, parted = self._decide_and_commit(begun.detector, parted)
            found = parted.inspection
            for waiting in found.postponed:
                postpone(self.engine, [waiting.entry.id], until=waiting.until)
        for file in found.refused:
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
            quarantined=len(found.refused),
            superseded=len(found.changed),
            repeated=len(parted.repeated),
            postponed=len(found.postponed),
        )

    def _inspected(self, begun: _Begun) -> Inspection:
        """The part's inspection, repeated with a reloaded model if it fails."""
        try:
            return begun.inspection.result()
        except (RuntimeError, FloatingPointError) as error:  # torch raises RuntimeError for devices
            begun.inspection.cancel()
            if is_out_of_memory(error):
                raise
            device = begun.detector.device
            log.warning("scoring failed on %s, reloading the model: %s", device, error)
        # outside the except block: the error held the first attempt's tensors in memory
        return self._inspections.start(self.models.renewed(begun.detector), begun.part).result()

    def _decide_and_commit(
        self, detector: Detector, parted: Sorted
    ) -> tuple[list[ResultRow], Sorted]:
        """Give the frames of a part their outcome; return the rows and what became of the rest."""
        inspected = parted.inspection.inspected
        attempt = 0
        while True:
            attempt += 1
            self.progress.step()
            with self.stages.timed("decide"):
                decided = self._decide(detector, inspected)
            with self.stages.timed("draw"):
                rows = self._rows(detector, inspected, decided)
            try:
                with self.stages.timed("commit"):
                    commit_results(
                        self.engine,
                        rows,
                        epochs={stream.camera: d.epoch for stream, d in decided.items()},
                        open_decisions={s.camera: d.open_decisions for s, d in decided.items()},
                        model_id=detector.model_id,
                        others=_outcomes(parted),
                        distinct=parted.distinct,
                        now=self.clock(),
                    )
            except StaleEpoch as stale:
                if attempt == DECIDE_ATTEMPTS:
                    raise
                for camera in stale.streams:
                    stream = StreamKey(camera, detector.model_id)
                    self.streams.windows.drop(stream, decided[stream].epoch)
                # skip frames that another worker has committed in the meantime
                ids = [item.id for item in inspected]
                pending = {entry.id for entry in load_pending(self.engine, ids)}
                inspected = [item for item in inspected if item.id in pending]
            except RepeatedContent:
                if attempt == DECIDE_ATTEMPTS:
                    raise
                found = replace(parted.inspection, inspected=inspected)
                parted = parted.and_then(set_repeats_apart(self.engine, found, now=self.clock()))
                inspected = parted.inspection.inspected
            else:
                break
        self._confirm(rows, decided)
        return rows, parted

    def _decide(
        self, detector: Detector, inspected: Sequence[InspectedFrame]
    ) -> dict[StreamKey, Decided]:
        frames: dict[StreamKey, list[tuple[str, float]]] = {}
        for item in inspected:
            stream = StreamKey(item.camera, detector.model_id)
            frames.setdefault(stream, []).append((item.id, item.scored.score))
        return self.streams.decide_all(frames, detector.bundle)

    def _rows(
        self,
        detector: Detector,
        inspected: Sequence[InspectedFrame],
        decided: Mapping[StreamKey, Decided],
    ) -> list[ResultRow]:
        """Store the pictures of frames that keep them, then make each frame's row."""
        decisions = {
            frame_id: decision
            for answer in decided.values()
            for frame_id, decision in answer.decisions.items()
        }
        stored = self._draw(detector, inspected, decisions)
        now = self.clock()
        return [
            make_row(
                item,
                decisions[item.id],
                epoch=decided[StreamKey(item.camera, detector.model_id)].epoch,
                stored=stored.get(item.id, StoredArtifacts()),
                model_id=detector.model_id,
                worker=self.config.name,
                now=now,
            )
            for item in inspected
        ]

    def _draw(
        self,
        detector: Detector,
        inspected: Sequence[InspectedFrame],
        decisions: Mapping[str, Decision],
    ) -> dict[str, StoredArtifacts]:
        """Draw and store the pictures of frames that keep them; by frame id."""

        def draw(item: InspectedFrame) -> StoredArtifacts:
            stored = store_pictures(self.store, detector.bundle, item, decisions[item.id])
            self.progress.step()
            return stored

        kept = [i for i in inspected if keeps_pictures(self.config, i.id, decisions[i.id])]
        drawn = list(self._drawing.map(draw, kept))
        return {item.id: one for item, one in zip(kept, drawn, strict=True)}

    def _confirm(self, rows: Sequence[ResultRow], decided: Mapping[StreamKey, Decided]) -> None:
        """Tell the windows which decisions are now in the database."""
        committed = {stream: list(answer.open_decisions) for stream, answer in decided.items()}
        for row in rows:
            committed[StreamKey(row.camera, row.model_id)].append(row.frame_id)
        self.streams.windows.confirm_all(committed)


def _outcomes(parted: Sorted) -> list[Outcome]:
    """The outcomes of the frames that are not scored."""
    found = parted.inspection
    return [
        *(Quarantined(r.entry.id, r.reason, r.detail, r.sha256) for r in found.refused),
        *(Superseded(c.entry.id, c.successor) for c in found.changed),
        *parted.repeated,
    ]


def parts_of(entries: Sequence[LedgerFrame]) -> Iterator[Part]:
    """Split entries into parts of at most `PART_FRAMES` frames and `PART_BYTES` of files.

    A single larger file is a part of its own.
    """
    part: list[LedgerFrame] = []
    size = 0
    for entry in entries:
        if part and (len(part) == PART_FRAMES or size + entry.size > PART_BYTES):
            yield part
            part, size = [], 0
        part.append(entry)
        size += entry.size
    if part:
        yield part
