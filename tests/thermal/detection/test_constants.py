"""Every constant that moves a score is in the bundle, and changing one does not go unnoticed."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.thermal.plates import frames, hot_cells, plates, trained_bundle
from thermal.detection.bundle import (
    METADATA_FILE,
    WEIGHTS_FILE,
    Architecture,
    Bundle,
    bundle_from_bytes,
    bundle_to_bytes,
    load_bundle,
)
from thermal.detection.detector import Detector
from thermal.detection.score_config import ScoreConfig
from thermal.errors import BundleError
from thermal.training.calibrate import held_out_distribution
from thermal.training.synthetic import FAULTS

RELEASE_0_1 = Path(__file__).parent / "release_0_1"

#: Another value of each constant that scoring reads.
READ_WHEN_SCORING = {
    "smoothing_px": 1.5,
    "neighbours": 3,
    "least_evidence": 1.0,
    "driving_share": 0.05,
}
#: Another value of each constant that calibration reads; its result is in the tensors.
READ_WHEN_CALIBRATING = {"sigma_prior_images": 1.0, "tail_share": 0.3, "tail_images": 30}
#: Another value of each constant that the tensors' shapes have to agree with.
HELD_BY_SHAPES = {
    "body_knots": 5,
    "fault_channels": (8, 32, 64),
    "fault_hidden": 32,
    "fault_kinds": ("spot",),
}
SLOPE = {"leaky_slope": 0.3}


def changed(bundle: Bundle, name: str, value: object) -> Bundle:
    """`bundle` with one constant changed."""
    change: Any = {name: value}
    if name in asdict(bundle.scoring):
        return replace(bundle, scoring=replace(bundle.scoring, **change))
    return replace(bundle, architecture=replace(bundle.architecture, **change))


def results(bundle: Bundle) -> list[tuple[float, tuple[str, ...]]]:
    images = np.concatenate([plates(8, seed=21), hot_cells(8, seed=22)])
    scored = Detector(bundle, "cpu").score(frames(images))
    return [(result.score, result.drivers) for result in scored]


def test_no_constant_is_forgotten_here() -> None:
    tried = {**READ_WHEN_SCORING, **READ_WHEN_CALIBRATING, **HELD_BY_SHAPES, **SLOPE}
    declared = {field.name for field in (*fields(ScoreConfig), *fields(Architecture))}
    assert declared - set(tried) == {"height", "width", "channels", "latent"}


@pytest.mark.parametrize(
    ("name", "value"),
    {**READ_WHEN_SCORING, **READ_WHEN_CALIBRATING, **HELD_BY_SHAPES, **SLOPE}.items(),
)
def test_a_changed_constant_changes_the_model_id(name: str, value: object) -> None:
    bundle = trained_bundle()
    other = changed(bundle, name, value)
    assert other.model_id != bundle.model_id
    assert bundle_from_bytes(*bundle_to_bytes(other)).model_id == other.model_id


@pytest.mark.parametrize(
    ("name", "value"),
    {**READ_WHEN_SCORING, **READ_WHEN_CALIBRATING, **HELD_BY_SHAPES, **SLOPE}.items(),
)
def test_a_constant_changed_in_the_file_is_refused(name: str, value: object) -> None:
    _, weights = bundle_to_bytes(trained_bundle())
    text, _ = bundle_to_bytes(changed(trained_bundle(), name, value))
    document = json.loads(text) | {"model_id": trained_bundle().model_id}
    with pytest.raises(BundleError, match="digest"):
        bundle_from_bytes(json.dumps(document), weights)


@pytest.mark.parametrize(("name", "value"), {**READ_WHEN_SCORING, **SLOPE}.items())
def test_scoring_reads_its_constants_from_the_bundle(name: str, value: object) -> None:
    assert results(changed(trained_bundle(), name, value)) != results(trained_bundle())


@pytest.mark.parametrize(("name", "value"), HELD_BY_SHAPES.items())
def test_constants_that_do_not_fit_the_weights_are_refused(name: str, value: object) -> None:
    with pytest.raises(BundleError, match="do not fit"):
        Detector(changed(trained_bundle(), name, value), "cpu")


@pytest.mark.parametrize(("name", "value"), [("tail_share", 0.3), ("tail_images", 30)])
def test_calibration_reads_the_tail_from_the_constants(name: str, value: float) -> None:
    scores = trained_bundle().held_out_scores[::20]  # 50 of them
    other: Any = {name: value}
    found = held_out_distribution(scores, ScoreConfig(**other))
    assert (found != held_out_distribution(scores, ScoreConfig())).any()


@pytest.mark.parametrize("path", [(), ("scoring",), ("architecture",), ("normalization",)])
def test_an_unknown_constant_is_refused(path: tuple[str, ...]) -> None:
    text, weights = bundle_to_bytes(trained_bundle())
    document: Any = json.loads(text)
    place = document
    for key in path:
        place = place[key]
    place["dead_pixels"] = 3
    with pytest.raises(BundleError, match="schema"):
        bundle_from_bytes(json.dumps(document), weights)


@pytest.mark.parametrize("name", [field.name for field in fields(ScoreConfig)])
def test_a_missing_constant_is_refused(name: str) -> None:
    text, weights = bundle_to_bytes(trained_bundle())
    document: Any = json.loads(text)
    del document["scoring"][name]
    with pytest.raises(BundleError):
        bundle_from_bytes(json.dumps(document), weights)


def test_a_document_of_release_0_1_cannot_bring_constants_of_its_own() -> None:
    document: Any = json.loads((RELEASE_0_1 / METADATA_FILE).read_text(encoding="utf-8"))
    weights = (RELEASE_0_1 / WEIGHTS_FILE).read_bytes()
    bundle_from_bytes(json.dumps(document), weights)  # as it is, it loads
    document["scoring"] = asdict(ScoreConfig())
    with pytest.raises(BundleError, match="schema"):
        bundle_from_bytes(json.dumps(document), weights)


def test_a_bundle_of_release_0_1_cannot_be_given_other_constants() -> None:
    old = load_bundle(RELEASE_0_1)
    with pytest.raises(ValueError, match="schema version 1"):
        changed(old, "neighbours", 3)


def test_new_models_know_the_faults_that_training_paints() -> None:
    assert Architecture(16, 16, (4,), latent=2).fault_kinds == tuple(FAULTS)
