"""A finding of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The finding about one subject. `remedy` says what to do; it is None if all is well."""

    name: str
    finding: str
    remedy: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be done."""
        return self.remedy is None
