"""`account token`, `logins`, `revoke` and `second-factor`: how an account logs in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from ops.cli.acting import operator
from ops.cli.instants import ago
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import note, printable
from ops.web.security.api_tokens import DAY_S, LONGEST_NAME, MOST_DAYS, USUAL_DAYS, new_token

#: What a token may be limited to; a test compares them with `storage`, which is imported late.
SCOPES = ("upload", "viewer", "reviewer", "admin")


@click.command(
    epilog="""\b
Examples:
  thermalwatch account token camera-7 --name "gate camera" --scope upload --data state/
  thermalwatch account token grafana --name metrics --days 365 --data state/
  thermalwatch account token camera-7 --revoke --data state/"""
)
@click.argument("account_name", metavar="NAME")
@click.option("--name", default="command line", metavar="TEXT", help="What the token is for.")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    help="What the token allows; default: all that the account's role allows.",
)
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=USUAL_DAYS,
    show_default=True,
    help="How long it is valid.",
)
@click.option("--revoke", is_flag=True, help="Revoke all tokens of the account instead.")
@data_option
@config_option
def token(
    account_name: str,
    name: str,
    scope: str | None,
    days: int,
    revoke: bool,
    data: Path | None,
    config: Path | None,
) -> None:
    """Make an API token for an account. It is shown only once.

    Programs send it with each request: `Authorization: Bearer TOKEN`.
    """
    if not name.isprintable() or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise click.BadParameter(f"a name is 1 to {LONGEST_NAME} printable characters")
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.tokens import SCOPES as KNOWN
    from storage.tokens import add_token, revoke_tokens

    now = time.time()
    with open_existing_database(settings) as engine:
        if revoke:
            number = revoke_tokens(engine, account_name, now=now, by=operator())
            note(f"{number} tokens of {account_name} revoked")
            return
        secret = new_token()
        made = add_token(
            engine,
            account_name,
            secret,
            name=name,
            scope=next((known for known in KNOWN if known == scope), None),
            expires_at=now + days * DAY_S,
            now=now,
            by=operator(),
        )
    click.echo(secret)
    note(f"valid for {days} days, scope {made.scope}; it is not shown again")


@click.command(
    epilog="""\b
Examples:
  thermalwatch account logins anna --data state/
  thermalwatch account logins anna --data state/ --json"""
)
@click.argument("name")
@data_option
@json_option
@config_option
def logins(name: str, data: Path | None, as_json: bool, config: Path | None) -> None:
    """List the sessions and API tokens of an account, with the ids that `account revoke` takes."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.sessions import list_sessions
    from storage.tokens import list_tokens

    now = time.time()
    with open_existing_database(settings) as engine:
        idle_s = settings.server.session_limits().idle_s
        sessions = list_sessions(engine, name, now=now, idle_s=idle_s)
        tokens = list_tokens(engine, name, now=now)
    if as_json:
        session_names = ("id", "created_at", "last_used_at", "expires_at", "address", "user_agent")
        token_names = ("id", "name", "scope", "created_at", "expires_at", "last_used_at")
        print_json(
            {
                "sessions": [{key: getattr(one, key) for key in session_names} for one in sessions],
                "tokens": [{key: getattr(one, key) for key in token_names} for one in tokens],
            }
        )
        return
    if not sessions and not tokens:
        note(f"no sessions and no tokens of {name}")
    for session in sessions:
        used = f"used {ago(session.last_used_at, now=now)}"
        click.echo(
            printable(f"{session.id}  session  {used}, {session.address}, {session.user_agent}")
        )
    for one in tokens:
        used = f"used {ago(one.last_used_at, now=now)}" if one.last_used_at else "not used"
        kind = f"scope {one.scope}, {_end(one.expires_at)}"
        click.echo(printable(f"{one.id}  token    {used}, {kind}, {one.name}"))


def _end(expires_at: float | None) -> str:
    if expires_at is None:
        return "never expires"
    return f"expires {datetime.fromtimestamp(expires_at, UTC):%Y-%m-%d}"


@click.command(
    epilog="""\b
Examples:
  thermalwatch account revoke 5f0c6a9be2d17c34 --data state/"""
)
@click.argument("login_id", metavar="ID")
@data_option
@config_option
def revoke(login_id: str, data: Path | None, config: Path | None) -> None:
    """End the session or API token with this ID, as `account logins` shows it."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.errors import NoSuchLogin
    from storage.sessions import revoke_session
    from storage.tokens import revoke_token

    now = time.time()
    with open_existing_database(settings) as engine:
        try:
            revoke_token(engine, login_id, account=None, now=now, by=operator())
        except NoSuchLogin:
            revoke_session(engine, login_id, account=None, now=now, by=operator())
    note(f"{login_id} ended")


@click.command(
    "second-factor",
    epilog="""\b
Examples:
  thermalwatch account second-factor anna --off --data state/""",
)
@click.argument("name")
@click.option("--off", is_flag=True, required=True, help="Require no one-time codes any more.")
@data_option
@config_option
def second_factor(name: str, off: bool, data: Path | None, config: Path | None) -> None:
    """Switch one-time codes off for somebody who lost their phone and recovery codes."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.second_factor import switch_off

    with open_existing_database(settings) as engine:
        switch_off(engine, name, now=time.time(), by=operator())
    note(f"{name} logs in with the password alone")
