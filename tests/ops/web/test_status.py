"""The HTTP API of the quarantine and the status; errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from ops.web.app import create_app
from storage.frames.identity import NewFrame
from storage.frames.outcomes import Quarantined, finish
from storage.frames.registration import register
from storage.models import save_model
from tests.ops.web.site import BOTH, NOW, WebSite, api
from tests.scene import picture
from thermal.detection.bundle import Bundle


@BOTH
def test_quarantine_is_paged_and_frames_can_be_requeued(site: WebSite) -> None:
    frames = [NewFrame("north", "/srv", f"{n}.png", n, n) for n in range(1, 4)]
    register(site.engine, frames, now=1.0)
    finish(
        site.engine,
        [Quarantined(frame.frame_id, "corrupt", "cut off") for frame in frames],
        now=2.0,
    )
    first = api(site, "quarantine", limit=2)
    second = api(site, "quarantine", limit=2, cursor=first["next"])
    assert [frame["path"] for frame in first["frames"] + second["frames"]] == [
        "3.png",
        "2.png",
        "1.png",
    ]
    assert second["next"] is None
    assert first["frames"][0]["reason"] == "corrupt"
    path = f"/api/v1/quarantine/{frames[0].frame_id}/requeue"
    assert site.client().post(path).json() == {"requeued": [frames[0].frame_id]}
    assert site.client().post(path).status_code == 409
    assert site.client().post(f"/api/v1/quarantine/{'0' * 32}/requeue").status_code == 404
    assert len(api(site, "quarantine")["frames"]) == 2


def test_a_quarantined_image_is_served_unchanged_while_its_file_is_the_same(
    site: WebSite, tmp_path: Path
) -> None:
    cut_off = picture(1)[:500]
    content = {"cut.png": cut_off, "page.png": b"<html>502</html>", "gone.png": cut_off}
    frames = {name: uploaded(tmp_path, name, data) for name, data in content.items()}
    outside = NewFrame("north", str(tmp_path / "root"), "../cut.png", 1, 1)
    missing = NewFrame("north", str(tmp_path), "missing.png", 1, 1)
    register(site.engine, [*frames.values(), outside, missing], now=1.0)
    bad = [Quarantined(f.frame_id, "corrupt", "") for f in [*frames.values(), outside]]
    bad.append(Quarantined(missing.frame_id, "missing", ""))
    finish(site.engine, bad, now=2.0)
    (tmp_path / "gone.png").write_bytes(picture(2)[:500])

    shown = {frame["path"]: frame["picture"] for frame in api(site, "quarantine")["frames"]}
    assert shown["missing.png"] is None
    answer = site.client().get(shown["cut.png"])
    assert answer.content == cut_off
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in ("page.png", "gone.png", "../cut.png"):
        assert site.client().get(shown[name]).status_code == 404, name


def uploaded(root: Path, name: str, data: bytes) -> NewFrame:
    """Write a file; return its frame as the producer would."""
    (root / name).write_bytes(data)
    status = (root / name).stat()
    return NewFrame("north", str(root), name, status.st_mtime_ns, status.st_size)


@BOTH
def test_the_status_has_ledger_counts_queue_model_and_disk(site: WebSite, bundle: Bundle) -> None:
    save_model(site.engine, bundle, now=1.0, activate=True)
    site.commit([{"scored_at": NOW - 10}, {"scored_at": NOW - 100}])
    register(site.engine, [NewFrame("north", "/srv", "x.png", 1, 1)], now=NOW - 7)
    site.now = NOW
    status = api(site, "status")
    assert status["counts"] == {
        "seen": 3,
        "scored": 2,
        "quarantined": 0,
        "superseded": 0,
        "duplicate": 0,
        "pending": 1,
    }
    assert status["oldest_pending_s"] == 7
    assert (status["queue_jobs"], status["queue_error"]) == (0, None)
    assert status["model"]["model_id"] == bundle.model_id
    assert status["disk"]["free_bytes"] > 0
    assert (status["workers"], status["producers"]) == ([], [])


def test_the_status_reports_an_unreachable_redis(site: WebSite) -> None:
    with Redis(port=1, socket_connect_timeout=1) as nowhere:
        site.redis = nowhere
        site.app = create_app(site.new_services())
        status = api(site, "status")
        assert status["queue_jobs"] is None
        assert "refused" in status["queue_error"]
        assert site.client().get("/readyz").status_code == 503
        assert site.client().get("/healthz").text == "ok\n"
        assert "thermalwatch_redis_up 0.0" in site.client().get("/metrics").text


@pytest.mark.parametrize("path", ["nothing", "results/0", "results/abc", "results/-1"])
def test_errors_are_problem_details(site: WebSite, path: str) -> None:
    answer = site.client().get(f"/api/v1/{path}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail"}
