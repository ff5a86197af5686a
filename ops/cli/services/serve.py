"""`serve`: the dashboard and HTTP API."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.options import config_option, data_option, log_options, settings_from


@click.command(
    epilog="""\b
Examples:
  thermalwatch serve --data state/
  thermalwatch serve --data state/ --port 9000
  thermalwatch serve --data state/ --host 0.0.0.0      # needs accounts
  REDIS_URL=redis://queue DATABASE_URL=postgresql://db/tw thermalwatch serve --data pictures/"""
)
@click.option("--host", metavar="ADDRESS", help="Address to listen on; default: 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port; default: 8080; 0: any free one.",
)
@data_option
@config_option
@click.pass_context
def serve(
    ctx: click.Context, host: str | None, port: int | None, data: Path | None, config: Path | None
) -> None:
    """Serve the dashboard and the HTTP API, until stopped.

    It serves other machines (--host) only if there are accounts:
    `thermalwatch account add NAME --role admin`.
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_from(config, data=data, server=given or None)
    from ops.logs import configure_logging
    from ops.web.server import run_server

    configure_logging(**log_options(ctx))
    run_server(settings)
