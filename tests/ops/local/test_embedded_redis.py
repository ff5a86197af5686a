"""The embedded Redis: a real server, really killed."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from ops.config import addresses
from ops.errors import EmbeddedRedisError, StateError
from ops.local import embedded_redis


@contextmanager
def running(state: Path) -> Iterator[tuple[subprocess.Popen[bytes], Redis]]:
    embedded_redis.prepare(state)
    log = state / "redis.log"
    with log.open("ab") as output:
        process = subprocess.Popen(embedded_redis.redis_command(state), stdout=output)
    try:
        embedded_redis.wait_until(
            lambda: embedded_redis.answers(state), timeout_s=20, what="no answer"
        )
        with Redis.from_url(addresses.urls_for(state).redis_url) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


def test_server_listens_on_its_private_socket_only(tmp_path: Path) -> None:
    with running(tmp_path) as (_, client):
        assert client.config_get("port")["port"] == "0"
        socket = addresses.redis_socket(tmp_path)
        assert socket.stat().st_mode & 0o077 == 0
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(socket.parent)


def test_what_was_written_survives_sigkill(tmp_path: Path) -> None:
    with running(tmp_path) as (process, client):
        client.set("key", "value")
        process.kill()
        process.wait()
    with running(tmp_path) as (_, client):
        assert client.get("key") == b"value"


def test_memory_is_never_freed_by_dropping_keys(tmp_path: Path) -> None:
    with running(tmp_path) as (_, client):
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_leftover_server_is_ended_before_a_new_one_starts(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _):
        embedded_redis.prepare(tmp_path)
        assert process.wait(timeout=10) == 0
        assert not embedded_redis.answers(tmp_path)


def test_damaged_journal_is_set_aside_and_the_server_starts_again(tmp_path: Path) -> None:
    with running(tmp_path) as (_, client):
        client.set("key", "value")
    (journal,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    journal.write_bytes(b"*3\r\n$3\r\nSET\r\nnonsense" * 3)
    log = tmp_path / "redis.log"
    with log.open("ab") as output:
        refused = subprocess.Popen(embedded_redis.redis_command(tmp_path), stdout=output)
    assert refused.wait(timeout=20) != 0
    aside = embedded_redis.set_aside_damaged(tmp_path, log, now=1234.5)
    assert aside is not None and aside.name == "appendonly.damaged-1234"
    with running(tmp_path) as (_, client):
        assert client.get("key") is None
    assert embedded_redis.set_aside_damaged(tmp_path, log, now=2.0) is None


def test_the_journal_of_a_server_before_version_7_is_read(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    commands = (("SELECT", "0"), ("SET", "key", "value"))
    words = [[f"*{len(c)}", *(part for w in c for part in (f"${len(w)}", w))] for c in commands]
    journal = "".join(f"{line}\r\n" for command in words for line in command)
    (tmp_path / "redis" / "appendonly.aof").write_bytes(journal.encode())
    with running(tmp_path) as (_, client):
        assert client.get("key") == b"value"


def test_healthy_journal_stays_where_it_is(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    assert embedded_redis.set_aside_damaged(tmp_path, tmp_path / "redis.log", now=1.0) is None
    assert embedded_redis.set_aside_damaged(tmp_path, tmp_path / "no-such.log", now=1.0) is None


def test_socket_of_a_deep_state_directory_moves_to_a_short_private_place(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    socket = addresses.redis_socket(deep)
    assert len(os.fsencode(socket)) < 108
    assert socket.parent != deep / "run"
    with running(deep) as (_, client):
        assert client.ping()
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(socket.parent)


def test_directory_with_odd_characters_works(tmp_path: Path) -> None:
    with running(tmp_path / "a b%20'ü\"") as (_, client):
        assert client.ping()


def test_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "run").symlink_to(elsewhere)
    with pytest.raises(StateError, match="run: belongs to another user"):
        embedded_redis.prepare(tmp_path / "state")


def test_addresses_show_no_password() -> None:
    urls = addresses.Urls("redis://:hunter2@host/0", "postgresql://me:hunter2@host/db")
    assert "hunter2" not in repr(urls)


def test_waiting_names_what_it_waited_for() -> None:
    never: Callable[[], bool] = lambda: False  # noqa: E731
    begun = time.monotonic()
    with pytest.raises(EmbeddedRedisError, match="the moon: no answer within 0 s"):
        embedded_redis.wait_until(never, timeout_s=0.1, what="the moon: no answer")
    assert time.monotonic() - begun < 5
