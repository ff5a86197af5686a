"""Cameras: the wall, a camera's history, its rolling window."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.web.schemas.answer import Answer
from storage.results.fields import Prediction, Reviewed

#: What is most worth knowing about a camera now.
CameraState = Literal["ok", "anomaly", "silent", "learning"]


class Point(Answer):
    """One frame of a camera's recent past."""

    id: int
    captured_at: float
    score: float
    threshold: float
    anomaly: bool


class LastResult(Answer):
    """A camera's latest frame by time of capture."""

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
        description="Address of the bare image, no text on it; 404 when neither its values nor its "
        "file are there."
    )


class Camera(Answer):
    """A camera's tile on the wall.

    `silent`: no frame for ten times its usual interval, and for a minute at least. `learning`: it
    has no level yet. `anomaly`: its latest frame, or another of its last 60 that nobody has
    reviewed, is flagged.
    """

    name: str
    state: CameraState
    first_seen_at: float
    last_frame_at: float = Field(description="When its latest file was noticed.")
    seconds_since: float = Field(description="Since `last_frame_at`.")
    last: LastResult | None
    recent: list[Point] = Field(description="Its last 60 results, earliest first.")
    pending: int = Field(description="Frames that wait to be scored.")
    unreviewed: int = Field(description="Anomalies that nobody has decided about.")


class CameraList(Answer):
    now: float = Field(description="The server's clock.")
    cameras: list[Camera]


class SeriesPoint(Answer):
    """A part of a camera's history: where parts hold more than one frame, their extremes."""

    at: float = Field(description="Time of capture of the frame with the highest score.")
    id: int = Field(description="The result with the highest score.")
    frames: int
    score: float = Field(description="Highest score.")
    min_score: float
    threshold: float = Field(description="The threshold that the highest score met.")
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
    points: list[SeriesPoint] = Field(description="Earliest first; `points` of them at most.")
    anomalies: list[AnomalyPoint] = Field(description="Flagged frames, latest 500, earliest first.")


class Distribution(Answer):
    """The rolling window's scores as a histogram: what the threshold is drawn from."""

    camera: str
    model_id: str | None
    window: int = Field(description="Scores in the window.")
    edges: list[float] = Field(description="Edges of the bins, one more than there are counts.")
    counts: list[int]
    threshold: float | None
    body: float | None = Field(description="The window's body, which the threshold follows.")
    baseline_body: float | None = Field(description="The same of the model's held-out scores.")


class BaselineAccepted(Answer):
    camera: str
    first_seq: int = Field(description="Number of the first frame of the new level.")
    learn_frames: int
