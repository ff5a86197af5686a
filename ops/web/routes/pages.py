"""The dashboard's pages: HTML shells that scripts fill from the HTTP API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from ops.web.deps import AdminDep, PersonDep, ServicesDep, current_user
from ops.web.security.access import User
from ops.web.security.api_tokens import MOST_DAYS, USUAL_DAYS
from ops.web.security.passwords import LEAST, MOST
from ops.web.templating import page

router = APIRouter(include_in_schema=False)

Reader = Annotated[User, Depends(current_user)]


@router.get("/")
def wall(request: Request, user: Reader) -> Response:
    """The wall: every camera's latest frame and state."""
    return page(request, user, "wall.html")


@router.get("/cameras/{name:path}")
def camera(request: Request, user: Reader, name: str) -> Response:
    """One camera over time. Its name may contain slashes."""
    return page(request, user, "camera.html", camera=name)


@router.get("/review")
def review(request: Request, user: Reader) -> Response:
    """The anomalies without a verdict."""
    return page(request, user, "review.html")


@router.get("/history")
def history(request: Request, user: Reader) -> Response:
    """All results, with filters."""
    return page(request, user, "history.html")


@router.get("/results/{result_id}")
def result(request: Request, user: Reader, result_id: int) -> Response:
    """One result."""
    return page(request, user, "result.html", result_id=result_id)


@router.get("/system")
def system(request: Request, user: Reader) -> Response:
    """Queue, workers, drift, quarantine and disk."""
    return page(request, user, "system.html")


@router.get("/account")
def account(request: Request, user: PersonDep) -> Response:
    """One's own password, sessions and API tokens."""
    return page(
        request,
        user,
        "account.html",
        least=LEAST,
        most=MOST,
        usual_days=USUAL_DAYS,
        most_days=MOST_DAYS,
    )


@router.get("/audit")
def audit(request: Request, services: ServicesDep, user: AdminDep) -> Response:
    """Who did what."""
    days = f"{services.settings.retention.audit_log_days:g}"
    return page(request, user, "audit.html", days=days)
