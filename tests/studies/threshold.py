"""How the rolling threshold behaves on simulated streams, compared with an oracle.

``python -m tests.studies.threshold`` prints the table of ARCHITECTURE.md; ``--plot FILE`` also
plots the threshold in each scenario. The oracle is the fixed threshold at the true quantile of the
normal scores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermal.threshold import Baseline, RollingThreshold, WindowConfig

Floats = NDArray[np.float64]

#: Held-out normal scores of the simulated model.
HELD_OUT = 1440
#: Simulated streams per scenario.
SEEDS = 6


@dataclass(frozen=True)
class Scenario:
    """A stream of scores; `level` multiplies the scores of all its frames."""

    name: str
    frames: int = 20_000
    anomalies: float = 0.0  #: share of frames
    level: Callable[[Floats], Floats] = np.ones_like  #: as a function of the position, 0 to 1
    missing: float = 0.0  #: share of frames that never arrive
    new_camera: bool = False  #: not seen by the model, so the baseline is learned first
    fault_at: float | None = None  #: position at which a lasting fault begins


@dataclass(frozen=True)
class Outcome:
    """Metrics of a rule on a scenario, means over all seeds."""

    false_alarms: float  #: share of normal frames
    recall: float  #: share of anomalies
    oracle_recall: float


@dataclass(frozen=True, eq=False)
class Run:
    """Simulate one stream; all arrays have shape (n,)."""

    scores: Floats
    thresholds: Floats
    flagged: NDArray[np.bool_]
    anomalous: NDArray[np.bool_]
    level: Floats
    learning: NDArray[np.bool_]


SCENARIOS = (
    Scenario("clean stream"),
    Scenario("2 % anomalies", anomalies=0.02),
    Scenario("10 % anomalies", anomalies=0.10),
    Scenario("lasting fault", fault_at=0.5),
    Scenario("drift of +50 % over 20 windows", frames=40_000, level=lambda at: 1 + 0.5 * at),
    Scenario("drift of -33 % over 20 windows", frames=40_000, level=lambda at: 1 - at / 3),
    Scenario("new camera at 3 × the level", level=lambda at: 3 + 0 * at, new_camera=True),
    Scenario("new camera at a fifth", level=lambda at: 0.2 + 0 * at, new_camera=True),
    Scenario("20 % of frames missing, 2 % anomalies", anomalies=0.02, missing=0.2),
)

#: Distributions of normal scores with mean near 1: a long tail, and a short one that overlaps the
#: anomalies.
SHAPES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "log-normal": lambda rng, n: rng.lognormal(0.0, 0.3, n),
    "gamma": lambda rng, n: rng.gamma(9.0, 1 / 9, n),
}


def simulate(scenario: Scenario, shape: str, seed: int) -> Run:
    """Apply the rule to one simulated stream."""
    config = WindowConfig()
    rng = np.random.default_rng(seed)
    draw = SHAPES[shape]
    baseline = Baseline.from_scores(draw(rng, HELD_OUT), config)
    at = np.arange(scenario.frames) / scenario.frames
    anomalous = rng.random(scenario.frames) < scenario.anomalies
    if scenario.fault_at is not None:
        anomalous |= at >= scenario.fault_at
    scores = draw(rng, scenario.frames)
    scores[anomalous] *= rng.uniform(2.0, 3.5, int(anomalous.sum()))
    level = scenario.level(at)
    arrives = rng.random(scenario.frames) >= scenario.missing
    scores, anomalous, level = (scores * level)[arrives], anomalous[arrives], level[arrives]
    stream = RollingThreshold(config, baseline, learning=scenario.new_camera)
    decisions = [stream.decide(float(score)) for score in scores]
    return Run(
        scores=scores,
        thresholds=np.array([decision.threshold for decision in decisions]),
        flagged=np.array([decision.anomaly for decision in decisions]),
        anomalous=anomalous,
        level=level,
        learning=np.array([decision.learning for decision in decisions]),
    )


def measure(scenario: Scenario, shape: str, seeds: int = SEEDS) -> Outcome:
    """Metrics of the rule and the oracle for a scenario, without the learning frames."""
    oracle = true_threshold(shape)
    alarms, recalls, oracles = [], [], []
    for seed in range(seeds):
        run = simulate(scenario, shape, seed)
        known = ~run.learning
        normal, anomalous = known & ~run.anomalous, known & run.anomalous
        alarms.append(run.flagged[normal].mean())
        if anomalous.any():
            recalls.append(run.flagged[anomalous].mean())
            oracles.append((run.scores > oracle * run.level)[anomalous].mean())
    return Outcome(
        false_alarms=float(np.mean(alarms)),
        recall=float(np.mean(recalls)) if recalls else float("nan"),
        oracle_recall=float(np.mean(oracles)) if oracles else float("nan"),
    )


def true_threshold(shape: str) -> float:
    """The true quantile of the normal scores, which is unknown in practice."""
    scores = SHAPES[shape](np.random.default_rng(99), 1_000_000)
    return float(np.quantile(scores, WindowConfig().percentile / 100))


def table(seeds: int = SEEDS) -> str:
    """All scenarios as a Markdown table."""
    lines = [
        "| scenario | scores | false alarms | recall | oracle's recall |",
        "|---|---|---|---|---|",
    ]
    for scenario in SCENARIOS:
        for shape in SHAPES:
            found = measure(scenario, shape, seeds)
            recall = "" if np.isnan(found.recall) else f"{found.recall:.3f}"
            oracle = "" if np.isnan(found.oracle_recall) else f"{found.oracle_recall:.3f}"
            lines.append(
                f"| {scenario.name} | {shape} | {found.false_alarms:.2%} | {recall} | {oracle} |"
            )
    return "\n".join(lines)


def plot(path: Path, shape: str = "log-normal") -> None:
    """Plot scores, threshold and oracle of every scenario."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9), layout="constrained")
    FigureCanvasAgg(figure)
    oracle = true_threshold(shape)
    for axes, scenario in zip(figure.subplots(3, 3).flat, SCENARIOS, strict=True):
        run = simulate(scenario, shape, seed=0)
        x = np.arange(len(run.scores))
        normal = ~run.anomalous
        axes.plot(x[normal][::10], run.scores[normal][::10], ",", color="0.6")
        axes.plot(x[~normal][::5], run.scores[~normal][::5], ".", color="tab:orange", markersize=2)
        axes.plot(x, oracle * run.level, color="black", linewidth=1, linestyle="--")
        axes.plot(x, run.thresholds, color="tab:blue", linewidth=1.5)
        axes.set_title(scenario.name, fontsize=10)
        axes.set_xlabel("frame", fontsize=8)
        axes.set_ylim(0, max(2.2 * oracle * run.level.max(), 1.05 * run.thresholds.max()))
    figure.suptitle(
        "Rolling threshold (blue) and the oracle (dashed); normal scores grey, anomalies orange"
    )
    figure.savefig(path, dpi=80)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write the plot if requested."""
    parser = argparse.ArgumentParser(description="The rolling threshold on simulated streams.")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the scenarios as PNG")
    asked = parser.parse_args(arguments)
    print(table())
    if asked.plot:
        plot(asked.plot)


if __name__ == "__main__":
    main()
