"""The parts that the server uses, made once by `make_services`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.web.queries.active_model import ActiveModel
from ops.web.queries.brief_cache import BriefCache
from ops.web.queries.frames import FrameSource
from ops.web.queries.ledger_counts import LedgerCounter
from ops.web.queries.live import Live
from ops.web.queries.wall import RECENT, wall_as_json
from ops.web.security.access import Access
from ops.web.security.throttle import LoginThrottle
from storage.files.artifacts import ArtifactStore
from storage.results.wall import CameraView, view_cameras

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings

#: Seconds for which the wall is cached: after an update, many pages request it at once.
WALL_S = 0.5


@dataclass(frozen=True, eq=False)
class Services:
    """The parts that a request may use."""

    settings: Settings
    engine: Engine
    redis: Redis  #: commands fail after `ops.web.server.ANSWER_S`
    store: ArtifactStore | None  #: None without a state directory
    frames: FrameSource
    model: ActiveModel
    wall: BriefCache[list[CameraView]]
    wall_answer: BriefCache[bytes]  #: the same as JSON
    ledger_counts: LedgerCounter
    access: Access
    throttle: LoginThrottle
    live: Live
    clock: Callable[[], float]


def make_services(
    settings: Settings,
    engine: Engine,
    redis: Redis,
    *,
    loopback: bool,
    clock: Callable[[], float] = time.time,
) -> Services:
    """Make the parts of a server. Starts nothing."""
    store = ArtifactStore(settings.data.absolute() / "pictures") if settings.data else None
    wall = BriefCache(lambda: view_cameras(engine, recent=RECENT), WALL_S)
    wall_answer = BriefCache(lambda: wall_as_json(wall.get(), clock()), WALL_S)

    def drop_wall() -> None:
        wall.drop()
        wall_answer.drop()

    return Services(
        settings=settings,
        engine=engine,
        redis=redis,
        store=store,
        frames=FrameSource(settings, engine, store),
        model=ActiveModel(settings, engine),
        wall=wall,
        wall_answer=wall_answer,
        ledger_counts=LedgerCounter(engine, clock),
        access=Access(engine, loopback=loopback, clock=clock),
        throttle=LoginThrottle(),
        # invalidate the cache before notifying clients
        live=Live(engine, clock, on_news=drop_wall),
        clock=clock,
    )
