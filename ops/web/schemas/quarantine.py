"""Frames that could not be scored."""

from __future__ import annotations

from ops.web.schemas.answer import Answer


class QuarantinedFrame(Answer):
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


class QuarantinePage(Answer):
    frames: list[QuarantinedFrame]
    next: str | None


class Requeued(Answer):
    requeued: list[str]
