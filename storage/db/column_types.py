"""Column types that SQLite and Postgres need spelled differently."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.dialects.postgresql import TEXT

#: Text that is compared, sorted or searched: byte order in both databases, whatever the locale.
Key = Text().with_variant(TEXT(collation="C"), "postgresql")
#: A number that the database hands out; SQLite does so only for a type named INTEGER.
Counter = BigInteger().with_variant(Integer(), "sqlite")
