"""Input of the benchmark: images of the simulated plant, and a model for them.

The model is not trained, because training takes minutes and does not change the speed. It has the
architecture that training would choose, random weights, and a calibration on such images, so that
scores, windows and rows are realistic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ops.demo.plant import CAMERAS, Plant
from thermal.decode import decode
from thermal.detection.bundle import Bundle, TrainingInfo
from thermal.detection.normalization import Normalization, choose_size, prepare
from thermal.detection.score import Scorer
from thermal.detection.score_config import ScoreConfig
from thermal.training.calibrate import calibrate_map, calibrate_scores, held_out_distribution
from thermal.training.train import choose_architecture

#: Number of distinct images; a longer run repeats them.
DISTINCT: Final = 256
#: Images that the model is calibrated on; also its reference images for the density.
CALIBRATION: Final = 256
#: Standard deviation of the noise added to each image, in counts of 0.01 K.
_NOISE: Final = 5.0


@dataclass(frozen=True)
class ImageKind:
    """One kind of camera file."""

    width: int  #: px
    height: int  #: px
    suffix: Literal[".jpg", ".png", ".tiff"]  #: JPEG of 8 bits, PNG or TIFF of 16

    @property
    def described(self) -> str:
        """Size and format, for display."""
        return (
            f"{self.width}×{self.height} {'8' if self.suffix == '.jpg' else '16'}-bit "
            + {
                ".jpg": "JPEG",
                ".png": "PNG",
                ".tiff": "TIFF",
            }[self.suffix]
        )


KINDS: Final[Mapping[str, ImageKind]] = {
    "24x40": ImageKind(24, 40, ".jpg"),
    "160x120": ImageKind(160, 120, ".png"),
    "640x512": ImageKind(640, 512, ".png"),
    "640x512-tiff": ImageKind(640, 512, ".tiff"),
}


def image_files(kind: ImageKind, count: int, *, seed: int = 0) -> Iterator[bytes]:
    """The bytes of `count` distinct image files."""
    rng = np.random.default_rng(seed)
    for counts in islice(Plant(seed).training_frames(CAMERAS[0], count), count):
        scene = cv2.resize(counts.astype(np.float32), (kind.width, kind.height))
        yield _encoded(scene + rng.normal(0, _NOISE, scene.shape), kind.suffix)


def _encoded(values: NDArray[np.floating[Any]], suffix: str) -> bytes:
    if suffix == ".jpg":
        # 256 levels, from about 20 K below air temperature to 30 K above
        values = (values - 26_000) / 20
        pixels: NDArray[np.unsignedinteger[Any]] = values.clip(0, 255).astype(np.uint8)
    else:
        pixels = values.clip(0, 65_535).astype(np.uint16)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if suffix == ".png" else []
    _, data = cv2.imencode(suffix, pixels, options)
    return data.tobytes()


def write_images(kind: ImageKind, folder: Path) -> list[Path]:
    """Write `DISTINCT` image files into `folder`."""
    folder.mkdir(parents=True)
    paths = []
    for number, data in enumerate(image_files(kind, DISTINCT)):
        paths.append(folder / f"{number:04}{kind.suffix}")
        paths[-1].write_bytes(data)
    return paths


def calibrated_bundle(kind: ImageKind, *, images: int = CALIBRATION) -> Bundle:
    """A calibrated, untrained model of the architecture that training would choose."""
    frames = [decode(data) for data in image_files(kind, images, seed=1)]
    height, width = choose_size([frame.shape for frame in frames])
    values = np.stack([frame.values for frame in frames])
    normalization = Normalization(
        height, width, offset=float(values.mean()), span=float(values.std()), unit="counts"
    )
    architecture = choose_architecture(height, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        scorer = Scorer(architecture, ScoreConfig()).eval()
    prepared = torch.from_numpy(np.stack([prepare(frame, normalization) for frame in frames]))
    prepared = prepared[:, None]  # (N, 1, H, W)
    held_out = torch.arange(images) % 4 == 0
    calibrate_map(scorer, prepared[held_out])
    scores = calibrate_scores(scorer, prepared, held_out, seed=0)
    return Bundle(
        architecture=architecture,
        normalization=normalization,
        training=TrainingInfo(
            seed=0,
            images=images,
            held_out=int(held_out.sum()),
            fingerprint="benchmark",
            cameras=(),
            metrics={},
            versions={},
            notes=("Made by `thermalwatch bench`: calibrated, not trained.",),
        ),
        weights={name: t.float().cpu().numpy() for name, t in scorer.state_dict().items()},
        scoring=scorer.config,
        held_out_scores=held_out_distribution(scores[held_out.numpy()], scorer.config),
    )
