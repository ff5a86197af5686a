"""Logging in with an OpenID provider."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from ops.errors import OidcError
from ops.web.deps import ServicesDep, address_of
from ops.web.problems import Problem
from ops.web.routes.login import begin_attempt, log_in_browser, login_page, safe_place
from ops.web.security.oidc import LOGIN_S
from storage.errors import AccountExists

router = APIRouter(include_in_schema=False)

#: Name of the cookie that binds a login at the provider to the browser that began it.
STATE_COOKIE = "thermalwatch_oidc"
#: Stands for the account in the throttle: nobody has named one yet.
ATTEMPTS = ""
_PATH = "/login/oidc"


@router.get(_PATH)
async def begin(request: Request, services: ServicesDep, next: str = "/") -> Response:
    """Send the browser to the provider."""
    if not services.oidc.enabled:
        raise Problem(HTTPStatus.NOT_FOUND, "logins with OpenID are not configured")
    back = str(request.url_for("finish_oidc"))
    try:
        url, state = await to_thread.run_sync(services.oidc.begin, back, safe_place(next))
    except OidcError as error:
        return login_page(request, services, safe_place(next), str(error))
    response = RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)
    response.set_cookie(
        STATE_COOKIE,
        state,
        max_age=int(LOGIN_S),
        path=_PATH,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.get(f"{_PATH}/callback", name="finish_oidc")
async def finish(
    request: Request,
    services: ServicesDep,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """Begin a session for who comes back from the provider."""
    address = address_of(request)
    begin_attempt(services, ATTEMPTS, address)
    expected = request.cookies.get(STATE_COOKIE, "")
    check = partial(services.oidc.finish, state=state, expected=expected, code=code)
    try:
        identity, then = await to_thread.run_sync(check)
        login = partial(
            services.access.login_identity,
            identity,
            address=address,
            user_agent=request.headers.get("user-agent", ""),
        )
        secret = await to_thread.run_sync(login)
    except (OidcError, AccountExists) as error:
        note = partial(services.access.note_failure, "", address, f"OpenID: {error}")
        await to_thread.run_sync(note)
        return login_page(request, services, "/", str(error))
    services.throttle.succeeded(ATTEMPTS, address)
    response = log_in_browser(request, services, secret, then)
    response.delete_cookie(STATE_COOKIE, path=_PATH)
    return response
