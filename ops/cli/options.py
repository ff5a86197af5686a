"""Command-line options that several commands share, and the settings made from them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from ops.config.settings import Settings
    from ops.logs import LogFormat

F = TypeVar("F", bound=Callable[..., Any])

#: A path that need not exist.
ANY_PATH = click.Path(path_type=Path)
#: A directory that exists.
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


def config_option(function: F) -> F:
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Settings file; default: ./thermalwatch.toml if it exists.",
    )(function)


def data_option(function: F) -> F:
    return click.option(
        "--data",
        type=ANY_PATH,
        metavar="STATE",
        help="State directory, as given to `thermalwatch up`. Other machines set REDIS_URL and "
        "DATABASE_URL instead.",
    )(function)


def device_option(function: F) -> F:
    return click.option(
        "--device",
        metavar="NAME",
        help="auto, cpu, cuda or cuda:N; auto uses a GPU if there is one.",
    )(function)


def target_far_option(function: F) -> F:
    return click.option(
        "--target-far",
        type=click.FloatRange(0.001, 0.2),
        metavar="SHARE",
        help="Share of normal images that may be flagged; sets the threshold; default: 0.005.",
    )(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(
        function
    )


def settings_from(config: Path | None, **options: object) -> Settings:
    """Settings of this process from file, environment and command-line `options`.

    Raises:
        SettingsError: see `ops.config.loading.load_settings`.
    """
    from ops.config.loading import load_settings

    return load_settings(options=options, environ=os.environ, config=config)


class LogOptions(TypedDict):
    """Arguments of `ops.logs.configure_logging`."""

    debug: bool
    log_format: LogFormat


def log_options(ctx: click.Context) -> LogOptions:
    """The logging options, which belong to the program and not to a command."""
    chosen = ctx.find_root().params
    return LogOptions(debug=chosen["debug"], log_format=chosen["log_format"])


def print_json(value: object) -> None:
    """Print `value` as one JSON document on standard output."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    json.dump(plain, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


watch_option = click.option(
    "--watch",
    multiple=True,
    type=ANY_PATH,
    metavar="DIR",
    help="Directory that cameras upload into, with a folder per camera; may be repeated.",
)
model_option = click.option(
    "--model", type=ANY_PATH, metavar="BUNDLE", help="Model bundle to register in the database."
)
