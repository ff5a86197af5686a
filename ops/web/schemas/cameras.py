"""Cameras: the wall, a camera's history, its rolling window."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.web.schemas.answer import Answer
from storage.db.result_fields import Prediction, Reviewed

#: The most important fact about a camera at the moment.
CameraState = Literal["ok", "anomaly", "silent", "learning"]


class Point(Answer):
    """A recent result of a camera."""

    id: int
    captured_at: float
    score: float
    threshold: float
    anomaly: bool


class LastResult(Answer):
    """The latest result of a camera by time of capture."""

    id: int
    captured_at: float
    scored_at: float
    score: float
    threshold: float
    prediction: Prediction
    learning: bool
    held: bool
    max_temperature: float
    temperature_unit: str
    review: Reviewed | None
    image: str = Field(
        description="URL of the image without labels; 404 if neither its values nor its file exist."
    )


class Camera(Answer):
    """A camera's tile on the wall.

    `silent`: no frame for ten times its usual interval, and for at least a minute. `learning`: its
    threshold is still being learned. `anomaly`: its latest frame is one, or one of its last 60 is
    and has not been reviewed.
    """

    name: str
    state: CameraState
    first_seen_at: float
    last_frame_at: float = Field(description="When its latest file was registered.")
    seconds_since: float = Field(description="Since `last_frame_at`.")
    last: LastResult | None
    recent: list[Point] = Field(description="Its last 60 results, earliest first.")
    pending: int = Field(description="Frames waiting to be scored.")
    unreviewed: int = Field(description="Anomalies without a verdict.")


class CameraList(Answer):
    now: float = Field(description="The server's clock.")
    cameras: list[Camera]


class SeriesPoint(Answer):
    """Consecutive frames of a camera, reduced to their extremes."""

    at: float = Field(description="Capture time of the frame with the highest score.")
    id: int = Field(description="The result with the highest score.")
    frames: int
    score: float = Field(description="Highest score.")
    min_score: float
    threshold: float = Field(description="Threshold of the frame with the highest score.")
    max_temperature: float = Field(description="Highest temperature.")
    anomalies: int


class AnomalyPoint(Answer):
    id: int
    at: float
    score: float
    threshold: float
    max_temperature: float
    review: Reviewed | None


class Series(Answer):
    camera: str
    since: float
    until: float
    frames: int
    temperature_unit: str | None
    points: list[SeriesPoint] = Field(description="Earliest first, at most as many as requested.")
    anomalies: list[AnomalyPoint] = Field(description="The latest 500 anomalies, earliest first.")


class Distribution(Answer):
    """Histogram of the scores in the rolling window, which determine the threshold."""

    camera: str
    model_id: str | None
    window: int = Field(description="Scores in the window.")
    edges: list[float] = Field(description="Bin edges, one more than counts.")
    counts: list[int]
    threshold: float | None
    body: float | None = Field(description="Body of the window, which the threshold follows.")
    baseline_body: float | None = Field(description="Body of the model's held-out scores.")


class BaselineAccepted(Answer):
    camera: str
    first_seq: int = Field(description="Position of the first frame after the change.")
    learn_frames: int
