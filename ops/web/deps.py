"""Dependencies of the request handlers: services, the current user, the required role.

Every unsafe request of a browser must come from our own pages: its `Origin` must be ours, and in a
session it must carry the CSRF token, in the header ``X-CSRF-Token`` or the form field
``csrf_token``.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final, cast
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import Depends, Request

from ops.web.problems import LoginRequired, Problem
from ops.web.security.access import LOCAL, User, cookie_name
from ops.web.security.guards import UPLOAD_PATH
from ops.web.security.quotas import Quota, Quotas
from ops.web.security.user_header import SCOPE_KEY
from ops.web.services import Services
from storage.accounts import Role
from storage.audit_log import Actor

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"


def get_services(request: Request) -> Services:
    """The server's services."""
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(get_services)]


async def find_user(request: Request, services: Services) -> User | None:
    """The user by token or session, or the local user; None if the request must log in.

    Raises:
        DatabaseUnavailable: accounts cannot be read.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return await to_thread.run_sync(services.access.by_token, token.strip())
    if not await services.access.is_login_required():
        return LOCAL
    if name := request.scope.get(SCOPE_KEY):
        return await to_thread.run_sync(services.access.by_header, name)
    if secret := request.cookies.get(cookie_name(request.url.scheme)):
        return await to_thread.run_sync(services.access.by_session, secret)
    return None


async def current_user(request: Request, services: ServicesDep) -> User:
    """The user who makes the request.

    Raises:
        LoginRequired: no valid token or session.
        Problem: 403, an unsafe request from another site or without its CSRF token, or a token that
            allows only uploads.
    """
    user = await find_user(request, services)
    if user is None:
        raise LoginRequired
    if user.upload_only and request.url.path != UPLOAD_PATH:
        raise Problem(HTTPStatus.FORBIDDEN, "this token allows only to upload images")
    if request.method not in _SAFE and user.via != "token":
        check_origin(request)
        if user.via in ("session", "header"):
            await _check_csrf(request, user)
    return user


UserDep = Annotated[User, Depends(current_user)]


async def current_person(user: UserDep) -> User:
    """The user, if logged in: sessions and tokens are not managed with a token.

    Raises:
        Problem: 403.
    """
    if user.via not in ("session", "header"):
        raise Problem(HTTPStatus.FORBIDDEN, "this needs a login with an account, not a token")
    return user


PersonDep = Annotated[User, Depends(current_person)]


def address_of(request: Request) -> str:
    """IP address that the request came from; '' if unknown."""
    return request.client.host if request.client else ""


async def current_actor(request: Request, user: UserDep) -> Actor:
    """The user as the audit log names them."""
    return Actor(user.name, user.via, address_of(request))


ActorDep = Annotated[Actor, Depends(current_actor)]


def require_role(role: Role) -> Callable[[User], Awaitable[User]]:
    """A dependency that returns the user, or raises `Problem` (403) if the role is below `role`."""

    async def user_with_role(user: UserDep) -> User:
        if not user.may(role):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"{user.name} has the role {user.role}; this needs the role {role}",
            )
        return user

    return user_with_role


ReviewerDep = Annotated[User, Depends(require_role("reviewer"))]
AdminDep = Annotated[User, Depends(require_role("admin"))]


def in_progress(choose: Callable[[Quotas], Quota]) -> Callable[..., AsyncIterator[None]]:
    """A dependency that counts the request until its response has been sent, or raises 429."""

    async def hold(user: UserDep, services: ServicesDep) -> AsyncIterator[None]:
        with choose(services.quotas).slot(user.name):
            yield

    return hold


def check_origin(request: Request) -> None:
    """Reject requests made by pages of other sites.

    Raises:
        Problem: 403.
    """
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
