"""One picture of an evaluation: scores by class, ROC, AUROC by class, and the worst mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thermal.decode import DecodeOptions, decode
from thermal.evaluation.evaluate import Evaluation, TestScores
from thermal.training.dataset import GOOD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NORMAL, _ANOMALOUS, _LINE = "#4c8dbf", "#d9652b", "0.25"
#: Worst mistakes that are shown of each kind.
_SHOWN = 8
_BINS = 60


def save_evaluation_sheet(
    path: Path, found: TestScores, evaluation: Evaluation, *, options: DecodeOptions
) -> None:
    """Draw the sheet as a PNG file. Raises `OSError` if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 11), layout="constrained")
    FigureCanvasAgg(figure)
    charts, mistakes = figure.subfigures(2, 1, height_ratios=(5, 4), squeeze=False)[:, 0]
    histogram, roc, classes = charts.subplots(1, 3, width_ratios=(5, 4, 4))
    _draw_histogram(histogram, found, evaluation)
    _draw_roc(roc, found, evaluation)
    _draw_classes(classes, evaluation)
    rows = mistakes.subplots(2, _SHOWN, squeeze=False)
    normal = np.argsort(-found.normal)[:_SHOWN]
    first = len(found.normal)
    missed = first + np.argsort(found.scores[first:])[:_SHOWN]
    _draw_images(rows[0], found, normal, evaluation, "normal", options)
    _draw_images(rows[1], found, missed, evaluation, "anomalous", options)
    mistakes.suptitle("Highest scores of normal images, lowest scores of anomalous ones")
    figure.savefig(path, dpi=90)


def _draw_histogram(axes: Axes, found: TestScores, evaluation: Evaluation) -> None:
    bins = np.linspace(0, float(np.quantile(found.scores, 0.995)), _BINS)
    capped = {"normal": found.normal} | dict(sorted(found.by_defect.items()))
    for place, scores in enumerate(capped.values()):
        counts, _ = np.histogram(np.minimum(scores, bins[-1]), bins)
        height = 0.9 * counts / counts.max()
        colour = _NORMAL if place == 0 else _ANOMALOUS
        axes.fill_between(bins[:-1], -place, -place + height, step="post", color=colour, alpha=0.8)
    axes.axvline(evaluation.threshold, color=_LINE, linestyle="--", linewidth=1)
    axes.set_yticks([0.3 - place for place in range(len(capped))], list(capped))
    axes.set_xlabel("score, σ (the dashed line is the threshold)")
    axes.set_title("Scores by class")


def _draw_roc(axes: Axes, found: TestScores, evaluation: Evaluation) -> None:
    from sklearn.metrics import roc_curve

    labels = np.arange(len(found.scores)) >= len(found.normal)
    false_alarms, recall, _ = roc_curve(labels, found.scores)
    low, high = evaluation.image_auroc_interval
    axes.plot(false_alarms, recall, color=_ANOMALOUS)
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    axes.plot(
        evaluation.false_alarm_rate, evaluation.recall, "o", color=_LINE, label="at the threshold"
    )
    axes.set(xlabel="false alarms", ylabel="recall", xlim=(-0.02, 1), ylim=(0, 1.02))
    axes.set_title(f"ROC, area {evaluation.image_auroc:.3f} ({low:.3f} to {high:.3f})")
    axes.legend(loc="lower right")


def _draw_classes(axes: Axes, evaluation: Evaluation) -> None:
    ordered = sorted(evaluation.per_defect.items(), key=lambda item: item[1])
    names, values = zip(*ordered, strict=True)
    axes.barh(names, values, color=_ANOMALOUS, alpha=0.8)
    for place, value in enumerate(values):
        axes.text(value - 0.01, place, f"{value:.3f}", va="center", ha="right", color="white")
    axes.set_xlim(min(0.5, *values), 1)
    axes.set_title("Image AUROC by class")


def _draw_images(
    row: NDArray[Any],
    found: TestScores,
    chosen: NDArray[np.intp],
    evaluation: Evaluation,
    kind: str,
    options: DecodeOptions,
) -> None:
    for axes in row:
        axes.axis("off")
    paths = [found.paths[index] for index in chosen]
    frames = [decode(p.read_bytes(), suffix=p.suffix, options=options) for p in paths]
    low = min(float(frame.values.min()) for frame in frames)  # one scale for all
    high = max(float(frame.values.max()) for frame in frames)
    for axes, index, path, frame in zip(row, chosen, paths, frames, strict=False):
        score = found.scores[index]
        axes.imshow(frame.values, cmap="inferno", vmin=low, vmax=high)
        flagged = score > evaluation.threshold
        wrong = flagged == (kind == "normal")
        name = path.parent.name if path.parent.name != GOOD else "normal"
        axes.set_title(
            f"{name}\n{path.name}\n{score:.2f} σ{', wrong' if wrong else ''}", fontsize=8
        )
