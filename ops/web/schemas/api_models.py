"""What `/api/v1` answers, as values: the contract between the API, the pages and other programs.

For pages (`ops.web.routes.pages` has ``router = APIRouter()``):

- ``services: Annotated[Services, Depends(get_services)]``: engine, settings, … (`ops.web.deps`);
- ``user: Annotated[User, Depends(current_user)]`` or ``Depends(require_role("reviewer"))``: who
  asks. Without a user a page answers with a redirect to ``/login?next=…``, the API with 401;
- ``page(request, user, "wall.html", **context)`` (`ops.web.templating`) renders a template with
  ``user`` (name, role, `may(role)`), ``csrf_token``, ``version`` in its context. Templates that the
  server itself renders: ``login.html`` (``next``, ``error``; a form that posts ``name``,
  ``password``, ``next`` to ``/login``) and ``error.html`` (``status``, ``title``, ``detail``);
- a script sends the token with every unsafe request in the header ``X-CSRF-Token``, a form in the
  field ``csrf_token``. ``POST /logout`` takes such a form;
- ``GET /api/v1/events`` is a stream of server-sent events named ``update`` whose data is
  `LiveUpdate` as JSON. It says that there is news, not what: fetch what the page shows;
- list endpoints take ``limit`` and ``cursor`` and give ``next``, the cursor of the next page;
- errors are ``application/problem+json``: ``type``, ``title``, ``status``, ``detail``.

Instants are Unix seconds (float, UTC). Temperatures are in ``temperature_unit``: ``celsius``, or
``counts`` where nothing says how counts become degrees.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

PictureName = Literal["original", "reconstruction", "heatmap", "overlay", "sheet"]
Prediction = Literal["Normal", "Anomaly"]
ReviewState = Literal["unreviewed", "confirmed", "false_alarm"]
#: The verdict that counts, on a result.
Reviewed = Literal["confirmed", "false_alarm"]
#: What is posted: `unreviewed` takes back what was decided.
Verdict = Literal["confirmed", "false_alarm", "unreviewed"]
CameraState = Literal["ok", "anomaly", "silent", "learning"]
Role = Literal["viewer", "reviewer", "admin"]


class Point(BaseModel):
    """One frame of a camera's recent past."""

    id: int
    captured_at: float
    score: float
    threshold: float
    anomaly: bool


class LastResult(BaseModel):
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


class Camera(BaseModel):
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


class CameraList(BaseModel):
    now: float = Field(description="The server's clock.")
    cameras: list[Camera]


class SeriesPoint(BaseModel):
    """A part of a camera's history: where parts hold more than one frame, their extremes."""

    at: float = Field(description="Time of capture of the frame with the highest score.")
    id: int = Field(description="The result with the highest score.")
    frames: int
    score: float = Field(description="Highest score.")
    min_score: float
    threshold: float = Field(description="The threshold that the highest score met.")
    max_temperature: float = Field(description="Highest temperature.")
    anomalies: int


class AnomalyPoint(BaseModel):
    id: int
    at: float
    score: float
    threshold: float
    max_temperature: float
    review: Reviewed | None


class Series(BaseModel):
    camera: str
    since: float
    until: float
    frames: int
    temperature_unit: str | None
    points: list[SeriesPoint] = Field(description="Earliest first; `points` of them at most.")
    anomalies: list[AnomalyPoint] = Field(description="Flagged frames, latest 500, earliest first.")


class Distribution(BaseModel):
    """The rolling window's scores as a histogram: what the threshold is drawn from."""

    camera: str
    model_id: str | None
    window: int = Field(description="Scores in the window.")
    edges: list[float] = Field(description="Edges of the bins, one more than there are counts.")
    counts: list[int]
    threshold: float | None
    body: float | None = Field(description="The window's body, which the threshold follows.")
    baseline_body: float | None = Field(description="The same of the model's held-out scores.")


class Hotspot(BaseModel):
    model_config = {"extra": "allow"}

    area_px: int = 0


class Review(BaseModel):
    id: int
    result_id: int
    verdict: Verdict
    note: str
    reviewer: str
    at: float


class Result(BaseModel):
    """One scored frame."""

    id: int
    frame_id: str
    camera: str
    image_path: str
    captured_at: float
    scored_at: float
    score: float
    threshold: float
    p_value: float
    mse: float
    prediction: Prediction
    learning: bool
    held: bool
    reasons: list[str]
    temperature_unit: str
    radiometric: bool
    max_temperature: float
    mean_temperature: float
    min_temperature: float
    std_temperature: float
    hotspot_threshold: float
    hotspot_area: int
    hotspot_count: int
    width: int
    height: int
    review: Reviewed | None
    pictures: dict[PictureName, str] = Field(description="Addresses of the pictures kept.")
    has_values: bool = Field(description="Whether values and anomaly map were kept.")
    model_id: str
    latency_s: float | None


class ResultDetail(Result):
    """One scored frame with all that is known of it."""

    sha256: str
    bit_depth: int
    seq: int
    epoch: str
    previous_threshold: float
    body: float
    window_n: int
    exceeding: int
    worker: str
    hotspots: list[Hotspot]
    reviews: list[Review] = Field(description="All verdicts, latest first.")


class ResultPage(BaseModel):
    results: list[Result]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class Values(BaseModel):
    """A matrix, row by row. As ``application/octet-stream`` it is little-endian float32."""

    result_id: int
    width: int
    height: int
    unit: str = Field(description="celsius, counts or sigma.")
    source: Literal["stored", "file"] = Field(description="Kept with the result, or read again.")
    values: list[list[float]]


class ReviewRequest(BaseModel):
    model_config = {"extra": "forbid"}

    verdict: Verdict
    note: str = Field(default="", max_length=4000)


class BulkReviewRequest(ReviewRequest):
    result_ids: list[int] = Field(min_length=1, max_length=1000)


class BulkReviewed(BaseModel):
    reviewed: list[int]
    unknown: list[int] = Field(description="Numbers that no result has.")


class Day(BaseModel):
    day: str = Field(description="UTC day, YYYY-MM-DD.")
    camera: str
    frames: int
    anomalies: int
    max_score: float
    max_temperature: float
    temperature_unit: str


class Summary(BaseModel):
    days: list[Day]


class QuarantinedFrame(BaseModel):
    frame_id: str
    arrival: int
    camera: str
    path: str
    size: int
    reason: str
    detail: str
    seen_at: float
    finished_at: float
    picture: str | None


class QuarantinePage(BaseModel):
    frames: list[QuarantinedFrame]
    next: str | None


class Requeued(BaseModel):
    requeued: list[str]


class WorkerInfo(BaseModel):
    name: str
    state: str = Field(description="idle, busy, suspended, …")
    last_sign_at: float | None


class ProducerRoot(BaseModel):
    root: str
    mode: str
    scanned_at: float | None
    frames: int
    settling: int
    refused: int


class ProducerInfo(BaseModel):
    name: str
    at: float
    roots: list[ProducerRoot]


class Counts(BaseModel):
    seen: int
    scored: int
    quarantined: int
    superseded: int
    pending: int


class Drift(BaseModel):
    """How far a camera's scores have moved from what the model calls normal."""

    camera: str
    body: float
    baseline_body: float
    drift: float = Field(description="body / baseline_body - 1")
    threshold: float
    learning: bool
    held: bool


class ModelInfo(BaseModel):
    model_id: str
    unit: str
    width: int
    height: int
    images: int
    cameras: list[str] = Field(description="Cameras that it has seen in training.")


class Disk(BaseModel):
    path: str
    free_bytes: int
    total_bytes: int
    database_bytes: int | None = Field(description="Size of the embedded database.")


class Status(BaseModel):
    now: float
    version: str
    counts: Counts
    queue_jobs: int | None = Field(description="Jobs that wait; null when Redis is away.")
    queue_error: str | None
    oldest_pending_s: float | None = Field(description="Age of the oldest frame not yet scored.")
    frames_last_minute: int
    frames_last_hour: int
    workers: list[WorkerInfo]
    producers: list[ProducerInfo]
    model: ModelInfo | None
    disk: Disk | None
    drift: list[Drift]


class BaselineAccepted(BaseModel):
    camera: str
    first_seq: int = Field(description="Number of the first frame of the new level.")
    learn_frames: int


class Uploaded(BaseModel):
    camera: str
    path: str = Field(description="Relative to the watch directory.")
    size: int


class Me(BaseModel):
    name: str
    role: Role
    csrf_token: str | None = Field(description="To be sent as X-CSRF-Token; null with a token.")


class LiveUpdate(BaseModel):
    """What an `update` event says; a number that rose means news of that kind."""

    result_id: int
    quarantined_at: float
    review_id: int
    at: float


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
