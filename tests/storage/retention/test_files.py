"""Retention of pictures, and of ledger rows whose files are gone."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import results
from storage.files.artifacts import picture_path
from storage.frames.audit import find_frame
from storage.frames.outcomes import Quarantined, Superseded, finish
from storage.frames.registration import known, register
from storage.retention.policy import RetentionPolicy
from tests.storage.retention.site import DAY, FRAMES, NOW, POLICY, Site


def test_a_ledger_row_is_kept_as_long_as_its_file(year: Site) -> None:
    # to see it fail: delete ledger rows with their results
    year.retain(POLICY)
    seen = [year.upload(number) for number in range(FRAMES)]
    assert register(year.engine, seen, now=NOW) == []  # no frame would be scored twice
    for number in range(0, 100):
        (year.uploads / seen[number].path).unlink()
    assert year.retain(POLICY).frames == 100
    assert known(year.engine, [seen[0], seen[100]], now=NOW).settled == {seen[100].hint}
    record = find_frame(year.engine, seen[100].frame_id)
    assert record is not None
    assert (record.state, record.expired_at) == ("scored", NOW)
    year.check()


@pytest.mark.parametrize("how", ["the root is gone", "the root is empty", "the camera is empty"])
def test_files_on_an_unmounted_disk_do_not_count_as_deleted(year: Site, how: str) -> None:
    away = year.uploads.with_name("away")
    if how == "the camera is empty":
        (year.uploads / "east").rename(away)
        (year.uploads / "east").mkdir()
    else:
        year.uploads.rename(away)
        if how == "the root is empty":
            year.uploads.mkdir()
    report = year.retain(POLICY)
    assert (report.normal > 0, report.frames) == (True, 0)


def test_quarantined_and_superseded_frames_are_deleted_after_their_files(site: Site) -> None:
    batch = [site.upload(number) for number in range(4)]
    register(site.engine, batch, now=0.0)
    finish(
        site.engine,
        [
            *(Quarantined(frame.frame_id, "corrupt", "why") for frame in batch[:2]),
            *(Superseded(frame.frame_id, None) for frame in batch[2:]),
        ],
        now=5.0,
    )
    for frame in batch[::2]:
        (site.uploads / frame.path).unlink()
    policy = RetentionPolicy(quarantine_days=1)
    assert site.retain(policy, now=DAY).frames == 0
    assert site.retain(policy, now=DAY + 6.0).frames == 2
    left = known(site.engine, batch, now=DAY).settled
    assert left == {batch[1].hint, batch[3].hint}
    site.check()


def test_pictures_are_deleted_before_rows_and_those_of_anomalies_later(site: Site) -> None:
    site.score(range(60), pictures=True)
    policy = RetentionPolicy(picture_days=1, anomaly_picture_days=2)
    assert site.retain(policy, now=50 * 3600.0).pictured == 24 + 1  # hours 1…24, and hour 0
    assert len(site.pictures()) == (60 - 25) * 5
    with reading(site.engine) as connection:
        query = select(results.c.sheet_picture).where(results.c.seq.in_([2, 26, 27]))
        gone, anomaly, young = connection.scalars(query.order_by(results.c.seq))
    assert (gone is None, anomaly is None, young is None) == (True, False, False)
    site.check()


def test_old_pictures_that_no_row_names_are_deleted(site: Site) -> None:
    (frame,) = site.score([1], pictures=True)
    named = len(site.pictures())
    orphan = picture_path("east", 1.0, "f" * 32, "sheet")
    young = picture_path("east", 1.0, "e" * 32, "sheet")
    for name in (orphan, young, "east/1970/01/01/.writing-1", "east/notes.txt"):
        site.store.put(name, b"1")
    far = 2e9
    for path in site.pictures():
        os.utime(path, (far - 2 * DAY, far - 2 * DAY))
    os.utime(site.store.path(young), (far - 60, far - 60))
    report = site.retain(RetentionPolicy(quarantine_days=1), now=far)
    assert report.orphans == 2
    assert len(site.pictures()) == named + 2
    assert site.store.path(young).exists()
    assert site.store.path(picture_path("east", 1, frame.frame_id, "sheet")).exists()
