"""What handlers ask for: the services, who asks, and that they may.

Every unsafe request of a browser must come from our own pages: its `Origin` is ours, and a session
sends its CSRF token in the header ``X-CSRF-Token`` or in the form field ``csrf_token``.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final, cast
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import Depends, Request

from ops.web.problems import LoginRequired, Problem
from ops.web.security.access import COOKIE, LOCAL, User
from ops.web.services import Services
from storage.accounts import Role

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"


def get_services(request: Request) -> Services:
    """The server's services."""
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(get_services)]


async def find_user(request: Request, services: Services) -> User | None:
    """Who asks, by token or session, or as the local user; None if nobody is known."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return await to_thread.run_sync(services.access.by_token, token.strip())
    if not await to_thread.run_sync(services.access.login_required):
        return LOCAL
    if secret := request.cookies.get(COOKIE):
        return await to_thread.run_sync(services.access.by_session, secret)
    return None


async def current_user(request: Request, services: ServicesDep) -> User:
    """Who asks. Raises `LoginRequired`, and `Problem` for a request that is not from our pages."""
    user = await find_user(request, services)
    if user is None:
        raise LoginRequired
    if request.method not in _SAFE and user.via != "token":
        check_origin(request)
        if user.via == "session":
            await _check_csrf(request, user)
    return user


UserDep = Annotated[User, Depends(current_user)]


def require_role(role: Role) -> Callable[[User], Awaitable[User]]:
    """A dependency that gives the user, who has at least the rights of `role`."""

    async def user_with_role(user: UserDep) -> User:
        if not user.may(role):
            raise Problem(
                HTTPStatus.FORBIDDEN, f"{user.name} is {user.role}; this takes the role {role}"
            )
        return user

    return user_with_role


ReviewerDep = Annotated[User, Depends(require_role("reviewer"))]
AdminDep = Annotated[User, Depends(require_role("admin"))]


def check_origin(request: Request) -> None:
    """Refuse a request that a page of another site makes. Raises `Problem`."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or site not in ("none", "same-origin"):
        raise Problem(HTTPStatus.FORBIDDEN, "this request comes from a page of another site")


async def _check_csrf(request: Request, user: User) -> None:
    sent = request.headers.get("x-csrf-token", "")
    if not sent and request.headers.get("content-type", "").partition(";")[0] == _FORM:
        sent = str((await request.form()).get("csrf_token", ""))
    if not hmac.compare_digest(sent.encode(), user.csrf_token.encode()):
        raise Problem(HTTPStatus.FORBIDDEN, "the CSRF token is missing or wrong: reload the page")
