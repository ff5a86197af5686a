"""Heartbeats of producers, as other processes read them."""

from __future__ import annotations

import json
from dataclasses import asdict

from redis import Redis

from producer.heartbeat import KEY_PREFIX, Heartbeat, beat, living_producers
from producer.observe import RootStatus
from storage.redis_values import refusals

ROOT = RootStatus(
    root="/srv", mode="inotify", frames=3, refused=0, settling=2, scanned_at=5.0, scan_s=0.1
)
BEAT = Heartbeat("one", 2.0, 1.0, (ROOT,))


def test_a_heartbeat_is_read_as_it_was_sent(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    beat(redis, BEAT)
    assert living_producers(redis) == [BEAT]


def test_a_heartbeat_of_a_later_release_is_read_without_what_is_unknown_here(
    redis_url: str,
) -> None:
    redis = Redis.from_url(redis_url)
    beat(redis, BEAT)
    key = KEY_PREFIX + BEAT.name
    values = json.loads(redis.get(key) or b"")
    values["new"] = values["roots"][0]["new"] = 1
    redis.set(key, json.dumps(values))
    assert living_producers(redis) == [BEAT]


def test_a_heartbeat_that_cannot_be_read_is_left_out(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    beat(redis, BEAT)
    for number, text in enumerate(("", "[]", "{}", '{"roots": 1}', '{"roots": [1]}')):
        redis.set(f"{KEY_PREFIX}bad-{number}", text)
    assert living_producers(redis) == [BEAT]


def test_what_is_no_heartbeat_is_deleted(redis_url: str) -> None:
    # to see it fail: let living_producers leave it out only
    redis = Redis.from_url(redis_url)
    beat(redis, BEAT)
    good = json.dumps(asdict(BEAT))
    bad = ["[]", "{", "[" * 100_000, "x" * 2_000_000]
    for old, new in (
        ("2.0", "1e999"),
        ("2.0", "NaN"),
        ("2.0", "1e300"),
        ("2.0", '"x"'),
        ("3", "-3"),
    ):
        bad.append(good.replace(old, new, 1))
    for number, text in enumerate(bad):
        redis.set(f"{KEY_PREFIX}bad-{number}", text)
    redis.rpush(f"{KEY_PREFIX}list", "x")
    redis.set(KEY_PREFIX.encode() + b"\xff", "x")
    assert living_producers(redis) == [BEAT]
    assert redis.keys(KEY_PREFIX + "*") == [(KEY_PREFIX + BEAT.name).encode()]
    assert refusals(redis)["heartbeat"] == len(bad) + 2
