"""Hides the passwords in URLs: the one redaction for messages, logs and every other output."""

from __future__ import annotations

import re
from typing import Final

#: ``scheme://user:`` and what follows up to the last ``@``. Drivers differ in what they allow in a
#: password that is not percent-encoded; whatever one of them may take for it is hidden.
_ACCOUNT: Final = re.compile(r"^([A-Za-z][\w+.-]*://[^:@/?#]*):.*@", re.DOTALL)
#: Parameters that hold secrets: ``password``, ``sslpassword``, ``sentinel_password``, ``token`` …
_PARAMETER: Final = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)
_URL: Final = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")


def redact(url: str) -> str:
    """`url` with its passwords replaced by ``***``.

    >>> redact("postgresql://tw:p#1@db/plant?sslpassword=2")
    'postgresql://tw:***@db/plant?sslpassword=***'
    """
    return _PARAMETER.sub(r"\1***", _ACCOUNT.sub(r"\1:***@", url))


def redact_urls(text: str) -> str:
    """`text` with the passwords of all URLs in it replaced by ``***``."""
    return _URL.sub(lambda found: redact(found[0]), text)
