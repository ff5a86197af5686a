"""The settings: what can be configured, and what each value must be.

Where values come from and how a wrong one is reported is in `ops.config.loading`. Nothing
here is read at import; a `Settings` is an immutable value that `ops.config.wiring` turns into the
plain dataclasses of the other packages.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

REDIS_SCHEMES = ("redis", "rediss", "unix")
DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres")

#: Bytes of an upload that are looked at when nothing else is configured.
MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000


class Section(BaseModel):
    """Unknown keys are errors: a misspelt setting must not be a setting that is not applied."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _split_paths(value: object) -> object:
    """`a:b` from an environment variable is the list ``[a, b]``."""
    return value.split(os.pathsep) if isinstance(value, str) else value


def _url_check(schemes: tuple[str, ...], value: SecretStr) -> SecretStr:
    scheme = urlsplit(value.get_secret_value()).scheme.partition("+")[0]
    if scheme not in schemes:
        raise ValueError(f"should begin with {', '.join(f'{s}://' for s in schemes)}")
    return value


def redact(url: str) -> str:
    """`url` with its passwords replaced, fit for logs and messages."""
    try:
        parts = urlsplit(url)
        if parts.password is not None:
            host = parts.netloc.rpartition("@")[2]
            url = url.replace(parts.netloc, f"{parts.username or ''}:***@{host}", 1)
    except ValueError:  # not a URL at all; it may still hold a secret
        return "***"
    return re.sub(r"([?&]password=)[^&]*", r"\1***", url)


RedisUrl = Annotated[SecretStr, AfterValidator(lambda v: _url_check(REDIS_SCHEMES, v))]
DatabaseUrl = Annotated[SecretStr, AfterValidator(lambda v: _url_check(DATABASE_SCHEMES, v))]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_split_paths)]


class WatchSettings(Section):
    """How the watch directories are observed and frames are grouped into jobs."""

    #: `auto` takes inotify where the file system reports changes, else polling.
    observer: Literal["auto", "inotify", "polling"] = "auto"
    #: Seconds that size and mtime must stand still where the end of an upload is not reported.
    settle_s: float = Field(default=2.0, gt=0, le=3600)
    #: Seconds between comparisons of the whole directory with the ledger.
    scan_s: float = Field(default=300.0, ge=1)
    #: Frames in one job at most.
    max_batch: int = Field(default=256, ge=1, le=1024)
    #: Milliseconds that a frame may wait for others to share its job.
    max_delay_ms: float = Field(default=20.0, ge=0, le=60_000)


class ThresholdSettings(Section):
    """The rolling threshold of every camera."""

    #: Unflagged scores that the window holds.
    window_size: int = Field(default=2000, ge=50, le=1_000_000)
    #: Percentile of normal scores that the threshold stands for: 99.5 is one false alarm in 200.
    percentile: float = Field(default=99.5, gt=50, lt=100)
    #: Percentile at which the window's body is measured; below `percentile`.
    body_percentile: float = Field(default=75.0, gt=0, lt=100)
    #: Largest relative move of the threshold over one window.
    max_step: float = Field(default=0.10, gt=0, le=10)
    #: First frames of a camera that the model has not seen; they set its level.
    learn_frames: int = Field(default=200, ge=1)

    @model_validator(mode="after")
    def _fits_together(self) -> ThresholdSettings:
        if self.body_percentile >= self.percentile:
            raise ValueError(
                f"body_percentile ({self.body_percentile}) should be below "
                f"percentile ({self.percentile})"
            )
        if self.learn_frames > self.window_size:
            raise ValueError(
                f"learn_frames ({self.learn_frames}) should be at most "
                f"window_size ({self.window_size})"
            )
        return self


class PictureSettings(Section):
    """Which frames keep their pictures."""

    #: `none` keeps numbers only.
    keep: Literal["anomalies", "all", "none"] = "anomalies"
    #: Share of normal frames that keep theirs beside the anomalies, 0…1.
    normal_share: float = Field(default=0.0, ge=0, le=1)


class RetentionSettings(Section):
    """Days after scoring for which things are kept; what is not given is kept for ever."""

    #: Results that are no anomalies, with their pictures.
    normal_days: float | None = Field(default=None, gt=0)
    #: Anomalies, with their pictures.
    anomaly_days: float | None = Field(default=None, gt=0)
    #: Pictures of results that are no anomalies.
    picture_days: float | None = Field(default=None, gt=0)
    #: Pictures of anomalies.
    anomaly_picture_days: float | None = Field(default=None, gt=0)
    #: Quarantined and superseded frames.
    quarantine_days: float | None = Field(default=None, gt=0)

    @property
    def configured(self) -> bool:
        """Whether anything is ever deleted."""
        return any(value is not None for value in self.model_dump().values())


class LimitSettings(Section):
    """What is too large, and how long an unreadable file may still be an upload in progress."""

    max_bytes: int = Field(default=MAX_BYTES, ge=1024)
    max_pixels: int = Field(default=MAX_PIXELS, ge=1024)
    #: Seconds since its last change within which an unreadable file is tried again.
    grace_s: float = Field(default=30.0, ge=0)


class ServerSettings(Section):
    """The dashboard and HTTP API."""

    #: Beyond loopback it starts only when there are accounts.
    host: str = "127.0.0.1"
    #: 0 takes any free one.
    port: int = Field(default=8080, ge=0, le=65535)
    #: Whether `up` starts it; `serve` does in any case.
    enabled: bool = True


class ScaleSettings(Section):
    """Declared radiometry: ``celsius = gain * counts + offset``."""

    gain: float = Field(gt=0)
    offset: float


class HotspotSettings(Section):
    """What counts as a hotspot."""

    method: Literal["absolute", "delta", "robust", "percentile", "otsu"]
    #: In the frame's unit; σ for `robust`, percent for `percentile`; not given for `otsu`.
    value: float | None = None
    #: What `delta` is measured from.
    reference: Literal["median", "mean"] = "median"
    min_area_px: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _value_fits_method(self) -> HotspotSettings:
        if (self.value is None) != (self.method == "otsu"):
            need = "takes no value" if self.method == "otsu" else "needs a value"
            raise ValueError(f"method '{self.method}' {need}")
        if self.method == "percentile" and not 0 <= (self.value or 0) <= 100:
            raise ValueError(f"a percentile should lie between 0 and 100, given {self.value}")
        return self


class CameraSettings(Section):
    """One camera; the table's name is the camera's, or ``*`` for all that have no table."""

    #: Directory below a watch root that holds its frames; the camera's name when not given.
    path: str | None = None
    scale: ScaleSettings | None = None
    #: What float TIFF and CSV files hold.
    matrix_unit: Literal["celsius", "kelvin"] = "celsius"
    #: `ignore` reads vendor R-JPEG files as plain pictures.
    radiometry: Literal["auto", "ignore"] = "auto"
    hotspot: HotspotSettings | None = None


class Settings(Section):
    """All settings of one process."""

    #: Directories that cameras upload into.
    watch: Paths = ()
    #: Model bundle that is registered and made active at start.
    model: Path | None = None
    #: State directory of the embedded default: database, pictures, queue, logs.
    data: Path | None = None
    redis_url: RedisUrl | None = None
    database_url: DatabaseUrl | None = None
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    workers: int = Field(default=1, ge=1, le=256)
    watching: WatchSettings = WatchSettings()
    threshold: ThresholdSettings = ThresholdSettings()
    pictures: PictureSettings = PictureSettings()
    retention: RetentionSettings = RetentionSettings()
    limits: LimitSettings = LimitSettings()
    server: ServerSettings = ServerSettings()
    cameras: dict[str, CameraSettings] = Field(default_factory=dict)

    @field_validator("cameras")
    @classmethod
    def _path_has_one_camera(cls, cameras: dict[str, CameraSettings]) -> dict[str, CameraSettings]:
        if "*" in cameras and cameras["*"].path is not None:
            raise ValueError("a path belongs to one camera, not to '*'")
        return cameras
