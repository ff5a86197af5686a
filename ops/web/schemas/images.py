"""Uploaded images."""

from __future__ import annotations

from pydantic import Field

from ops.web.schemas.answer import Answer


class Uploaded(Answer):
    camera: str
    path: str = Field(description="Relative to the watch directory.")
    size: int
