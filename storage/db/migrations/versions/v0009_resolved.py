"""Confirmed anomalies stand until somebody calls them resolved."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

STANDING = "review = 'confirmed' AND resolved_at IS NULL"


def upgrade() -> None:
    """Add the column; what was confirmed so far counts as resolved, as it was shown until now."""
    op.add_column("results", sa.Column("resolved_at", sa.Double))
    op.execute(
        "UPDATE results SET resolved_at = coalesce("
        "(SELECT max(at) FROM reviews WHERE reviews.result_id = results.id), arrived_at) "
        "WHERE review = 'confirmed' AND review IS NOT NULL"
    )
    where = sa.text(STANDING)
    op.create_index(
        "results_camera_standing",
        "results",
        ["camera", "arrived_at", "id"],
        sqlite_where=where,
        postgresql_where=where,
    )
