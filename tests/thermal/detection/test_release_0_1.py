"""A bundle that release 0.1 trained and scored: it loads, keeps its id and gives the same scores.

``release_0_1/`` holds the bundle and, in ``expected.npz``, twelve images with everything release
0.1 said about them. CPUs of other makers and generations sum in another order, so results are
compared to 1e-5.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.thermal.plates import frames
from thermal.detection.bundle import bundle_from_bytes, bundle_to_bytes, load_bundle
from thermal.detection.detector import Detector, Scored

FOLDER = Path(__file__).parent / "release_0_1"
#: Signals that release 0.1 named differently.
RENAMED = {"hotspot": "residual", "level": "density"}

MODEL_ID = "64d1ab92ebe763df1bf4f08b87d9bd70"


def today(signal: str) -> str:
    """The present name of a signal."""
    return RENAMED.get(signal, signal)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The expected values were computed on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def expected() -> dict[str, NDArray[np.generic]]:
    with np.load(FOLDER / "expected.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def scored(expected: dict[str, NDArray[np.generic]]) -> list[Scored]:
    detector = Detector(load_bundle(FOLDER), "cpu")
    return detector.score(frames(np.asarray(expected["images"], np.uint8)))


def assert_same(found: object, wanted: NDArray[np.generic]) -> None:
    close = np.asarray(wanted, np.float64)
    np.testing.assert_allclose(np.asarray(found, np.float64), close, rtol=1e-5, atol=1e-5)


def test_the_bundle_keeps_its_id_when_it_is_read_and_written() -> None:
    bundle = load_bundle(FOLDER)
    assert bundle.model_id == MODEL_ID
    assert bundle_from_bytes(*bundle_to_bytes(bundle)).model_id == MODEL_ID


@pytest.mark.parametrize("field", ["score", "mse", "anomaly_map", "reconstruction"])
def test_results_are_unchanged(field: str, expected: dict[str, NDArray[np.generic]]) -> None:
    found = [getattr(result, field) for result in scored(expected)]
    assert_same(np.array(found), expected[field])


def test_signals_are_unchanged(expected: dict[str, NDArray[np.generic]]) -> None:
    found = scored(expected)
    assert list(found[0].signals) == [today(str(name)) for name in expected["signal_names"]]
    values = [list(result.signals.values()) for result in found]
    assert_same(np.array(values), expected["signals"])


def test_drivers_are_unchanged(expected: dict[str, NDArray[np.generic]]) -> None:
    assert [list(result.drivers) for result in scored(expected)] == [
        [today(name) for name in str(names).split()] for names in expected["drivers"]
    ]
