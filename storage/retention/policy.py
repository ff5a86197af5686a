"""How long results, pictures and quarantined frames are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class RetentionPolicy:
    """How many days each thing is kept, counted from scoring. None means forever.

    Raises:
        ValueError: an age is not positive, or anomalies would be kept shorter than other results.
            The message begins with the name of the field.
    """

    #: Normal results, with their pictures.
    normal_days: float | None = None
    #: Anomalies, with their pictures.
    anomaly_days: float | None = None
    #: Pictures of normal results.
    picture_days: float | None = None
    #: Pictures of anomalies.
    anomaly_picture_days: float | None = None
    #: Quarantined, superseded and duplicate frames.
    quarantine_days: float | None = None
    #: Entries of the audit log, which the server deletes by itself.
    audit_log_days: float = 365.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ValueError(f"{field.name}: should be more than 0 days, given {value:g}")
        for normal, anomaly in (
            ("normal_days", "anomaly_days"),
            ("picture_days", "anomaly_picture_days"),
        ):
            shorter, longer = getattr(self, normal), getattr(self, anomaly)
            if longer is not None and (shorter is None or longer < shorter):
                raise ValueError(
                    f"{anomaly}: should be at least {normal} "
                    f"({'forever' if shorter is None else format(shorter, 'g')}), because "
                    f"anomalies are kept longer, given {longer:g}"
                )

    @property
    def deletes(self) -> bool:
        """Whether this policy deletes anything but entries of the audit log."""
        names = (field.name for field in fields(self) if field.name != "audit_log_days")
        return any(getattr(self, name) is not None for name in names)

    def rows_before(self, now: float, *, anomaly: bool) -> float | None:
        """Results scored before this are deleted; Unix s, None if none are."""
        days = self.anomaly_days if anomaly else self.normal_days
        return None if days is None else now - days * _DAY_S

    def pictures_before(self, now: float, *, anomaly: bool) -> float | None:
        """Pictures scored before this are deleted, even if their result must stay; Unix s."""
        given = (
            (self.anomaly_picture_days, self.anomaly_days)
            if anomaly
            else (self.picture_days, self.normal_days)
        )
        ages = [days for days in given if days is not None]
        return now - min(ages) * _DAY_S if ages else None

    def quarantined_before(self, now: float) -> float:
        """Quarantined, superseded and duplicate frames finished before this are deleted; Unix s."""
        return -math.inf if self.quarantine_days is None else now - self.quarantine_days * _DAY_S
