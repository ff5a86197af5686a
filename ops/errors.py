"""Errors of the command and of the processes it starts.

::

    OpsError
    ├── SettingsError       a setting is wrong, unknown or missing; the message names its source
    ├── StateError          the state directory is in use, not writable, or another user's
    ├── EmbeddedRedisError  the embedded Redis does not start, answer or end
    ├── WeakPassword        a password that is too short, too long or easy to guess
    ├── OidcError           a login with the OpenID provider failed
    ├── ServerError         the server cannot listen on its address
    ├── ChildError          a child process did not become ready in time
    └── DemoError           the demo cannot run, or did not finish
"""


class OpsError(Exception):
    """Base of all errors that `ops` raises on purpose. The message says what to do."""


class SettingsError(OpsError):
    """A setting is wrong, unknown or missing."""


class StateError(OpsError):
    """The state directory cannot be used."""


class EmbeddedRedisError(OpsError):
    """The embedded Redis does not start, answer or end."""


class WeakPassword(OpsError):
    """A password that is too short, too long or easy to guess. The message never contains it."""


class OidcError(OpsError):
    """A login with the OpenID provider failed. The message holds nothing secret."""


class ServerError(OpsError):
    """The server cannot listen on its address."""


class ChildError(OpsError):
    """A child process did not become ready in time."""


class DemoError(OpsError):
    """The demo cannot run, or did not finish."""
