"""For monitoring: liveness, readiness and metrics."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ops.web.deps import ServicesDep, current_user
from ops.web.queries.health import ROLES, Health, Role

router = APIRouter(include_in_schema=False)

#: What `/readyz` says of a role that works.
OK: Final = "ok"


@router.get("/healthz")
async def alive() -> Response:
    """Respond as long as the process runs."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def ready(services: ServicesDep) -> Response:
    """What is wrong with each role; 503 without database or Redis, else 200.

    Not 503 for the other roles: a load balancer would take away the pages that tell of them.
    """
    health = services.health.get()
    return _by_role({role: _said(health, role) for role in ROLES}, failed=health.is_own)


@router.get("/readyz/{role}")
def ready_role(services: ServicesDep, role: Role) -> Response:
    """Whether one role is ready; 503 if anything is wrong with it."""
    said = _said(services.health.get(), role)
    return _by_role({role: said}, failed=said != OK)


def _said(health: Health, role: Role) -> str:
    return next((trouble.text for trouble in health.troubles if trouble.role == role), OK)


def _by_role(said: dict[Role, str], *, failed: bool) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK
    return JSONResponse(said, status_code=status)


@router.get("/metrics", dependencies=[Depends(current_user)])
def metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format. With accounts, Prometheus needs a viewer's token."""
    text = generate_latest(request.app.state.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
