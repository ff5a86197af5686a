"""`/api/v1`: state of the system, quarantine, counts by day, live updates, current user."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from ops.web.deps import ActorDep, ReviewerDep, ServicesDep, UserDep, in_progress
from ops.web.problems import Problem
from ops.web.queries.status import read_status
from ops.web.routes.cameras import Instant
from ops.web.routes.results import is_storable
from ops.web.schemas.quarantine import QuarantinedFrame, QuarantinePage, Requeued
from ops.web.schemas.summary import Day, Summary
from ops.web.schemas.system import Health, Me, Status, Trouble
from ops.web.services import Services
from storage.frames.audit import FrameRecord, find_frame, list_quarantined
from storage.frames.ledger import requeue as try_again
from storage.results.counts import camera_days

router = APIRouter(tags=["system"])

#: Length of a summary without `since`, in seconds.
SUMMARY_S = 30 * 86_400.0
#: Reasons of quarantine for which there is no picture.
NOTHING_TO_SEE = {"empty", "missing", "not_regular", "outside_root", "too_large", "unreadable"}

FrameId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.get("/me", response_model=Me)
def me(user: UserDep) -> Me:
    """The current user, and the CSRF token that unsafe requests must carry."""
    return Me(name=user.name, role=user.role, csrf_token=user.csrf_token or None)


@router.get("/health", response_model=Health)
def health(services: ServicesDep) -> Health:
    """What is wrong with the system, and how many anomalies have no verdict."""
    found = services.health.get()
    return Health(
        now=services.clock(),
        troubles=[Trouble.of(trouble) for trouble in found.troubles if not trouble.unknown],
        unreviewed=found.unreviewed,
    )


@router.get("/status", response_model=Status)
def status(services: ServicesDep) -> Status:
    """Ledger counts, queue, workers, producers, throughput, model, drift and disk."""
    return read_status(services)


@router.get("/summary", response_model=Summary)
def summary(
    services: ServicesDep,
    by: Literal["day"] = "day",
    since: Instant = None,
    until: Instant = None,
    camera: Annotated[str | None, Query(max_length=4000)] = None,
) -> Summary:
    """Frames, anomalies, highest score and temperature by camera and UTC day of arrival."""
    if camera is not None and not is_storable(camera):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "camera must not hold NUL or lone surrogates"
        )
    end = until if until is not None else services.clock()
    begin = since if since is not None else end - SUMMARY_S
    days = camera_days(services.engine, since=begin, until=end, camera=camera)
    return Summary(days=[Day.of(day, day=day.day.isoformat()) for day in days])


@router.get("/quarantine", response_model=QuarantinePage)
def quarantine(
    services: ServicesDep,
    camera: Annotated[str | None, Query(max_length=4000)] = None,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> QuarantinePage:
    """Frames that could not be scored, with their reasons; latest arrival first."""
    if camera is not None and not is_storable(camera):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "camera must not hold NUL or lone surrogates"
        )
    before = int(cursor) if cursor is not None else None
    found = list_quarantined(services.engine, camera=camera, before=before, limit=limit + 1)
    shown = found[:limit]
    return QuarantinePage(
        frames=[
            QuarantinedFrame.of(record, frame_id=record.id, picture=picture_of(record))
            for record in shown
        ],
        next=str(shown[-1].arrival) if len(found) > limit else None,
    )


def picture_of(record: FrameRecord) -> str | None:
    """URL of a quarantined frame's picture; None if there cannot be one."""
    shows = record.reason not in NOTHING_TO_SEE
    return f"/api/v1/quarantine/{record.id}/picture" if shows else None


@router.get(
    "/quarantine/{frame_id}/picture",
    response_class=Response,
    dependencies=[Depends(in_progress(lambda quotas: quotas.matrices))],
)
def quarantined_picture(frame_id: FrameId, services: ServicesDep) -> Response:
    """The uploaded file, if it is a PNG, JPEG or BMP. It may be damaged."""
    data, media_type = services.frames.quarantined(require_quarantined(services, frame_id))
    # opened as a page of its own, the file must not run scripts
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(data, media_type=media_type, headers=headers)


@router.post("/quarantine/{frame_id}/requeue", response_model=Requeued)
def requeue(
    frame_id: FrameId, services: ServicesDep, _user: ReviewerDep, actor: ActorDep
) -> Requeued:
    """Score a quarantined frame again (role reviewer)."""
    require_quarantined(services, frame_id)
    again = try_again(services.engine, [frame_id], now=services.clock(), by=actor)
    return Requeued(requeued=again)


@router.get(
    "/events",
    response_class=StreamingResponse,
    dependencies=[Depends(in_progress(lambda quotas: quotas.streams))],
    responses={200: {"content": {"text/event-stream": {}}, "description": "`update` events."}},
)
async def events(services: ServicesDep, user: UserDep) -> StreamingResponse:
    """Server-sent events: `update` after each new result, quarantine or review."""
    return StreamingResponse(
        services.live.events(user),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def require_quarantined(services: Services, frame_id: str) -> FrameRecord:
    """The quarantined frame with this id.

    Raises:
        Problem: there is none (404), or it is not quarantined (409).
    """
    record = find_frame(services.engine, frame_id)
    if record is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no frame has the id {frame_id}")
    if record.state != "quarantined":
        raise Problem(HTTPStatus.CONFLICT, f"the frame is {record.state}, not quarantined")
    return record
