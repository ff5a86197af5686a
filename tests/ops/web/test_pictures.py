"""The HTTP API of pictures, values and anomaly maps."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest

from ops.web.matrices import MOST_PX, reduced
from storage.files.artifacts import ArtifactStore, map_path, picture_path
from storage.files.frame_arrays import FrameArrays, encode_arrays
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.results.queries import get_result
from tests.ops.web.site import NOW, WebSite, api
from tests.scene import picture
from tests.storage.examples import EPOCH, MODEL, open_streams, result
from thermal.decode import decode


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
    frame = NewFrame.at("north", str(site.folder / "watch"), "north/a.png", path.stat())
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
    assert "does not exist" in site.client().get("/api/v1/results/1/values").json()["detail"]
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


@pytest.mark.parametrize(
    ("shape", "step", "expected"), [((4, 6), 1, (4, 6)), ((5, 7), 2, (3, 4)), ((1, 40), 2, (1, 20))]
)
def test_large_matrices_are_reduced_to_the_highest_values(
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int],
    step: int,
    expected: tuple[int, int],
) -> None:
    monkeypatch.setattr("ops.web.matrices.MOST_PX", 24)
    values = np.random.default_rng(0).normal(30, 5, shape).astype(np.float32)
    found, used = reduced(values)
    assert (used, found.shape) == (step, expected)
    for (row, column), value in np.ndenumerate(found):
        square = values[row * step : (row + 1) * step, column * step : (column + 1) * step]
        assert value == square.max()


def test_a_reduced_answer_says_its_step_in_both_forms(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, values, _ = with_artifacts(site)
    monkeypatch.setattr("ops.web.matrices.MOST_PX", 200)
    monkeypatch.setattr("ops.web.matrices.PART_PX", 50)
    document = api(site, f"results/{number}/values")
    assert (document["step"], document["width"], document["height"]) == (2, 16, 12)
    assert np.asarray(document["values"], np.float32).max() == values.max()
    raw = {"Accept": "application/octet-stream"}
    answer = site.client().get(f"/api/v1/results/{number}/values", headers=raw)
    assert [answer.headers[f"x-{name}"] for name in ("step", "width", "height")] == [
        "2",
        "16",
        "12",
    ]
    assert len(answer.content) == 4 * 16 * 12


@pytest.mark.parametrize("accept", ["application/json", "application/octet-stream"])
def test_the_values_of_a_50_megapixel_image_take_little_memory(site: WebSite, accept: str) -> None:
    # Python's floats would take 4 GiB
    folder = site.folder / "watch" / "north"
    folder.mkdir()
    image = np.zeros((7000, 7000), np.uint8)
    image[3500, 3500] = 200
    (folder / "a.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    frame = NewFrame.at(
        "north", str(site.folder / "watch"), "north/a.png", (folder / "a.png").stat()
    )
    register(site.engine, [frame], now=1.0)
    digest = hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()
    row = result(frame, 1, sha256=digest, temperature_unit="counts", bit_depth=8)
    open_streams(site.engine, "north")
    commit_results(
        site.engine, [row], epochs={"north": EPOCH}, open_decisions={}, model_id=MODEL, now=2.0
    )
    tracemalloc.start()
    answer = site.client().get("/api/v1/results/1/values", headers={"Accept": accept})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 200
    assert int(answer.headers["x-width"]) * int(answer.headers["x-height"]) <= MOST_PX
    assert peak < 600e6
