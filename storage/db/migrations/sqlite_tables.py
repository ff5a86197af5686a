"""Changes to SQLite tables that its ALTER TABLE cannot make, such as new constraints.

Copying the table instead would rewrite every row, and deleting the old one would delete the rows of
other tables that refer to it.
"""

from sqlalchemy import Connection, literal_column, select, text
from sqlalchemy import table as sql_table


def change_table_text(connection: Connection, table: str, old: str, new: str) -> None:
    """Replace `old` by `new` in the table's CREATE TABLE statement.

    Only for changes that leave the stored rows valid as they are: constraints and defaults. Follows
    https://sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".

    Raises:
        ValueError: `old` does not occur exactly once in the statement. Nothing was changed.
    """
    stored = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    before = str(connection.scalar(stored, {"table": table}))
    if before.count(old) != 1:
        raise ValueError(f"{old!r} does not occur exactly once in the table {table}: {before}")
    version = int(connection.scalar(text("PRAGMA schema_version")) or 0)
    change = text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :table")
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    try:
        connection.execute(change, {"sql": before.replace(old, new), "table": table})
        # other connections read the tables again when this number has changed
        connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    finally:
        connection.exec_driver_sql("PRAGMA writable_schema = RESET")  # reads them again here
    # fails if they cannot be parsed
    connection.execute(select(literal_column("1")).select_from(sql_table(table)).limit(0))
