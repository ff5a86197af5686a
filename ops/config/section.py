"""The base of all sections of the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the settings. Unknown keys are errors, so that misspelt ones are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
