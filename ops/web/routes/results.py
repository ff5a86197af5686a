"""`/api/v1/results`: pages of results, one result, its pictures and numbers, reviews, exports."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from numpy.typing import NDArray

from ops.web.deps import ReviewerDep, ServicesDep
from ops.web.exports import csv_parts, parquet_file
from ops.web.problems import Problem
from ops.web.schemas import api_models as api
from ops.web.services import Services
from storage.results.commit import ResultRow
from storage.results.queries import ResultQuery, get_result, list_results
from storage.results.reviews import add_reviews, list_reviews

router = APIRouter(tags=["results"])

MAX_ID = 2**63 - 1
ResultId = Annotated[int, Path(ge=1, le=MAX_ID)]
Instant = Annotated[float | None, Query(allow_inf_nan=False, description="Unix seconds.")]
KINDS: tuple[api.PictureName, ...] = (
    "original",
    "reconstruction",
    "heatmap",
    "overlay",
    "sheet",
)
#: A result's pictures do not change while it is there.
CACHE = {"Cache-Control": "private, max-age=86400"}


def chosen(
    camera: Annotated[str | None, Query(max_length=4000)] = None,
    since: Instant = None,
    until: Instant = None,
    prediction: api.Prediction | None = None,
    min_score: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    review: api.ReviewState | None = None,
    model_id: Annotated[str | None, Query(max_length=200)] = None,
) -> ResultQuery:
    """The filters that lists and exports share."""
    for text in (camera, model_id):
        if text is not None and not is_storable(text):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "a name holds what no name can hold")
    return ResultQuery(
        camera=camera,
        since=since,
        until=until,
        prediction=prediction,
        min_score=min_score,
        review=review,
        model_id=model_id,
    )


ChosenDep = Annotated[ResultQuery, Depends(chosen)]


@router.get("/results", response_model=api.ResultPage)
def results(
    services: ServicesDep,
    query: ChosenDep,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    direction: Literal["newest", "oldest"] = "newest",
) -> api.ResultPage:
    """One page of results, by time of capture."""
    page = list_results(
        services.engine, query, after=cursor, limit=limit, earliest_first=direction == "oldest"
    )
    return api.ResultPage(
        results=[api.Result.model_validate(as_values(row)) for row in page.rows], next=page.next
    )


@router.get("/results/export.csv", response_class=StreamingResponse)
def export_csv(services: ServicesDep, query: ChosenDep) -> Response:
    """All results that fit, earliest first, as CSV."""
    return StreamingResponse(
        csv_parts(services.engine, query),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="results.csv"'},
    )


@router.get("/results/export.parquet", response_class=FileResponse)
def export_parquet(services: ServicesDep, query: ChosenDep) -> Response:
    """All results that fit, earliest first, as Parquet."""
    return parquet_file(services.engine, query)


@router.get("/results/{result_id}", response_model=api.ResultDetail)
def result(result_id: ResultId, services: ServicesDep) -> api.ResultDetail:
    """One result with all that is known of it, and its reviews."""
    row = require_result(services, result_id)
    reviews = list_reviews(services.engine, result_id)
    return api.ResultDetail.model_validate(
        as_values(row)
        | {
            "hotspots": json.loads(row.hotspots),
            "reviews": [vars(review) for review in reviews],
        }
    )


@router.get("/results/{result_id}/pictures/thumbnail", response_class=Response)
def thumbnail(result_id: ResultId, request: Request, services: ServicesDep) -> Response:
    """The bare image, whether or not pictures were kept, while its values or its file are there."""
    row = require_result(services, result_id)
    tag = f'"{row.frame_id[:16]}-{row.model_id[:8]}"'
    headers = {"ETag": tag, **CACHE}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    model = services.model.get()
    png = services.frames.thumbnail(row, model.preparation if model else None)
    return Response(png, media_type="image/png", headers=headers)


@router.get("/results/{result_id}/pictures/{kind}", response_class=FileResponse)
def picture(result_id: ResultId, kind: api.PictureName, services: ServicesDep) -> Response:
    """A picture that was kept, as PNG: with title, scale, camera and time on it."""
    row = require_result(services, result_id)
    path = services.frames.artifact(getattr(row, f"{kind}_picture"))
    return FileResponse(path, media_type="image/png", headers=CACHE)


@router.get("/results/{result_id}/values", response_model=api.Values)
def values(result_id: ResultId, request: Request, services: ServicesDep) -> Response:
    """What the camera measured: as JSON, or as float32 for `Accept: application/octet-stream`."""
    row = require_result(services, result_id)
    measured = services.frames.measured(row)
    return matrix(request, row, measured.values, measured.unit, measured.source)


@router.get("/results/{result_id}/anomaly-map", response_model=api.Values)
def anomaly_map(result_id: ResultId, request: Request, services: ServicesDep) -> Response:
    """How far each part is from normal, in σ; signed, positive is hotter than expected."""
    row = require_result(services, result_id)
    return matrix(request, row, services.frames.arrays(row).anomaly_map, "sigma", "stored")


@router.post("/results/{result_id}/review", response_model=api.Review, status_code=201)
def review(
    result_id: ResultId, body: api.ReviewRequest, services: ServicesDep, user: ReviewerDep
) -> api.Review:
    """Record a verdict (role reviewer); earlier ones are kept, the latest counts."""
    require_result(services, result_id)
    add_reviews(
        services.engine,
        [result_id],
        body.verdict,
        note=body.note,
        reviewer=user.name,
        now=services.clock(),
    )
    found = list_reviews(services.engine, result_id)
    if not found:
        raise Problem(HTTPStatus.NOT_FOUND, f"result {result_id} is not there any more")
    return api.Review.model_validate(vars(found[0]))


@router.post("/reviews", response_model=api.BulkReviewed, status_code=201)
def reviews(
    body: api.BulkReviewRequest, services: ServicesDep, user: ReviewerDep
) -> api.BulkReviewed:
    """Record one verdict about many results (role reviewer)."""
    known = add_reviews(
        services.engine,
        [number for number in body.result_ids if 0 < number <= MAX_ID],
        body.verdict,
        note=body.note,
        reviewer=user.name,
        now=services.clock(),
    )
    unknown = [number for number in dict.fromkeys(body.result_ids) if number not in set(known)]
    return api.BulkReviewed(reviewed=known, unknown=unknown)


def require_result(services: Services, result_id: int) -> ResultRow:
    """The result; raises `Problem` if there is none of this number."""
    row = get_result(services.engine, result_id)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no result {result_id}")
    return row


def as_values(row: ResultRow) -> dict[str, Any]:
    """A result under the names of the API."""
    kept = [kind for kind in KINDS if getattr(row, f"{kind}_picture") is not None]
    return vars(row) | {
        "prediction": row.prediction,
        "p_value": row.p_value,
        "reasons": list(row.reasons),
        "pictures": {kind: f"/api/v1/results/{row.id}/pictures/{kind}" for kind in kept},
        "has_values": row.map_artifact is not None,
    }


def matrix(
    request: Request, row: ResultRow, array: NDArray[np.float32], unit: str, source: str
) -> Response:
    """A matrix in the form that was asked for."""
    height, width = array.shape
    headers = {"X-Width": str(width), "X-Height": str(height), "X-Unit": unit, **CACHE}
    headers |= {"X-Source": source, "Vary": "Accept"}
    if "application/octet-stream" in request.headers.get("accept", ""):
        data = np.ascontiguousarray(array, "<f4").tobytes()
        return Response(data, media_type="application/octet-stream", headers=headers)
    document = {
        "result_id": row.id,
        "width": width,
        "height": height,
        "unit": unit,
        "source": source,
        # nine digits tell all float32 apart; more would make the answer twice as long
        "values": [[float(f"{value:.9g}") for value in line] for line in array.tolist()],
    }
    text = json.dumps(document, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=headers)


def is_storable(text: str) -> bool:
    """Whether a database can compare with it: Postgres takes neither NUL nor lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
