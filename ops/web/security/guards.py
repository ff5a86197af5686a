"""Middleware for every request: size limit, origin of the request, security headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.web.problems import Problem, problem_response
from ops.web.security.access import Access
from ops.web.security.proxies import is_forwarded

#: Largest request body in bytes, except for uploads. It is in memory before the login is checked.
BODY_BYTES: Final = 1 << 17
#: Bytes that a form may add to an uploaded file.
FORM_BYTES: Final = 1 << 16
UPLOAD_PATH: Final = "/api/v1/images"

#: Scripts, styles and pictures come only from this server; inline scripts don't run. Pages draw
#: frames on canvases and save them, which needs blob: and data: for pictures.
POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Over https, browsers never use http for this host again: for a year since the last response.
HSTS: Final = "max-age=31536000"
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class SecurityHeaders:
    """Adds `HEADERS` to every response, and forbids caching except of static files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", HSTS)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return await self.app(scope, receive, send_with_headers)


class LocalOnly:
    """Rejects requests from elsewhere while there are no accounts.

    Another site could point its own host name at 127.0.0.1, and its pages would then have the same
    origin as ours (DNS rebinding); the header ``Host`` reveals that name. A proxy on this machine
    would let everybody in who reaches it; its forwarding headers reveal that.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is None or await self.access.is_login_required():
            return await self.app(scope, receive, send)
        return await refusal(scope, receive, send)

    @staticmethod
    def _refusal(headers: Headers) -> ASGIApp | None:
        if is_forwarded(headers):
            return problem_response(
                HTTPStatus.FORBIDDEN,
                "a proxy forwarded this request, and without accounts everybody who reaches the "
                "proxy would have access: add an account with "
                "`thermalwatch account add NAME --role admin`",
            )
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() in _LOOPBACK_NAMES:
            return None
        return problem_response(
            HTTPStatus.MISDIRECTED_REQUEST,
            "without accounts this server answers only as localhost",
        )


class BodyLimit:
    """Rejects request bodies that are too large, by their stated or their actual length."""

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self.app = app
        self.upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        is_upload = scope["path"] == UPLOAD_PATH
        limit = self.upload_bytes + FORM_BYTES if is_upload else BODY_BYTES
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isdecimal() or int(stated[:20]) > limit:
            response = problem_response(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes"
            )
            return await response(scope, receive, send)
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes")
            return message

        return await self.app(scope, receive_counted, send)
