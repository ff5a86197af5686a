"""`/api/v1`: one's password, sessions and tokens; for admins everybody's, and the audit log."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from ops.errors import WeakPassword
from ops.web.deps import ActorDep, AdminDep, PersonDep, ServicesDep, UserDep
from ops.web.problems import Problem
from ops.web.routes.login import begin_attempt
from ops.web.routes.results import Instant
from ops.web.schemas.accounts import (
    AccountInfo,
    AccountList,
    AuditEntry,
    AuditPage,
    PasswordRequest,
    SessionInfo,
    SessionList,
    TokenInfo,
    TokenList,
    TokenMade,
    TokenRequest,
)
from ops.web.security.access import User
from ops.web.security.api_tokens import DAY_S, new_token
from storage.accounts import list_accounts
from storage.audit_log import Action, EntryQuery, list_entries
from storage.db.column_types import storable
from storage.errors import NoSuchLogin, ScopeAboveRole
from storage.sessions import list_sessions, revoke_session
from storage.tokens import add_token, list_tokens, revoke_token

router = APIRouter(tags=["accounts"])

LoginId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
Owner = Annotated[
    str | None, Query(max_length=100, description="Another account's (role admin); default: own.")
]


@router.post("/me/password", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def change_password(
    body: PasswordRequest, services: ServicesDep, user: PersonDep, actor: ActorDep
) -> None:
    """Change one's own password. Ends all other sessions and all tokens of the account."""
    services.lanes.logins.check_room()
    begin_attempt(services, user.name, actor.address)
    change = partial(services.access.change_password, address=actor.address)
    try:
        done = await services.lanes.logins.run(change, user, body.current, body.new)
    except WeakPassword as error:
        services.throttle.succeeded(user.name, actor.address)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    if not done:
        raise Problem(HTTPStatus.FORBIDDEN, "the current password is wrong")
    services.throttle.succeeded(user.name, actor.address)


@router.get("/sessions", response_model=SessionList)
def sessions(services: ServicesDep, user: UserDep, account: Owner = None) -> SessionList:
    """The sessions of an account, latest use first."""
    found = list_sessions(
        services.engine,
        whose(user, account),
        now=services.clock(),
        idle_s=services.access.limits.idle_s,
    )
    return SessionList(
        sessions=[SessionInfo.of(one, current=one.digest == user.digest) for one in found]
    )


@router.delete("/sessions/{login_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def end_session(login_id: LoginId, services: ServicesDep, user: PersonDep, actor: ActorDep) -> None:
    """End a session: one's own, or any (role admin)."""
    account = None if user.may("admin") else user.name
    try:
        revoke_session(services.engine, login_id, account=account, now=services.clock(), by=actor)
    except NoSuchLogin as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None


@router.get("/tokens", response_model=TokenList)
def tokens(services: ServicesDep, user: UserDep, account: Owner = None) -> TokenList:
    """The API tokens of an account, oldest first."""
    found = list_tokens(services.engine, whose(user, account), now=services.clock())
    return TokenList(tokens=[TokenInfo.of(one) for one in found])


@router.post("/tokens", response_model=TokenMade, status_code=HTTPStatus.CREATED)
def make_token(
    body: TokenRequest, services: ServicesDep, user: PersonDep, actor: ActorDep
) -> TokenMade:
    """Make an API token that acts for one's own account, within its role."""
    secret = new_token()
    now = services.clock()
    try:
        token = add_token(
            services.engine,
            user.name,
            secret,
            name=body.name,
            scope=body.scope,
            expires_at=now + body.days * DAY_S,
            now=now,
            by=actor,
        )
    except ScopeAboveRole as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
    return TokenMade.of(token, token=secret)


@router.delete("/tokens/{login_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def end_token(login_id: LoginId, services: ServicesDep, user: PersonDep, actor: ActorDep) -> None:
    """Revoke an API token: one's own, or any (role admin)."""
    account = None if user.may("admin") else user.name
    try:
        revoke_token(services.engine, login_id, account=account, now=services.clock(), by=actor)
    except NoSuchLogin as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None


@router.get("/accounts", response_model=AccountList)
def accounts(services: ServicesDep, _user: AdminDep) -> AccountList:
    """All accounts, by name (role admin)."""
    found = list_accounts(services.engine)
    return AccountList(accounts=[AccountInfo.of(one) for one in found])


@router.get("/audit-log", response_model=AuditPage)
def audit_log(
    services: ServicesDep,
    _user: AdminDep,
    actor: Annotated[str | None, Query(max_length=200)] = None,
    action: Action | None = None,
    subject: Annotated[str | None, Query(max_length=500)] = None,
    since: Instant = None,
    until: Instant = None,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> AuditPage:
    """Who did what, latest first (role admin)."""
    query = EntryQuery(actor=actor, action=action, subject=subject, since=since, until=until)
    before = int(cursor) if cursor is not None else None
    found = list_entries(services.engine, query, before=before, limit=limit + 1)
    shown = found[:limit]
    return AuditPage(
        entries=[AuditEntry.of(entry) for entry in shown],
        next=str(shown[-1].id) if len(found) > limit else None,
    )


def whose(user: User, account: str | None) -> str:
    """The account that a list is about.

    Raises:
        Problem: 403, another one's, and the user is no admin.
    """
    if account is not None and account != user.name and not user.may("admin"):
        raise Problem(HTTPStatus.FORBIDDEN, "another account's: this needs the role admin")
    return storable(account if account is not None else user.name)
