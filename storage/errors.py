"""Errors of `storage`.

::

    StorageError
    ├── DatabaseUnavailable    the database cannot be reached or does not work now; try again later
    ├── RefusedByDatabase      the database works, but refuses a value
    ├── UnsupportedDatabase    the database URL is invalid or names another kind of database
    ├── SchemaError            the tables are missing, or of a newer release or another program
    ├── StaleEpoch             a decision from a rolling window that has been rebuilt since
    ├── RepeatedContent        content that another worker has just given an outcome
    ├── InvalidCursor          a page cursor that this release did not create
    ├── AmbiguousFrame         a prefix that several frame ids share
    ├── ExportTooLarge         an exported file would be larger than allowed
    ├── ModelNotFound          no stored model has this id
    ├── DamagedArtifact        a stored file is corrupted
    ├── AccountExists          the account name is taken
    ├── NoSuchAccount          no account has this name
    ├── NoSuchLogin            no session or token has this id
    ├── ScopeAboveRole         a token that would allow more than the role of its account
    ├── InvalidMessage         a job on the queue is not a valid message
    └── UnsafePath             a path that leaves its root
"""

from __future__ import annotations

from collections.abc import Sequence


class StorageError(Exception):
    """Root of the errors that `storage` raises on purpose."""


class DatabaseUnavailable(StorageError):
    """The database cannot be reached or does not work now: down, locked, full or damaged."""


class RefusedByDatabase(StorageError):
    """The database works, but refuses a value; nothing was written."""


class UnsupportedDatabase(StorageError):
    """The database URL is invalid, or names a kind or an encoding that is not supported."""


class SchemaError(StorageError):
    """The tables are missing, or were created by a newer release or another program."""


class StaleEpoch(StorageError):
    """The decisions come from a rolling window that has been rebuilt; nothing was committed."""

    def __init__(self, streams: Sequence[str], model_id: str):
        self.streams = tuple(streams)  #: cameras whose window must be rebuilt
        self.model_id = model_id
        super().__init__(
            f"the decisions for {', '.join(self.streams)} under model {model_id[:12]} come from "
            "a rolling window that has been rebuilt; open a new epoch and decide again"
        )


class RepeatedContent(StorageError):
    """Another worker has just given a frame with the same content its outcome."""

    def __init__(self) -> None:
        super().__init__("the content of a frame was given its outcome by another worker")


class InvalidCursor(StorageError):
    """A page cursor that this release did not create."""


class ExportTooLarge(StorageError):
    """An exported file would be larger than allowed."""


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


class NoSuchLogin(StorageError):
    """No session or token has this id; it may have ended."""


class ScopeAboveRole(StorageError):
    """The token would allow more than the role of its account."""


class InvalidMessage(StorageError):
    """A job on the queue is not a valid message."""


class UnsafePath(StorageError):
    """A path that leaves the directory it belongs in."""
