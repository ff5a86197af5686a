"""Builds the parts of every process from the settings; the only place that does.

Importing this module connects to nothing, and each function imports what it builds, so `status`
does not load torch.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ops.config.addresses import Urls, urls_for
from ops.config.redis_client import make_client
from ops.config.state_directory import StateDirectory
from ops.errors import SettingsError

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from producer.app import Producer
    from producer.config import ProducerConfig
    from thermal.detection.bundle import Bundle
    from thermal.sandbox import SandboxLimits
    from worker.app import Worker
    from worker.config import CameraConfig, WorkerConfig

#: Seconds after which a connection attempt to Redis fails.
CONNECT_S = 5.0


def addresses(settings: Settings) -> Urls:
    """URLs of the services: as configured, else those of the state directory.

    Raises:
        SettingsError: neither a state directory nor both URLs are configured.
    """
    embedded = urls_for(settings.data) if settings.data else None
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    database_url = settings.database_url.get_secret_value() if settings.database_url else None
    if embedded is None and (redis_url is None or database_url is None):
        missing = "REDIS_URL" if redis_url is None else "DATABASE_URL"
        other = " and DATABASE_URL" if redis_url is None and database_url is None else ""
        raise SettingsError(
            f"no state directory: give --data STATE as to `thermalwatch up`, "
            f"or set {missing}{other}"
        )
    return Urls(
        redis_url=redis_url or (embedded.redis_url if embedded else ""),
        database_url=database_url or (embedded.database_url if embedded else ""),
    )


def state_directory(settings: Settings) -> StateDirectory:
    """The state directory, created if it does not exist.

    Raises:
        SettingsError: no state directory is configured.
        StateError: it cannot be created or written.
    """
    if settings.data is None:
        raise SettingsError("no state directory: give --data STATE, or set THERMALWATCH_DATA")
    state = StateDirectory(settings.data.absolute())
    state.create()
    return state


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """Open the database, creating its tables or migrating them to this release.

    Raises:
        SettingsError, StateError: see `addresses` and `state_directory`.
        StorageError: the database cannot be used.
    """
    from storage.db.database import connect, migrate

    engine = connect(addresses(settings).database_url)
    if settings.database_url is None:
        state_directory(settings)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def open_existing_database(settings: Settings) -> Iterator[Engine]:
    """Open an existing database. A mistyped ``--data`` is an error and creates nothing.

    Raises:
        SettingsError: the state directory has no database, or nothing is configured.
        StorageError: the database cannot be used.
    """
    if settings.database_url is None and settings.data is not None:
        file = settings.data / "thermalwatch.db"
        if not file.exists():
            raise SettingsError(
                f"--data {settings.data}: no thermalwatch state there (no {file.name})"
            )
    with open_database(settings) as engine:
        yield engine


def open_redis(settings: Settings, *, answer_s: float | None = None) -> Redis:
    """A Redis client. It connects with the first command.

    With `answer_s`, a command without an answer fails after that many seconds and is not retried;
    by default the client would retry it ten times. Workers don't set it, because they block in
    Redis until the next job.
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = make_client(
        addresses(settings).redis_url,
        socket_connect_timeout=CONNECT_S,
        socket_timeout=answer_s,
    )
    if answer_s is not None:
        client.set_retry(Retry(NoBackoff(), 0))
    return client


#: What to do about a Redis Cluster.
NO_CLUSTER = (
    "use a single Redis server, with replicas and Sentinels if it must not fail: RQ's jobs and the "
    "windows need commands on several keys at once, which a cluster refuses"
)


def refuse_cluster(settings: Settings) -> None:
    """Refuse a Redis Cluster by name; a Redis that does not answer now may be one or not.

    Raises:
        SettingsError: Redis runs in cluster mode.
    """
    from redis.exceptions import RedisError

    try:
        with open_redis(settings, answer_s=CONNECT_S) as redis:
            is_cluster = cast("dict[str, Any]", redis.info("cluster")).get("cluster_enabled")
    except RedisError:
        return  # it is down, or the account may not ask
    if is_cluster:
        raise SettingsError(f"Redis runs in cluster mode: {NO_CLUSTER}")


def register_model(engine: Engine, bundle: Bundle, *, now: float, activate: bool) -> bool:
    """Store a bundle; return whether it is the active model now.

    A bundle that is new to the database becomes active. A known one does so only with `activate`,
    so that a restarted worker does not override the model that an operator activated since.
    """
    from storage.models import active_model_id, known_model_ids, save_model

    new = bundle.model_id not in known_model_ids(engine)
    if new or activate:
        save_model(engine, bundle, now=now, activate=True)
    return active_model_id(engine) == bundle.model_id


def make_producer(
    settings: Settings, engine: Engine, redis: Redis, *, roots: tuple[Path, ...]
) -> Producer:
    """A producer, ready to run.

    Raises:
        SettingsError: see `producer_config`.
    """
    from producer.app import Producer
    from storage.queue import FrameQueue

    return Producer(producer_config(settings, roots=roots), engine, FrameQueue(redis))


def producer_config(settings: Settings, *, roots: tuple[Path, ...]) -> ProducerConfig:
    """The part of the settings that a producer needs.

    Raises:
        SettingsError: one watch directory lies inside another, or a link leads into one.
    """
    from producer.config import ProducerConfig

    try:
        return ProducerConfig(
            roots=roots,
            cameras={n: Path(c.path) for n, c in settings.cameras.items() if c.path is not None},
            choices={n: camera.choice() for n, camera in settings.cameras.items()},
            **vars(settings.watching),
        )
    except ValueError as error:
        raise SettingsError(f"watch: {error}") from None


def make_worker(settings: Settings, engine: Engine, redis: Redis, *, name: str | None) -> Worker:
    """A worker, ready to run. It loads the model when it starts."""
    from storage.files.artifacts import ArtifactStore
    from worker.app import Worker

    store = ArtifactStore(state_directory(settings).pictures)
    return Worker(worker_config(settings, name=name or default_name()), engine, redis, store)


def default_name() -> str:
    """Default name of a worker in its rows: host name and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


def worker_config(settings: Settings, *, name: str) -> WorkerConfig:
    """The part of the settings that a worker needs."""
    from worker.config import WorkerConfig

    return WorkerConfig(
        name=name,
        cameras={camera: camera_config(settings, camera) for camera in settings.cameras},
        default_camera=camera_config(settings, "*"),
        window=settings.threshold,
        pictures=settings.pictures,
        sandbox=sandbox_limits(settings),
        grace_s=settings.limits.grace_s,
        threads=worker_threads(os.environ),
        device=settings.device,
    )


def sandbox_limits(settings: Settings) -> SandboxLimits:
    """What one file may take while it is decoded."""
    from thermal.sandbox import SandboxLimits

    limits = settings.limits
    return SandboxLimits(limits.decode_memory_mib, limits.decode_cpu_s)


def worker_threads(environ: Mapping[str, str]) -> int:
    """Threads of a worker: OMP_NUM_THREADS if set, else one per available core."""
    given = environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else available_cores()


def available_cores() -> int:
    """Number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def camera_config(settings: Settings, name: str) -> CameraConfig:
    """How to read and measure a camera's images. Cameras without a section use that of ``*``."""
    from thermal.decode import DecodeOptions
    from worker.config import CameraConfig

    camera = settings.camera(name)
    options = DecodeOptions(
        max_bytes=settings.limits.max_bytes,
        max_pixels=settings.limits.max_pixels,
        scale=camera.scale,
        scale_must_apply=name in settings.cameras and name != "*",
        matrix_unit=camera.matrix_unit,
        parameters=camera.parameters(),
        max_unusable_share=camera.max_unusable_share,
        radiometry=camera.radiometry,
        decoder=camera.decoder,
    )
    return CameraConfig(decode=options, hotspot=camera.hotspot, clock=camera.clock())


def watch_roots(settings: Settings) -> tuple[Path, ...]:
    """The watch directories, as absolute paths.

    Raises:
        SettingsError: there is none, or the state directory lies inside one. The producer would
            then take our own pictures for new frames, endlessly.
    """
    if not settings.watch:
        raise SettingsError("nothing to watch: give --watch DIR, or set `watch` in the settings")
    for root in settings.watch:
        if settings.data is not None and settings.data.resolve().is_relative_to(root.resolve()):
            raise SettingsError(
                f"--data {settings.data} lies inside --watch {root}, so its pictures would be "
                "taken for frames; choose another directory"
            )
    return tuple(root.absolute() for root in settings.watch)
