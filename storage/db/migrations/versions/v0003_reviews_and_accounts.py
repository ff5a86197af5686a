"""Reviews, accounts with sessions and API tokens, and where a frame's anomaly map is kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0003"
down_revision = "0002"

Key = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables, two columns that may be null, and the indexes for reviewing."""
    _reviews()
    _accounts()
    _partial_index("frames_quarantined_time", "frames", ["finished_at"], "state = 'quarantined'")


def _reviews() -> None:
    op.add_column("results", sa.Column("map_artifact", sa.Text))
    op.add_column("results", sa.Column("review", Key))
    op.create_table(
        "reviews",
        sa.Column("id", Counter, sa.Identity(), primary_key=True),
        sa.Column(
            "result_id",
            sa.BigInteger,
            sa.ForeignKey("results.id", name="reviews_result", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("verdict", Key, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("reviewer", Key, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.CheckConstraint(
            "verdict IN ('confirmed', 'false_alarm', 'unreviewed')", name="reviews_verdict"
        ),
        sqlite_autoincrement=True,
    )
    time, camera_time = ["captured_at", "id"], ["camera", "captured_at", "id"]
    unreviewed = "anomaly = true AND review IS NULL"
    _partial_index("results_unreviewed_time", "results", time, unreviewed)
    _partial_index("results_camera_unreviewed_time", "results", camera_time, unreviewed)
    _partial_index("results_review_time", "results", ["review", *time], "review IS NOT NULL")
    op.create_index("reviews_result_time", "reviews", ["result_id", "id"])


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", Key, primary_key=True),
        sa.Column("role", Key, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'reviewer', 'admin')", name="accounts_role"),
    )
    for table in ("sessions", "api_tokens"):
        op.create_table(
            table,
            sa.Column("digest", Key, primary_key=True),
            sa.Column(
                "account",
                Key,
                sa.ForeignKey("accounts.name", name=f"{table}_account", ondelete="CASCADE"),
                nullable=False,
            ),
            *([sa.Column("csrf_token", sa.Text, nullable=False)] if table == "sessions" else []),
            sa.Column("created_at", sa.Double, nullable=False),
            *([sa.Column("expires_at", sa.Double, nullable=False)] if table == "sessions" else []),
        )


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
