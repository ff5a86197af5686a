"""A pending frame with everything known about it before the decision."""

from __future__ import annotations

from dataclasses import dataclass

from storage.frames.ledger import LedgerFrame
from thermal.detection.detector import Scored
from thermal.frame import Frame
from thermal.hotspots import HotspotReport
from worker.capture_time import Capture


@dataclass(frozen=True, eq=False)
class InspectedFrame:
    """A pending frame whose file was read, scored and measured."""

    entry: LedgerFrame
    sha256: str  #: of the file, hexadecimal
    frame: Frame
    scored: Scored
    report: HotspotReport
    capture: Capture

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
        """Time of capture in Unix s."""
        return self.capture.at
