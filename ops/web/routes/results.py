"""`/api/v1/results`: lists of results, single results, pictures, values, reviews, exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from numpy.typing import NDArray

from ops.web.deps import ServicesDep, in_progress
from ops.web.exports import FolderDep, csv_file, parquet_file
from ops.web.matrices import matrix, reduced
from ops.web.problems import Problem
from ops.web.schemas.results import (
    Display,
    PictureName,
    Result,
    ResultDetail,
    ResultPage,
    ReviewState,
    Values,
)
from ops.web.schemas.reviews import (
    Review,
)
from ops.web.services import Services
from storage.db.result_fields import Prediction, ResultRow
from storage.results.queries import ResultQuery, get_result, list_results
from storage.results.reviews import list_reviews, review_versions

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
    captured_since: Instant = None,
    captured_until: Instant = None,
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
        captured_since=captured_since,
        captured_until=captured_until,
    )


ChosenDep = Annotated[ResultQuery, Depends(chosen)]
ONE_OF_EXPORTS = Depends(in_progress(lambda quotas: quotas.exports))
ONE_OF_MATRICES = Depends(in_progress(lambda quotas: quotas.matrices))


def found_row(result_id: ResultId, services: ServicesDep) -> ResultRow:
    """The result that the path names."""
    return require_result(services, result_id)


RowDep = Annotated[ResultRow, Depends(found_row)]


@router.get("/results", response_model=ResultPage)
def results(
    services: ServicesDep,
    query: ChosenDep,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    direction: Literal["newest", "oldest"] = "newest",
) -> ResultPage:
    """One page of results, by arrival; by capture with `captured_since` or `captured_until`."""
    page = list_results(
        services.engine, query, after=cursor, limit=limit, earliest_first=direction == "oldest"
    )
    versions = review_versions(services.engine, [row.id or 0 for row in page.rows])
    shown = [
        Result.of(row, **answered(row, display_of(row, services), versions.get(row.id or 0, 0)))
        for row in page.rows
    ]
    return ResultPage(results=shown, next=page.next)


@router.get("/results/export.csv", response_class=StreamingResponse, dependencies=[ONE_OF_EXPORTS])
def export_csv(services: ServicesDep, query: ChosenDep) -> Response:
    """All matching results as CSV, earliest first."""
    return csv_file(services.engine, query, services.lanes.pages)


@router.get("/results/export.parquet", response_class=FileResponse, dependencies=[ONE_OF_EXPORTS])
async def export_parquet(services: ServicesDep, query: ChosenDep, folder: FolderDep) -> Response:
    """All matching results as Parquet, earliest first."""
    return await services.lanes.files.run(parquet_file, services.engine, query, folder)


@router.get("/results/{result_id}", response_model=ResultDetail)
def result(result_id: ResultId, services: ServicesDep) -> ResultDetail:
    """One result with all its fields and reviews."""
    row = require_result(services, result_id)
    reviews = list_reviews(services.engine, result_id)
    return ResultDetail.of(
        row,
        hotspots=json.loads(row.hotspots),
        reviews=[Review.of(review) for review in reviews],
        **answered(row, display_of(row, services), reviews[0].id if reviews else 0),
    )


@router.get("/results/{result_id}/pictures/thumbnail", response_class=Response)
async def thumbnail(row: RowDep, request: Request, services: ServicesDep) -> Response:
    """The image without labels, drawn from its stored values or from the watched file."""
    return await _bare(row, request, services, services.frames.thumbnail)


@router.get("/results/{result_id}/pictures/marked", response_class=Response)
async def marked(row: RowDep, request: Request, services: ServicesDep) -> Response:
    """The same with a ring around its most anomalous spot; 404 without a stored anomaly map."""
    return await _bare(row, request, services, services.frames.marked)


async def _bare(
    row: ResultRow,
    request: Request,
    services: Services,
    draw: Callable[[ResultRow, Display | None], bytes],
) -> Response:
    tag = f'"{row.frame_id[:16]}-{row.model_id[:8]}"'
    headers = {"ETag": tag, **CACHE}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)

    def drawn() -> bytes:
        return draw(row, display_of(row, services))

    png = await services.lanes.images.run(drawn)
    return Response(png, media_type="image/png", headers=headers)


@router.get("/results/{result_id}/pictures/{kind}", response_class=FileResponse)
def picture(result_id: ResultId, kind: PictureName, services: ServicesDep) -> Response:
    """A stored picture as PNG, labelled with title, scale, camera and time."""
    row = require_result(services, result_id)
    path = services.frames.artifact(getattr(row, f"{kind}_picture"))
    return FileResponse(path, media_type="image/png", headers=CACHE)


@router.get("/results/{result_id}/values", response_model=Values, dependencies=[ONE_OF_MATRICES])
async def values(row: RowDep, request: Request, services: ServicesDep) -> Response:
    """The measured values: as JSON, or as float32 for `Accept: application/octet-stream`.

    Of a large image the highest of each `step` x `step` values.
    """

    def read() -> tuple[NDArray[np.float32], int, str]:
        measured = services.frames.measured(row)
        return *reduced(measured.values), measured.source

    array, step, source = await services.lanes.images.run(read)
    return matrix(request, row, array, row.temperature_unit, source, step=step, headers=CACHE)


@router.get(
    "/results/{result_id}/anomaly-map", response_model=Values, dependencies=[ONE_OF_MATRICES]
)
async def anomaly_map(row: RowDep, request: Request, services: ServicesDep) -> Response:
    """The anomaly map in σ; positive values are hotter than expected.

    Of a large one the highest of each `step` x `step` values.
    """

    def read() -> tuple[NDArray[np.float32], int]:
        return reduced(services.frames.arrays(row).anomaly_map)

    array, step = await services.lanes.images.run(read)
    return matrix(request, row, array, "sigma", "stored", step=step, headers=CACHE)


def require_result(services: Services, result_id: int) -> ResultRow:
    """The result with this id.

    Raises:
        Problem: 404, there is none.
    """
    row = get_result(services.engine, result_id)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no result {result_id}")
    return row


def display_of(row: ResultRow, services: Services) -> Display | None:
    """The colour scale of a result's pictures."""
    from thermal.render.pictures import display_range

    model = services.model.of(row.model_id)
    if model is None or model.normalization.unit != row.temperature_unit:
        return None
    found = display_range(model.normalization, row.bit_depth)
    return Display(low=found.low, high=found.high)


def answered(row: ResultRow, display: Display | None, version: int) -> dict[str, Any]:
    """The fields whose form in the API differs from the row's."""
    kept = [kind for kind in KINDS if getattr(row, f"{kind}_picture") is not None]
    return {
        "reasons": list(row.reasons),
        "pictures": {kind: f"/api/v1/results/{row.id}/pictures/{kind}" for kind in kept},
        "has_values": row.frame_arrays is not None,
        "display": display,
        "version": version,
    }


def is_storable(text: str) -> bool:
    """Whether a database accepts the text: Postgres rejects NUL and lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
