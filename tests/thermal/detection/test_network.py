"""The two networks: shapes, and a bottleneck that is one."""

from __future__ import annotations

import torch

from thermal.detection.bundle import Architecture
from thermal.detection.network import (
    Autoencoder,
    FaultClassifier,
    fault_log_odds,
    fold_normalisation,
)
from thermal.training.synthetic import FAULTS

ARCHITECTURE = Architecture(height=40, width=24, channels=(4, 8, 16), latent=5)


def test_an_image_passes_through_the_code_alone() -> None:
    torch.manual_seed(0)
    model = Autoencoder(ARCHITECTURE).eval()
    image = torch.randn(2, 1, 40, 24)
    code = model.encode(image)
    assert code.shape == (2, 5)
    assert model.decode(code).shape == image.shape
    torch.testing.assert_close(model(image), model.decode(code))


def test_the_fault_classifier_sees_a_single_hot_pixel_anywhere() -> None:
    torch.manual_seed(0)
    model = FaultClassifier(ARCHITECTURE).eval()
    flat = torch.zeros(1, 1, 40, 24)
    quiet = model.describe(flat, flat)
    assert quiet.shape == (1, ARCHITECTURE.fault_features)
    for y, x in ((0, 0), (39, 23), (20, 11)):
        spotted = flat.clone()
        spotted[0, 0, y, x] = 5
        assert (model.describe(spotted, flat) - quiet).abs().max() > 0.05


def test_a_folded_network_computes_the_same() -> None:
    torch.manual_seed(0)
    autoencoder, classifier = Autoencoder(ARCHITECTURE), FaultClassifier(ARCHITECTURE)
    images = torch.randn(16, 1, 40, 24)
    for _ in range(3):  # the normalisations learn some statistics
        classifier(images, autoencoder(images))
    autoencoder.eval()
    classifier.eval()
    redrawn, logits = autoencoder(images), classifier(images, images)
    for network in (autoencoder, classifier):
        fold_normalisation(network)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    torch.testing.assert_close(autoencoder(images), redrawn, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(classifier(images, images), logits, rtol=1e-4, atol=1e-5)


def test_there_is_a_logit_for_normal_and_one_a_fault() -> None:
    image = torch.zeros(3, 1, 40, 24)
    assert FaultClassifier(ARCHITECTURE).eval()(image, image).shape == (3, 1 + len(FAULTS))


def test_log_odds_weigh_all_faults_against_none() -> None:
    # Probabilities 0.5 for normal and 0.3 + 0.2 for two faults: even odds.
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    torch.testing.assert_close(fault_log_odds(logits), torch.zeros(1))
