"""The rolling threshold of every stream: decided in Redis, checked, recorded in the database.

A stream that Redis does not hold (new camera, lost Redis, changed settings) is restored from its
rows and from the open decisions that `commit_results` recorded for other batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Engine

from storage.audit_log import PROGRAM, Actor, record
from storage.db.database import writing
from storage.results.epochs import note_epoch, open_epoch
from storage.stream.follow import Copies, Refused
from storage.stream.history import enter_epoch, restored, waiting_decisions
from storage.stream.window import (
    RollingWindows,
    StreamKey,
    StreamMissing,
    config_to_text,
    new_epoch,
)
from storage.stream.wire import Decided
from thermal.detection.bundle import Bundle
from thermal.threshold import Baseline

log = logging.getLogger(__name__)

#: Attempts to decide, with a restore of the stream between two of them.
RESTORE_ATTEMPTS = 3


class Streams:
    """Decides scores, and restores streams that Redis has lost."""

    def __init__(self, engine: Engine, windows: RollingWindows, clock: Callable[[], float]):
        self.engine = engine
        self.windows = windows
        self.clock = clock
        self._baselines: dict[str, Baseline] = {}
        self._copies = Copies(engine, windows.config, config_to_text(windows.config))

    def decide(
        self, stream: StreamKey, bundle: Bundle, frames: Sequence[tuple[str, float]]
    ) -> Decided:
        """Decide (frame id, score) pairs of one stream, in this order.

        Raises:
            DatabaseUnavailable: the stream had to be restored, and the database failed.
            StreamMissing: Redis lost the stream again right after each restore.
            redis.RedisError: Redis cannot be reached.
        """
        for _ in range(RESTORE_ATTEMPTS - 1):
            with suppress(StreamMissing):
                return self._decide_once(stream, bundle, frames)
            self._restore(stream, bundle)
        return self._decide_once(stream, bundle, frames)

    def _decide_once(
        self, stream: StreamKey, bundle: Bundle, frames: Sequence[tuple[str, float]]
    ) -> Decided:
        decided = self.windows.decide(stream, self._baseline(bundle), frames)
        if not self._is_checked(stream, bundle, decided, frames):
            raise StreamMissing(stream.camera)
        return decided

    def _is_checked(
        self,
        stream: StreamKey,
        bundle: Bundle,
        decided: Decided,
        frames: Sequence[tuple[str, float]],
    ) -> bool:
        """Whether decisions follow the rule; if not, their window is deleted from Redis."""
        try:
            self._copies.check(stream, decided, dict(frames), self._baseline(bundle), bundle)
        except Refused as error:
            self.windows.discard(stream, error, epoch=decided.epoch)
            return False
        return True

    def decide_all(
        self, frames: Mapping[StreamKey, Sequence[tuple[str, float]]], bundle: Bundle
    ) -> dict[StreamKey, Decided]:
        """`decide` for several streams, in one round trip for those that Redis holds."""
        held = self.windows.decide_all(frames, self._baseline(bundle))
        return {
            stream: held[stream]
            if stream in held and self._is_checked(stream, bundle, held[stream], batch)
            else self.decide(stream, bundle, batch)
            for stream, batch in frames.items()
        }

    def _baseline(self, bundle: Bundle) -> Baseline:
        if bundle.model_id not in self._baselines:
            config = self.windows.config
            self._baselines[bundle.model_id] = Baseline.from_scores(bundle.held_out_scores, config)
        return self._baselines[bundle.model_id]

    def accept(self, stream: StreamKey, bundle: Bundle, by: Actor = PROGRAM) -> int:
        """Make a stream learn its level again, because an operator accepts the new one as normal.

        Returns the sequence number of the first frame it learns from.

        Raises:
            DatabaseUnavailable, redis.RedisError: nothing was accepted.
        """
        with self.windows.rebuild_lock(stream):
            return self._rebuild(stream, bundle, accepted_by=by)

    def _restore(self, stream: StreamKey, bundle: Bundle) -> None:
        with self.windows.rebuild_lock(stream):
            if not self.windows.holds(stream):  # another worker may have been faster
                self._rebuild(stream, bundle, accepted_by=None)

    def _rebuild(self, stream: StreamKey, bundle: Bundle, *, accepted_by: Actor | None) -> int:
        camera, model_id = stream.camera, stream.model_id
        epoch, config = new_epoch(), config_to_text(self.windows.config)
        # Write the new epoch before reading the rows: from here on no decision of the old window
        # can be committed, so nothing is added to what is read below.
        open_epoch(self.engine, camera, model_id, epoch, config=config, now=self.clock())
        with writing(self.engine) as connection:
            found = restored(
                connection, stream, self.windows.config, self._baseline(bundle), bundle
            )
            state, waiting = found.state, waiting_decisions(connection, stream)
            first_seq = state.seq + 1
            note_epoch(
                connection,
                camera,
                model_id,
                epoch,
                config=config,
                first_seq=first_seq,
                accepted=accepted_by is not None,
            )
            if accepted_by is not None:
                detail = f"from frame {first_seq} under model {model_id}"
                now = self.clock()
                record(connection, accepted_by, "baseline_accepted", camera, detail, now=now)
            enter_epoch(connection, stream, state, config)
        self.windows.install(stream, state, epoch, waiting)
        self._copies.start(stream, epoch, state)
        log.info("restored the window of camera %s at frame %d", camera, state.seq)
        return first_seq
