"""Reviews: people's verdicts on results."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from ops.web.schemas.answer import Answer
from storage.results.reviews import Verdict

#: A number that the database can hold.
MOST = 2**63 - 1


class Review(Answer):
    id: int = Field(description="Also the version of the result from then on.")
    result_id: int
    verdict: Verdict
    note: str
    reviewer: str
    at: float


class Seen(BaseModel):
    """What a verdict was given for; if it has changed since, the verdict is a conflict."""

    model_config = {"extra": "forbid"}

    frame_id: str = Field(max_length=64)
    version: int = Field(ge=0, le=MOST, description="The result's `version`.")


class ReviewRequest(BaseModel):
    model_config = {"extra": "forbid"}

    verdict: Verdict
    note: str = Field(default="", max_length=4000)
    seen: Seen | None = Field(
        default=None, description="Without it, the verdict is stored whatever was given meanwhile."
    )


class BulkReviewRequest(BaseModel):
    model_config = {"extra": "forbid"}

    verdict: Verdict
    note: str = Field(default="", max_length=4000)
    result_ids: list[int] = Field(min_length=1, max_length=1000)
    seen: dict[Annotated[int, Field(ge=1, le=MOST)], Seen] = Field(
        default_factory=dict, max_length=1000, description="By result."
    )


class Conflict(Answer):
    """A verdict that was not stored."""

    result_id: int
    detail: str = Field(description="What has changed.")


class BulkReviewed(Answer):
    reviewed: list[int]
    versions: dict[int, int] = Field(description="The version of each of these from now on.")
    conflicts: list[Conflict]
    unknown: list[int] = Field(description="Ids without a result.")
