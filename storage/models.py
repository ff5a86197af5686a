"""Models in the database, where every worker machine finds the active one."""

from __future__ import annotations

from sqlalchemy import Engine, select, update

from storage.audit_log import PROGRAM, Actor, record
from storage.db.database import insert_into, reading, take_turns, writing
from storage.db.schema import is_active, models
from storage.errors import ModelNotFound
from thermal.detection.bundle import Bundle, bundle_from_bytes, bundle_to_bytes


def save_model(
    engine: Engine, bundle: Bundle, *, now: float, activate: bool, by: Actor = PROGRAM
) -> None:
    """Store a model unless it is stored already; with `activate`, make it the active one."""
    metadata, weights = bundle_to_bytes(bundle)
    with writing(engine) as connection:
        take_turns(connection, "thermalwatch models")
        connection.execute(
            insert_into(connection, models).on_conflict_do_nothing(),
            {
                "model_id": bundle.model_id,
                "metadata": metadata,
                "weights": weights,
                "created_at": now,
                "active": False,
            },
        )
        before = connection.scalar(select(models.c.model_id).where(is_active))
        if activate and before != bundle.model_id:
            connection.execute(update(models).where(is_active).values(active=False))
            connection.execute(
                update(models).where(models.c.model_id == bundle.model_id).values(active=True)
            )
            detail = f"instead of {before}" if before else ""
            record(connection, by, "model_activated", bundle.model_id, detail, now=now)


def load_model(engine: Engine, model_id: str) -> Bundle:
    """The model with this id.

    Raises:
        ModelNotFound: it is not stored.
        thermal.errors.BundleError: the stored model is damaged, or of an unsupported schema.
    """
    query = select(models.c.metadata, models.c.weights).where(models.c.model_id == model_id)
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise ModelNotFound(
            f"model {model_id} is not in the database; register its bundle: "
            "`thermalwatch model add BUNDLE`"
        )
    return bundle_from_bytes(*row)


def active_model_id(engine: Engine) -> str | None:
    """Id of the model that workers use; None if none was ever activated."""
    with reading(engine) as connection:
        return connection.scalar(select(models.c.model_id).where(is_active))


def known_model_ids(engine: Engine) -> list[str]:
    """Ids of all stored models, oldest first."""
    with reading(engine) as connection:
        oldest_first = select(models.c.model_id).order_by(models.c.created_at, models.c.model_id)
        return list(connection.scalars(oldest_first))
