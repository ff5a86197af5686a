"""Connections to the database and their transactions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import format_exception

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, make_url, select, update
from sqlalchemy import text as sql
from sqlalchemy.exc import ProgrammingError

from storage.db.database import connect, migrate, reading, sent_rows, writing
from storage.db.probes import LARGE_LOG_BYTES, check_writes, refused_tables, write_ahead_log
from storage.db.schema import cameras, frames
from storage.errors import (
    DatabaseUnavailable,
    RefusedByDatabase,
    SchemaError,
    UnsupportedDatabase,
)
from storage.frames.registration import register
from tests.storage.examples import new_frame
from tests.waiting import wait_until

#: Settings of a Postgres session.
SHOWN = ("client_encoding", "transaction_isolation")
SECRET = "hash of a password"
NORTH = {"name": "north", "first_seen_at": 1.0, "last_frame_at": 1.0}


@pytest.mark.parametrize(
    "url", ["postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"]
)
def test_every_common_form_of_a_postgres_url_selects_psycopg(url: str) -> None:
    assert connect(url).url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://host/database",
        "postgresql+asyncpg://host/database",
        "postgresql://host:port/database",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_an_unsupported_url_is_rejected_immediately(url: str) -> None:
    with pytest.raises(UnsupportedDatabase):
        connect(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://operator:hunter2@127.0.0.1:1/thermalwatch",
        "postgresql://operator@127.0.0.1:1/thermalwatch?password=hunter2",
    ],
)
def test_an_unreachable_postgres_is_unavailable_and_its_password_is_masked(url: str) -> None:
    engine = connect(url)
    with (
        pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/thermalwatch") as caught,
        reading(engine),
    ):
        pass
    assert "hunter2" not in str(caught.value)
    with pytest.raises(DatabaseUnavailable):
        check_writes(engine)


def test_a_sqlite_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'missing' / 'a.db'}")
    with pytest.raises(DatabaseUnavailable, match=r"missing/a\.db"), reading(engine):
        pass


def test_a_file_that_is_not_a_database_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"these are not the bytes of a database" * 100)
    engine = connect(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnavailable, match="not a database"), reading(engine):
        pass


def test_check_writes_detects_a_read_only_database(engine: Engine) -> None:
    check_writes(engine)
    read_only = {
        "sqlite": "PRAGMA query_only = ON",
        "postgresql": "SET default_transaction_read_only = on",
    }
    with reading(engine) as connection:
        connection.exec_driver_sql(read_only[engine.dialect.name])
        connection.commit()  # the next transaction gets the same connection
    with reading(engine):
        pass
    with pytest.raises(DatabaseUnavailable):
        check_writes(engine)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_sqlite_commit_is_on_disk_and_readers_do_not_block_the_writer(engine: Engine) -> None:
    with reading(engine) as connection:
        assert connection.scalar(sql("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sql("PRAGMA synchronous")) == 2  # FULL
        assert connection.scalar(sql("PRAGMA foreign_keys")) == 1
        with writing(engine) as writer:
            writer.execute(insert(cameras), NORTH)


def test_an_error_rolls_the_transaction_back(engine: Engine) -> None:
    with pytest.raises(RuntimeError), writing(engine) as connection:
        connection.execute(insert(cameras), NORTH)
        raise RuntimeError
    with reading(engine) as connection:
        assert connection.execute(select(cameras)).all() == []


def test_a_value_that_the_database_refuses_is_no_outage(engine: Engine) -> None:
    with pytest.raises(RefusedByDatabase, match="refuses a value"), writing(engine) as connection:
        connection.execute(insert(cameras), [NORTH, NORTH])


def test_an_error_does_not_tell_the_values_of_its_statement(engine: Engine) -> None:
    # to see it fail: leave out hide_parameters
    wrong = sql("SELECT 1 FROM nowhere WHERE name = :name")
    with pytest.raises(Exception, match="nowhere") as raised, reading(engine) as connection:
        connection.execute(wrong, {"name": SECRET})
    assert SECRET not in "".join(format_exception(raised.value))


def test_a_wrong_statement_is_no_outage(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with pytest.raises(ProgrammingError), reading(engine) as connection:
        connection.execute(sql("SELEC 1"))
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ("REVOKE INSERT ON frames FROM guest", "grant the account"),
        ("ALTER TABLE frames RENAME TO elsewhere", "may name another database"),
    ],
)
def test_a_database_that_refuses_a_table_is_an_outage_and_is_probed_as_one(
    postgres_url: str, change: str, advice: str
) -> None:
    # to see it fail: probe only alembic_version
    owner = connect(postgres_url)
    migrate(owner)
    with writing(owner) as connection:
        connection.execute(sql("DROP ROLE IF EXISTS guest"))
        connection.execute(sql("CREATE ROLE guest LOGIN"))
        connection.execute(sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest"))
    guest = connect(str(make_url(postgres_url).set(username="guest")))
    check_writes(guest)
    assert refused_tables(guest) == {}
    with writing(owner) as connection:
        connection.execute(sql(change))
    with pytest.raises(DatabaseUnavailable, match=advice):
        register(guest, [new_frame(1)], now=1.0)
    with pytest.raises(DatabaseUnavailable, match=advice):
        check_writes(guest)
    assert set(refused_tables(guest)) == {"frames"}
    guest.dispose()
    with writing(owner) as connection:
        connection.execute(sql("DROP OWNED BY guest"))
        connection.execute(sql("DROP ROLE guest"))
    owner.dispose()


def test_a_database_of_another_encoding_is_refused_in_one_sentence(_postgres_server: str) -> None:
    with psycopg.connect(_postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
        engine = connect(_postgres_server.replace("/postgres?", "/latin?"))
        with pytest.raises(UnsupportedDatabase, match=r"LATIN1.*createdb --encoding=UTF8"):
            migrate(engine)
        engine.dispose()
        connection.execute("DROP DATABASE latin")


def test_settings_of_the_url_and_the_database_change_neither_text_nor_isolation(
    postgres_url: str,
) -> None:
    # to see it fail: let the URL decide, or leave out isolation_level
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = serializable"
        )
    engine = connect(f"{postgres_url}&client_encoding=latin1&prepare_threshold=0")
    with reading(engine) as connection:
        found = [connection.scalar(sql(f"SHOW {name}")) for name in SHOWN]
    assert found == ["UTF8", "read committed"]
    engine.dispose()


def test_tables_of_another_program_are_left_alone_in_one_sentence(database_url: str) -> None:
    engine = connect(database_url)
    with writing(engine) as connection:
        connection.execute(sql("CREATE TABLE frames (picture TEXT)"))
    with pytest.raises(SchemaError, match=r"tables frames in .* belong to another program"):
        migrate(engine)
    engine.dispose()


def test_a_busy_database_is_not_said_to_have_a_reader_that_holds_its_log(tmp_path: Path) -> None:
    # to see it fail: let one checkpoint decide
    engine = connect(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    with writing(engine) as connection:
        connection.execute(sql("CREATE TABLE filler (content BLOB)"))
        connection.execute(sql(f"INSERT INTO filler VALUES (zeroblob({LARGE_LOG_BYTES + 1}))"))
    stop = threading.Event()
    written: list[None] = []

    def read() -> None:
        while not stop.is_set():
            with reading(engine) as connection:
                connection.execute(select(cameras)).all()
                before = len(written)
                wait_until(lambda: stop.is_set() or len(written) > before + 1)  # noqa: B023

    def write() -> None:
        while not stop.is_set():
            with writing(engine) as connection:
                connection.execute(sql("INSERT INTO filler VALUES (zeroblob(4096))"))
            written.append(None)

    with ThreadPoolExecutor() as pool:
        busy = [pool.submit(work) for work in (read, read, write)]
        logs = []
        for _ in range(6):
            before = len(written)
            wait_until(lambda before=before: len(written) > before)  # type: ignore[misc]
            logs.append(write_ahead_log(engine))
        stop.set()
        for each in busy:
            each.result()
    assert [log.held for log in logs if log is not None] == [False] * 6
    engine.dispose()


def test_a_log_that_a_reader_holds_open_is_told(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    with reading(engine) as reader:
        reader.execute(select(cameras)).all()
        size = LARGE_LOG_BYTES // 16
        with writing(engine) as connection:
            connection.execute(sql("CREATE TABLE filler (content BLOB)"))
        for _ in range(18):
            with writing(engine) as connection:
                connection.execute(sql(f"INSERT INTO filler VALUES (zeroblob({size}))"))
        log = write_ahead_log(engine)
        assert log is not None
        assert (log.held, log.size > LARGE_LOG_BYTES) == (True, True)
    log = write_ahead_log(engine)
    assert log is not None
    assert not log.held
    engine.dispose()


def test_transactions_that_read_and_then_write_take_turns_instead_of_failing(
    engine: Engine,
) -> None:
    with writing(engine) as connection:
        connection.execute(insert(cameras), NORTH)
    errors: list[Exception] = []

    def count_up() -> None:
        try:
            for _ in range(20):
                with writing(engine) as connection:
                    seen = connection.scalar(select(cameras.c.last_frame_at).with_for_update())
                    connection.execute(update(cameras).values(last_frame_at=(seen or 0) + 1))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with reading(engine) as connection:
        assert connection.scalar(select(cameras.c.last_frame_at)) == 81


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_connection_lost_during_a_transaction_is_an_outage_and_the_next_one_works(
    engine: Engine,
) -> None:
    with pytest.raises(DatabaseUnavailable), writing(engine) as connection:
        connection.execute(insert(cameras), NORTH)
        connection.execute(sql("SELECT pg_terminate_backend(pg_backend_pid())"))
    with reading(engine) as connection:
        assert connection.execute(select(cameras)).all() == []


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_lock_held_too_long_is_an_outage(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # to see it fail: leave out lock_timeout; a worker would wait for hours and count as hanging
    monkeypatch.setattr("storage.db.database.POSTGRES_LOCK_S", 0.05)
    other = connect(engine.url.render_as_string(hide_password=False))
    with reading(engine) as connection:
        connection.execute(sql("LOCK TABLE frames IN SHARE MODE"))
        with pytest.raises(DatabaseUnavailable, match="lock timeout"), writing(other) as blocked:
            blocked.execute(update(frames).values(attempts=1))
    other.dispose()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_connection_that_died_while_idle_is_replaced(engine: Engine) -> None:
    with reading(engine) as connection:
        pid = connection.scalar(sql("SELECT pg_backend_pid()"))
    other = connect(engine.url.render_as_string(hide_password=False))
    with writing(other) as connection:
        connection.execute(sql("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    other.dispose()
    check_writes(engine)


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(st.tuples(_texts, st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5))
def test_sent_rows_arrive_unchanged_and_in_order(
    engine: Engine, rows: list[tuple[str, int]]
) -> None:
    with reading(engine) as connection:
        sent = sent_rows(
            connection,
            [{"path": text, "size": number} for text, number in rows],
            [frames.c.path, frames.c.size],
        )
        assert connection.execute(select(sent)).all() == rows
