"""The one place where a process is put together: settings in, wired parts out.

Nothing here connects before it is called, and each function imports what it wires: `status` does
not load torch.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config.addresses import Urls, urls_for
from ops.config.state_directory import StateDirectory
from ops.errors import SettingsError

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from producer.app import Producer
    from thermal.detection.bundle import Bundle
    from worker.app import Worker
    from worker.config import CameraConfig, WorkerConfig

#: Seconds until a Redis that does not take a connection counts as away.
CONNECT_S = 5.0


def addresses(settings: Settings) -> Urls:
    """Where the services are: as configured, else those of the state directory.

    Raises `SettingsError` when nothing says so.
    """
    embedded = urls_for(settings.data) if settings.data else None
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    database_url = settings.database_url.get_secret_value() if settings.database_url else None
    if embedded is None and (redis_url is None or database_url is None):
        missing = "REDIS_URL" if redis_url is None else "DATABASE_URL"
        other = " and DATABASE_URL" if redis_url is None and database_url is None else ""
        raise SettingsError(
            f"nothing says where the state is: give --data STATE as to `thermalwatch up`, "
            f"or set {missing}{other}"
        )
    return Urls(
        redis_url=redis_url or (embedded.redis_url if embedded else ""),
        database_url=database_url or (embedded.database_url if embedded else ""),
    )


def state_directory(settings: Settings) -> StateDirectory:
    """The state directory, made if it is not there. Raises `SettingsError` without ``--data``."""
    if settings.data is None:
        raise SettingsError("say where pictures and logs go: --data STATE, or THERMALWATCH_DATA")
    state = StateDirectory(settings.data.absolute())
    state.create()
    return state


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """The database with its tables as of this release; makes them where there are none."""
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
    """The database of a system that has run before: a mistyped ``--data`` makes no new one."""
    if settings.database_url is None and settings.data is not None:
        file = settings.data / "thermalwatch.db"
        if not file.exists():
            raise SettingsError(
                f"--data {settings.data}: no thermalwatch state there (no {file.name})"
            )
    with open_database(settings) as engine:
        yield engine


def open_redis(settings: Settings, *, answer_s: float | None = None) -> Redis:
    """A client; nothing is sent yet.

    `answer_s` is for callers with a policy of their own for outages: a call that gets no answer
    within it fails, once. Left to itself the client would try ten times, with `answer_s` each.
    Workers leave it open: they wait in Redis for the next job.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = Redis.from_url(
        addresses(settings).redis_url,
        socket_connect_timeout=CONNECT_S,
        socket_timeout=answer_s,
    )
    if answer_s is not None:
        client.set_retry(Retry(NoBackoff(), 0))
    return client


def register_model(engine: Engine, bundle: Bundle, *, now: float, activate: bool) -> bool:
    """Store a bundle; True if it is the active model now.

    One that the database does not know becomes active. With `activate` so does a known one:
    a worker that starts again must not undo what an operator has activated since.
    """
    from storage.models import active_model_id, known_model_ids, save_model

    new = bundle.model_id not in known_model_ids(engine)
    if new or activate:
        save_model(engine, bundle, now=now, activate=True)
    return active_model_id(engine) == bundle.model_id


def make_producer(
    settings: Settings, engine: Engine, redis: Redis, *, roots: tuple[Path, ...]
) -> Producer:
    """A producer, ready to run. Raises `SettingsError` for roots that lie inside each other."""
    from producer.app import Producer
    from producer.config import ProducerConfig
    from storage.queue import FrameQueue

    try:
        config = ProducerConfig(
            roots=roots,
            cameras={n: Path(c.path) for n, c in settings.cameras.items() if c.path is not None},
            **vars(settings.watching),
        )
    except ValueError as error:
        raise SettingsError(f"watch: {error}") from None
    return Producer(config, engine, FrameQueue(redis))


def make_worker(settings: Settings, engine: Engine, redis: Redis, *, name: str | None) -> Worker:
    """A worker, ready to run; the model is loaded when it starts."""
    from storage.files.artifacts import ArtifactStore
    from worker.app import Worker

    store = ArtifactStore(state_directory(settings).pictures)
    return Worker(worker_config(settings, name=name or default_name()), engine, redis, store)


def default_name() -> str:
    """A worker's name on the rows it writes: machine and process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def worker_config(settings: Settings, *, name: str) -> WorkerConfig:
    """What a worker is told."""
    from worker.config import WorkerConfig

    return WorkerConfig(
        name=name,
        cameras={camera: camera_config(settings, camera) for camera in settings.cameras},
        default_camera=camera_config(settings, "*"),
        window=settings.threshold,
        pictures=settings.pictures,
        grace_s=settings.limits.grace_s,
        threads=worker_threads(os.environ),
        device=settings.device,
    )


def worker_threads(environ: Mapping[str, str]) -> int:
    """Threads of a worker: as many as it has cores, or as OMP_NUM_THREADS leaves it of them."""
    given = environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else available_cores()


def available_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def camera_config(settings: Settings, name: str) -> CameraConfig:
    """How one camera's images are read and measured; ``*`` stands for those without a section."""
    from ops.config.settings import CameraSettings
    from thermal.decode import DecodeOptions
    from worker.config import CameraConfig

    camera = settings.cameras.get(name) or settings.cameras.get("*") or CameraSettings()
    options = DecodeOptions(
        max_bytes=settings.limits.max_bytes,
        max_pixels=settings.limits.max_pixels,
        scale=camera.scale,
        matrix_unit=camera.matrix_unit,
        radiometry=camera.radiometry,
    )
    return CameraConfig(decode=options, hotspot=camera.hotspot)


def watch_roots(settings: Settings) -> tuple[Path, ...]:
    """The watch directories, absolute.

    Raises `SettingsError` when there is none, or when our own pictures would be written into one:
    each would be taken for a new frame, without end.
    """
    if not settings.watch:
        raise SettingsError("say what to watch: --watch DIR, or `watch` in thermalwatch.toml")
    for root in settings.watch:
        if settings.data is not None and settings.data.resolve().is_relative_to(root.resolve()):
            raise SettingsError(
                f"--data {settings.data} lies inside --watch {root}, so its pictures would be "
                "taken for frames; put it elsewhere"
            )
    return tuple(root.absolute() for root in settings.watch)
