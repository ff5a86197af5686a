"""For monitoring: liveness, readiness and metrics."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from redis import RedisError

from ops.web.deps import ServicesDep, current_user
from ops.web.problems import Problem
from storage.accounts import any_accounts
from storage.errors import StorageError

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def alive() -> Response:
    """Respond as long as the process runs."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def ready(services: ServicesDep) -> Response:
    """Respond 200 if the database and Redis answer, else 503."""
    try:
        any_accounts(services.engine)
    except StorageError:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer") from None
    try:
        services.redis.ping()
    except RedisError:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer") from None
    return PlainTextResponse("ok\n")


@router.get("/metrics", dependencies=[Depends(current_user)])
def metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format. With accounts, Prometheus needs a viewer's token."""
    text = generate_latest(request.app.state.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
