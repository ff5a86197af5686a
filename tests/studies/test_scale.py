"""The studies behind docs/scale.md run, here with few rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from storage.db.database import connect, migrate
from storage.frames.audit import audit
from storage.results.counts import count_days
from storage.results.queries import ResultQuery, list_results
from tests.studies import history as history_study
from tests.studies import scan as scan_study
from tests.studies.history_rows import History, fill


def test_made_up_history_is_a_history(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/history.db")
    migrate(engine)
    history = History(rows=2000, cameras=4, days=20.0, anomaly_share=0.05, reviewed_share=0.5)
    fill(engine, history)
    assert audit(engine).passed
    days = count_days(engine)
    assert (len(days), {day.frames for day in days}) == (20, {100})
    assert 50 < sum(day.anomalies for day in days) < 150
    confirmed = list_results(engine, ResultQuery(review="confirmed"), limit=1000).rows
    assert 25 < len(confirmed) < 75
    assert all(row.anomaly for row in confirmed)
    page = list_results(engine, ResultQuery(camera=history.camera(3)), limit=5)
    assert [row.seq for row in page.rows] == [500, 499, 498, 497, 496]
    engine.dispose()


def test_history_study_measures_every_question(capsys: pytest.CaptureFixture[str]) -> None:
    history_study.main(["--rows", "3000", "--cameras", "5", "--questions", "2"])
    shown = capsys.readouterr().out
    for line in ("| page: camera, 7 days |", "| one frame by its id |", "| `results export` |"):
        assert line in shown


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_scan_study_registers_no_file_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan_study.main(["--files", "1500", "--burst", "700", "--work", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "| registered by the first scan | 1500 |" in shown
    assert "| registered again by the second | 0 |" in shown
    assert "| ledger counts | 2200 seen, 0 scored, 700 pending, balanced |" in shown
