"""One-time codes at login: required once switched on, accepted once, replaced by recovery codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyotp
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from ops.cli.main import cli
from ops.web.security.one_time_codes import RECOVERY_CODES, STEP_S, step_of
from ops.web.security.throttle import FAILURES_OF_PAIR
from tests.ops.web.site import BOTH, PASSWORD, WebSite

PLACE = "/api/v1/me/second-factor"
#: Unix s, at the beginning of a time step
BEGIN = 1_800_000_000.0


class Phone:
    """An authenticator app, and a browser that is logged in."""

    def __init__(self, site: WebSite) -> None:
        site.now = BEGIN
        site.account("anna", "viewer")
        self.site = site
        self.browser: TestClient = site.logged_in("anna")
        self.headers = {"X-CSRF-Token": self.browser.get("/api/v1/me").json()["csrf_token"]}
        made = self.browser.post(f"{PLACE}/secret", headers=self.headers).json()
        self.secret = made["secret"]
        app = pyotp.parse_uri(made["uri"])
        assert isinstance(app, pyotp.TOTP)
        self.totp = app

    def code(self, steps: int = 0) -> str:
        """The code that it shows now, or so many steps later."""
        assert self.site.now is not None
        return str(self.totp.at(int(self.site.now) + steps * STEP_S))

    def enable(self, **changes: str) -> Any:
        """Switch codes on."""
        body = {"password": PASSWORD, "secret": self.secret, "code": self.code()} | changes
        return self.browser.put(PLACE, json=body, headers=self.headers)

    def login(self, code: str, password: str = PASSWORD) -> int:
        """Status of a new login: 303 lets in."""
        form = {"name": "anna", "password": password, "code": code}
        return self.site.client().post("/login", data=form).status_code


@pytest.fixture
def phone(site: WebSite) -> Phone:
    return Phone(site)


@BOTH
def test_a_login_needs_a_code_once_they_are_switched_on(site: WebSite) -> None:
    phone = Phone(site)
    assert phone.login("") == 303
    assert phone.enable().status_code == 200
    assert phone.browser.get(PLACE).json() == {
        "enabled": True,
        "recovery_codes_left": RECOVERY_CODES,
    }
    assert site.now is not None
    site.now += STEP_S
    assert phone.login("") == 401
    assert site.entries()[0].detail == "wrong one-time code"
    assert phone.login("000000") == 401
    assert phone.login(phone.code(), password="wrong") == 401
    assert phone.login(phone.code()) == 303


@BOTH
def test_a_code_is_accepted_once(site: WebSite) -> None:
    phone = Phone(site)
    phone.enable()
    assert phone.login(phone.code()) == 401  # it has just switched the codes on
    assert site.now is not None
    site.now += STEP_S
    assert phone.login(phone.code()) == 303
    assert phone.login(phone.code()) == 401
    assert phone.login(phone.code(-1)) == 401  # nor an earlier one


def test_a_code_may_be_one_step_off(phone: Phone) -> None:
    found = [step_of(phone.secret, phone.code(steps), BEGIN) for steps in range(-2, 3)]
    current = int(BEGIN) // STEP_S
    assert found == [None, current - 1, current, current + 1, None]


@BOTH
def test_each_recovery_code_stands_in_once(site: WebSite) -> None:
    phone = Phone(site)
    codes = phone.enable().json()["recovery_codes"]
    assert len(set(codes)) == RECOVERY_CODES
    assert phone.login(codes[0].upper() + " ") == 303
    assert phone.login(codes[0]) == 401
    assert phone.login(codes[1]) == 303
    assert phone.browser.get(PLACE).json()["recovery_codes_left"] == RECOVERY_CODES - 2


def test_switching_codes_on_and_off_needs_the_password(phone: Phone) -> None:
    assert phone.enable(password="wrong").status_code == 403
    assert phone.enable(code="000000").status_code == 422
    assert phone.enable(secret="A" * 16).status_code == 422
    assert phone.login("") == 303
    phone.enable()
    off, headers = f"{PLACE}/off", phone.headers
    assert phone.browser.post(off, json={"password": "wrong"}, headers=headers).status_code == 403
    assert phone.browser.post(off, json={"password": PASSWORD}).status_code == 403
    answer = phone.browser.post(off, json={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 204
    assert phone.login("") == 303
    actions = [entry.action for entry in phone.site.entries()]
    assert {"second_factor_on", "second_factor_off"} <= set(actions)


def test_guesses_of_a_code_are_rate_limited(phone: Phone) -> None:
    phone.enable()
    statuses = [phone.login("000000") for _ in range(FAILURES_OF_PAIR + 1)]
    assert statuses == [401] * FAILURES_OF_PAIR + [429]


def test_secret_and_recovery_codes_are_in_no_entry_and_no_code_in_the_database(
    phone: Phone,
) -> None:
    codes = phone.enable().json()["recovery_codes"]
    entries = repr(phone.site.entries())
    assert phone.secret not in entries
    folder: Path = phone.site.folder
    stored = b"".join(file.read_bytes() for file in folder.glob("thermalwatch.db*"))
    assert b"anna" in stored
    for code in codes:
        assert code not in entries
        assert code.encode() not in stored


def test_a_command_switches_codes_off(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path)]
    runner = CliRunner()
    runner.invoke(cli, ["account", "add", "anna", *data], input=f"{PASSWORD}\n")
    answer = runner.invoke(cli, ["account", "second-factor", "anna", "--off", *data])
    assert answer.exit_code == 0, answer.output
    gone = runner.invoke(cli, ["account", "second-factor", "bert", "--off", *data])
    assert (gone.exit_code, "no account 'bert'" in gone.output) == (1, True)
