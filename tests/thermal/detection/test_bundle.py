"""The bundle: written, read back, and refused when it is not what it says."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.thermal.plates import trained_bundle
from thermal.detection.bundle import (
    METADATA_FILE,
    WEIGHTS_FILE,
    bundle_from_bytes,
    bundle_to_bytes,
    load_bundle,
    save_bundle,
)
from thermal.errors import BundleError


def altered(path: tuple[str, ...], value: object) -> tuple[str, bytes]:
    """The trained bundle with one place of its JSON changed."""
    text, weights = bundle_to_bytes(trained_bundle())
    document: Any = json.loads(text)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document), weights


def test_a_bundle_survives_the_way_through_files(tmp_path: Path) -> None:
    bundle = trained_bundle()
    save_bundle(bundle, tmp_path / "new" / "model")
    again = load_bundle(tmp_path / "new" / "model")
    assert again.model_id == bundle.model_id
    assert again.metadata == bundle.metadata
    assert again.weights.keys() == bundle.weights.keys()
    np.testing.assert_array_equal(again.held_out_scores, bundle.held_out_scores)
    assert again.held_out_scores.dtype == np.float64


def test_the_id_follows_every_part_of_the_content() -> None:
    bundle = trained_bundle()
    name = next(iter(bundle.weights))
    others = [
        replace(bundle, training=replace(bundle.training, seed=99)),
        replace(bundle, held_out_scores=bundle.held_out_scores * 2),
        replace(bundle, weights={**bundle.weights, name: bundle.weights[name] + 1}),
    ]
    assert len({bundle.model_id, *(other.model_id for other in others)}) == 4


def test_held_out_scores_are_positive_and_ascending() -> None:
    scores = trained_bundle().held_out_scores
    assert scores.min() > 0
    assert (np.diff(scores) >= 0).all()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("training", "seed"), 7),  # well-formed but altered: the digest does not match
        (("normalization", "offset"), 1.0),
        (("model_id",), "0" * 32),
        (("schema_version",), 99),
        (("architecture", "height"), "24"),
        (("architecture", "height"), 10**9),  # would allocate without limit
        (("architecture", "channels"), []),
        (("normalization", "span"), None),
        (("normalization", "unit"), "kelvin"),
        (("training",), []),
        (("code",), "import os"),
    ],
)
def test_altered_metadata_is_refused(path: tuple[str, ...], value: object) -> None:
    with pytest.raises(BundleError):
        bundle_from_bytes(*altered(path, value))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"model_id": "x"}', "[" * 100_000, "\0"])
def test_metadata_that_is_no_bundle_is_refused(text: str) -> None:
    _, weights = bundle_to_bytes(trained_bundle())
    with pytest.raises(BundleError):
        bundle_from_bytes(text, weights)


def test_altered_weights_are_refused() -> None:
    text, weights = bundle_to_bytes(trained_bundle())
    for damaged in (
        weights[:-1],
        weights[:50],
        b"",
        weights[:-4] + b"\0\0\x80?",
        weights + b"x",
        b"\xff" * 16,
    ):
        with pytest.raises(BundleError):
            bundle_from_bytes(text, damaged)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "sprung",))

    save_bundle(trained_bundle(), tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BundleError, match=WEIGHTS_FILE):
        load_bundle(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=METADATA_FILE):
        load_bundle(tmp_path / "absent")


def test_weights_that_are_not_finite_are_refused() -> None:
    bundle = trained_bundle()
    name = next(iter(bundle.weights))
    poisoned = replace(bundle, weights={**bundle.weights, name: bundle.weights[name] * np.nan})
    with pytest.raises(BundleError, match="finite"):
        bundle_from_bytes(*bundle_to_bytes(poisoned))
