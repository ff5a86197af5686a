"""Folders of images, plain or in the layout of MVTec AD, and the images of one training.

MVTec AD (Bergmann et al., CVPR 2019): ``train/good``, ``test/good``, ``test/<defect>``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermal.decode import IMAGE_SUFFIXES, DecodeOptions, decode
from thermal.detection.frame_kind import FrameKind, commonest, mismatch
from thermal.detection.normalization import Normalization, choose_size, prepare
from thermal.errors import DatasetError, DecodeError, TrainingError
from thermal.frame import Frame, Unit

#: The folder of normal images, in ``train`` and in ``test``.
GOOD = "good"

#: Frames whose shapes and depths are sampled to choose the network's and the model's.
_KIND_SAMPLE = 32
#: Share of images of another shape or depth above which a folder is not of one camera.
MOST_MISMATCHED = 0.1


@dataclass(frozen=True)
class TestSet:
    """The ``test`` half of a dataset in MVTec layout."""

    __test__ = False  # the name is the field's; pytest must not collect it

    normal: tuple[Path, ...]
    defects: Mapping[str, tuple[Path, ...]]  #: class name → images, at least one class


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Decoded training images, normalized with the offset and span of all of them."""

    images: NDArray[np.float32]  #: (N, H, W) spans from the offset
    names: tuple[str, ...]  #: N paths relative to the folder that holds them all
    normalization: Normalization
    fingerprint: str  #: digest of names and content
    frames: FrameKind  #: that most of the images have
    unreadable: tuple[str, ...]  #: names of the files that are not images
    mismatched: tuple[str, ...]  #: names of the images of another depth or shape than most


def list_images(folder: Path) -> list[Path]:
    """List the images below `folder` in a stable order (sorted by path), without hidden ones.

    Raises:
        DatasetError: the folder does not exist or holds no image, or it or one inside cannot be
            listed.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder")

    def refuse(error: OSError) -> None:
        raise DatasetError(f"{error.filename} cannot be listed: {error.strerror}") from error

    images: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images += [
            path
            for name in names
            if not name.startswith(".")
            and (path := Path(parent, name)).suffix.lower() in IMAGE_SUFFIXES
            and path.is_file()
        ]
    images.sort()
    if not images:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise DatasetError(f"{folder} holds no images (looked for {kinds})")
    return images


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all files; a training's names are relative to it."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def training_folder(dataset: Path) -> Path:
    """Return the folder with the normal images: ``train/good`` if it exists, else itself."""
    good = dataset / "train" / GOOD
    return good if good.is_dir() else dataset


def read_test_set(dataset: Path) -> TestSet:
    """Read the ``test`` folder of a dataset in MVTec layout.

    Raises `DatasetError` if ``test/good`` or every defect folder is missing or empty.
    """
    test = dataset / "test"
    normal = list_images(test / GOOD)
    folders = sorted(path for path in test.iterdir() if path.is_dir() and path.name != GOOD)
    if not folders:
        raise DatasetError(f"{test} holds no defect folder besides {GOOD}/: nothing to detect")
    defects = {folder.name: tuple(list_images(folder)) for folder in folders}
    return TestSet(normal=tuple(normal), defects=defects)


def mask_of(dataset: Path, image: Path) -> Path | None:
    """Return a test image's mask, ``ground_truth/<defect>/<name>_mask.png``, or None."""
    path = dataset / "ground_truth" / image.parent.name / f"{image.stem}_mask.png"
    return path if path.is_file() else None


def read_training_images(
    paths: Sequence[Path], size: tuple[int, int] | None, options: DecodeOptions
) -> TrainingImages:
    """Decode and normalize the training images; `size` is (height, width), None to choose it.

    Files that are not images, and images of another depth or shape than most, are left out and
    named in the result. Pixels out of range get the highest or lowest value of the others in their
    image, so that they do not outweigh them. Raises `TrainingError` if the images are of different
    units, if many differ in depth or shape, or if nothing can be learned from them.
    """
    root = common_folder(paths)
    digest = hashlib.blake2b(digest_size=16)
    images: list[NDArray[np.float32]] = []
    names: list[str] = []
    unreadable: list[str] = []
    mismatched: list[str] = []
    kinds = _sampled_kinds(paths, options)
    kind = commonest(kinds)
    height, width = size or choose_size([(each.height, each.width) for each in kinds])
    unit: Unit | None = None
    for path in paths:
        name = path.relative_to(root).as_posix()
        data = path.read_bytes()
        try:
            frame = decode(data, suffix=path.suffix, options=options)
        except DecodeError:
            unreadable.append(name)
            continue
        if unit is not None and frame.unit != unit:
            raise TrainingError(
                f"{path} is in {frame.unit}, images before it in {unit}: train one model a unit"
            )
        unit = frame.unit
        if mismatch(frame, unit, kind):
            mismatched.append(name)
            continue
        images.append(prepare(_in_range(frame), Normalization(height, width, 0.0, 1.0, unit)))
        names.append(name)
        digest.update(
            f"\n{name}\n".encode(errors="surrogateescape") + hashlib.sha256(data).digest()
        )
    if unit is None:
        raise TrainingError(f"none of the {len(paths)} files in {root} can be read as an image")
    if len(mismatched) > MOST_MISMATCHED * len(paths):
        raise TrainingError(
            f"{len(mismatched)} of {len(paths)} images have another shape or depth than "
            f"{kind.width}×{kind.height} px of {kind.bit_depth} bits, as {mismatched[0]}: "
            "train one model a camera and resolution"
        )
    values = np.stack(images)
    offset, span = offset_and_span(values)
    return TrainingImages(
        images=(values - np.float32(offset)) / np.float32(span),
        names=tuple(names),
        normalization=Normalization(height, width, offset, span, unit),
        fingerprint=digest.hexdigest(),
        frames=kind,
        unreadable=tuple(unreadable),
        mismatched=tuple(mismatched),
    )


def offset_and_span(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the median of all values and half the width of their middle 68 %.

    For normally distributed values that is their mean and standard deviation; hot outliers do
    not move it. Raises `TrainingError` if all images are one constant.
    """
    low, offset, high = (float(q) for q in np.quantile(values, [0.16, 0.5, 0.84]))
    span = (high - low) / 2 or float(values.std())
    if span <= 0:
        raise TrainingError("all pixels of all images have one value: nothing to learn")
    return offset, span


def _sampled_kinds(paths: Sequence[Path], options: DecodeOptions) -> list[FrameKind]:
    kinds: list[FrameKind] = []
    for path in paths[:: max(1, len(paths) // _KIND_SAMPLE)]:
        try:
            frame = decode(path.read_bytes(), suffix=path.suffix, options=options)
        except DecodeError:
            continue  # reported when all files are read
        kinds.append(FrameKind.of(frame))
    if not kinds:
        raise TrainingError("none of the sampled files can be read as an image")
    return kinds


def _in_range(frame: Frame) -> Frame:
    """The frame with the extremes of its measured pixels in place of those out of range."""
    if not (frame.saturated_px or frame.under_range_px):
        return frame
    measured = frame.values[frame.in_range]
    if not measured.size:
        return frame
    return replace(frame, values=frame.values.clip(measured.min(), measured.max()))
