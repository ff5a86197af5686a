"""How well a detector tells defects from normal images, on a dataset in MVTec layout."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermal.dataset import read_test_set
from thermal.decode import DecodeOptions, decode
from thermal.detector import Detector

#: Percentile of held-out normal scores used as threshold: 0.5 % of normal images are flagged.
PERCENTILE = 99.5

_BATCH = 64


@dataclass(frozen=True)
class EvaluationProgress:
    """How many images of a test set have been scored."""

    done: int
    total: int


@dataclass(frozen=True)
class Evaluation:
    """Metrics under the field's names; all shares are in 0…1."""

    image_auroc: float
    average_precision: float
    f1_max: float  #: the best F1 score that any threshold reaches
    threshold: float  #: the bundle's own, from held-out normal images
    false_alarm_rate: float  #: share of normal test images above the threshold
    recall: float  #: share of anomalous test images above the threshold
    per_defect: Mapping[str, float]  #: defect class → its image AUROC against all normal images
    n_normal: int
    n_anomalous: int
    images_per_s: float  #: decoding and scoring, images of a batch together


def evaluate(
    detector: Detector,
    dataset: Path,
    *,
    options: DecodeOptions,
    progress: Callable[[EvaluationProgress], None],
) -> Evaluation:
    """Score the ``test`` folder of `dataset` and compute image-level metrics.

    Raises `DatasetError` for another layout and `DecodeError` for a damaged test image: a
    measurement with gaps would not be comparable.
    """
    tests = read_test_set(dataset)
    paths = [*tests.normal, *(path for images in tests.defects.values() for path in images)]
    started = time.monotonic()
    scores = _score(detector, paths, options, progress)
    images_per_s = len(paths) / (time.monotonic() - started)
    normal, rest = scores[: len(tests.normal)], scores[len(tests.normal) :]
    ends = np.cumsum([len(images) for images in tests.defects.values()])
    by_defect = dict(zip(tests.defects, np.split(rest, ends[:-1]), strict=True))
    return summarise(normal, by_defect, detector.bundle.threshold(PERCENTILE), images_per_s)


def summarise(
    normal: NDArray[np.float64],
    by_defect: Mapping[str, NDArray[np.float64]],
    threshold: float,
    images_per_s: float,
) -> Evaluation:
    """Compute the metrics from the scores of normal images and of each defect class."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    anomalous = np.concatenate(list(by_defect.values()))
    labels = np.concatenate([np.zeros(len(normal)), np.ones(len(anomalous))])
    scores = np.concatenate([normal, anomalous])
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return Evaluation(
        image_auroc=_auroc(normal, anomalous),
        average_precision=float(average_precision_score(labels, scores)),
        f1_max=float(f1.max()),
        threshold=threshold,
        false_alarm_rate=float((normal > threshold).mean()),
        recall=float((anomalous > threshold).mean()),
        per_defect={name: _auroc(normal, values) for name, values in by_defect.items()},
        n_normal=len(normal),
        n_anomalous=len(anomalous),
        images_per_s=images_per_s,
    )


def _auroc(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    labels = np.concatenate([np.zeros(len(normal)), np.ones(len(anomalous))])
    return float(roc_auc_score(labels, np.concatenate([normal, anomalous])))


def _score(
    detector: Detector,
    paths: Sequence[Path],
    options: DecodeOptions,
    progress: Callable[[EvaluationProgress], None],
) -> NDArray[np.float64]:
    scores: list[float] = []
    for first in range(0, len(paths), _BATCH):
        frames = [
            decode(path.read_bytes(), suffix=path.suffix, options=options)
            for path in paths[first : first + _BATCH]
        ]
        scores += [scored.score for scored in detector.score(frames)]
        progress(EvaluationProgress(done=len(scores), total=len(paths)))
    return np.array(scores)
