"""`/api/v1/results`: lists of results, single results, pictures, values, reviews, exports."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from numpy.typing import NDArray

from ops.web.deps import ReviewerDep, ServicesDep
from ops.web.exports import csv_file, parquet_file
from ops.web.problems import Problem
from ops.web.schemas.results import (
    PictureName,
    Result,
    ResultDetail,
    ResultPage,
    ReviewState,
    Values,
)
from ops.web.schemas.reviews import BulkReviewed, BulkReviewRequest, Review, ReviewRequest
from ops.web.services import Services
from storage.db.result_fields import Prediction, ResultRow
from storage.results.queries import ResultQuery, get_result, list_results
from storage.results.reviews import add_reviews, list_reviews

router = APIRouter(tags=["results"])

MAX_ID = 2**63 - 1
ResultId = Annotated[int, Path(ge=1, le=MAX_ID)]
Instant = Annotated[float | None, Query(allow_inf_nan=False, description="Unix seconds.")]
KINDS: tuple[PictureName, ...] = (
    "original",
    "reconstruction",
    "heatmap",
    "overlay",
    "sheet",
)
#: The pictures of a result never change.
CACHE = {"Cache-Control": "private, max-age=86400"}


def chosen(
    camera: Annotated[str | None, Query(max_length=4000)] = None,
    since: Instant = None,
    until: Instant = None,
    prediction: Prediction | None = None,
    min_score: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    review: ReviewState | None = None,
    model_id: Annotated[str | None, Query(max_length=200)] = None,
) -> ResultQuery:
    """The filters that lists and exports share."""
    for text in (camera, model_id):
        if text is not None and not is_storable(text):
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "camera and model_id must not hold NUL or lone surrogates",
            )
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


@router.get("/results", response_model=ResultPage)
def results(
    services: ServicesDep,
    query: ChosenDep,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    direction: Literal["newest", "oldest"] = "newest",
) -> ResultPage:
    """One page of results, by time of capture."""
    page = list_results(
        services.engine, query, after=cursor, limit=limit, earliest_first=direction == "oldest"
    )
    return ResultPage(
        results=[Result.of(row, **answered(row)) for row in page.rows], next=page.next
    )


@router.get("/results/export.csv", response_class=StreamingResponse)
def export_csv(services: ServicesDep, query: ChosenDep) -> Response:
    """All matching results as CSV, earliest first."""
    return csv_file(services.engine, query)


@router.get("/results/export.parquet", response_class=FileResponse)
def export_parquet(services: ServicesDep, query: ChosenDep) -> Response:
    """All matching results as Parquet, earliest first."""
    return parquet_file(services.engine, query)


@router.get("/results/{result_id}", response_model=ResultDetail)
def result(result_id: ResultId, services: ServicesDep) -> ResultDetail:
    """One result with all its fields and reviews."""
    row = require_result(services, result_id)
    reviews = list_reviews(services.engine, result_id)
    return ResultDetail.of(
        row,
        hotspots=json.loads(row.hotspots),
        reviews=[Review.of(review) for review in reviews],
        **answered(row),
    )


@router.get("/results/{result_id}/pictures/thumbnail", response_class=Response)
def thumbnail(result_id: ResultId, request: Request, services: ServicesDep) -> Response:
    """The image without labels, drawn from its stored values or from the watched file."""
    row = require_result(services, result_id)
    tag = f'"{row.frame_id[:16]}-{row.model_id[:8]}"'
    headers = {"ETag": tag, **CACHE}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    model = services.model.get()
    png = services.frames.thumbnail(row, model.normalization if model else None)
    return Response(png, media_type="image/png", headers=headers)


@router.get("/results/{result_id}/pictures/{kind}", response_class=FileResponse)
def picture(result_id: ResultId, kind: PictureName, services: ServicesDep) -> Response:
    """A stored picture as PNG, labelled with title, scale, camera and time."""
    row = require_result(services, result_id)
    path = services.frames.artifact(getattr(row, f"{kind}_picture"))
    return FileResponse(path, media_type="image/png", headers=CACHE)


@router.get("/results/{result_id}/values", response_model=Values)
def values(result_id: ResultId, request: Request, services: ServicesDep) -> Response:
    """The measured values: as JSON, or as float32 for `Accept: application/octet-stream`."""
    row = require_result(services, result_id)
    measured = services.frames.measured(row)
    return matrix(request, row, measured.values, measured.unit, measured.source)


@router.get("/results/{result_id}/anomaly-map", response_model=Values)
def anomaly_map(result_id: ResultId, request: Request, services: ServicesDep) -> Response:
    """The anomaly map in σ; positive values are hotter than expected."""
    row = require_result(services, result_id)
    return matrix(request, row, services.frames.arrays(row).anomaly_map, "sigma", "stored")


@router.post("/results/{result_id}/review", response_model=Review, status_code=201)
def review(
    result_id: ResultId, body: ReviewRequest, services: ServicesDep, user: ReviewerDep
) -> Review:
    """Record a verdict (role reviewer). Earlier ones are kept; the latest counts."""
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
        raise Problem(HTTPStatus.NOT_FOUND, f"result {result_id} has been deleted")
    return Review.of(found[0])


@router.post("/reviews", response_model=BulkReviewed, status_code=201)
def reviews(body: BulkReviewRequest, services: ServicesDep, user: ReviewerDep) -> BulkReviewed:
    """Record the same verdict on many results (role reviewer)."""
    known = add_reviews(
        services.engine,
        [number for number in body.result_ids if 0 < number <= MAX_ID],
        body.verdict,
        note=body.note,
        reviewer=user.name,
        now=services.clock(),
    )
    unknown = [number for number in dict.fromkeys(body.result_ids) if number not in set(known)]
    return BulkReviewed(reviewed=known, unknown=unknown)


def require_result(services: Services, result_id: int) -> ResultRow:
    """The result with this id.

    Raises:
        Problem: 404, there is none.
    """
    row = get_result(services.engine, result_id)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no result {result_id}")
    return row


def answered(row: ResultRow) -> dict[str, Any]:
    """The fields whose form in the API differs from the row's."""
    kept = [kind for kind in KINDS if getattr(row, f"{kind}_picture") is not None]
    return {
        "reasons": list(row.reasons),
        "pictures": {kind: f"/api/v1/results/{row.id}/pictures/{kind}" for kind in kept},
        "has_values": row.frame_arrays is not None,
    }


def matrix(
    request: Request, row: ResultRow, array: NDArray[np.float32], unit: str, source: str
) -> Response:
    """An (H, W) array as JSON or little-endian float32, whichever the request accepts."""
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
        # nine digits distinguish all float32 values; more would double the size
        "values": [[float(f"{value:.9g}") for value in line] for line in array.tolist()],
    }
    text = json.dumps(document, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=headers)


def is_storable(text: str) -> bool:
    """Whether a database accepts the text: Postgres rejects NUL and lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
