"""Logging in and out."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from ops.web.deps import ServicesDep, UserDep, address_of, check_origin
from ops.web.problems import Problem
from ops.web.security.access import cookie_name
from ops.web.services import Services
from ops.web.templating import page

router = APIRouter(include_in_schema=False)


def safe_place(place: str) -> str:
    """The page to go to after the login: `place` if it is on this server, else the wall."""
    is_ours = place.startswith("/") and not place.startswith(("//", "/\\"))
    return place if is_ours and place.isprintable() else "/"


def begin_attempt(services: Services, name: str, address: str) -> None:
    """Count an attempt at a password, which fails unless the throttle hears of its success.

    Raises:
        Problem: 429, too many have failed.
    """
    if wait_s := services.throttle.wait_s(name, address):
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many failed logins; try again in {wait_s / 60:.0f} minutes",
            {"Retry-After": f"{wait_s:.0f}"},
        )
    # before the slow check, so that parallel attempts count too
    services.throttle.failed(name, address)


def login_page(request: Request, services: Services, then: str, error: str = "") -> Response:
    """The login form, with what went wrong before."""
    status = HTTPStatus.UNAUTHORIZED if error else HTTPStatus.OK
    return page(
        request,
        None,
        "login.html",
        status_code=status,
        next=then,
        error=error,
        oidc=services.oidc.enabled,
    )


def log_in_browser(request: Request, services: Services, secret: str | None, then: str) -> Response:
    """Give the browser the session with this secret; without one, the login form."""
    if secret is None:
        return login_page(request, services, then, "Name, password or one-time code is wrong.")
    response = RedirectResponse(then, status_code=HTTPStatus.SEE_OTHER)
    response.set_cookie(
        cookie_name(request.url.scheme),
        secret,
        max_age=int(services.access.limits.absolute_s),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.get("/login")
async def show_login(request: Request, services: ServicesDep, next: str = "/") -> Response:
    """The login form."""
    return login_page(request, services, safe_place(next))


@router.post("/login")
async def log_in(
    request: Request,
    services: ServicesDep,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    code: Annotated[str, Form(max_length=100)] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session and redirect to the page that the user wanted."""
    check_origin(request)
    address = address_of(request)
    services.lanes.logins.check_room()
    begin_attempt(services, name, address)
    user_agent = request.headers.get("user-agent", "")
    login = partial(services.access.login, address=address, user_agent=user_agent)
    secret = await services.lanes.logins.run(login, name, password, code)
    if secret is not None:
        services.throttle.succeeded(name, address)
    return log_in_browser(request, services, secret, safe_place(next))


@router.post("/logout")
async def log_out(request: Request, services: ServicesDep, user: UserDep) -> Response:
    """End the session."""
    if user.via == "session":
        logout = partial(services.access.logout, address=address_of(request))
        await to_thread.run_sync(logout, user)
    response = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    is_https = request.url.scheme == "https"
    response.delete_cookie(
        cookie_name(request.url.scheme), secure=is_https, httponly=True, samesite="lax"
    )
    return response
