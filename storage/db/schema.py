"""The tables, the same for SQLite and Postgres.

Times (`*_at`, `*_until`) are float64 Unix seconds; `mtime_ns` is the file's mtime in ns.
`storage/db/migrations` creates these tables; a test compares the two.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
    text,
)

from storage.db.column_types import Counter, Key
from storage.db.result_fields import DECISION_NAMES, FIELDS

PENDING: Final = "pending"
SCORED: Final = "scored"
QUARANTINED: Final = "quarantined"
SUPERSEDED: Final = "superseded"
DUPLICATE: Final = "duplicate"

metadata = MetaData()

cameras = Table(
    "cameras",
    metadata,
    Column("name", Key, primary_key=True),
    Column("first_seen_at", Double, nullable=False),
    Column("last_frame_at", Double, nullable=False),
)

frames = Table(
    "frames",
    metadata,
    Column("arrival", Counter, Identity(), primary_key=True),
    Column("id", Key, nullable=False),
    Column("camera", Key, nullable=False),
    Column("root", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("state", Key, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("seen_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("finished_at", Double),
    # When retention deleted the result. The row stays as long as the file, which would otherwise be
    # registered as a new frame.
    Column("expired_at", Double),
    # How the file was last seen (`storage.frames.identity`). NULL: only by the first release.
    Column("hint", Key),
    Column("ctime_ns", BigInteger),
    Column("inode", BigInteger),
    # Identifies camera and path. NULL: registered by a producer of the first release.
    Column("place", BigInteger),
    # Of the content that gave the frame its outcome. NULL: none was read.
    Column("sha256", Key),
    # Of a duplicate: the id of the frame that it repeats.
    Column("duplicate_of", Key),
    UniqueConstraint("id", name="frames_id"),
    CheckConstraint(
        "state IN ('pending', 'scored', 'quarantined', 'superseded', 'duplicate')",
        name="frames_state",
    ),
    CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="frames_finished"),
    CheckConstraint("(state = 'quarantined') = (reason IS NOT NULL)", name="frames_reason"),
    # Arrival numbers are never reused, even after rows were deleted.
    sqlite_autoincrement=True,
)


results = Table(
    "results",
    metadata,
    Column("id", Counter, Identity(), primary_key=True),
    Column("frame_id", Key, ForeignKey("frames.id", name="results_frame"), nullable=False),
    *(field.column() for field in FIELDS if field.stored and field.name not in ("id", "frame_id")),
    UniqueConstraint("frame_id", "model_id", name="results_frame_model"),
    UniqueConstraint("camera", "model_id", "seq", name="results_stream"),
    sqlite_autoincrement=True,
)

# Decisions whose frames have no result yet. Together with the results they are all decisions of a
# stream.
open_decisions = Table(
    "open_decisions",
    metadata,
    Column("camera", Key, nullable=False),
    Column("model_id", Key, nullable=False),
    *(field.column() for field in FIELDS if field.name in DECISION_NAMES),
    Column("frame_id", Key, nullable=False),
    PrimaryKeyConstraint("camera", "model_id", "seq"),
    UniqueConstraint("frame_id", "model_id", name="open_decisions_frame_model"),
)

# The current epoch of each stream. Decisions of older epochs are rejected at commit.
streams = Table(
    "streams",
    metadata,
    Column("camera", Key, primary_key=True),
    Column("model_id", Key, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    # Every decision from this number on is stored; retention has deleted some before it. NULL: none
    # was deleted.
    Column("complete_from", BigInteger),
)

# First decision and settings of each epoch, for replays.
epochs = Table(
    "epochs",
    metadata,
    Column("camera", Key, nullable=False),
    Column("model_id", Key, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),  # started by accepting a new baseline
    PrimaryKeyConstraint("camera", "model_id", "first_seq"),
)

models = Table(
    "models",
    metadata,
    Column("model_id", Key, primary_key=True),
    Column("metadata", Text, nullable=False),
    Column("weights", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("active", Boolean, nullable=False),
)

# All verdicts about a result, in order; deleted with the result.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Counter, Identity(), primary_key=True),
    Column(
        "result_id",
        BigInteger,
        ForeignKey("results.id", name="reviews_result", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("verdict", Key, nullable=False),
    Column("note", Text, nullable=False),
    Column("reviewer", Key, nullable=False),
    Column("at", Double, nullable=False),
    CheckConstraint(
        "verdict IN ('confirmed', 'false_alarm', 'unreviewed')", name="reviews_verdict"
    ),
    sqlite_autoincrement=True,
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Key, primary_key=True),
    Column("role", Key, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    # The key of one-time codes, in base32. NULL: the account has no second factor.
    Column("totp_secret", Text),
    # The time step of the last code that was accepted; no earlier one is accepted again.
    Column("totp_step", BigInteger),
    # Issuer and subject at an OpenID provider. NULL: the account has a password.
    Column("identity", Key),
    CheckConstraint("role IN ('viewer', 'reviewer', 'admin')", name="accounts_role"),
)

# Each stands in for one one-time code; deleted when used.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", Key, primary_key=True),
    Column(
        "account",
        Key,
        ForeignKey("accounts.name", name="recovery_codes_account", ondelete="CASCADE"),
        nullable=False,
    ),
)

# Session and token secrets are stored as digests, so that a leaked table grants no access.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", Key, primary_key=True),
    Column(
        "account",
        Key,
        ForeignKey("accounts.name", name="sessions_account", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("csrf_token", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("last_used_at", Double, nullable=False),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("digest", Key, primary_key=True),
    Column(
        "account",
        Key,
        ForeignKey("accounts.name", name="api_tokens_account", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Key, nullable=False),
    # NULL: never; only of tokens made before there were expiries
    Column("expires_at", Double),
    # NULL: not used since uses are noted
    Column("last_used_at", Double),
    CheckConstraint("scope IN ('upload', 'viewer', 'reviewer', 'admin')", name="api_tokens_scope"),
)

# Who did what. Entries are never changed.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Counter, Identity(), primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Key, nullable=False),
    Column("via", Key, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Key, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # Entry numbers are never reused, so that a deleted entry leaves a gap.
    sqlite_autoincrement=True,
)

# Queries repeat the condition of a partial index literally: with a bound parameter, a planner may
# not use the index.
PENDING_SQL: Final = "state = 'pending'"
QUARANTINED_SQL: Final = "state = 'quarantined'"
UNREAD_SQL: Final = "state = 'quarantined' AND sha256 IS NULL"
READ_SQL: Final = "sha256 IS NOT NULL"
ANOMALY_SQL: Final = "anomaly = true"
ACTIVE_SQL: Final = "active = true"
EXPIRED_SQL: Final = "expired_at IS NOT NULL"
PICTURED_SQL: Final = "original_picture IS NOT NULL"
UNREVIEWED_SQL: Final = "anomaly = true AND review IS NULL"
REVIEWED_SQL: Final = "review IS NOT NULL"
STANDING_SQL: Final = "review = 'confirmed' AND resolved_at IS NULL"

is_pending = frames.c.state == literal_column("'pending'")
is_quarantined = frames.c.state == literal_column("'quarantined'")
is_unread = and_(is_quarantined, frames.c.sha256.is_(None))
is_anomaly = text("results." + ANOMALY_SQL)
is_active = text("models." + ACTIVE_SQL)
is_expired = text("frames." + EXPIRED_SQL)
is_pictured = text("results." + PICTURED_SQL)
is_unreviewed = text("results.anomaly = true AND results.review IS NULL")
is_reviewed = text("results." + REVIEWED_SQL)
is_standing = text("results.review = 'confirmed' AND results.resolved_at IS NULL")


def _index_where(condition: str, name: str, *columns: Column[Any], unique: bool = False) -> None:
    where = text(condition)
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


# For the dispatcher: the oldest pending frames. Without `lease_until`, so that Postgres can renew a
# lease without updating an index.
_index_where(PENDING_SQL, "frames_pending", frames.c.arrival)
# Likewise, of one camera.
_index_where(PENDING_SQL, "frames_camera_pending", frames.c.camera, frames.c.arrival)
_index_where(QUARANTINED_SQL, "frames_quarantined", frames.c.arrival)
_index_where(EXPIRED_SQL, "frames_expired", frames.c.arrival)
# A file's hint, content and place, when it is seen again, repeated or moved.
Index("frames_hint", frames.c.hint, unique=True)
Index("frames_inode", frames.c.inode, frames.c.arrival)
_index_where(READ_SQL, "frames_content", frames.c.sha256, frames.c.arrival)
_index_where(READ_SQL, "frames_place_read", frames.c.place, frames.c.arrival)
_index_where(UNREAD_SQL, "frames_place_unread", frames.c.place)
# For the wall: a camera's latest quarantined frames.
_index_where(QUARANTINED_SQL, "frames_camera_quarantined", frames.c.camera, frames.c.arrival)
Index("frames_camera_state", frames.c.camera, frames.c.state)
# For what is recent: the camera's clock may be wrong, the arrival is our own.
_BY_ARRIVAL = (results.c.arrived_at, results.c.id)
Index("results_arrival", *_BY_ARRIVAL)
Index("results_camera_arrival", results.c.camera, *_BY_ARRIVAL)
_index_where(ANOMALY_SQL, "results_anomaly_arrival", *_BY_ARRIVAL)
_index_where(ANOMALY_SQL, "results_camera_anomaly_arrival", results.c.camera, *_BY_ARRIVAL)
# For searches by time of capture.
Index("results_time", results.c.captured_at, results.c.id)
Index("results_camera_time", results.c.camera, results.c.captured_at, results.c.id)
# For retention: the oldest pictures of anomalies and of normal frames.
_index_where(PICTURED_SQL, "results_pictured", results.c.anomaly, results.c.scored_at, results.c.id)
# For reviews: the queue of all cameras or of one, and the results with a verdict, by arrival.
_index_where(UNREVIEWED_SQL, "results_unreviewed_arrival", *_BY_ARRIVAL)
_index_where(UNREVIEWED_SQL, "results_camera_unreviewed_arrival", results.c.camera, *_BY_ARRIVAL)
_index_where(REVIEWED_SQL, "results_review_arrival", results.c.review, *_BY_ARRIVAL)
# For the wall: a camera's confirmed anomalies that nobody has called resolved.
_index_where(STANDING_SQL, "results_camera_standing", results.c.camera, *_BY_ARRIVAL)
Index("reviews_result_time", reviews.c.result_id, reviews.c.id)
Index("accounts_identity", accounts.c.identity, unique=True)
Index("audit_log_time", audit_log.c.at)
Index("audit_log_actor", audit_log.c.actor, audit_log.c.id)
Index("audit_log_action", audit_log.c.action, audit_log.c.id)
# For live updates: the latest quarantined frame.
_index_where(QUARANTINED_SQL, "frames_quarantined_time", frames.c.finished_at)
# A hash index, because Postgres rejects B-tree entries over 2,700 bytes and a path may be longer.
Index("results_path", results.c.image_path, postgresql_using="hash")
_index_where(ACTIVE_SQL, "models_active", models.c.active, unique=True)


def id_begins(column: Column[str], prefix: str) -> ColumnElement[bool]:
    """Whether an id starts with these hexadecimal digits; unlike LIKE, always uses the index."""
    return and_(column >= prefix, column < prefix + "g")  # "g" sorts after "f"


#: Columns with the paths of a result's stored artifacts.
ARTIFACT_COLUMNS: Final = (
    results.c.original_picture,
    results.c.reconstruction_picture,
    results.c.heatmap_picture,
    results.c.overlay_picture,
    results.c.sheet_picture,
    results.c.map_artifact,
)
