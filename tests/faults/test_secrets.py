"""Passwords of Redis and Postgres never appear in logs, messages or files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import make_url, text

from ops.cli.main import cli
from storage.db.database import connect
from storage.queue import FrameQueue
from tests.faults.conftest import MakeSite
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.waiting import wait_until

SECRET = "hunter2-in-the-url"


def test_no_password_is_ever_said(make_site: MakeSite, postgres_url: str) -> None:
    # to see it fail: show the password in masked_url of databases or in storage.queue.address
    site = make_site(with_password(postgres_url))
    change_redis_password(site, "", SECRET)
    site.redis.url = f"unix://:{SECRET}@{site.redis.socket}"
    site.start("producer", "--debug", "produce", "--watch", str(site.watch))
    site.start("worker-1", "--debug", "work", "--model", str(site.model), "--name", "worker-1")
    site.upload(10)
    wait_until(site.is_settled, START_S, "work")

    change_redis_password(site, SECRET, "another")
    site.upload(10)
    wait_until(lambda: said_by_all(site, "password|Authentication"), RECOVERY_S, "the refusal")
    change_redis_password(site, "another", SECRET)
    site.wait_until_settled()

    with closed_database(site):
        site.upload(10)
        with site.redis.client() as redis:  # only a job makes the worker read the ledger
            FrameQueue(redis).enqueue(["0" * 32])
        wait_until(lambda: said_by_all(site, "not currently accepting"), RECOVERY_S, "the outage")
    site.wait_until_settled()
    site.close()

    for path in site.directory.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in site.logs(lines=10_000)


def with_password(url: str) -> str:
    return make_url(url).set(password=SECRET).render_as_string(hide_password=False)


def change_redis_password(site: Site, before: str, after: str) -> None:
    with Redis(unix_socket_path=str(site.redis.socket), password=before or None) as redis:
        redis.config_set("requirepass", after)
        redis.client_kill_filter(_type="normal", skipme=True)
        redis.client_kill_filter(_type="pubsub", skipme=True)


def said_by_all(site: Site, pattern: str) -> bool:
    return all(re.search(pattern, site.log(name)) for name in site.processes)


@contextmanager
def closed_database(site: Site) -> Iterator[None]:
    """Make Postgres refuse connections to the site's database during the block."""
    name = make_url(site.database_url).database
    maintenance = connect(site.database_url.replace(f"/{name}", "/postgres"))
    with maintenance.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(cut), {"name": name})
        yield
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    maintenance.dispose()


#: URLs of services that do not exist, and invalid URLs.
WRONG_ADDRESSES = (
    (f"redis://:{SECRET}@127.0.0.1:1/0", f"postgresql://me:{SECRET}@127.0.0.1:1/db"),
    (f"unix:///nowhere?password={SECRET}", f"postgresql://127.0.0.1:1/db?password={SECRET}"),
    (f"rediss://me:{SECRET}@[::1/0", f"postgresql://me:{SECRET}@host:port/db"),
    (f"redis://:{SECRET}@127.0.0.1:port/0", f"postgresql://me:{SECRET}@[::1/db"),
    (f"redis//:{SECRET}@127.0.0.1", f"postgresql//me:{SECRET}@127.0.0.1/db"),
    (f"http://me:{SECRET}@127.0.0.1", f"mysql://me:{SECRET}@127.0.0.1/db"),
    (SECRET, f"me:{SECRET}"),
)


@pytest.mark.parametrize("command", ["status", "audit", "doctor", "produce", "work"])
def test_no_wrong_address_is_told_with_its_password(command: str, tmp_path: Path) -> None:
    # to see it fail: put the value into the error of `_url_check` or of `connect` to databases,
    # or skip `redact` in ops.doctor
    words = ["--debug", command, "--data", str(tmp_path / "state")]
    words += ["--watch", str(tmp_path)] if command == "produce" else []
    words += ["--json"] if command in ("status", "audit", "doctor") else []
    for redis_url, database_url in WRONG_ADDRESSES:
        for redis in (redis_url, "redis://127.0.0.1:1/0"):
            urls = {"REDIS_URL": redis, "DATABASE_URL": database_url}
            answer = CliRunner().invoke(cli, words, env=urls)
            assert answer.exit_code in (1, 2), answer.output
            assert answer.output
            assert SECRET not in answer.output
            assert SECRET not in str(answer.exception)
