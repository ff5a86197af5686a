"""Metrics with numbers worked by hand, and a whole evaluation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.plates import hot_cells, plates, trained_bundle, write_images
from thermal.decode import DecodeOptions
from thermal.detection.detector import Detector
from thermal.errors import CorruptImage, DatasetError
from thermal.evaluation.evaluate import (
    TARGET_FAR,
    Evaluation,
    EvaluationProgress,
    TestScores,
    score_test_set,
    summarise,
)
from thermal.evaluation.sheet import save_evaluation_sheet


def test_metrics_agree_with_hand_worked_numbers() -> None:
    # Ranked: 5(cell) 4(cell) 3(good) 2(diode) 1(good). Of the 3·2 pairs of anomaly and normal,
    # 5 and 4 win both and 2 wins one: 5/6. Precision at the recalls 1/3, 2/3, 1 is 1, 1, 3/4.
    found = TestScores(
        paths=tuple(Path(f"{number}.png") for number in range(5)),
        scores=np.array([1.0, 3.0, 5.0, 4.0, 2.0]),
        groups={"good": slice(0, 2), "cell": slice(2, 4), "diode": slice(4, 5)},
        images_per_s=1.0,
    )
    result = summarise(found, threshold=2.5, target_far=0.01)
    assert result.image_auroc == pytest.approx(5 / 6)
    assert result.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert result.f1_max == pytest.approx(6 / 7)  # threshold 2: precision 3/4, recall 1
    assert result.false_alarm_rate == 0.5
    assert result.recall == pytest.approx(2 / 3)
    assert result.per_defect == {"cell": 1.0, "diode": 0.5}
    assert (result.n_normal, result.n_anomalous) == (2, 3)


def evaluate(dataset: Path) -> Evaluation:
    """A whole evaluation of the plates' model."""
    bundle = trained_bundle()
    found = score_test_set(
        Detector.from_bundle(bundle, "cpu"),
        dataset,
        options=DecodeOptions(),
        progress=lambda _: None,
    )
    return summarise(found, threshold=bundle.threshold(TARGET_FAR), target_far=TARGET_FAR)


def test_hot_cells_are_told_from_normal_plates(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(70, seed=20))
    write_images(tmp_path / "test" / "cell", hot_cells(30, seed=21))
    result = evaluate(tmp_path)
    assert result.image_auroc > 0.99
    assert result.images_per_s > 0
    assert result.image_auroc_interval[0] <= result.image_auroc <= result.image_auroc_interval[1]
    assert result.pixel_auroc is None


def test_masks_give_pixel_metrics(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(10, seed=20))
    images = hot_cells(6, seed=21)
    paths = write_images(tmp_path / "test" / "cell", images)
    folder = tmp_path / "ground_truth" / "cell"
    folder.mkdir(parents=True)
    for path, image in zip(paths, images, strict=True):
        hot = image > image.mean() + 4 * image.std()
        cv2.imwrite(str(folder / f"{path.stem}_mask.png"), hot.astype(np.uint8) * 255)
    result = evaluate(tmp_path)
    assert result.pixel_auroc is not None and result.pixel_auroc > 0.9
    assert result.aupro is not None and result.aupro > 0.8


def test_a_damaged_test_image_stops_the_measurement(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(2, seed=22))
    bad, *_ = write_images(tmp_path / "test" / "cell", hot_cells(2, seed=23))
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(CorruptImage):
        evaluate(tmp_path)


def of_another_kind(image: NDArray[np.uint8]) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
    """The image turned, cropped and at another depth."""
    return [np.rot90(image).copy(), image[:10, :10].copy(), image.astype(np.uint16) * 200]


def test_images_of_another_kind_than_the_models_are_left_out_and_named(tmp_path: Path) -> None:
    # to see it fail: in `_score`, don't ask the bundle for a mismatch
    normal, hot = plates(40, seed=20), hot_cells(20, seed=21)
    write_images(tmp_path / "test" / "good", normal)
    paths = write_images(tmp_path / "test" / "cell", hot)
    complete = evaluate(tmp_path)
    assert complete.mismatched == ()
    for path, foreign in zip(paths, of_another_kind(hot[0]), strict=False):
        cv2.imwrite(str(path), foreign)
    result = evaluate(tmp_path)
    assert result.mismatched == ("test/cell/000.png", "test/cell/001.png", "test/cell/002.png")
    assert (result.n_normal, result.n_anomalous) == (40, 17)
    assert result.false_alarm_rate == complete.false_alarm_rate


def test_a_dataset_that_does_not_fit_the_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(30, seed=20))
    write_images(tmp_path / "test" / "cell", hot_cells(2, seed=21)[:, :10])  # 2 of 32 images
    with pytest.raises(DatasetError, match=r"2 of 32 images .*cell/000\.png: .*16×10 px.*16×24"):
        evaluate(tmp_path)
    write_images(tmp_path / "test" / "cell", hot_cells(30, seed=21))
    write_images(tmp_path / "test" / "good", plates(12, seed=20)[:, :, :10])
    with pytest.raises(DatasetError, match=r"12 of 60 images .*good/000\.png: .*10×24 px"):
        evaluate(tmp_path)


def test_images_in_degrees_are_not_measured_under_a_model_of_counts(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(2, seed=20))
    folder = tmp_path / "test" / "cell"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"20.5,21.0\n20.7,21.2\n")
    with pytest.raises(DatasetError, match="in celsius, the model was trained in counts"):
        evaluate(tmp_path)


def test_progress_is_told_and_the_sheet_shows_classes_and_mistakes(tmp_path: Path) -> None:
    write_images(tmp_path / "test" / "good", plates(70, seed=20))
    write_images(tmp_path / "test" / "cell", hot_cells(30, seed=21))
    seen: list[EvaluationProgress] = []
    bundle = trained_bundle()
    options = DecodeOptions()
    found = score_test_set(
        Detector.from_bundle(bundle, "cpu"), tmp_path, options=options, progress=seen.append
    )
    assert [(step.done, step.total) for step in seen] == [(64, 100), (100, 100)]
    evaluation = summarise(found, threshold=bundle.threshold(0.01), target_far=0.01)
    save_evaluation_sheet(tmp_path / "sheet.png", found, evaluation, options=options)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[1] > 1000


def test_a_larger_budget_of_false_alarms_means_a_lower_threshold() -> None:
    thresholds = [trained_bundle().threshold(far) for far in (0.001, 0.005, 0.05)]
    assert thresholds == sorted(thresholds, reverse=True)
