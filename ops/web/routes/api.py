"""`/api/v1`: combines the routers of all subjects; each request needs a user."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from ops.web.deps import current_user
from ops.web.routes import accounts as api_accounts
from ops.web.routes import cameras as api_cameras
from ops.web.routes import images as api_images
from ops.web.routes import results as api_results
from ops.web.routes import reviews as api_reviews
from ops.web.routes import second_factor as api_second_factor
from ops.web.routes import system as api_system
from ops.web.schemas.errors import Problem

#: Errors that any request may get, for the OpenAPI document.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": text,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for status, text in {
        401: "No valid session or token.",
        403: "The user's role does not allow it, or another site sent the request.",
        404: "Not found.",
        409: "Not possible in the present state.",
        413: "The request body is too large.",
        422: "A parameter is wrong.",
        429: "Too many attempts at a password, or too many of these in progress.",
        503: "The database or Redis is unavailable, or the server is busy.",
    }.items()
}

router = APIRouter(dependencies=[Depends(current_user)], responses=ERRORS)
for part in (
    api_cameras.router,
    api_results.router,
    api_reviews.router,
    api_images.router,
    api_system.router,
    api_accounts.router,
    api_second_factor.router,
):
    router.include_router(part)
