"""A server with database, Redis and state directory, called without a network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import Engine

from ops.config.settings import ServerSettings, Settings
from ops.web.app import create_app
from ops.web.security.access import COOKIE
from ops.web.security.hashing import hash_password
from ops.web.services import Services, make_services
from storage.accounts import Role, add_account
from storage.audit_log import PROGRAM, Entry, EntryQuery, list_entries
from storage.db.result_fields import ResultRow
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.tokens import Scope, add_token
from tests.storage.examples import EPOCH, MODEL, new_frame, open_streams, result

#: URL of the server; other host names are rejected while there are no accounts.
BASE = "http://127.0.0.1:8080"
PASSWORD = "correct horse"
#: Unix s
NOW = 1_750_000_000.0
#: Runs a test on both databases.
BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@dataclass
class WebSite:
    """A server and the parts that it uses."""

    engine: Engine
    redis: Redis
    folder: Path
    settings: Settings
    services: Services = field(init=False)
    committed: int = 0
    now: float | None = None  #: time of the server's clock (Unix s); the real time if None

    def __post_init__(self) -> None:
        self.services = self.new_services()
        self.app = create_app(self.services)

    def new_services(self, *, loopback: bool = True) -> Services:
        """The services of a newly started server."""
        return make_services(
            self.settings, self.engine, self.redis, loopback=loopback, clock=self.clock
        )

    def clock(self) -> float:
        """The server's clock."""
        return time.time() if self.now is None else self.now

    def trust(self, *proxies: str) -> None:
        """Restart the server with these trusted proxies."""
        server = ServerSettings.model_validate({"trusted_proxies": proxies})
        self.settings = self.settings.model_copy(update={"server": server})
        self.services = self.new_services()
        self.app = create_app(self.services)

    def client(
        self, *, token: str | None = None, base: str = BASE, peer: str = "127.0.0.1"
    ) -> TestClient:
        """A client without cookies: a program, with `token`, or a new browser.

        `peer` is the address that it connects from.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return TestClient(
            self.app,
            base_url=base,
            client=(peer, 50_000),
            headers=headers,
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def account(self, name: str, role: Role) -> None:
        """Add an account with `PASSWORD`."""
        add_account(self.engine, name, role, hash_password(PASSWORD), now=1.0)

    def with_token(self, name: str, role: Role) -> TestClient:
        """A client with an API token of a new account."""
        self.account(name, role)
        return self.token_client(name, f"tw_{name}")

    def token_client(
        self, account: str, secret: str, *, scope: Scope | None = None, days: float | None = None
    ) -> TestClient:
        """A client with a new API token of an account; without `days`, it never expires."""
        now = self.clock()
        add_token(
            self.engine,
            account,
            secret,
            name="test",
            scope=scope,
            expires_at=None if days is None else now + days * 86_400.0,
            now=now,
            by=PROGRAM,
        )
        return self.client(token=secret)

    def logged_in(self, name: str) -> TestClient:
        """A browser that is logged in."""
        client = self.client()
        answer = client.post("/login", data={"name": name, "password": PASSWORD, "next": "/"})
        assert answer.status_code == 303, answer.text
        assert COOKIE in client.cookies
        return client

    def entries(self) -> list[Entry]:
        """The audit log, latest entry first."""
        return list_entries(self.engine, EntryQuery(), limit=1000)

    def commit(self, changes: Sequence[dict[str, Any]]) -> list[ResultRow]:
        """Commit one result for each set of changes, with its ledger row; return the results."""
        rows = []
        for change in changes:
            self.committed += 1
            frame = new_frame(self.committed, change.get("camera", "north"))
            register(self.engine, [frame], now=change.get("arrived_at", NOW))
            rows.append(result(frame, self.committed, **change))
        cameras = {row.camera for row in rows}
        open_streams(self.engine, *cameras)
        commit_results(
            self.engine,
            rows,
            epochs=dict.fromkeys(cameras, EPOCH),
            open_decisions={},
            model_id=MODEL,
            now=2.0,
        )
        first = self.committed - len(rows) + 1
        return [replace(row, id=first + number) for number, row in enumerate(rows)]


def api(site: WebSite, path: str, **query: Any) -> Any:
    """The JSON that the API returns for a path."""
    answer = site.client().get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()
