"""What an API token looks like, and how long it is valid."""

from __future__ import annotations

import secrets
from typing import Final

#: Begins every token; scanners for leaked secrets recognize it.
PREFIX: Final = "tw_"
#: Days for which a token is valid, usually and at most.
USUAL_DAYS: Final = 90
MOST_DAYS: Final = 365
#: Longest name, in characters.
LONGEST_NAME: Final = 100
DAY_S: Final = 86_400.0


def new_token() -> str:
    """A token that nobody can guess: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)
