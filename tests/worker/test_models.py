"""A model or a device that does not work is told from frames that cannot be scored."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from storage.frames.counts import ledger_counts
from storage.models import save_model
from tests.scene import picture
from tests.worker.conftest import Deployment, batch_of
from thermal.detection.bundle import Bundle
from worker.models import DeviceFailed, ModelSource


def test_scores_that_are_no_numbers_are_the_devices_fault(
    deployment: Deployment, bundle: Bundle
) -> None:
    # to see it fail: return what Detector.score returned in BatchScorer._score
    huge = {name: array * np.float32(1e30) for name, array in bundle.weights.items()}
    save_model(deployment.engine, replace(bundle, weights=huge), now=1.0, activate=True)
    ids = [deployment.upload("cam-a/1.png", picture(1))]
    with pytest.raises(DeviceFailed, match="no numbers"):
        deployment.scorer()(batch_of(ids))
    assert ledger_counts(deployment.engine).pending == 1


def test_a_model_that_is_loaded_anew_is_the_same(deployment: Deployment, bundle: Bundle) -> None:
    models = ModelSource(deployment.engine, "cpu", time.time)
    first = models.current()
    renewed = models.renewed(first)
    assert renewed is not first
    assert renewed is models.current()
    assert renewed.model_id == bundle.model_id
