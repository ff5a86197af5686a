"""Migrations create the tables of the schema, also when interrupted, repeated or concurrent."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, insert, inspect, select, update
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from storage.accounts import digest_of
from storage.db.database import connect, migrate, reading, writing
from storage.db.migrations.sqlite_tables import change_table_text
from storage.db.schema import api_tokens, frames, metadata, results, reviews
from storage.errors import DatabaseUnavailable, RefusedByDatabase, SchemaError
from storage.results.queries import ResultQuery, list_results
from storage.results.reviews import list_reviews
from storage.sessions import find_session
from storage.tokens import find_token
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


def migrate_to(engine: Engine, revision: str) -> None:
    """Make the tables as a release before had them."""
    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "storage/db/migrations"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def old(database_url: str) -> Iterator[Engine]:
    """An empty database without tables."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


def result_columns(engine: Engine) -> set[str]:
    """The columns of `results` that the tables have now."""
    return {column["name"] for column in inspect(engine).get_columns("results")}


def old_row(columns: set[str], frame_id: str, seq: int, **changes: object) -> dict[str, object]:
    """A row of `results` with these columns only."""
    row: dict[str, object] = stored_row(frame_id, seq, **changes)
    return {name: value for name, value in row.items() if name in columns}


def insert_old(engine: Engine, frame_id: str, seq: int, **changes: object) -> None:
    """A frame and its result, as a worker of a release before arrivals inserts them."""
    row = old_row(result_columns(engine), frame_id, seq) | changes
    row.pop("arrived_at", None)
    with writing(engine) as connection:
        connection.execute(
            insert(frames).values(finished_frame(frame_id) | {"seen_at": 100.0 + seq})
        )
        connection.execute(insert(results).values(row))


def test_reasons_stored_by_the_first_release_are_renamed(old: Engine) -> None:
    renamed = {
        '["hotspot"]': '["residual"]',
        '["structure", "level"]': '["structure", "density"]',
        '["level", "hotspot"]': '["density", "residual"]',
        '["structure"]': '["structure"]',
        "[]": "[]",
    }
    migrate_to(old, "0003")
    for seq, reasons in enumerate(renamed, start=1):
        insert_old(old, f"{seq:032x}", seq, anomaly=reasons != "[]", reasons=reasons)
    migrate(old)
    with reading(old) as connection:
        found = connection.scalars(select(results.c.reasons).order_by(results.c.seq)).all()
    assert found == list(renamed.values())


def test_older_results_get_the_arrival_of_their_frames_and_keep_their_reviews(old: Engine) -> None:
    migrate_to(old, "0004")
    for seq in (1, 2, 3):
        insert_old(old, f"{seq:032x}", seq)
    review = {"result_id": 2, "verdict": "confirmed", "note": "seen", "reviewer": "a", "at": 5.0}
    with writing(old) as connection:
        connection.execute(insert(reviews).values(review))
    migrate(old)
    with reading(old) as connection:
        found = connection.scalars(select(results.c.arrived_at).order_by(results.c.seq)).all()
        broken = (
            old.dialect.name == "sqlite"
            and connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() != "ok"
        )
    assert found == [101.0, 102.0, 103.0]
    assert [review.note for review in list_reviews(old, 2)] == ["seen"]
    assert not broken


def test_what_an_older_release_confirmed_counts_as_resolved(old: Engine) -> None:
    # to see it fail: leave the column empty, and every wall shows alarms of years ago
    migrate_to(old, "0007")
    verdicts = ["confirmed", "false_alarm", None]
    columns = result_columns(old)
    rows = [
        old_row(columns, f"{seq:032x}", seq, anomaly=True, review=verdict)
        for seq, verdict in enumerate(verdicts, start=1)
    ]
    with writing(old) as connection:
        for row in rows:
            connection.execute(insert(frames).values(finished_frame(str(row["frame_id"]))))
            connection.execute(insert(results).values(row))
        review = {"result_id": 1, "verdict": "confirmed", "note": "", "reviewer": "a", "at": 5.0}
        connection.execute(insert(reviews).values(review))
    migrate(old)
    with reading(old) as connection:
        found = connection.scalars(select(results.c.resolved_at).order_by(results.c.seq)).all()
    assert found == [5.0, None, None]


def test_of_older_results_no_deviation_is_known(old: Engine) -> None:
    # to see it fail: give the columns a default of 0
    migrate_to(old, "0009")
    columns = result_columns(old)
    with writing(old) as connection:
        for seq in (1, 2):
            row = old_row(columns, f"{seq:032x}", seq, anomaly=True, review="confirmed")
            connection.execute(insert(frames).values(finished_frame(str(row["frame_id"]))))
            connection.execute(insert(results).values(row))
    migrate(old)
    page = list_results(old, ResultQuery(), limit=10)
    assert [row.score for row in page.rows] == [2.2, 1.1]
    found = {(row.deviation, row.deviation_x, row.deviation_y) for row in page.rows}
    assert found == {(None, None, None)}


def insert_old_token(connection: Connection, secret: str, role: str) -> None:
    """An account named after its role, with a token, as a release before scopes inserts them."""
    account = {"name": role, "role": role, "password_hash": "$argon2id$", "created_at": 1.0}
    connection.execute(insert(sql_table("accounts", *map(sql_column, account))).values(account))
    token = {"digest": digest_of(secret), "account": role, "created_at": 2.0}
    connection.execute(insert(sql_table("api_tokens", *map(sql_column, token))).values(token))


def test_older_tokens_go_on_working_with_the_role_of_their_account(old: Engine) -> None:
    migrate_to(old, "0006")
    with writing(old) as connection:
        for role in ("viewer", "admin"):
            insert_old_token(connection, f"tw_{role}", role)
    migrate(old)
    for role in ("viewer", "admin"):
        token = find_token(old, f"tw_{role}", now=4e9)
        assert token is not None
        assert (token.role, token.scope, token.name) == (role, role, "unnamed")
        assert (token.expires_at, token.last_used_at) == (None, None)
    unknown = insert(api_tokens).values(
        digest="0", account="viewer", created_at=1.0, name="", scope="root"
    )
    with pytest.raises(RefusedByDatabase), writing(old) as connection:
        connection.execute(unknown)


def test_a_server_of_the_release_before_may_still_add_tokens_and_sessions(engine: Engine) -> None:
    session = {"account": "viewer", "csrf_token": "x", "created_at": 1.0, "expires_at": 9.0}
    session["digest"] = digest_of("secret")
    with writing(engine) as connection:
        insert_old_token(connection, "tw_late", "viewer")
        add = insert(sql_table("sessions", *map(sql_column, session)))
        connection.execute(add.values(session))
    assert find_token(engine, "tw_late", now=3.0) is not None
    # it does not note uses, so its sessions count as unused
    assert find_session(engine, "secret", now=3.0, idle_s=1.0) is None


def test_results_of_workers_of_the_release_before_arrive_when_they_are_inserted(
    engine: Engine,
) -> None:
    begun = time.time()
    insert_old(engine, "1" * 32, 1)
    with reading(engine) as connection:
        assert begun - 1 < (connection.scalar(select(results.c.arrived_at)) or 0) < time.time() + 1


def test_a_result_without_an_arrival_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(frames).values(finished_frame("1" * 32)))
    row = stored_row("1" * 32, 1) | {"arrived_at": None}
    with pytest.raises(RefusedByDatabase), writing(engine) as connection:
        connection.execute(insert(results).values(row))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_change_of_a_table_that_would_not_apply_once_is_refused(engine: Engine) -> None:
    for old_text in ("DOUBLE", "no such text"):
        with pytest.raises(ValueError, match="exactly once"), writing(engine) as connection:
            change_table_text(connection, "results", old_text, "REAL")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_change_that_breaks_a_table_changes_nothing(engine: Engine) -> None:
    with pytest.raises(DatabaseUnavailable, match="syntax"), writing(engine) as connection:
        change_table_text(connection, "results", "arrived_at DOUBLE", "arrived_at DOUBLE (")
    insert_old(engine, "1" * 32, 1)
