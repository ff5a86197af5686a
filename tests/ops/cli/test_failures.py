"""Messages of commands that fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from tests.ops.cli.process import command, run


def test_misspelt_command_is_answered_with_a_suggestion() -> None:
    answer = run("requeu")
    assert answer.exit_code == 2
    assert "No such command 'requeu'. Did you mean 'requeue'?" in answer.output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["status"], 2, "no state directory: give --data STATE"),
        (["status", "--data", "nowhere"], 2, "--data nowhere: no thermalwatch state there"),
        (["audit", "--config", "no.toml"], 2, "no.toml: no such settings file"),
        (["up", "--data", "s"], 2, "nothing to watch: give --watch DIR"),
        (["up", "--data", "s", "--watch", "gone"], 2, "gone: no such directory"),
        (["up", "--watch", "w", "--data", "w/s"], 2, "w/s lies inside --watch w, so its pictures"),
        (["up", "--watch", "w"], 2, "no state directory: give --data STATE"),
        (["up", "--watch", "w", "--data", "s", "--model", "b"], 1, "b is not a readable model"),
        (["up", "--watch", "w", "--data", "s"], 1, "there is no model yet: give --model BUNDLE"),
        (["train", ".", "--output", "b"], 1, "holds no images"),
        (["train", ".", "--output", "b", "--size", "24"], 2, "expected height x width"),
        (["train", ".", "--output", "b", "--device", "gpu"], 2, "--device: "),
        (["results", "list", "--since", "soon"], 2, "'soon' is not a time"),
        (["results", "export", "--output", "-", "--format", "parquet"], 2, "standard output"),
        (["requeue", "--data", "s"], 2, "give frame ids, --all or --list"),
        (["work", "--data", "s"], 1, "no model is active"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failure_is_reported_in_one_line(
    words: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").mkdir()
    answer = run(*words)
    assert answer.exit_code == code, answer.output
    assert message in answer.output.splitlines()[-1]
    assert "Traceback" not in answer.output


def test_wrong_setting_is_reported_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "thermalwatch.toml").write_text("[threshold]\npercentil = 99\n")
    answer = command("status", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr == (
        "Error: thermalwatch.toml: threshold.percentil: unknown setting; "
        "did you mean 'percentile'?\n"
    )


def test_debug_shows_where_an_expected_error_came_from(tmp_path: Path) -> None:
    answer = command("--debug", "train", tmp_path, "--output", tmp_path / "b")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr
    assert "DatasetError" in answer.stderr


def test_password_of_a_service_is_not_shown() -> None:
    answer = CliRunner().invoke(
        cli,
        ["doctor", "--json"],
        env={
            "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
            "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/db",
        },
    )
    assert answer.exit_code == 1
    assert "127.0.0.1" in answer.output
    assert "hunter2" not in answer.output
