"""Results. Their fields and descriptions come from `ResultRow`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, create_model

from ops.web.schemas.answer import Answer
from ops.web.schemas.reviews import Review
from storage.db.result_fields import Field as ResultField
from storage.db.result_fields import fields_in

PictureName = Literal["original", "reconstruction", "heatmap", "overlay", "sheet"]
#: unreviewed: anomalies without a verdict.
ReviewState = Literal["unreviewed", "confirmed", "false_alarm"]


class Hotspot(BaseModel):
    """A stored hotspot. Later versions may add fields."""

    model_config = {"extra": "allow"}

    area_px: int = 0


#: Fields whose type in the API differs from the row's.
_TYPES: Final[dict[str, Any]] = {"id": int, "reasons": list[str], "hotspots": list[Hotspot]}


def _answer_with(fields: Iterable[ResultField]) -> type[Answer]:
    """A response model with these fields of a result."""
    described: dict[str, Any] = {
        field.name: (
            _TYPES.get(field.name, field.annotation),
            Field(description=field.meaning + (f" ({field.unit})" if field.unit else "")),
        )
        for field in fields
    }
    return create_model("Fields", __base__=Answer, **described)


_LISTED: Final = fields_in("list")
_OF_ONE: Final = tuple(field for field in fields_in("detail") if field not in _LISTED)


class Display(Answer):
    """The ends of a colour scale, in `temperature_unit`. Values beyond have the end's colour."""

    low: float
    high: float


class Result(_answer_with(_LISTED), Answer):  # type: ignore[misc]  # fields are made at run time
    """One scored frame. Instants are Unix seconds."""

    pictures: dict[PictureName, str] = Field(description="URLs of the stored pictures.")
    display: Display | None = Field(
        description="Colour scale of its pictures, the same for all results of a model, unit and "
        "bit depth; null if the model is no longer stored."
    )
    has_values: bool = Field(description="Whether measured values and anomaly map are stored.")
    version: int = Field(
        description="Id of its latest review, 0 without any; to send back with a verdict."
    )


class ResultDetail(Result, _answer_with(_OF_ONE)):  # type: ignore[misc]
    """One scored frame with all its fields and reviews."""

    reviews: list[Review] = Field(description="All verdicts, latest first.")


class ResultPage(Answer):
    """One page of results."""

    results: list[Result]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class Values(Answer):
    """A matrix, row by row. As ``application/octet-stream`` it is little-endian float32."""

    result_id: int
    width: int
    height: int
    step: int = Field(description="Each value is the highest of step x step; 1: all values.")
    unit: str = Field(description="celsius, counts or sigma.")
    source: Literal["stored", "file"] = Field(
        description="Stored with the result, or read again from the watched file."
    )
    values: list[list[float]]
