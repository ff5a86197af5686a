"""Passwords: which are refused, and how people change theirs."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from ops.cli.main import cli
from ops.errors import WeakPassword
from ops.web.security.passwords import LEAST, MOST, check_password
from ops.web.security.throttle import FAILURES_OF_PAIR
from tests.ops.web.site import BOTH, PASSWORD, WebSite

ME = "/api/v1/me"
NEW = "several uncommon words"


def csrf(client: TestClient) -> dict[str, str]:
    """The header that unsafe requests of a session need."""
    return {"X-CSRF-Token": client.get(ME).json()["csrf_token"]}


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short enough"[: LEAST - 1], f"at least {LEAST}"),
        ("long enough " * 20, f"at most {MOST}"),
        ("password1234", "common"),
        ("123456789012", "common"),
        ("qwertyuiop12", "common"),
        ("aaaaaaaaaaaaaaaa", "common"),
        ("thermalwatch1", "common"),
        ("the words of ANNA", "name of its account"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(WeakPassword, match=why) as refused:
        check_password(password, "anna")
    assert password not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, NEW, "x" * 3 + " Жёлтый кирпич 7", "correct horse"])
def test_a_long_password_of_uncommon_words_is_accepted(password: str) -> None:
    check_password(password, "anna")


def test_checking_the_longest_password_takes_less_than_hashing_it() -> None:
    check_password("aB3$" * 4 + "ö" * (MOST - 16), "anna")  # would take minutes in full


def test_commands_refuse_weak_passwords(site: WebSite) -> None:
    data = ["--data", str(site.settings.data)]
    for words in (["account", "add", "bert"], ["account", "password", "bert"]):
        answer = CliRunner().invoke(cli, [*words, *data], input="password1234\n")
        assert answer.exit_code != 0
        assert "password1234" not in answer.output


@BOTH
def test_a_user_changes_their_password_and_other_logins_end(site: WebSite) -> None:
    site.account("anna", "viewer")
    client, elsewhere = site.logged_in("anna"), site.logged_in("anna")
    program = site.token_client("anna", "tw_anna")
    headers = csrf(client)
    body = {"current": PASSWORD, "new": NEW}
    path = "/api/v1/me/password"
    wrong = client.post(path, json=body | {"current": "wrong"}, headers=headers)
    assert (wrong.status_code, wrong.json()["detail"]) == (403, "the current password is wrong")
    weak = client.post(path, json=body | {"new": "password1234"}, headers=headers)
    assert weak.status_code == 422
    assert client.post(path, json=body).status_code == 403  # without the CSRF token
    assert client.post(path, json=body, headers=headers).status_code == 204
    assert client.get(ME).status_code == 200
    assert elsewhere.get(ME).status_code == 401
    assert program.get(ME).status_code == 401
    answers = [
        site.client().post("/login", data={"name": "anna", "password": password}).status_code
        for password in (PASSWORD, NEW)
    ]
    assert answers == [401, 303]
    assert [entry.action for entry in site.entries()[:3]] == [
        "login",
        "login_failed",
        "password_changed",
    ]


def test_guesses_of_the_current_password_are_rate_limited(site: WebSite) -> None:
    site.account("anna", "viewer")
    client = site.logged_in("anna")
    body, headers = {"current": "wrong", "new": NEW}, csrf(client)
    statuses = [
        client.post("/api/v1/me/password", json=body, headers=headers).status_code
        for _ in range(FAILURES_OF_PAIR + 1)
    ]
    assert statuses == [403] * FAILURES_OF_PAIR + [429]
