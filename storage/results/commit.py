"""Results: one row per scored frame, committed together with all that must agree with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    delete,
    insert,
    or_,
    select,
    union,
)

from storage.db.database import insert_into, reading, sent_rows, writing
from storage.db.schema import epochs as epochs_table
from storage.db.schema import open_decisions as open_table
from storage.db.schema import results, streams
from storage.errors import StaleEpoch
from storage.frames.ledger import Quarantined, finish_within
from thermal.threshold import Decision

#: Columns that hold a decision, in `results` and in `open_decisions`.
DECISION_COLUMNS: Final = tuple(field.name for field in fields(Decision))


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """What is known about one scored frame. Temperatures are in `temperature_unit`."""

    id: int | None = None  #: given by the database
    frame_id: str
    camera: str
    image_path: str  #: in text form (`storage.files.paths`)
    captured_at: float  #: Unix s
    sha256: str  #: of the file, hexadecimal
    width: int  #: px
    height: int  #: px
    bit_depth: int
    mse: float  #: mean squared reconstruction error, normalised units
    seq: int  #: position in the stream of this camera and model
    score: float  #: σ
    previous_threshold: float  #: before this frame
    threshold: float  #: the one that `score` met
    body: float
    window_n: int
    exceeding: int
    anomaly: bool
    learning: bool
    held: bool
    epoch: str  #: of the rolling window that decided
    temperature_unit: str  #: celsius or counts
    radiometric: bool
    max_temperature: float
    mean_temperature: float
    min_temperature: float
    std_temperature: float
    hotspot_threshold: float
    hotspot_area: int  #: px, all hotspots together
    hotspot_count: int
    hotspots: str  #: JSON list, hottest first
    reasons: tuple[str, ...]  #: machine words of all that fired
    original_picture: str | None = None  #: pictures: relative to the artifact store's root
    reconstruction_picture: str | None = None
    heatmap_picture: str | None = None
    overlay_picture: str | None = None
    sheet_picture: str | None = None
    model_id: str
    worker: str
    scored_at: float  #: Unix s
    latency_s: float | None = None
    map_artifact: str | None = None  #: values and anomaly map, as the pictures' paths are
    review: str | None = None  #: the verdict that counts: confirmed or false_alarm

    def __post_init__(self) -> None:
        """Raises `ValueError` for NaN, which SQLite would store as "unknown"."""
        for name, value in vars(self).items():
            if isinstance(value, float) and math.isnan(value):
                raise ValueError(f"{name} of the result for {self.image_path} is not a number")

    @property
    def decision(self) -> Decision:
        """The decision alone."""
        return decision_of(self)

    @property
    def p_value(self) -> float:
        """Probability of a score this high among normal frames."""
        return self.decision.p_value

    @property
    def prediction(self) -> str:
        """``Anomaly`` or ``Normal``."""
        return "Anomaly" if self.anomaly else "Normal"


_ROW_FIELDS: Final = tuple(field.name for field in fields(ResultRow))
#: The columns that `row_from_database` wants, in its order.
RESULT_COLUMNS: Final = tuple(results.c[name] for name in _ROW_FIELDS)


@dataclass(frozen=True)
class CommitReport:
    """Which frames got their outcome by a commit, and which had one already."""

    committed: frozenset[str]  #: ids of scored, quarantined and superseded frames
    skipped: frozenset[str]  #: ids of frames that were not pending any more


@dataclass(frozen=True)
class StreamEpoch:
    """The epoch in which decisions of a stream can be committed."""

    epoch: str
    config: str  #: settings of the rolling window
    opened_at: float  #: Unix s


def decision_of(row: ResultRow | Row[Any]) -> Decision:
    """The decision in a row that has the columns of one."""
    return Decision(*(getattr(row, name) for name in DECISION_COLUMNS))


def row_from_database(row: Row[Any]) -> ResultRow:
    """Read a row of `RESULT_COLUMNS`."""
    values = row._asdict()
    values["reasons"] = tuple(json.loads(values["reasons"]))
    return ResultRow(**values)


def current_epoch(engine: Engine, camera: str, model_id: str) -> StreamEpoch | None:
    """The epoch that a stream is in; None if it never had one."""
    query = select(streams.c.epoch, streams.c.config, streams.c.opened_at).where(
        streams.c.camera == camera, streams.c.model_id == model_id
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
        return None if row is None else StreamEpoch(*row)


def open_epoch(
    engine: Engine, camera: str, model_id: str, epoch: str, *, config: str, now: float
) -> None:
    """Begin a new epoch of a stream.

    Waits for commits of the old epoch that are under way. When it returns no decision of an
    older epoch can be committed any more, so what the tables hold is all there will be of them.
    """
    with writing(engine) as connection:
        upsert = insert_into(connection, streams)
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["camera", "model_id"],
                set_={name: upsert.excluded[name] for name in ("epoch", "config", "opened_at")},
            ),
            {
                "camera": camera,
                "model_id": model_id,
                "epoch": epoch,
                "config": config,
                "opened_at": now,
            },
        )


def note_epoch(
    connection: Connection,
    camera: str,
    model_id: str,
    epoch: str,
    *,
    config: str,
    first_seq: int,
    accepted: bool = False,
) -> bool:
    """Write down which decisions the settings of an epoch hold for: from `first_seq` on.

    An epoch that begins where an earlier one began takes its place, for that one decided nothing;
    but what an operator has accepted stays accepted. Returns whether that is so.
    """
    upsert = insert_into(connection, epochs_table)
    noted = upsert.on_conflict_do_update(
        index_elements=["camera", "model_id", "first_seq"],
        set_={
            "epoch": upsert.excluded.epoch,
            "config": upsert.excluded.config,
            "accepted": or_(epochs_table.c.accepted, upsert.excluded.accepted),
        },
    ).returning(epochs_table.c.accepted)
    values = {
        "camera": camera,
        "model_id": model_id,
        "first_seq": first_seq,
        "epoch": epoch,
        "config": config,
        "accepted": accepted,
    }
    return bool(connection.scalar(noted.values(values)))


def commit_results(
    engine: Engine,
    rows: Sequence[ResultRow],
    *,
    epochs: Mapping[str, str],
    open_decisions: Mapping[str, Mapping[str, Decision]],
    model_id: str,
    now: float,
    quarantined: Sequence[Quarantined] = (),
    superseded: Sequence[str] = (),
) -> CommitReport:
    """Give a batch its outcome, in one transaction: all of it or nothing.

    `epochs` names for each camera of the rows the epoch in which its decisions were made;
    `open_decisions` holds for each camera, by frame, the decisions of other batches that came
    before and may not be committed yet. They are recorded here, so that for every row in the
    database all earlier decisions of its stream are there too; so are the decisions of rows whose
    frames are no longer pending and are therefore left out.

    Raises:
        StaleEpoch: a window was replaced since it decided, or has forgotten decisions that are
            on record and given their numbers to other frames. Nothing was committed.
        DatabaseUnavailable: nothing was committed, unless the connection was lost in the commit
            itself; committing again is safe in any case.
        ValueError: a row is of another model or epoch than was said, or a frame is named twice.
    """
    for row in rows:
        if (row.model_id, row.epoch) != (model_id, epochs.get(row.camera)):
            raise ValueError(f"{row.image_path} was not decided under this model and epoch")
    with writing(engine) as connection:
        committed = finish_within(
            connection,
            scored=[row.frame_id for row in rows],
            quarantined=quarantined,
            superseded=superseded,
            now=now,
        )
        if epochs:
            _hold_epochs(connection, epochs, model_id)
            made = {
                frame_id: _Made(camera, frame_id, decision)
                for camera, decisions in open_decisions.items()
                for frame_id, decision in decisions.items()
            }
            made |= {row.frame_id: _Made(row.camera, row.frame_id, row.decision) for row in rows}
            scored = [row for row in rows if row.frame_id in committed]
            _record(connection, scored, made, model_id)
    named = {row.frame_id for row in rows} | set(superseded)
    named |= {item.frame_id for item in quarantined}
    return CommitReport(frozenset(committed), frozenset(named - committed))


@dataclass(frozen=True)
class _Made:
    camera: str
    frame_id: str
    decision: Decision


def _hold_epochs(connection: Connection, epochs: Mapping[str, str], model_id: str) -> None:
    # The lock keeps `open_epoch` waiting until this commit is through, and makes the commits of
    # one stream take turns, so that what is compared in `_record` stands still.
    held = (
        select(streams.c.camera, streams.c.epoch)
        .where(streams.c.model_id == model_id, streams.c.camera.in_(sorted(epochs)))
        .order_by(streams.c.camera)
        .with_for_update()
    )
    current = {row.camera: row.epoch for row in connection.execute(held)}
    if stale := sorted(camera for camera in epochs if current.get(camera) != epochs[camera]):
        raise StaleEpoch(stale, model_id)


def _record(
    connection: Connection, scored: Sequence[ResultRow], made: Mapping[str, _Made], model_id: str
) -> None:
    recorded = _recorded(connection, made, model_id)
    _refuse_contradictions(recorded, made, model_id)
    done = {row.frame_id for row in scored}
    if scored:
        connection.execute(insert(results), [_to_database(row) for row in scored])
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
    """What is on record about these frames, and under these numbers."""
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
    # A Redis that lost its last second hands the same numbers out again, in the same epoch.
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


def _to_database(row: ResultRow) -> dict[str, object]:
    values = {name: value for name, value in vars(row).items() if name != "id"}
    return values | {"reasons": json.dumps(row.reasons), "p_value": row.p_value}
