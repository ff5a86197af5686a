"""Migrations create the tables of the schema, also when interrupted, repeated or concurrent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, insert, inspect, select, update
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from storage.db.database import connect, migrate, reading, writing
from storage.db.schema import frames, metadata, results
from storage.errors import SchemaError
from tests.storage.examples import finished_frame, stored_row

REPOSITORY = Path(__file__).resolve().parents[3]

MIGRATE = """
import sys
from storage.db.database import connect, migrate
sys.stdin.read(1)
migrate(connect(sys.argv[1]))
"""


def test_migrated_tables_are_the_tables_of_the_schema(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_concurrent_processes_migrate_once_and_all_find_the_tables(
    database_url: str, tmp_path: Path
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database_url],
            cwd=tmp_path,  # not the repository: migrations are found from any directory
            env={"PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"!")
        process.stdin.close()
        process.stdin = None
    errors = [process.communicate()[1].decode() for process in processes]
    assert errors == [""] * 4
    engine = connect(database_url)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_an_interrupted_migration_changes_nothing_and_can_be_repeated(database_url: str) -> None:
    engine = connect(database_url)

    def interrupt(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE models" in statement:
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", interrupt)
    with pytest.raises(KeyboardInterrupt):
        migrate(engine)
    event.remove(engine, "before_cursor_execute", interrupt)
    assert inspect(engine).get_table_names() == []
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_tables_of_a_newer_release_are_rejected(engine: Engine) -> None:
    version = sql_table("alembic_version", sql_column("version_num"))
    with writing(engine) as connection:
        connection.execute(update(version).values(version_num="9999"))
    with pytest.raises(SchemaError, match=r"9999.*newer"):
        migrate(engine)


def test_reasons_stored_by_the_previous_release_are_renamed(engine: Engine) -> None:
    renamed = {
        '["hotspot"]': '["residual"]',
        '["structure", "level"]': '["structure", "density"]',
        '["level", "hotspot"]': '["density", "residual"]',
        '["structure"]': '["structure"]',
        "[]": "[]",
    }
    version = sql_table("alembic_version", sql_column("version_num"))
    with writing(engine) as connection:
        for seq, old in enumerate(renamed, start=1):
            frame_id = f"{seq:032x}"
            connection.execute(insert(frames).values(finished_frame(frame_id)))
            row = stored_row(frame_id, seq) | {"anomaly": old != "[]", "reasons": old}
            connection.execute(insert(results).values(row))
        connection.execute(update(version).values(version_num="0003"))  # 0004 changes only values
    migrate(engine)
    with reading(engine) as connection:
        found = connection.scalars(select(results.c.reasons).order_by(results.c.seq)).all()
    assert found == list(renamed.values())
