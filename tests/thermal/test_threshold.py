"""The rolling threshold's reference: worked numbers, and properties of any stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermal.threshold import (
    Baseline,
    Decision,
    RollingThreshold,
    WindowConfig,
    quantile,
    replay,
)

SCORES = st.floats(min_value=1e-3, max_value=1e6, allow_nan=False)
SMALL = WindowConfig(window_size=8, learn_frames=4)


def normal_scores(n: int, seed: int = 0) -> list[float]:
    return [float(s) for s in np.random.default_rng(seed).lognormal(0.0, 0.3, n)]


def test_one_frame_worked_by_hand() -> None:
    config = WindowConfig(
        window_size=4, percentile=80, body_percentile=40, max_step=15.0, learn_frames=1
    )
    stream = RollingThreshold(config, Baseline(scores=(1.0, 2.0, 3.0, 4.0), tail=2.0, threshold=4))
    # body: quantile 40/80 of 1 2 3 4 is 2.5; target 5.0; one step may double it (16 ** (1/4) = 2)
    decision = stream.decide(3.0)
    assert decision == Decision(
        seq=1,
        score=3.0,
        previous_threshold=4,
        threshold=5.0,
        body=2.5,
        window_n=4,
        exceeding=2,
        anomaly=False,
        learning=False,
        held=False,
    )
    assert decision.p_value == 3 / 5
    assert list(stream.window) == [2.0, 3.0, 4.0, 3.0]


def test_a_step_is_limited_upwards_and_downwards() -> None:
    config = WindowConfig(window_size=100, max_step=0.10, learn_frames=1)
    for threshold, expected in ((1e-6, 1e-6 * config.step_factor), (1e6, 1e6 / config.step_factor)):
        stream = RollingThreshold(config, Baseline((1.0, 2.0), tail=1.5, threshold=threshold))
        assert stream.decide(1.0).threshold == expected


def test_flagged_scores_do_not_enter_the_window() -> None:
    baseline = Baseline.from_scores(normal_scores(500), WindowConfig())
    stream = RollingThreshold(WindowConfig(), baseline)
    before = list(stream.window)
    assert stream.decide(1e3).anomaly
    assert list(stream.window) == before


def test_a_lasting_fault_stays_flagged() -> None:
    config = WindowConfig(window_size=200)
    stream = RollingThreshold(config, Baseline.from_scores(normal_scores(500), config))
    assert all(stream.decide(20.0 + i % 3).anomaly for i in range(2000))


def test_a_lasting_fault_that_is_flagged_in_part_does_not_raise_the_threshold() -> None:
    # to see it fail: take `held` for False
    config = WindowConfig(window_size=200)
    stream = RollingThreshold(config, Baseline.from_scores(normal_scores(500), config))
    before = stream.threshold
    flagged = [stream.decide(score * 2.5) for score in normal_scores(4000, seed=3)]
    assert stream.threshold <= before * 1.05
    assert sum(decision.anomaly for decision in flagged[2000:]) > 0.5 * 2000


def test_a_held_stream_goes_on_when_the_fault_is_gone() -> None:
    config = WindowConfig(window_size=200)
    stream = RollingThreshold(config, Baseline.from_scores(normal_scores(500), config))
    faulty = [stream.decide(10.0) for _ in range(300)]
    assert not faulty[20].held
    assert faulty[21].held
    repaired = [stream.decide(score) for score in normal_scores(200, seed=4)]
    assert [decision.held for decision in repaired].index(False) in range(75, 85)
    assert not repaired[-1].held


def test_the_baseline_fills_the_window_so_that_every_part_of_it_is_representative() -> None:
    baseline = Baseline.from_scores(normal_scores(1000), WindowConfig())
    first, last = baseline.scores[:500], baseline.scores[500:]
    assert np.quantile(first, 0.9) == pytest.approx(np.quantile(last, 0.9), rel=0.02)


def test_a_camera_without_baseline_learns_its_own_level() -> None:
    config = WindowConfig(window_size=500, learn_frames=200)
    baseline = Baseline.from_scores(normal_scores(500), config)
    stream = RollingThreshold(config, baseline, learning=True)
    decisions = [stream.decide(score * 5) for score in normal_scores(1000, seed=1)]
    assert all(d.learning for d in decisions[:200])
    assert not any(d.learning for d in decisions[200:])
    assert sum(d.anomaly for d in decisions[200:]) <= 0.02 * 800
    assert stream.decide(baseline.threshold * 5 * 1.5).anomaly


def test_a_camera_at_a_lower_level_gets_a_lower_threshold_once_learned() -> None:
    config = WindowConfig(window_size=500, learn_frames=100)
    baseline = Baseline.from_scores(normal_scores(500), config)
    stream = RollingThreshold(config, baseline, learning=True)
    for score in normal_scores(101, seed=2):
        decision = stream.decide(score / 10)
    assert decision.threshold < baseline.threshold / 5


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"percentile": 100.0}, "percentile"),
        ({"body_percentile": 99.9}, "body_percentile"),
        ({"learn_frames": 0}, "learn_frames"),
        ({"learn_frames": 3000}, "learn_frames"),
        ({"max_step": 0.0}, "max_step"),
    ],
)
def test_settings_without_meaning_are_refused(settings: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        WindowConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("scores", [[], [0.0, 1.0], [float("nan")], [-1.0]])
def test_a_baseline_of_impossible_scores_is_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Baseline.from_scores(scores, WindowConfig())


@given(st.lists(SCORES, min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_numpys(values: list[float], q: float) -> None:
    ordered = sorted(values)
    assert quantile(ordered, q) == pytest.approx(float(np.quantile(ordered, q)), rel=1e-9)


@given(st.lists(SCORES, max_size=60), st.booleans())
def test_the_window_holds_the_last_unflagged_scores(scores: list[float], learning: bool) -> None:
    stream = RollingThreshold(SMALL, Baseline((1.0, 2.0, 3.0), 1.5, 4.0), learning=learning)
    entered = [] if learning else [1.0, 2.0, 3.0]
    for seq, score in enumerate(scores, start=1):
        decision = stream.decide(score)
        assert decision.seq == seq
        assert decision.anomaly == (score > decision.threshold)
        assert decision.exceeding == sum(s >= score for s in entered[-8:])
        assert 0 < decision.p_value <= 1
        if decision.enters:
            entered.append(score)
        assert list(stream.window) == entered[-8:]


@given(st.lists(SCORES, max_size=60), st.booleans(), st.integers(0, 60))
def test_a_stream_restored_from_its_decisions_goes_on_as_if_nothing_had_happened(
    scores: list[float], learning: bool, cut: int
) -> None:
    baseline = Baseline((1.0, 2.0, 3.0), 1.5, 4.0)
    whole = RollingThreshold(SMALL, baseline, learning=learning)
    decisions = [whole.decide(score) for score in scores]
    restored = RollingThreshold(SMALL, baseline, learning=learning)
    for decision in decisions[:cut]:
        restored.absorb(decision)
    assert [restored.decide(score) for score in scores[cut:]] == decisions[cut:]


@given(st.lists(SCORES, min_size=1, max_size=60), st.booleans(), st.data())
def test_replay_finds_exactly_the_decision_that_was_tampered_with(
    scores: list[float], learning: bool, data: st.DataObject
) -> None:
    baseline = Baseline((1.0, 2.0, 3.0), 1.5, 4.0)
    stream = RollingThreshold(SMALL, baseline, learning=learning)
    decisions = [stream.decide(score) for score in scores]
    assert replay(RollingThreshold(SMALL, baseline, learning=learning), decisions) == []
    at = data.draw(st.integers(0, len(decisions) - 1))
    fields = {**vars(decisions[at]), "anomaly": not decisions[at].anomaly}
    decisions[at] = Decision(**fields)
    fresh = RollingThreshold(SMALL, baseline, learning=learning)
    assert replay(fresh, decisions) == [decisions[at]]


@pytest.mark.parametrize("learning", [False, True])
def test_one_absurd_frame_at_the_start_does_not_blind_a_camera(learning: bool) -> None:
    # a closed shutter gives a flat first frame, which scores far beyond any normal one
    config = WindowConfig()
    stream = RollingThreshold(config, Baseline.from_scores(normal_scores(500), config))
    if learning:
        stream.start_learning()
    level = stream.threshold
    assert stream.decide(100 * level).anomaly
    for score in normal_scores(20, seed=1):
        stream.decide(score)
    assert stream.threshold < 1.5 * level
    assert stream.decide(2 * level).anomaly
