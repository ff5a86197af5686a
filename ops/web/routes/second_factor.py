"""`/api/v1/me/second-factor`: one-time codes for one's own account."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from anyio import to_thread
from fastapi import APIRouter, Response

from ops.web.deps import ActorDep, PersonDep, ServicesDep
from ops.web.problems import Problem
from ops.web.routes.login import begin_attempt
from ops.web.schemas.accounts import (
    NewSecret,
    PasswordProof,
    RecoveryCodes,
    SecondFactor,
    SecondFactorRequest,
)
from ops.web.security.access import User
from ops.web.security.one_time_codes import new_recovery_codes, new_secret, setup_uri, step_of
from ops.web.services import Services
from storage.second_factor import recovery_codes_left, secret_of, switch_off, switch_on

router = APIRouter(tags=["accounts"], prefix="/me/second-factor")


@router.get("", response_model=SecondFactor)
def second_factor(services: ServicesDep, user: PersonDep) -> SecondFactor:
    """Whether one's logins need a one-time code."""
    return SecondFactor(
        enabled=secret_of(services.engine, user.name) is not None,
        recovery_codes_left=recovery_codes_left(services.engine, user.name),
    )


@router.post("/secret", response_model=NewSecret)
def make_secret(user: PersonDep) -> NewSecret:
    """A new secret for an authenticator app. It is not used before `PUT`."""
    secret = new_secret()
    return NewSecret(secret=secret, uri=setup_uri(secret, user.name))


@router.put("", response_model=RecoveryCodes)
async def enable(
    body: SecondFactorRequest, services: ServicesDep, user: PersonDep, actor: ActorDep
) -> RecoveryCodes:
    """Require one-time codes, computed from the secret, at one's logins."""
    await prove(services, user, body.password, actor.address)
    now = services.clock()
    step = step_of(body.secret, body.code, now)
    if step is None:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the code does not fit: is the clock of the device with the app right?",
        )
    codes = new_recovery_codes()
    switch = partial(switch_on, services.engine, user.name, body.secret, codes)
    await to_thread.run_sync(partial(switch, step=step, now=now, by=actor))
    return RecoveryCodes(recovery_codes=codes)


@router.post("/off", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def disable(
    body: PasswordProof, services: ServicesDep, user: PersonDep, actor: ActorDep
) -> None:
    """Require no one-time codes any more."""
    await prove(services, user, body.password, actor.address)
    switch = partial(switch_off, services.engine, user.name, now=services.clock(), by=actor)
    await to_thread.run_sync(switch)


async def prove(services: Services, user: User, password: str, address: str) -> None:
    """Check the current password: a session left open must not be enough.

    Raises:
        Problem: it is wrong (403), too many were (429), or too many are checked just now (503).
    """
    services.lanes.logins.check_room()
    begin_attempt(services, user.name, address)
    check = partial(services.access.knows_password, user, password, address=address)
    if not await services.lanes.logins.run(check):
        raise Problem(HTTPStatus.FORBIDDEN, "the current password is wrong")
    services.throttle.succeeded(user.name, address)
