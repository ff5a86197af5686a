"""How long the stages of a batch take, added up in Redis over all workers on all machines.

One hash holds counts by bucket, sums and numbers of observations; every worker adds to it once a
batch, and whoever serves metrics reads it whole. So no worker needs a port of its own that a
monitoring system would have to find, and what a worker did outlives it. A Redis that was lost
begins again at zero, as counters may.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis import Redis

#: The hash; fields are ``STAGE:BUCKET``, ``STAGE:sum`` and ``STAGE:count``.
KEY: Final = "thermalwatch:stage-seconds"
#: Upper bounds of the buckets, s; longer ones count in none of them.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class StageHistogram:
    """Durations of one stage."""

    buckets: tuple[int, ...]  #: durations up to each of `BUCKETS_S`, and of all: cumulative
    sum_s: float


def add_durations(redis: Redis, durations_s: Mapping[str, Sequence[float]]) -> None:
    """Add what a batch took, by stage, in one round trip.

    Raises:
        redis.RedisError: Redis cannot be reached; nothing depends on it.
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
    """What was added, by stage.

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
    # a scrape between two commands of a worker's pipeline may see a bucket without its count
    count = max(int(found.get(f"{stage}:count", 0)), total)
    return StageHistogram((*cumulative, count), found.get(f"{stage}:sum", 0.0))
