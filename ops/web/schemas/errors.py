"""Error responses."""

from __future__ import annotations

from ops.web.schemas.answer import Answer


class Problem(Answer):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
