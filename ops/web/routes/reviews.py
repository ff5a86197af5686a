"""`/api/v1/results/{id}/review` and `/api/v1/reviews`: people's verdicts on results."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter

from ops.web.deps import ActorDep, ReviewerDep, ServicesDep
from ops.web.problems import Problem
from ops.web.routes.results import MAX_ID, ResultId, require_result
from ops.web.schemas import reviews as schemas
from ops.web.schemas.reviews import (
    BulkReviewed,
    BulkReviewRequest,
    Conflict,
    Review,
    ReviewRequest,
)
from storage.results.reviews import Conflict as StoredConflict
from storage.results.reviews import Seen, add_reviews, list_reviews

router = APIRouter(tags=["results"])


@router.post("/results/{result_id}/review", response_model=Review, status_code=201)
def review(
    result_id: ResultId,
    body: ReviewRequest,
    services: ServicesDep,
    user: ReviewerDep,
    actor: ActorDep,
) -> Review:
    """Record a verdict (role reviewer). Earlier ones are kept; the latest counts.

    409 if the result is no longer as it was `seen`.
    """
    require_result(services, result_id)
    done = add_reviews(
        services.engine,
        [result_id],
        body.verdict,
        note=body.note,
        reviewer=user.name,
        now=services.clock(),
        by=actor,
        seen=as_seen({result_id: body.seen} if body.seen else {}),
    )
    for conflict in done.conflicts:
        raise Problem(HTTPStatus.CONFLICT, conflict_text(conflict))
    stored = [one for one in list_reviews(services.engine, result_id) if one.id in done.ids]
    if not stored:
        raise Problem(HTTPStatus.NOT_FOUND, f"result {result_id} has been deleted")
    return Review.of(stored[0])


@router.post("/reviews", response_model=BulkReviewed, status_code=201)
def reviews(
    body: BulkReviewRequest, services: ServicesDep, user: ReviewerDep, actor: ActorDep
) -> BulkReviewed:
    """Record the same verdict on many results (role reviewer)."""
    done = add_reviews(
        services.engine,
        [number for number in body.result_ids if 0 < number <= MAX_ID],
        body.verdict,
        note=body.note,
        reviewer=user.name,
        now=services.clock(),
        by=actor,
        seen=as_seen(body.seen),
    )
    conflicts = [Conflict.of(one, detail=conflict_text(one)) for one in done.conflicts]
    told = {*done.versions, *(one.result_id for one in conflicts)}
    return BulkReviewed(
        reviewed=list(done.versions),
        versions=dict(done.versions),
        conflicts=conflicts,
        unknown=[number for number in dict.fromkeys(body.result_ids) if number not in told],
    )


def as_seen(sent: Mapping[int, schemas.Seen]) -> dict[int, Seen]:
    """What was seen of each result, as the storage takes it."""
    return {number: Seen(one.frame_id, one.version) for number, one in sent.items()}


def conflict_text(conflict: StoredConflict) -> str:
    """Why a verdict was not stored."""
    latest = conflict.latest
    if latest is None:
        return f"result {conflict.result_id} is of another frame by now: reload the page"
    said = {
        "confirmed": "has confirmed it",
        "false_alarm": "has called it a false alarm",
        "unreviewed": "has withdrawn the verdict",
    }[latest.verdict]
    return f"{latest.reviewer} {said} in the meantime"
