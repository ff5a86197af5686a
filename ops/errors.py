"""Errors of the command and of the processes it starts.

::

    OpsError
    ├── SettingsError       a setting is wrong, unknown or missing; names where it was set
    ├── StateError          the state directory cannot be used (in use, not writable, not ours)
    ├── EmbeddedRedisError  the embedded Redis does not start or does not answer
    ├── ServerError         the server cannot listen where it should
    ├── ChildError          a child process never became ready
    └── DemoError           the demo cannot run, or did not come to its end
"""


class OpsError(Exception):
    """Root of all errors that `ops` raises on purpose; the message says what to do."""


class SettingsError(OpsError):
    """A setting is wrong, unknown or missing."""


class StateError(OpsError):
    """The state directory cannot be used."""


class EmbeddedRedisError(OpsError):
    """The embedded Redis does not start, or does not answer."""


class ServerError(OpsError):
    """The server cannot listen where it should."""


class ChildError(OpsError):
    """A child process never became ready."""


class DemoError(OpsError):
    """The demo cannot run, or did not come to its end."""
