"""`doctor` finds each problem and says what to do about it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from redis import Redis

from ops.cli.main import cli
from ops.config.settings import Settings
from ops.config.wiring import refuse_cluster
from ops.doctor import machine
from ops.doctor.cameras import scans
from ops.doctor.check import Check
from ops.doctor.examine import examine
from ops.doctor.flow import STUCK_S, progress
from ops.errors import SettingsError
from ops.program import program
from producer.heartbeat import Heartbeat, beat
from producer.ignored import LeftAlone
from producer.observe import RootStatus
from storage.db.database import connect, migrate
from storage.frames.registration import register
from storage.models import save_model
from storage.results.commit import commit_results
from tests.faults.site import RedisProcess
from tests.storage.examples import EPOCH, MODEL, new_frame, open_streams, result
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
    monkeypatch.setattr(machine, "INOTIFY_LIMITS", limits)
    check = found(examine(settings(state, redis_url)), f"watch {watched(state)}")
    assert check.finding == "readable, inotify watches 2 directories; the limit is 2 per user"
    assert check.remedy == "sysctl fs.inotify.max_user_watches=8"


def test_polled_directory_needs_no_inotify(state: Path, redis_url: str) -> None:
    polled = settings(state, redis_url, watching={"observer": "polling"})
    assert "polled" in found(examine(polled), f"watch {watched(state)}").finding


def test_disk_that_is_nearly_full_is_a_problem(
    state: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LOW_DISK_BYTES", 1 << 60)
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


def test_a_wrong_clock_of_a_camera_is_found(state: Path, redis_url: str) -> None:
    engine = connect(f"sqlite:///{state / 'thermalwatch.db'}")
    frame = new_frame(1, "east")
    register(engine, [frame], now=1_750_000_000.0)
    row = result(frame, 1, arrived_at=1_750_000_000.0, captured_at=1_750_007_200.0)
    open_streams(engine, "east")
    commit_results(
        engine, [row], epochs={"east": EPOCH}, open_decisions={}, model_id=MODEL, now=2.0
    )
    engine.dispose()
    clock = found(examine(settings(state, redis_url)), "clock of east")
    assert (clock.finding, clock.ok) == ("2 h ahead", False)
    assert "set the camera's clock" in str(clock.remedy)


def test_a_redis_cluster_is_refused_by_name(tmp_path: Path) -> None:
    redis = RedisProcess(tmp_path, tmp_path / "r", "--cluster-enabled", "yes")
    redis.start(append_only=False)
    try:
        url = SecretStr(redis.url)
        settings = Settings(redis_url=url, database_url=SecretStr(f"sqlite:///{tmp_path}/a.db"))
        with pytest.raises(SettingsError, match="cluster mode: use a single Redis server"):
            refuse_cluster(settings)
        (found,) = [check for check in examine(settings) if check.name == "redis"]
        assert "cluster mode" in found.finding
        assert not found.ok
    finally:
        redis.stop()


def test_an_account_that_may_not_ask_for_info_is_noted(tmp_path: Path) -> None:
    redis = RedisProcess(tmp_path, tmp_path / "r")
    redis.start(append_only=False)
    try:
        with redis.client() as client:
            client.execute_command("ACL SETUSER tw on >secret ~* &* +@all -info")
        url = SecretStr(redis.url.replace("unix://", "unix://tw:secret@"))
        settings = Settings(redis_url=url, database_url=SecretStr(f"sqlite:///{tmp_path}/a.db"))
        (found,) = [check for check in examine(settings) if check.name == "redis"]
        assert found.ok
        assert "refuses INFO" in found.finding
    finally:
        redis.stop()


def test_frames_that_wait_while_nothing_gets_an_outcome_are_a_problem(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    assert [check.ok for check in progress(engine, 1000.0)] == [True]
    register(engine, [new_frame(1)], now=1000.0)
    assert [check.ok for check in progress(engine, 1010.0)] == [True]
    (stuck,) = progress(engine, 1001.0 + STUCK_S)
    assert not stuck.ok
    assert "no frame has had an outcome" in stuck.finding
    engine.dispose()


def test_a_decoder_that_cannot_be_started_is_a_problem(tmp_path: Path, redis_url: str) -> None:
    paths = ["{input}", "{output}"]
    cameras = {
        "roof": {"decoder": ["no-such-program", *paths]},
        "yard": {"decoder": [sys.executable, *paths]},
        "hall": {},
    }
    checks = examine(settings(tmp_path, redis_url, cameras=cameras))
    missing = found(checks, "decoder of roof")
    assert missing.finding.startswith("no-such-program: no such program")
    assert missing.remedy is not None
    assert found(checks, "decoder of yard").ok
    assert not any(check.name == "decoder of hall" for check in checks)


def test_files_that_nothing_reads_are_counted_by_ending(redis_url: str) -> None:
    # to see it fail: count no endings in producer/ignored.py
    left = LeftAlone()
    for name in ("a.CSQ", "b.csq", "c.txt", "README", "d. e f", ".x"):
        left.add("other ending", name)
    left.add("hidden", ".trash.is2")
    root = RootStatus(
        root="/srv/cameras", mode="polling", frames=7, refused=0, settling=0, scanned_at=None,
        scan_s=None, ignored=dict(left.reasons), endings=left.most_endings(),
    )  # fmt: skip
    now = time.time()
    with Redis.from_url(redis_url) as redis:
        beat(redis, Heartbeat("host-1", now, now, (root,)))
        checks = list(scans(redis))
    unread = found(checks, "unread files in /srv/cameras")
    assert unread.finding == (
        "by ending: 3 without, 2 .csq, 1 .txt; thermal files among them: .csq"
    )
    assert unread.remedy is not None
    assert found(checks, "scan of /srv/cameras").ok
