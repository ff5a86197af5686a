"""The detector at its NumPy edge."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import thermal
from ops.bench.input import KINDS, calibrated_bundle, image_files
from tests.thermal.plates import HEIGHT, WIDTH, frames, hot_cells, plates, trained_bundle
from thermal.decode import decode
from thermal.detection.bundle import save_bundle
from thermal.detection.detector import Detector
from thermal.errors import BundleError, UnitMismatch
from thermal.frame import Frame


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.from_bundle(trained_bundle(), "cpu")


def scores(detector: Detector, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([scored.score for scored in detector.score(frames(images))])


def test_the_same_frame_scores_the_same_in_any_batch(detector: Detector) -> None:
    images = np.concatenate([plates(48, seed=30), hot_cells(16, seed=31)])
    together = detector.score(frames(images))
    for frame, in_batch in zip(frames(images), together, strict=True):
        alone = detector.score([frame])[0]
        assert alone.score == pytest.approx(in_batch.score, rel=1e-4)
        assert alone.mse == pytest.approx(in_batch.mse, rel=1e-4)
        np.testing.assert_allclose(alone.anomaly_map, in_batch.anomaly_map, atol=1e-3)


@pytest.mark.parametrize("size", ["24x40", "160x120", "640x512"])
def test_batches_do_not_show_at_the_sizes_that_cameras_have(size: str) -> None:
    kind = KINDS[size]
    detector = Detector.from_bundle(calibrated_bundle(kind, images=32), "cpu")
    images = [decode(data) for data in image_files(kind, 32, seed=5)]
    together = [scored.score for scored in detector.score(images)]
    for length in (1, 7):
        starts = range(0, len(images), length)
        found = [s.score for at in starts for s in detector.score(images[at : at + length])]
        np.testing.assert_allclose(found, together, rtol=1e-4)


def test_it_does_not_show_in_how_many_passes_frames_were_scored() -> None:
    detector = Detector.from_bundle(trained_bundle(), "cpu")
    images = np.concatenate([plates(20, seed=40), hot_cells(10, seed=41)])
    in_one = scores(detector, images)
    detector.images_a_pass = 7
    np.testing.assert_allclose(scores(detector, images), in_one, rtol=1e-4)
    assert len(in_one) == 30


def test_scores_are_positive_and_all_different(detector: Detector) -> None:
    found = scores(detector, np.concatenate([plates(60, seed=32), hot_cells(60, seed=33)]))
    assert (found > 0).all()
    assert len(np.unique(found)) == len(found)


def test_a_hotter_fault_scores_higher_without_end(detector: Detector) -> None:
    scene = plates(1, seed=34)[0].astype(np.float32)
    rising = []
    for excess in (0, 30, 60, 120, 500, 5000):
        values = scene.copy()
        values[4:8, 4:8] += excess
        rising.append(detector.score([Frame(values, "counts", 16)])[0].score)
    assert (np.diff(rising) > 0).all()


def test_the_map_is_signed_and_points_at_the_fault(detector: Detector) -> None:
    for excess, extreme in ((60, np.argmax), (-60, np.argmin)):
        values = plates(1, seed=35)[0].astype(np.float32)
        values[4:8, 2:6] += excess
        found = detector.score([Frame(values, "counts", 8)])[0].anomaly_map
        assert found.shape == (HEIGHT, WIDTH)
        assert found.dtype == np.float32
        y, x = np.unravel_index(extreme(found), found.shape)
        assert 3 <= y <= 8
        assert 1 <= x <= 6


def test_uniform_overheating_is_found_and_named_as_level(detector: Detector) -> None:
    normal = plates(20, seed=36)
    hot = np.clip(normal.astype(int) + 60, 0, 255).astype(np.uint8)
    assert scores(detector, hot).min() > scores(detector, normal).max()
    assert all("density" in scored.drivers for scored in detector.score(frames(hot)))


def test_the_reconstruction_is_in_the_frames_unit(detector: Detector) -> None:
    found = detector.score(frames(plates(1, seed=37)))[0].reconstruction
    assert found.dtype == np.float32
    assert float(np.median(found)) == pytest.approx(120, abs=15)


def test_signals_are_named_and_positive(detector: Detector) -> None:
    scored = detector.score(frames(hot_cells(1, seed=38)))[0]
    assert set(scored.signals) == {"residual", "structure", "density"}
    assert min(scored.signals.values()) > 0
    assert set(scored.drivers) <= set(scored.signals)
    assert scored.drivers


def test_frames_of_any_size_are_scored_together(detector: Detector) -> None:
    image = np.kron(plates(1, seed=39)[0], np.ones((10, 10)))
    small, large = plates(1, seed=39)[0], image
    found = detector.score([Frame(v.astype(np.float32), "counts", 8) for v in (small, large)])
    assert found[0].score == pytest.approx(found[1].score, rel=1e-3)


def test_no_frames_give_no_scores(detector: Detector) -> None:
    assert detector.score([]) == []


def test_a_frame_in_another_unit_is_refused(detector: Detector) -> None:
    with pytest.raises(UnitMismatch):
        detector.score([Frame(np.zeros((HEIGHT, WIDTH), np.float32), "celsius", 16)])


def test_a_detector_is_loaded_from_its_folder(tmp_path: Path) -> None:
    save_bundle(trained_bundle(), tmp_path)
    detector = Detector.load(tmp_path, "cpu")
    assert detector.model_id == trained_bundle().model_id
    assert detector.device == "cpu"


def test_weights_that_do_not_fit_the_architecture_are_refused() -> None:
    bundle = trained_bundle()
    name = next(iter(bundle.weights))
    missing = {key: array for key, array in bundle.weights.items() if key != name}
    for weights in (missing, {**bundle.weights, name: bundle.weights[name][:1]}, {}):
        with pytest.raises(BundleError, match="do not fit"):
            Detector.from_bundle(replace(bundle, weights=weights), "cpu")
    wrong = replace(bundle.architecture, height=8, width=8, channels=(16,) * 5)
    with pytest.raises(BundleError, match="do not fit"):
        Detector.from_bundle(replace(bundle, architecture=wrong), "cpu")


def test_importing_thermal_loads_neither_torch_nor_opencv() -> None:
    code = (
        "import sys, thermal; assert not {'torch', 'cv2', 'numpy'} & set(sys.modules);"
        "thermal.Bundle, thermal.Scored; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_exported_name_is_there() -> None:
    for name in thermal.__all__:
        assert getattr(thermal, name).__name__ == name
    with pytest.raises(AttributeError):
        thermal.nonsense  # noqa: B018
