"""What all answers of the API have in common."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel


class Answer(BaseModel):
    """An answer; a value that its model does not declare is an error, never dropped."""

    model_config = {"extra": "forbid"}

    @classmethod
    def of(cls, value: object, **more: Any) -> Self:
        """The answer with the attributes of `value` that it declares, and `more`."""
        read = {name: getattr(value, name) for name in cls.model_fields if name not in more}
        return cls(**(read | more))
