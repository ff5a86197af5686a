"""Systems to break, one for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.site import RedisProcess, Site, recoveries_s
from thermal.detection.bundle import Bundle

MakeSite = Callable[..., Site]


@pytest.fixture(autouse=True)
def _recoveries(request: pytest.FixtureRequest) -> Iterator[None]:
    """Record how long the test's slowest recovery took (`tests.conftest` prints the list)."""
    recoveries_s.clear()
    yield
    if recoveries_s:
        request.node.user_properties.append(("recovery_s", max(recoveries_s)))


@pytest.fixture
def make_site(tmp_path: Path, bundle: Bundle, request: pytest.FixtureRequest) -> Iterator[MakeSite]:
    """Make a site on ``sqlite`` or ``postgres``; its processes are stopped after the test."""
    with making_sites(tmp_path, bundle) as make_at:

        def make(database: str = "sqlite", *redis_options: str, **settings: str) -> Site:
            if database == "postgres":
                database = str(request.getfixturevalue("postgres_url"))
            return make_at(database, *redis_options, **settings)

        yield make


@pytest.fixture(scope="module")
def make_lasting_site(
    tmp_path_factory: pytest.TempPathFactory, bundle: Bundle
) -> Iterator[MakeSite]:
    """Make a site for all tests of a module, on ``sqlite`` or at a database's URL."""
    with making_sites(tmp_path_factory.mktemp("site"), bundle) as make:
        yield make


@contextmanager
def making_sites(directory: Path, bundle: Bundle) -> Iterator[MakeSite]:
    """Make sites in a directory; all their processes are stopped in the end."""
    sites: list[Site] = []
    sockets = Path(tempfile.mkdtemp(prefix="tw-faults-"))  # socket paths must be short

    def make(database: str = "sqlite", *redis_options: str, **settings: str) -> Site:
        url = f"sqlite:///{directory / 'thermalwatch.db'}" if database == "sqlite" else database
        redis = RedisProcess(directory / "redis", sockets / "redis.sock", *redis_options)
        redis.start()
        sites.append(Site(directory, url, redis, bundle, settings))
        return sites[-1]

    try:
        yield make
    finally:
        for site in sites:
            with suppress(ProcessLookupError):
                site.close()
        shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def site(make_site: MakeSite, request: pytest.FixtureRequest) -> Site:
    """A site, once on each database."""
    return make_site(request.param)
