"""`audit --replay` on consistent results, and on results that were modified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import Engine, delete, update

from ops.cli.main import cli
from storage.db.database import writing
from storage.db.schema import frames, results
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.models import save_model
from storage.results.commit import commit_results
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from tests.storage.examples import new_frame, result_row
from thermal.detection.bundle import Bundle
from thermal.threshold import WindowConfig

CAMERAS = ("east", "west")
#: Frames per camera; the score of the last but one is far above the others.
FRAMES = 30


@pytest.fixture
def database(engine: Engine, redis_url: str, bundle: Bundle) -> Iterator[Engine]:
    """A database with two cameras and `FRAMES` decisions of each, as workers write them."""
    save_model(engine, bundle, now=0.0, activate=True)
    with Redis.from_url(redis_url) as redis:
        windows = RollingWindows(redis, WindowConfig(window_size=20, learn_frames=5))
        streams = Streams(engine, windows, lambda: 0.0)
        for camera in CAMERAS:
            score(engine, streams, bundle, [new_frame(n, camera) for n in range(FRAMES)])
    yield engine


def score(engine: Engine, streams: Streams, bundle: Bundle, batch: list[NewFrame]) -> None:
    register(engine, batch, now=0.0)
    level = float(bundle.held_out_scores[0])
    scores = [level * (1 + n % 7 / 100) for n in range(len(batch))]
    scores[-2] = level * 1000
    decided = streams.decide(
        StreamKey(batch[0].camera, bundle.model_id),
        bundle,
        [(frame.frame_id, score) for frame, score in zip(batch, scores, strict=True)],
    )
    commit_results(
        engine,
        [
            result_row(frame, decision, epoch=decided.epoch, model_id=bundle.model_id)
            for frame, decision in zip(batch, decided.decisions.values(), strict=True)
        ],
        epochs={batch[0].camera: decided.epoch},
        open_decisions={},
        model_id=bundle.model_id,
        now=1.0,
    )


def audit(engine: Engine, *words: str) -> Result:
    url = engine.url.render_as_string(hide_password=False)
    environment = {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0"}
    return CliRunner().invoke(cli, ["audit", *words], env=environment)


def tamper(engine: Engine, frame: NewFrame, **changes: Any) -> None:
    with writing(engine) as connection:
        changed = update(results).where(results.c.frame_id == frame.frame_id).values(**changes)
        assert connection.execute(changed).rowcount == 1


def test_unmodified_decisions_replay(database: Engine) -> None:
    shown = audit(database, "--replay")
    assert shown.exit_code == 0, shown.output
    assert "60 decisions of 2 streams recomputed: 0 differ, 0 are missing" in shown.stdout
    assert "every decision is reproduced" in shown.stdout
    found = json.loads(audit(database, "--replay", "--json").stdout)
    assert found["balanced"]
    assert found["replay"] == {
        "consistent": True,
        "streams": 2,
        "decisions": 60,
        "mismatches": 0,
        "missing": 0,
        "unchecked": 0,
        "described": [],
    }


def test_without_replay_no_decision_is_recomputed(database: Engine) -> None:
    assert json.loads(audit(database, "--json").stdout)["replay"] is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"anomaly": False}, "anomaly is recorded as False and recomputed as True"),
        ({"threshold": 1e9}, "threshold is recorded as 1000000000.0 and recomputed as "),
        ({"window_n": 3}, "window_n is recorded as 3 and recomputed as 20"),
        ({"score": 1e-9}, "anomaly is recorded as True and recomputed as False"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_modified_decision_is_reported(
    database: Engine, changes: dict[str, Any], named: str
) -> None:
    # to see it fail: leave out the comparison in storage.stream.replay, or the exit code
    frame = new_frame(FRAMES - 2, "west")
    tamper(database, frame, **changes)
    shown = audit(database, "--replay")
    assert shown.exit_code == 1
    # a decision was changed, not an outcome
    assert "every frame has exactly one outcome" in shown.stdout
    assert "NOT EVERY DECISION IS REPRODUCED" in shown.stdout
    [line, *_] = [line for line in shown.stdout.splitlines() if line.startswith("  ")]
    assert line.startswith(f"  camera west, decision {FRAMES - 1} (frame {frame.frame_id}): ")
    assert named in line
    found = json.loads(audit(database, "--replay", "--json").stdout)
    assert not found["replay"]["consistent"]
    assert found["replay"]["mismatches"] >= 1
    assert line.strip() in found["replay"]["described"]
    assert audit(database).exit_code == 0


def test_a_frame_deleted_with_its_result_is_reported_as_missing(database: Engine) -> None:
    # to see it fail: do not count skipped numbers in storage.stream.replay
    frame_id = new_frame(10, "east").frame_id
    with writing(database) as connection:
        connection.execute(delete(results).where(results.c.frame_id == frame_id))
        connection.execute(delete(frames).where(frames.c.id == frame_id))
    answer = audit(database, "--replay", "--json")
    assert answer.exit_code == 1
    found = json.loads(answer.stdout)
    assert found["balanced"]  # every other frame has its outcome
    assert found["replay"]["missing"] == 1
