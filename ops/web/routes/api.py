"""`/api/v1`: the routers of all subjects under one roof; each request needs a user."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from ops.web.deps import current_user
from ops.web.routes import cameras as api_cameras
from ops.web.routes import images as api_images
from ops.web.routes import results as api_results
from ops.web.routes import system as api_system
from ops.web.schemas.errors import Problem

#: Errors that any request may meet, for the OpenAPI document.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": text,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for status, text in {
        401: "Nobody is logged in.",
        403: "The role does not suffice, or the request comes from elsewhere.",
        404: "There is no such thing.",
        409: "It cannot be done in the present state.",
        413: "The body is too large.",
        422: "A parameter is wrong.",
        503: "The database or Redis is away.",
    }.items()
}

router = APIRouter(dependencies=[Depends(current_user)], responses=ERRORS)
for part in (api_cameras.router, api_results.router, api_images.router, api_system.router):
    router.include_router(part)
