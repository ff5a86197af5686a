"""Sessions and API tokens: how they end, what they allow, who manages them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from ops.cli.machine import account as account_commands
from ops.cli.machine import logins as login_commands
from ops.cli.main import cli
from ops.config.settings import ServerSettings, Settings
from ops.web.app import create_app
from ops.web.security.access import COOKIE, LOCAL, NOTE_S
from storage import accounts
from storage.accounts import ROLES, Role, change_password, change_role, remove_account
from storage.audit_log import PROGRAM
from storage.errors import ScopeAboveRole
from storage.tokens import SCOPES, Scope, revoke_tokens
from tests.ops.web.site import BOTH, PASSWORD, WebSite
from tests.scene import picture

ME = "/api/v1/me"
HOUR_S = 3600.0
DAY_S = 86_400.0
#: Unix s
BEGIN = 1_800_000_000.0
NEW = "several uncommon words"


def csrf(client: TestClient) -> dict[str, str]:
    """The header that unsafe requests of a session need."""
    return {"X-CSRF-Token": client.get(ME).json()["csrf_token"]}


# Sessions.


@BOTH
def test_a_session_ends_after_twelve_hours_without_a_request(site: WebSite) -> None:
    site.now = BEGIN
    site.account("anna", "viewer")
    client = site.logged_in("anna")
    for _ in range(3):  # each request extends it
        site.now += 11 * HOUR_S
        assert client.get(ME).status_code == 200
    site.now += 12 * HOUR_S + NOTE_S
    assert client.get(ME).status_code == 401


def test_a_session_ends_after_seven_days_even_if_it_is_used(site: WebSite) -> None:
    site.now = BEGIN
    site.account("anna", "viewer")
    client = site.logged_in("anna")
    while site.now < BEGIN + 7 * DAY_S - HOUR_S:
        site.now += HOUR_S
        assert client.get(ME).status_code == 200
    site.now += HOUR_S
    assert client.get(ME).status_code == 401


def test_both_limits_of_sessions_are_settings(site: WebSite) -> None:
    server = ServerSettings(idle_hours=1, session_hours=2)
    site.settings = Settings(server=server)
    site.services = site.new_services()
    site.app = create_app(site.services)
    site.now = BEGIN
    site.account("anna", "viewer")
    client = site.logged_in("anna")
    for hours, status in ((0.9, 200), (0.9, 200), (0.3, 401)):
        site.now += hours * HOUR_S
        assert client.get(ME).status_code == status


@BOTH
def test_an_open_page_uses_its_session_until_the_cookie_ends_too(site: WebSite) -> None:
    # to see it fail: let only requests move the idle limit
    site.now = BEGIN
    site.account("anna", "viewer")
    client = site.logged_in("anna")
    user = site.services.access.by_session(client.cookies[COOKIE])
    assert user is not None
    (cookie,) = client.cookies.jar
    assert cookie.expires == pytest.approx(time.time() + 7 * DAY_S, abs=60)
    while site.now < BEGIN + 7 * DAY_S - HOUR_S:
        site.now += HOUR_S
        assert site.services.access.ended([user]) == set()  # asked for each live stream
    assert client.get(ME).status_code == 200
    site.now += HOUR_S
    assert site.services.access.ended([user]) == {user}


@BOTH
def test_a_user_sees_their_sessions_and_ends_one(site: WebSite) -> None:
    site.account("anna", "viewer")
    site.account("bert", "viewer")
    first, other = site.logged_in("anna"), site.logged_in("anna")
    foreign = site.logged_in("bert")
    listed = first.get("/api/v1/sessions").json()["sessions"]
    assert sorted(one["current"] for one in listed) == [False, True]
    assert {(one["address"], one["user_agent"]) for one in listed} == {("127.0.0.1", "testclient")}
    (there,) = [one["id"] for one in listed if not one["current"]]
    path = f"/api/v1/sessions/{there}"
    assert foreign.delete(path, headers=csrf(foreign)).status_code == 404
    assert first.delete(path).status_code == 403  # without the CSRF token
    assert first.delete(path, headers=csrf(first)).status_code == 204
    assert other.get(ME).status_code == 401
    assert first.get(ME).status_code == 200
    assert site.entries()[0].action == "session_revoked"


def test_the_id_of_a_session_does_not_open_it(site: WebSite) -> None:
    site.account("anna", "viewer")
    secret = site.logged_in("anna").cookies[COOKIE]
    (session,) = site.logged_in("anna").get("/api/v1/sessions").json()["sessions"][1:]
    assert session["id"] not in secret
    thief = site.client()
    thief.cookies.set(COOKIE, session["id"])
    assert thief.get(ME).status_code == 401


def test_admins_see_and_end_sessions_and_tokens_of_others(site: WebSite) -> None:
    site.account("anna", "viewer")
    site.account("adam", "admin")
    anna, adam = site.logged_in("anna"), site.logged_in("adam")
    program = site.token_client("anna", "tw_anna")
    assert anna.get("/api/v1/sessions?account=adam").status_code == 403
    assert anna.get("/api/v1/tokens?account=adam").status_code == 403
    assert anna.get("/api/v1/accounts").status_code == 403
    names = [one["name"] for one in adam.get("/api/v1/accounts").json()["accounts"]]
    assert names == ["adam", "anna"]
    (token,) = adam.get("/api/v1/tokens?account=anna").json()["tokens"]
    assert adam.delete(f"/api/v1/tokens/{token['id']}", headers=csrf(adam)).status_code == 204
    assert program.get(ME).status_code == 401
    (session,) = adam.get("/api/v1/sessions?account=anna").json()["sessions"]
    assert adam.delete(f"/api/v1/sessions/{session['id']}", headers=csrf(adam)).status_code == 204
    assert anna.get(ME).status_code == 401


def test_a_login_that_was_checked_before_the_password_changed_opens_no_session(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.account("anna", "viewer")
    verify = "ops.web.security.access.verify_password"

    def change_meanwhile(_stored: str | None, _password: str) -> bool:
        change_password(site.engine, "anna", "another hash", now=2.0)
        return True

    monkeypatch.setattr(verify, change_meanwhile)
    login = site.services.access.login
    assert login("anna", PASSWORD, address="", user_agent="") is None


# API tokens.


@BOTH
def test_a_token_expires(site: WebSite) -> None:
    site.now = BEGIN
    site.account("anna", "viewer")
    client = site.token_client("anna", "tw_anna", days=90)
    site.now = BEGIN + 90 * DAY_S - 1
    assert client.get(ME).status_code == 200
    site.now = BEGIN + 90 * DAY_S
    assert client.get(ME).status_code == 401


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("role", ROLES)
def test_a_token_allows_no_more_than_its_scope_and_the_role_of_its_account(
    site: WebSite, role: Role, scope: Scope
) -> None:
    site.account("anna", role)
    needed: Role = "reviewer" if scope == "upload" else scope
    if ROLES.index(needed) > ROLES.index(role):
        with pytest.raises(ScopeAboveRole, match=role):
            site.token_client("anna", "tw_anna", scope=scope)
        return
    client = site.token_client("anna", "tw_anna", scope=scope)
    requests = {
        "viewer": client.get("/api/v1/status"),
        "reviewer": client.post(
            "/api/v1/reviews", json={"verdict": "confirmed", "result_ids": [1]}
        ),
        "upload": client.post(
            "/api/v1/images?camera=x",
            content=picture(1),
            headers={"Content-Type": "image/png"},
        ),
        "admin": client.get("/api/v1/audit-log"),
    }
    allowed = {
        "upload": {"upload"},
        "viewer": {"viewer"},
        "reviewer": {"viewer", "reviewer", "upload"},
        "admin": {"viewer", "reviewer", "upload", "admin"},
    }[scope]
    assert {name for name, answer in requests.items() if answer.is_success} == allowed
    refused = {answer.status_code for answer in requests.values() if not answer.is_success}
    assert refused <= {403}
    assert client.get("/metrics").is_success == (scope != "upload")
    assert client.get("/", headers={"Accept": "text/html"}).is_success == (scope != "upload")


def test_a_user_makes_names_sees_and_revokes_tokens(site: WebSite) -> None:
    site.now = BEGIN
    site.account("rita", "reviewer")
    client = site.logged_in("rita")
    headers = csrf(client)
    made = client.post("/api/v1/tokens", json={"name": "gate"}, headers=headers)
    assert made.status_code == 201, made.text
    assert made.json()["scope"] == "viewer"
    assert made.json()["expires_at"] == BEGIN + 90 * DAY_S
    program = site.client(token=made.json()["token"])
    site.now += 2 * NOTE_S
    assert program.get(ME).json()["role"] == "viewer"
    (listed,) = client.get("/api/v1/tokens").json()["tokens"]
    assert (listed["name"], listed["last_used_at"]) == ("gate", site.now)
    assert "token" not in listed
    for body, status in (
        ({"name": "x", "scope": "admin"}, 403),
        ({"name": "x", "days": 366}, 422),
        ({"name": ""}, 422),
    ):
        assert client.post("/api/v1/tokens", json=body, headers=headers).status_code == status
    path = f"/api/v1/tokens/{listed['id']}"
    assert client.delete(path, headers=headers).status_code == 204
    assert client.delete(path, headers=headers).status_code == 404
    assert program.get(ME).status_code == 401


def test_sessions_and_tokens_are_not_managed_with_a_token(site: WebSite) -> None:
    client = site.with_token("adam", "admin")
    for method, path, body in (
        ("POST", "tokens", {"name": "x"}),
        ("POST", "me/password", {"current": PASSWORD, "new": NEW}),
        ("DELETE", f"tokens/{'0' * 16}", None),
        ("DELETE", f"sessions/{'0' * 16}", None),
    ):
        assert client.request(method, f"/api/v1/{path}", json=body).status_code == 403, path


def test_a_request_is_answered_while_its_use_cannot_be_noted(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.errors import DatabaseUnavailable

    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("read-only")

    client = site.with_token("vera", "viewer")
    monkeypatch.setattr("storage.tokens.writing", fail)
    assert client.get(ME).status_code == 200


# What ends all of them.

ENDINGS: dict[str, Callable[[WebSite], object]] = {
    "password": lambda site: change_password(site.engine, "anna", "new hash", now=2.0),
    "role": lambda site: change_role(site.engine, "anna", "admin", now=2.0),
    "removal": lambda site: remove_account(site.engine, "anna", now=2.0),
}


@BOTH
@pytest.mark.parametrize("ending", ENDINGS)
def test_sessions_tokens_and_live_streams_end_with(site: WebSite, ending: str) -> None:
    site.account("anna", "reviewer")
    site.account("bert", "reviewer")
    browser, program = site.logged_in("anna"), site.token_client("anna", "tw_anna")
    stays = site.token_client("bert", "tw_bert")
    by_session = site.services.access.by_session(browser.cookies[COOKIE])
    by_token = site.services.access.by_token("tw_anna")
    assert by_session is not None and by_token is not None

    async def listen() -> None:
        live = site.services.live
        ends = [live.events(by_session), live.events(by_token)]
        for events in ends:
            await anext(events)
        await asyncio.to_thread(ENDINGS[ending], site)
        async with asyncio.timeout(60):
            for events in ends:
                assert [event async for event in events if "still here" in event] == []
        await live.close()

    asyncio.run(listen())
    assert browser.get(ME).status_code == 401
    assert program.get(ME).status_code == 401
    assert stays.get(ME).status_code == 200


@pytest.mark.parametrize("via", ["token", "session"])
def test_a_live_stream_ends_when_its_token_or_session_is_revoked(site: WebSite, via: str) -> None:
    site.now = BEGIN
    site.account("anna", "viewer")
    secret = site.logged_in("anna").cookies[COOKIE]
    site.token_client("anna", "tw_anna", days=1)
    access = site.services.access
    user = access.by_token("tw_anna") if via == "token" else access.by_session(secret)
    assert user is not None
    assert access.ended([user]) == set()
    if via == "token":
        revoke_tokens(site.engine, "anna", now=BEGIN, by=PROGRAM)
    else:
        site.now = BEGIN + 13 * HOUR_S  # unused for longer than allowed
    assert access.ended([user]) == {user}


def test_streams_without_a_login_end_with_the_first_account(site: WebSite) -> None:
    async def listen() -> None:
        live = site.services.live
        events = live.events(LOCAL)
        await anext(events)
        await asyncio.to_thread(site.account, "anna", "admin")
        async with asyncio.timeout(60):
            async for _ in events:
                pass

    asyncio.run(listen())


# Commands.


def test_commands_list_and_end_sessions_and_tokens(site: WebSite) -> None:
    data = ["--data", str(site.settings.data)]

    def run(*words: str, typed: str | None = None) -> str:
        answer = CliRunner().invoke(cli, ["account", *words, *data], input=typed)
        assert answer.exit_code == 0, answer.output
        return answer.output

    run("add", "anna", "--role", "reviewer", typed=f"{PASSWORD}\n")
    run("token", "anna", "--name", "gate", "--scope", "upload", "--days", "5")
    (line,) = run("logins", "anna").splitlines()
    assert "scope upload" in line and line.endswith("gate")
    run("revoke", line.split()[0])
    assert "no sessions and no tokens" in run("logins", "anna")
    unknown = CliRunner().invoke(cli, ["account", "revoke", "0" * 16, *data])
    assert (unknown.exit_code, "no session" in unknown.output) == (1, True)
    above = CliRunner().invoke(cli, ["account", "token", "anna", "--scope", "admin", *data])
    assert (above.exit_code, "does not allow" in above.output) == (1, True)


def test_the_commands_know_all_roles_and_scopes() -> None:
    assert account_commands.ROLES == accounts.ROLES
    assert login_commands.SCOPES == SCOPES
