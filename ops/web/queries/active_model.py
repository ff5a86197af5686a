"""The active model without its weights, cached for a few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from storage.errors import ModelNotFound
from storage.models import active_model_id, load_model
from thermal.errors import BundleError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from thermal.detection.normalization import Normalization

#: Seconds for which it is cached which model is active.
REFRESH_S: Final = 2.0
#: Other models that are remembered, because earlier results are drawn on their scales.
OTHERS: Final = 16


@dataclass(frozen=True)
class ModelFacts:
    """A model without its weights."""

    model_id: str
    normalization: Normalization
    images: int
    cameras: tuple[str, ...]
    body: float  #: body of its held-out scores


class ActiveModel:
    """Reads and caches the active model. Threads may share it."""

    def __init__(
        self, settings: Settings, engine: Engine, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._facts: ModelFacts | None = None
        self._others: dict[str, ModelFacts | None] = {}  # oldest first
        self._asked_at = float("-inf")

    def get(self) -> ModelFacts | None:
        """The active model, None if there is none; at most `REFRESH_S` old.

        Raises:
            DatabaseUnavailable: the model cannot be read.
        """
        with self._lock:
            if self._clock() - self._asked_at > REFRESH_S:
                model_id = active_model_id(self._engine)
                if model_id is None:
                    self._facts = None
                elif self._facts is None or self._facts.model_id != model_id:
                    self._facts = self._load(model_id)
                self._asked_at = self._clock()
            return self._facts

    def of(self, model_id: str) -> ModelFacts | None:
        """A model that scored results, active or not; None if it cannot be read any more.

        Raises:
            DatabaseUnavailable: the model cannot be read.
        """
        active = self.get()
        if active is not None and active.model_id == model_id:
            return active
        with self._lock:
            if model_id not in self._others:
                try:
                    self._others[model_id] = self._load(model_id)
                except (ModelNotFound, BundleError):
                    self._others[model_id] = None
                while len(self._others) > OTHERS:
                    del self._others[next(iter(self._others))]
            return self._others[model_id]

    def _load(self, model_id: str) -> ModelFacts:
        import numpy as np

        from thermal.threshold import quantile

        bundle = load_model(self._engine, model_id)
        scores = np.sort(np.asarray(bundle.held_out_scores, np.float64))
        return ModelFacts(
            model_id=model_id,
            normalization=bundle.normalization,
            images=bundle.training.images,
            cameras=tuple(bundle.training.cameras),
            body=quantile(scores, self._settings.threshold.body_percentile / 100),
        )
