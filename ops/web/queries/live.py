"""Live updates for open pages: one poll of the database serves all listeners.

While there are listeners, one task polls the latest result, quarantine and review (three index
seeks) and wakes all listeners when one of them has changed. It also ends the events of those whose
session or token has ended.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from anyio import to_thread
from sqlalchemy import Engine, func, select

from ops.web.security.access import User
from storage.db.database import reading
from storage.db.schema import audit_log, frames, is_quarantined, results, reviews
from storage.errors import StorageError

#: Seconds between two polls of the database …
LOOK_S: Final = 0.4
#: … and after a change, because each one makes all open pages fetch what they show.
NEWS_GAP_S: Final = 1.0
#: Seconds after which an idle connection gets a comment, so that proxies keep it open and a broken
#: one is noticed.
KEEP_ALIVE_S: Final = 15.0
#: Latest results that are counted: a slow transaction commits a lower id later.
_BACKLOG: Final = 200


@dataclass(frozen=True)
class News:
    """The latest ids and times; listeners get them as `ops.web.schemas.system.LiveUpdate`."""

    result_id: int
    results: int  #: among the latest `_BACKLOG` ids
    quarantined_at: float  #: Unix s
    review_id: int
    resolved: int  #: number of the latest entry of the audit log about resolved anomalies


def latest(engine: Engine) -> News:
    """The latest ids and times now.

    Raises:
        DatabaseUnavailable: they cannot be read.
    """
    with reading(engine) as connection:
        last = connection.scalar(select(func.max(results.c.id))) or 0
        recent = select(func.count()).where(results.c.id > last - _BACKLOG)
        return News(
            result_id=last,
            results=connection.scalar(recent) or 0,
            quarantined_at=connection.scalar(
                select(func.max(frames.c.finished_at)).where(is_quarantined)
            )
            or 0.0,
            review_id=connection.scalar(select(func.max(reviews.c.id))) or 0,
            resolved=connection.scalar(
                select(func.max(audit_log.c.id)).where(audit_log.c.action == "resolved")
            )
            or 0,
        )


class Live:
    """The listeners of a server. Everything runs on the server's event loop."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        *,
        on_news: Callable[[], None],
        ended: Callable[[Collection[User]], Collection[User]],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._on_news = on_news  # called before listeners are woken
        self._changed = asyncio.Condition()
        self._find_ended = ended  # those whose session or token has ended
        self._listeners: Counter[User] = Counter()
        self._ended: Collection[User] = ()
        self._looking: asyncio.Task[None] | None = None
        self._message = ""
        self._number = 0  # of the message; rises with each one
        self._closed = False

    async def events(self, user: User) -> AsyncGenerator[str]:
        """Server-sent events for one listener, starting with the present state.

        They end with the user's session or token, within a second.
        """
        self._listeners[user] += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="live")
        seen = 0
        try:
            yield "retry: 2000\n\n"
            while not self._over(user):
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S), self._changed:
                        await self._changed.wait_for(partial(self._is_news, user, seen))
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if self._number > seen and not self._over(user):
                    seen = self._number
                    yield self._message
        finally:
            self._listeners[user] -= 1
            self._listeners += Counter()  # forget those at zero

    def _over(self, user: User) -> bool:
        return self._closed or user in self._ended

    def _is_news(self, user: User, seen: int) -> bool:
        return self._over(user) or self._number > seen

    async def close(self) -> None:
        """End all listeners, so that the server can stop."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    async def _look(self) -> None:
        known: News | None = None
        while self._listeners and not self._closed:
            pause_s = LOOK_S
            # during an outage, pages learn of it from their own requests
            with suppress(StorageError):
                await self._end(await to_thread.run_sync(self._find_ended, list(self._listeners)))
                news = await to_thread.run_sync(latest, self._engine)
                if news != known:
                    known, pause_s = news, NEWS_GAP_S
                    await self._tell(news)
            await asyncio.sleep(pause_s)
        self._number = 0
        self._ended = ()

    async def _end(self, users: Collection[User]) -> None:
        self._ended = users
        if users:
            async with self._changed:
                self._changed.notify_all()

    async def _tell(self, news: News) -> None:
        values = asdict(news) | {"at": self._clock()}
        del values["results"], values["resolved"]
        self._on_news()
        self._number += 1
        self._message = f"event: update\nid: {self._number}\ndata: {json.dumps(values)}\n\n"
        async with self._changed:
            self._changed.notify_all()
