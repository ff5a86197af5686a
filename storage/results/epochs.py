"""Epochs of streams: which rolling window may commit decisions, and under which settings."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, or_, select

from storage.db.database import insert_into, reading, writing
from storage.db.schema import epochs, streams


@dataclass(frozen=True)
class StreamEpoch:
    """The epoch in which decisions of a stream can be committed."""

    epoch: str
    config: str  #: settings of the rolling window
    opened_at: float  #: Unix s


def current_epoch(engine: Engine, camera: str, model_id: str) -> StreamEpoch | None:
    """The current epoch of a stream; None if it never had one."""
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

    Waits for commits of the old epoch that are in progress. Once it returns, no decision of an
    older epoch can be committed: the tables hold all there will ever be.
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
    """Record that the settings of an epoch apply from `first_seq` on.

    Replaces an earlier epoch with the same `first_seq`, which decided nothing; a baseline that an
    operator accepted stays accepted. Returns whether it is.
    """
    upsert = insert_into(connection, epochs)
    noted = upsert.on_conflict_do_update(
        index_elements=["camera", "model_id", "first_seq"],
        set_={
            "epoch": upsert.excluded.epoch,
            "config": upsert.excluded.config,
            "accepted": or_(epochs.c.accepted, upsert.excluded.accepted),
        },
    ).returning(epochs.c.accepted)
    values = {
        "camera": camera,
        "model_id": model_id,
        "first_seq": first_seq,
        "epoch": epoch,
        "config": config,
        "accepted": accepted,
    }
    return bool(connection.scalar(noted.values(values)))
