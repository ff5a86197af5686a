"""Redis, the database, the active model, and whether jobs go round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.config import wiring
from ops.doctor.cameras import cameras, scans
from ops.doctor.check import Check
from ops.doctor.flow import probe_job, progress
from ops.errors import OpsError
from ops.program import command_line
from storage.redaction import redact, redact_urls

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings

#: Seconds by which clocks may differ; beyond, leases and time stamps are unreliable.
CLOCK_SKEW_S = 5.0

#: Seconds after which a Redis command fails.
ANSWER_S = 3.0


def services(settings: Settings) -> Iterator[Check]:
    try:
        urls = wiring.addresses(settings)
    except OpsError as error:
        yield Check("state", "not configured", str(error))
        return
    embedded = settings.data is not None and settings.redis_url is None
    start = f"start it: {_up(settings)}" if embedded else "start it, or correct REDIS_URL"
    yield from _guarded("redis", redact(urls.redis_url), start, lambda: _redis(settings))
    yield from _guarded(
        "database",
        redact(urls.database_url),
        "start it, or correct DATABASE_URL or --data",
        lambda: _database(settings),
    )


def _guarded(
    name: str, where: str, remedy: str, look: Callable[[], Iterator[Check]]
) -> Iterator[Check]:
    from redis import RedisError

    from storage.errors import StorageError
    from thermal.errors import ThermalError

    try:
        yield from look()
    except (RedisError, StorageError, ThermalError, OpsError, OSError) as error:
        yield Check(name, redact_urls(f"{where}: {error}"), remedy)


def _redis(settings: Settings) -> Iterator[Check]:
    with wiring.open_redis(settings, answer_s=ANSWER_S) as redis:
        begun = time.monotonic()
        redis.ping()
        answer_ms = (time.monotonic() - begun) * 1000
        info = _info(redis)
        seconds, microseconds = redis.time()
        remote_now, local_now = seconds + microseconds / 1e6, time.time()
    where = redact(wiring.addresses(settings).redis_url)
    if not info:
        yield Check("redis", f"{where}: answers in {answer_ms:.1f} ms; its ACL refuses INFO")
    elif info.get("cluster_enabled"):
        yield Check("redis", f"{where}: runs in cluster mode", wiring.NO_CLUSTER)
        return
    else:
        yield Check(
            "redis",
            f"{where}: {_version(info)}, answers in {answer_ms:.1f} ms, "
            f"{info['used_memory_human']} in use",
        )
    if info.get("maxmemory_policy") != "noeviction" and info.get("maxmemory"):
        yield Check(
            "redis memory",
            f"drops keys when full ({info['maxmemory_policy']})",
            "set maxmemory-policy noeviction: windows and jobs must not be dropped",
        )
    if info and not info.get("aof_enabled") and not info.get("rdb_saves", 1):
        yield Check("redis persistence", "off: a restart of Redis rebuilds windows from the rows")
    yield _skew("redis clock", remote_now - local_now)
    with wiring.open_redis(settings, answer_s=ANSWER_S) as redis:
        yield probe_job(redis)
        yield from scans(redis)


def _version(info: dict[str, Any]) -> str:
    """Name and version of a server; Valkey also states the Redis that it is compatible with."""
    valkey = info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {info['redis_version']}"


def _info(redis: Redis) -> dict[str, Any]:
    """What INFO says; empty if the account may not ask."""
    from redis.exceptions import NoPermissionError

    try:
        return redis.info()
    except NoPermissionError:
        return {}


def _database(settings: Settings) -> Iterator[Check]:
    with wiring.open_existing_database(settings) as engine:
        where = redact(wiring.addresses(settings).database_url)
        yield Check("database", f"{where}: answers, tables match this release")
        yield from _tables(engine)
        yield from progress(engine, time.time())
        yield _model(engine, settings.data)
        yield from cameras(engine)


def _tables(engine: Engine) -> Iterator[Check]:
    from storage.db.probes import refused_tables, write_ahead_log

    refused = refused_tables(engine)
    for table, message in refused.items():
        yield Check(f"table {table}", message, "correct it; nothing is scored until then")
    if not refused:
        yield Check("tables", "every table accepts writes")
    log = write_ahead_log(engine)
    if log is not None and log.held:
        yield Check(
            "write-ahead log",
            f"{log.path} has grown to {log.size / 2**20:.0f} MiB: a reader keeps it open",
            "end the program that has the database open for reading (fuser FILE names it)",
        )


def _up(settings: Settings) -> str:
    watch = (word for root in settings.watch for word in ("--watch", str(root)))
    return command_line("up", *_data_option(settings.data), *watch)


def _data_option(data: Path | None) -> tuple[str, ...]:
    return () if data is None else ("--data", str(data))


def _model(engine: Engine, data: Path | None) -> Check:
    from storage.models import active_model_id, load_model

    model_id = active_model_id(engine)
    if model_id is None:
        remedy = f"register one: {command_line('model', 'add', 'BUNDLE', *_data_option(data))}"
        return Check("model", "none is active", remedy)
    bundle = load_model(engine, model_id)
    normalization = bundle.normalization
    return Check(
        "model",
        f"{model_id[:12]} is active: {normalization.height}×{normalization.width} px, "
        f"unit {normalization.unit}, {bundle.training.images} training images",
    )


def _skew(name: str, skew_s: float) -> Check:
    finding = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if abs(skew_s) > CLOCK_SKEW_S:
        return Check(name, finding, "synchronise the clocks (NTP)")
    return Check(name, finding)
