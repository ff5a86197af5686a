"""Results counted by day."""

from __future__ import annotations

from pydantic import Field

from ops.web.schemas.answer import Answer


class Day(Answer):
    day: str = Field(description="UTC day of arrival, YYYY-MM-DD.")
    camera: str
    frames: int
    anomalies: int
    max_score: float
    max_temperature: float
    temperature_unit: str
    saturated_frames: int = Field(
        description="Frames with pixels over the measuring range: then `max_temperature` only "
        "stands for them."
    )


class Summary(Answer):
    days: list[Day]
