"""Durations of the stages of a batch, summed in Redis over all workers on all machines.

One hash holds the bucket counts, sums and totals. Each worker adds to it once per batch, and the
metrics endpoint reads it whole. So workers need no port for a monitoring system to discover, and
their numbers outlive them. If Redis is lost the counters restart at zero, which Prometheus expects.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis import Redis
from redis.exceptions import ResponseError

from storage.redis_values import discard, is_malformed

#: The hash; fields are ``STAGE:BUCKET``, ``STAGE:sum`` and ``STAGE:count``.
KEY: Final = "thermalwatch:stage-seconds"
#: Upper bounds of the buckets, s; longer durations count only in the total.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Most fields of the hash: those of many more stages than there are.
MAX_FIELDS: Final = 1024
_FIELD: Final = re.compile(r"[a-z_]{1,32}:(sum|count|\d{1,2})")


@dataclass(frozen=True)
class StageHistogram:
    """Histogram of one stage's durations."""

    buckets: tuple[int, ...]  #: cumulative, for each of `BUCKETS_S`, then the total
    sum_s: float


def add_durations(redis: Redis, durations_s: Mapping[str, Sequence[float]]) -> None:
    """Add a batch's durations, by stage, in one round trip.

    If the hash holds anything else, it is deleted, and the counters restart at zero.

    Raises:
        redis.RedisError: Redis cannot be reached; only metrics are lost.
    """
    with redis.pipeline(transaction=False) as pipeline:
        for stage, observed in durations_s.items():
            for seconds in observed:
                bucket = bisect_left(BUCKETS_S, seconds)
                if bucket < len(BUCKETS_S):
                    pipeline.hincrby(KEY, f"{stage}:{bucket}", 1)
                pipeline.hincrby(KEY, f"{stage}:count", 1)
                pipeline.hincrbyfloat(KEY, f"{stage}:sum", seconds)
        try:
            pipeline.execute()
        except ResponseError as error:
            if not is_malformed(error):
                raise
            discard(redis, "durations", KEY, error)


def read_durations(redis: Redis) -> dict[str, StageHistogram]:
    """All durations so far, by stage; none if the hash holds anything else, which is deleted.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    try:
        if redis.hlen(KEY) > MAX_FIELDS:
            raise ValueError(f"has more than {MAX_FIELDS} fields")
        fields = cast("dict[bytes, bytes]", redis.hgetall(KEY))
        found = {_field(name): _number(text) for name, text in fields.items()}
    except (ValueError, ResponseError) as error:
        if isinstance(error, ResponseError) and not is_malformed(error):
            raise
        discard(redis, "durations", KEY, error)
        return {}
    stages = sorted({name.partition(":")[0] for name in found})
    return {stage: _histogram(stage, found) for stage in stages}


def _field(name: bytes) -> str:
    if not _FIELD.fullmatch(text := name[:64].decode("ascii")):
        raise ValueError(f"has the field {text!r}")
    return text


def _number(text: bytes) -> float:
    number = float(text[:64])
    if not (math.isfinite(number) and 0 <= number < 2**53):
        raise ValueError(f"has the number {number}")
    return number


def _histogram(stage: str, found: Mapping[str, float]) -> StageHistogram:
    total, cumulative = 0, []
    for bucket in range(len(BUCKETS_S)):
        total += int(found.get(f"{stage}:{bucket}", 0))
        cumulative.append(total)
    # read between two commands of a worker's pipeline, a bucket may be ahead of the count
    count = max(int(found.get(f"{stage}:count", 0)), total)
    return StageHistogram((*cumulative, count), found.get(f"{stage}:sum", 0.0))
