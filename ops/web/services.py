"""The parts that the server uses, made once by `make_services`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.config.wiring import sandbox_limits
from ops.web.queries.active_model import ActiveModel
from ops.web.queries.brief_cache import BriefCache
from ops.web.queries.frames import FrameSource
from ops.web.queries.health import Health, read_health
from ops.web.queries.ledger_counts import LedgerCounter
from ops.web.queries.live import Live
from ops.web.queries.wall_changes import WallChanges
from ops.web.security.access import Access
from ops.web.security.oidc import OidcLogin
from ops.web.security.quotas import IMAGES_AT_ONCE, Lanes, Quotas
from ops.web.security.throttle import LoginThrottle
from storage.files.artifacts import ArtifactStore
from storage.results.wall import RECENT, CameraView, view_cameras
from thermal.sandbox import Sandbox

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings

#: Seconds for which the wall is cached: after an update, many pages request it at once.
WALL_S = 0.5
#: Seconds for which the health is cached: every page asks for it, and `/readyz` needs no login.
HEALTH_S = 1.0


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
    wall_changes: WallChanges  #: the same as JSON
    health: BriefCache[Health]
    ledger_counts: LedgerCounter
    access: Access
    throttle: LoginThrottle
    oidc: OidcLogin
    quotas: Quotas
    lanes: Lanes
    live: Live
    sandbox: Sandbox  #: decodes uploads and watched files
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

    access = Access(engine, loopback=loopback, limits=settings.server.session_limits(), clock=clock)

    sandbox = Sandbox(IMAGES_AT_ONCE, sandbox_limits(settings))

    health = BriefCache(lambda: read_health(services), HEALTH_S)

    def drop_cached() -> None:
        wall.drop()
        health.drop()

    services = Services(
        settings=settings,
        engine=engine,
        redis=redis,
        store=store,
        frames=FrameSource(settings, engine, store, sandbox),
        model=ActiveModel(settings, engine),
        wall=wall,
        wall_changes=WallChanges(wall, clock, lambda name: settings.camera(name).group),
        health=health,
        ledger_counts=LedgerCounter(engine, clock),
        access=access,
        throttle=LoginThrottle(),
        oidc=OidcLogin(settings.server.oidc),
        quotas=Quotas(),
        lanes=Lanes(),
        # invalidate the cache before notifying clients
        live=Live(engine, clock, on_news=drop_cached, ended=access.ended),
        sandbox=sandbox,
        clock=clock,
    )
    return services
