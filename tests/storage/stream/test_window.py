"""The Redis script agrees with the reference in `thermal`, on fakeredis and a real server."""

import threading
from collections.abc import Iterator

import fakeredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from storage.stream.window import (
    DECISIONS_KEPT,
    RollingWindows,
    StreamKey,
    StreamMissing,
    config_from_text,
    config_to_text,
)
from thermal.threshold import Baseline, RollingThreshold, WindowConfig

STREAM = StreamKey("cam:{odd} 'name'\n", "model-1")
CONFIG = WindowConfig(window_size=16, learn_frames=5)
BASELINE = Baseline.from_scores([0.5, 0.9, 1.0, 1.1, 1.7, 2.3], CONFIG)
SCORES = st.one_of(
    st.floats(min_value=1e-6, max_value=1e9),
    st.sampled_from([0.1, 1.0, 1.0 / 3.0, 2.5, 1e-300]),  # ties and numbers with many digits
)
many_examples = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["fakeredis", "redis"])
def redis(request: pytest.FixtureRequest) -> Iterator[Redis]:
    if request.param == "fakeredis":
        yield fakeredis.FakeRedis(server=fakeredis.FakeServer())
    else:
        client = Redis.from_url(request.getfixturevalue("redis_url"))
        yield client
        client.close()


def start(redis: Redis, *, learning: bool = False) -> tuple[RollingWindows, RollingThreshold]:
    windows = RollingWindows(redis, CONFIG)
    reference = RollingThreshold(CONFIG, BASELINE, learning=learning)
    windows.install(STREAM, reference, "epoch-1", {})
    return windows, reference


def batches_of(scores: list[float], sizes: list[int]) -> Iterator[list[tuple[str, float]]]:
    numbered = [(f"frame-{i}", score) for i, score in enumerate(scores)]
    while numbered:
        size = sizes.pop() if sizes else 1
        yield numbered[:size]
        del numbered[:size]


@many_examples
@given(
    scores=st.lists(SCORES, max_size=60),
    sizes=st.lists(st.integers(1, 20), max_size=60),
    learning=st.booleans(),
)
def test_script_equals_reference_on_any_stream(
    redis: Redis, scores: list[float], sizes: list[int], learning: bool
) -> None:
    windows, reference = start(redis, learning=learning)
    for batch in batches_of(scores, sizes):
        decided = windows.decide(STREAM, BASELINE, batch)
        assert list(decided.decisions.values()) == [reference.decide(score) for _, score in batch]
        assert decided.epoch == "epoch-1"


def test_script_equals_reference_when_a_lasting_fault_holds_the_stream(redis: Redis) -> None:
    windows, reference = start(redis)
    scores = [1.0 + 0.01 * i for i in range(10)] + [2.0 + 0.1 * (i % 40) for i in range(200)]
    scores += [1.0 + 0.001 * i for i in range(150)]
    held = []
    for batch in batches_of(scores, [7] * 60):
        decided = windows.decide(STREAM, BASELINE, batch)
        assert list(decided.decisions.values()) == [reference.decide(score) for _, score in batch]
        held += [decision.held for decision in decided.decisions.values()]
    assert any(held) and not held[-1]
    windows.install(STREAM, reference, "epoch-2", {})
    [again] = windows.decide(STREAM, BASELINE, [("after", 3.0)]).decisions.values()
    assert again == reference.decide(3.0)


@many_examples
@given(scores=st.lists(SCORES, min_size=1, max_size=40), cut=st.integers(0, 40))
def test_an_installed_stream_continues_like_the_reference(
    redis: Redis, scores: list[float], cut: int
) -> None:
    windows, reference = start(redis)
    for score in scores[:cut]:
        reference.decide(score)
    windows.install(STREAM, reference, "epoch-2", {})
    for i, score in enumerate(scores[cut:]):
        decided = windows.decide(STREAM, BASELINE, [(f"later-{i}", score)])
        assert list(decided.decisions.values()) == [reference.decide(score)]


def test_a_frame_delivered_again_gets_its_first_decision(redis: Redis) -> None:
    windows, _ = start(redis)
    first = windows.decide(STREAM, BASELINE, [("a", 1.0), ("b", 9.0), ("c", 1.2)])
    again = windows.decide(STREAM, BASELINE, [("c", 1.2), ("d", 1.1), ("b", 9.0)])
    assert again.decisions["c"] == first.decisions["c"]
    assert again.decisions["b"] == first.decisions["b"]
    assert again.decisions["d"].seq == 4


def test_decisions_are_open_until_they_are_confirmed(redis: Redis) -> None:
    windows, _ = start(redis)
    mine = windows.decide(STREAM, BASELINE, [("a", 1.0), ("b", 1.2)])
    assert mine.open_decisions == {}
    other = windows.decide(STREAM, BASELINE, [("c", 1.1)])
    assert other.open_decisions == dict(mine.decisions)
    windows.confirm_all({STREAM: ["a", "c"]})
    last = windows.decide(STREAM, BASELINE, [("d", 1.1)])
    assert last.open_decisions == {"b": mine.decisions["b"]}


def test_old_decisions_are_deleted_unless_they_are_open(redis: Redis) -> None:
    windows, _ = start(redis)
    windows.decide(STREAM, BASELINE, [("open", 1.0)])
    for batch in range(DECISIONS_KEPT // 256 + 2):
        ids = [f"{batch}-{i}" for i in range(256)]
        windows.decide(STREAM, BASELINE, [(frame, 1.0) for frame in ids])
        windows.confirm_all({STREAM: ids})
    decided = redis.hkeys(STREAM.redis_keys()[3])
    assert b"open" in decided
    assert b"0-0" not in decided
    assert len(decided) <= DECISIONS_KEPT + 256 + 1


def test_a_stream_missing_from_redis_must_be_restored(redis: Redis) -> None:
    windows = RollingWindows(redis, CONFIG)
    with pytest.raises(StreamMissing):
        windows.decide(STREAM, BASELINE, [("a", 1.0)])


def test_a_stream_under_other_settings_must_be_restored(redis: Redis) -> None:
    start(redis)
    changed = RollingWindows(redis, WindowConfig(window_size=16, learn_frames=5, percentile=99.0))
    with pytest.raises(StreamMissing):
        changed.decide(STREAM, BASELINE, [("a", 1.0)])


def test_drop_deletes_only_the_named_epoch(redis: Redis) -> None:
    windows, _ = start(redis)
    windows.drop(STREAM, "another epoch")
    assert windows.decide(STREAM, BASELINE, [("a", 1.0)]).epoch == "epoch-1"
    windows.drop(STREAM, "epoch-1")
    with pytest.raises(StreamMissing):
        windows.decide(STREAM, BASELINE, [("a", 1.0)])


def test_frames_of_restored_open_decisions_get_them_again(redis: Redis) -> None:
    windows, reference = start(redis)
    lost = reference.decide(1.3)
    windows.install(STREAM, reference, "epoch-2", {"lost": lost})
    decided = windows.decide(STREAM, BASELINE, [("new", 1.0), ("lost", 1.3)])
    assert decided.decisions["lost"] == lost
    assert decided.decisions["new"].seq == lost.seq + 1


def test_streams_are_independent(redis: Redis) -> None:
    windows, _ = start(redis)
    other = StreamKey(STREAM.camera, "model-2")
    windows.install(other, RollingThreshold(CONFIG, BASELINE), "epoch-9", {})
    windows.decide(other, BASELINE, [("a", 5.0)])
    assert windows.decide(STREAM, BASELINE, [("a", 1.0)]).decisions["a"].score == 1.0


def test_concurrent_workers_share_one_sequence(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    windows, _ = start(redis)
    seqs: list[int] = []

    def work(worker: int) -> None:
        for i in range(50):
            frames = [(f"{worker}-{i}-{j}", 1.0 + j / 10) for j in range(4)]
            seqs.extend(d.seq for d in windows.decide(STREAM, BASELINE, frames).decisions.values())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(1, 4 * 50 * 4 + 1))
    redis.close()


def test_settings_survive_the_conversion_to_text() -> None:
    config = WindowConfig(window_size=345, percentile=99.1, max_step=0.1 + 0.2)
    assert config_from_text(config_to_text(config)) == config
