"""How the detector performs on imperfect input, and how fast it is.

``python -m tests.studies.robustness WHAT DATASET --work DIR`` prints a table of docs/detection.md;
WHAT is ``planted`` (small hot spots on normal images, found by pixels), ``contaminated`` (faults
among the training images), ``small`` (few training images), ``scene`` (the simulated plant) or
``cost`` (compared with the autoencoder alone). Models are stored in DIR and shared with
`tests.studies.ablation`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from ops.demo.input import simulated_plant
from ops.demo.plant import CAMERAS, SCALE, Plant, encode_png
from tests.studies.ablation import Floats, trained
from thermal.decode import DecodeOptions, decode
from thermal.detection.bundle import Bundle
from thermal.detection.detector import Detector
from thermal.detection.score import SIGNALS, Scorer
from thermal.detection.score_config import ScoreConfig
from thermal.evaluation.evaluate import TARGET_FAR
from thermal.evaluation.pixel_metrics import aupro, auroc, pixel_auroc
from thermal.frame import Frame
from thermal.training.dataset import list_images, read_test_set, training_folder
from thermal.training.train import choose_architecture

#: Diameters of planted spots, px, and their peaks in standard deviations of the image's noise.
DIAMETERS_PX = (2, 4, 6, 8)
PEAKS = (3, 5, 10)
#: Share of the training images that are faults.
CONTAMINATION = 0.02
#: Sizes of small training folders, and how many of each are drawn.
SMALL_FOLDERS = (15, 30, 60, 200)
DRAWS = 3
#: Frames of each simulated camera, and the share of them with a fault.
SCENE_STREAM = (500, 0.12)
#: Size and number of the frames that are timed, and repetitions.
COST_SIZE, COST_BATCH, COST_ROUNDS = (128, 128), 32, 30


def planted(dataset: Path, work: Path) -> str:
    """AUPRO and pixel AUROC for each size and peak of spot, on the normal test images."""
    bundle = clean_model(dataset, work)
    detector = Detector(bundle, "cpu")
    frames = read_frames(read_test_set(dataset).normal)
    sigma = noise_of(detector, frames)
    lines = ["| diameter | " + " | ".join(f"+{peak} σ" for peak in PEAKS) + " |"]
    lines.append("|---" * (len(PEAKS) + 1) + "|")
    for diameter in DIAMETERS_PX:
        cells = []
        for peak in PEAKS:
            count = len(frames)
            maps, masks = plant(detector, frames, [diameter] * count, [peak * sigma] * count)
            cells.append(f"{aupro(maps, masks):.3f} ({pixel_auroc(maps, masks):.3f})")
        lines.append(f"| {diameter} px | {' | '.join(cells)} |")
    random = np.random.default_rng(0)
    diameters = random.integers(min(DIAMETERS_PX), max(DIAMETERS_PX) + 1, len(frames))
    peaks = sigma * random.uniform(min(PEAKS), max(PEAKS), len(frames))
    maps, masks = plant(detector, frames, diameters, peaks)
    lines.append(
        f"\nAll of {min(DIAMETERS_PX)} to {max(DIAMETERS_PX)} px and +{min(PEAKS)} to "
        f"+{max(PEAKS)} σ together: AUPRO {aupro(maps, masks):.3f}, "
        f"pixel AUROC {pixel_auroc(maps, masks):.3f}"
    )
    return "\n".join(
        [f"AUPRO (pixel AUROC); σ is {sigma:.1f} {bundle.normalization.unit}", "", *lines]
    )


def noise_of(detector: Detector, frames: Sequence[Frame]) -> float:
    """Median standard deviation of frame minus reconstruction, in the frames' unit."""
    pairs = zip(frames, detector.score(frames), strict=True)
    return float(np.median([np.std(frame.values - one.reconstruction) for frame, one in pairs]))


def plant(
    detector: Detector,
    frames: Sequence[Frame],
    diameters_px: Sequence[int] | NDArray[np.int64],
    peaks: Sequence[float] | Floats,
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.bool_]]]:
    """Anomaly maps and masks of frames, each with one round spot of the given peak."""
    random = np.random.default_rng(0)
    spotted, masks = [], []
    for frame, diameter_px, peak in zip(frames, diameters_px, peaks, strict=True):
        height, width = frame.shape
        middle = (diameter_px - 1) / 2
        top, left = (random.integers(0, side - diameter_px + 1) for side in (height, width))
        y, x = np.mgrid[:height, :width]
        mask = np.hypot(y - top - middle, x - left - middle) <= diameter_px / 2
        spotted.append(replace(frame, values=frame.values + np.float32(peak) * mask))
        masks.append(np.asarray(mask))
    return [np.abs(one.anomaly_map) for one in detector.score(spotted)], masks


def contaminated(dataset: Path, work: Path) -> str:
    """Effect of faults among the training images, and how many are listed as outliers."""
    good = list_images(training_folder(dataset))
    tests = read_test_set(dataset)
    faults = [path for paths in tests.defects.values() for path in paths]
    random = np.random.default_rng(0)
    count = round(CONTAMINATION * len(good))
    chosen = {faults[i] for i in random.choice(len(faults), count, replace=False)}
    mixed = sorted([*good, *chosen], key=lambda path: path.name)
    left = [path for path in faults if path not in chosen]
    clean, dirty = clean_model(dataset, work), trained(work / "contaminated", mixed, seed=0)
    outliers = {Path(outlier.path).name for outlier in dirty.training.outliers}
    found = len(outliers & {path.name for path in chosen})
    lines = ["| training images | image AUROC | faults among the outliers |", "|---|---|---|"]
    for name, bundle, listed in (
        (f"{len(good)} normal", clean, ""),
        (f"and {count} faults", dirty, f"{found} of {count}; {len(outliers)} are listed"),
    ):
        detector = Detector(bundle, "cpu")
        value = auroc(scores_of(detector, tests.normal), scores_of(detector, left))
        lines.append(f"| {name} | {value:.3f} | {listed} |")
    return "\n".join(lines)


def small(dataset: Path, work: Path) -> str:
    """Metrics with few training images."""
    good = list_images(training_folder(dataset))
    tests = read_test_set(dataset)
    faults = [path for paths in tests.defects.values() for path in paths]
    lines = ["| training images | image AUROC | false alarms | recall |", "|---|---|---|---|"]
    for count in SMALL_FOLDERS:
        figures = []
        for draw in range(DRAWS):
            chosen = np.random.default_rng(draw).choice(len(good), count, replace=False)
            images = [good[i] for i in sorted(chosen)]
            bundle = trained(work / f"small-{count}-{draw}", images, seed=draw)
            detector = Detector(bundle, "cpu")
            normal, faulty = scores_of(detector, tests.normal), scores_of(detector, faults)
            threshold = bundle.threshold(TARGET_FAR)
            figures.append(
                (auroc(normal, faulty), (normal > threshold).mean(), (faulty > threshold).mean())
            )
        lowest, highest = (pick(f[0] for f in figures) for pick in (min, max))
        means = np.mean(figures, 0)
        lines.append(
            f"| {count} | {means[0]:.3f} ({lowest:.3f} to {highest:.3f}) | {means[1]:.1%} "
            f"| {means[2]:.0%} |"
        )
    return "\n".join(lines)


def cost(dataset: Path, work: Path) -> str:
    """Time of scoring compared with the autoencoder's forward pass, alternating in one run."""
    scorer = Scorer(
        choose_architecture(*COST_SIZE), ScoreConfig(), components=64, references=8192
    ).eval()
    images = torch.randn(COST_BATCH, 1, *COST_SIZE)
    passes: dict[str, Callable[[torch.Tensor], object]] = {
        "autoencoder": scorer.autoencoder,
        "score": scorer,
    }
    times: dict[str, list[float]] = {name: [] for name in passes}
    with torch.inference_mode():
        for _ in range(COST_ROUNDS):
            for name, run in passes.items():
                started = time.perf_counter()
                run(images)
                times[name].append(time.perf_counter() - started)
    medians = {name: float(np.median(one)) for name, one in times.items()}
    ratio = medians["score"] / medians["autoencoder"]
    return "\n".join(
        [f"| {COST_BATCH} frames of {COST_SIZE[0]}×{COST_SIZE[1]} px | ms a frame |", "|---|---|"]
        + [f"| {name} | {1000 * time_s / COST_BATCH:.2f} |" for name, time_s in medians.items()]
        + [f"| ratio | {ratio:.2f} |"]
    )


def scene(_dataset: Path, work: Path) -> str:
    """Image AUROC of score and signals on the simulated plant, which has larger images."""
    plant, options = Plant(seed=0), DecodeOptions(scale=SCALE)
    with TemporaryDirectory() as folder:
        source = simulated_plant(Path(folder), seed=0)
        bundle = trained(work / "scene", source.training, 0, size=source.size, options=options)
    shown = [one for camera in CAMERAS for one in plant.stream(camera, *SCENE_STREAM)]
    frames = [decode(encode_png(one.counts), suffix=".png", options=options) for one in shown]
    faulty = np.array([one.truth is not None for one in shown])
    scored = Detector(bundle, "cpu").score(frames)
    columns = {"score": np.array([one.score for one in scored])} | {
        f"`{name}` alone": np.array([one.signals[name] for one in scored]) for name in SIGNALS
    }
    lines = [f"| {len(frames)} frames, {faulty.sum()} with a fault | image AUROC |", "|---|---|"]
    lines += [f"| {n} | {auroc(v[~faulty], v[faulty]):.3f} |" for n, v in columns.items()]
    return "\n".join(lines)


def clean_model(dataset: Path, work: Path) -> Bundle:
    """The ablation's model of seed 0."""
    return trained(work / "seed-0", list_images(training_folder(dataset)), seed=0)


def read_frames(paths: Sequence[Path]) -> list[Frame]:
    """Decoded images."""
    return [decode(path.read_bytes(), suffix=path.suffix) for path in paths]


def scores_of(detector: Detector, paths: Sequence[Path]) -> Floats:
    """Scores of image files, (N,)."""
    return np.array([scored.score for scored in detector.score(read_frames(paths))])


STUDIES = {
    "planted": planted,
    "contaminated": contaminated,
    "small": small,
    "scene": scene,
    "cost": cost,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the requested table."""
    parser = argparse.ArgumentParser(description="The detector under less than perfect input.")
    parser.add_argument("what", choices=STUDIES, help="the table to print")
    parser.add_argument("dataset", type=Path, help="dataset in MVTec AD layout")
    parser.add_argument("--work", type=Path, required=True, help="where models are kept")
    asked = parser.parse_args(arguments)
    print(STUDIES[asked.what](asked.dataset, asked.work))


if __name__ == "__main__":
    main()
