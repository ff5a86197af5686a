"""How much hotter or colder than expected a frame is, and where."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add nullable columns: rows of releases before do not tell."""
    op.add_column("results", sa.Column("deviation", sa.Double))
    for name in ("deviation_x", "deviation_y"):
        op.add_column("results", sa.Column(name, sa.Integer))
