"""Bundles of release 0.1 (schema version 1): their names, and the constants they did not store.

Results refer to a model by the digest of its bundle, so a bundle of version 1 keeps its id: it is
read with today's names, and written and digested with its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

SCHEMA_VERSION = 1

#: Constants that were in the code of release 0.1. Never edit them: stored scores rest on them.
_SCORING: dict[str, Any] = {
    "smoothing_px": 0.7,
    "sigma_prior_images": 10.0,
    "neighbours": 15,
    "body_knots": 10,
    "tail_share": 0.1,
    "tail_images": 10,
    "least_evidence": 0.01,
    "driving_share": 0.333,
}
_ARCHITECTURE: dict[str, Any] = {
    "fault_channels": (16, 32, 64),
    "fault_hidden": 64,
    "fault_kinds": ("spot", "cell", "string", "third", "whole", "shade", "patch"),
    "leaky_slope": 0.1,
}

#: Tensors and metrics of the fault classifier began with the first word, now with the second.
_OLD_METRIC, _NEW_METRIC = "inspector_", "fault_classifier_"
_OLD_TENSOR, _NEW_TENSOR = "inspector.", "fault_classifier."


def upgrade(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of version 1 with today's keys and all constants.

    Raises `KeyError`, `TypeError` or `AttributeError` if it is not of version 1.
    """
    upgraded = dict(document)
    normalization = dict(upgraded.pop("preparation"))
    normalization["offset"] = normalization.pop("level")
    training = dict(upgraded["training"])
    training["outliers"] = training.pop("suspects")
    training["metrics"] = _renamed(training["metrics"], _OLD_METRIC, _NEW_METRIC)
    return upgraded | {
        "architecture": {**upgraded["architecture"], **_ARCHITECTURE},
        "normalization": normalization,
        "scoring": _SCORING,
        "training": training,
    }


def downgrade(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `upgrade` was given.

    Raises `ValueError` if the document has constants other than those of release 0.1, which a
    document of version 1 cannot state.
    """
    downgraded = dict(document)
    architecture = dict(downgraded["architecture"])
    constants = {name: architecture.pop(name) for name in _ARCHITECTURE}
    if constants != _ARCHITECTURE or downgraded.pop("scoring") != _SCORING:
        raise ValueError("schema version 1 cannot state other constants than release 0.1 had")
    preparation = dict(downgraded.pop("normalization"))
    preparation["level"] = preparation.pop("offset")
    training = dict(downgraded["training"])
    training["suspects"] = training.pop("outliers")
    training["metrics"] = _renamed(training["metrics"], _NEW_METRIC, _OLD_METRIC)
    return downgraded | {
        "architecture": architecture,
        "preparation": preparation,
        "training": training,
    }


def upgrade_tensors(tensors: Mapping[str, T]) -> dict[str, T]:
    """Return the tensors of a bundle of version 1 under today's names."""
    return _renamed(tensors, _OLD_TENSOR, _NEW_TENSOR)


def downgrade_tensors(tensors: Mapping[str, T]) -> dict[str, T]:
    """Return the tensors under the names they have in a bundle of version 1."""
    return _renamed(tensors, _NEW_TENSOR, _OLD_TENSOR)


def _renamed(values: Mapping[str, T], old: str, new: str) -> dict[str, T]:
    return {
        new + name.removeprefix(old) if name.startswith(old) else name: value
        for name, value in values.items()
    }
