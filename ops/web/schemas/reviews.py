"""Reviews: people's verdicts on results."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ops.web.schemas.answer import Answer
from storage.results.reviews import Verdict


class Review(Answer):
    id: int
    result_id: int
    verdict: Verdict
    note: str
    reviewer: str
    at: float


class ReviewRequest(BaseModel):
    model_config = {"extra": "forbid"}

    verdict: Verdict
    note: str = Field(default="", max_length=4000)


class BulkReviewRequest(ReviewRequest):
    result_ids: list[int] = Field(min_length=1, max_length=1000)


class BulkReviewed(Answer):
    reviewed: list[int]
    unknown: list[int] = Field(description="Ids without a result.")
