"""Users whom a trusted proxy has authenticated."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest
from fastapi.testclient import TestClient

from ops.config.loading import load_settings
from ops.config.settings import ServerSettings, Settings
from ops.errors import SettingsError
from ops.web.app import create_app
from storage.accounts import change_role
from tests.ops.web.site import BASE, BOTH, WebSite

ME = "/api/v1/me"
HEADER = "X-Remote-User"
PROXY, STRANGER = "10.0.0.5", "10.0.1.5"


@pytest.fixture
def behind(site: WebSite) -> WebSite:
    """A server behind a proxy that authenticates."""
    server = ServerSettings(trusted_proxies=(ip_network("10.0.0.0/24"),), user_header=HEADER)
    site.settings = Settings(server=server)
    site.services = site.new_services()
    site.app = create_app(site.services)
    site.account("anna", "reviewer")
    return site


def from_peer(site: WebSite, peer: str, *names: str) -> TestClient:
    """A client whose requests come from `peer` and carry these names in the header."""
    client = TestClient(site.app, base_url=BASE, client=(peer, 1), follow_redirects=False)
    client.headers.update([(HEADER, name) for name in names])
    return client


@BOTH
def test_the_header_of_a_trusted_proxy_names_the_user(behind: WebSite) -> None:
    me = from_peer(behind, PROXY, "anna").get(ME).json()
    assert (me["name"], me["role"]) == ("anna", "reviewer")
    assert from_peer(behind, f"::ffff:{PROXY}", "anna").get(ME).status_code == 200


@pytest.mark.parametrize("peer", [STRANGER, "127.0.0.1", "testclient", "::1"])
def test_the_header_of_anybody_else_is_ignored(behind: WebSite, peer: str) -> None:
    client = from_peer(behind, peer, "anna")
    assert client.get(ME).status_code == 401
    forwarded = {"X-Forwarded-For": PROXY}
    assert client.get(ME, headers=forwarded).status_code == 401


def test_an_unknown_name_or_two_names_let_nobody_in(behind: WebSite) -> None:
    for names in (["bert"], [""], ["a\0"], []):
        assert from_peer(behind, PROXY, *names).get(ME).status_code == 401, names
    client = TestClient(behind.app, base_url=BASE, client=(PROXY, 1))
    two = [(HEADER, "anna"), (HEADER, "anna")]
    assert client.get(ME, headers=two).status_code == 401


def test_without_the_setting_the_header_means_nothing(site: WebSite) -> None:
    site.account("anna", "reviewer")
    site.settings = Settings(server=ServerSettings(trusted_proxies=(ip_network("10.0.0.0/24"),)))
    site.app = create_app(site.new_services())
    assert from_peer(site, PROXY, "anna").get(ME).status_code == 401


def test_unsafe_requests_need_the_csrf_token_as_in_a_session(behind: WebSite) -> None:
    (row,) = behind.commit([{"anomaly": True}])
    client = from_peer(behind, PROXY, "anna")
    path, body = f"/api/v1/results/{row.id}/review", {"verdict": "confirmed"}
    assert client.post(path, json=body).status_code == 403
    behind.account("bert", "reviewer")
    foreign = from_peer(behind, PROXY, "bert").get(ME).json()["csrf_token"]
    assert client.post(path, json=body, headers={"X-CSRF-Token": foreign}).status_code == 403
    own = client.get(ME).json()["csrf_token"]
    assert client.post(path, json=body, headers={"X-CSRF-Token": own}).status_code == 201
    assert (behind.entries()[0].actor, behind.entries()[0].via) == ("anna", "header")


def test_a_live_stream_ends_when_the_role_changes(behind: WebSite) -> None:
    async def listen() -> None:
        user = behind.services.access.by_header("anna")
        assert user is not None
        events = behind.services.live.events(user)
        await anext(events)
        await asyncio.to_thread(change_role, behind.engine, "anna", "viewer", now=2.0)
        async with asyncio.timeout(60):
            async for _ in events:
                pass

    asyncio.run(listen())


def test_a_header_without_a_trusted_proxy_is_a_wrong_setting() -> None:
    environ = {"THERMALWATCH_SERVER_USER_HEADER": HEADER}
    with pytest.raises(SettingsError, match="USER_HEADER: needs trusted_proxies"):
        load_settings(options={}, environ=environ)
