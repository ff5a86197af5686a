"""A bundle that release 0.1 trained gives the scores that release 0.1 gave.

`release_0_1/` holds the bundle and, in `scored.npz`, twelve images with what that release computed
for them on one thread. Floating-point sums depend on the CPU's vector width, so results must be
equal to the bit where torch reports the same CPU capability and version, and within 1e-5 elsewhere.
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
from thermal.detection.detector import Detector
from thermal.detection.score_config import RELEASE_0_1

FOLDER = Path(__file__).parent / "release_0_1"


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_bundle_of_release_0_1_scores_as_it_did() -> None:
    with np.load(FOLDER / "scored.npz", allow_pickle=False) as stored:
        old = dict(stored)
    scored = Detector.load(FOLDER / "model", "cpu").score(frames(old["images"]))
    new = {
        name: np.array([getattr(one, name) for one in scored])
        for name in ("score", "mse", "anomaly_map", "reconstruction")
    }
    new["signals"] = np.array([list(one.signals.values()) for one in scored])
    same_machine = (old["cpu"], old["torch"]) == (
        torch.backends.cpu.get_cpu_capability(),
        torch.__version__,
    )
    for name, values in new.items():
        assert_equal(values, old[name], exactly=same_machine)
    assert [" ".join(one.drivers) for one in scored] == old["drivers"].tolist()


def test_a_bundle_of_release_0_1_keeps_its_id_and_form() -> None:
    bundle = load_bundle(FOLDER / "model")
    with np.load(FOLDER / "scored.npz", allow_pickle=False) as stored:
        assert bundle.model_id == str(stored["model_id"])
    assert bundle.scoring == RELEASE_0_1
    text, weights = bundle_to_bytes(bundle)
    assert "scoring" not in text
    assert bundle_from_bytes(text, weights).model_id == bundle.model_id


def assert_equal(new: NDArray[np.float64], old: NDArray[np.float64], *, exactly: bool) -> None:
    if exactly:
        np.testing.assert_array_equal(new, old)
    else:
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-5)
