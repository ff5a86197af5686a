"""Cameras: the wall, a camera's history, its rolling window."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ops.web.schemas.answer import Answer
from storage.db.result_fields import Prediction, Reviewed

#: Whether a camera sends frames that can be scored, whatever they show.
OwnState = Literal["ok", "silent", "unreadable", "frozen", "learning"]
#: The worst of this and of its findings.
CameraState = Literal["ok", "anomaly", "silent", "unreadable", "frozen", "learning"]


class Point(Answer):
    """A recent result of a camera."""

    id: int
    captured_at: float
    arrived_at: float
    score: float
    threshold: float
    anomaly: bool


class LastResult(Answer):
    """A result of a camera: its latest one by arrival, or its finding."""

    id: int
    captured_at: float
    arrived_at: float
    scored_at: float
    score: float
    threshold: float
    prediction: Prediction
    learning: bool
    held: bool
    max_temperature: float
    temperature_unit: str
    saturated_px: int | None = Field(
        description="Pixels over the measuring range: then `max_temperature` only stands for them."
    )
    review: Reviewed | None
    image: str = Field(
        description="URL of the image without labels, of a finding with its spot marked; 404 if "
        "what it is drawn from no longer exists."
    )


class Camera(Answer):
    """A camera's tile on the wall.

    `silent`: no frame arrived for ten times its usual interval, and for at least a minute.
    `unreadable`: frames arrive, but the latest of them could not be scored.
    `frozen`: its latest five images or more have the same content.
    `learning`: its threshold is still being learned. `anomaly`: it has a finding, which is an
    anomaly without a verdict, or a confirmed one that nobody has called resolved.
    """

    name: str
    group: str | None = Field(description="What it stands under on the wall, by the settings.")
    state: CameraState
    own_state: OwnState = Field(description="Its state apart from its findings.")
    first_seen_at: float
    last_frame_at: float = Field(description="When its latest file was registered.")
    seconds_since: float = Field(description="Since `last_frame_at`.")
    stale_after_s: float = Field(
        description="Age beyond which its latest result no longer shows the present."
    )
    last: LastResult | None
    finding: LastResult | None = Field(
        description="The latest anomaly without a verdict, else the latest confirmed one that "
        "stands; null if there is none."
    )
    recent: list[Point] = Field(description="Its last 60 results, earliest first.")
    pending: int = Field(description="Frames waiting to be scored.")
    oldest_pending_at: float | None = Field(description="When the oldest of these arrived.")
    behind_s: float = Field(description="Age of the oldest of these; 0 without any.")
    failing: str | None = Field(description="Which latest uploads could not be scored, and why.")
    frozen: str | None = Field(description="How many of its latest images are the same.")
    unreviewed: int = Field(description="Anomalies without a verdict.")
    confirmed: int = Field(description="Confirmed anomalies that nobody has called resolved.")
    clock_offset_s: float | None = Field(
        description="Camera's clock minus arrival; negative if behind, null if unknown."
    )
    clock: str | None = Field(
        description="`8 h ahead`, `2 h behind`: if its clock is off by more than 5 min."
    )


class CameraList(Answer):
    now: float = Field(description="The server's clock.")
    revision: str = Field(description="Send it as `since` to get only what changes after this.")
    complete: bool = Field(
        description="Whether these are all cameras; else those that have changed, each with the "
        "scores that are new."
    )
    cameras: list[Camera]


class SeriesPoint(Answer):
    """Consecutive frames of a camera, reduced to their extremes."""

    at: float = Field(description="Arrival of the frame with the highest score.")
    id: int = Field(description="The result with the highest score.")
    frames: int
    score: float = Field(description="Highest score.")
    min_score: float
    threshold: float = Field(description="Threshold of the frame with the highest score.")
    max_temperature: float = Field(description="Highest temperature.")
    saturated_px: int = Field(
        description="Most pixels over the measuring range in a frame: then `max_temperature` only "
        "stands for them."
    )
    anomalies: int


class AnomalyPoint(Answer):
    id: int
    at: float = Field(description="Arrival.")
    score: float
    threshold: float
    max_temperature: float
    saturated_px: int | None
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


class ResolveRequest(BaseModel):
    """What is resolved: everything confirmed up to a result that the person has seen."""

    model_config = {"extra": "forbid"}

    through: int = Field(ge=1, le=2**63 - 1, description="Id of the latest confirmed anomaly.")


class Resolved(Answer):
    camera: str
    resolved: list[int] = Field(description="Ids of the results.")


class BaselineAccepted(Answer):
    camera: str
    first_seq: int = Field(description="Position of the first frame after the change.")
    learn_frames: int
