"""Who types the commands, for the audit log."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.audit_log import Actor


def operator() -> Actor:
    """The user of the operating system; their number if they have no name, as in containers."""
    from storage.audit_log import Actor

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return Actor(name, "command")
