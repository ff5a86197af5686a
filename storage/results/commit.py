"""Commit a batch: results and all that must agree with them, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, insert, select, union

from storage.db.database import sent_rows, writing
from storage.db.result_fields import ResultRow
from storage.db.schema import open_decisions as open_table
from storage.db.schema import results, streams
from storage.errors import RepeatedContent, StaleEpoch
from storage.frames.outcomes import Outcome, Quarantined, Scored, finish_within
from storage.frames.repeats import ReadFrame, originals_within
from storage.results.rows import row_to_database
from thermal.threshold import Decision


def commit_results(
    engine: Engine,
    rows: Sequence[ResultRow],
    *,
    epochs: Mapping[str, str],
    open_decisions: Mapping[str, Mapping[str, Decision]],
    model_id: str,
    now: float,
    others: Sequence[Outcome] = (),
    distinct: Collection[tuple[str, str]] = (),
) -> frozenset[str]:
    """Commit the outcomes of a batch in one transaction; return the ids of the frames finished.

    `others` are the outcomes of the batch's frames that were not scored. Frames that were no longer
    pending are left out. `distinct` are pairs of frames of which the first was found not to repeat
    the second. `epochs` maps each camera of the rows to the
    epoch in which its decisions were made. `open_decisions` maps each camera to earlier decisions
    of other batches, by frame, that may not be committed yet. These are recorded too, as are the
    decisions about frames left out, so that for every row in the database all earlier decisions of
    its stream are there.

    Raises:
        RepeatedContent: meanwhile another worker gave a frame with the same content its outcome.
            Nothing was committed.
        StaleEpoch: a window was replaced since it decided, or has lost recorded decisions and
            given their `seq` to other frames. Nothing was committed.
        DatabaseUnavailable: nothing was committed, unless the connection was lost during the
            commit itself; committing again is safe in any case.
        ValueError: a row has another model or epoch than stated, or a frame is named twice.
    """
    for row in rows:
        if (row.model_id, row.epoch) != (model_id, epochs.get(row.camera)):
            raise ValueError(f"{row.image_path} was not decided under this model and epoch")
    with writing(engine) as connection:
        scored = [Scored(row.frame_id, row.sha256) for row in rows]
        committed = finish_within(connection, [*scored, *others], now=now)
        if epochs:
            _hold_epochs(connection, epochs, model_id)
        _refuse_repeats(connection, [*scored, *others], committed, distinct)
        if epochs:
            made = {
                frame_id: _Made(camera, frame_id, decision)
                for camera, decisions in open_decisions.items()
                for frame_id, decision in decisions.items()
            }
            made |= {row.frame_id: _Made(row.camera, row.frame_id, row.decision) for row in rows}
            done = [row for row in rows if row.frame_id in committed]
            _record(connection, done, made, model_id)
    return frozenset(committed)


@dataclass(frozen=True)
class _Made:
    camera: str
    frame_id: str
    decision: Decision


def _hold_epochs(connection: Connection, epochs: Mapping[str, str], model_id: str) -> None:
    # The lock makes `open_epoch` wait for this commit and serializes the commits of a stream, so
    # the rows that `_record` compares cannot change meanwhile.
    held = (
        select(streams.c.camera, streams.c.epoch)
        .where(streams.c.model_id == model_id, streams.c.camera.in_(sorted(epochs)))
        .order_by(streams.c.camera)
        .with_for_update()
    )
    current = {row.camera: row.epoch for row in connection.execute(held)}
    if stale := sorted(camera for camera in epochs if current.get(camera) != epochs[camera]):
        raise StaleEpoch(stale, model_id)


def _refuse_repeats(
    connection: Connection,
    outcomes: Sequence[Outcome],
    committed: Collection[str],
    distinct: Collection[tuple[str, str]],
) -> None:
    # Under the lock of the streams, so that of two workers with the same content of one camera the
    # later one finds what the earlier one committed.
    read = [
        ReadFrame(item.frame_id, item.sha256)
        for item in outcomes
        if isinstance(item, Scored | Quarantined) and item.sha256 and item.frame_id in committed
    ]
    found = originals_within(connection, read) if read else []
    if any((item.frame_id, item.original_id) not in distinct for item in found):
        raise RepeatedContent


def _record(
    connection: Connection, scored: Sequence[ResultRow], made: Mapping[str, _Made], model_id: str
) -> None:
    recorded = _recorded(connection, made, model_id)
    _refuse_contradictions(recorded, made, model_id)
    done = {row.frame_id for row in scored}
    if scored:
        connection.execute(insert(results), [row_to_database(row) for row in scored])
    missing = made.keys() - done - {row.frame_id for row in recorded}
    if missing:
        connection.execute(
            insert(open_table),
            [
                {
                    "camera": made[frame_id].camera,
                    "model_id": model_id,
                    "frame_id": frame_id,
                    **vars(made[frame_id].decision),
                }
                for frame_id in missing
            ],
        )
    if settled := [row.frame_id for row in recorded if row.frame_id in done]:
        connection.execute(
            delete(open_table).where(
                open_table.c.model_id == model_id, open_table.c.frame_id.in_(settled)
            )
        )


def _recorded(
    connection: Connection, made: Mapping[str, _Made], model_id: str
) -> Sequence[Row[Any]]:
    """What is recorded about these frames, and under their `seq`."""
    rows = [
        {"frame_id": item.frame_id, "camera": item.camera, "seq": item.decision.seq}
        for item in made.values()
    ]
    sent = sent_rows(connection, rows, [results.c.frame_id, results.c.camera, results.c.seq])
    queries = []
    for table in (results, open_table):
        found = select(table.c.camera, table.c.seq, table.c.frame_id)
        of_model = table.c.model_id == model_id
        same_place = and_(table.c.camera == sent.c.camera, table.c.seq == sent.c.seq, of_model)
        same_frame = and_(table.c.frame_id == sent.c.frame_id, of_model)
        queries += [found.join(sent, same_place), found.join(sent, same_frame)]
    return connection.execute(union(*queries)).all()


def _refuse_contradictions(
    recorded: Sequence[Row[Any]], made: Mapping[str, _Made], model_id: str
) -> None:
    # a Redis that lost its last second assigns the same `seq` again, in the same epoch
    taken = {(row.camera, row.seq): row.frame_id for row in recorded}
    numbers = {row.frame_id: row.seq for row in recorded}
    stale = {
        item.camera
        for frame_id, item in made.items()
        if taken.get((item.camera, item.decision.seq), frame_id) != frame_id
        or numbers.get(frame_id, item.decision.seq) != item.decision.seq
    }
    if stale:
        raise StaleEpoch(sorted(stale), model_id)
