"""Errors of all that outlives a process.

::

    StorageError
    ├── DatabaseUnavailable    the database cannot be reached or cannot work; try again later
    ├── UnsupportedDatabase    the database URL names something that is not supported
    ├── SchemaError            the tables are not those of this release
    ├── StaleEpoch             a decision from a rolling window that has been replaced since
    ├── InvalidCursor          a page cursor that this release did not make
    ├── AmbiguousFrame         the beginning of a frame id that fits more than one frame
    ├── ModelNotFound          no model with this id is stored
    ├── DamagedArtifact        a stored file is not what was written
    ├── AccountExists          an account of this name is there already
    ├── NoSuchAccount          no account has this name
    ├── InvalidMessage         a job on the queue that is not a message of ours
    └── UnsafePath             a path that would leave its root
"""

from __future__ import annotations

from collections.abc import Sequence


class StorageError(Exception):
    """Root of all errors that `storage` raises on purpose."""


class DatabaseUnavailable(StorageError):
    """The database cannot be reached, or cannot work now: down, locked, full, damaged."""


class UnsupportedDatabase(StorageError):
    """The database URL cannot be read or names something that is not supported."""


class SchemaError(StorageError):
    """The tables are missing or were made by a newer release."""


class StaleEpoch(StorageError):
    """Decisions come from a rolling window that has been replaced; nothing was committed."""

    def __init__(self, streams: Sequence[str], model_id: str):
        self.streams = tuple(streams)  #: cameras whose window has to be built anew
        self.model_id = model_id
        super().__init__(
            f"the decisions for {', '.join(self.streams)} under model {model_id[:12]} come from "
            "a rolling window that has been replaced; open a new epoch and decide again"
        )


class InvalidCursor(StorageError):
    """A page cursor that this release did not make."""


class AmbiguousFrame(StorageError):
    """The beginning of a frame id that fits more than one frame."""


class ModelNotFound(StorageError):
    """No model with this id is stored."""


class DamagedArtifact(StorageError):
    """A stored file is not what was written."""


class AccountExists(StorageError):
    """An account of this name is there already."""


class NoSuchAccount(StorageError):
    """No account has this name."""


class InvalidMessage(StorageError):
    """A job on the queue that is not a message of ours."""


class UnsafePath(StorageError):
    """A path that would leave the directory it belongs in."""
