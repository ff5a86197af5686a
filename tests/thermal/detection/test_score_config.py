"""The constants of the score are part of the bundle, and a model is scored with its own."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest

from tests.thermal.plates import frames, hot_cells, plates, trained_bundle
from thermal.detection.bundle import bundle_from_bytes, bundle_to_bytes
from thermal.detection.detector import Detector
from thermal.detection.score_config import ScoreConfig
from thermal.errors import BundleError

#: Another value of each constant.
OTHERS: dict[str, float] = {
    "negative_slope": 0.2,
    "smoothing_px": 1.5,
    "sigma_prior_images": 20.0,
    "neighbours": 5,
    "body_knots": 12,
    "tail_share": 0.2,
    "tail_images": 20,
    "least_evidence": 0.9,
    "driving_share": 0.05,
}


def with_constant(name: str, value: float) -> ScoreConfig:
    return ScoreConfig(**{**asdict(ScoreConfig()), name: value})


def test_every_constant_is_tried() -> None:
    assert OTHERS.keys() == {field.name for field in fields(ScoreConfig)}


@pytest.mark.parametrize("name", OTHERS)
def test_another_constant_makes_another_model(name: str) -> None:
    bundle = trained_bundle()
    other = replace(bundle, scoring=with_constant(name, OTHERS[name]))
    assert other.model_id != bundle.model_id
    assert bundle_from_bytes(*bundle_to_bytes(other)).scoring == other.scoring


@pytest.mark.parametrize("name", OTHERS)
def test_a_constant_altered_in_the_file_is_refused(name: str) -> None:
    text, weights = bundle_to_bytes(trained_bundle())
    document = json.loads(text)
    document["scoring"][name] = OTHERS[name]
    with pytest.raises(BundleError, match="digest"):
        bundle_from_bytes(json.dumps(document), weights)


@pytest.mark.parametrize("name", ["negative_slope", "smoothing_px", "neighbours", "least_evidence"])
def test_scores_follow_the_constant_in_the_bundle(name: str) -> None:
    bundle = trained_bundle()
    images = frames(plates(8, seed=3))
    before = [one.score for one in Detector(bundle, "cpu").score(images)]
    other = replace(bundle, scoring=with_constant(name, OTHERS[name]))
    assert [one.score for one in Detector(other, "cpu").score(images)] != before


def test_drivers_follow_the_constant_in_the_bundle() -> None:
    bundle = trained_bundle()
    images = frames(hot_cells(8, seed=3))
    before = [one.drivers for one in Detector(bundle, "cpu").score(images)]
    other = replace(bundle, scoring=with_constant("driving_share", OTHERS["driving_share"]))
    assert [one.drivers for one in Detector(other, "cpu").score(images)] != before


def test_weights_of_another_number_of_knots_are_refused() -> None:
    bundle = replace(trained_bundle(), scoring=with_constant("body_knots", OTHERS["body_knots"]))
    with pytest.raises(BundleError, match="architecture"):
        Detector(bundle, "cpu")


@pytest.mark.parametrize("change", [{"unknown": 1.0}, {"neighbours": 0}, {"driving_share": 0.5}])
def test_unknown_and_impossible_constants_are_refused(change: dict[str, float]) -> None:
    text, weights = bundle_to_bytes(trained_bundle())
    document = json.loads(text)
    document["scoring"].update(change)
    with pytest.raises(BundleError, match="scoring"):
        bundle_from_bytes(json.dumps(document), weights)


def test_a_bundle_without_its_constants_is_refused() -> None:
    text, weights = bundle_to_bytes(trained_bundle())
    document = json.loads(text)
    del document["scoring"]
    with pytest.raises(BundleError, match="scoring"):
        bundle_from_bytes(json.dumps(document), weights)
