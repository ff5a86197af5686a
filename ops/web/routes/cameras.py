"""`/api/v1/cameras`: the wall, a camera's history, its window, its baseline."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response

from ops.web.deps import ActorDep, AdminDep, ReviewerDep, ServicesDep
from ops.web.problems import Problem
from ops.web.queries.status import read_window
from ops.web.queries.wall import camera_tile
from ops.web.schemas.cameras import (
    AnomalyPoint,
    BaselineAccepted,
    Camera,
    CameraList,
    Distribution,
    Resolved,
    ResolveRequest,
    Series,
    SeriesPoint,
)
from ops.web.services import Services
from storage.frames.counts import list_cameras
from storage.results.history import read_series
from storage.results.reviews import resolve
from thermal.threshold import quantile

router = APIRouter(tags=["cameras"])

CameraName = Annotated[str, Path(max_length=4000)]
Instant = Annotated[float | None, Query(allow_inf_nan=False, description="Unix seconds.")]

#: Bins of the window's histogram.
BINS = 40


@router.get("/cameras", response_model=CameraList)
def cameras(
    request: Request,
    services: ServicesDep,
    recent: Annotated[
        bool, Query(description="Whether to list the recent scores: most of the response.")
    ] = True,
    since: Annotated[
        str | None,
        Query(max_length=40, description="`revision` of an earlier answer: list what has changed."),
    ] = None,
) -> Response:
    """All cameras, each with its state, latest result and recent scores; compressed on request."""
    answer = services.wall_changes.answer(since, recent=recent)
    headers = {"Vary": "Accept-Encoding"}
    if answer.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(answer.compressed, media_type="application/json", headers=headers)
    return Response(answer.plain, media_type="application/json", headers=headers)


@router.get("/cameras/{name}", response_model=Camera)
def camera(name: CameraName, services: ServicesDep) -> Camera:
    """One camera, as in the list of all."""
    for view in services.wall.get():
        if view.name == name:
            group = services.settings.camera(name).group
            return camera_tile(view, services.clock(), group=group)
    raise Problem(HTTPStatus.NOT_FOUND, f"no camera is named {name!r}")


@router.get("/cameras/{name}/series", response_model=Series)
def series(
    name: CameraName,
    services: ServicesDep,
    since: Instant = None,
    until: Instant = None,
    points: Annotated[int, Query(ge=2, le=5000)] = 500,
) -> Series:
    """Score, threshold and temperature over time; without `since`, from the beginning."""
    require_camera(services, name)
    found = read_series(services.engine, name, since=since, until=until, points=points)
    return Series(
        camera=name,
        since=found.since,
        until=found.until,
        frames=found.frames,
        temperature_unit=found.temperature_unit,
        points=[SeriesPoint.of(point) for point in found.points],
        anomalies=[AnomalyPoint.of(point) for point in found.anomalies],
    )


@router.get("/cameras/{name}/distribution", response_model=Distribution)
def distribution(name: CameraName, services: ServicesDep) -> Distribution:
    """Histogram of the scores in the rolling window, with the threshold."""
    require_camera(services, name)
    model = services.model.get()
    if model is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no model is active, so there is no window")
    window = read_window(services, name, model.model_id)
    counts, edges = np.histogram(window.scores, bins=BINS)
    steady = services.settings.threshold.steady_quantile
    return Distribution(
        camera=name,
        model_id=model.model_id,
        window=len(window.scores),
        edges=[float(edge) for edge in edges] if window.scores else [],
        counts=[int(count) for count in counts] if window.scores else [],
        threshold=window.threshold,
        body=quantile(window.scores, steady) if window.scores else None,
        baseline_body=model.body,
    )


@router.post("/cameras/{name}/resolve", response_model=Resolved)
def resolve_findings(
    name: CameraName,
    body: ResolveRequest,
    services: ServicesDep,
    _user: ReviewerDep,
    actor: ActorDep,
) -> Resolved:
    """Call what was confirmed up to a result resolved: it is repaired, or over (role reviewer)."""
    require_camera(services, name)
    done = resolve(services.engine, name, through=body.through, now=services.clock(), by=actor)
    return Resolved(camera=name, resolved=done)


@router.post("/cameras/{name}/accept-baseline", response_model=BaselineAccepted)
def accept_baseline(
    name: CameraName, services: ServicesDep, _user: AdminDep, actor: ActorDep
) -> BaselineAccepted:
    """Let a camera learn a new baseline after a legitimate change (role admin)."""
    from ops.model.baseline import accept

    require_camera(services, name)
    first = accept(services.settings, services.engine, services.redis, name, actor)
    return BaselineAccepted(
        camera=name, first_seq=first, learn_frames=services.settings.threshold.learn_frames
    )


def require_camera(services: Services, name: str) -> None:
    """Check that a camera has this name.

    Raises:
        Problem: 404.
    """
    if all(camera.name != name for camera in list_cameras(services.engine)):
        raise Problem(HTTPStatus.NOT_FOUND, f"no camera is named {name!r}")
