"""The main path: pending frames in; rows, pictures and outcomes out, even when delivered twice."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from storage.db.database import reading
from storage.db.result_fields import ResultRow
from storage.db.schema import frames
from storage.files.artifacts import ArtifactStore
from storage.frames.counts import ledger_counts
from storage.frames.ledger import LedgerFrame
from storage.models import save_model
from storage.results.rows import RESULT_COLUMNS, row_from_database
from storage.stream.window import StreamKey
from tests.scene import picture
from tests.thermal.decode.samples import app_segment, exif, flir, with_segments, written
from tests.thermal.plates import train_on
from tests.worker.conftest import Deployment, batch_of
from thermal.decode import DecodeOptions, decode
from thermal.detection.bundle import Bundle
from thermal.measurement import MeasurementParameters
from worker.batch import PART_BYTES, PART_FRAMES, parts_of
from worker.capture_time import CaptureClock, NamePattern, parse_zone
from worker.config import CameraConfig, PicturePolicy, PicturesKept


def rows(deployment: Deployment) -> list[ResultRow]:
    with reading(deployment.engine) as connection:
        found = connection.execute(select(*RESULT_COLUMNS).order_by("camera", "seq"))
        return [row_from_database(row) for row in found]


def outcomes(deployment: Deployment) -> dict[str, tuple[str, str | None]]:
    with reading(deployment.engine) as connection:
        query = select(frames.c.path, frames.c.state, frames.c.reason)
        return {row.path: (row.state, row.reason) for row in connection.execute(query)}


def test_a_batch_of_two_cameras_becomes_complete_rows(
    deployment: Deployment, bundle: Bundle
) -> None:
    ids = [
        deployment.upload("cam-a/1.png", picture(100)),
        deployment.upload("cam-b/1.png", picture(101)),
        deployment.upload("cam-a/2.png", picture(102, hot=True)),
    ]
    report = deployment.scorer()(batch_of(ids))
    assert (report.scored, report.anomalies) == (3, 1)
    normal, anomaly, other = rows(deployment)
    assert [row.image_path for row in (normal, anomaly, other)] == [
        "cam-a/1.png",
        "cam-a/2.png",
        "cam-b/1.png",
    ]
    assert [row.seq for row in (normal, anomaly, other)] == [1, 2, 1]
    assert [row.prediction for row in (normal, anomaly, other)] == ["Normal", "Anomaly", "Normal"]
    assert anomaly.score > anomaly.threshold > normal.score
    assert anomaly.hotspot_count == 1
    assert anomaly.hotspot_area == 9
    assert anomaly.max_temperature > 200
    assert (anomaly.temperature_unit, anomaly.radiometric) == ("counts", False)
    assert anomaly.model_id == bundle.model_id
    assert anomaly.latency_s is not None


def test_an_anomaly_keeps_five_pictures_and_a_normal_frame_none(deployment: Deployment) -> None:
    ids = [
        deployment.upload("cam-a/1.png", picture(100)),
        deployment.upload("cam-a/2.png", picture(102, hot=True)),
    ]
    deployment.scorer()(batch_of(ids))
    normal, anomaly = rows(deployment)
    kinds = ("original", "reconstruction", "heatmap", "overlay", "sheet")
    for kind in kinds:
        assert getattr(normal, f"{kind}_picture") is None
        path = deployment.store.path(getattr(anomaly, f"{kind}_picture"))
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape[0] > 100


@pytest.mark.parametrize(("policy", "kept"), [("all", 2), ("none", 0), ("anomalies", 1)])
def test_the_picture_policy_decides_what_is_kept(
    deployment: Deployment, policy: PicturesKept, kept: int
) -> None:
    ids = [
        deployment.upload("cam-a/1.png", picture(100)),
        deployment.upload("cam-a/2.png", picture(102, hot=True)),
    ]
    deployment.scorer(pictures=PicturePolicy(policy))(batch_of(ids))
    assert sum(row.sheet_picture is not None for row in rows(deployment)) == kept
    assert sum(row.frame_arrays is not None for row in rows(deployment)) == kept


def test_a_row_tells_how_much_hotter_than_expected_a_spot_is_and_where(
    deployment: Deployment,
) -> None:
    # to see it fail: leave the deviation out of the row
    ids = [
        deployment.upload("cam-a/1.png", picture(100)),
        deployment.upload("cam-a/2.png", picture(102, hot=True)),
    ]
    deployment.scorer()(batch_of(ids))
    normal, hot = rows(deployment)
    assert (normal.deviation, normal.deviation_x, normal.deviation_y) == (None, None, None)
    assert hot.deviation == pytest.approx(110, rel=0.15)
    assert hot.deviation_x in (12, 13, 14) and hot.deviation_y in (10, 11, 12)


def test_one_bad_frame_in_a_batch_is_quarantined_alone(deployment: Deployment) -> None:
    # to see it fail: let thermal.inspect raise DecodeError
    ids = [
        deployment.upload("cam-a/1.png", picture(100)),
        deployment.upload("cam-a/2.png", picture(101)[:200]),
        deployment.upload("cam-a/3.png", b""),
        deployment.upload("cam-a/4.png", picture(103)),
    ]
    report = deployment.scorer()(batch_of(ids))
    assert (report.scored, report.quarantined) == (2, 2)
    assert outcomes(deployment) == {
        "cam-a/1.png": ("scored", None),
        "cam-a/2.png": ("quarantined", "corrupt"),
        "cam-a/3.png": ("quarantined", "empty"),
        "cam-a/4.png": ("scored", None),
    }


def test_a_frame_in_another_unit_than_the_models_is_quarantined(deployment: Deployment) -> None:
    ids = [deployment.upload("cam-a/matrix.csv", b"20.5,20.6,20.7\n20.1,20.2,20.3\n" * 8)]
    deployment.scorer()(batch_of(ids))
    assert outcomes(deployment) == {"cam-a/matrix.csv": ("quarantined", "unit_mismatch")}


def test_a_row_tells_when_the_frame_was_captured_and_what_says_so(deployment: Deployment) -> None:
    clock = CaptureClock(zone=parse_zone("Europe/Berlin"), name=NamePattern("%Y%m%d_%H%M%S"))
    cameras = {"cam": CameraConfig(clock=clock)}
    jpeg = written(".jpg", decode(picture(1)).values.astype(np.uint8))
    never_set = with_segments(jpeg, app_segment(1, exif(original="1970:01:01 00:00:09")))
    taken = with_segments(jpeg, app_segment(1, exif(original="2024:06:01 14:00:00")))
    names = ["20240601_135900.jpg", "20240601_135901.jpg", "20240601_135902.jpg"]
    hidden = jpeg + b"TAIL" + bytes(30_000)
    contents = [taken, never_set, hidden]
    ids = [deployment.upload(f"cam/{n}", c) for n, c in zip(names, contents, strict=True)]
    deployment.scorer(cameras=cameras)(batch_of(ids))
    found = {row.image_path: row for row in rows(deployment)}
    by_exif, by_name, with_tail = (found[f"cam/{name}"] for name in names)
    noon = 1_717_243_200.0  # 2024-06-01T12:00:00Z
    assert (by_exif.captured_at, by_exif.captured_at_source) == (noon, "exif")
    assert (by_name.captured_at, by_name.captured_at_source) == (noon - 59, "name")
    assert "implausible_time" in by_name.reasons
    assert "implausible_time" not in by_exif.reasons
    assert "unread_data" in with_tail.reasons
    assert "unread_data" not in by_name.reasons


def tiff_of(values: NDArray[np.float32]) -> bytes:
    return cv2.imencode(".tif", values)[1].tobytes()


def test_a_row_tells_which_pixels_are_out_of_range_or_unusable(
    deployment: Deployment, tmp_path: Path
) -> None:
    scene = np.random.default_rng(0).normal(20, 0.5, (60, 24, 32)).astype(np.float32)
    paths = [tmp_path / f"{number:02}.tif" for number in range(60)]
    for path, values in zip(paths, scene, strict=True):
        path.write_bytes(tiff_of(values))
    save_model(deployment.engine, train_on(paths, epochs=2), now=0.0, activate=True)
    over, dead, few_dead, normal = (scene[number].copy() for number in range(4))
    over[3:5, 3:5] = np.inf
    over[20, 20] = -np.inf
    dead[:4, :4] = np.nan  # 2 % of the pixels
    few_dead[0, :3] = np.nan
    ids = [
        deployment.upload(f"cam/{number}.tif", tiff_of(values))
        for number, values in enumerate((over, dead, few_dead, normal))
    ]
    deployment.scorer()(batch_of(ids))
    first, second, third, fourth = rows(deployment)
    assert (first.prediction, first.max_temperature) == ("Anomaly", 10_000)
    assert {"saturated", "under_range"} <= set(first.reasons)
    assert first.deviation is None  # how far over the range is not known
    assert (first.saturated_px, first.under_range_px, first.unusable_px) == (4, 1, 0)
    assert "unusable_pixels" in second.reasons
    assert (second.unusable_px, second.unusable_share) == (16, 16 / 768)
    assert "unusable_pixels" not in third.reasons
    assert third.unusable_px == 3
    assert (fourth.saturated_px, fourth.unusable_px, fourth.unusable_share) == (0, 0, 0.0)
    assert (fourth.temperature_source, fourth.captured_at_source) == ("matrix", "mtime")


def test_a_row_has_the_parameters_that_its_temperatures_were_computed_with(
    deployment: Deployment, tmp_path: Path
) -> None:
    scene = np.random.default_rng(0).normal(18_000, 30, (40, 24, 32)).astype(np.uint16)
    paths = [tmp_path / f"{number:02}.jpg" for number in range(40)]
    for path, raw in zip(paths, scene, strict=True):
        path.write_bytes(flir(raw))
    save_model(deployment.engine, train_on(paths, epochs=2), now=0.0, activate=True)
    declared = DecodeOptions(parameters=MeasurementParameters(emissivity=0.8))
    ids = [deployment.upload(f"{camera}/1.jpg", flir(scene[0])) for camera in ("own", "plain")]
    deployment.scorer(cameras={"own": CameraConfig(declared)})(batch_of(ids))
    own, plain = rows(deployment)
    assert (own.emissivity, plain.emissivity) == (0.8, 0.95)
    assert (own.temperature_source, own.radiometric) == ("radiometric", True)
    for row in (own, plain):
        assert row.reflected_c == pytest.approx(21)
        assert (row.distance_m, row.humidity, row.camera_emissivity) == (2.0, 0.49, None)
    assert own.mean_temperature != plain.mean_temperature


def test_a_bad_file_that_is_new_is_postponed(deployment: Deployment) -> None:
    ids = [deployment.upload("cam-a/1.png", picture(100)[:200])]
    report = deployment.scorer(grace_s=600)(batch_of(ids))
    assert report.postponed == 1
    assert ledger_counts(deployment.engine).pending == 1


def test_an_overwritten_file_is_superseded_and_its_new_content_scored(
    deployment: Deployment,
) -> None:
    old = deployment.upload("cam-a/latest.png", picture(100))
    new = deployment.upload("cam-a/latest.png", picture(101, hot=True) + b"\0")
    report = deployment.scorer()(batch_of([old, new]))
    assert (report.superseded, report.scored) == (1, 1)
    assert [row.frame_id for row in rows(deployment)] == [new]


def test_a_batch_delivered_twice_takes_effect_once(deployment: Deployment) -> None:
    ids = [deployment.upload(f"cam-a/{n}.png", picture(n)) for n in range(5)]
    scorer = deployment.scorer()
    scorer(batch_of(ids))
    before = rows(deployment)
    assert scorer(batch_of([*ids, *ids])).scored == 0
    assert rows(deployment) == before


def test_workers_that_share_a_batch_make_one_row_per_frame(deployment: Deployment) -> None:
    ids = [deployment.upload(f"cam-a/{n}.png", picture(n, hot=n % 3 == 0)) for n in range(12)]
    workers = [deployment.scorer() for _ in range(4)]
    threads = [threading.Thread(target=worker, args=(batch_of(ids),)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = rows(deployment)
    assert sorted(row.frame_id for row in found) == sorted(ids)
    assert [row.seq for row in found] == list(range(1, 13))


def test_ids_missing_from_the_ledger_are_ignored(deployment: Deployment) -> None:
    report = deployment.scorer()(batch_of(["f" * 32]))
    assert (report.scored, report.quarantined) == (0, 0)


def test_losing_redis_between_two_batches_changes_no_decision(deployment: Deployment) -> None:
    # to see it fail: install an empty state in Streams._restore
    ids = [deployment.upload(f"cam-a/{n}.png", picture(n)) for n in range(6)]
    scorer = deployment.scorer()
    scorer(batch_of(ids[:3]))
    deployment.redis.flushall()
    scorer(batch_of(ids[3:]))
    found = rows(deployment)
    assert [row.seq for row in found] == [1, 2, 3, 4, 5, 6]
    assert found[3].previous_threshold == found[2].threshold
    assert found[3].epoch != found[2].epoch


def test_a_part_is_decided_again_when_its_window_was_rebuilt_in_the_meantime(
    deployment: Deployment, bundle: Bundle
) -> None:
    ids = [deployment.upload(f"cam-a/{n}.png", picture(n)) for n in range(4)]
    slow, quick = deployment.scorer(), deployment.scorer()
    store = deployment.store

    class Interrupted(type(store)):  # type: ignore[misc]
        """A store that lets another worker rebuild the window while pictures are written."""

        done = False

        def put(self, relative: str, data: bytes) -> None:
            if not self.done:
                self.done = True
                deployment.redis.flushall()
                quick(batch_of(ids[2:]))
            super().put(relative, data)

    slow = deployment.scorer(pictures=PicturePolicy("all"))
    slow.store = Interrupted(store.root)
    assert slow(batch_of(ids[:2])).scored == 2
    found = rows(deployment)
    assert [row.frame_id for row in found] == [*ids[2:], *ids[:2]]
    assert len({row.epoch for row in found}) == 1


def test_workers_switch_to_a_newly_activated_model_without_a_restart(
    deployment: Deployment, bundle: Bundle
) -> None:
    from dataclasses import replace

    from storage.models import save_model

    clock = iter(range(0, 1000, 10))
    scorer = deployment.scorer(model_clock=lambda: float(next(clock)))
    scorer(batch_of([deployment.upload("cam-a/1.png", picture(1))]))
    other = replace(bundle, held_out_scores=bundle.held_out_scores * 2)
    save_model(deployment.engine, other, now=1.0, activate=True)
    scorer(batch_of([deployment.upload("cam-a/2.png", picture(2))]))
    first, second = sorted(rows(deployment), key=lambda row: row.image_path)
    assert (first.model_id, second.model_id) == (bundle.model_id, other.model_id)
    assert second.seq == 1
    assert second.threshold == pytest.approx(2 * first.threshold, rel=0.01)


def test_no_camera_name_can_reach_another_camera_s_stream(
    deployment: Deployment, bundle: Bundle
) -> None:
    names = ["cam", "cam:state", "'; DROP TABLE results; --", "{cam}"]
    ids = [deployment.upload(f"{name}/1.png", picture(n)) for n, name in enumerate(names)]
    assert deployment.scorer()(batch_of(ids)).scored == len(names)
    assert sorted(row.camera for row in rows(deployment)) == sorted(names)
    keys = [StreamKey(name, bundle.model_id).redis_keys()[0] for name in names]
    assert len(set(keys)) == len(names)


def test_a_failing_picture_disk_fails_the_batch_and_loses_nothing(
    deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "pictures").write_text("a file where the directory should be")
    ids = [deployment.upload("cam-a/1.png", picture(1, hot=True))]
    with pytest.raises(OSError):
        deployment.scorer()(batch_of(ids))
    assert ledger_counts(deployment.engine).pending == 1
    (tmp_path / "pictures").unlink()
    assert deployment.scorer()(batch_of(ids)).scored == 1
    assert rows(deployment)[0].seq == 1


def test_a_large_batch_is_committed_part_by_part(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # to see it fail: set PART_FRAMES to 1024; then nothing is scored when the disk fails
    ids = [deployment.upload(f"cam-a/{n:03}.png", picture(n)) for n in range(PART_FRAMES + 5)]
    put = type(deployment.store).put

    def fail_on_last(store: ArtifactStore, relative: str, data: bytes) -> None:
        if ids[-1] in relative:
            raise OSError("the disk is full")
        put(store, relative, data)

    monkeypatch.setattr(type(deployment.store), "put", fail_on_last)
    with pytest.raises(OSError):
        deployment.scorer(pictures=PicturePolicy("all"))(batch_of(ids))
    assert ledger_counts(deployment.engine).scored == PART_FRAMES
    monkeypatch.undo()
    assert deployment.scorer(pictures=PicturePolicy("none"))(batch_of(ids)).scored == 5
    assert [row.seq for row in rows(deployment)] == list(range(1, len(ids) + 1))


def test_parts_are_bounded_in_frames_and_in_bytes() -> None:
    def entries(*sizes: int) -> list[LedgerFrame]:
        return [
            LedgerFrame(str(n), "cam", "/root", f"{n}.png", 0, size, 0, 0.0)
            for n, size in enumerate(sizes)
        ]

    def lengths(found: list[LedgerFrame]) -> list[int]:
        return [len(part) for part in parts_of(found)]

    assert lengths([]) == []
    assert lengths(entries(*[1] * (2 * PART_FRAMES + 1))) == [PART_FRAMES, PART_FRAMES, 1]
    half = PART_BYTES // 2
    assert lengths(entries(half, half, 1, 2 * PART_BYTES, 1)) == [2, 1, 1, 1]
