"""Durations of the stages of a batch, summed in Redis over all workers on all machines.

One hash holds the bucket counts, sums and totals. Each worker adds to it once per batch, and the
metrics endpoint reads it whole. So workers need no port for a monitoring system to discover, and
their numbers outlive them. If Redis is lost the counters restart at zero, which Prometheus expects.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis import Redis

#: The hash; fields are ``STAGE:BUCKET``, ``STAGE:sum`` and ``STAGE:count``.
KEY: Final = "thermalwatch:stage-seconds"
#: Upper bounds of the buckets, s; longer durations count only in the total.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class StageHistogram:
    """Histogram of one stage's durations."""

    buckets: tuple[int, ...]  #: cumulative, for each of `BUCKETS_S`, then the total
    sum_s: float


def add_durations(redis: Redis, durations_s: Mapping[str, Sequence[float]]) -> None:
    """Add a batch's durations, by stage, in one round trip.

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
        pipeline.execute()


def read_durations(redis: Redis) -> dict[str, StageHistogram]:
    """All durations so far, by stage.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    fields = cast("dict[bytes, bytes]", redis.hgetall(KEY))
    found = {name.decode(): float(value) for name, value in fields.items()}
    stages = sorted({name.partition(":")[0] for name in found})
    return {stage: _histogram(stage, found) for stage in stages}


def _histogram(stage: str, found: Mapping[str, float]) -> StageHistogram:
    total, cumulative = 0, []
    for bucket in range(len(BUCKETS_S)):
        total += int(found.get(f"{stage}:{bucket}", 0))
        cumulative.append(total)
    # read between two commands of a worker's pipeline, a bucket may be ahead of the count
    count = max(int(found.get(f"{stage}:count", 0)), total)
    return StageHistogram((*cumulative, count), found.get(f"{stage}:sum", 0.0))
