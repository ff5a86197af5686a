"""`account`: who may use the dashboard and the HTTP API."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from ops.cli.acting import operator
from ops.cli.machine.logins import logins, revoke, second_factor, token
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.program import as_called
from ops.terminal import note

#: A test compares them with `storage`, which is imported late.
ROLES = ("viewer", "reviewer", "admin")

role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    default="viewer",
    show_default=True,
    help="viewer: look; reviewer: also review, requeue and upload; admin: also accept baselines.",
)


@click.group(
    epilog="""\b
Examples:
  thermalwatch account add anna --role admin --data state/
  thermalwatch account list --data state/
  thermalwatch account token camera-7 --scope upload --data state/"""
)
def account() -> None:
    """Manage who may use the dashboard and the HTTP API.

    Without accounts, the server answers only this machine and requires no login. With the first
    account, everybody must log in.
    """


for command in (token, logins, revoke, second_factor):
    account.add_command(command)


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
    from ops.web.security.hashing import hash_password
    from storage import accounts

    if not name.isprintable() or not name.strip() or len(name) > 100 or ":" in name:
        raise click.BadParameter("a name is 1 to 100 printable characters without a colon")
    password = _password(name)
    with open_database(settings) as engine:
        chosen = next(known for known in accounts.ROLES if known == role)
        hashed = hash_password(password)
        accounts.add_account(engine, name, chosen, hashed, now=time.time(), by=operator())
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
    """Change a password. This ends all sessions and API tokens of the account."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from ops.web.security.hashing import hash_password
    from storage.accounts import change_password

    with open_existing_database(settings) as engine:
        hashed = hash_password(_password(name))
        change_password(engine, name, hashed, now=time.time(), by=operator())
    note(f"password of {name} changed")


@account.command(
    epilog="""\b
Examples:
  thermalwatch account role anna reviewer --data state/"""
)
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@data_option
@config_option
def role(name: str, role: str, data: Path | None, config: Path | None) -> None:
    """Change a role. This ends all sessions and API tokens of the account."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage import accounts

    chosen = next(known for known in accounts.ROLES if known == role)
    with open_existing_database(settings) as engine:
        accounts.change_role(engine, name, chosen, now=time.time(), by=operator())
    note(f"{name} has the role {role}")


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
        remove_account(engine, name, now=time.time(), by=operator())
    note(f"{name} removed")


def _password(name: str) -> str:
    """Ask for a password twice, or read one line if standard input is not a terminal."""
    from ops.errors import WeakPassword
    from ops.web.security.passwords import check_password

    if sys.stdin.isatty():
        chosen = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    try:
        check_password(chosen, name)
    except WeakPassword as error:
        raise click.UsageError(str(error)) from None
    return chosen
