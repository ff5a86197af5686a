"""The outliers among the training images, listed and drawn for a person to check.

A folder of normal images often holds some faults. Training leaves the highest losses out; here the
images that fit the finished model worst are shown, so that real faults can be removed.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from thermal.decode import DecodeOptions, decode
from thermal.detection.bundle import Outlier

SHEET_FILE = "outliers.png"
LIST_FILE = "outliers.csv"

_COLUMNS = 10
#: Outliers on the sheet; the list has all.
_SHOWN = 60


def save_outliers(
    output: Path, outliers: Sequence[Outlier], root: Path, *, options: DecodeOptions
) -> None:
    """Write a list and a sheet of `outliers`, worst first, into the folder `output`.

    Their paths are relative to `root`. Raises `OSError` if something cannot be read or written.
    """
    with (output / LIST_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image_path", "score"])
        writer.writerows([outlier.path, f"{outlier.score:.3f}"] for outlier in outliers)
    if outliers:
        _draw(output / SHEET_FILE, outliers[:_SHOWN], root, options)


def _draw(path: Path, outliers: Sequence[Outlier], root: Path, options: DecodeOptions) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    frames = [
        decode((root / s.path).read_bytes(), suffix=Path(s.path).suffix, options=options)
        for s in outliers
    ]
    low = min(float(frame.values.min()) for frame in frames)
    high = max(float(frame.values.max()) for frame in frames)
    rows = math.ceil(len(frames) / _COLUMNS)
    height, width = frames[0].shape
    figure = Figure(figsize=(15, 0.8 + rows * (0.45 + 1.35 * height / width)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False)
    for place in axes.flat:
        place.axis("off")
    for place, outlier, frame in zip(axes.flat, outliers, frames, strict=False):
        place.imshow(frame.values, cmap="inferno", vmin=low, vmax=high)
        place.set_title(f"{Path(outlier.path).name}\n{outlier.score:.2f} σ", fontsize=8)
    figure.suptitle("Outliers among the training images: delete those with a fault and train again")
    figure.savefig(path, dpi=80)
