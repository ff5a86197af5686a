"""What is wrong with the system at the moment, by role: for every page's bar and for `/readyz`.

The texts hold no names, paths or addresses, because `/readyz` needs no login.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from redis import RedisError

from ops.status import QueueState, read_queue
from ops.web.queries.status import disk_usage
from storage.errors import StorageError
from storage.frames.counts import oldest_pending
from storage.queue import FrameQueue
from storage.results.counts import count_unreviewed

if TYPE_CHECKING:
    from ops.web.services import Services

Role = Literal["database", "redis", "producers", "workers", "backlog", "disk"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
#: Without these the server cannot do its own work; it can still tell what is wrong with the others.
OWN: Final[frozenset[Role]] = frozenset({"database", "redis"})

#: Free space below which a disk is about to be full: this share of it, and this many bytes, because
#: a twentieth of a large disk lasts for months.
LEAST_FREE_SHARE: Final = 0.05
LEAST_FREE_BYTES: Final = 10 * 2**30


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one role."""

    role: Role
    text: str  #: what, and what follows from it
    remedy: str  #: what to do
    unknown: bool = False  #: it cannot be told, because of another trouble


@dataclass(frozen=True)
class Health:
    """Everything that is wrong at one moment."""

    now: float  #: Unix s
    troubles: tuple[Trouble, ...]  #: at most one of each role, in the order of `ROLES`
    unreviewed: int | None  #: anomalies without a verdict; None without the database

    @property
    def is_own(self) -> bool:
        """Whether something is wrong that keeps the server from answering."""
        return any(trouble.role in OWN for trouble in self.troubles)


def read_health(services: Services) -> Health:
    """Look at every role now. Never raises because of one of them."""
    now = services.clock()
    troubles: list[Trouble] = []
    unreviewed: int | None = None
    try:
        unreviewed = count_unreviewed(services.engine)
        troubles += _backlog(oldest_pending(services.engine), now, services)
    except StorageError:
        troubles.append(
            Trouble(
                "database",
                "The database does not answer: nothing is scored, and pages show old results.",
                "Start it, or see `thermalwatch doctor`.",
            )
        )
        troubles.append(_unknown("backlog", "the database"))
    try:
        FrameQueue(services.redis).check_writes()
        queue = read_queue(services.redis)
    except RedisError:
        troubles += _without_redis()
    else:
        troubles += [*_producers(queue), *_workers(queue)]
    troubles += _disk(services)
    return Health(now, tuple(sorted(troubles, key=lambda one: ROLES.index(one.role))), unreviewed)


def _without_redis() -> Iterator[Trouble]:
    yield Trouble(
        "redis",
        "Redis does not answer or takes no writes: nothing is scored. No frame is lost.",
        "Start it, or see `thermalwatch doctor`.",
    )
    yield _unknown("producers", "Redis")
    yield _unknown("workers", "Redis")


def _unknown(role: Role, cause: str) -> Trouble:
    return Trouble(role, f"Unknown, because {cause} does not answer.", "", unknown=True)


def _producers(queue: QueueState) -> Iterator[Trouble]:
    roots = [root for producer in queue.producers for root in producer.roots]
    absent = sum(root.mode == "absent" for root in roots)
    if not queue.producers:
        yield Trouble(
            "producers",
            "No producer is running: new images are not noticed.",
            "Start one: `thermalwatch up` or `thermalwatch produce`.",
        )
    elif absent:
        directories = "directories" if len(roots) > 1 else "directory"
        yield Trouble(
            "producers",
            f"{absent} of {len(roots)} watch {directories} cannot be found: images uploaded there "
            "are not noticed.",
            "Mount or make it; the system page names it.",
        )


def _workers(queue: QueueState) -> Iterator[Trouble]:
    if not queue.workers:
        yield Trouble(
            "workers",
            "No worker is running: new images are not scored.",
            "Start one: `thermalwatch up` or `thermalwatch work`.",
        )
    elif all(worker.state == "suspended" for worker in queue.workers):
        yield Trouble(
            "workers",
            "All workers are suspended: new images are not scored.",
            "Let them go on with `rq resume`.",
        )


def _backlog(oldest_at: float | None, now: float, services: Services) -> Iterator[Trouble]:
    waits_s = 0.0 if oldest_at is None else now - oldest_at
    if waits_s > services.settings.server.backlog_s:
        pending = sum(services.ledger_counts.get().pending.values())
        frames = "image waits" if pending == 1 else "images wait"
        yield Trouble(
            "backlog",
            f"{pending:,} {frames} to be scored, the oldest for {_duration(waits_s)}: pages show "
            "an earlier state.",
            "Start more workers, or wait if an archive was copied in.",
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _disk(services: Services) -> Iterator[Trouble]:
    disk = disk_usage(services)
    if disk is None:
        return
    least = min(LEAST_FREE_SHARE * disk.total_bytes, LEAST_FREE_BYTES)
    if disk.free_bytes < least:
        yield Trouble(
            "disk",
            f"The disk of pictures and database has only {disk.free_bytes / 1e9:.1f} GB left.",
            "Free space, or shorten `[retention]`.",
        )
