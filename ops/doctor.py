"""Checks everything that the system depends on. Each problem comes with its remedy."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config import wiring
from ops.config.addresses import redact
from ops.errors import OpsError
from ops.program import command_line

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings

#: Free bytes on disk below which `doctor` reports a problem.
LOW_DISK_BYTES = 1 << 30

#: Seconds by which clocks may differ; beyond, leases and time stamps are unreliable.
CLOCK_SKEW_S = 5.0

#: Seconds after which a Redis command fails.
ANSWER_S = 3.0

#: Share of the kernel's limit of watches above which `doctor` reports a problem.
WATCH_SHARE = 0.8

INOTIFY_LIMITS = Path("/proc/sys/fs/inotify")


@dataclass(frozen=True)
class Check:
    """The finding about one subject. `remedy` says what to do; it is None if all is well."""

    name: str
    finding: str
    remedy: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be done."""
        return self.remedy is None


def examine(settings: Settings) -> list[Check]:
    """Run all checks that apply to these settings. Problems are findings, not exceptions."""
    checks = list(_services(settings))
    if settings.data is not None:
        checks.append(_disk(settings.data))
    checks += [_watch(root, settings.watching.observer) for root in settings.watch]
    checks += [_device(settings.device), _system_clock(time.time())]
    return checks


def _services(settings: Settings) -> Iterator[Check]:
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
        yield Check(name, f"{where}: {error}", remedy)


def _redis(settings: Settings) -> Iterator[Check]:
    with wiring.open_redis(settings, answer_s=ANSWER_S) as redis:
        begun = time.monotonic()
        redis.ping()
        answer_ms = (time.monotonic() - begun) * 1000
        info = redis.info()
        seconds, microseconds = redis.time()
        remote_now, local_now = seconds + microseconds / 1e6, time.time()
    where = redact(wiring.addresses(settings).redis_url)
    yield Check(
        "redis",
        f"{where}: {info['redis_version']}, answers in {answer_ms:.1f} ms, "
        f"{info['used_memory_human']} in use",
    )
    if info.get("maxmemory_policy") != "noeviction" and info.get("maxmemory"):
        yield Check(
            "redis memory",
            f"drops keys when full ({info['maxmemory_policy']})",
            "set maxmemory-policy noeviction: windows and jobs must not be dropped",
        )
    if not info.get("aof_enabled") and not info.get("rdb_saves", 1):
        yield Check("redis persistence", "off: a restart of Redis rebuilds windows from the rows")
    yield _skew("redis clock", remote_now - local_now)


def _database(settings: Settings) -> Iterator[Check]:
    with wiring.open_existing_database(settings) as engine:
        where = redact(wiring.addresses(settings).database_url)
        yield Check("database", f"{where}: answers, tables match this release")
        yield _model(engine, settings.data)


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


def _disk(data: Path) -> Check:
    there = next((p for p in (data, *data.absolute().parents) if p.exists()), Path("/"))
    usage = shutil.disk_usage(there)
    finding = f"{data}: {usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.1f} GiB"
    if data.exists() and not os.access(data, os.W_OK | os.X_OK):
        return Check("disk", f"{data}: no write permission", "correct its owner or mode")
    if usage.free < LOW_DISK_BYTES:
        return Check(
            "disk", finding, "free some space, for example in pictures/ (by camera and day)"
        )
    return Check("disk", finding)


def _watch(root: Path, observer: str) -> Check:
    name = f"watch {root}"
    if not root.is_dir():
        return Check(name, "no such directory", "create or mount it; the producer waits for it")
    if not os.access(root, os.R_OK | os.X_OK):
        return Check(name, "no read permission", "correct its owner or mode")
    from producer.mounts import MOUNTS, network_type

    mounts = Path(MOUNTS)
    kind = network_type(os.path.realpath(root), mounts.read_bytes()) if mounts.exists() else "all"
    if observer == "polling" or (observer == "auto" and kind is not None):
        return Check(name, f"readable, polled ({kind or 'as configured'})")
    return _inotify(name, root)


def _inotify(name: str, root: Path) -> Check:
    directories = 1 + sum(len(folders) for _, folders, _ in os.walk(root))
    try:
        limit = int((INOTIFY_LIMITS / "max_user_watches").read_text())
    except (OSError, ValueError):
        return Check(name, f"readable, {directories} directories")
    finding = f"readable, inotify watches {directories} directories; the limit is {limit} per user"
    if directories > WATCH_SHARE * limit:
        return Check(name, finding, f"sysctl fs.inotify.max_user_watches={directories * 4}")
    return Check(name, finding)


def _device(device: str) -> Check:
    if device == "auto" and not _may_have_gpu():
        return Check("device", "cpu (no GPU on this machine)")
    import torch

    from thermal.detection.detector import choose_device

    chosen = choose_device(device)
    if chosen.startswith("cuda"):
        if not torch.cuda.is_available():
            return Check(
                "device",
                f"{device} is configured, but torch {torch.__version__} finds no such GPU",
                "install the GPU build of torch and the driver, or set device = 'auto'",
            )
        return Check("device", f"{chosen}: {torch.cuda.get_device_name(chosen)}")
    return Check("device", f"{chosen} with torch {torch.__version__}")


def _may_have_gpu() -> bool:
    """Whether there may be a GPU. If not, we save the seconds that importing torch takes."""
    return any(Path("/dev").glob("nvidia*")) or Path("/dev/kfd").exists()


def _skew(name: str, skew_s: float) -> Check:
    finding = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if abs(skew_s) > CLOCK_SKEW_S:
        return Check(name, finding, "synchronise the clocks (NTP)")
    return Check(name, finding)


def _system_clock(now: float) -> Check:
    """Check for a clock that starts in the past, as on machines without a clock battery."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    newest_source = Path(__file__).stat().st_mtime
    if now < newest_source - 86_400:
        return Check("clock", f"{stamp}, earlier than this program", "set the clock (NTP)")
    return Check("clock", stamp)
