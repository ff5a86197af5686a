"""The whole system on real images: `up` with embedded services, and processes with URLs."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.db.database import connect
from storage.stream.replay import replay_all
from tests.faults.site import START_S
from tests.waiting import wait_until
from thermal.decode import DecodeOptions
from thermal.detection.bundle import save_bundle
from thermal.training.dataset import list_images
from thermal.training.train import TrainingConfig, train

REPOSITORY = Path(__file__).resolve().parents[2]
ASKED_FOR = [
    "image_path",
    "anomaly_score",
    "prediction",
    "max_temperature",
    "mean_temperature",
    "std_temperature",
    "hotspot_area",
]
PICTURES = ("original_picture", "reconstruction_picture", "heatmap_picture", "overlay_picture")

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle from a short training on real modules."""
    images = list_images(shared_data / "solar-modules" / "train" / "good")[:300]
    config = TrainingConfig(epochs=3, device="cpu")
    bundle = train(images, config, options=DecodeOptions(), progress=lambda _: None)
    folder = tmp_path_factory.mktemp("model")
    save_bundle(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def images(shared_data: Path) -> list[Path]:
    """Two hundred normal modules and four hundred with faults."""
    test = shared_data / "solar-modules" / "test"
    faulty = [path for path in sorted(test.glob("*/*.jpg")) if path.parent.name != "good"]
    return sorted((test / "good").glob("*.jpg"))[:200] + faulty[::3][:400]


def environment(**extra: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if "THERMALWATCH" not in key}
    return kept | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **extra}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ops", *words]


@contextmanager
def running(words: Sequence[str], env: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(command(*words), env=env, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()[-2000:]
        process.terminate()
        assert process.wait(90) == 0, log.read_text()[-2000:]
    finally:
        process.kill()
        process.wait()


def answer(*words: str, env: dict[str, str]) -> Any:
    done = subprocess.run(command(*words), env=env, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.stdout else {}


def copy_as_two_cameras(images: Sequence[Path], watch: Path) -> None:
    for camera in ("cam-a", "cam-b"):
        (watch / camera).mkdir()
    for number, image in enumerate(images):
        shutil.copyfile(image, watch / ("cam-a", "cam-b")[number % 2] / image.name)


def check(export: Path, pictures: Path, expected: int) -> dict[str, float]:
    """Check that all rows were exported and are complete; return the scores by image."""
    with export.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:7] == ASKED_FOR
    assert len({row["image_path"] for row in rows}) == len(rows) == expected
    anomalies = [row for row in rows if row["prediction"] == "Anomaly"]
    assert 0 < len(anomalies) < expected
    assert all((pictures / row[kind]).is_file() for row in anomalies for kind in PICTURES)
    assert {row["temperature_unit"] for row in rows} == {"counts"}, "8-bit files have no degrees"
    return {row["image_path"]: float(row["anomaly_score"]) for row in rows}


def test_up_scores_every_real_image_and_processes_by_url_score_them_alike(
    model: Path, images: list[Path], tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    embedded = _run_embedded(model, images, tmp_path / "embedded")
    by_url = _run_by_url(model, images, tmp_path / "by-url", redis_url, postgres_url)
    assert by_url.keys() == embedded.keys()
    assert by_url == pytest.approx(embedded, rel=1e-4)


def _run_embedded(model: Path, images: list[Path], folder: Path) -> dict[str, float]:
    watch, state = folder / "watch", folder / "state"
    watch.mkdir(parents=True)
    env = environment(THERMALWATCH_SERVER_PORT="0")
    words = ["up", "--watch", str(watch), "--model", str(model), "--data", str(state)]
    data = ("--data", str(state))
    with running([*words, "--workers", "2"], env, folder / "up.log"):
        copy_as_two_cameras(images, watch)
        wait_until(
            lambda: answer("audit", "--json", *data, env=env).get("scored") == len(images),
            120 + START_S,
            "a row for every image",
        )
        counts = answer("audit", "--json", *data, env=env)
        assert counts["balanced"] and counts["seen"] == len(images) and counts["pending"] == 0
        export = folder / "results.csv"
        subprocess.run(
            command("results", "export", *data, "--output", str(export)), env=env, check=True
        )
    _check_replay(f"sqlite:///{state / 'thermalwatch.db'}")
    return check(export, state / "pictures", len(images))


def _run_by_url(
    model: Path, images: list[Path], folder: Path, redis_url: str, postgres_url: str
) -> dict[str, float]:
    watch, data = folder / "watch", folder / "data"
    watch.mkdir(parents=True)
    env = environment(REDIS_URL=redis_url, DATABASE_URL=postgres_url, THERMALWATCH_DATA=str(data))
    work = ["work", "--model", str(model), "--name"]
    with (
        running([*work, "one"], env, folder / "one.log"),
        running([*work, "two"], env, folder / "two.log"),
        running(["produce", "--watch", str(watch)], env, folder / "produce.log"),
    ):
        copy_as_two_cameras(images, watch)
        wait_until(
            lambda: answer("audit", "--json", env=env).get("scored") == len(images),
            120 + START_S,
            "a row for every image",
        )
    export = folder / "results.csv"
    subprocess.run(command("results", "export", "--output", str(export)), env=env, check=True)
    _check_replay(postgres_url)
    return check(export, data / "pictures", len(images))


def _check_replay(database_url: str) -> None:
    """The same scores in the same order give the same predictions with either services."""
    engine = connect(database_url)
    report = replay_all(engine)
    engine.dispose()
    assert report.consistent, report.described
