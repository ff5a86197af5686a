"""The constants of the score. They are part of the model bundle, so `model_id` covers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

Count = Annotated[int, Field(gt=0, le=10_000)]


@dataclass(frozen=True)
class ScoreConfig:
    """Every constant that the score or its calibration depends on.

    The defaults apply to models trained from now on. A trained model uses the values in its
    bundle, whatever the defaults have become since.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    #: Slope of the leaky ReLUs of both networks for negative inputs.
    negative_slope: Annotated[float, Field(ge=0, lt=1)] = 0.1
    #: Standard deviation of the Gaussian that smooths the residual, px of the network's input.
    smoothing_px: Annotated[float, Field(gt=0, le=100)] = 0.7
    #: Images added to each pixel's variance estimate, with the mean variance of all pixels.
    sigma_prior_images: Annotated[float, Field(ge=0, le=1e6)] = 10.0
    #: Nearest normal images that an image is compared with.
    neighbours: Count = 15
    #: Quantiles that describe a signal's distribution on normal images, below its tail.
    body_knots: Annotated[int, Field(ge=2, le=1000)] = 10
    #: The tail is this share of the held-out images, but at least `tail_images`, at most a half.
    tail_share: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    tail_images: Count = 10
    #: Lowest evidence of a signal; above 0, because scores are compared as ratios.
    least_evidence: Annotated[float, Field(gt=0, le=1)] = 0.01
    #: Share of all evidence from which a signal is named as a driver. Below a third, so that
    #: three signals always have at least one driver.
    driving_share: Annotated[float, Field(gt=0, lt=1 / 3)] = 0.333

    def tail(self, count: int) -> float:
        """Share of `count` held-out values that make up the tail of their distribution."""
        return min(0.5, max(self.tail_share, self.tail_images / count))


#: Constants of release 0.1, whose bundles (schema version 1) do not hold them. Never edit these.
RELEASE_0_1 = ScoreConfig(
    negative_slope=0.1,
    smoothing_px=0.7,
    sigma_prior_images=10.0,
    neighbours=15,
    body_knots=10,
    tail_share=0.1,
    tail_images=10,
    least_evidence=0.01,
    driving_share=0.333,
)
