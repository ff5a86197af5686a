"""Connections to the database and their transactions."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, update
from sqlalchemy import text as sql
from sqlalchemy.exc import IntegrityError

from storage.db.database import check_writes, connect, reading, sent_rows, writing
from storage.db.schema import cameras, frames
from storage.errors import DatabaseUnavailable, UnsupportedDatabase

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


def test_an_invalid_statement_is_not_an_outage(engine: Engine) -> None:
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(cameras), [NORTH, NORTH])


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
