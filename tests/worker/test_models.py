"""A broken model or device is not mistaken for a bad frame."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from storage.frames.counts import ledger_counts
from storage.models import save_model
from tests.scene import picture
from tests.worker.conftest import Deployment, batch_of
from thermal.detection.bundle import Bundle
from thermal.errors import BundleError
from worker.models import ModelSource


def test_a_model_without_numbers_is_refused_and_its_frames_wait(
    deployment: Deployment, bundle: Bundle
) -> None:
    # to see it fail: leave _probe out of Detector
    huge = {name: array * np.float32(1e30) for name, array in bundle.weights.items()}
    save_model(deployment.engine, replace(bundle, weights=huge), now=1.0, activate=True)
    ids = [deployment.upload("cam-a/1.png", picture(1))]
    with pytest.raises(BundleError, match="not numbers"):
        deployment.scorer()(batch_of(ids))
    assert ledger_counts(deployment.engine).pending == 1


def test_weights_that_broke_in_memory_are_not_blamed_on_a_frame(deployment: Deployment) -> None:
    # to see it fail: remove the check from thermal.inspection._finite
    score = deployment.scorer()
    with torch.no_grad():
        for weight in score.models.current().scorer.parameters():
            weight.mul_(1e30)
    ids = [deployment.upload("cam-a/1.png", picture(1))]
    assert score(batch_of(ids)).scored == 1


def test_a_reloaded_model_is_the_same(deployment: Deployment, bundle: Bundle) -> None:
    models = ModelSource(deployment.engine, "cpu", time.time)
    first = models.current()
    renewed = models.renewed(first)
    assert renewed is not first
    assert renewed is models.current()
    assert renewed.model_id == bundle.model_id
