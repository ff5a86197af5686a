"""How well the deviation of a result measures a spot of a known height.

``python -m tests.studies.deviation DATASET --work DIR`` prints a table of docs/results.md. DATASET
is in MVTec AD layout, with ``--matrix-unit`` where its files need one, or ``plant`` for the
simulated plant. One round spot is added to each normal test image; its deviation, if it has one
there, is divided by the height that was added. Models are stored in DIR.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ops.demo.input import simulated_plant
from ops.demo.plant import CAMERAS, SCALE, Plant, encode_png
from tests.studies.ablation import Floats, trained
from thermal.decode import DecodeOptions, decode
from thermal.detection.bundle import Bundle
from thermal.detection.detector import Detector
from thermal.detection.normalization import resize
from thermal.frame import Frame
from thermal.training.dataset import list_images, read_test_set, training_folder

#: Diameters of the spots, px of the image; those over half of the image's side are left out.
DIAMETERS_PX = (1, 2, 4, 8, 16, 32)
#: Heights in standard deviations of what the model leaves of normal images; one is colder.
HEIGHTS = (5, 10, 20, -10)
#: Fewest spots found from which a share is computed.
LEAST_FOUND = 10
#: Most images to train on and to test with, evenly taken, and frames of each simulated camera.
MOST_TRAINING, MOST_TESTED, PLANT_FRAMES = 1200, 100, 50


def simulated(work: Path) -> tuple[Bundle, list[Frame]]:
    """A model of the simulated plant and normal frames of its stream."""
    plant, options = Plant(seed=0), DecodeOptions(scale=SCALE)
    with TemporaryDirectory() as folder:
        source = simulated_plant(Path(folder), seed=0)
        bundle = trained(work / "plant", source.training, 0, size=source.size, options=options)
    shown = [one for camera in CAMERAS for one in plant.stream(camera, PLANT_FRAMES, 0.0)]
    return bundle, [decode(encode_png(one.counts), suffix=".png", options=options) for one in shown]


def real(dataset: Path, work: Path, options: DecodeOptions) -> tuple[Bundle, list[Frame]]:
    """A model of a dataset's training images, or of some of them, and its normal test images."""
    images = _some(list_images(training_folder(dataset)), MOST_TRAINING)
    bundle = trained(work / dataset.name, images, 0, options=options)
    tested = _some(read_test_set(dataset).normal, MOST_TESTED)
    return bundle, [decode(p.read_bytes(), suffix=p.suffix, options=options) for p in tested]


def _some(paths: Sequence[Path], most: int) -> Sequence[Path]:
    return paths[:: -(-len(paths) // most)]


def table(bundle: Bundle, frames: Sequence[Frame]) -> str:
    """Shares of the height that are measured, for each diameter and height."""
    detector = Detector(bundle, "cpu")
    noise = noise_of(detector, frames)
    unit = "K" if bundle.normalization.unit == "celsius" else "counts"
    height, width = frames[0].shape
    heading = " | ".join(f"{noise * one:+.3g} {unit}" for one in HEIGHTS)
    seen = f"{bundle.normalization.width}×{bundle.normalization.height}"
    lines = [
        f"{len(frames)} images of {width}×{height} px, which the model sees as {seen}; "
        f"σ is {noise:.2g} {unit}",
        "",
        f"| diameter | {heading} |",
        "|---" * (len(HEIGHTS) + 1) + "|",
    ]
    for diameter_px in DIAMETERS_PX:
        if diameter_px <= min(height, width) / 2:
            cells = [
                cell(*measured_shares(detector, frames, diameter_px, noise * one))
                for one in HEIGHTS
            ]
            lines.append(f"| {diameter_px} px | {' | '.join(cells)} |")
    return "\n".join(lines)


def noise_of(detector: Detector, frames: Sequence[Frame]) -> float:
    """Median standard deviation of image minus reconstruction, at the model's size."""
    return float(
        np.median(
            [
                np.std(resize(frame.values, *one.reconstruction.shape) - one.reconstruction)
                for frame, one in zip(frames, detector.score(frames), strict=True)
            ]
        )
    )


def measured_shares(
    detector: Detector, frames: Sequence[Frame], diameter_px: int, height: float
) -> tuple[Floats, int]:
    """Deviations that lie in the spot, as shares of its height; and how many frames there are."""
    random = np.random.default_rng(0)
    spots = [spot(random, frame.shape, diameter_px) for frame in frames]
    spotted = [
        replace(frame, values=np.asarray(frame.values + height * mask, np.float32))
        for frame, mask in zip(frames, spots, strict=True)
    ]
    found = [one.deviation for one in detector.score(spotted)]
    shares = [
        one.difference / height
        for one, mask in zip(found, spots, strict=True)
        if one is not None and mask[one.y, one.x]
    ]
    return np.array(shares), len(frames)


def spot(
    random: np.random.Generator, shape: tuple[int, int], diameter_px: int
) -> NDArray[np.bool_]:
    """(H, W), true in one disc that lies in the image."""
    top, left = (random.integers(0, side - diameter_px + 1) for side in shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    middle = (diameter_px - 1) / 2
    return np.asarray(np.hypot(y - top - middle, x - left - middle) <= diameter_px / 2)


def cell(shares: Floats, count: int) -> str:
    """Median with 10th and 90th percentile, and in how many frames the spot is what deviates."""
    found = f"{len(shares) / count:.0%}"
    if len(shares) < LEAST_FOUND:
        return f"({found})"
    low, middle, high = np.quantile(shares, [0.1, 0.5, 0.9])
    return f"{middle:.2f} ({low:.2f} to {high:.2f}), {found}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The deviation of spots of a known height.")
    parser.add_argument("dataset", type=Path, help="dataset in MVTec AD layout, or plant")
    parser.add_argument("--work", type=Path, required=True, help="where models are kept")
    parser.add_argument("--matrix-unit", choices=["celsius", "counts"], help="of matrix files")
    asked = parser.parse_args(arguments)
    options = DecodeOptions(matrix_unit=asked.matrix_unit)
    if asked.dataset == Path("plant"):
        print(table(*simulated(asked.work)))
    else:
        print(table(*real(asked.dataset, asked.work, options)))


if __name__ == "__main__":
    main()
