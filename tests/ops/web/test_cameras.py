"""The HTTP API of cameras: states, series, windows."""

from __future__ import annotations

from ops.web.app import create_app
from ops.web.queries.wall import SILENT_INTERVALS, SILENT_S
from storage.frames.ledger import NewFrame, register
from storage.models import save_model
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from tests.ops.web.site import BOTH, NOW, WebSite, api
from thermal.detection.bundle import Bundle


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
