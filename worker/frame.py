"""A pending frame with everything known about it before the decision."""

from __future__ import annotations

from dataclasses import dataclass

from storage.frames.ledger import LedgerFrame
from thermal.detection.detector import Scored
from thermal.frame import Frame
from thermal.hotspots import HotspotReport


@dataclass(frozen=True, eq=False)
class InspectedFrame:
    """A pending frame whose file was read, scored and measured."""

    entry: LedgerFrame
    sha256: str  #: of the file, hexadecimal
    frame: Frame
    scored: Scored
    report: HotspotReport

    @property
    def id(self) -> str:
        """The frame's id in the ledger."""
        return self.entry.id

    @property
    def camera(self) -> str:
        """The camera that the frame came from."""
        return self.entry.camera

    @property
    def captured_at(self) -> float:
        """Unix s: the time in the file if it has a time zone, else the file's mtime."""
        stated = self.frame.captured_at
        if stated is not None and stated.tzinfo is not None:
            return stated.timestamp()
        return self.entry.mtime_ns / 1e9
