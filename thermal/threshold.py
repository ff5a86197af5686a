"""The rolling threshold: the reference of the rule that `storage/stream/window.lua` runs in Redis.

A plain percentile of the last N scores lets anomalies raise their own threshold; leaving flagged
scores out of that percentile ratchets it down. So the *body* of the window (a quantile that
anomalies hardly move) is followed, and the distance from body to tail is taken from held-out
normal scores, where it was calibrated. For a stream of one camera under one model:

1. ``body`` = the ``body_percentile / percentile`` quantile of the last ``window_size`` unflagged
   scores; dividing corrects for the flagged tail that is missing from the window.
2. ``target = body * tail``; the threshold moves towards it by at most the factor
   ``(1 + max_step) ** (1 / window_size)`` a frame: drift is followed, a lasting fault is not.
3. ``anomaly = score > threshold``; ``p_value = (1 + #{window >= score}) / (n + 1)`` (Davison and
   Hinkley, Bootstrap Methods and their Application, 1997, section 4.2: the add-one rank p-value).
4. An unflagged score enters the window and the oldest leaves.
5. While more than `HOLD_SHARE` of the last `HOLD_FRAMES` frames were flagged, window and threshold
   stand still (``held``): the weaker half of a lasting fault would raise the body step by step.

A camera without a baseline starts in ``learning``: its first ``learn_frames`` scores all enter the
window and set its baseline.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Number of last frames that are looked at for a lasting fault.
HOLD_FRAMES = 100
#: Share of them above which the stream is held; far above what single anomalies reach.
HOLD_SHARE = 0.20


@dataclass(frozen=True)
class WindowConfig:
    """The settings of the rolling threshold."""

    #: Number of unflagged scores that the window holds.
    window_size: int = 2000
    #: Percentile of normal scores at which the threshold lies: 99.5 is a budget of 0.5 % alarms.
    percentile: float = 99.5
    #: Percentile at which the window's body is measured; below `percentile`.
    body_percentile: float = 75.0
    #: Largest relative move of the threshold over `window_size` frames.
    max_step: float = 0.10
    #: Number of first frames of a camera that the model has not seen; they set its baseline.
    learn_frames: int = 200

    def __post_init__(self) -> None:
        if not 50 < self.percentile < 100:
            raise ValueError(
                f"percentile: should lie between 50 and 100, given {self.percentile:g}"
            )
        if not 0 < self.body_percentile < self.percentile:
            raise ValueError(
                f"body_percentile: should lie between 0 and percentile ({self.percentile:g}), "
                f"given {self.body_percentile:g}"
            )
        if not self.max_step > 0:
            raise ValueError(f"max_step: should be above 0, given {self.max_step:g}")
        if not 1 <= self.window_size <= 1_000_000:
            raise ValueError(
                f"window_size: should lie between 1 and 1,000,000, given {self.window_size}"
            )
        if not 1 <= self.learn_frames <= self.window_size:
            raise ValueError(
                f"learn_frames: should lie between 1 and window_size ({self.window_size}), "
                f"given {self.learn_frames}"
            )

    @property
    def step_factor(self) -> float:
        """Largest factor by which the threshold moves from one frame to the next."""
        return float((1.0 + self.max_step) ** (1.0 / self.window_size))

    @property
    def steady_quantile(self) -> float:
        """Quantile of the unflagged scores that stands for the body of all scores."""
        return self.body_percentile / self.percentile


@dataclass(frozen=True)
class Baseline:
    """Where a stream starts before it has scores of its own: the held-out normal scores."""

    scores: tuple[float, ...]  #: fill the window at the start, oldest first
    tail: float  #: ratio of the percentile to the body percentile
    threshold: float  #: the first threshold

    @classmethod
    def from_scores(cls, held_out: ArrayLike, config: WindowConfig) -> Baseline:
        """Make the baseline from the scores of held-out normal images, (n,) and positive.

        Raises:
            ValueError: no scores, or scores that are not positive and finite.
        """
        scores = np.sort(np.asarray(held_out, dtype=np.float64).ravel())
        if scores.size == 0 or not np.isfinite(scores).all() or scores[0] <= 0:
            raise ValueError("a baseline needs at least one score, all positive and finite")
        body = quantile(scores, config.body_percentile / 100)
        tail = quantile(scores, config.percentile / 100) / body
        kept = _spread(scores)[-config.window_size :]
        return cls(
            scores=tuple(kept.tolist()),
            tail=tail,
            threshold=quantile(np.sort(kept), config.steady_quantile) * tail,
        )


@dataclass(frozen=True)
class Decision:
    """What was decided about one frame, with all that is needed to check it."""

    seq: int  #: position in the stream, from 1
    score: float
    previous_threshold: float  #: the threshold before this frame
    threshold: float
    body: float  #: the quantile of the window that the threshold followed; 0 for an empty window
    window_n: int  #: number of scores in the window before this frame
    exceeding: int  #: how many of these were as high as this score, or higher
    anomaly: bool
    learning: bool
    held: bool  #: window and threshold stood still, for too many frames were flagged

    @property
    def enters(self) -> bool:
        """Whether the score entered the window."""
        return self.learning or not (self.anomaly or self.held)

    @property
    def p_value(self) -> float:
        """Probability of a score this high among normal frames, from the window's ranks."""
        return (1 + self.exceeding) / (self.window_n + 1)


class RollingThreshold:
    """The state of one stream (camera, model), in memory.

    Example:
        >>> config = WindowConfig(window_size=100, learn_frames=10)
        >>> baseline = Baseline.from_scores([1.0, 2.0, 3.0, 4.0, 5.0], config)
        >>> stream = RollingThreshold(config, baseline)
        >>> stream.decide(2.5).anomaly, stream.decide(50.0).anomaly
        (False, True)
    """

    def __init__(self, config: WindowConfig, baseline: Baseline, *, learning: bool = False):
        self.config = config
        self.baseline = baseline
        self.seq = 0
        self.threshold = baseline.threshold
        self.window: deque[float] = deque()
        self.recent: deque[bool] = deque(maxlen=HOLD_FRAMES)  # flagged or not, oldest first
        self._ordered: list[float] = []
        self.learned = config.learn_frames
        self.settled = True
        if learning:
            self.start_learning()
        else:
            for score in baseline.scores:
                self._enter(score)

    def start_learning(self) -> None:
        """Forget the window: the next `learn_frames` scores set a new baseline."""
        self.window.clear()
        self.recent.clear()
        self._ordered.clear()
        self.learned = 0
        self.settled = False

    def decide(self, score: float) -> Decision:
        """Decide about the next frame of the stream and take its score in."""
        config = self.config
        n = len(self._ordered)
        learning = self.learned < config.learn_frames
        previous = self.threshold
        held = self.settled and not learning and sum(self.recent) > HOLD_SHARE * HOLD_FRAMES
        if learning:
            body = quantile(self._ordered, config.body_percentile / 100) if n else 0.0
            threshold = max(self.baseline.threshold, body * self.baseline.tail)
        else:
            body = quantile(self._ordered, config.steady_quantile)
            threshold = body * self.baseline.tail
            if held:
                threshold = previous
            elif self.settled:
                threshold = min(
                    max(threshold, previous / config.step_factor), previous * config.step_factor
                )
        decision = Decision(
            seq=self.seq + 1,
            score=score,
            previous_threshold=previous,
            threshold=threshold,
            body=body,
            window_n=n,
            exceeding=n - bisect_left(self._ordered, score),
            anomaly=score > threshold,
            learning=learning,
            held=held,
        )
        self._take(decision)
        return decision

    def allows(self, decision: Decision) -> bool:
        """Whether the rule allows this as the next decision, whatever the window holds."""
        config, previous = self.config, self.threshold
        learning = self.learned < config.learn_frames
        threshold = decision.body * self.baseline.tail
        if learning:
            threshold = max(self.baseline.threshold, threshold)
        elif decision.held:
            threshold = previous
        elif self.settled:
            threshold = min(
                max(threshold, previous / config.step_factor), previous * config.step_factor
            )
        return (
            (decision.seq, decision.previous_threshold) == (self.seq + 1, previous)
            and (decision.threshold, decision.learning) == (threshold, learning)
            and decision.anomaly == (decision.score > threshold)
            and not (decision.held and (learning or not self.settled))
            and 0 <= decision.exceeding <= decision.window_n <= config.window_size
        )

    def absorb(self, decision: Decision) -> None:
        """Take in a decision that was made elsewhere, without deciding again.

        A stream is restored by absorbing, in order, its decisions since its window was last
        empty, or at least `HOLD_FRAMES` that hold the last `window_size` scores that entered.
        """
        if decision.learning and decision.window_n == 0:
            self.start_learning()
        self._take(decision)

    def _take(self, decision: Decision) -> None:
        self.seq = decision.seq
        self.threshold = decision.threshold
        if decision.learning:
            # every score enters while learning, so the window counts the frames learned
            self.learned = decision.window_n + 1
            self.settled = False
        else:
            self.learned = self.config.learn_frames
            self.settled = True
        self.recent.append(decision.anomaly)
        if decision.enters:
            self._enter(decision.score)

    def _enter(self, score: float) -> None:
        self.window.append(score)
        insort(self._ordered, score)
        if len(self.window) > self.config.window_size:
            oldest = self.window.popleft()
            del self._ordered[bisect_left(self._ordered, oldest)]


def quantile(ordered: Sequence[float] | NDArray[np.float64], q: float) -> float:
    """Quantile of ascending values by linear interpolation (`numpy.quantile`'s default).

    Written out because the Redis script must do the same arithmetic in the same order.
    """
    position = q * (len(ordered) - 1)
    low = int(position)
    lower = float(ordered[low])
    if low + 1 >= len(ordered):
        return lower
    return lower + (float(ordered[low + 1]) - lower) * (position - low)


def replay(stream: RollingThreshold, decisions: Iterable[Decision]) -> list[Decision]:
    """Decide again what was decided; return the recorded decisions that come out differently."""
    mismatches = []
    for recorded in decisions:
        if recorded.learning and recorded.window_n == 0:
            stream.start_learning()
        if stream.decide(recorded.score) != recorded:
            mismatches.append(recorded)
            stream.seq, stream.threshold = recorded.seq, recorded.threshold
    return mismatches


def _spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Order ascending scores so that every run of them covers the whole range.

    The oldest scores leave the window first; in ascending order the low ones would, and the
    quantile would drift upwards. Golden-ratio order keeps what is left representative.
    """
    golden = (np.arange(scores.size) * 0.6180339887498949) % 1.0
    return scores[np.argsort(golden, kind="stable")]
