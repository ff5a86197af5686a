"""`account`: who may use the dashboard and the HTTP API."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path

import click

from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.program import as_called
from ops.terminal import note

#: Shortest password allowed, in characters (NIST SP 800-63B: at least 8).
LEAST_PASSWORD = 8

role_option = click.option(
    "--role",
    type=click.Choice(["viewer", "reviewer", "admin"]),
    default="viewer",
    show_default=True,
    help="viewer: look; reviewer: also review, requeue and upload; admin: also accept baselines.",
)


@click.group(
    epilog="""\b
Examples:
  thermalwatch account add anna --role admin --data state/
  thermalwatch account list --data state/
  thermalwatch account token camera-7 --data state/"""
)
def account() -> None:
    """Manage who may use the dashboard and the HTTP API.

    Without accounts, the server answers only this machine and requires no login. With the first
    account, everybody must log in.
    """


@account.command(
    epilog="""\b
Examples:
  thermalwatch account add anna --role admin --data state/
  pass show thermalwatch | thermalwatch account add anna --role reviewer --data state/"""
)
@click.argument("name")
@role_option
@data_option
@config_option
def add(name: str, role: str, data: Path | None, config: Path | None) -> None:
    """Add an account. Asks for its password, or reads it from standard input."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_database
    from ops.web.security.access import hash_password
    from storage import accounts

    if not name.isprintable() or not name.strip() or len(name) > 100 or ":" in name:
        raise click.BadParameter("a name is 1 to 100 printable characters without a colon")
    password = _password()
    with open_database(settings) as engine:
        chosen = next(known for known in accounts.ROLES if known == role)
        accounts.add_account(engine, name, chosen, hash_password(password), now=time.time())
    note(f"{name} can log in as {role}; from now on everybody must log in")


@account.command(
    "list",
    epilog="""\b
Examples:
  thermalwatch account list --data state/
  thermalwatch account list --data state/ --json""",
)
@data_option
@json_option
@config_option
def list_(data: Path | None, as_json: bool, config: Path | None) -> None:
    """List the accounts."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.accounts import list_accounts

    with open_existing_database(settings) as engine:
        found = list_accounts(engine)
    if as_json:
        print_json([vars(one) for one in found])
        return
    if not found:
        click.echo(as_called("no accounts; `thermalwatch account add NAME` adds one"))
    for one in found:
        click.echo(f"{one.name:<24} {one.role}")


@account.command(
    epilog="""\b
Examples:
  thermalwatch account password anna --data state/"""
)
@click.argument("name")
@data_option
@config_option
def password(name: str, data: Path | None, config: Path | None) -> None:
    """Change a password. This ends all sessions of the account."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from ops.web.security.access import hash_password
    from storage.accounts import change_password

    with open_existing_database(settings) as engine:
        change_password(engine, name, hash_password(_password()))
    note(f"password of {name} changed")


@account.command(
    epilog="""\b
Examples:
  thermalwatch account remove anna --data state/"""
)
@click.argument("name")
@data_option
@config_option
def remove(name: str, data: Path | None, config: Path | None) -> None:
    """Remove an account with its sessions and tokens. Its reviews are kept."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.accounts import remove_account

    with open_existing_database(settings) as engine:
        remove_account(engine, name)
    note(f"{name} removed")


@account.command(
    epilog="""\b
Examples:
  thermalwatch account token camera-7 --data state/
  thermalwatch account token camera-7 --revoke --data state/"""
)
@click.argument("name")
@click.option("--revoke", is_flag=True, help="Revoke all tokens of the account instead.")
@data_option
@config_option
def token(name: str, revoke: bool, data: Path | None, config: Path | None) -> None:
    """Make an API token for an account. It is shown only once.

    Programs send it with each request: `Authorization: Bearer TOKEN`.
    """
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from ops.web.security.access import TOKEN_PREFIX
    from storage.accounts import add_token, revoke_tokens

    with open_existing_database(settings) as engine:
        if revoke:
            note(f"{revoke_tokens(engine, name)} tokens of {name} revoked")
            return
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        add_token(engine, name, secret, now=time.time())
    click.echo(secret)


def _password() -> str:
    """Ask for a password twice, or read one line if standard input is not a terminal."""
    if sys.stdin.isatty():
        chosen = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    if len(chosen) < LEAST_PASSWORD:
        raise click.UsageError(f"a password needs at least {LEAST_PASSWORD} characters")
    return chosen
