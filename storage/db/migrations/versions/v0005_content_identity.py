"""What identifies a frame: its content and its place, with a hint of how its file was last seen.

Also indexes of the pending and the quarantined frames of one camera.
"""

import hashlib

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

from storage.db.migrations.sqlite_tables import change_table_text

revision = "0005"
down_revision = "0004"

Key = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
BATCH = 10_000
STATES = "state IN ('pending', 'scored', 'quarantined', 'superseded'"

frames = sa.table(
    "frames",
    *(sa.column(name) for name in ("arrival", "id", "camera", "path", "place", "sha256", "state")),
)


def upgrade() -> None:
    """Add the columns, give old rows place and content, and allow the new state."""
    for name, kind in (
        ("hint", Key),
        ("ctime_ns", sa.BigInteger),
        ("inode", sa.BigInteger),
        ("place", sa.BigInteger),
        ("sha256", Key),
        ("duplicate_of", Key),
    ):
        op.add_column("frames", sa.Column(name, kind))
    _allow_duplicates()
    _fill_places()
    op.execute(
        "UPDATE frames SET sha256 = (SELECT min(results.sha256) FROM results "
        "WHERE results.frame_id = frames.id) WHERE state = 'scored'"
    )
    op.create_index("frames_hint", "frames", ["hint"], unique=True)
    op.create_index("frames_inode", "frames", ["inode", "arrival"])
    _partial_index("frames_camera_pending", ["camera", "arrival"], "state = 'pending'")
    _partial_index("frames_camera_quarantined", ["camera", "arrival"], "state = 'quarantined'")
    _partial_index("frames_content", ["sha256", "arrival"], "sha256 IS NOT NULL")
    _partial_index("frames_place_read", ["place", "arrival"], "sha256 IS NOT NULL")
    _partial_index("frames_place_unread", ["place"], "state = 'quarantined' AND sha256 IS NULL")


def _allow_duplicates() -> None:
    if op.get_bind().dialect.name == "sqlite":
        change_table_text(op.get_bind(), "frames", f"{STATES})", f"{STATES}, 'duplicate')")
    else:
        op.drop_constraint("frames_state", "frames")
        op.create_check_constraint("frames_state", "frames", f"{STATES}, 'duplicate')")


def _fill_places() -> None:
    connection = op.get_bind()
    after = 0
    query = sa.select(frames.c.arrival, frames.c.camera, frames.c.path).order_by(frames.c.arrival)
    fill = (
        sa.update(frames)
        .where(frames.c.arrival == sa.bindparam("row"))
        .values(place=sa.bindparam("value"))
    )
    while rows := connection.execute(query.where(frames.c.arrival > after).limit(BATCH)).all():
        connection.execute(fill, [{"row": r[0], "value": _place(r[1], r[2])} for r in rows])
        after = rows[-1][0]


def _place(camera: str, path: str) -> int:
    # as `storage.frames.identity.place_of` was when this migration was made
    digest = hashlib.blake2b(f"{camera}\0{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) & (2**63 - 1)


def _partial_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "frames", columns, sqlite_where=where, postgresql_where=where)
