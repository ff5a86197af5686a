"""The model in use, warm on its device, and swapped when another one is made active."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine

from storage.errors import ModelNotFound
from storage.models import active_model_id, load_model
from thermal.detector import Detector

#: Seconds for which a worker goes on with its model before it asks which one is active.
REFRESH_S: Final = 2.0


class ModelSource:
    """Loads the active model from the database, and keeps it."""

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
