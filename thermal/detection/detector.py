"""The detector: frames in, scores and maps out. NumPy outside, tensors inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from thermal.detection.bundle import Bundle, load_bundle
from thermal.detection.deviation import Deviation, strongest_deviation
from thermal.detection.normalization import prepare
from thermal.detection.signature import PublicKey
from thermal.errors import BundleError
from thermal.frame import Frame

if TYPE_CHECKING:
    from thermal.detection.score import Scorer

#: Pixels in one forward pass. On a CPU the intermediate images should fit into the caches: images
#: of 160×120 take two thirds of the time each in passes of 16 that they take in passes of 64.
_PASS_PX_CPU = 300_000
_PASS_PX_GPU = 5_000_000


@dataclass(frozen=True, eq=False)
class Scored:
    """What the detector says about one frame. Maps are at the model's size, (h, w)."""

    score: float  #: σ, quadratic mean of `signals`; > 0, higher is more anomalous
    mse: float  #: mean squared residual of the normalized image, spans²; for comparison only
    anomaly_map: NDArray[np.float32]  #: (h, w) σ, signed: positive is hotter than expected
    reconstruction: NDArray[np.float32]  #: (h, w) reconstruction, in the frame's unit
    signals: Mapping[str, float]  #: each of `SIGNALS` by name, σ, > 0
    drivers: tuple[str, ...] = ()  #: signals that gave about a third or more, strongest first
    deviation: Deviation | None = None  #: the spot at the map's extreme, if it can be measured


class Detector:
    """A trained model, warm on its device; `scorer` is its network.

    The other frames of a batch change a score only by rounding: less than 1e-4 of it between a
    frame alone and the same frame in a batch of 64.
    """

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        """Build the network.

        Raises `BundleError` if the weights do not fit the architecture or give no scores.
        """
        import torch

        from thermal.detection.network import fold_normalisation
        from thermal.detection.score import Scorer  # torch is loaded when first needed

        self.bundle = bundle
        self.model_id = bundle.model_id
        self.device = choose_device(device)
        try:
            references, components = bundle.weights["density.references"].shape
            scorer = Scorer(bundle.architecture, bundle.scoring, components, references)
            scorer.load_state_dict(
                {name: torch.from_numpy(array.copy()) for name, array in bundle.weights.items()}
            )
        except (RuntimeError, ValueError, IndexError, KeyError, ZeroDivisionError) as error:
            raise BundleError(f"the weights do not fit the architecture: {error}") from error
        _check_weights(bundle)
        fold_normalisation(scorer.eval())
        _probe(scorer, bundle)
        # With channels last, convolutions on CPUs take a third less time.
        for weight in scorer.parameters():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.scorer = scorer.to(self.device)
        pass_px = _PASS_PX_CPU if self.device == "cpu" else _PASS_PX_GPU
        size_px = bundle.architecture.height * bundle.architecture.width
        self._usual_residual = bundle.weights["residual_mean"] * bundle.normalization.span
        #: images in one forward pass; more are scored in several
        self.images_a_pass = max(1, pass_px // size_px)

    @classmethod
    def load(cls, path: Path, device: str = "auto", trusted: Sequence[PublicKey] = ()) -> Detector:
        """Read a bundle's folder; with `trusted` keys, a signed one. Raises `BundleError`."""
        return cls(load_bundle(path, trusted), device)

    @classmethod
    def from_bundle(cls, bundle: Bundle, device: str = "auto") -> Detector:
        """Build a detector from a bundle in memory. Raises `BundleError`."""
        return cls(bundle, device)

    def score(self, frames: Sequence[Frame]) -> list[Scored]:
        """Return one `Scored` for each frame, in their order. Threads may call it at once.

        Frames may have any shape (H, W): they are resized to the model's size. They are scored
        `images_a_pass` at a time.

        Raises `UnitMismatch` if a frame is not in the unit the model was trained in.
        """
        size = self.images_a_pass
        return [
            scored
            for start in range(0, len(frames), size)
            for scored in self._pass(frames[start : start + size])
        ]

    def _pass(self, frames: Sequence[Frame]) -> list[Scored]:
        import torch

        from thermal.detection.score import SIGNALS, drivers

        normalization = self.bundle.normalization
        images = np.stack([prepare(frame, normalization) for frame in frames])[:, None]
        with torch.inference_mode():
            batch = self.scorer(torch.from_numpy(images).to(self.device))
        seen = batch.observation
        scores = batch.score.tolist()
        errors = seen.mse.tolist()
        sigmas = (2 * batch.evidence).sqrt().tolist()
        maps = seen.anomaly_map.cpu().numpy()
        reconstructed = (
            seen.reconstruction.cpu().numpy() * normalization.span + normalization.offset
        )
        expected = reconstructed + self._usual_residual
        return [
            Scored(
                score=scores[i],
                mse=errors[i],
                anomaly_map=maps[i],
                reconstruction=reconstructed[i].astype(np.float32, copy=False),
                signals=dict(zip(SIGNALS, sigmas[i], strict=True)),
                drivers=named,
                deviation=strongest_deviation(frames[i], maps[i], expected[i]),
            )
            for i, named in enumerate(drivers(batch.evidence, self.bundle.scoring.driving_share))
        ]


def choose_device(device: str) -> str:
    """Resolve ``auto`` to ``cuda`` where there is one, else ``cpu``; other names stay."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_weights(bundle: Bundle) -> None:
    """Refuse layers without weights: they give one score, whatever an image shows."""
    for name, array in bundle.weights.items():
        if name.startswith(_NETWORKS) and array.ndim > 1 and not array.any():
            raise BundleError(f"the weights {name} are all zero: train the model again")


def _probe(scorer: Scorer, bundle: Bundle) -> None:
    """Score a ramp before any frame, on the CPU: weights can be finite and overflow together."""
    import torch

    height, width = bundle.architecture.height, bundle.architecture.width
    ramp = torch.linspace(0, 1, height * width).reshape(1, 1, height, width)
    with torch.inference_mode():
        batch = scorer(ramp)
    seen = batch.observation
    found = (batch.score, batch.evidence, seen.anomaly_map, seen.reconstruction)
    if not all(bool(torch.isfinite(values).all()) for values in found):
        raise BundleError("the weights give scores that are not numbers: train the model again")


_NETWORKS = ("autoencoder.", "fault_classifier.")
