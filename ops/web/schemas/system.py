"""The state of the system, live updates, the logged-in user."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.web.schemas.answer import Answer

Role = Literal["viewer", "reviewer", "admin"]


class WorkerInfo(Answer):
    name: str
    state: str = Field(description="idle, busy, suspended, …")
    last_sign_at: float | None


class ProducerRoot(Answer):
    root: str
    mode: str
    scanned_at: float | None
    frames: int
    settling: int
    refused: int
    ignored: str = Field(description="What the last scan left alone, and why.")


class ProducerInfo(Answer):
    name: str
    at: float
    roots: list[ProducerRoot]


class Counts(Answer):
    seen: int
    scored: int
    quarantined: int
    superseded: int
    duplicate: int
    pending: int


class Drift(Answer):
    """How far a camera's scores have moved from the model's held-out scores."""

    camera: str
    body: float
    baseline_body: float
    drift: float = Field(description="body / baseline_body - 1")
    threshold: float
    learning: bool
    held: bool


class ModelInfo(Answer):
    model_id: str
    unit: str
    width: int
    height: int
    images: int
    cameras: list[str] = Field(description="Cameras in its training images.")


class Disk(Answer):
    path: str
    free_bytes: int
    total_bytes: int
    database_bytes: int | None = Field(description="Size of the embedded database.")


class Status(Answer):
    now: float
    version: str
    counts: Counts
    queue_jobs: int | None = Field(description="Waiting jobs; null if Redis is unreachable.")
    queue_error: str | None
    oldest_pending_s: float | None = Field(description="Age of the oldest pending frame.")
    frames_last_minute: int
    frames_last_hour: int
    workers: list[WorkerInfo]
    producers: list[ProducerInfo]
    model: ModelInfo | None
    disk: Disk | None
    drift: list[Drift]


class Trouble(Answer):
    """What is wrong with one part of the system."""

    role: Literal["database", "redis", "producers", "workers", "backlog", "disk"]
    text: str = Field(description="What, and what follows from it.")
    remedy: str = Field(description="What to do.")


class Health(Answer):
    """What every page shows, whatever it is about."""

    now: float = Field(description="The server's clock.")
    troubles: list[Trouble] = Field(description="What is wrong; empty if all is well.")
    unreviewed: int | None = Field(
        description="Anomalies without a verdict; null if the database does not answer."
    )


class Me(Answer):
    name: str
    role: Role
    csrf_token: str | None = Field(description="To send as X-CSRF-Token; null for API tokens.")


class LiveUpdate(Answer):
    """Data of an `update` event: a number that rose means something new of that kind."""

    result_id: int
    quarantined_at: float
    review_id: int
    at: float
