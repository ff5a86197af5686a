"""Error responses: problem details (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from redis import RedisError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from ops.web.templating import has_template, page
from storage.errors import AmbiguousFrame, DatabaseUnavailable, ExportTooLarge, InvalidCursor

log = logging.getLogger(__name__)


class Problem(HTTPException):
    """A request that fails with `status`. `detail` says why and what to do."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))


class LoginRequired(Problem):
    """The request has no valid session or token."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED,
            "log in, or send an API token: Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )


def problem_response(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Problem details as JSON."""
    return JSONResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        },
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def answer(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The error page for a browser's page request, else problem details."""
    if not _asks_for_page(request):
        return problem_response(status, detail, headers)
    if has_template("error.html"):
        title = HTTPStatus(status).phrase
        response = page(
            request,
            None,
            "error.html",
            status_code=status,
            status=status,
            title=title,
            detail=detail,
        )
    else:
        response = PlainTextResponse(detail, status_code=status)
    response.headers.update(headers or {})
    return response


def _asks_for_page(request: Request) -> bool:
    is_page = not request.url.path.startswith(("/api/", "/metrics", "/healthz", "/readyz"))
    return is_page and "text/html" in request.headers.get("accept", "")


def install(app: FastAPI) -> None:
    """Make `app` respond to every error in this way."""

    def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, StarletteHTTPException):
            raise TypeError(f"not an HTTP error: {error!r}")
        if isinstance(error, LoginRequired) and _asks_for_page(request):
            place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(place, safe='')}", status_code=303)
        return answer(request, error.status_code, str(error.detail), error.headers)

    def on_invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise TypeError(f"not a validation error: {error!r}")
        found = [
            f"{'.'.join(str(part) for part in e['loc'][1:]) or e['loc'][0]}: {e['msg']}"
            for e in error.errors()
        ]
        return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(found))

    def on_bad_value(request: Request, error: Exception) -> Response:
        return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    def on_outage(request: Request, error: Exception) -> Response:
        log.warning("%s %s: %s", request.method, request.url.path, error)
        what = "the database" if isinstance(error, DatabaseUnavailable) else "Redis"
        return answer(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{what} is unavailable; no frame is lost, try again later",
            {"Retry-After": "5"},
        )

    def on_defect(request: Request, error: Exception) -> Response:
        return answer(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal error of the server; see its log"
        )

    def on_disconnect(request: Request, _error: Exception) -> Response:
        # nobody reads it; without an answer it would be logged as a defect
        return answer(request, HTTPStatus.BAD_REQUEST, "the request was not complete")

    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(StarletteHTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(InvalidCursor, on_bad_value)
    app.add_exception_handler(AmbiguousFrame, on_bad_value)
    app.add_exception_handler(ExportTooLarge, on_bad_value)
    app.add_exception_handler(DatabaseUnavailable, on_outage)
    app.add_exception_handler(RedisError, on_outage)
    app.add_exception_handler(Exception, on_defect)
