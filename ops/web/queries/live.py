"""Live updates for open pages: one poll of the database serves all listeners.

While there are listeners, one task polls the latest result, quarantine and review (three index
seeks) and wakes all listeners when one of them has changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from anyio import to_thread
from sqlalchemy import Engine, func, select

from storage.db.database import reading
from storage.db.schema import frames, is_quarantined, results, reviews
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
        )


class Live:
    """The listeners of a server. Everything runs on the server's event loop."""

    def __init__(
        self, engine: Engine, clock: Callable[[], float], *, on_news: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._on_news = on_news  # called before listeners are woken
        self._changed = asyncio.Condition()
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None
        self._message = ""
        self._number = 0  # of the message; rises with each one
        self._closed = False

    async def events(self) -> AsyncGenerator[str]:
        """Server-sent events for one listener, starting with the present state."""
        self._listeners += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="live")
        seen = 0
        try:
            yield "retry: 2000\n\n"
            while not self._closed:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S), self._changed:
                        await self._changed.wait_for(partial(self._is_news, seen))
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if self._number > seen:
                    seen = self._number
                    yield self._message
        finally:
            self._listeners -= 1

    def _is_news(self, seen: int) -> bool:
        return self._closed or self._number > seen

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
                news = await to_thread.run_sync(latest, self._engine)
                if news != known:
                    known, pause_s = news, NEWS_GAP_S
                    await self._tell(news)
            await asyncio.sleep(pause_s)
        self._number = 0

    async def _tell(self, news: News) -> None:
        values = asdict(news) | {"at": self._clock()}
        del values["results"]
        self._on_news()
        self._number += 1
        self._message = f"event: update\nid: {self._number}\ndata: {json.dumps(values)}\n\n"
        async with self._changed:
            self._changed.notify_all()
