"""What each part of the detector contributes: one model per seed, scored in many ways.

``python -m tests.studies.ablation DATASET --work DIR`` trains on ``train/good`` of a dataset in
MVTec AD layout and prints the table of docs/detection.md. Models are stored in DIR and trained only
if missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ops.model.training import run_training
from thermal.decode import DecodeOptions, decode
from thermal.detection.bundle import Bundle, load_bundle, save_bundle
from thermal.detection.detector import Detector
from thermal.detection.normalization import prepare
from thermal.detection.score import SIGNALS, Scorer
from thermal.evaluation.evaluate import TARGET_FAR
from thermal.evaluation.pixel_metrics import auroc
from thermal.training.dataset import list_images, read_test_set, training_folder
from thermal.training.fit import in_parts

Floats = NDArray[np.float64]

_PLAIN = DecodeOptions()

#: Seeds of the models. Metrics are means over them.
SEEDS = 3


@dataclass(frozen=True, eq=False)
class Images:
    """A test set, normalized for a model; groups are ``good`` and the defects."""

    values: Tensor  #: (N, 1, H, W), normalized
    groups: Mapping[str, slice]


@dataclass(frozen=True)
class Worth:
    """Metrics of one way of scoring."""

    auroc: float  #: image AUROC, all defects together
    worst: float  #: image AUROC of the worst defect
    worst_defect: str
    false_alarms: float | None = None  #: share of test/good above the bundle's threshold


# Ways to score with one model: from images and outputs of the networks to scores.
Way = Callable[[Scorer, Tensor], Tensor]


def _residual(scorer: Scorer, image: Tensor) -> Tensor:
    residual: Tensor = (image - scorer.autoencoder(image))[:, 0]
    return residual


def _per_pixel(scorer: Scorer, image: Tensor) -> Tensor:
    standard = (_residual(scorer, image) - scorer.residual_mean) / scorer.residual_sigma
    return standard.abs().flatten(1).amax(1)


def _signals(*names: str) -> Way:
    """Combine the named signals as the score combines all of them."""
    places = [SIGNALS.index(name) for name in names]

    def score(scorer: Scorer, image: Tensor) -> Tensor:
        evidence = scorer.evidence(scorer.observe(image).values)
        return scorer.combine(evidence[:, places])

    return score


#: Rows of the table: each adds a part.
WAYS: dict[str, Way] = {
    "no model: max − mean of the image": lambda _, x: x.flatten(1).amax(1) - x.flatten(1).mean(1),
    "autoencoder, mean squared error": lambda s, x: _residual(s, x).square().mean((1, 2)),
    "autoencoder, largest residual": lambda s, x: _residual(s, x).abs().flatten(1).amax(1),
    "… in σ of its pixel on held-out normals": _per_pixel,
    "… smoothed: the signal `residual`": lambda s, x: s.observe(x).values[:, 0],
    "the signal `structure` (synthetic faults)": lambda s, x: s.observe(x).values[:, 1],
    "the signal `density` (local density)": lambda s, x: s.observe(x).values[:, 2],
    "all three signals, added as they are": lambda s, x: s.observe(x).values.sum(1),
    "`residual` and `structure`, calibrated": _signals("residual", "structure"),
    "`residual` and `density`, calibrated": _signals("residual", "density"),
    "`structure` and `density`, calibrated": _signals("structure", "density"),
    "all three, calibrated: the score": lambda s, x: s(x).score,
}


def trained(
    place: Path,
    images: Sequence[Path],
    seed: int,
    *,
    size: tuple[int, int] | None = None,
    options: DecodeOptions = _PLAIN,
) -> Bundle:
    """The model at `place`. If there is none, train it on `images` and store it there."""
    if not (place / "model.json").is_file():
        started = time.monotonic()
        chosen = {"seed": seed, "size": size}
        bundle = run_training(images, cameras=(), options=options, chosen=chosen)
        save_bundle(bundle, place)
        print(f"trained {place} in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return load_bundle(place)


def read_images(dataset: Path, bundle: Bundle) -> Images:
    """All test images, normalized for a model."""
    tests = read_test_set(dataset)
    values: list[NDArray[np.float32]] = []
    groups: dict[str, slice] = {}
    for name, paths in {"good": tests.normal, **tests.defects}.items():
        groups[name] = slice(len(values), len(values) + len(paths))
        values += [
            prepare(decode(path.read_bytes(), suffix=path.suffix), bundle.normalization)
            for path in paths
        ]
    return Images(torch.from_numpy(np.stack(values))[:, None], groups)


def worth(scores: Floats, groups: Mapping[str, slice], threshold: float | None = None) -> Worth:
    """Metrics of one way of scoring, from the scores of all images."""
    normal = scores[groups["good"]]
    by_defect = {
        name: auroc(normal, scores[place]) for name, place in groups.items() if name != "good"
    }
    worst = min(by_defect, key=lambda name: by_defect[name])
    return Worth(
        auroc=auroc(normal, np.delete(scores, groups["good"])),
        worst=by_defect[worst],
        worst_defect=worst,
        false_alarms=None if threshold is None else float((normal > threshold).mean()),
    )


def scores_of(way: Way, scorer: Scorer, values: Tensor) -> Floats:
    """Scores of all images, (N,)."""
    with torch.inference_mode():
        parts = [way(scorer, part) for part in in_parts(values, torch.device("cpu"))]
    return np.asarray(torch.cat(parts).double().numpy())


def measure(bundle: Bundle, dataset: Path) -> dict[str, Worth]:
    """Metrics of every way to score with one model."""
    images = read_images(dataset, bundle)
    scorer = Detector(bundle, "cpu").scorer
    found = {}
    for name, way in WAYS.items():
        scores = scores_of(way, scorer, images.values)
        threshold = bundle.threshold(TARGET_FAR) if name == list(WAYS)[-1] else None
        found[name] = worth(scores, images.groups, threshold)
    return found


def table(by_seed: Sequence[Mapping[str, Worth]]) -> str:
    """Means over the seeds as a Markdown table."""
    lines = [
        "| scored by | image AUROC | ± over seeds | worst class | its AUROC | false alarms |",
        "|---|---|---|---|---|---|",
    ]
    for name in WAYS:
        rows = [found[name] for found in by_seed]
        aurocs = np.array([row.auroc for row in rows])
        worst = min(rows, key=lambda row: row.worst)
        alarms = [row.false_alarms for row in rows if row.false_alarms is not None]
        share = f"{np.mean(alarms):.2%}" if alarms else ""
        lines.append(
            f"| {name} | {aurocs.mean():.3f} | {aurocs.std():.3f} | {worst.worst_defect} "
            f"| {worst.worst:.3f} | {share} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train missing models, and print the table."""
    parser = argparse.ArgumentParser(description="What each part of the detector is worth.")
    parser.add_argument("dataset", type=Path, help="dataset in MVTec AD layout")
    parser.add_argument("--work", type=Path, required=True, help="where models are kept")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"models, {SEEDS} unless told")
    asked = parser.parse_args(arguments)
    images = list_images(training_folder(asked.dataset))
    found = []
    for seed in range(asked.seeds):
        bundle = trained(asked.work / f"seed-{seed}", images, seed)
        found.append(measure(bundle, asked.dataset))
    print(table(found))


if __name__ == "__main__":
    main()
