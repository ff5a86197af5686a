"""Logins with OpenID, against a real provider made with Authlib."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from ops.config.loading import load_settings
from ops.config.oidc_settings import OidcSettings
from ops.config.settings import ServerSettings, Settings
from ops.errors import OidcError, SettingsError
from ops.web.app import create_app
from ops.web.security.oidc import LOGIN_S, OidcLogin
from storage.accounts import list_accounts
from tests.ops.web.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, running
from tests.ops.web.site import BASE, BOTH, PASSWORD, WebSite

ANNA = {"sub": "17", "preferred_username": "anna", "groups": ["plant-staff", "plant-reviewers"]}
CALLBACK = f"{BASE}/login/oidc/callback"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running(Provider(CALLBACK, claims=dict(ANNA))) as found:
        yield found


def settings_of(provider: Provider, **changes: Any) -> OidcSettings:
    """The settings that fit the provider."""
    given: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": SecretStr(CLIENT_SECRET),
        "viewers": ("plant-staff",),
        "reviewers": ("plant-reviewers",),
        "admins": ("plant-admins",),
    }
    return OidcSettings(**(given | changes))


@pytest.fixture
def openid(site: WebSite, provider: Provider) -> WebSite:
    """A server that trusts the provider."""
    oidc = settings_of(provider)
    site.settings = Settings(data=site.settings.data, server=ServerSettings(oidc=oidc))
    site.services = site.new_services()
    site.app = create_app(site.services)
    return site


def at_provider(browser: TestClient, then: str = "/history") -> str:
    """Go to the provider; return the address that it sends the browser back to."""
    begun = browser.get("/login/oidc", params={"next": then})
    assert begun.status_code == 303, begun.text
    answer = httpx2.get(begun.headers["location"])
    assert answer.status_code == 302, answer.text
    back: str = answer.headers["location"]
    assert back.startswith(CALLBACK)
    return back


def log_in(browser: TestClient) -> Any:
    """The response to the browser that comes back from the provider."""
    return browser.get(at_provider(browser))


@BOTH
def test_a_person_logs_in_with_the_role_of_their_groups(openid: WebSite) -> None:
    browser = openid.client()
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/history")
    me = browser.get("/api/v1/me").json()
    assert (me["name"], me["role"]) == ("anna", "reviewer")
    assert [entry.action for entry in openid.entries()] == ["login", "account_added"]
    assert log_in(openid.client()).status_code == 303  # the account exists by now
    assert openid.client().post("/login", data={"name": "anna", "password": ""}).status_code != 303


@BOTH
def test_a_changed_role_applies_at_the_next_login_and_ends_other_sessions(
    openid: WebSite, provider: Provider
) -> None:
    before, after = openid.client(), openid.client()
    log_in(before)
    provider.claims["groups"] = "plant-staff"
    log_in(after)
    assert after.get("/api/v1/me").json()["role"] == "viewer"
    assert before.get("/api/v1/me").status_code == 401


def test_a_person_who_was_renamed_keeps_their_account(openid: WebSite, provider: Provider) -> None:
    log_in(openid.client())
    provider.claims["preferred_username"] = "anna.new"
    browser = openid.client()
    log_in(browser)
    assert browser.get("/api/v1/me").json()["name"] == "anna"


def test_the_name_of_another_account_is_not_taken_over(openid: WebSite, provider: Provider) -> None:
    openid.account("anna", "admin")
    refused = log_in(openid.client())
    assert refused.status_code == 401
    assert "another account" in refused.text
    provider.claims |= {"preferred_username": "bert", "sub": "18"}
    assert log_in(openid.client()).status_code == 303
    provider.claims["sub"] = "19"  # another person with the same name
    assert log_in(openid.client()).status_code == 401


@pytest.mark.parametrize("groups", [[], ["other"], "other", None, [7]])
def test_a_person_without_a_role_is_refused(
    openid: WebSite, provider: Provider, groups: object
) -> None:
    provider.claims["groups"] = groups
    refused = log_in(openid.client())
    assert (refused.status_code, "no role here" in refused.text) == (401, True)
    assert list_accounts(openid.engine) == []
    assert openid.entries()[0].action == "login_failed"


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"nonce": "of another login"}, "InvalidClaimError"),
        ({"aud": ["another client"]}, "InvalidClaimError"),
        ({"iss": "https://another.example"}, "InvalidClaimError"),
        ({"exp": 1}, "ExpiredTokenError"),
        ({"azp": "another client"}, "another program"),
    ],
    ids=["nonce", "aud", "iss", "exp", "azp"],
)
def test_a_token_for_another_login_client_issuer_or_time_is_refused(
    openid: WebSite, provider: Provider, forged: dict[str, Any], why: str
) -> None:
    provider.forged = forged
    refused = log_in(openid.client())
    assert (refused.status_code, why in refused.text) == (401, True)
    assert list_accounts(openid.engine) == []


def test_a_token_signed_with_another_key_is_refused(openid: WebSite, provider: Provider) -> None:
    provider.published = RSAKey.generate_key(2048, {"kid": "1"})
    refused = log_in(openid.client())
    assert (refused.status_code, "BadSignatureError" in refused.text) == (401, True)


def test_a_login_cannot_be_finished_in_another_browser(openid: WebSite) -> None:
    attacker, victim = openid.client(), openid.client()
    back = at_provider(attacker)
    at_provider(victim)  # has begun a login of its own
    assert "not begun in this browser" in victim.get(back).text
    assert "not begun in this browser" in openid.client().get(back).text
    assert victim.get("/api/v1/me").status_code in (200, 401)
    assert list_accounts(openid.engine) == []


def test_a_login_cannot_be_finished_twice_or_late(openid: WebSite, provider: Provider) -> None:
    browser = openid.client()
    back = at_provider(browser)
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert browser.get(back).status_code == 303
    browser.cookies.set("thermalwatch_oidc", state, path="/login/oidc")
    assert "used already" in browser.get(back).text
    now = [0.0]
    login = OidcLogin(settings_of(provider), lambda: now[0])
    _, state = login.begin(CALLBACK, "/")
    now[0] = LOGIN_S + 1
    with pytest.raises(OidcError, match="too long"):
        login.finish(state=state, expected=state, code="x")


def test_a_stolen_code_is_useless_without_the_verifier(openid: WebSite, provider: Provider) -> None:
    back = at_provider(openid.client())
    (code,) = parse_qs(urlsplit(back).query)["code"]
    login = OidcLogin(settings_of(provider))
    _, state = login.begin(CALLBACK, "/")
    with pytest.raises(OidcError, match="did not confirm"):
        login.finish(state=state, expected=state, code=code)
    assert code in provider.codes  # only the verifier was missing


def test_a_wrong_client_secret_is_reported_without_it(provider: Provider) -> None:
    login = OidcLogin(settings_of(provider, client_secret=SecretStr("a wrong secret")))
    url, state = login.begin(CALLBACK, "/")
    (code,) = parse_qs(urlsplit(httpx2.get(url).headers["location"]).query)["code"]
    with pytest.raises(OidcError) as refused:
        login.finish(state=state, expected=state, code=code)
    assert "a wrong secret" not in str(refused.value)


def test_a_provider_that_does_not_answer_or_is_another_is_reported(
    openid: WebSite, provider: Provider
) -> None:
    with pytest.raises(OidcError, match="calls itself"):
        OidcLogin(settings_of(provider, issuer=f"{provider.issuer}/")).begin(CALLBACK, "/")
    away = OidcSettings(**(settings_of(provider).model_dump() | {"issuer": "http://localhost:9"}))
    with pytest.raises(OidcError, match="does not answer"):
        OidcLogin(away).begin(CALLBACK, "/")


def test_the_login_page_offers_openid_only_where_it_is_configured(
    site: WebSite, provider: Provider
) -> None:
    assert "/login/oidc" not in site.client().get("/login").text
    assert site.client().get("/login/oidc").status_code == 404
    site.settings = Settings(server=ServerSettings(oidc=settings_of(provider)))
    site.app = create_app(site.new_services())
    assert "/login/oidc" in site.client().get("/login").text


def test_a_login_does_not_redirect_to_another_site(openid: WebSite) -> None:
    browser = openid.client()
    back = at_provider(browser, then="//evil.example")
    assert browser.get(back).headers["location"] == "/"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": "http://plant.example"}, "should begin with https://"),
        ({"client_id": ""}, "needed with an issuer"),
        ({"client_secret": ""}, "needed with an issuer"),
        ({"viewers": ""}, "nobody could log in"),
    ],
)
def test_incomplete_settings_are_reported_without_the_secret(
    changes: dict[str, str], why: str
) -> None:
    given = {
        "issuer": "https://id.example",
        "client_id": "x",
        "client_secret": PASSWORD,
        "viewers": "a, b",
    }
    prefix = "THERMALWATCH_SERVER_OIDC_"

    def load(values: dict[str, str]) -> Settings:
        environ = {f"{prefix}{name.upper()}": value for name, value in values.items()}
        return load_settings(options={}, environ=environ)

    assert load(given).server.oidc.viewers == ("a", "b")
    assert PASSWORD not in repr(load(given))
    with pytest.raises(SettingsError, match=why) as refused:
        load(given | changes)
    assert PASSWORD not in str(refused.value)
