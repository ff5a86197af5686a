"""Deletes old pictures, results and ledger rows while the system keeps working.

Works in small batches, each a short transaction followed by a pause. It may be killed at any point;
the next run continues. The order:

1. the pictures of a result, then the columns that name them;
2. in one transaction: results, the mark `expired_at` of their frames, and the position from which
   their stream is complete (`streams.complete_from`);
3. ledger rows of expired, quarantined, superseded and duplicate frames whose files are gone. While
   a file is in its watch directory, its row prevents that it is scored again as a new frame;
4. pictures that no row names (`storage.files.orphans`).

The latest decisions of every stream, as many as fill its window, are kept at any age, so that a
lost window can be rebuilt from the rows. Age counts from `scored_at`, which is our own clock;
capture times in files may be wrong.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    TextClause,
    and_,
    delete,
    func,
    select,
    update,
)

from storage.db.database import reading, take_turns, writing
from storage.db.schema import (
    ARTIFACT_COLUMNS,
    DUPLICATE,
    QUARANTINED,
    SUPERSEDED,
    cameras,
    frames,
    is_expired,
    is_pending,
    is_pictured,
    open_decisions,
    results,
    streams,
)
from storage.files.artifacts import ArtifactStore
from storage.files.orphans import sweep_orphans
from storage.files.uploads import Uploads
from storage.retention.policy import RetentionPolicy
from storage.stream.history import complete_from, recent_decisions
from storage.stream.window import StreamKey, config_from_text

#: Rows per transaction: it holds SQLite's write lock for some ten milliseconds.
BATCH: Final = 250
#: Pause after a transaction, as a multiple of its duration …
PAUSE_FACTOR: Final = 2.0
#: … but at least this many seconds. Writers waiting for SQLite's lock retry within 0.1 s.
LEAST_PAUSE_S: Final = 0.05

#: Ledger rows read at a time to check whether their files still exist.
LOOKED_AT: Final = 1000

_NO_ARTIFACT: Final = dict.fromkeys((column.name for column in ARTIFACT_COLUMNS), None)


@dataclass
class RetentionReport:
    """Numbers of what was deleted, or in a dry run would be."""

    pictured: int = 0  #: results that lost their pictures
    normal: int = 0  #: normal results deleted
    anomalies: int = 0  #: anomalies deleted
    held: int = 0  #: old results kept because they are in the window of their stream
    frames: int = 0  #: ledger rows deleted; a dry run counts only rows already due before it
    orphans: int = 0  #: picture files deleted that no row named


class Retention:
    """One run at time `now` (Unix s). `pause` receives seconds; `progress` is called per batch."""

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        policy: RetentionPolicy,
        *,
        now: float,
        dry_run: bool = False,
        pause: Callable[[float], object] = time.sleep,
        progress: Callable[[RetentionReport], object] = lambda report: None,
    ):
        self._engine = engine
        self._store = store
        self._policy = policy
        self._now = now
        self._dry_run = dry_run
        self._pause = pause
        self._progress = progress
        self.report = RetentionReport()

    def run(self) -> RetentionReport:
        """Delete what is due.

        Raises:
            DatabaseUnavailable, UnsafePath, OSError: the run stopped; the next one continues.
        """
        for anomaly in (False, True):
            if (before := self._policy.pictures_before(self._now, anomaly=anomaly)) is not None:
                self._delete_pictures(before, anomaly=anomaly)
        if any(self._rows_before(anomaly) is not None for anomaly in (False, True)):
            for stream, size in self._streams():
                self._delete_results(stream, size)
        self._delete_frames()
        if not self._dry_run:
            for number in sweep_orphans(self._engine, self._store, now=self._now):
                self.report.orphans += number
                self._progress(self.report)
        return self.report

    # Pictures.

    def _delete_pictures(self, before: float, *, anomaly: bool) -> None:
        due = and_(is_pictured, results.c.anomaly == anomaly, results.c.scored_at < before)
        if self._dry_run:
            with reading(self._engine) as connection:
                count = select(func.count()).select_from(results).where(due)
                self.report.pictured += connection.scalar(count) or 0
            return
        oldest = select(results.c.id, *ARTIFACT_COLUMNS).where(due)
        oldest = oldest.order_by(results.c.scored_at, results.c.id).limit(BATCH)
        while rows := self._read(oldest):
            for picture in (name for row in rows for name in row[1:] if name is not None):
                self._store.remove(picture)
            with self._batch() as connection:
                ids = [row.id for row in rows]
                connection.execute(
                    update(results).where(results.c.id.in_(ids)).values(_NO_ARTIFACT)
                )
            self.report.pictured += len(rows)

    # Results.

    def _rows_before(self, anomaly: bool) -> float | None:
        return self._policy.rows_before(self._now, anomaly=anomaly)

    def _streams(self) -> list[tuple[StreamKey, int]]:
        query = select(streams.c.camera, streams.c.model_id, streams.c.config)
        rows = self._read(query.order_by(streams.c.model_id, streams.c.camera))
        return [(StreamKey(row[0], row[1]), config_from_text(row[2]).window_size) for row in rows]

    def _delete_results(self, stream: StreamKey, size: int) -> None:
        """Delete due rows from the beginning of the stream up to its window or to recent rows."""
        with reading(self._engine) as connection:
            begin = complete_from(connection, stream)
            window = recent_decisions(connection, stream, size, from_seq=begin).decisions
        needed = window[0].seq if window else 0
        cutoffs = {anomaly: self._rows_before(anomaly) or -math.inf for anomaly in (False, True)}
        after = 0
        while rows := self._read(_next_rows(stream, after)):
            if all(row.scored_at >= max(cutoffs.values()) for row in rows):
                break  # later rows are even more recent
            after = rows[-1].seq
            old = [row for row in rows if row.scored_at < cutoffs[row.anomaly]]
            due = [row for row in old if row.seq < needed]
            self.report.held += len(old) - len(due)
            self.report.normal += sum(not row.anomaly for row in due)
            self.report.anomalies += sum(row.anomaly for row in due)
            if due and not self._dry_run:
                self._expire(stream, due)
        if not self._dry_run:
            self._forget_open_decisions(stream)

    def _expire(self, stream: StreamKey, due: Sequence[Row[Any]]) -> None:
        of_stream = and_(streams.c.camera == stream.camera, streams.c.model_id == stream.model_id)
        begin = due[-1].seq + 1
        with self._batch() as connection:
            # Lock the stream first, as commits do, so that the two cannot deadlock.
            connection.execute(
                update(streams)
                .where(of_stream, func.coalesce(streams.c.complete_from, 1) < begin)
                .values(complete_from=begin)
            )
            connection.execute(delete(results).where(results.c.id.in_([row.id for row in due])))
            connection.execute(
                update(frames)
                .where(
                    frames.c.id.in_([row.frame_id for row in due]),
                    ~select(results.c.id).where(results.c.frame_id == frames.c.id).exists(),
                )
                .values(expired_at=self._now)
            )

    def _forget_open_decisions(self, stream: StreamKey) -> None:
        with reading(self._engine) as connection:
            begin = complete_from(connection, stream)
        forgotten = and_(
            open_decisions.c.camera == stream.camera,
            open_decisions.c.model_id == stream.model_id,
            open_decisions.c.seq < begin,
        )
        waiting = select(frames.c.id).where(frames.c.id == open_decisions.c.frame_id, is_pending)
        if begin > 1 and self._read(select(open_decisions.c.seq).where(forgotten).limit(1)):
            with self._batch() as connection:
                connection.execute(delete(open_decisions).where(forgotten, ~waiting.exists()))

    # The ledger.

    def _delete_frames(self) -> None:
        """Delete expired and old unscored ledger rows whose files are gone."""
        if any(self._rows_before(anomaly) is not None for anomaly in (False, True)):
            self._delete_gone(is_expired)
        days = self._policy.quarantine_days
        if days is not None:
            old = frames.c.finished_at < self._policy.quarantined_before(self._now)
            for (camera,) in self._read(select(cameras.c.name).order_by(cameras.c.name)):
                for state in (QUARANTINED, SUPERSEDED, DUPLICATE):
                    self._delete_gone(and_(frames.c.camera == camera, frames.c.state == state, old))

    def _delete_gone(self, condition: ColumnElement[bool] | TextClause) -> None:
        after = 0
        while rows := self._read(
            select(frames)
            .where(condition, frames.c.arrival > after)
            .order_by(frames.c.arrival)
            .limit(LOOKED_AT)
        ):
            after = rows[-1].arrival
            uploads = Uploads()
            gone = [
                row.arrival
                for row in rows
                if uploads.is_gone(row.root, row.path, mtime_ns=row.mtime_ns, size=row.size)
            ]
            self.report.frames += len(gone)
            for start in range(0, 0 if self._dry_run else len(gone), BATCH):
                part = frames.c.arrival.in_(gone[start : start + BATCH])
                with self._batch() as connection:
                    # Repeat the condition: a frame requeued meanwhile must stay.
                    connection.execute(delete(frames).where(part, condition))

    # The database.

    def _read(self, query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        with reading(self._engine) as connection:
            return connection.execute(query).all()

    @contextmanager
    def _batch(self) -> Iterator[Connection]:
        """A short transaction, then a pause for other writers."""
        started = time.monotonic()
        with writing(self._engine) as connection:
            take_turns(connection, "thermalwatch retention")
            yield connection
        self._progress(self.report)
        self._pause(max(LEAST_PAUSE_S, PAUSE_FACTOR * (time.monotonic() - started)))


def _next_rows(stream: StreamKey, after: int) -> Select[*tuple[Any, ...]]:
    columns = ("id", "frame_id", "seq", "anomaly", "scored_at")
    return (
        select(*(results.c[name] for name in columns))
        .where(
            results.c.camera == stream.camera,
            results.c.model_id == stream.model_id,
            results.c.seq > after,
        )
        .order_by(results.c.seq)
        .limit(BATCH)
    )
