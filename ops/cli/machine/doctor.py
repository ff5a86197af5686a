"""`doctor`: what works, what doesn't, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ops.cli.options import (
    ANY_PATH,
    config_option,
    data_option,
    device_option,
    json_option,
    print_json,
    settings_from,
)
from ops.program import as_called


@click.command(
    epilog="""\b
Examples:
  thermalwatch doctor --data state/ --watch /srv/cameras
  thermalwatch doctor --json

Exit code 1 if there is a problem."""
)
@data_option
@click.option("--watch", multiple=True, type=ANY_PATH, metavar="DIR", help="Watch directory.")
@device_option
@json_option
@config_option
@click.pass_context
def doctor(
    ctx: click.Context,
    data: Path | None,
    watch: tuple[Path, ...],
    device: str | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Check services, model, device, directories, disk and clocks."""
    settings = settings_from(config, data=data, watch=watch, device=device)
    from ops.doctor.examine import examine

    checks = examine(settings)
    healthy = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [{**asdict(c), "ok": c.ok} for c in checks]})
    else:
        for check in checks:
            click.echo(f"{'ok     ' if check.ok else 'PROBLEM'}  {check.name}: {check.finding}")
            if check.remedy is not None:
                click.echo(f"{'':9}→ {as_called(check.remedy)}")
    if not healthy:
        ctx.exit(1)
