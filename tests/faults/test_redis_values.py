"""Whatever is written over a key in Redis: it is healed, and no row depends on it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import frames, is_pending, results
from storage.queue import QUEUE_NAME
from storage.redis_values import KEY as REFUSED
from storage.redis_values import refusals
from storage.stages import KEY as DURATIONS
from storage.stream.window import StreamKey
from tests.faults.conftest import MakeSite
from tests.faults.lasting import WORKERS, is_idle, start_all
from tests.faults.site import RECOVERY_S, Site
from tests.waiting import crowdedness, wait_until
from worker.poison_frames import KEY as NOTES

#: Seconds within which work must go on after a key of ours was overwritten.
HEALED_S: Final = 10.0
#: Warnings that a process may log about one overwritten key.
MOST_WARNINGS: Final = 8

#: No shrinking: each failing example takes a minute.
PROFILE: Final = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)

#: Numbers of keys that are overwritten in any case: a window's state, and the queue.
STATE: Final = -1
QUEUE: Final = -1

#: Writes a value of one type to a key.
Write = Callable[[Redis, bytes], object]

MEMBERS = st.lists(st.binary(max_size=40), min_size=1, max_size=20, unique=True)
NUMBERS = st.one_of(st.floats(allow_nan=False), st.integers(-(2**60), 2**60).map(float))


def a_string(value: bytes) -> Write:
    return lambda redis, key: redis.set(key, value)


def a_list(members: list[bytes]) -> Write:
    return lambda redis, key: redis.rpush(key, *members)


def a_set(members: list[bytes]) -> Write:
    return lambda redis, key: redis.sadd(key, *members)


def a_sorted_set(members: dict[bytes, float]) -> Write:
    return lambda redis, key: redis.zadd(key, members)


def a_hash(members: dict[bytes, bytes]) -> Write:
    return lambda redis, key: redis.hset(key, mapping=cast("dict[Any, Any]", members))


def a_stream(value: bytes) -> Write:
    return lambda redis, key: redis.xadd(key, {b"x": value})


def nothing(_redis: Redis, _key: bytes) -> None:
    """Leave the key deleted."""


VALUES = st.one_of(
    st.binary(max_size=200).map(a_string),
    MEMBERS.map(a_list),
    MEMBERS.map(a_set),
    st.dictionaries(st.binary(max_size=40), NUMBERS, min_size=1, max_size=20).map(a_sorted_set),
    st.dictionaries(st.binary(max_size=40), st.binary(max_size=40), min_size=1, max_size=20).map(
        a_hash
    ),
    st.binary(max_size=40).map(a_stream),
    st.just(nothing),
)


@pytest.fixture(scope="module")
def site(make_lasting_site: MakeSite) -> Site:
    """A running site whose keys are overwritten."""
    site = start_all(make_lasting_site())
    site.upload(100)
    site.wait_until_settled()
    return site


def window_keys(site: Site) -> list[str]:
    return StreamKey("cam-a", site.bundle.model_id).redis_keys()


def our_keys(site: Site) -> list[bytes]:
    """The keys that the system writes, those that do not exist at the moment included."""
    windows = window_keys(site)
    names = [*windows, windows[0] + ":rebuild", NOTES, DURATIONS, REFUSED]
    with site.redis.client() as redis:
        found = set(redis.keys("thermalwatch:*")) | {name.encode() for name in names}
    # the keys of producers end with a random name
    return sorted(found, key=lambda key: key.split(b":producer:"))


@settings(PROFILE, max_examples=20)
@given(number=st.integers(0, 2**16), write=VALUES)
@example(number=STATE, write=a_string(b"x"))
def test_any_key_may_hold_anything(site: Site, number: int, write: Write) -> None:
    # to see it fail: let decide_all or PoisonFrames raise what Redis says about a key
    said = site.complaints()
    keys = our_keys(site)
    key = window_keys(site)[0].encode() if number == STATE else keys[number % len(keys)]
    with site.redis.client() as redis:
        redis.delete(key)
        write(redis, key)
    site.upload(8)
    took_s = site.wait_until_settled()
    assert took_s < HEALED_S * crowdedness(), (key, site.logs())
    check_health(site, said)


def check_health(site: Site, said: dict[str, int]) -> None:
    """Check rows, processes and logs after an attack."""
    wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    site.check_ledger()
    assert all(process.poll() is None for process in site.processes.values()), site.logs()
    for name, count in site.complaints().items():
        assert count - said[name] <= MOST_WARNINGS, site.log(name)
        assert "Traceback" not in site.log(name), site.log(name)


@pytest.mark.parametrize("threshold", ["1e308", "nan", "0"])
def test_a_forged_threshold_blinds_no_camera(site: Site, threshold: str) -> None:
    # to see it fail: leave the check out of Streams.decide_all
    said = site.complaints()
    with site.redis.client() as redis:
        refused = refusals(redis)["window"]
        redis.hset(window_keys(site)[0], "threshold", threshold)
        site.upload(14)
        site.wait_until_settled()
        assert refusals(redis)["window"] > refused
    check_health(site, said)
    with reading(site.engine) as connection:
        found = connection.scalars(select(results.c.threshold)).all()
    assert max(found) < 10 * min(found)


@pytest.mark.parametrize("count", ["3", "99"])
def test_forged_notes_quarantine_no_image(site: Site, count: str) -> None:
    # to see it fail: leave the ledger out of Isolation._has_failed
    said, before = site.complaints(), site.ledger_counts()
    wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    with stopped(site), site.redis.client() as redis:
        site.upload(4)
        wait_until(lambda: site.seen() == len(site.uploaded), RECOVERY_S, "their registration")
        with reading(site.engine) as connection:
            waiting = connection.scalars(select(frames.c.id).where(is_pending)).all()
        redis.hset(NOTES, mapping=dict.fromkeys(waiting, count))
    site.wait_until_settled()
    assert site.ledger_counts().quarantined == before.quarantined
    check_health(site, said)


@contextmanager
def stopped(site: Site) -> Iterator[None]:
    """Stop the workers for a while."""
    for name in WORKERS:
        site.processes[name].send_signal(signal.SIGSTOP)
    yield
    for name in WORKERS:
        site.processes[name].send_signal(signal.SIGCONT)


@settings(PROFILE, max_examples=15)
@given(number=st.integers(0, 2**16), write=VALUES)
@example(number=QUEUE, write=a_string(b"x"))
def test_any_key_of_the_queues_may_hold_anything(site: Site, number: int, write: Write) -> None:
    # to see it fail: leave mend_queues out of the worker, or FrameJob.refresh to RQ
    said = site.complaints()
    wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    with stopped(site), site.redis.client() as redis:
        site.upload(4)
        wait_until(lambda: site.seen() == len(site.uploaded), RECOVERY_S, "their registration")
        keys = sorted(redis.keys("rq:*"), key=lambda key: key.split(b":job:"))
        key = f"rq:queue:{QUEUE_NAME}".encode() if number == QUEUE else keys[number % len(keys)]
        redis.delete(key)
        write(redis, key)
    site.upload(4)
    took_s = site.wait_until_settled()
    print(f"healed in {took_s:.1f} s: {key!r}")
    # the lease alone takes 9 s
    assert took_s < HEALED_S * max(2.0, crowdedness()), (key, site.logs())
    check_health(site, said)
