"""Column types that differ between SQLite and Postgres, and the text that both accept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.dialects.postgresql import TEXT

#: Text that is compared, sorted or searched; in byte order in both databases, whatever the locale.
Key = Text().with_variant(TEXT(collation="C"), "postgresql")
#: An auto-incremented number; SQLite supports that only for the type INTEGER.
Counter = BigInteger().with_variant(Integer(), "sqlite")


def storable(text: str) -> str:
    """`text` without what Postgres rejects: NUL and lone surrogates are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
