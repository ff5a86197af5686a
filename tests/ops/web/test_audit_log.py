"""The audit log: every change leaves an entry, no entry holds a secret, admins can read it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import event

from ops.cli.main import cli
from ops.config.settings import Settings
from ops.web.audit_retention import delete_old_entries
from storage.accounts import add_account, change_role, list_accounts, remove_account
from storage.audit_log import ACTIONS, Actor, EntryQuery, delete_before, list_entries, record_alone
from storage.frames.identity import NewFrame
from storage.frames.outcomes import Quarantined, finish
from storage.frames.registration import register
from storage.models import save_model
from storage.retention.policy import RetentionPolicy
from tests.ops.web.site import BOTH, PASSWORD, WebSite
from tests.scene import picture
from thermal.detection.bundle import Bundle

ANNA = Actor("anna", "command")


def told(site: WebSite) -> list[tuple[str, str, str, str]]:
    """Actor, how, action and subject of all entries, earliest first."""
    return [(e.actor, e.via, e.action, e.subject) for e in reversed(site.entries())]


@BOTH
def test_logins_failures_and_logouts_leave_entries_with_their_address(site: WebSite) -> None:
    site.account("anna", "viewer")
    client = site.client()
    for name, password in (("anna", "wrong"), ("my secret password", "x"), ("anna", PASSWORD)):
        client.post("/login", data={"name": name, "password": password})
    client.post("/logout", data={"csrf_token": client.get("/api/v1/me").json()["csrf_token"]})
    assert told(site)[1:] == [
        ("anna", "none", "login_failed", "anna"),
        ("", "none", "login_failed", ""),  # it may be a password in the wrong field
        ("anna", "session", "login", "anna"),
        ("anna", "session", "logout", "anna"),
    ]
    assert {entry.address for entry in site.entries()[:-1]} == {"127.0.0.1"}


@BOTH
def test_reviews_requeues_and_uploads_leave_entries_with_their_actor(site: WebSite) -> None:
    (row,) = site.commit([{"anomaly": True}])
    bad = NewFrame("north", "/srv", "bad.png", 1, 1)
    register(site.engine, [bad], now=1.0)
    finish(site.engine, [Quarantined(bad.frame_id, "corrupt", "")], now=7.0)
    client = site.with_token("rita", "reviewer")
    said = {"verdict": "confirmed", "result_ids": [row.id, 999]}
    assert client.post("/api/v1/reviews", json=said).status_code == 201
    assert client.post(f"/api/v1/quarantine/{bad.frame_id}/requeue").status_code == 200
    sent = client.post(
        "/api/v1/images?camera=east&name=a.png",
        content=picture(1),
        headers={"Content-Type": "image/png"},
    )
    assert sent.status_code == 202, sent.text
    assert told(site)[2:] == [
        ("rita", "token", "review", f"result {row.id}"),
        ("rita", "token", "requeue", bad.frame_id),
        ("rita", "token", "upload", "east"),
    ]
    assert [entry.detail for entry in site.entries()[:3]] == [
        "east/a.png",
        "north: bad.png",
        "confirmed",
    ]


def test_an_accepted_baseline_leaves_an_entry(site: WebSite, bundle: Bundle) -> None:
    save_model(site.engine, bundle, now=1.0, activate=True)
    site.commit([{"camera": "north"}])
    client = site.with_token("adam", "admin")
    assert client.post("/api/v1/cameras/north/accept-baseline").status_code == 200
    assert told(site)[-1] == ("adam", "token", "baseline_accepted", "north")


def test_a_resolved_anomaly_leaves_an_entry(site: WebSite) -> None:
    (row,) = site.commit([{"camera": "north", "anomaly": True}])
    client = site.with_token("rita", "reviewer")
    client.post(f"/api/v1/results/{row.id}/review", json={"verdict": "confirmed"})
    assert client.post("/api/v1/cameras/north/resolve", json={"through": row.id}).is_success
    assert told(site)[-1] == ("rita", "token", "resolved", f"result {row.id}")


def test_an_activated_model_leaves_an_entry_only_when_another_was_active(
    site: WebSite, bundle: Bundle
) -> None:
    other = replace(bundle, held_out_scores=bundle.held_out_scores * 2)
    save_model(site.engine, bundle, now=1.0, activate=False)
    assert site.entries() == []
    for _ in range(2):
        save_model(site.engine, bundle, now=2.0, activate=True, by=ANNA)
    save_model(site.engine, other, now=3.0, activate=True, by=ANNA)
    assert told(site) == [
        ("anna", "command", "model_activated", bundle.model_id),
        ("anna", "command", "model_activated", other.model_id),
    ]
    assert site.entries()[0].detail == f"instead of {bundle.model_id}"


@BOTH
def test_a_change_whose_entry_cannot_be_written_is_not_made(site: WebSite) -> None:
    add_account(site.engine, "anna", "viewer", "", now=1.0)

    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO audit_log" in statement:
            raise KeyboardInterrupt

    event.listen(site.engine, "before_cursor_execute", refuse)
    with pytest.raises(KeyboardInterrupt):
        change_role(site.engine, "anna", "admin", now=2.0)
    with pytest.raises(KeyboardInterrupt):
        remove_account(site.engine, "anna", now=2.0)
    event.remove(site.engine, "before_cursor_execute", refuse)
    assert [account.role for account in list_accounts(site.engine)] == ["viewer"]


def test_the_requests_that_change_something_are_those_known_to_leave_entries(
    site: WebSite,
) -> None:
    """A new one must record what it does, with a test of its entry, and then be added here."""
    paths = site.app.openapi()["paths"]
    unsafe = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in paths.items()
        for method in methods
        if method != "get"
    }
    assert unsafe == {
        "POST /cameras/{name}/accept-baseline",
        "POST /cameras/{name}/resolve",
        "POST /results/{result_id}/review",
        "POST /reviews",
        "POST /images",
        "POST /quarantine/{frame_id}/requeue",
        "POST /me/password",
        "POST /me/second-factor/secret",  # changes nothing
        "PUT /me/second-factor",
        "POST /me/second-factor/off",
        "POST /tokens",
        "DELETE /tokens/{login_id}",
        "DELETE /sessions/{login_id}",
    }


def test_only_admins_read_the_audit_log(site: WebSite) -> None:
    assert site.with_token("vera", "viewer").get("/api/v1/audit-log").status_code == 403
    assert site.with_token("rita", "reviewer").get("/api/v1/audit-log").status_code == 403
    page = site.with_token("adam", "admin").get(
        "/api/v1/audit-log", params={"action": "account_added", "limit": 2}
    )
    assert [entry["subject"] for entry in page.json()["entries"]] == ["adam", "rita"]
    rest = site.client(token="tw_adam").get(
        "/api/v1/audit-log", params={"action": "account_added", "cursor": page.json()["next"]}
    )
    assert [entry["subject"] for entry in rest.json()["entries"]] == ["vera"]
    assert rest.json()["next"] is None


@BOTH
def test_entries_are_filtered_by_actor_action_subject_and_time(site: WebSite) -> None:
    for at, name, subject in ((1.0, "anna", "x"), (2.0, "bert", "x"), (3.0, "bert", "y")):
        record_alone(site.engine, Actor(name, "token"), "upload", subject, now=at)

    def found(**conditions: Any) -> list[float]:
        return [e.at for e in list_entries(site.engine, EntryQuery(**conditions), limit=10)]

    assert found(actor="bert") == [3.0, 2.0]
    assert found(subject="x") == [2.0, 1.0]
    assert found(action="upload", since=2.0, until=3.0) == [2.0]
    assert found(action="login") == []
    assert found(actor="a\0\ud800") == []


@BOTH
def test_entries_hold_any_text_of_a_request(site: WebSite) -> None:
    record_alone(site.engine, ANNA, "upload", "a\0\ud800", "x" * 10_000, now=1.0)
    (entry,) = site.entries()
    assert (entry.subject, len(entry.detail)) == ("a\ufffd?", 500)


@BOTH
def test_old_entries_are_deleted_in_parts(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.audit_log.BATCH", 2)
    for at in (5.0, 1.0, 2.0, 9.0, 3.0):  # clocks may step
        record_alone(site.engine, ANNA, "upload", "x", now=at)
    assert delete_before(site.engine, 4.0) == 3
    assert [entry.at for entry in site.entries()] == [9.0, 5.0]


def test_the_server_deletes_entries_older_than_a_year_or_as_configured(site: WebSite) -> None:
    record_alone(site.engine, ANNA, "upload", "x", now=0.0)
    site.now = 364 * 86_400.0
    assert delete_old_entries(site.services) == 0
    site.now = 366 * 86_400.0
    site.settings = Settings(retention=RetentionPolicy(audit_log_days=400.0))
    assert delete_old_entries(site.new_services()) == 0
    assert delete_old_entries(site.services) == 1


def test_commands_leave_entries_that_hold_no_secret(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path)]

    def run(*words: str, typed: str | None = None) -> str:
        answer = CliRunner().invoke(cli, [*words, *data], input=typed)
        assert answer.exit_code == 0, answer.output
        return answer.output

    run("account", "add", "anna", typed=f"{PASSWORD}\n")
    token = run("account", "token", "anna", "--name", "gate").splitlines()[0]
    run("account", "password", "anna", typed="another good one\n")
    run("account", "role", "anna", "admin")
    run("account", "remove", "anna")
    listed = json.loads(run("audit-log", "list", "--json"))
    assert [entry["action"] for entry in reversed(listed)] == [
        "account_added",
        "token_made",
        "password_changed",
        "role_changed",
        "account_removed",
    ]
    assert {entry["via"] for entry in listed} == {"command"}
    assert all(entry["actor"] for entry in listed)
    text = json.dumps(listed)
    assert PASSWORD not in text and token not in text
    assert not re.search(r"argon2|[0-9a-f]{16}", text)
    assert "role_changed anna: viewer to admin" in run("audit-log", "list")
    assert "no entries" in run("audit-log", "list", "--action", "login")
    wrong = CliRunner().invoke(cli, ["audit-log", "list", "--action", "x", *data])
    assert (wrong.exit_code, "login_failed" in wrong.output) == (2, True)


def test_every_action_is_explained_on_the_page() -> None:
    from ops.web.templating import FOLDER

    words = (FOLDER / "static" / "js" / "audit.js").read_text()
    assert all(f"{action}:" in words for action in ACTIONS)
