"""The constants of scoring. Each of them moves a score, so each is stored in the model bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

Positive = Annotated[float, Field(gt=0, le=1000)]
Count = Annotated[int, Field(ge=1, le=1000)]


@dataclass(frozen=True)
class ScoreConfig:
    """Constants of signals, calibration and score.

    The defaults are what training uses. A trained model is always scored with the values in its
    own bundle, so changing a default here changes no existing model.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    #: standard deviation of the Gaussian that smooths the residual, px of the network's input
    smoothing_px: Positive = 0.7
    #: the variance of all pixels counts as this many images in the variance of each pixel
    sigma_prior_images: Annotated[float, Field(ge=0, le=1000)] = 10.0
    #: reference images that an image is compared with
    neighbours: Count = 15
    #: points at which a signal's distribution on normal images is kept, below its tail
    body_knots: Count = 10
    #: share of the held-out images that form the tail of their distribution
    tail_share: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    #: held-out images in the tail at least, though never more than half of them
    tail_images: Count = 10
    #: evidence of the least remarkable image; above zero, because scores are compared as ratios
    least_evidence: Positive = 0.01
    #: share of all evidence from which a signal is named as a driver; a third, minus rounding
    driving_share: Annotated[float, Field(gt=0, le=1 / 3)] = 0.333

    def tail_of(self, count: int) -> float:
        """Share of `count` held-out values that form the tail, 0…0.5."""
        return min(0.5, max(self.tail_share, self.tail_images / count))
