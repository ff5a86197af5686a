"""Models in the database."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sqlalchemy import Engine, update

from storage.db.database import writing
from storage.db.schema import models
from storage.errors import ModelNotFound
from storage.models import active_model_id, known_model_ids, load_model, save_model
from thermal.detection.bundle import Architecture, Bundle, TrainingInfo
from thermal.detection.normalization import Normalization
from thermal.errors import BundleError


def bundle(seed: int) -> Bundle:
    """A small model; different for each seed."""
    random = np.random.default_rng(seed)
    return Bundle(
        architecture=Architecture(height=8, width=8, channels=(2,), latent=2),
        normalization=Normalization(height=8, width=8, offset=20.0, span=10.0, unit="celsius"),
        training=TrainingInfo(
            seed=seed,
            images=10,
            held_out=3,
            fingerprint="f",
            cameras=("north",),
            metrics={"loss": 0.1},
            versions={"torch": "2"},
        ),
        weights={"encoder": random.normal(size=(4, 4)).astype(np.float32)},
        held_out_scores=np.sort(random.lognormal(size=3)),
    )


def test_a_stored_model_is_loaded_unchanged(engine: Engine) -> None:
    model = bundle(1)
    save_model(engine, model, now=1.0, activate=False)
    loaded = load_model(engine, model.model_id)
    assert loaded.model_id == model.model_id
    assert loaded.training == model.training
    assert np.array_equal(loaded.held_out_scores, model.held_out_scores)


def test_loading_an_unknown_model_raises_model_not_found(engine: Engine) -> None:
    with pytest.raises(ModelNotFound, match="abc"):
        load_model(engine, "abc")


def test_a_damaged_model_is_rejected(engine: Engine) -> None:
    model = bundle(1)
    save_model(engine, model, now=1.0, activate=True)
    with writing(engine) as connection:
        connection.execute(update(models).values(weights=b"damaged"))
    with pytest.raises(BundleError):
        load_model(engine, model.model_id)


def test_only_one_model_is_active_at_a_time(engine: Engine) -> None:
    old, new = bundle(1), bundle(2)
    assert active_model_id(engine) is None
    save_model(engine, old, now=1.0, activate=True)
    save_model(engine, new, now=2.0, activate=False)
    assert active_model_id(engine) == old.model_id
    save_model(engine, new, now=3.0, activate=True)
    assert active_model_id(engine) == new.model_id
    save_model(engine, new, now=4.0, activate=False)  # storing it again does not deactivate it
    assert active_model_id(engine) == new.model_id
    assert known_model_ids(engine) == [old.model_id, new.model_id]


def test_concurrent_activations_leave_one_model_active(engine: Engine) -> None:
    candidates = [bundle(seed) for seed in range(4)]
    errors: list[Exception] = []
    barrier = threading.Barrier(len(candidates))

    def activate(candidate: Bundle) -> None:
        barrier.wait()
        try:
            save_model(engine, candidate, now=1.0, activate=True)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=activate, args=(one,)) for one in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(known_model_ids(engine)) == 4
    assert active_model_id(engine) in {one.model_id for one in candidates}
