"""`thermalwatch baseline accept`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from ops.cli.main import cli
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.models import save_model
from thermal.detection.bundle import Bundle


@pytest.fixture
def environment(
    database_url: str, redis_url: str, engine: Engine, bundle: Bundle
) -> dict[str, str]:
    register(engine, [NewFrame("east", "/watch", "east/1.png", 1, 1)], now=0.0)
    save_model(engine, bundle, now=0.0, activate=True)
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


def run(*words: str, env: dict[str, str]) -> Result:
    return CliRunner().invoke(cli, ["baseline", *words], env=env)


def test_accept_says_from_which_frame_on_the_camera_learns(environment: dict[str, str]) -> None:
    result = run("accept", "east", env=environment)
    assert result.exit_code == 0, result.output
    assert (
        "east learns its baseline from its next 200 frames, starting at number 1" in result.output
    )


def test_a_camera_that_is_not_there_is_named_with_those_that_are(
    environment: dict[str, str],
) -> None:
    result = run("accept", "esat", env=environment)
    assert result.exit_code == 2
    assert "no camera 'esat'; known cameras: east" in result.output
