"""`train`, `evaluate` and `score`, which need no services."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from tests.ops.cli.dataset import write_dataset
from tests.ops.cli.process import run


def test_train_evaluate_and_score(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    write_dataset(dataset, training=30, normal=5, hot=5)
    bundle = tmp_path / "bundle"
    trained = run("train", dataset, "--output", bundle, "--epochs", "2", "--device", "cpu")
    assert trained.exit_code == 0, trained.output
    assert "30 images, 10 of them held out, 24×32 px, unit counts" in trained.output
    assert "note: Only 30 training images" in trained.output
    measured = run("evaluate", dataset, "--model", bundle, "--json")
    assert measured.exit_code == 0, measured.output
    figures = json.loads(measured.stdout)
    assert figures["n_normal"] == 5
    assert figures["image_auroc"] == 1.0
    (dataset / "test" / "hot" / "2000.png").write_bytes(
        cv2.imencode(".png", np.full((32, 24), 90, np.uint8))[1].tobytes()
    )
    shown = run("evaluate", dataset, "--model", bundle).output
    assert "image AUROC        1.0000" in shown
    assert "left out           1 of another" in shown and "test/hot/2000.png" in shown


def test_score_writes_results_quarantine_and_pictures(
    model: Path, images: Path, tmp_path: Path
) -> None:
    found = tmp_path / "found"
    answer = run("score", images, "--model", model, "--output", found)
    assert answer.exit_code == 0, answer.output
    assert "20 images scored, 1 anomalies" in answer.output
    assert "warning: 2 files could not be scored" in answer.output
    with (found / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_path"] for row in rows if row["prediction"] == "Anomaly"] == ["east/7.png"]
    assert list(rows[0])[:3] == ["image_path", "anomaly_score", "prediction"]
    assert {row["camera"] for row in rows} == {"east", "west"}
    (hot,) = (row for row in rows if row["prediction"] == "Anomaly")
    assert (found / "pictures" / hot["sheet_picture"]).read_bytes().startswith(b"\x89PNG")
    with (found / "quarantine.csv").open(newline="") as file:
        refused = {row["image_path"]: row["reason"] for row in csv.DictReader(file)}
    assert refused == {"west/broken.png": "corrupt", "west/=empty.png": "empty"}


def test_score_takes_one_file_and_one_camera(model: Path, images: Path, tmp_path: Path) -> None:
    one = images / "east" / "7.png"
    where = ("--model", model, "--output", tmp_path / "found")
    answer = run("score", one, "--camera", "lab", "--pictures", "none", "--json", *where)
    assert json.loads(answer.stdout) == {"scored": 1, "anomalies": 1, "quarantined": 0}
    assert not (tmp_path / "found" / "pictures").exists()
    assert ',"lab",' in (tmp_path / "found" / "results.csv").read_text()
