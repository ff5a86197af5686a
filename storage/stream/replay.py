"""Recompute every decision of every stream from the database alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from storage.db.database import reading
from storage.db.schema import epochs, streams
from storage.models import load_model
from storage.results.stream_decisions import stream_rows
from storage.stream.history import complete_from, recent_decisions, start_state
from storage.stream.window import StreamKey, config_from_text
from thermal.detection.bundle import Bundle
from thermal.threshold import HOLD_FRAMES, Baseline, Decision, RollingThreshold

#: Mismatches described in a report; all are counted.
MAX_DESCRIBED = 20


@dataclass
class ReplayReport:
    """The result of a replay."""

    streams: int = 0
    decisions: int = 0  #: recomputed
    mismatches: int = 0  #: recomputed decisions that differ from the record
    missing: int = 0  #: sequence numbers without a decision on record
    unchecked: int = 0  #: not recomputed, because retention deleted part of their window
    described: list[str] = field(default_factory=list)  #: the first mismatches, as text

    @property
    def consistent(self) -> bool:
        """Whether every checked decision follows from those before it and none is missing."""
        return self.mismatches == 0 and self.missing == 0


def replay_all(engine: Engine) -> ReplayReport:
    """Recompute, in sequence order, all decisions of all cameras and models.

    Uses constant memory. Decisions committed during the replay may or may not be included.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    report = ReplayReport()
    query = select(streams.c.camera, streams.c.model_id)
    with reading(engine) as connection:
        keys = [StreamKey(*row) for row in connection.execute(query.order_by("model_id", "camera"))]
    bundle: Bundle | None = None
    for key in keys:
        if bundle is None or bundle.model_id != key.model_id:
            bundle = load_model(engine, key.model_id)
        _Replay(engine, key, bundle, report).run()
        report.streams += 1
    return report


class _Replay:
    """The replay of one stream."""

    def __init__(self, engine: Engine, key: StreamKey, bundle: Bundle, report: ReplayReport):
        self.engine = engine
        self.key = key
        self.bundle = bundle
        self.report = report
        self.state: RollingThreshold | None = None
        self.config_text = ""
        #: no decision from this sequence number on was deleted
        self.complete_from = 1
        #: the next sequence number
        self.expected = 0
        #: scores that must enter, and frames that must pass, before the window is known
        self.unknown_scores = 0
        self.unknown_frames = 0

    def run(self) -> None:
        coming = self._epochs()
        for row in stream_rows(self.engine, self.key.camera, self.key.model_id):
            if not self.expected:
                # Read after the first row, because retention may run meanwhile: rows deleted since
                # then do no harm, but a gap that `complete_from` does not explain would count.
                with reading(self.engine) as connection:
                    self.complete_from = complete_from(connection, self.key)
                self.expected = self.complete_from
            decision = row.decision
            while coming and coming[0][0] <= decision.seq:
                self._enter_epoch(*coming.pop(0))
            if decision.seq < self.complete_from:
                self.report.unchecked += 1
            elif self.state is None:
                self.report.unchecked += 1
                self.expected = decision.seq + 1
            else:
                self._take(self.state, decision, row.frame_id)

    def _epochs(self) -> list[tuple[int, str, bool]]:
        query = (
            select(epochs.c.first_seq, epochs.c.config, epochs.c.accepted)
            .where(epochs.c.camera == self.key.camera, epochs.c.model_id == self.key.model_id)
            .order_by(epochs.c.first_seq)
        )
        with reading(self.engine) as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def _enter_epoch(self, first_seq: int, config_text: str, accepted: bool) -> None:
        """Apply changed settings, or a new level that an operator accepted."""
        if config_text != self.config_text:
            self._restore(first_seq, config_text)
        if accepted and self.state is not None and first_seq >= self.complete_from:
            self.state.start_learning()
            self.unknown_scores = self.unknown_frames = 0

    def _restore(self, first_seq: int, config_text: str) -> None:
        """Build the window from the decisions before `first_seq`, as workers do."""
        config = config_from_text(config_text)
        baseline = Baseline.from_scores(self.bundle.held_out_scores, config)
        state = start_state(config, baseline, self.bundle, self.key.camera)
        with reading(self.engine) as connection:
            recent = recent_decisions(
                connection,
                self.key,
                config.window_size,
                from_seq=self.complete_from,
                before_seq=first_seq,
            )
        for decision in recent.decisions:
            state.absorb(decision)
        known = recent.complete
        self.unknown_scores = 0 if known else config.window_size - recent.members
        self.unknown_frames = 0 if known else HOLD_FRAMES - len(recent.decisions)
        if self.config_text:
            state.settled = False
        self.state, self.config_text = state, config_text

    def _take(self, state: RollingThreshold, decision: Decision, frame_id: str) -> None:
        self.report.missing += decision.seq - self.expected
        self.expected = decision.seq + 1
        if self.unknown_scores > 0 or self.unknown_frames > 0:
            self.unknown_scores -= decision.enters
            self.unknown_frames -= 1
            if decision.learning and decision.window_n == 0:
                self.unknown_scores = self.unknown_frames = 0
            self.report.unchecked += 1
            state.absorb(decision)
            return
        state.seq = decision.seq - 1
        again = state.decide(decision.score)
        self.report.decisions += 1
        if again != decision:
            self.report.mismatches += 1
            if len(self.report.described) < MAX_DESCRIBED:
                self.report.described.append(
                    f"camera {self.key.camera}, decision {decision.seq} (frame {frame_id}): "
                    + _differences(decision, again)
                )
            state.threshold = decision.threshold


def _differences(recorded: Decision, again: Decision) -> str:
    return ", ".join(
        f"{name} is recorded as {value!r} and recomputed as {getattr(again, name)!r}"
        for name, value in vars(recorded).items()
        if getattr(again, name) != value
    )
