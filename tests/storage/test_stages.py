"""Stage durations in Redis, whatever else lies in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from storage.redis_values import refusals
from storage.stages import KEY, add_durations, read_durations


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


ATTACKS: dict[str, Callable[[Redis], object]] = {
    "text": lambda redis: redis.set(KEY, "x"),
    "list": lambda redis: redis.rpush(KEY, "x"),
    "no-number": lambda redis: redis.hset(KEY, "read:count", "many"),
    "infinite": lambda redis: redis.hset(KEY, "read:sum", "inf"),
    "nan": lambda redis: redis.hset(KEY, "read:sum", "nan"),
    "huge": lambda redis: redis.hset(KEY, "read:sum", "1e308"),
    "negative": lambda redis: redis.hset(KEY, "read:count", -5),
    "unknown": lambda redis: redis.hset(KEY, "x", 1),
    "no-text": lambda redis: redis.hset(KEY, b"\xff:count", 1),
    "many": lambda redis: redis.hset(KEY, mapping={f"s{n}:sum": n for n in range(2000)}),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_durations_that_are_none_are_deleted_and_counted_anew(
    redis: Redis, attack: Callable[[Redis], object]
) -> None:
    # to see it fail: convert fields without a check in read_durations
    attack(redis)
    assert read_durations(redis) == {}
    assert refusals(redis)["durations"] == 1
    add_durations(redis, {"read": [0.5]})
    assert read_durations(redis)["read"].sum_s == 0.5


def test_durations_are_added_after_a_key_of_another_type(redis: Redis) -> None:
    # to see it fail: let add_durations raise
    redis.set(KEY, "x")
    for _ in range(2):
        add_durations(redis, {"read": [0.5]})
    assert read_durations(redis)["read"].sum_s == 0.5
