"""What retention needs: marks of deleted results, where streams are complete, and two indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and their indexes."""
    op.add_column("frames", sa.Column("expired_at", sa.Double))
    op.add_column("streams", sa.Column("complete_from", sa.BigInteger))
    _partial_index("frames_expired", "frames", ["arrival"], "expired_at IS NOT NULL")
    pictured = ["anomaly", "scored_at", "id"]
    _partial_index("results_pictured", "results", pictured, "original_picture IS NOT NULL")


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
