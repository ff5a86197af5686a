"""Rename two signals in stored reasons: `hotspot` is now `residual`, `level` is now `density`."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rewrite the reasons of anomalies; no other result has reasons, and an index finds these."""
    op.execute(
        "UPDATE results SET reasons = "
        """replace(replace(reasons, '"hotspot"', '"residual"'), '"level"', '"density"') """
        "WHERE anomaly = true "
        """AND (reasons LIKE '%"hotspot"%' OR reasons LIKE '%"level"%')"""
    )
