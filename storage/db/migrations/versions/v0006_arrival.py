"""When each result's frame arrived. Lists, counts and the wall go by it, no longer by capture."""

import sqlalchemy as sa
from alembic import op

from storage.db.migrations.sqlite_tables import change_table_text

revision = "0006"
down_revision = "0005"

# Workers of the release before, still running, write no arrival: theirs is when they insert.
SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
POSTGRES_NOW = "extract(epoch from clock_timestamp())"

ANOMALY = "anomaly = true"
UNREVIEWED = "anomaly = true AND review IS NULL"
REVIEWED = "review IS NOT NULL"


def upgrade() -> None:
    """Add the column, fill it from the ledger, and replace the indexes on the time of capture."""
    for index in ("anomaly", "camera_anomaly", "unreviewed", "camera_unreviewed", "review"):
        op.drop_index(f"results_{index}_time", "results")
    op.add_column("results", sa.Column("arrived_at", sa.Double))
    op.execute(
        "UPDATE results SET arrived_at = "
        "(SELECT seen_at FROM frames WHERE frames.id = results.frame_id)"
    )
    if op.get_bind().dialect.name == "postgresql":
        now = sa.text(POSTGRES_NOW)
        op.alter_column("results", "arrived_at", nullable=False, server_default=now)
    else:
        column = "arrived_at DOUBLE"
        complete = f"{column} DEFAULT {SQLITE_NOW} NOT NULL"
        change_table_text(op.get_bind(), "results", column, complete)
    arrival, camera_arrival = ["arrived_at", "id"], ["camera", "arrived_at", "id"]
    op.create_index("results_arrival", "results", arrival)
    op.create_index("results_camera_arrival", "results", camera_arrival)
    _partial_index("results_anomaly_arrival", arrival, ANOMALY)
    _partial_index("results_camera_anomaly_arrival", camera_arrival, ANOMALY)
    _partial_index("results_unreviewed_arrival", arrival, UNREVIEWED)
    _partial_index("results_camera_unreviewed_arrival", camera_arrival, UNREVIEWED)
    _partial_index("results_review_arrival", ["review", *arrival], REVIEWED)


def _partial_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "results", columns, sqlite_where=where, postgresql_where=where)
