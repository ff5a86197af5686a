"""`POST /api/v1/images`: puts an upload over HTTP into the watch directory."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from pathlib import PureWindowsPath
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import UploadFile

from ops.web.deps import ActorDep, ReviewerDep, ServicesDep, in_progress
from ops.web.problems import Problem
from ops.web.schemas import errors
from ops.web.schemas.images import Uploaded
from ops.web.services import Services
from ops.web.uploads import SUFFIXES, find_place, put_in_place, temporary_file
from storage.audit_log import Actor, record_alone

router = APIRouter(tags=["images"])

_FORM = "multipart/form-data"
_PART = 1 << 20  # bytes of a form's file held in memory at a time
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{kind: _BINARY for kind in (*SUFFIXES, "application/octet-stream")},
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post(
    "/images",
    response_model=Uploaded,
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=_BODY,
    dependencies=[Depends(in_progress(lambda quotas: quotas.uploads))],
    responses={
        415: {
            "model": errors.Problem,
            "description": "Neither the type nor the name is that of an image.",
        }
    },
)
async def upload(
    request: Request,
    services: ServicesDep,
    _user: ReviewerDep,
    actor: ActorDep,
    camera: Annotated[str, Query(min_length=1, max_length=200)],
    name: Annotated[
        str | None, Query(max_length=200, description="File name; made from the time if not given.")
    ] = None,
) -> Uploaded:
    """Upload an image of a camera (role reviewer), as the request body or as `file` of a form.

    It is scored like any other upload. The response does not wait for that.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        return await _store(services, actor, camera, name, media_type, request.stream())
    async with request.form(max_files=1, max_fields=10) as form:
        sent = form.get("file")
        if not isinstance(sent, UploadFile):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "file: missing in the form")
        name = name or PureWindowsPath(sent.filename or "").name or None
        return await _store(services, actor, camera, name, sent.content_type or "", _parts(sent))


async def _store(
    services: Services,
    actor: Actor,
    camera: str,
    name: str | None,
    media_type: str,
    parts: AsyncIterator[bytes],
) -> Uploaded:
    settings = services.settings
    place = await to_thread.run_sync(
        find_place, settings, camera, name, media_type, services.clock()
    )
    with temporary_file(place) as temporary:
        with os.fdopen(temporary.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            async for part in parts:
                file.write(part)
        size = await services.lanes.images.run(
            put_in_place, settings, services.sandbox, camera, temporary, place
        )
    note = partial(record_alone, services.engine, actor, "upload", camera, now=services.clock())
    await to_thread.run_sync(note, place.path)
    return Uploaded(camera=camera, path=place.path, size=size)


async def _parts(file: UploadFile) -> AsyncIterator[bytes]:
    while part := await file.read(_PART):
        yield part
