"""Settings of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from thermal.decode import DecodeOptions
from thermal.hotspots import HotspotRule
from thermal.sandbox import SandboxLimits
from thermal.threshold import WindowConfig
from worker.capture_time import CaptureClock

PicturesKept = Literal["anomalies", "all", "none"]


@dataclass(frozen=True)
class PicturePolicy:
    """Scored frames whose pictures are stored.

    Raises:
        ValueError: `normal_share` is not between 0 and 1.
    """

    #: Scored frames whose pictures are stored; `none` stores only numbers.
    keep: PicturesKept = "anomalies"
    #: Share of normal frames, 0 to 1, whose pictures are stored too.
    normal_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.normal_share <= 1:
            raise ValueError(f"normal_share: should lie between 0 and 1, given {self.normal_share}")


@dataclass(frozen=True)
class CameraConfig:
    """How one camera's images are read and measured."""

    decode: DecodeOptions = field(default_factory=DecodeOptions)
    #: None means the default rule for the frame's unit and bit depth.
    hotspot: HotspotRule | None = None
    #: How times in files and names are read.
    clock: CaptureClock = field(default_factory=CaptureClock)


@dataclass(frozen=True)
class WorkerConfig:
    """The settings of one worker."""

    #: Name of this worker on the rows it writes and in `status`.
    name: str
    #: Settings of cameras that have their own, by camera name.
    cameras: Mapping[str, CameraConfig] = field(default_factory=dict)
    #: Settings of all other cameras.
    default_camera: CameraConfig = field(default_factory=CameraConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    pictures: PicturePolicy = field(default_factory=PicturePolicy)
    #: Seconds for which an undecodable file may still be an upload in progress.
    grace_s: float = 30.0
    #: What one file may take while it is decoded.
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)
    #: Threads that read, decode, score and measure images, each on one core.
    threads: int = 2
    device: str = "auto"

    def camera(self, name: str) -> CameraConfig:
        """The settings of the camera with this name."""
        return self.cameras.get(name, self.default_camera)
