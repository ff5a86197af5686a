"""How well a detector tells defects from normal images, on a dataset in MVTec layout."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.decode import DecodeOptions, decode
from thermal.detection.detector import Detector
from thermal.errors import DatasetError
from thermal.evaluation.pixel_metrics import aupro, auroc, bootstrap_auroc, pixel_auroc
from thermal.frame import Frame
from thermal.training.dataset import GOOD, MOST_MISMATCHED, mask_of, read_test_set

#: False alarms that are accepted where nothing else is asked for, as a share of normal images.
TARGET_FAR = 0.005

_BATCH = 64


@dataclass(frozen=True)
class EvaluationProgress:
    """How many images of a test set have been scored."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class TestScores:
    """A detector's scores for every image of a test set."""

    __test__ = False  # pytest must not collect it

    paths: tuple[Path, ...]
    scores: NDArray[np.float64]  #: (n,) one a path
    groups: Mapping[str, slice]  #: ``good`` and the defect classes, as slices of both
    images_per_s: float  #: decoding and scoring, images of a batch together
    mismatched: tuple[str, ...] = ()  #: names of images of another unit, depth or shape
    pixel_auroc: float | None = None  #: None: the dataset has no masks
    aupro: float | None = None  #: area under the per-region-overlap curve up to FPR 0.3

    @property
    def normal(self) -> NDArray[np.float64]:
        """Scores of the normal images."""
        return self.scores[self.groups[GOOD]]

    @property
    def by_defect(self) -> dict[str, NDArray[np.float64]]:
        """Scores of each defect class."""
        return {name: self.scores[place] for name, place in self.groups.items() if name != GOOD}


@dataclass(frozen=True)
class Evaluation:
    """Metrics under the field's names; all shares are in 0…1."""

    image_auroc: float
    image_auroc_interval: tuple[float, float]  #: 95 %, bootstrap over the images
    average_precision: float
    f1_max: float  #: the best F1 score that any threshold reaches
    target_far: float  #: the false alarms that the threshold is made for
    threshold: float  #: the bundle's own, from held-out normal images
    false_alarm_rate: float  #: share of normal test images above the threshold
    recall: float  #: share of anomalous test images above the threshold
    per_defect: Mapping[str, float]  #: defect class → its image AUROC against all normal images
    n_normal: int
    n_anomalous: int
    images_per_s: float  #: decoding and scoring, images of a batch together
    mismatched: tuple[str, ...] = ()  #: names of images of another unit, depth or shape
    pixel_auroc: float | None = None  #: None: the dataset has no masks
    aupro: float | None = None  #: area under the per-region-overlap curve up to FPR 0.3


def score_test_set(
    detector: Detector,
    dataset: Path,
    *,
    options: DecodeOptions,
    progress: Callable[[EvaluationProgress], None],
) -> TestScores:
    """Score the ``test`` folder of `dataset`; measure pixels where there are masks.

    Pixel metrics need ``ground_truth/<defect>/<name>_mask.png``; anomalous images without a mask
    are left out of them, normal ones count as all normal.

    Images of another unit, depth or shape than the model's are left out and named, as workers
    quarantine them.

    Raises `DatasetError` for another layout, if many images or all of a kind are left out, and
    `DecodeError` for a damaged test image: a measurement with gaps would not be comparable.
    """
    tests = read_test_set(dataset)
    classes = {GOOD: tests.normal, **tests.defects}
    paths = [path for images in classes.values() for path in images]
    masks = {path: mask for path in paths if (mask := mask_of(dataset, path)) is not None}
    truth = _Truth(masks, normal=frozenset(tests.normal) if masks else frozenset())
    started = time.monotonic()
    scores, mismatched = _score(detector, paths, options, progress, truth)
    elapsed_s = time.monotonic() - started
    kept = {
        name: left
        for name, images in classes.items()
        if (left := [path for path in images if path in scores])
    }
    _refuse_mismatched(mismatched, len(paths), complete=GOOD in kept and len(kept) > 1)
    groups: dict[str, slice] = {}
    for name, images in kept.items():
        first = max((group.stop for group in groups.values()), default=0)
        groups[name] = slice(first, first + len(images))
    return TestScores(
        paths=tuple(scores),
        scores=np.array(list(scores.values())),
        groups=groups,
        images_per_s=len(paths) / elapsed_s,
        mismatched=tuple(path.relative_to(dataset).as_posix() for path in mismatched),
        pixel_auroc=pixel_auroc(truth.maps, truth.anomalous) if masks else None,
        aupro=aupro(truth.maps, truth.anomalous) if masks else None,
    )


def _refuse_mismatched(mismatched: Mapping[Path, str], images: int, *, complete: bool) -> None:
    if mismatched and (len(mismatched) > MOST_MISMATCHED * images or not complete):
        path, detail = next(iter(mismatched.items()))
        raise DatasetError(
            f"{len(mismatched)} of {images} images do not fit the model, as {path}: {detail}"
        )


def summarise(found: TestScores, *, threshold: float, target_far: float) -> Evaluation:
    """Compute the metrics; `threshold` is the bundle's for a share `target_far` of false alarms."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    normal = found.normal
    anomalous = np.concatenate(list(found.by_defect.values()))
    labels = np.concatenate([np.zeros(len(normal)), np.ones(len(anomalous))])
    precision, recall, _ = precision_recall_curve(labels, np.concatenate([normal, anomalous]))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return Evaluation(
        image_auroc=auroc(normal, anomalous),
        image_auroc_interval=bootstrap_auroc(normal, anomalous),
        average_precision=float(
            average_precision_score(labels, np.concatenate([normal, anomalous]))
        ),
        f1_max=float(f1.max()),
        target_far=target_far,
        threshold=threshold,
        false_alarm_rate=float((normal > threshold).mean()),
        recall=float((anomalous > threshold).mean()),
        per_defect={name: auroc(normal, scores) for name, scores in found.by_defect.items()},
        n_normal=len(normal),
        n_anomalous=len(anomalous),
        images_per_s=found.images_per_s,
        mismatched=found.mismatched,
        pixel_auroc=found.pixel_auroc,
        aupro=found.aupro,
    )


class _Truth:
    """Collects the maps of images whose anomalous pixels are known."""

    def __init__(self, masks: Mapping[Path, Path], normal: frozenset[Path]):
        self._masks = masks
        self._normal = normal
        self.maps: list[NDArray[np.float32]] = []
        self.anomalous: list[NDArray[np.bool_]] = []

    def take(self, path: Path, anomaly_map: NDArray[np.float32]) -> None:
        """Keep the map's absolute values, hot or cold, at the size of the mask."""
        strength = np.abs(anomaly_map)
        if path in self._masks:
            data = np.frombuffer(self._masks[path].read_bytes(), np.uint8)
            mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
            if mask is None:
                raise DatasetError(f"{self._masks[path]} is not a readable mask")
            size = (mask.shape[1], mask.shape[0])
            enlarged = cv2.resize(strength, size, interpolation=cv2.INTER_LINEAR)
            self.maps.append(np.asarray(enlarged, np.float32))
            self.anomalous.append(np.asarray(mask > 0))
        elif path in self._normal:
            self.maps.append(strength)
            self.anomalous.append(np.zeros(strength.shape, bool))


def _score(
    detector: Detector,
    paths: Sequence[Path],
    options: DecodeOptions,
    progress: Callable[[EvaluationProgress], None],
    truth: _Truth,
) -> tuple[dict[Path, float], dict[Path, str]]:
    """Scores in the order of `paths`, and why the images without one do not fit the model."""
    scores: dict[Path, float] = {}
    mismatched: dict[Path, str] = {}
    for first in range(0, len(paths), _BATCH):
        batch = paths[first : first + _BATCH]
        frames: dict[Path, Frame] = {}
        for path in batch:
            frame = decode(path.read_bytes(), suffix=path.suffix, options=options)
            if other := detector.bundle.mismatch(frame):
                mismatched[path] = other.detail
            else:
                frames[path] = frame
        for path, scored in zip(frames, detector.score(list(frames.values())), strict=True):
            scores[path] = scored.score
            truth.take(path, scored.anomaly_map)
        progress(EvaluationProgress(done=first + len(batch), total=len(paths)))
    return scores, mismatched
