"""A deployment with a small trained model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from storage.files.artifacts import ArtifactStore
from storage.files.paths import path_to_text
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.models import save_model
from storage.queue import FrameBatch
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows
from thermal.detection.bundle import Bundle
from worker.batch import BatchScorer
from worker.config import WorkerConfig
from worker.models import ModelSource
from worker.progress import Progress


@dataclass
class Deployment:
    """A database, a Redis, a watch directory and a worker's batch function."""

    engine: Engine
    redis: Redis
    root: Path
    store: ArtifactStore
    config: WorkerConfig
    _scorers: list[BatchScorer] = field(default_factory=list)

    def upload(self, name: str, data: bytes) -> str:
        """Put a file below the watch directory and into the ledger; return the frame's id."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        camera = path_to_text(name.split("/", maxsplit=1)[0])
        frame = NewFrame.at(camera, str(self.root), path_to_text(name), path.stat())
        register(self.engine, [frame], now=time.time())
        return frame.frame_id

    def scorer(
        self,
        *,
        grace_s: float = 0.0,
        model_clock: Callable[[], float] = time.time,
        **settings: object,
    ) -> BatchScorer:
        """A new worker's batch function; `model_clock` says when to ask for the active model."""
        config = replace(self.config, grace_s=grace_s, **settings)  # type: ignore[arg-type]
        scorer = BatchScorer(
            config,
            self.engine,
            Streams(self.engine, RollingWindows(self.redis, config.window), time.time),
            ModelSource(self.engine, "cpu", model_clock),
            self.store,
            time.time,
            Progress(),
        )
        self._scorers.append(scorer)
        return scorer

    def close(self) -> None:
        """End the threads and processes of all scorers."""
        for scorer in self._scorers:
            scorer.close()


@pytest.fixture
def deployment(
    engine: Engine, redis_url: str, tmp_path: Path, bundle: Bundle
) -> Iterator[Deployment]:
    """A deployment with the model of `bundle` active."""
    save_model(engine, bundle, now=0.0, activate=True)
    root = tmp_path / "watch"
    root.mkdir()
    with Redis.from_url(redis_url) as redis:
        deployment = Deployment(
            engine, redis, root, ArtifactStore(tmp_path / "pictures"), WorkerConfig(name="test")
        )
        yield deployment
        deployment.close()


def batch_of(ids: Sequence[str]) -> FrameBatch:
    """A message for these frames."""
    return FrameBatch(tuple(ids))
