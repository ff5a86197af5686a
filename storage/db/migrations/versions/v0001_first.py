"""The first tables: cameras, frames, results, decisions, streams, models."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0001"
down_revision = None

Key = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables and their indexes."""
    _cameras_and_frames()
    _results()
    _streams_and_models()


def _cameras_and_frames() -> None:
    op.create_table(
        "cameras",
        sa.Column("name", Key, primary_key=True),
        sa.Column("first_seen_at", sa.Double, nullable=False),
        sa.Column("last_frame_at", sa.Double, nullable=False),
    )
    op.create_table(
        "frames",
        sa.Column("arrival", Counter, sa.Identity(), primary_key=True),
        sa.Column("id", Key, nullable=False),
        sa.Column("camera", Key, nullable=False),
        sa.Column("root", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("finished_at", sa.Double),
        sa.UniqueConstraint("id", name="frames_id"),
        sa.CheckConstraint(
            "state IN ('pending', 'scored', 'quarantined', 'superseded')", name="frames_state"
        ),
        sa.CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="frames_finished"),
        sa.CheckConstraint("(state = 'quarantined') = (reason IS NOT NULL)", name="frames_reason"),
        sqlite_autoincrement=True,
    )
    _partial_index("frames_pending", "frames", ["arrival"], "state = 'pending'")
    _partial_index("frames_quarantined", "frames", ["arrival"], "state = 'quarantined'")
    op.create_index("frames_camera_state", "frames", ["camera", "state"])


def _results() -> None:
    op.create_table(
        "results",
        sa.Column("id", Counter, sa.Identity(), primary_key=True),
        sa.Column(
            "frame_id", Key, sa.ForeignKey("frames.id", name="results_frame"), nullable=False
        ),
        sa.Column("camera", Key, nullable=False),
        sa.Column("image_path", Key, nullable=False),
        sa.Column("captured_at", sa.Double, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bit_depth", sa.Integer, nullable=False),
        sa.Column("mse", sa.Double, nullable=False),
        *_decision_columns(),
        sa.Column("p_value", sa.Double, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("temperature_unit", sa.Text, nullable=False),
        sa.Column("radiometric", sa.Boolean, nullable=False),
        sa.Column("max_temperature", sa.Double, nullable=False),
        sa.Column("mean_temperature", sa.Double, nullable=False),
        sa.Column("min_temperature", sa.Double, nullable=False),
        sa.Column("std_temperature", sa.Double, nullable=False),
        sa.Column("hotspot_threshold", sa.Double, nullable=False),
        sa.Column("hotspot_area", sa.BigInteger, nullable=False),
        sa.Column("hotspot_count", sa.Integer, nullable=False),
        sa.Column("hotspots", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("original_picture", sa.Text),
        sa.Column("reconstruction_picture", sa.Text),
        sa.Column("heatmap_picture", sa.Text),
        sa.Column("overlay_picture", sa.Text),
        sa.Column("sheet_picture", sa.Text),
        sa.Column("model_id", Key, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("scored_at", sa.Double, nullable=False),
        sa.Column("latency_s", sa.Double),
        sa.UniqueConstraint("frame_id", "model_id", name="results_frame_model"),
        sa.UniqueConstraint("camera", "model_id", "seq", name="results_stream"),
        sqlite_autoincrement=True,
    )
    time, camera_time = ["captured_at", "id"], ["camera", "captured_at", "id"]
    op.create_index("results_time", "results", time)
    op.create_index("results_camera_time", "results", camera_time)
    _partial_index("results_anomaly_time", "results", time, "anomaly = true")
    _partial_index("results_camera_anomaly_time", "results", camera_time, "anomaly = true")
    op.create_index("results_path", "results", ["image_path"], postgresql_using="hash")


def _decision_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("previous_threshold", sa.Double, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("body", sa.Double, nullable=False),
        sa.Column("window_n", sa.Integer, nullable=False),
        sa.Column("exceeding", sa.Integer, nullable=False),
        sa.Column("anomaly", sa.Boolean, nullable=False),
        sa.Column("learning", sa.Boolean, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
    ]


def _streams_and_models() -> None:
    op.create_table(
        "open_decisions",
        sa.Column("camera", Key, nullable=False),
        sa.Column("model_id", Key, nullable=False),
        *_decision_columns(),
        sa.Column("frame_id", Key, nullable=False),
        sa.PrimaryKeyConstraint("camera", "model_id", "seq"),
        sa.UniqueConstraint("frame_id", "model_id", name="open_decisions_frame_model"),
    )
    op.create_table(
        "streams",
        sa.Column("camera", Key, primary_key=True),
        sa.Column("model_id", Key, primary_key=True),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
    )
    op.create_table(
        "epochs",
        sa.Column("camera", Key, nullable=False),
        sa.Column("model_id", Key, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("camera", "model_id", "first_seq"),
    )
    op.create_table(
        "models",
        sa.Column("model_id", Key, primary_key=True),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("weights", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    _partial_index("models_active", "models", ["active"], "active = true", unique=True)


def _partial_index(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
