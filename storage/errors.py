"""Errors of `storage`.

::

    StorageError
    ├── DatabaseUnavailable    the database cannot be reached or does not work now; try again later
    ├── UnsupportedDatabase    the database URL is invalid or names another kind of database
    ├── SchemaError            the tables were created by a newer release, or are missing
    ├── StaleEpoch             a decision from a rolling window that has been rebuilt since
    ├── InvalidCursor          a page cursor that this release did not create
    ├── AmbiguousFrame         a prefix that several frame ids share
    ├── ModelNotFound          no stored model has this id
    ├── DamagedArtifact        a stored file is corrupted
    ├── AccountExists          the account name is taken
    ├── NoSuchAccount          no account has this name
    ├── InvalidMessage         a job on the queue is not a valid message
    └── UnsafePath             a path that leaves its root
"""

from __future__ import annotations

from collections.abc import Sequence


class StorageError(Exception):
    """Root of the errors that `storage` raises on purpose."""


class DatabaseUnavailable(StorageError):
    """The database cannot be reached or does not work now: down, locked, full or damaged."""


class UnsupportedDatabase(StorageError):
    """The database URL is invalid or names another kind of database."""


class SchemaError(StorageError):
    """The tables are missing or were created by a newer release."""


class StaleEpoch(StorageError):
    """The decisions come from a rolling window that has been rebuilt; nothing was committed."""

    def __init__(self, streams: Sequence[str], model_id: str):
        self.streams = tuple(streams)  #: cameras whose window must be rebuilt
        self.model_id = model_id
        super().__init__(
            f"the decisions for {', '.join(self.streams)} under model {model_id[:12]} come from "
            "a rolling window that has been rebuilt; open a new epoch and decide again"
        )


class InvalidCursor(StorageError):
    """A page cursor that this release did not create."""


class AmbiguousFrame(StorageError):
    """Several frame ids start with the given prefix."""


class ModelNotFound(StorageError):
    """No stored model has this id."""


class DamagedArtifact(StorageError):
    """A stored file is corrupted."""


class AccountExists(StorageError):
    """The account name is taken."""


class NoSuchAccount(StorageError):
    """No account has this name."""


class InvalidMessage(StorageError):
    """A job on the queue is not a valid message."""


class UnsafePath(StorageError):
    """A path that leaves the directory it belongs in."""
