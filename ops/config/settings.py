"""The settings: what can be configured, and which values are allowed.

`ops.config.loading` reads them from their sources and reports wrong ones; importing this module
reads nothing. A `Settings` is immutable. Most of its sections are the dataclasses that the other
packages use, so that each field, default and check is declared once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
)

from producer.config import WatchOptions
from storage.retention.policy import RetentionPolicy
from thermal.decode import DecodeOptions, MatrixUnit, Radiometry
from thermal.frame import LinearScale
from thermal.hotspots import HotspotRule
from thermal.threshold import WindowConfig
from worker.config import PicturePolicy, WorkerConfig

REDIS_SCHEMES = ("redis", "rediss", "unix")
DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres")


class Section(BaseModel):
    """A section of the settings. Unknown keys are errors, so that misspelt ones are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _split_paths(value: object) -> object:
    """Split ``a:b``, as in an environment variable, into a list."""
    return value.split(os.pathsep) if isinstance(value, str) else value


def _url_check(schemes: tuple[str, ...], value: SecretStr) -> SecretStr:
    scheme = urlsplit(value.get_secret_value()).scheme.partition("+")[0]
    if scheme not in schemes:
        raise ValueError(f"should begin with {', '.join(f'{s}://' for s in schemes)}")
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(lambda v: _url_check(REDIS_SCHEMES, v))]
DatabaseUrl = Annotated[SecretStr, AfterValidator(lambda v: _url_check(DATABASE_SCHEMES, v))]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_split_paths)]


class LimitSettings(Section):
    """Limits of file size, image size and upload time."""

    #: Largest file in bytes; larger ones are quarantined.
    max_bytes: int = Field(default=DecodeOptions.max_bytes, ge=1024)
    #: Largest image in pixels; larger ones are quarantined without decoding.
    max_pixels: int = Field(default=DecodeOptions.max_pixels, ge=1024)
    #: Seconds since a file was first seen for which it may still be uploading; until then an
    #: undecodable file is tried again.
    grace_s: float = Field(default=WorkerConfig.grace_s, ge=0)


class ServerSettings(Section):
    """The dashboard and HTTP API."""

    #: Address to listen on. For addresses other than loopback, accounts are required.
    host: str = "127.0.0.1"
    #: Port to listen on; 0 means any free one.
    port: int = Field(default=8080, ge=0, le=65535)
    #: Whether `up` starts the server. `serve` ignores this.
    enabled: bool = True


class CameraSettings(Section):
    """One camera. The table has its name, or ``*`` for all cameras without a table."""

    #: Directory of its frames, below a watch directory; default: the camera's name.
    path: str | None = None
    #: Converts counts to °C: `celsius = gain * counts + offset`.
    scale: LinearScale | None = DecodeOptions.scale
    #: Unit of the values in float TIFF and CSV files.
    matrix_unit: MatrixUnit = DecodeOptions.matrix_unit
    #: `ignore` reads vendor R-JPEG files as plain images.
    radiometry: Radiometry = DecodeOptions.radiometry
    #: What counts as a hotspot; default: by unit and bit depth.
    hotspot: HotspotRule | None = None


class Settings(Section):
    """All settings of one process."""

    #: Directories that cameras upload into.
    watch: Paths = ()
    #: Model bundle that is stored in the database and activated at start.
    model: Path | None = None
    #: State directory: embedded database and Redis, pictures, logs.
    data: Path | None = None
    #: URL of Redis, if not the embedded one.
    redis_url: RedisUrl | None = None
    #: URL of SQLite or Postgres, if not the database in the state directory.
    database_url: DatabaseUrl | None = None
    #: auto, cpu, cuda, cuda:N or mps; auto uses a GPU if there is one.
    device: str = Field(default=WorkerConfig.device, pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    #: Worker processes of `up`.
    workers: int = Field(default=1, ge=1, le=256)
    watching: WatchOptions = WatchOptions()
    threshold: WindowConfig = WindowConfig()
    pictures: PicturePolicy = PicturePolicy()
    retention: RetentionPolicy = RetentionPolicy()
    limits: LimitSettings = LimitSettings()
    server: ServerSettings = ServerSettings()
    cameras: dict[str, CameraSettings] = Field(default_factory=dict)

    @field_validator("cameras")
    @classmethod
    def _path_has_one_camera(cls, cameras: dict[str, CameraSettings]) -> dict[str, CameraSettings]:
        if "*" in cameras and cameras["*"].path is not None:
            raise ValueError("a path belongs to one camera, not to '*'")
        return cameras
