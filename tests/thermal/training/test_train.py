"""Training: reproducible, calibrated on held-out images, honest about few or odd images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.thermal.plates import frames, hot_cells, plates, train_on, write_images
from thermal.decode import DecodeOptions
from thermal.detection.detector import Detector
from thermal.errors import TrainingError
from thermal.evaluation.evaluate import score_test_set, summarise
from thermal.training.dataset import list_images
from thermal.training.train import (
    TrainingConfig,
    TrainingProgress,
    choose_architecture,
    choose_held_out,
    train,
)

DATA = Path(__file__).parents[4] / "shared" / "data" / "solar-modules"


def test_the_same_seed_and_images_give_the_same_bundle(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(40, seed=40))
    first, second, other = (train_on(paths, epochs=2, seed=seed) for seed in (3, 3, 4))
    assert first.model_id == second.model_id
    assert first.model_id != other.model_id


def test_training_leaves_the_random_state_of_others_alone(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(20, seed=41))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_on(paths, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_fifteen_images_are_enough_and_the_bundle_says_it_is_rough(tmp_path: Path) -> None:
    bundle = train_on(write_images(tmp_path, plates(15, seed=42)), epochs=6)
    assert bundle.training.images == 15
    assert bundle.training.held_out == 5
    assert "15 training images" in bundle.training.notes[0]
    detector = Detector.from_bundle(bundle, "cpu")
    normal, hot = (detector.score(frames(f(30, seed=43))) for f in (plates, hot_cells))
    assert min(s.score for s in hot) > np.median([s.score for s in normal])


def test_fewer_than_fifteen_images_are_refused(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(15, seed=44))
    with pytest.raises(TrainingError, match="14 images are too few"):
        train_on(paths[:14])
    paths[3].write_bytes(b"not an image")
    with pytest.raises(TrainingError, match="only 14 of 15"):
        train_on(paths)


def test_files_left_out_are_noted(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(20, seed=45))
    paths[7].write_bytes(b"not an image")
    notes = train_on(paths, epochs=1).training.notes
    assert any("007.png" in note for note in notes)


def test_progress_counts_up_to_the_last_epoch(tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    config = TrainingConfig(epochs=3, device="cpu")
    paths = write_images(tmp_path, plates(20, seed=46))
    train(paths, config, options=DecodeOptions(), progress=seen.append)
    assert [step.epoch for step in seen] == [1, 2, 3, 4, 5, 6]
    assert [step.stage for step in seen] == ["autoencoder"] * 3 + ["fault_classifier"] * 3
    assert {step.epochs for step in seen} == {6}
    assert seen[-1].remaining_s == 0
    assert seen[0].remaining_s > 0
    assert all(step.loss > 0 and step.validation_loss > 0 for step in seen)


def test_the_bundle_tells_where_it_comes_from(tmp_path: Path) -> None:
    config = TrainingConfig(epochs=1, seed=8, device="cpu", cameras=("north", "south"))
    paths = write_images(tmp_path, plates(20, seed=47))
    bundle = train(paths, config, options=DecodeOptions(), progress=lambda _: None)
    assert bundle.training.seed == 8
    assert bundle.training.cameras == ("north", "south")
    assert {"torch", "numpy", "python"} <= bundle.training.versions.keys()
    assert bundle.training.metrics["autoencoder_validation_loss"] > 0


def test_the_size_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    paths = write_images(tmp_path, plates(20, seed=48))
    config = TrainingConfig(epochs=1, device="cpu", size=(32, 48))
    bundle = train(paths, config, options=DecodeOptions(), progress=lambda _: None)
    assert (bundle.normalization.height, bundle.normalization.width) == (32, 48)
    with pytest.raises(TrainingError, match="multiples of 8"):
        choose_architecture(30, 48)


def test_faulty_images_among_the_normal_ones_are_named(tmp_path: Path) -> None:
    write_images(tmp_path / "a", plates(150, seed=49))
    write_images(tmp_path / "b", hot_cells(4, seed=50))
    bundle = train_on(list_images(tmp_path), epochs=6)
    outliers = [outlier.path for outlier in bundle.training.outliers]
    assert {f"b/{i:03d}.png" for i in range(4)} <= set(outliers[:8])
    worst = [outlier.score for outlier in bundle.training.outliers]
    assert worst == sorted(worst, reverse=True)


@pytest.mark.parametrize(("count", "expected"), [(15, 5), (60, 20), (100, 20), (5000, 1000)])
def test_a_fifth_of_the_images_is_held_out_or_twenty(count: int, expected: int) -> None:
    assert choose_held_out(count, seed=0).sum() == pytest.approx(expected, rel=0.02)


def test_neighbouring_images_are_held_out_together() -> None:
    held_out = choose_held_out(5000, seed=0)
    changes = int(np.abs(np.diff(held_out.astype(int))).sum())
    assert changes <= 140  # some seventy runs of sixteen


def test_few_new_normal_images_are_flagged(tmp_path: Path) -> None:
    new = frames(plates(400, seed=51))
    shares = []
    for seed in (1, 2, 3):
        bundle = train_on(write_images(tmp_path / str(seed), plates(120, seed=seed)))
        found = Detector.from_bundle(bundle, "cpu").score(new)
        shares.append(np.mean([scored.score > bundle.threshold(0.005) for scored in found]))
    # twenty-four held-out images cannot place the 99.5th percentile: one model alone may flag more
    assert np.mean(shares) < 0.1


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the real images in {DATA}")
def test_a_short_training_on_real_images_beats_the_trivial_statistic(tmp_path: Path) -> None:
    bundle = train_on(list_images(DATA / "train" / "good")[::4], epochs=6)
    found = score_test_set(
        Detector.from_bundle(bundle, "cpu"), DATA, options=DecodeOptions(), progress=lambda _: None
    )
    result = summarise(found, threshold=bundle.threshold(0.005), target_far=0.005)
    assert result.image_auroc > 0.8275  # maximum minus mean, in the data's reference.json
