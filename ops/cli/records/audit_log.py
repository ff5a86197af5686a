"""`audit-log`: who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from ops.cli.instants import InstantType
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import note, printable


@click.group(
    "audit-log",
    epilog="""\b
Examples:
  thermalwatch audit-log list --data state/""",
)
def audit_log() -> None:
    """Show who did what: logins, accounts, tokens, uploads, reviews, baselines, models."""


@audit_log.command(
    "list",
    epilog="""\b
Examples:
  thermalwatch audit-log list --data state/
  thermalwatch audit-log list --data state/ --action login_failed --since 7d
  thermalwatch audit-log list --data state/ --actor anna --json""",
)
@click.option("--actor", metavar="NAME", help="Only what this account or user did.")
@click.option("--action", metavar="WORD", help="Only this: login, login_failed, review, …")
@click.option("--since", type=InstantType(), help="Only from this time on.")
@click.option("--until", type=InstantType(), help="Only before this time.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@data_option
@json_option
@config_option
def list_(
    actor: str | None,
    action: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    data: Path | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """List the latest entries, latest first; times are in UTC."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.audit_log import ACTIONS, EntryQuery, list_entries

    chosen = next((known for known in ACTIONS if known == action), None)
    if action is not None and chosen is None:
        raise click.BadParameter(f"no action {action!r}; known: {', '.join(ACTIONS)}")
    query = EntryQuery(actor=actor, action=chosen, since=since, until=until)
    with open_existing_database(settings) as engine:
        entries = list_entries(engine, query, limit=limit)
    if as_json:
        print_json([vars(entry) for entry in entries])
        return
    if not entries:
        note("no entries")
    for entry in entries:
        moment = datetime.fromtimestamp(entry.at, UTC)
        by = f"{entry.actor or '-'} ({', '.join(filter(None, (entry.via, entry.address)))})"
        what = " ".join(filter(None, (entry.action, entry.subject)))
        detail = f": {entry.detail}" if entry.detail else ""
        click.echo(printable(f"{moment:%Y-%m-%d %H:%M:%S}  {by}  {what}{detail}"))
