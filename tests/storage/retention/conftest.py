"""Sites to run retention on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from storage.files.artifacts import ArtifactStore
from storage.models import save_model
from tests.storage.retention.site import FRAMES, Site
from thermal.detection.bundle import Bundle


@pytest.fixture
def site(engine: Engine, redis_url: str, bundle: Bundle, tmp_path: Path) -> Iterator[Site]:
    """A site without frames."""
    save_model(engine, bundle, now=0.0, activate=True)
    (tmp_path / "pictures").mkdir()
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        store = ArtifactStore(tmp_path / "pictures")
        yield Site(engine, bundle, redis, tmp_path / "uploads", store)


@pytest.fixture
def year(site: Site) -> Site:
    """A site with `FRAMES` scored frames."""
    for start in range(0, FRAMES, 100):
        site.score(range(start, start + 100))
    return site
