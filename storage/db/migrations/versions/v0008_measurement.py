"""How a frame was measured: source of temperatures and capture, pixels out of range, parameters."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

PARAMETERS = (
    "emissivity",
    "reflected_c",
    "distance_m",
    "humidity",
    "atmosphere_c",
    "window_transmission",
    "window_c",
    "camera_emissivity",
)


def upgrade() -> None:
    """Add nullable columns: rows of releases before do not tell."""
    for name in ("temperature_source", "captured_at_source"):
        op.add_column("results", sa.Column(name, sa.Text))
    for name in ("saturated_px", "under_range_px", "unusable_px"):
        op.add_column("results", sa.Column(name, sa.Integer))
    for name in ("unusable_share", *PARAMETERS):
        op.add_column("results", sa.Column(name, sa.Double))
