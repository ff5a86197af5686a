"""Sites to break, one for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.site import RedisProcess, Site
from thermal.bundle import Bundle

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, bundle: Bundle, request: pytest.FixtureRequest) -> Iterator[MakeSite]:
    """Makes a site on ``sqlite`` or ``postgres``; ends all its processes afterwards."""
    sites: list[Site] = []
    sockets = Path(tempfile.mkdtemp(prefix="tw-faults-"))  # a socket's path must be short

    def make(database: str = "sqlite", *redis_options: str, **settings: str) -> Site:
        url = f"sqlite:///{tmp_path / 'thermalwatch.db'}"
        if database == "postgres":
            url = str(request.getfixturevalue("postgres_url"))
        redis = RedisProcess(tmp_path / "redis", sockets / "redis.sock", *redis_options)
        redis.start()
        sites.append(Site(tmp_path, url, redis, bundle, settings))
        return sites[-1]

    yield make
    for site in sites:
        with suppress(ProcessLookupError):
            site.close()
    shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def site(make_site: MakeSite, request: pytest.FixtureRequest) -> Site:
    """A site, once on each database."""
    return make_site(request.param)
