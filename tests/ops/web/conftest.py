"""A server to send requests to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from ops.config.settings import Settings
from tests.ops.web.site import WebSite


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite; tests marked `BOTH` also run on PostgreSQL."""
    if getattr(request, "param", "sqlite") == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'thermalwatch.db'}"


@pytest.fixture
def site(engine: Engine, redis_url: str, tmp_path: Path) -> Iterator[WebSite]:
    """A server on loopback without accounts."""
    watch, data = tmp_path / "watch", tmp_path / "state"
    watch.mkdir()
    (data / "pictures").mkdir(parents=True)
    with Redis.from_url(redis_url) as redis:
        settings = Settings(watch=(watch,), data=data)
        yield WebSite(engine, redis, tmp_path, settings)
