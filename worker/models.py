"""The active model, loaded on its device and replaced when another one is activated."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from sqlalchemy import Engine

from storage.errors import ModelNotFound
from storage.models import active_model_id, load_model
from thermal.detection.detector import Detector
from thermal.detection.normalization import Normalization
from thermal.errors import ThermalError
from thermal.frame import Frame

log = logging.getLogger(__name__)

#: Seconds after which a worker asks again which model is active.
REFRESH_S: Final = 2.0
#: How torch, OpenCV and NumPy report a lack of memory; only NumPy raises MemoryError.
_NO_MEMORY: Final = ("out of memory", "can't allocate memory", "insufficient memory")


class DeviceFailed(ThermalError):
    """The device no longer works; usually a new process can use it again."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out, on the host or on the device."""
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _NO_MEMORY
    )


class ModelSource:
    """Loads the active model from the database and keeps it in memory."""

    def __init__(self, engine: Engine, device: str, clock: Callable[[], float]):
        self._engine = engine
        self._device = device
        self._clock = clock
        self._detector: Detector | None = None
        self._asked_at = float("-inf")

    def current(self) -> Detector:
        """The detector of the active model.

        Raises:
            ModelNotFound: no model is active.
            StorageError: the database cannot be reached.
            thermal.errors.BundleError: the stored model cannot be used.
        """
        now = self._clock()
        if self._detector is None or not 0 <= now - self._asked_at < REFRESH_S:
            model_id = active_model_id(self._engine)
            if model_id is None:
                raise ModelNotFound(
                    "no model is active: start with --model BUNDLE, or train one first"
                )
            if self._detector is None or self._detector.model_id != model_id:
                bundle = load_model(self._engine, model_id)
                self._detector = Detector.from_bundle(bundle, self._device)
            self._asked_at = now
        return self._detector

    def renewed(self, detector: Detector) -> Detector:
        """Reload a detector's model after a failure, and test its device on a uniform image.

        Raises:
            DeviceFailed: the device fails on that image too.
        """
        bundle, self._detector = detector.bundle, None
        try:
            self._detector = Detector.from_bundle(bundle, self._device)
            [scored] = self._detector.score([_uniform_image(bundle.normalization)])
        except RuntimeError as error:
            raise DeviceFailed(
                f"the device {detector.device!r} still fails after reloading the model: {error}"
            ) from error
        if not math.isfinite(scored.score):
            raise DeviceFailed(f"the device {detector.device!r} gives scores that are not numbers")
        return self._detector


def _uniform_image(normalization: Normalization) -> Frame:
    shape = (normalization.height, normalization.width)
    values = np.full(shape, normalization.offset, np.float32)
    return Frame(values, normalization.unit, bit_depth=8)
