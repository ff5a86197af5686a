"""`doctor` finds each problem and says what to do about it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from redis import Redis

from ops import doctor
from ops.cli.main import cli
from ops.config.settings import Settings
from ops.doctor import Check, examine
from ops.program import program
from storage.db.database import connect, migrate
from storage.models import save_model
from thermal.detection.bundle import Bundle


def settings(tmp_path: Path, redis_url: str, **more: object) -> Settings:
    values = {
        "data": tmp_path,
        "redis_url": SecretStr(redis_url),
        "watch": (watched(tmp_path),),
        "device": "cpu",
        **more,
    }
    return Settings.model_validate(values)


def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    (folder / "east").mkdir(parents=True, exist_ok=True)
    return folder


def found(checks: list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


@pytest.fixture
def state(tmp_path: Path, bundle: Bundle) -> Path:
    """A state directory with an active model."""
    engine = connect(f"sqlite:///{tmp_path / 'thermalwatch.db'}")
    migrate(engine)
    save_model(engine, bundle, now=0.0, activate=True)
    engine.dispose()
    return tmp_path


def test_healthy_system_has_no_problem(state: Path, redis_url: str, bundle: Bundle) -> None:
    checks = examine(settings(state, redis_url))
    assert [check for check in checks if not check.ok] == []
    assert found(checks, "model").finding.startswith(f"{bundle.model_id[:12]} is active: 24×32 px")
    assert "inotify watches 2 directories" in found(checks, f"watch {watched(state)}").finding
    assert "answers in" in found(checks, "redis").finding


def test_services_that_are_away_are_named_with_what_to_do(tmp_path: Path) -> None:
    checks = examine(
        settings(
            tmp_path,
            "redis://:hunter2@127.0.0.1:1/0",
            database_url=SecretStr("postgresql://me:hunter2@127.0.0.1:1/db"),
        )
    )
    assert found(checks, "redis").remedy == "start it, or correct REDIS_URL"
    assert found(checks, "database").remedy == "start it, or correct DATABASE_URL or --data"
    assert "hunter2" not in str(checks)
    assert "127.0.0.1:1" in found(checks, "redis").finding


def test_embedded_redis_that_is_not_running_points_at_up(state: Path) -> None:
    checks = examine(Settings(data=state))
    assert found(checks, "redis").remedy == f"start it: {program()} up --data {state}"


def test_nothing_configured_is_a_problem_of_its_own() -> None:
    assert found(examine(Settings()), "state").remedy is not None


def test_missing_model_is_a_problem(tmp_path: Path, redis_url: str) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'thermalwatch.db'}")
    migrate(engine)
    engine.dispose()
    model = found(examine(settings(tmp_path, redis_url)), "model")
    assert model.remedy == f"register one: {program()} model add BUNDLE --data {tmp_path}"


def test_redis_that_may_drop_keys_is_a_problem(state: Path, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            memory = found(examine(settings(state, redis_url)), "redis memory")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "0")
    assert memory.remedy is not None and "noeviction" in memory.remedy


def test_watch_directory_that_is_not_there_is_a_problem(state: Path, redis_url: str) -> None:
    gone = state / "gone"
    check = found(examine(settings(state, redis_url, watch=(gone,))), f"watch {gone}")
    assert check.finding == "no such directory"
    assert check.remedy is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_watch_directory_that_cannot_be_read_is_a_problem(state: Path, redis_url: str) -> None:
    closed = state / "closed"
    closed.mkdir(mode=0)
    check = found(examine(settings(state, redis_url, watch=(closed,))), f"watch {closed}")
    assert check.finding == "no read permission"


def test_inotify_limit_that_is_nearly_used_up_is_a_problem(
    state: Path, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = tmp_path / "limits"
    limits.mkdir()
    (limits / "max_user_watches").write_text("2\n")
    monkeypatch.setattr(doctor, "INOTIFY_LIMITS", limits)
    check = found(examine(settings(state, redis_url)), f"watch {watched(state)}")
    assert check.finding == "readable, inotify watches 2 directories; the limit is 2 per user"
    assert check.remedy == "sysctl fs.inotify.max_user_watches=8"


def test_polled_directory_needs_no_inotify(state: Path, redis_url: str) -> None:
    polled = settings(state, redis_url, watching={"observer": "polling"})
    assert "polled" in found(examine(polled), f"watch {watched(state)}").finding


def test_disk_that_is_nearly_full_is_a_problem(
    state: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LOW_DISK_BYTES", 1 << 60)
    assert found(examine(settings(state, redis_url)), "disk").remedy is not None


def test_gpu_that_is_configured_and_not_there_is_a_problem(state: Path, redis_url: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the GPU")
    device = found(examine(settings(state, redis_url, device="cuda:0")), "device")
    assert device.remedy is not None and "device = 'auto'" in device.remedy


def test_exit_code_and_json_tell_programs_the_same(state: Path, redis_url: str) -> None:
    words = ["doctor", "--json", "--data", str(state)]
    well = CliRunner().invoke(cli, words, env={"REDIS_URL": redis_url})
    assert well.exit_code == 0
    assert json.loads(well.stdout)["ok"] is True
    ill = CliRunner().invoke(cli, [*words, "--watch", "nowhere"], env={"REDIS_URL": redis_url})
    assert ill.exit_code == 1
    (problem,) = [check for check in json.loads(ill.stdout)["checks"] if not check["ok"]]
    assert problem["name"] == "watch nowhere"
    assert problem["remedy"]
