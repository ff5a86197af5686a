"""The command `retention`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, insert, update

from ops.cli.main import cli
from ops.config.settings import Settings
from ops.config.state_directory import StateDirectory
from ops.local.up import child_groups
from storage.db.database import connect, migrate, writing
from storage.db.schema import frames, results, streams
from tests.storage.examples import finished_frame, open_streams, stored_row

#: Old results of one camera. Every tenth is an anomaly.
ROWS = 3000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    engine = connect(f"sqlite:///{tmp_path}/thermalwatch.db")
    migrate(engine)
    fill(engine)
    engine.dispose()
    return tmp_path


def fill(engine: Engine) -> None:
    open_streams(engine, "north")
    numbers = range(1, ROWS + 1)
    with writing(engine) as connection:
        connection.execute(insert(frames), [finished_frame(f"{n:032x}") for n in numbers])
        rows = [
            stored_row(f"{n:032x}", n, camera="north", anomaly=n % 10 == 0, scored_at=float(n))
            for n in numbers
        ]
        connection.execute(insert(results), rows)
        connection.execute(update(streams).values(config="[500]"))


def retention(state: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["retention", "--data", str(state), *words])


def test_without_an_age_nothing_is_deleted(state: Path) -> None:
    refused = retention(state)
    assert refused.exit_code == 2
    assert "nothing to delete, because no age is configured" in refused.output


def test_a_dry_run_says_what_the_run_then_deletes(state: Path) -> None:
    ages = ("--normal-days", "90", "--json")
    planned = json.loads(retention(state, *ages, "--dry-run").stdout)
    assert planned["dry_run"]
    assert (planned["normal"], planned["anomalies"]) == (2200, 0)
    done = json.loads(retention(state, *ages).stdout)
    assert {**done, "dry_run": True} == planned
    audit = CliRunner().invoke(cli, ["audit", "--data", str(state)])
    assert "results deleted by retention: 2200" in audit.stdout
    assert "every frame has exactly one outcome" in audit.stdout
    shown = CliRunner().invoke(cli, ["results", "show", f"{1:032x}", "--data", str(state)])
    assert "deleted by retention at " in shown.stdout
    assert "kept 500 old results" in retention(state, "--normal-days", "90").stdout


def test_an_option_wins_over_the_file(state: Path) -> None:
    config = state / "thermalwatch.toml"
    config.write_text("[retention]\nnormal_days = 1e6\n")
    words = ("--config", str(config), "--dry-run")
    assert "would delete 0 normal" in retention(state, *words).stdout
    assert "would delete 2200 normal" in retention(state, *words, "--normal-days", "9").stdout


def test_ages_that_do_not_fit_together_are_refused(state: Path) -> None:
    refused = retention(state, "--normal-days", "9", "--anomaly-days", "3")
    assert refused.exit_code == 2
    assert "anomalies are kept longer" in refused.output


def test_up_runs_it_where_it_is_configured(tmp_path: Path) -> None:
    def names(settings: Settings) -> set[str]:
        groups = child_groups(settings, StateDirectory(tmp_path), roots=[tmp_path], config=None)
        return {child.name for group in groups for child in group}

    assert "retention" not in names(Settings())
    configured = Settings.model_validate({"retention": {"quarantine_days": 30}})
    assert "retention" in names(configured)
