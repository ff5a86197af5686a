"""The wall as JSON: all of it, or what has changed since an answer that a page has.

A page that follows the wall sends the `revision` of its last answer. Then only cameras that have
changed come back, each with only the scores that are new: over a slow line, the whole wall once a
second would take longer than a second.
"""

from __future__ import annotations

import gzip
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ops.web.queries.brief_cache import BriefCache
from ops.web.queries.wall import camera_tile
from ops.web.schemas.cameras import Camera, CameraList
from storage.results.wall import CameraView

#: The fastest level: the wall is compressed anew twice a second.
_GZIP_LEVEL: Final = 1
#: Fewer bytes gain nothing.
_LEAST_COMPRESSED: Final = 500
#: The revision of who has nothing.
_NOTHING: Final = -1


@dataclass(frozen=True)
class WallAnswer:
    """A `CameraList` as JSON."""

    plain: bytes
    compressed: bytes | None  #: gzip; None if it would not be shorter


@dataclass
class _Known:
    """A camera as it was at the latest look."""

    view: CameraView
    tile: Camera
    changed: int  #: revision of its latest change
    points: dict[int, int] = field(default_factory=dict)  #: revision in which a score appeared

    def since(self, revision: int, *, recent: bool) -> Camera:
        """The tile with the scores that appeared after `revision`, or without any."""
        wanted = [
            point for point in self.tile.recent if recent and self.points[point.id] > revision
        ]
        return self.tile.model_copy(update={"recent": wanted})


class WallChanges:
    """Numbers the changes of the wall, and answers what has changed."""

    def __init__(
        self,
        views: BriefCache[list[CameraView]],
        clock: Callable[[], float],
        group_of: Callable[[str], str | None],
    ) -> None:
        self._views = views
        self._clock = clock
        self._group_of = group_of
        self._lock = threading.Lock()
        self._run = secrets.token_hex(4)  # revisions of another process mean nothing here
        self._revision = 0
        self._removed = 0  # revision in which a camera disappeared
        self._looked_at: list[CameraView] | None = None
        self._now = 0.0  # Unix s, of the latest look
        self._known: dict[str, _Known] = {}
        self._answers: dict[tuple[int, bool], WallAnswer] = {}  # of the latest look

    def answer(self, since: str | None, *, recent: bool) -> WallAnswer:
        """What has changed since the revision, or everything; with or without recent scores."""
        with self._lock:
            self._look()
            revision = self._parse(since)
            if (revision, recent) not in self._answers:
                self._answers[revision, recent] = self._make(revision, recent=recent)
            return self._answers[revision, recent]

    def _look(self) -> None:
        views = self._views.get()
        if views is self._looked_at:
            return
        self._looked_at, self._now = views, self._clock()
        self._answers.clear()
        revision = self._revision + 1
        before = self._known
        self._known = {
            view.name: self._note(before.get(view.name), view, revision) for view in views
        }
        if before.keys() - self._known.keys():
            self._removed = self._revision = revision
        elif any(known.changed == revision for known in self._known.values()):
            self._revision = revision

    def _note(self, known: _Known | None, view: CameraView, revision: int) -> _Known:
        tile = camera_tile(view, self._now, group=self._group_of(view.name))
        # of a tile, only its state depends on the time too, apart from mere ages
        state = (tile.state, tile.own_state)
        if known and view == known.view and state == (known.tile.state, known.tile.own_state):
            return _Known(view, tile, known.changed, known.points)
        had = known.points if known else {}
        points = {point.id: had.get(point.id, revision) for point in tile.recent}
        return _Known(view, tile, revision, points)

    def _parse(self, since: str | None) -> int:
        run, _, number = (since or "").partition("-")
        if run != self._run or not number.isdecimal() or int(number) > self._revision:
            return _NOTHING
        return int(number) if int(number) >= self._removed else _NOTHING

    def _make(self, revision: int, *, recent: bool) -> WallAnswer:
        changed = [known for known in self._known.values() if known.changed > revision]
        listed = CameraList(
            now=self._now,
            revision=f"{self._run}-{self._revision}",
            complete=revision == _NOTHING,
            cameras=[known.since(revision, recent=recent) for known in changed],
        )
        plain = listed.model_dump_json().encode()
        if len(plain) < _LEAST_COMPRESSED:
            return WallAnswer(plain, None)
        return WallAnswer(plain, gzip.compress(plain, _GZIP_LEVEL, mtime=0))
