"""What outlives a process: tables, results, rolling windows, the queue contract, pictures.

>>> from storage import ResultQuery, connect, results_frame
>>> engine = connect("sqlite:///state/thermalwatch.db")     # doctest: +SKIP
>>> results_frame(engine, ResultQuery(camera="east"))       # doctest: +SKIP

These names are loaded when first used: `import storage` alone loads neither SQLAlchemy nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.db.database import connect
    from storage.results.frame import results_frame
    from storage.results.queries import ResultQuery

__all__ = ["ResultQuery", "connect", "results_frame"]

_HOME = {
    "ResultQuery": "storage.results.queries",
    "connect": "storage.db.database",
    "results_frame": "storage.results.frame",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
