"""The HTTP API of cameras: states, series, windows."""

from __future__ import annotations

from typing import Any

from ops.web.app import create_app
from ops.web.queries.wall import SILENT_INTERVALS, SILENT_S
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.models import save_model
from storage.results.wall import RECENT
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from tests.ops.web.site import BOTH, NOW, WebSite, api
from thermal.detection.bundle import Bundle

#: Cameras of the wall whose size is tested. With 60 it was 493,183 bytes, 58,990 compressed; after
#: three new frames 577, without news 79.
CAMERAS = 20


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


def test_a_camera_is_silent_learning_or_ok(site: WebSite) -> None:
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


@BOTH
def test_an_anomaly_stays_until_somebody_has_decided(site: WebSite) -> None:
    # to see it fail: look at the last 60 results only, or let a confirmed anomaly be fine again
    flagged, later = site.commit(
        [{"captured_at": NOW, "anomaly": True}, {"captured_at": NOW + 1, "anomaly": True}]
    )
    site.commit([{"captured_at": NOW + 2 + n} for n in range(RECENT)])

    def camera(now: float = NOW + 30) -> Any:
        site.now = now
        site.services = site.new_services()
        site.app = create_app(site.services)
        (found,) = api(site, "cameras")["cameras"]
        return found

    def review(result_id: int | None, verdict: str) -> None:
        path = f"/api/v1/results/{result_id}/review"
        assert site.client().post(path, json={"verdict": verdict}).status_code == 201

    assert (camera()["state"], camera()["own_state"]) == ("anomaly", "ok")
    assert camera()["finding"]["id"] == later.id
    assert camera()["finding"]["image"].endswith(f"/results/{later.id}/pictures/marked")
    assert (camera()["last"]["prediction"], camera()["unreviewed"]) == ("Normal", 2)
    silent = camera(NOW + 10_000)
    assert (silent["state"], silent["own_state"]) == ("anomaly", "silent")

    review(later.id, "confirmed")
    assert camera()["finding"]["id"] == flagged.id  # nobody has looked at this one
    review(flagged.id, "false_alarm")
    assert (camera()["state"], camera()["unreviewed"], camera()["confirmed"]) == ("anomaly", 0, 1)
    assert camera()["finding"]["id"] == later.id

    resolve = "/api/v1/cameras/north/resolve"
    assert site.client().post(resolve, json={"through": flagged.id}).json()["resolved"] == []
    done = site.client().post(resolve, json={"through": later.id})
    assert done.json() == {"camera": "north", "resolved": [later.id]}
    assert (camera()["state"], camera()["finding"], camera()["confirmed"]) == ("ok", None, 0)
    assert api(site, f"results/{later.id}")["resolved_at"] == NOW + 30
    assert site.entries()[0].action == "resolved"
    review(later.id, "confirmed")
    assert camera()["state"] == "anomaly"  # it has come back


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


def test_the_list_of_cameras_is_small_enough_for_a_slow_line(site: WebSite) -> None:
    site.commit(
        [
            {"camera": f"camera-{n % CAMERAS}", "arrived_at": NOW + n / 6, "score": n * n % 997 / 7}
            for n in range(CAMERAS * RECENT)
        ]
    )
    with site.client() as client:
        plain = client.get("/api/v1/cameras", headers={"Accept-Encoding": "identity"})
        packed = client.get("/api/v1/cameras")
        brief = client.get("/api/v1/cameras", params={"recent": False})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    names = [camera["name"] for camera in plain.json()["cameras"]]
    assert [camera["name"] for camera in packed.json()["cameras"]] == names
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert int(brief.headers["content-length"]) < int(packed.headers["content-length"]) / 4
    assert {len(camera["recent"]) for camera in plain.json()["cameras"]} == {RECENT}
    assert all(camera["recent"] == [] for camera in brief.json()["cameras"])

    # to see it fail: answer with the whole wall whenever anything has changed
    site.commit([{"camera": f"camera-{n}", "arrived_at": NOW + 999} for n in range(3)])
    news = bytes_since(site, packed.json()["revision"])
    quiet = bytes_since(site, api(site, "cameras")["revision"])
    sizes = (len(plain.content), int(packed.headers["content-length"]), news, quiet)
    assert sizes[2] < 1500 and sizes[3] < 200, sizes


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


def test_only_what_has_changed_comes_back_with_the_revision_of_an_earlier_answer(
    site: WebSite,
) -> None:
    # to see it fail: ignore `since`, or the camera's state as it changes with time alone
    site.commit([{"camera": name, "arrived_at": NOW} for name in ("east", "west")])
    site.now = NOW + 1
    whole = api(site, "cameras")
    assert whole["complete"] is True
    assert changed_since(site, whole["revision"])["cameras"] == []

    (new,) = site.commit([{"camera": "west", "arrived_at": NOW + 2}])
    answer = changed_since(site, whole["revision"])
    (west,) = answer["cameras"]
    assert (answer["complete"], west["name"], west["last"]["id"]) == (False, "west", new.id)
    assert [point["id"] for point in west["recent"]] == [new.id]
    assert changed_since(site, whole["revision"], recent=False)["cameras"][0]["recent"] == []

    site.now = NOW + 2 + SILENT_S + 1
    silent = changed_since(site, answer["revision"])
    assert [camera["own_state"] for camera in silent["cameras"]] == ["silent", "silent"]
    for stranger in ("", "x", "00000000-1", f"{silent['revision']}0", "-", "٣-٣"):
        assert len(changed_since(site, stranger)["cameras"]) == 2
        assert changed_since(site, stranger)["complete"] is True


def changed_since(site: WebSite, revision: str, **query: Any) -> Any:
    site.services.wall.drop()  # as the live updates do
    return api(site, "cameras", since=revision, **query)


def bytes_since(site: WebSite, revision: str) -> int:
    site.services.wall.drop()
    answer = site.client().get("/api/v1/cameras", params={"since": revision})
    return int(answer.headers["content-length"])
