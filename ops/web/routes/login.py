"""Logging in and out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from ops.web.deps import ServicesDep, UserDep, check_origin
from ops.web.problems import Problem
from ops.web.security.access import COOKIE, SESSION_S
from ops.web.templating import page

router = APIRouter(include_in_schema=False)


def safe_place(place: str) -> str:
    """The page to go to after the login: `place` if it is on this server, else the wall."""
    is_ours = place.startswith("/") and not place.startswith(("//", "/\\"))
    return place if is_ours and place.isprintable() else "/"


@router.get("/login")
async def show_login(request: Request, next: str = "/") -> Response:
    """The login form."""
    return page(request, None, "login.html", next=safe_place(next), error="")


@router.post("/login")
async def log_in(
    request: Request,
    services: ServicesDep,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session and redirect to the page that the user wanted."""
    check_origin(request)
    address = request.client.host if request.client else ""
    if wait_s := services.throttle.wait_s(name, address):
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many failed logins; try again in {wait_s / 60:.0f} minutes",
            {"Retry-After": f"{wait_s:.0f}"},
        )
    services.throttle.failed(
        name, address
    )  # before the slow check, so that parallel attempts count too
    secret = await to_thread.run_sync(services.access.login, name, password)
    if secret is None:
        return page(
            request,
            None,
            "login.html",
            status_code=HTTPStatus.UNAUTHORIZED,
            next=safe_place(next),
            error="Name or password is wrong.",
        )
    services.throttle.succeeded(name, address)
    response = RedirectResponse(safe_place(next), status_code=HTTPStatus.SEE_OTHER)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION_S),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
async def log_out(request: Request, services: ServicesDep, _user: UserDep) -> Response:
    """End the session."""
    if secret := request.cookies.get(COOKIE):
        await to_thread.run_sync(services.access.logout, secret)
    response = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response
