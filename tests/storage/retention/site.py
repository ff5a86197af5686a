"""A camera with frames, results and pictures, to run retention on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Engine, func, select

from storage.db.database import reading
from storage.db.schema import results
from storage.files.artifacts import ArtifactStore, PictureKind, picture_path
from storage.frames.audit import audit
from storage.frames.identity import NewFrame, ledger_mtime_ns
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.retention.policy import RetentionPolicy
from storage.retention.run import Retention, RetentionReport
from storage.stream.replay import ReplayReport, replay_all
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from tests.storage.examples import result_row
from thermal.detection.bundle import Bundle
from thermal.threshold import WindowConfig

DAY = 86_400.0
#: Frames of the camera, one per hour.
FRAMES = 1000
#: One frame in so many is an anomaly.
ANOMALY_EVERY = 25
ANOMALIES = FRAMES // ANOMALY_EVERY
NOW = FRAMES * 3600.0
KINDS: tuple[PictureKind, ...] = ("original", "reconstruction", "heatmap", "overlay", "sheet")


@dataclass
class Site:
    """A camera with its watch directory, ledger, pictures and rolling window."""

    engine: Engine
    bundle: Bundle
    redis: Redis
    uploads: Path
    store: ArtifactStore
    window_size: int = 50

    @property
    def streams(self) -> Streams:
        windows = RollingWindows(
            self.redis, WindowConfig(window_size=self.window_size, learn_frames=5)
        )
        return Streams(self.engine, windows, lambda: 0.0)

    def upload(self, number: int) -> NewFrame:
        path = self.uploads / "east" / f"{number:05}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
        os.utime(path, (number, number))
        mtime_ns = ledger_mtime_ns(path.stat())
        return NewFrame("east", str(self.uploads), f"east/{path.name}", mtime_ns, 0)

    def score(self, numbers: Sequence[int], *, pictures: bool = False) -> list[NewFrame]:
        """Upload and score files with these numbers, each at the hour of its number."""
        batch = [self.upload(number) for number in numbers]
        register(self.engine, batch, now=0.0)
        level = float(self.bundle.held_out_scores[0])
        scores = [level * (1000 if n % ANOMALY_EVERY == 0 else 1 + n % 7 / 100) for n in numbers]
        decided = self.streams.decide(
            StreamKey("east", self.bundle.model_id),
            self.bundle,
            [(frame.frame_id, score) for frame, score in zip(batch, scores, strict=True)],
        )
        rows = []
        for number, frame, decision in zip(numbers, batch, decided.decisions.values(), strict=True):
            row = result_row(frame, decision, epoch=decided.epoch, model_id=self.bundle.model_id)
            names: dict[str, Any] = {}
            for kind in KINDS if pictures else ():
                names[f"{kind}_picture"] = picture_path("east", number, frame.frame_id, kind)
                self.store.put(names[f"{kind}_picture"], b"picture")
            rows.append(replace(row, scored_at=number * 3600.0, **names))
        commit_results(
            self.engine,
            rows,
            epochs={"east": decided.epoch},
            open_decisions={},
            model_id=self.bundle.model_id,
            now=1.0,
        )
        return batch

    def retain(self, policy: RetentionPolicy, *, now: float = NOW, **more: Any) -> RetentionReport:
        more = {"pause": lambda _seconds: None} | more
        return Retention(self.engine, self.store, policy, now=now, **more).run()

    def check(self) -> ReplayReport:
        found, replayed = audit(self.engine), replay_all(self.engine)
        assert found.passed, found
        assert replayed.consistent, replayed
        return replayed

    def number_of_results(self, *, anomaly: bool) -> int:
        query = select(func.count()).select_from(results).where(results.c.anomaly == anomaly)
        with reading(self.engine) as connection:
            return connection.scalar(query) or 0

    def pictures(self) -> list[Path]:
        return [path for path in self.store.root.rglob("*") if path.is_file()]


POLICY = RetentionPolicy(normal_days=10, anomaly_days=30)
