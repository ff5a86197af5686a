"""`model`: the models in the database, and signatures of bundles."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.acting import operator
from ops.cli.options import (
    DIRECTORY,
    config_option,
    data_option,
    json_option,
    print_json,
    settings_from,
)
from ops.program import as_called
from ops.terminal import note

if TYPE_CHECKING:
    from sqlalchemy import Engine


@click.group(
    epilog="""\b
Examples:
  thermalwatch model list --data state/
  thermalwatch model add bundle/ --data state/
  thermalwatch model activate 3fe1a0 --data state/"""
)
def model() -> None:
    """List, add, activate and sign models.

    Workers use the active model of the database. When another becomes active, they switch to it
    without a restart.
    """


@model.command(
    "list",
    epilog="""\b
Examples:
  thermalwatch model list --data state/
  thermalwatch model list --data state/ --json""",
)
@data_option
@json_option
@config_option
def list_(data: Path | None, as_json: bool, config: Path | None) -> None:
    """List the models, oldest first."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database

    with open_existing_database(settings) as engine:
        models = _describe(engine)
    if as_json:
        print_json(models)
        return
    if not models:
        click.echo(as_called("no models; `thermalwatch model add BUNDLE` adds one"))
    for entry in models:
        click.echo(
            f"{'*' if entry['active'] else ' '} {entry['model_id']}  {entry['size']} px, "
            f"{entry['unit']}, {entry['images']} training images, "
            f"cameras: {', '.join(entry['cameras']) or 'not named'}"
        )


@model.command(
    epilog="""\b
Examples:
  thermalwatch model add bundle/ --data state/
  thermalwatch model add bundle/ --data state/ --inactive"""
)
@click.argument("bundle", type=DIRECTORY)
@click.option("--inactive", is_flag=True, help="Only store it; the active model stays the same.")
@data_option
@config_option
def add(bundle: Path, inactive: bool, data: Path | None, config: Path | None) -> None:
    """Store the model in BUNDLE and activate it."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_database
    from storage.models import save_model
    from thermal.detection.bundle import load_bundle

    loaded = load_bundle(bundle, settings.models.trusted)
    with open_database(settings) as engine:
        save_model(engine, loaded, now=time.time(), activate=not inactive, by=operator())
    note(f"model {loaded.model_id} is stored" + ("" if inactive else " and active"))


@model.command(
    epilog="""\b
Examples:
  thermalwatch model activate 3fe1a0 --data state/"""
)
@click.argument("model_id", metavar="ID")
@data_option
@config_option
def activate(model_id: str, data: Path | None, config: Path | None) -> None:
    """Activate the model with this ID. The beginning of the id suffices."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.models import known_model_ids, load_model, save_model

    with open_existing_database(settings) as engine:
        fitting = [known for known in known_model_ids(engine) if known.startswith(model_id)]
        if len(fitting) != 1:
            found = f"matches {len(fitting)} models" if fitting else "matches no model"
            hint = as_called("see `thermalwatch model list`")
            raise click.ClickException(f"{model_id} {found}; {hint}")
        chosen = load_model(engine, fitting[0])
        save_model(engine, chosen, now=time.time(), activate=True, by=operator())
    note(f"model {fitting[0]} is active")


@model.command(
    epilog="""\b
Examples:
  thermalwatch model keygen models.key"""
)
@click.argument("key", type=click.Path(path_type=Path, dir_okay=False))
def keygen(key: Path) -> None:
    """Make a secret key in the new file KEY and print its public key.

    The public key belongs into `models.trusted_keys` of every machine that loads bundles; the file
    stays with whoever signs them. It is one of minisign, without a password.
    """
    from thermal.detection.signature import generate

    secret, public = generate()
    try:
        handle = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{key}: {error.strerror}; choose another file") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret)
    click.echo(str(public))


@model.command(
    epilog="""\b
Examples:
  thermalwatch model sign bundle/ --key models.key"""
)
@click.argument("bundle", type=DIRECTORY)
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Secret key that `model keygen` made.",
)
def sign(bundle: Path, key: Path) -> None:
    """Sign the model in BUNDLE; the signature is written beside its files."""
    from thermal.detection.bundle import sign_bundle

    try:
        written = sign_bundle(bundle, key.read_text(encoding="ascii"))
    except ValueError as error:
        raise click.ClickException(f"{key}: {error}") from None
    note(f"signed: {written}")


def _describe(engine: Engine) -> list[dict[str, Any]]:
    from storage.models import active_model_id, known_model_ids, load_model

    active = active_model_id(engine)
    described = []
    for model_id in known_model_ids(engine):
        bundle = load_model(engine, model_id)
        described.append(
            {
                "model_id": model_id,
                "active": model_id == active,
                "size": f"{bundle.normalization.height}x{bundle.normalization.width}",
                "unit": bundle.normalization.unit,
                "images": bundle.training.images,
                "cameras": list(bundle.training.cameras),
            }
        )
    return described
