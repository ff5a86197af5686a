"""The bundle: written, read back, and refused when it is not what it says."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.thermal.plates import trained_bundle
from thermal.detection.bundle import (
    MAX_WEIGHTS_BYTES,
    METADATA_FILE,
    WEIGHTS_FILE,
    bundle_from_bytes,
    bundle_to_bytes,
    load_bundle,
    save_bundle,
)
from thermal.detection.detector import Detector
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


@pytest.mark.parametrize("largest", [1e5, 1e308])
def test_held_out_scores_that_no_image_exceeds_are_refused(largest: float) -> None:
    # to see it fail: leave MAX_HELD_OUT_SCORE out
    scores = trained_bundle().held_out_scores.copy()
    scores[-1] = largest
    forged = replace(trained_bundle(), held_out_scores=scores)
    with pytest.raises(BundleError, match="at most 10000"):
        bundle_from_bytes(*bundle_to_bytes(forged))


@pytest.mark.parametrize("smallest", [-1.0, 0.0, np.inf, np.nan])
def test_held_out_scores_that_are_impossible_are_refused(smallest: float) -> None:
    scores = trained_bundle().held_out_scores.copy()
    scores[0] = smallest
    forged = replace(trained_bundle(), held_out_scores=scores)
    with pytest.raises(BundleError):
        bundle_from_bytes(*bundle_to_bytes(forged))


def test_weights_that_are_zero_are_refused() -> None:
    # to see it fail: leave _check_weights out of Detector
    bundle = trained_bundle()
    name = next(name for name, array in bundle.weights.items() if array.ndim == 4)
    blind = replace(bundle, weights={**bundle.weights, name: bundle.weights[name] * 0})
    with pytest.raises(BundleError, match=f"{name} are all zero"):
        Detector(blind, "cpu")


def test_finite_weights_that_give_no_numbers_are_refused() -> None:
    # to see it fail: leave _probe out of Detector
    bundle = trained_bundle()
    huge = {
        name: array * np.float32(1e30) if array.ndim == 4 else array
        for name, array in bundle.weights.items()
    }
    with pytest.raises(BundleError, match="not numbers"):
        Detector(replace(bundle, weights=huge), "cpu")


def to_fifo(file: Path) -> None:
    os.mkfifo(file)


def to_socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(file.parent):
        made.bind(file.name)


def to_device_link(file: Path) -> None:
    file.symlink_to("/dev/zero")


def to_link_out(file: Path) -> None:
    outside = file.parent.with_name("outside")
    outside.write_text("secret")
    file.symlink_to(outside)


def to_link_to_itself(file: Path) -> None:
    file.symlink_to(file.name)


def to_directory(file: Path) -> None:
    file.mkdir()


def to_sparse_file(file: Path) -> None:
    with file.open("wb") as large:
        large.truncate(MAX_WEIGHTS_BYTES + 1)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", [METADATA_FILE, WEIGHTS_FILE])
@pytest.mark.parametrize(
    "become",
    [
        to_fifo,
        to_socket,
        to_device_link,
        to_link_out,
        to_link_to_itself,
        to_directory,
        to_sparse_file,
    ],
)
def test_what_is_no_file_of_the_bundle_is_refused_without_blocking(
    tmp_path: Path, name: str, become: Callable[[Path], None]
) -> None:
    # to see it fail: read with Path.read_bytes in bundle_files
    folder = tmp_path / "bundle"
    save_bundle(trained_bundle(), folder)
    (folder / name).unlink()
    become(folder / name)
    with pytest.raises(BundleError, match=name) as refused:
        load_bundle(folder)
    assert "copy" in str(refused.value) or "copied" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    save_bundle(trained_bundle(), tmp_path)
    (tmp_path / WEIGHTS_FILE).rename(tmp_path / "v2")
    (tmp_path / WEIGHTS_FILE).symlink_to("v2")
    assert load_bundle(tmp_path).model_id == trained_bundle().model_id


def test_a_bundle_of_schema_version_2_keeps_its_id_and_knows_no_kind_of_frames() -> None:
    # to see it fail: write `frames` into documents of version 2
    second = replace(trained_bundle(), frames=None, schema_version=2)
    text, weights = bundle_to_bytes(second)
    assert "frames" not in json.loads(text)
    again = bundle_from_bytes(text, weights)
    assert (again.model_id, again.frames) == (second.model_id, None)
    with pytest.raises(ValueError, match="cannot state a kind of frames"):
        replace(trained_bundle(), schema_version=2)
