"""The rolling threshold of every stream: decided in Redis, recorded in the database.

A stream that Redis does not hold (new camera, lost Redis, changed settings) is restored from its
rows and from the open decisions that `commit_results` recorded for other batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from storage.db.database import writing
from storage.db.result_fields import DECISION_NAMES
from storage.db.schema import frames, is_pending, open_decisions, results
from storage.db.schema import streams as streams_table
from storage.results.epochs import current_epoch, note_epoch, open_epoch
from storage.results.rows import decision_of
from storage.stream.window import (
    Decided,
    RollingWindows,
    StreamKey,
    StreamMissing,
    config_to_text,
    new_epoch,
)
from thermal.detection.bundle import Bundle
from thermal.threshold import (
    HOLD_FRAMES,
    Baseline,
    Decision,
    RollingThreshold,
    WindowConfig,
)

log = logging.getLogger(__name__)

#: Attempts to decide, with a restore of the stream between two of them.
RESTORE_ATTEMPTS = 3
#: Decisions read from the database per query.
_PAGE = 4096


class Streams:
    """Decides scores, and restores streams that Redis has lost."""

    def __init__(self, engine: Engine, windows: RollingWindows, clock: Callable[[], float]):
        self.engine = engine
        self.windows = windows
        self.clock = clock
        self._baselines: dict[str, Baseline] = {}

    def decide(
        self, stream: StreamKey, bundle: Bundle, frames: Sequence[tuple[str, float]]
    ) -> Decided:
        """Decide (frame id, score) pairs of one stream, in this order.

        Raises:
            DatabaseUnavailable: the stream had to be restored, and the database failed.
            StreamMissing: Redis lost the stream again right after each restore.
            redis.RedisError: Redis cannot be reached.
        """
        baseline = self._baseline(bundle)
        for _ in range(RESTORE_ATTEMPTS - 1):
            try:
                return self.windows.decide(stream, baseline, frames)
            except StreamMissing:
                self._restore(stream, bundle)
        return self.windows.decide(stream, baseline, frames)

    def decide_all(
        self, frames: Mapping[StreamKey, Sequence[tuple[str, float]]], bundle: Bundle
    ) -> dict[StreamKey, Decided]:
        """`decide` for several streams, in one round trip for those that Redis holds."""
        held = self.windows.decide_all(frames, self._baseline(bundle))
        return {
            stream: held[stream] if stream in held else self.decide(stream, bundle, batch)
            for stream, batch in frames.items()
        }

    def _baseline(self, bundle: Bundle) -> Baseline:
        if bundle.model_id not in self._baselines:
            config = self.windows.config
            self._baselines[bundle.model_id] = Baseline.from_scores(bundle.held_out_scores, config)
        return self._baselines[bundle.model_id]

    def accept(self, stream: StreamKey, bundle: Bundle) -> int:
        """Make a stream learn its level again, because an operator accepts the new one as normal.

        Returns the sequence number of the first frame it learns from.

        Raises:
            DatabaseUnavailable, redis.RedisError: nothing was accepted.
        """
        with self.windows.rebuild_lock(stream):
            return self._rebuild(stream, bundle, accepted=True)

    def _restore(self, stream: StreamKey, bundle: Bundle) -> None:
        with self.windows.rebuild_lock(stream):
            if not self.windows.holds(stream):  # another worker may have been faster
                self._rebuild(stream, bundle, accepted=False)

    def _rebuild(self, stream: StreamKey, bundle: Bundle, *, accepted: bool) -> int:
        camera, model_id = stream.camera, stream.model_id
        epoch, config = new_epoch(), config_to_text(self.windows.config)
        before = current_epoch(self.engine, camera, model_id)
        # Write the new epoch before reading the rows: from here on no decision of the old window
        # can be committed, so nothing is added to what is read below.
        open_epoch(self.engine, camera, model_id, epoch, config=config, now=self.clock())
        state = start_state(self.windows.config, self._baseline(bundle), bundle, camera)
        with writing(self.engine) as connection:
            size, begin = self.windows.config.window_size, complete_from(connection, stream)
            for decision in recent_decisions(connection, stream, size, from_seq=begin).decisions:
                state.absorb(decision)
            waiting = _waiting(connection, stream)
            first_seq = state.seq + 1
            accepted = note_epoch(
                connection,
                camera,
                model_id,
                epoch,
                config=config,
                first_seq=first_seq,
                accepted=accepted,
            )
        if accepted:
            state.start_learning()
        elif before is not None and before.config != config:
            state.settled = False  # new settings apply at once, not gradually
        self.windows.install(stream, state, epoch, waiting)
        log.info("restored the window of camera %s at frame %d", camera, state.seq)
        return first_seq


def start_state(
    config: WindowConfig, baseline: Baseline, bundle: Bundle, camera: str
) -> RollingThreshold:
    """The state of a stream before its first frame.

    A camera in the training set starts from the held-out scores, and so does every camera if the
    training set names none. Other cameras start by learning their level.
    """
    known = not bundle.training.cameras or camera in bundle.training.cameras
    return RollingThreshold(config, baseline, learning=not known)


def read_decisions(
    connection: Connection, stream: StreamKey, *, before_seq: int | None = None
) -> Iterator[Decision]:
    """All decisions of a stream, latest first: those of its rows and its open decisions."""
    while page := _page(connection, stream, before_seq):
        yield from page
        before_seq = page[-1].seq


def _page(connection: Connection, stream: StreamKey, before_seq: int | None) -> list[Decision]:
    found: dict[int, Decision] = {}
    for table in (open_decisions, results):
        query = (
            select(*(table.c[name] for name in DECISION_NAMES))
            .where(table.c.camera == stream.camera, table.c.model_id == stream.model_id)
            .order_by(table.c.seq.desc())
            .limit(_PAGE)
        )
        if before_seq is not None:
            query = query.where(table.c.seq < before_seq)
        for row in connection.execute(query):
            found[row.seq] = decision_of(row)
    return [found[seq] for seq in sorted(found, reverse=True)[:_PAGE]]


@dataclass(frozen=True)
class Recent:
    """The last decisions of a stream, oldest first."""

    decisions: tuple[Decision, ...]
    complete: bool  #: whether absorbing them restores the window exactly
    members: int  #: number of their scores that entered the window


def complete_from(connection: Connection, stream: StreamKey) -> int:
    """The sequence number from which on no decision of the stream was deleted."""
    query = select(streams_table.c.complete_from).where(
        streams_table.c.camera == stream.camera, streams_table.c.model_id == stream.model_id
    )
    return connection.scalar(query) or 1


def recent_decisions(
    connection: Connection,
    stream: StreamKey,
    size: int,
    *,
    from_seq: int = 1,
    before_seq: int | None = None,
) -> Recent:
    """The decisions that restore a stream's window, as it was before `before_seq`.

    Decisions before `from_seq`, the stream's `complete_from`, are left out.
    """
    recent: list[Decision] = []
    members, complete = 0, from_seq == 1
    for decision in read_decisions(connection, stream, before_seq=before_seq):
        if decision.seq < from_seq:
            break
        recent.append(decision)
        members += decision.enters
        full = members >= size and len(recent) >= HOLD_FRAMES
        if full or (decision.learning and decision.window_n == 0):
            complete = True
            break
    return Recent(tuple(recent[::-1]), complete, members)


def _waiting(connection: Connection, stream: StreamKey) -> dict[str, Decision]:
    """Open decisions, by frame id, of frames that are pending and will be delivered again."""
    query = (
        select(open_decisions.c.frame_id, *(open_decisions.c[name] for name in DECISION_NAMES))
        .join(frames, frames.c.id == open_decisions.c.frame_id)
        .where(
            open_decisions.c.camera == stream.camera,
            open_decisions.c.model_id == stream.model_id,
            is_pending,
        )
    )
    return {row.frame_id: decision_of(row) for row in connection.execute(query)}
