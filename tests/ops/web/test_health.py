"""What is wrong with the system: for every page and, by role, for monitoring."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis
from rq import Worker

from ops.web.app import create_app
from ops.web.queries import health
from ops.web.schemas.system import Disk
from producer.heartbeat import Heartbeat, beat
from producer.observe import RootStatus
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.queue import FrameQueue
from tests.ops.web.site import BOTH, NOW, WebSite, api

ROOT = RootStatus(
    root="/srv/in", mode="inotify", frames=3, refused=0, settling=0, scanned_at=5.0, scan_s=0.1
)


@pytest.fixture
def working(site: WebSite) -> WebSite:
    """A site with a worker and a producer."""
    queue = FrameQueue(site.redis).rq
    Worker([queue], connection=site.redis, name="worker-1").register_birth()  # type: ignore[no-untyped-call]
    beat(site.redis, Heartbeat("producer-1", NOW, NOW, (ROOT,)))
    site.now = NOW
    return site


def troubles(site: WebSite) -> dict[str, str]:
    """Role → text, as pages get them from a server that has just been started."""
    site.app = create_app(site.new_services())
    return {one["role"]: one["text"] for one in api(site, "health")["troubles"]}


def readiness(site: WebSite, path: str = "/readyz") -> tuple[int, dict[str, str]]:
    """Status and texts by role."""
    site.app = create_app(site.new_services())
    answer = site.client().get(path)
    return answer.status_code, answer.json()


def test_nothing_is_wrong_with_a_system_that_works(working: WebSite) -> None:
    assert troubles(working) == {}
    assert readiness(working) == (200, dict.fromkeys(health.ROLES, "ok"))


@BOTH
def test_missing_workers_and_producers_are_told(site: WebSite) -> None:
    found = troubles(site)
    assert "No worker is running" in found["workers"]
    assert "No producer is running" in found["producers"]
    status, said = readiness(site)
    assert status == 200  # the pages that tell of it must stay reachable
    assert "No worker is running" in said["workers"]
    assert readiness(site, "/readyz/workers") == (503, {"workers": found["workers"]})
    assert readiness(site, "/readyz/database") == (200, {"database": "ok"})
    assert site.client().get("/readyz/nothing").status_code == 422


def test_a_watch_directory_that_is_gone_is_told_without_its_name(working: WebSite) -> None:
    roots = (replace(ROOT, mode="absent"), replace(ROOT, root="/srv/other"))
    beat(working.redis, Heartbeat("producer-1", NOW, NOW, roots))
    assert "1 of 2 watch directories cannot be found" in troubles(working)["producers"]
    assert "/srv" not in str(readiness(working))  # needs no login


def test_an_old_backlog_is_told(working: WebSite) -> None:
    frames = [NewFrame("north", "/srv", f"{n}.png", n, n) for n in (1, 2)]
    register(working.engine, frames, now=NOW)
    limit_s = working.settings.server.backlog_s
    working.now = NOW + limit_s
    assert troubles(working) == {}
    working.now = NOW + limit_s + 300
    assert "2 images wait to be scored, the oldest for 7 min" in troubles(working)["backlog"]


def test_a_full_disk_is_told(working: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(free: float, total: float) -> bool:
        disk = Disk(path="/", free_bytes=int(free), total_bytes=int(total), database_bytes=None)
        monkeypatch.setattr(health, "disk_usage", lambda _services: disk)
        return "disk" in troubles(working)

    assert told(4e9, 100e9)
    assert not told(6e9, 100e9)
    assert told(5e9, 10e12)
    assert not told(20e9, 10e12)  # a fifth of a percent, but it lasts for months


def test_without_redis_the_rest_is_unknown_and_not_called_wrong(working: WebSite) -> None:
    with Redis(port=1, socket_connect_timeout=1) as nowhere:
        working.redis = nowhere
        assert list(troubles(working)) == ["redis"]
        status, said = readiness(working)
    assert status == 503
    assert said["workers"] == "Unknown, because Redis does not answer."
    assert said["database"] == "ok"


def test_without_the_database_the_server_is_not_ready(working: WebSite) -> None:
    working.engine.dispose()
    database = working.folder / "thermalwatch.db"
    database.rename(database.with_suffix(".away"))
    database.mkdir()
    status, said = readiness(working)
    assert status == 503
    assert "The database does not answer" in said["database"]
    assert said["workers"] == "ok"


def test_the_health_counts_the_anomalies_that_nobody_has_reviewed(working: WebSite) -> None:
    first, _, _ = working.commit([{"anomaly": True}, {"anomaly": True}, {}])
    working.client().post(f"/api/v1/results/{first.id}/review", json={"verdict": "confirmed"})
    assert api(working, "health")["unreviewed"] == 1


def test_one_camera_is_served_as_in_the_list_of_all(site: WebSite) -> None:
    site.now = NOW + 5
    site.commit([{"captured_at": NOW, "camera": "north"}, {"camera": "south"}])
    north, _ = api(site, "cameras")["cameras"]
    assert api(site, "cameras/north") == north
    assert site.client().get("/api/v1/cameras/none").status_code == 404
