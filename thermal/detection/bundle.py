"""The model bundle: everything a detector is, as safetensors and JSON.

A bundle is two files, ``model.safetensors`` (the tensors) and ``model.json`` (everything else). Its
`model_id` is a digest of both. Loading validates the schema and the digest and never unpickles, so
a bundle from a stranger can be wrong but cannot run code. With trusted keys only signed bundles are
loaded (`thermal.detection.signature`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from thermal.detection import release_0_1
from thermal.detection.bundle_files import read_file
from thermal.detection.frame_kind import FrameKind, Mismatch, mismatch
from thermal.detection.normalization import Normalization
from thermal.detection.score_config import ScoreConfig
from thermal.detection.signature import (
    MAX_SIGNATURE_BYTES,
    SIGNATURE_FILE,
    PublicKey,
    sign,
    verify,
)
from thermal.errors import BundleError
from thermal.frame import Frame

#: Version of the bundle's schema; raised when an older reader would misread a newer bundle.
SCHEMA_VERSION = 3

WEIGHTS_FILE = "model.safetensors"
METADATA_FILE = "model.json"

#: Largest number of held-out scores that a bundle keeps (the rolling window's default size).
MAX_HELD_OUT_SCORES = 2000
#: Largest held-out score, σ. A score of s has a tail probability of about exp(-s²/2) among normal
#: images, so a normal image has a few σ; with 1e308 no image would ever exceed the threshold.
MAX_HELD_OUT_SCORE = 1e4
#: Most bytes of a bundle's two files; a bundle has a few MB.
MAX_METADATA_BYTES = 16 * 1024 * 1024
MAX_WEIGHTS_BYTES = 512 * 1024 * 1024

_FIRST_WITH_FRAMES = 3  # schema version
_HELD_OUT = "held_out_scores"  # the tensor that is not a weight
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

# Bounds that no real model reaches: a forged bundle must not make us allocate without limit.
Side = Annotated[int, Field(gt=0, le=2048)]
Width = Annotated[int, Field(gt=0, le=1024)]

#: Tensors of a bundle by name, float32 or float64.
Tensors = Mapping[str, NDArray[np.float32]]


#: Kinds of synthetic faults that new models learn, in the order of the classifier's outputs.
FAULT_KINDS = ("spot", "cell", "string", "third", "whole", "shade", "patch")


@dataclass(frozen=True)
class Architecture:
    """The shape of both networks; with the weights it is the networks.

    The defaults are what training uses; a loaded model has the values of its bundle.
    """

    __pydantic_config__ = _STRICT

    height: Side  #: input rows, px, a multiple of 2 ** len(channels)
    width: Side  #: input columns, px, a multiple of 2 ** len(channels)
    channels: Annotated[tuple[Width, ...], Field(min_length=1, max_length=8)]
    #: ^ width of each stage; each stage halves the resolution
    latent: Width  #: numbers in the autoencoder's bottleneck
    #: widths of the fault classifier's stages: at a half, a quarter, an eighth of the resolution
    fault_channels: tuple[Width, Width, Width] = (16, 32, 64)
    fault_hidden: Width = 64  #: width of the layer before the fault classifier's outputs
    fault_kinds: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)] = FAULT_KINDS
    leaky_slope: Annotated[float, Field(ge=0, lt=1)] = 0.1  #: of every leaky ReLU, below zero

    @property
    def fault_features(self) -> int:
        """Numbers that describe an image to the fault classifier: mean and maximum a channel."""
        return 2 * sum(self.fault_channels)


@dataclass(frozen=True)
class Outlier:
    """A training image that fits the finished model badly; it may show a fault."""

    __pydantic_config__ = _STRICT

    path: str  #: relative to the training folder
    score: float  #: σ, > 0


@dataclass(frozen=True)
class TrainingInfo:
    """Where the model comes from. No clock times, so that the same training gives the same id."""

    __pydantic_config__ = _STRICT

    seed: int
    images: int  #: images that were used, held-out ones included
    held_out: int  #: images kept out of training for calibration
    fingerprint: str  #: digest of the training images' relative paths and content
    cameras: tuple[str, ...]  #: cameras the images came from; others start in `learning`
    metrics: Mapping[str, float]
    versions: Mapping[str, str]  #: library → version
    notes: tuple[str, ...] = ()  #: warnings for the person who trains
    outliers: tuple[Outlier, ...] = ()  #: training images that fit worst, worst first


@dataclass(frozen=True)
class Metadata:
    """Everything of a bundle that is not a tensor: the content of ``model.json``."""

    __pydantic_config__ = _STRICT

    architecture: Architecture
    normalization: Normalization
    training: TrainingInfo
    scoring: ScoreConfig
    frames: FrameKind | None  #: None in schema versions 1 and 2
    schema_version: int = SCHEMA_VERSION

    def document(self) -> dict[str, Any]:
        """Return the JSON document, in the schema of `schema_version`.

        Raises `ValueError` if that schema cannot state the content.
        """
        document = asdict(self)
        if self.schema_version < _FIRST_WITH_FRAMES and document.pop("frames") is not None:
            raise ValueError(f"schema version {self.schema_version} cannot state a kind of frames")
        if self.schema_version == release_0_1.SCHEMA_VERSION:
            return release_0_1.downgrade(document)
        return document


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained detector as plain values. `model_id` is the digest of all of them.

    A bundle of an older `schema_version` keeps its id, and is written in its own schema. Raises
    `ValueError` if that schema cannot state the constants.
    """

    architecture: Architecture
    normalization: Normalization
    training: TrainingInfo
    weights: Tensors  #: network weights and per-pixel calibration, float32
    held_out_scores: NDArray[np.float64]  #: (n,) ascending, scores of held-out normal images
    scoring: ScoreConfig = field(default_factory=ScoreConfig)
    frames: FrameKind | None = None  #: the frames it was trained on; None if that is not known
    schema_version: int = SCHEMA_VERSION
    model_id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = _digest(self.metadata.document(), self.tensors)
        object.__setattr__(self, "model_id", digest)

    @property
    def metadata(self) -> Metadata:
        """The part that is written as JSON."""
        return Metadata(
            architecture=self.architecture,
            normalization=self.normalization,
            training=self.training,
            scoring=self.scoring,
            frames=self.frames,
            schema_version=self.schema_version,
        )

    @property
    def tensors(self) -> dict[str, NDArray[np.float32] | NDArray[np.float64]]:
        """The part that is written as safetensors."""
        weights = self.weights
        if self.schema_version == release_0_1.SCHEMA_VERSION:
            weights = release_0_1.downgrade_tensors(weights)
        return {**weights, _HELD_OUT: self.held_out_scores}

    def mismatch(self, frame: Frame) -> Mismatch | None:
        """Why the model does not score such frames; None if it does."""
        normalization = self.normalization
        return mismatch(frame, normalization.unit, self.frames, offset=normalization.offset)

    def threshold(self, target_far: float) -> float:
        """Return the score, σ, that a share `target_far` (0…1) of held-out images exceed."""
        return float(np.quantile(self.held_out_scores, 1 - target_far))


def bundle_to_bytes(bundle: Bundle) -> tuple[str, bytes]:
    """Return the bundle as JSON text and safetensors bytes."""
    document = {"model_id": bundle.model_id, **bundle.metadata.document()}
    tensors = {name: np.ascontiguousarray(array) for name, array in bundle.tensors.items()}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False), dump_tensors(tensors)


def bundle_from_bytes(json_text: str, weights: bytes) -> Bundle:
    """Read what `bundle_to_bytes` wrote.

    Raises `BundleError` if a file does not fit the schema or the digest does not match.
    """
    try:
        document = json.loads(json_text)
        stated_id = document.pop("model_id")
        metadata = _read_document(document)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(
            f"{METADATA_FILE} does not fit the bundle schema: {_short(error)}"
        ) from error
    tensors = _read_tensors(weights)
    if metadata.schema_version == release_0_1.SCHEMA_VERSION:
        tensors = release_0_1.upgrade_tensors(tensors)
    held_out = tensors.pop(_HELD_OUT)
    bundle = Bundle(
        architecture=metadata.architecture,
        normalization=metadata.normalization,
        training=metadata.training,
        weights={name: array.astype(np.float32, copy=False) for name, array in tensors.items()},
        held_out_scores=held_out.astype(np.float64, copy=False),
        scoring=metadata.scoring,
        frames=metadata.frames,
        schema_version=metadata.schema_version,
    )
    if bundle.model_id != stated_id:
        raise BundleError(
            f"the bundle's content has the digest {bundle.model_id}, not {stated_id} as it says: "
            "it was damaged or altered; use an intact copy"
        )
    return bundle


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the bundle's two files into `folder`, which is created."""
    json_text, weights = bundle_to_bytes(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(weights)
    (folder / METADATA_FILE).write_text(json_text, encoding="utf-8")


def load_bundle(folder: Path, trusted: Sequence[PublicKey] = ()) -> Bundle:
    """Read a bundle's folder; with `trusted` keys, only if one of them has signed it.

    Raises `BundleError` if it is missing, damaged, not of a known schema or not signed.
    """
    metadata = read_file(folder, METADATA_FILE, MAX_METADATA_BYTES)
    weights = read_file(folder, WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    try:
        if trusted:
            _check_signature(folder, metadata, trusted)
        return bundle_from_bytes(metadata.decode(), weights)
    except UnicodeDecodeError as error:
        raise BundleError(f"{folder}: {METADATA_FILE} is not UTF-8 text: {error}") from error
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error


def sign_bundle(folder: Path, secret_text: str) -> Path:
    """Sign the bundle in a folder; return the file with the signature.

    Raises `BundleError` if it is not a usable bundle, and `ValueError` if the key is not usable.
    """
    load_bundle(folder)
    metadata = read_file(folder, METADATA_FILE, MAX_METADATA_BYTES)
    file = folder / SIGNATURE_FILE
    file.write_text(sign(metadata, secret_text), encoding="utf-8")
    return file


def _check_signature(folder: Path, metadata: bytes, trusted: Sequence[PublicKey]) -> None:
    if not (folder / SIGNATURE_FILE).exists():
        raise BundleError(
            f"it has no {SIGNATURE_FILE}, and `models.trusted_keys` accepts signed bundles only: "
            "sign it with `thermalwatch model sign`"
        )
    text = read_file(folder, SIGNATURE_FILE, MAX_SIGNATURE_BYTES).decode(errors="replace")
    verify(metadata, text, trusted)


def _read_document(document: dict[str, Any]) -> Metadata:
    """Read a document of any schema version that this release knows."""
    version = document["schema_version"]
    if version not in range(release_0_1.SCHEMA_VERSION, SCHEMA_VERSION + 1):
        raise BundleError(
            f"the bundle has schema version {version}, this program reads versions up to "
            f"{SCHEMA_VERSION}: train the model again or use the matching release"
        )
    current = release_0_1.upgrade(document) if version == release_0_1.SCHEMA_VERSION else document
    if version < _FIRST_WITH_FRAMES:
        current = {**current, "frames": None}
    metadata = TypeAdapter(Metadata).validate_json(json.dumps(current))
    if json.dumps(metadata.document(), sort_keys=True) != json.dumps(document, sort_keys=True):
        raise ValueError("it holds keys or values that its schema version does not have")
    return metadata


def _read_tensors(weights: bytes) -> dict[str, NDArray[np.float32] | NDArray[np.float64]]:
    try:
        tensors = load_tensors(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"{WEIGHTS_FILE} is not a safetensors file: {_short(error)}") from error
    for name, array in tensors.items():
        if array.dtype not in (np.float32, np.float64) or not np.isfinite(array).all():
            raise BundleError(f"{WEIGHTS_FILE}: tensor {name} is not of finite floats")
    scores = tensors.get(_HELD_OUT)
    if scores is None or scores.ndim != 1 or not 1 <= scores.size <= MAX_HELD_OUT_SCORES:
        raise BundleError(f"{WEIGHTS_FILE} holds no usable held-out scores")
    if scores[0] <= 0 or (np.diff(scores) < 0).any() or scores[-1] > MAX_HELD_OUT_SCORE:
        raise BundleError(
            f"{WEIGHTS_FILE}: the held-out scores are not positive, ascending and at most "
            f"{MAX_HELD_OUT_SCORE:g}: no threshold follows from them; train the model again"
        )
    return tensors


def _digest(
    document: Mapping[str, Any], tensors: Mapping[str, NDArray[np.float32] | NDArray[np.float64]]
) -> str:
    """BLAKE2b-128 over the canonical JSON and every tensor's name, type, shape and bytes."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(document, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
