"""The functional core: bytes and arrays in, values out.

>>> from thermal import Detector
>>> from thermal.decode import decode
>>> detector = Detector.load(Path("model"))                             # doctest: +SKIP
>>> detector.score([decode(Path("a.png").read_bytes())])[0].score       # doctest: +SKIP

The names below are loaded on first use, so `import thermal` alone imports neither torch nor
OpenCV. Other functions are imported from their modules: `thermal.decode.decode`,
`thermal.training.train.train`, `thermal.evaluation.evaluate.evaluate`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thermal.decode import DecodeOptions
    from thermal.detection.bundle import Bundle, load_bundle, save_bundle
    from thermal.detection.detector import Detector, Scored
    from thermal.evaluation.evaluate import Evaluation
    from thermal.frame import Frame, LinearScale
    from thermal.inspection import Content, Inspected, Refusal, inspect
    from thermal.training.train import TrainingConfig, TrainingProgress

__all__ = [
    "Bundle",
    "Content",
    "DecodeOptions",
    "Detector",
    "Evaluation",
    "Frame",
    "Inspected",
    "LinearScale",
    "Refusal",
    "Scored",
    "TrainingConfig",
    "TrainingProgress",
    "inspect",
    "load_bundle",
    "save_bundle",
]

_HOME = {
    "Bundle": "thermal.detection.bundle",
    "Content": "thermal.inspection",
    "DecodeOptions": "thermal.decode",
    "Detector": "thermal.detection.detector",
    "Evaluation": "thermal.evaluation.evaluate",
    "Frame": "thermal.frame",
    "Inspected": "thermal.inspection",
    "LinearScale": "thermal.frame",
    "Refusal": "thermal.inspection",
    "Scored": "thermal.detection.detector",
    "TrainingConfig": "thermal.training.train",
    "TrainingProgress": "thermal.training.train",
    "inspect": "thermal.inspection",
    "load_bundle": "thermal.detection.bundle",
    "save_bundle": "thermal.detection.bundle",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'thermal' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
