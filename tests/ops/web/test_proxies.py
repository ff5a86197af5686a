"""Requests through reverse proxies: whose forwarding headers count, and a real nginx in front."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest
import trustme

from ops.config.loading import load_settings
from ops.errors import SettingsError
from ops.web.security.access import COOKIE, HOST_ONLY
from ops.web.security.proxies import TrustedProxies, client_of
from ops.web.security.throttle import FAILURES_OF_PAIR
from tests.ops.web.serving import serving
from tests.ops.web.site import PASSWORD, WebSite
from tests.waiting import PATIENCE_S, wait_until

CAMERAS = "/api/v1/cameras"
DOCUMENT = Path(__file__).parents[3] / "docs" / "proxies.md"
FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


@pytest.mark.parametrize("header", FORWARDING)
@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
def test_without_accounts_a_forwarded_request_is_refused(
    site: WebSite, header: str, trusted: tuple[str, ...]
) -> None:
    site.trust(*trusted)
    refused = site.client().get(CAMERAS, headers={header: "10.0.0.9"})
    assert refused.status_code == 403
    assert "account add NAME --role admin" in refused.json()["detail"]
    assert site.client().get(CAMERAS).status_code == 200
    site.with_token("anna", "viewer")
    wait_until(lambda: site.client().get(CAMERAS, headers={header: "x"}).status_code == 401)


TRUSTED = TrustedProxies(map(ip_network, ("10.0.0.0/8", "192.168.1.1/32", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.7", ["1.2.3.4"], "203.0.113.7"),  # not a proxy: its own header
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.7"], "203.0.113.7"),  # the client invented 1.2.3.4
        ("10.0.0.1", ["1.2.3.4", "203.0.113.7"], "203.0.113.7"),  # the same in two lines
        ("10.0.0.1", ["1.2.3.4, 203.0.113.7, 192.168.1.1"], "203.0.113.7"),  # two proxies
        ("10.0.0.1", ["10.0.0.9"], "10.0.0.9"),
        ("10.0.0.1", ["203.0.113.7, unknown"], "10.0.0.1"),  # nothing before it counts
        ("10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["", " , "], "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert TRUSTED.client(peer, forwarded_for) == client


def test_addresses_of_one_customer_count_as_one_client() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1") != client_of("2001:db8:1::1")
    assert client_of("::ffff:203.0.113.7") == client_of("203.0.113.7") == "203.0.113.7"


def wrong_guess(site: WebSite, peer: str, forwarded_for: str) -> int:
    answer = site.client(peer=peer).post(
        "/login",
        data={"name": "anna", "password": "wrong guess"},
        headers={"X-Forwarded-For": forwarded_for},
    )
    return answer.status_code


def test_the_rate_limit_goes_by_the_address_that_a_trusted_proxy_reports(site: WebSite) -> None:
    site.account("anna", "admin")
    site.trust("10.0.0.0/8")
    proxy = "10.0.0.5"
    for number in range(FAILURES_OF_PAIR):
        assert wrong_guess(site, proxy, f"1.2.3.{number}, 203.0.113.7") == 401
    assert wrong_guess(site, proxy, "1.2.3.99, 203.0.113.7") == 429
    assert wrong_guess(site, proxy, "203.0.113.8") == 401


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.7"])
def test_a_client_cannot_escape_the_rate_limit_by_its_own_headers(site: WebSite, peer: str) -> None:
    site.account("anna", "admin")
    site.trust("10.0.0.0/8")
    for number in range(FAILURES_OF_PAIR):
        assert wrong_guess(site, peer, f"1.2.3.{number}") == 401
    assert wrong_guess(site, peer, "1.2.3.99") == 429


@pytest.mark.parametrize(
    ("peer", "scheme", "secure"),
    [
        ("10.0.0.5", "https", True),
        ("10.0.0.5", "http, https", True),
        ("10.0.0.5", "https, http", False),
        ("10.0.0.5", "gopher", False),
        ("203.0.113.7", "https", False),
        ("127.0.0.1", "https", False),
    ],
)
def test_the_cookie_is_secure_if_a_trusted_proxy_was_reached_by_https(
    site: WebSite, peer: str, scheme: str, secure: bool
) -> None:
    site.account("anna", "viewer")
    site.trust("10.0.0.0/8")
    client = site.client(peer=peer, base="http://plant.example")
    answer = client.post(
        "/login",
        data={"name": "anna", "password": PASSWORD},
        headers={"X-Forwarded-Proto": scheme, "Origin": "https://plant.example"},
    )
    assert answer.status_code == 303
    assert ("secure" in answer.headers["set-cookie"].lower()) is secure


def test_ignored_forwarding_headers_are_logged_once(
    site: WebSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.account("anna", "viewer")
    for _ in range(3):
        site.client().get("/login", headers={"X-Forwarded-For": "1.2.3.4"})
    (line,) = [r.getMessage() for r in caplog.records if "forwarding headers" in r.getMessage()]
    assert "trusted_proxies" in line and "127.0.0.1" in line


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.1/8", "has host bits set"),
        ("proxy.example", "should be IP addresses or networks such as 10.0.0.5"),
        ("0.0.0.0/0", "would believe every client"),
        ("::/0", "would believe every client"),
    ],
)
def test_a_wrong_trusted_proxy_is_reported(tmp_path: Path, value: str, message: str) -> None:
    (tmp_path / "thermalwatch.toml").write_text(f'[server]\ntrusted_proxies = ["{value}"]')
    with pytest.raises(SettingsError, match=rf"server\.trusted_proxies: .*{re.escape(message)}"):
        load_settings(options={}, environ={}, directory=tmp_path)


def test_trusted_proxies_come_from_a_list_or_a_variable(tmp_path: Path) -> None:
    environ = {"THERMALWATCH_SERVER_TRUSTED_PROXIES": "10.0.0.5, fd00::/8"}
    found = load_settings(options={}, environ=environ, directory=tmp_path).server.trusted_proxies
    assert found == (ip_network("10.0.0.5/32"), ip_network("fd00::/8"))


@contextmanager
def nginx(folder: Path, upstream: tuple[str, int]) -> Iterator[tuple[str, ssl.SSLContext]]:
    """nginx with the documented configuration; yields its URL, and whom clients trust."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        reason = "nginx is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    (documented,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = (
        documented.replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("/etc/ssl/plant.example.pem", f"{folder}/both.pem")
        .replace("/etc/ssl/plant.example.key", f"{folder}/both.pem")
        .replace("127.0.0.1:8080", "{}:{}".format(*upstream))
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    with (folder / "nginx.log").open("wb") as log:
        running = subprocess.Popen(
            [program, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], stderr=log
        )

    def accepts() -> bool:
        assert running.poll() is None, (folder / "nginx.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        wait_until(accepts, what="nginx")
        yield f"https://127.0.0.1:{port}", context
    finally:
        running.kill()
        running.wait()


def test_nginx_as_documented_passes_on_client_scheme_and_live_updates(
    site: WebSite, tmp_path: Path
) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    site.account("anna", "reviewer")
    site.trust("127.0.0.1")
    form = {"name": "anna", "password": PASSWORD}
    with (
        serving(site, trusted=site.settings.server.trusted_proxies) as upstream,
        nginx(folder, upstream) as (url, context),
        httpx2.Client(
            base_url=url,
            timeout=PATIENCE_S,
            # not the proxy's own address, which is trusted
            transport=httpx2.HTTPTransport(verify=context, local_address="127.0.0.2"),
        ) as browser,
    ):
        forged = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http", "Origin": url}
        answer = browser.post("/login", data=form, headers=forged)
        assert answer.status_code == 303, answer.text
        assert "secure" in answer.headers["set-cookie"].lower()
        assert HOST_ONLY + COOKIE in browser.cookies
        me = browser.get("/api/v1/me").json()
        assert me["name"] == "anna"
        with browser.stream("GET", "/api/v1/events") as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: update"
        # nginx appends the real address of the client to the invented one, so guessing is limited
        for number in range(FAILURES_OF_PAIR):
            invented = {"X-Forwarded-For": f"203.0.113.{number}"}
            guess = browser.post("/login", data=form | {"password": "x"}, headers=invented)
            assert guess.status_code == 401
        held = browser.post("/login", data=form, headers={"X-Forwarded-For": "203.0.113.99"})
        assert held.status_code == 429
