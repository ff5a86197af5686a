"""The HTTP API: cameras, results, pictures, numbers, reviews, exports."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from redis import Redis
from sqlalchemy import delete

from ops.web.app import create_app
from ops.web.queries.wall import SILENT_INTERVALS, SILENT_S
from storage.db.database import writing
from storage.db.schema import results
from storage.files.artifacts import ArtifactStore, map_path, picture_path
from storage.files.frame_arrays import FrameArrays, encode_arrays
from storage.frames.ledger import NewFrame, Quarantined, finish, register
from storage.models import save_model
from storage.results.commit import commit_results
from storage.results.csv_file import csv_header
from storage.results.export import export_csv
from storage.results.queries import ResultQuery, get_result
from storage.results.reviews import list_reviews
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from tests.ops.web.site import BOTH, WebSite
from tests.scene import picture
from tests.storage.examples import EPOCH, MODEL, open_streams, result
from thermal.decode import decode
from thermal.detection.bundle import Bundle

NOW = 1_750_000_000.0


def api(site: WebSite, path: str, **query: Any) -> Any:
    answer = site.client().get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@BOTH
def test_a_camera_has_its_latest_result_recent_scores_and_pending_frames(site: WebSite) -> None:
    site.commit([{"captured_at": NOW + n, "score": float(n)} for n in (1, 3, 2)])
    site.commit([{"camera": "south", "captured_at": NOW, "anomaly": True}])
    register(site.engine, [NewFrame("north", "/srv", "north/x.png", 1, 1)], now=NOW + 5)
    site.now = NOW + 6
    north, south = api(site, "cameras")["cameras"]
    assert (north["name"], north["pending"], north["unreviewed"]) == ("north", 1, 0)
    assert north["seconds_since"] == 1.0
    assert north["last"]["score"] == 3.0
    assert [point["score"] for point in north["recent"]] == [1.0, 2.0, 3.0]
    assert (south["name"], south["pending"], south["unreviewed"]) == ("south", 0, 1)
    assert south["last"]["prediction"] == "Anomaly"


def test_a_camera_is_silent_anomalous_learning_or_ok(site: WebSite) -> None:
    def state(age_s: float) -> str:
        site.services = site.new_services()
        site.app = create_app(site.services)
        site.now = NOW + age_s
        return str(api(site, "cameras")["cameras"][0]["state"])

    site.commit([{"learning": True, "captured_at": NOW - 20}])
    assert state(0) == "learning"
    site.commit([{"captured_at": NOW - 10}])
    assert state(0) == "ok"
    assert state(SILENT_S + 1) == "ok"  # less than SILENT_INTERVALS of its intervals of 10 s
    assert state(10.0 * SILENT_INTERVALS + 1) == "silent"
    (flagged, _) = site.commit([{"captured_at": NOW, "anomaly": True}, {"captured_at": NOW + 10}])
    assert state(0) == "anomaly"  # until it is reviewed
    path = f"/api/v1/results/{flagged.id}/review"
    assert site.client().post(path, json={"verdict": "confirmed"}).status_code == 201
    assert state(0) == "ok"


def test_a_series_has_the_requested_number_of_points_and_keeps_every_peak(site: WebSite) -> None:
    scores = [1.0] * 100
    scores[37] = 9.0
    site.commit(
        [
            {"captured_at": NOW + n, "score": score, "anomaly": score > 5, "max_temperature": n}
            for n, score in enumerate(scores)
        ]
    )
    series = api(site, "cameras/north/series", points=10)
    assert series["frames"] == 100
    assert len(series["points"]) == 10
    assert sum(point["frames"] for point in series["points"]) == 100
    peak = max(series["points"], key=lambda point: float(point["score"]))
    assert (peak["score"], peak["min_score"], peak["at"]) == (9.0, 1.0, NOW + 37)
    assert peak["anomalies"] == 1
    assert [point["at"] for point in series["anomalies"]] == [NOW + 37]
    part = api(site, "cameras/north/series", since=NOW + 10, until=NOW + 20, points=100)
    assert [point["at"] for point in part["points"]] == [NOW + n for n in range(10, 20)]


def test_an_unknown_camera_is_not_found(site: WebSite) -> None:
    for path in ("series", "distribution"):
        answer = site.client().get(f"/api/v1/cameras/none/{path}")
        assert answer.status_code == 404
        assert answer.json()["title"] == "Not Found"


def test_the_window_is_served_as_a_histogram_and_a_baseline_can_be_accepted(
    site: WebSite, bundle: Bundle
) -> None:
    save_model(site.engine, bundle, now=1.0, activate=True)
    site.commit([{}])
    windows = RollingWindows(site.redis, site.settings.threshold)
    streams = Streams(site.engine, windows, lambda: 1.0)
    stream = StreamKey("north", bundle.model_id)
    streams.decide(stream, bundle, [("f" * 32, 1.5)])
    shown = api(site, "cameras/north/distribution")
    assert sum(shown["counts"]) == shown["window"] > 1
    assert len(shown["edges"]) == len(shown["counts"]) + 1
    assert shown["threshold"] > 0 and shown["body"] > 0
    accepted = site.client().post("/api/v1/cameras/north/accept-baseline")
    assert accepted.status_code == 200
    assert accepted.json()["first_seq"] == 1
    assert accepted.json()["learn_frames"] == site.settings.threshold.learn_frames


@BOTH
def test_results_are_filtered_and_paged_in_both_directions(site: WebSite) -> None:
    site.commit(
        [
            {"captured_at": NOW + n, "score": float(n), "anomaly": n % 2 == 0, "camera": camera}
            for n, camera in enumerate(["north", "south"] * 3)
        ]
    )

    def scores(**query: Any) -> list[float]:
        found, cursor = [], None
        while True:
            page = api(site, "results", limit=2, **query, **({"cursor": cursor} if cursor else {}))
            found += [row["score"] for row in page["results"]]
            if (cursor := page["next"]) is None:
                return found

    assert scores() == [5, 4, 3, 2, 1, 0]
    assert scores(direction="oldest") == [0, 1, 2, 3, 4, 5]
    assert scores(camera="north") == [4, 2, 0]
    assert scores(prediction="Normal") == [5, 3, 1]
    assert scores(min_score=3, since=NOW + 1, until=NOW + 5) == [4, 3]
    assert scores(review="unreviewed", camera="north") == [4, 2, 0]
    assert scores(review="confirmed") == []
    assert site.client().get("/api/v1/results?cursor=x").status_code == 422


@BOTH
def test_reviews_are_stored_with_reviewer_and_time_and_the_latest_is_current(site: WebSite) -> None:
    first, second, normal = site.commit([{"anomaly": True}, {"anomaly": True}, {}])
    client = site.client()
    path = f"/api/v1/results/{first.id}/review"
    site.now = NOW
    posted = client.post(path, json={"verdict": "confirmed", "note": "loose clamp"})
    assert posted.status_code == 201
    assert posted.json() | {"id": 0} == {
        "id": 0,
        "result_id": first.id,
        "verdict": "confirmed",
        "note": "loose clamp",
        "reviewer": "local",
        "at": NOW,
    }
    assert client.post(path, json={"verdict": "false_alarm"}).status_code == 201
    detail = api(site, f"results/{first.id}")
    assert detail["review"] == "false_alarm"
    assert [review["verdict"] for review in detail["reviews"]] == ["false_alarm", "confirmed"]
    (waiting,) = api(site, "results", review="unreviewed")["results"]
    assert waiting["id"] == second.id
    assert [r["id"] for r in api(site, "results", review="false_alarm")["results"]] == [first.id]

    assert client.post(path, json={"verdict": "unreviewed"}).status_code == 201
    assert len(api(site, "results", review="unreviewed")["results"]) == 2
    body = {"verdict": "confirmed", "result_ids": [first.id, second.id, normal.id, 999, second.id]}
    bulk = client.post("/api/v1/reviews", json=body)
    assert bulk.json() == {"reviewed": [first.id, second.id, normal.id], "unknown": [999]}
    assert api(site, "results", review="unreviewed")["results"] == []
    assert client.post("/api/v1/results/999/review", json=body | {}).status_code == 422
    assert (
        client.post("/api/v1/results/999/review", json={"verdict": "confirmed"}).status_code == 404
    )


@BOTH
def test_reviews_are_deleted_with_their_result(site: WebSite) -> None:
    (row,) = site.commit([{"anomaly": True}])
    site.client().post(f"/api/v1/results/{row.id}/review", json={"verdict": "confirmed"})
    with writing(site.engine) as connection:
        connection.execute(delete(results).where(results.c.id == row.id))
    assert row.id is not None
    assert list_reviews(site.engine, row.id) == []


def with_artifacts(site: WebSite) -> tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A result with stored arrays and an overlay: its id, values and anomaly map."""
    store = ArtifactStore(site.folder / "state" / "pictures")
    values = np.random.default_rng(0).normal(30, 5, (24, 32)).astype(np.float32)
    anomaly_map = np.random.default_rng(1).normal(0, 1, (12, 16)).astype(np.float32)
    relative = map_path("north", NOW, "f" * 32)
    store.put(relative, encode_arrays(FrameArrays(values, anomaly_map)))
    overlay = picture_path("north", NOW, "f" * 32, "overlay")
    store.put(overlay, picture(1))
    (row,) = site.commit([{"frame_arrays": relative, "overlay_picture": overlay}])
    return row.id or 0, values, anomaly_map


def test_stored_pictures_and_arrays_are_served_by_result_id(site: WebSite) -> None:
    number, values, anomaly_map = with_artifacts(site)
    client = site.client()
    detail = api(site, f"results/{number}")
    assert detail["pictures"] == {"overlay": f"/api/v1/results/{number}/pictures/overlay"}
    assert detail["has_values"] is True
    shown = client.get(detail["pictures"]["overlay"])
    assert (shown.headers["content-type"], shown.content) == ("image/png", picture(1))
    assert client.get(f"/api/v1/results/{number}/pictures/sheet").status_code == 404
    assert client.get(f"/api/v1/results/{number}/pictures/passwd").status_code == 422

    raw = {"Accept": "application/octet-stream"}
    answer = client.get(f"/api/v1/results/{number}/values", headers=raw)
    assert answer.headers["x-width"] == "32" and answer.headers["x-height"] == "24"
    assert answer.headers["x-unit"] == "celsius"
    assert np.array_equal(np.frombuffer(answer.content, "<f4").reshape(24, 32), values)
    document = api(site, f"results/{number}/values")
    assert np.array_equal(np.asarray(document["values"], np.float32), values)
    assert document["source"] == "stored"
    mapped = api(site, f"results/{number}/anomaly-map")
    assert mapped["unit"] == "sigma"
    assert np.allclose(mapped["values"], anomaly_map, atol=2e-3)
    bare = client.get(f"/api/v1/results/{number}/pictures/thumbnail")
    image = cv2.imdecode(np.frombuffer(bare.content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None and image.shape == (24, 32, 3)
    again = {"If-None-Match": bare.headers["etag"]}
    assert client.get(bare.url.path, headers=again).status_code == 304


def test_values_that_are_not_stored_are_read_from_the_unchanged_file(
    site: WebSite,
) -> None:
    path = site.folder / "watch" / "north" / "a.png"
    path.parent.mkdir()
    path.write_bytes(picture(3))
    status = path.stat()
    frame = NewFrame(
        "north", str(site.folder / "watch"), "north/a.png", status.st_mtime_ns, status.st_size
    )
    register(site.engine, [frame], now=1.0)
    digest = hashlib.sha256(picture(3)).hexdigest()
    row = result(frame, 1, sha256=digest, temperature_unit="counts", bit_depth=8)
    open_streams(site.engine, "north")
    commit_results(
        site.engine, [row], epochs={"north": EPOCH}, open_decisions={}, model_id=MODEL, now=2.0
    )
    document = api(site, "results/1/values")
    assert document["source"] == "file"
    expected = decode(picture(3), suffix=".png").values
    assert np.array_equal(np.asarray(document["values"], np.float32), expected)
    assert site.client().get("/api/v1/results/1/pictures/thumbnail").status_code == 200
    path.write_bytes(picture(4))
    refused = site.client().get("/api/v1/results/1/values")
    assert refused.status_code == 404
    assert "overwritten" in refused.json()["detail"]
    path.unlink()
    assert "not there" in site.client().get("/api/v1/results/1/values").json()["detail"]
    assert site.client().get("/api/v1/results/1/anomaly-map").status_code == 404


def test_a_stored_path_that_leaves_the_root_is_not_served(site: WebSite) -> None:
    (site.folder / "secret").write_text("x")
    (row,) = site.commit([{"overlay_picture": "../../secret", "frame_arrays": "../../secret"}])
    for path in ("pictures/overlay", "anomaly-map", "pictures/..%2f..%2fsecret"):
        answer = site.client().get(f"/api/v1/results/{row.id}/{path}")
        assert answer.status_code in (404, 422), path
        assert answer.text != "x"


def test_damaged_arrays_are_reported_as_damaged(site: WebSite) -> None:
    number, _, _ = with_artifacts(site)
    row = get_result(site.engine, number)
    assert row is not None and row.frame_arrays is not None
    (site.folder / "state" / "pictures" / row.frame_arrays).write_bytes(b"PK nonsense")
    answer = site.client().get(f"/api/v1/results/{number}/anomaly-map")
    assert answer.status_code == 404
    assert "damaged" in answer.json()["detail"]


@BOTH
def test_exports_contain_the_filtered_results(site: WebSite, tmp_path: Path) -> None:
    site.commit([{"captured_at": NOW + n, "score": float(n)} for n in range(5)])
    text = site.client().get("/api/v1/results/export.csv", params={"min_score": 2})
    assert text.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    exported = io.BytesIO()
    export_csv(site.engine, ResultQuery(min_score=2), exported)
    assert text.content == exported.getvalue()  # the same bytes as the command writes
    assert [float(row["anomaly_score"]) for row in rows] == [2, 3, 4]
    data = site.client().get("/api/v1/results/export.parquet", params={"min_score": 3})
    table = pq.read_table(io.BytesIO(data.content))
    assert table.column("anomaly_score").to_pylist() == [3, 4]
    empty = site.client().get("/api/v1/results/export.csv", params={"camera": "none"})
    assert empty.content == csv_header()


@BOTH
def test_days_are_summarized_per_camera(site: WebSite) -> None:
    day = 86_400.0
    site.commit(
        [
            {"captured_at": 20_000 * day, "score": 1.0, "max_temperature": 50.0},
            {"captured_at": 20_001 * day - 1, "score": 3.0, "anomaly": True},
            {"captured_at": 20_001 * day, "camera": "south", "score": 2.0},
        ]
    )
    summary = api(site, "summary", since=20_000 * day, until=20_002 * day)
    assert [(d["day"], d["camera"], d["frames"], d["anomalies"]) for d in summary["days"]] == [
        ("2024-10-04", "north", 2, 1),
        ("2024-10-05", "south", 1, 0),
    ]
    assert summary["days"][0]["max_score"] == 3.0
    assert summary["days"][0]["max_temperature"] == 61.7
    only = api(site, "summary", by="day", since=0, until=20_002 * day, camera="south")
    assert len(only["days"]) == 1


@BOTH
def test_quarantine_is_paged_and_frames_can_be_requeued(site: WebSite) -> None:
    frames = [NewFrame("north", "/srv", f"{n}.png", n, n) for n in range(1, 4)]
    register(site.engine, frames, now=1.0)
    finish(
        site.engine,
        quarantined=[Quarantined(frame.frame_id, "corrupt", "cut off") for frame in frames],
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
    finish(site.engine, quarantined=bad, now=2.0)
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
