"""Checks what Redis decides: a worker follows each stream with a copy of its own.

A copy starts from the rows, takes in the decisions of other workers and decides every frame again
by the rule (`thermal.threshold`). Whatever stands in Redis, a decision that differs from the copy's
is refused: a number that is skipped or repeated, a score that the worker did not compute, a
threshold that moves too far, a window that is not the stream's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Engine

from storage.db.database import reading
from storage.results.epochs import current_epoch
from storage.results.stream_decisions import stream_rows
from storage.stream.history import Restored, enter_epoch, restored
from storage.stream.window import StreamKey
from storage.stream.wire import Decided
from thermal.detection.bundle import Bundle
from thermal.threshold import Baseline, Decision, RollingThreshold, WindowConfig

#: Most streams that a worker follows at a time; a copy takes about 80 KB.
MAX_COPIES = 512
#: Most decisions by which a copy may be behind; with more it starts from the rows again.
MAX_GAP = 4096


class Refused(Exception):
    """A decision from Redis does not follow from the rows by the rule."""


@dataclass
class _Copy:
    """The copy of one stream."""

    epoch: str
    restored: Restored
    #: decisions of the last answer, by frame: Redis may repeat them before they have rows
    answered: Mapping[str, Decision]

    @property
    def seq(self) -> int:
        return self.restored.state.seq

    def take(self, decision: Decision) -> None:
        """Check the next decision and take it in."""
        state = self.restored.state
        if self.restored.exact:
            if (again := state.decide(decision.score)) != decision:
                raise Refused(f"gives {_differences(decision, again)}")
        elif state.allows(decision):
            self.restored.absorb(decision)
        else:
            raise Refused(f"gives {decision}, against the rule")


class Copies:
    """The copies of the streams that a worker scores. Used by one thread."""

    def __init__(self, engine: Engine, config: WindowConfig, config_text: str):
        self._engine = engine
        self._config = config
        self._config_text = config_text
        self._copies: OrderedDict[StreamKey, _Copy] = OrderedDict()

    def start(self, stream: StreamKey, epoch: str, state: RollingThreshold) -> None:
        """Follow a stream from the state that was installed in Redis; takes over the state."""
        self._keep(stream, _Copy(epoch, Restored(state, 0, 0), {}))

    def check(
        self,
        stream: StreamKey,
        decided: Decided,
        scores: Mapping[str, float],
        baseline: Baseline,
        bundle: Bundle,
    ) -> None:
        """Check the decisions of one answer; `scores` are those that this worker computed.

        An answer of an epoch that is over is not checked: its decisions cannot be committed.

        Raises:
            Refused: what Redis holds is not what was written there.
            DatabaseUnavailable: the rows could not be read.
        """
        copy = self._copies.pop(stream, None)
        answered = {**decided.open_decisions, **decided.decisions}
        if copy is None or not _continues(copy, decided.epoch, answered):
            copy = self._from_rows(stream, baseline, bundle)
            if copy is None or copy.epoch != decided.epoch:
                return
        try:
            self._follow(stream, copy, answered, scores)
        except Refused:
            current = current_epoch(self._engine, stream.camera, stream.model_id)
            if current is None or current.epoch == decided.epoch:
                raise
            return
        copy.answered = answered
        self._keep(stream, copy)

    def _keep(self, stream: StreamKey, copy: _Copy) -> None:
        self._copies[stream] = copy
        self._copies.move_to_end(stream)
        if len(self._copies) > MAX_COPIES:
            self._copies.popitem(last=False)

    def _from_rows(self, stream: StreamKey, baseline: Baseline, bundle: Bundle) -> _Copy | None:
        current = current_epoch(self._engine, stream.camera, stream.model_id)
        if current is None:
            return None
        with reading(self._engine) as connection:
            found = restored(connection, stream, self._config, baseline, bundle)
            enter_epoch(connection, stream, found.state, self._config_text)
        return _Copy(current.epoch, found, {})

    def _follow(
        self,
        stream: StreamKey,
        copy: _Copy,
        answered: Mapping[str, Decision],
        scores: Mapping[str, float],
    ) -> None:
        for frame_id, decision in sorted(answered.items(), key=lambda item: item[1].seq):
            if scores.get(frame_id, decision.score) != decision.score:
                # of another worker, whose device rounds otherwise: later rows may depend on it
                self._must_be_recorded(stream, frame_id, decision, "a score of its own")
            if decision.seq > copy.seq + 1:
                self._absorb_recorded(stream, copy)
            if decision.seq == copy.seq + 1:
                copy.take(decision)
            elif decision.seq > copy.seq:
                raise Refused(f"gives the number {decision.seq} after {copy.seq}")
            elif copy.answered.get(frame_id) != decision:
                self._must_be_recorded(stream, frame_id, decision, "a number for the second time")

    def _absorb_recorded(self, stream: StreamKey, copy: _Copy) -> None:
        """Take in what other workers have decided and committed."""
        for row in stream_rows(self._engine, stream.camera, stream.model_id, after_seq=copy.seq):
            if row.decision.seq != copy.seq + 1:
                return
            copy.restored.absorb(row.decision)

    def _must_be_recorded(
        self, stream: StreamKey, frame_id: str, decision: Decision, what: str
    ) -> None:
        after = decision.seq - 1
        rows = stream_rows(self._engine, stream.camera, stream.model_id, after_seq=after)
        with closing(rows):
            row = next(rows, None)
        if row is None or (row.frame_id, row.decision) != (frame_id, decision):
            raise Refused(f"gives {what}: {decision}")


def _continues(copy: _Copy, epoch: str, answered: Mapping[str, Decision]) -> bool:
    """Whether the copy can check an answer; else one from the rows can."""
    return copy.epoch == epoch and all(
        copy.seq < decision.seq <= copy.seq + MAX_GAP or copy.answered.get(frame_id) == decision
        for frame_id, decision in answered.items()
    )


def _differences(given: Decision, again: Decision) -> str:
    return ", ".join(
        f"{name} {value!r} instead of {getattr(again, name)!r}"
        for name, value in vars(given).items()
        if getattr(again, name) != value
    )
