"""The HTTP API of results: lists, reviews, exports, summaries."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import delete

from storage.db.database import writing
from storage.db.schema import results
from storage.results.csv_file import csv_header
from storage.results.export import export_csv
from storage.results.queries import ResultQuery
from storage.results.reviews import list_reviews
from tests.ops.web.site import BOTH, NOW, WebSite, api


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
    answer = bulk.json()
    assert answer["reviewed"] == [first.id, second.id, normal.id]
    assert (answer["unknown"], answer["conflicts"]) == ([999], [])
    assert api(site, "results", review="unreviewed")["results"] == []
    assert client.post("/api/v1/results/999/review", json=body | {}).status_code == 422
    assert (
        client.post("/api/v1/results/999/review", json={"verdict": "confirmed"}).status_code == 404
    )


@BOTH
def test_a_verdict_that_was_given_for_something_else_is_not_stored(site: WebSite) -> None:
    # to see it fail: ignore what was `seen`
    site.account("adam", "admin")
    first, second = site.commit([{"anomaly": True}, {"anomaly": True}])
    shown = {row["id"]: row for row in api_as(site, "adam", "results")["results"]}
    seen = {
        str(number): {"frame_id": row["frame_id"], "version": row["version"]}
        for number, row in shown.items()
    }
    adam = site.token_client("adam", "tw_second")
    path = f"/api/v1/results/{first.id}/review"
    assert adam.post(path, json={"verdict": "confirmed"}).status_code == 201

    late = {"verdict": "false_alarm", "seen": seen[str(first.id)]}
    answer = adam.post(path, json=late)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "adam has confirmed it in the meantime"
    both = {"verdict": "false_alarm", "result_ids": [first.id, second.id], "seen": seen}
    answer = adam.post("/api/v1/reviews", json=both).json()
    assert answer["reviewed"] == [second.id]
    assert [one["result_id"] for one in answer["conflicts"]] == [first.id]

    # with what is known now it is stored, and so is one that does not say what was seen
    detail = adam.get(f"/api/v1/results/{first.id}").json()
    assert detail["review"] == "confirmed"
    now = {"frame_id": first.frame_id, "version": detail["version"]}
    assert adam.post(path, json={"verdict": "unreviewed", "seen": now}).status_code == 201
    other = {"frame_id": second.frame_id, "version": detail["version"]}
    answer = adam.post(path, json={"verdict": "confirmed", "seen": other})
    assert "another frame" in answer.json()["detail"]
    assert adam.post(path, json={"verdict": "confirmed"}).status_code == 201


def api_as(site: WebSite, name: str, path: str) -> Any:
    """The JSON that the API returns to an account."""
    answer = site.token_client(name, f"tw_{name}_{path}").get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@BOTH
def test_reviews_are_deleted_with_their_result(site: WebSite) -> None:
    (row,) = site.commit([{"anomaly": True}])
    site.client().post(f"/api/v1/results/{row.id}/review", json={"verdict": "confirmed"})
    with writing(site.engine) as connection:
        connection.execute(delete(results).where(results.c.id == row.id))
    assert row.id is not None
    assert list_reviews(site.engine, row.id) == []


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
            {"captured_at": 20_001 * day, "camera": "south", "score": 2.0, "saturated_px": 9},
        ]
    )
    summary = api(site, "summary", since=20_000 * day, until=20_002 * day)
    assert [(d["day"], d["camera"], d["frames"], d["anomalies"]) for d in summary["days"]] == [
        ("2024-10-04", "north", 2, 1),
        ("2024-10-05", "south", 1, 0),
    ]
    assert summary["days"][0]["max_score"] == 3.0
    assert summary["days"][0]["max_temperature"] == 61.7
    assert [day["saturated_frames"] for day in summary["days"]] == [0, 1]
    only = api(site, "summary", by="day", since=0, until=20_002 * day, camera="south")
    assert len(only["days"]) == 1
