"""The base of all response bodies."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel


class Answer(BaseModel):
    """A response body. A value that it does not declare is an error, and never dropped."""

    model_config = {"extra": "forbid"}

    @classmethod
    def of(cls, value: object, **more: Any) -> Self:
        """The response with the attributes of `value` that it declares, and `more`."""
        read = {name: getattr(value, name) for name in cls.model_fields if name not in more}
        return cls(**(read | more))
