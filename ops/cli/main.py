"""The `thermalwatch` program: its commands, and how errors end it.

A command's module is imported only when the command is used, and imports its dependencies only when
it runs, so that `--help` is quick. Exit codes: 0 done; 1 failed, or a check found a problem; 2 the
command line or a setting is wrong; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from ops.program import NAME, as_called, program
from storage.redaction import redact_urls

#: The command line or a setting is wrong; click uses the same number.
EXIT_USAGE = 2
#: Interrupted by Ctrl-C: 128 + SIGINT, as in shells.
EXIT_INTERRUPTED = 130

#: Module and attribute of each command, in the order of the help.
COMMANDS: Mapping[str, str] = {
    "demo": "ops.cli.machine.demo:demo",
    "up": "ops.cli.services.up:up",
    "train": "ops.cli.models.train:train",
    "evaluate": "ops.cli.models.evaluate:evaluate",
    "score": "ops.cli.models.score:score",
    "model": "ops.cli.models.model:model",
    "produce": "ops.cli.services.produce:produce",
    "work": "ops.cli.services.work:work",
    "serve": "ops.cli.services.serve:serve",
    "account": "ops.cli.machine.account:account",
    "results": "ops.cli.records.results:results",
    "status": "ops.cli.records.status:status",
    "audit": "ops.cli.records.audit:audit",
    "audit-log": "ops.cli.records.audit_log:audit_log",
    "retention": "ops.cli.records.retention:retention",
    "requeue": "ops.cli.records.requeue:requeue",
    "baseline": "ops.cli.models.baseline:baseline",
    "doctor": "ops.cli.machine.doctor:doctor",
    "bench": "ops.cli.machine.bench:bench",
}


class WrongSetting(click.ClickException):
    """A setting is wrong. The exit code is the same for options, variables and files."""

    exit_code = EXIT_USAGE


class LazyGroup(click.Group):
    """Imports commands when they are used, and prints expected errors as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()  # raise BrokenPipeError here, not at exit
            return answer
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("stopped", err=True)
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _discard_output()
            raise click.exceptions.Exit(0) from None
        except Exception as error:
            if ctx.params.get("debug"):
                sys.stderr.write(redact_urls(traceback.format_exc()))
            raise as_click_error(error) from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  thermalwatch demo
  thermalwatch train normal-images/ --output bundle/
  thermalwatch up --watch /srv/cameras --model bundle/ --data state/
  thermalwatch results list --data state/ --anomalies

Help for one command: thermalwatch COMMAND --help""",
)
@click.option(
    "--debug", is_flag=True, envvar="THERMALWATCH_DEBUG", help="Show a traceback for errors."
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar="THERMALWATCH_LOG_FORMAT",
    help="Format of log lines; json: one object per line, with frame ids.",
)
@click.version_option(package_name="thermalwatch", message=f"{NAME} %(version)s")
def cli(debug: bool, log_format: str) -> None:
    """Watch directories of thermal cameras, score every image, lose none."""


def main() -> None:
    """Entry point of the console script."""
    cli.main(prog_name=program())


def as_click_error(error: Exception) -> click.ClickException:
    """An expected error as one line for people. Raises `error` itself if it is a bug."""
    from ops.errors import SettingsError

    if isinstance(error, SettingsError):
        return WrongSetting(as_called(redact_urls(str(error))))
    if isinstance(error, _expected_errors()):
        return click.ClickException(as_called(redact_urls(str(error))))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return click.ClickException(f"{where}{error.strerror or error}")
    raise error


def _expected_errors() -> tuple[type[Exception], ...]:
    from redis import RedisError

    from ops.errors import OpsError
    from storage.errors import StorageError
    from thermal.errors import ThermalError

    return (ThermalError, StorageError, OpsError, RedisError)


def _discard_output() -> None:
    """Discard buffered output, so that flushing it at exit does not fail: nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
