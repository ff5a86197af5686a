"""The simulated plant: the same seed gives the same pixels, and faults are where they should be."""

from __future__ import annotations

import time
from itertools import islice

import cv2
import numpy as np
import pytest

from ops.demo.canvas import HEIGHT, WIDTH
from ops.demo.plant import CAMERAS, NETD_K, SCALE, Counts, Plant, encode_png

SEED = 7


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant(SEED)


def celsius(counts: Counts) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return counts.astype(np.float64) * SCALE.gain + SCALE.offset


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_same_seed_gives_the_same_pixels(plant: Plant, camera: str) -> None:
    first = [frame.counts for frame in plant.stream(camera, 12, 0.25)]
    second = [frame.counts for frame in Plant(SEED).stream(camera, 12, 0.25)]
    other = [frame.counts for frame in Plant(SEED + 1).stream(camera, 12, 0.25)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_frame_is_16_bit_and_holds_plausible_temperatures(plant: Plant, camera: str) -> None:
    for counts in plant.training_frames(camera, 24):
        assert counts.dtype == np.uint16
        assert counts.shape == (HEIGHT, WIDTH)
        degrees = celsius(counts)
        assert degrees.min() > -40
        assert 15 < degrees.max() < 80
        assert np.ptp(degrees) > 10  # equipment stands out from its background


@pytest.mark.parametrize("camera", CAMERAS)
def test_exactly_the_requested_share_of_a_stream_is_faulty(plant: Plant, camera: str) -> None:
    frames = list(plant.stream(camera, 80, 0.1))
    assert [frame.index for frame in frames] == list(range(80))
    kinds = {frame.truth.kind for frame in frames if frame.truth}
    assert sum(frame.truth is not None for frame in frames) == 8
    assert kinds == {"hot joint", "overheating", "blocked cooling"}
    assert len({frame.file_name for frame in frames}) == 80


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_fault_changes_the_frame_as_its_truth_states(plant: Plant, camera: str) -> None:
    normal = [frame.counts for frame in plant.stream(camera, 40, 0.0)]
    checked = 0
    for frame in plant.stream(camera, 40, 1.0):
        fault = frame.truth
        assert fault is not None
        change = celsius(frame.counts) - celsius(normal[frame.index])
        assert change[fault.y, fault.x] == pytest.approx(fault.delta_k, abs=0.02)
        assert np.abs(change).max() == pytest.approx(abs(fault.delta_k), abs=0.02)
        half = int((np.abs(change) >= abs(fault.delta_k) / 2).sum())
        assert half == pytest.approx(fault.area_px, rel=0.05, abs=1)
        if fault.kind == "hot joint":
            assert 8 <= fault.delta_k <= 40
            assert fault.area_px <= 130
        elif fault.kind == "overheating":
            assert 8 <= fault.delta_k <= 25
        else:
            assert -25 < fault.delta_k < -2
        checked += 1
    assert checked == 40


@pytest.mark.parametrize("camera", CAMERAS)
def test_normal_frames_differ_by_more_than_sensor_noise(plant: Plant, camera: str) -> None:
    training = np.stack([celsius(c) for c in plant.training_frames(camera, 30)])
    assert training.mean(axis=(1, 2)).std() > 1.0  # weather and load
    first, second = (celsius(f.counts) for f in islice(plant.stream(camera, 2, 0.0), 2))
    residual = (second - first) - (second - first).mean()
    assert residual.std() > NETD_K * np.sqrt(2)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_png_holds_the_counts_exactly(plant: Plant, camera: str) -> None:
    counts = next(plant.training_frames(camera, 1))
    read = cv2.imdecode(np.frombuffer(encode_png(counts), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert read.dtype == np.uint16
    assert np.array_equal(read, counts)


def test_a_frame_takes_milliseconds(plant: Plant) -> None:
    # best of several runs, so that other load on the machine does not count
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        frames = list(plant.stream("cam-substation", 20, 0.1))
        best = min(best, (time.process_time() - start) / len(frames))
    assert best < 0.005
