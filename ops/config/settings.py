"""The settings: what can be configured, and which values are allowed.

`ops.config.loading` reads them from their sources and reports wrong ones; importing this module
reads nothing. A `Settings` is immutable. Most of its sections are the dataclasses that the other
packages use, so that each field, default and check is declared once.
"""

from __future__ import annotations

import os
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from ops.config.oidc_settings import OidcSettings
from ops.config.redis_client import check_url
from ops.config.section import Section
from producer.config import WatchOptions
from producer.layout import Choice
from storage.retention.policy import RetentionPolicy
from storage.sessions import SessionLimits
from thermal.decode import DecodeOptions, MatrixUnit, Radiometry
from thermal.decode.external import check_command
from thermal.detection.signature import PublicKey
from thermal.frame import LinearScale
from thermal.hotspots import HotspotRule
from thermal.measurement import MeasurementParameters
from thermal.sandbox import SandboxLimits
from thermal.threshold import WindowConfig
from worker.capture_time import CaptureClock, NamePattern, parse_zone
from worker.config import PicturePolicy, WorkerConfig

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres")


def _split_paths(value: object) -> object:
    """Split ``a:b``, as in an environment variable, into a list."""
    return value.split(os.pathsep) if isinstance(value, str) else value


def _split_keys(value: object) -> object:
    """Split keys between spaces, as in an environment variable, into a list."""
    return value.split() if isinstance(value, str) else value


def _redis_url(value: SecretStr) -> SecretStr:
    check_url(value.get_secret_value())
    return value


def _database_url(value: SecretStr) -> SecretStr:
    scheme = urlsplit(value.get_secret_value()).scheme.partition("+")[0]
    if scheme not in DATABASE_SCHEMES:
        raise ValueError(f"should begin with {', '.join(f'{s}://' for s in DATABASE_SCHEMES)}")
    return value


def _networks(value: object) -> object:
    """Split ``a,b``, as in an environment variable, and parse each address or network."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        return value  # pydantic says what is expected
    return tuple(map(_network, parts))


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(value.strip() if isinstance(value, str) else str(value))
    except ValueError as error:
        raise ValueError(
            f"should be IP addresses or networks such as 10.0.0.5 or 10.0.0.0/8: {error}"
        ) from None
    if not network.prefixlen:
        raise ValueError(f"{network} would believe every client; name your proxies")
    return network


RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_split_paths)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
Keys = Annotated[tuple[str, ...], BeforeValidator(_split_keys)]


class LimitSettings(Section):
    """Limits of file size, image size and upload time."""

    #: Largest file in bytes; larger ones are quarantined.
    max_bytes: int = Field(default=DecodeOptions.max_bytes, ge=1024)
    #: Largest image in pixels; larger ones are quarantined without decoding.
    max_pixels: int = Field(default=DecodeOptions.max_pixels, ge=1024)
    #: MiB of memory that decoding one file may take; files that need more are quarantined.
    decode_memory_mib: int = Field(default=SandboxLimits.memory_mib, ge=64)
    #: Seconds of CPU time that decoding one file may take; files that need more are quarantined.
    decode_cpu_s: float = Field(default=SandboxLimits.cpu_s, ge=0.1)
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
    #: Addresses or networks of reverse proxies. Only from these do X-Forwarded-For (address of the
    #: client) and X-Forwarded-Proto (scheme) count.
    trusted_proxies: Networks = ()
    #: Header in which such a proxy sends the name of the account that it has authenticated, such as
    #: X-Remote-User. The proxy must remove it from what clients send.
    user_header: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")
    #: Hours without a request or an open page after which a session ends.
    idle_hours: float = Field(default=12.0, ge=0.1, le=168.0)
    #: Hours after which a session ends even if it is used.
    session_hours: float = Field(default=168.0, ge=0.1, le=720.0)
    #: Seconds after which an image that waits to be scored counts as a backlog, of which every page
    #: warns.
    backlog_s: float = Field(default=120.0, ge=1.0)
    oidc: OidcSettings = OidcSettings()

    @model_validator(mode="after")
    def _header_has_a_proxy(self) -> ServerSettings:
        if self.user_header and not self.trusted_proxies:
            raise ValueError("user_header: needs trusted_proxies, from which alone it counts")
        return self

    def session_limits(self) -> SessionLimits:
        """When sessions end by themselves."""
        return SessionLimits(self.idle_hours * 3600.0, self.session_hours * 3600.0)


class ModelSettings(Section):
    """Which model bundles are accepted."""

    #: Public keys as `thermalwatch model keygen` prints them; with any, only bundles that one of
    #: them has signed are loaded from files.
    trusted_keys: Keys = ()

    @field_validator("trusted_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            try:
                PublicKey.parse(key)
            except ValueError:
                raise ValueError(
                    f"{key!r} is no public key; `thermalwatch model keygen` prints one"
                ) from None
        return keys

    @property
    def trusted(self) -> tuple[PublicKey, ...]:
        """The keys, ready to check signatures."""
        return tuple(map(PublicKey.parse, self.trusted_keys))


class CameraSettings(Section):
    """One camera. The table has its name, or ``*`` for all cameras without a table."""

    #: Directory of its frames, below a watch directory; default: the camera's name.
    path: str | None = None
    #: What the camera stands under on the wall, such as `Hall 2`.
    group: str | None = Field(default=None, min_length=1, max_length=80)
    #: Patterns as in .gitignore, relative to the watch directory; only matching files are images.
    include: tuple[str, ...] = ()
    #: Patterns of files that are no images of this camera, such as visual pictures beside thermal.
    exclude: tuple[str, ...] = ()
    #: Converts counts to °C: `celsius = gain * counts + offset`. Files that it cannot apply to are
    #: quarantined; under `*` they are read without it.
    scale: LinearScale | None = DecodeOptions.scale
    #: Unit of the values in float TIFF and CSV files; default: the one that the file names, else
    #: `celsius`. With `counts`, `scale` applies to them; needed where a scale is declared.
    matrix_unit: MatrixUnit | None = DecodeOptions.matrix_unit
    #: Emissivity of what the camera sees, above 0 to 1. This and the next parameters replace those
    #: in radiometric files.
    emissivity: float | None = None
    #: Reflected apparent temperature in °C.
    reflected_c: float | None = None
    #: Distance to the object in m.
    distance_m: float | None = None
    #: Relative humidity of the air, 0 to 1.
    humidity: float | None = None
    #: Temperature of the air in °C.
    atmosphere_c: float | None = None
    #: Transmission of a window before the camera, above 0 to 1.
    window_transmission: float | None = None
    #: Temperature of that window in °C.
    window_c: float | None = None
    #: Emissivity that the camera itself was set to, for files that hold °C without saying so; they
    #: are corrected to `emissivity`, with `reflected_c`.
    camera_emissivity: float | None = None
    #: Images with a larger share of unusable pixels (dead or without data) are quarantined.
    max_unusable_share: float = Field(default=DecodeOptions.max_unusable_share, ge=0, le=1)
    #: `ignore` reads vendor R-JPEG files as plain images.
    radiometry: Radiometry = DecodeOptions.radiometry
    #: Program and arguments that measure JPEG files whose thermal data are not read here, such as
    #: those of DJI. `{input}` and `{output}` stand for the paths of the file and of the raw values.
    decoder: tuple[str, ...] = DecodeOptions.decoder
    #: Time zone of the camera's clock, such as Europe/Berlin or +01:00, for times without a zone in
    #: its files and their names; without this setting they are ignored.
    timezone: str | None = None
    #: Where a file's name states its time, such as `%Y%m%d_%H%M%S`, or `%Y-%m-%d/%H%M%S` with the
    #: directory. Directives as in strftime, and `%s` for Unix seconds.
    time_in_name: str | None = None
    #: What counts as a hotspot; default: by unit and bit depth.
    hotspot: HotspotRule | None = None

    @model_validator(mode="after")
    def _patterns_can_be_read(self) -> CameraSettings:
        self.choice()
        return self

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            parse_zone(zone)
        return zone

    @field_validator("time_in_name")
    @classmethod
    def _gives_a_time(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            NamePattern(pattern)
        return pattern

    @field_validator("decoder")
    @classmethod
    def _decoder_has_paths(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if command:
            check_command(command)
        return command

    def clock(self) -> CaptureClock:
        """How the camera's times are read."""
        return CaptureClock(
            zone=None if self.timezone is None else parse_zone(self.timezone),
            name=None if self.time_in_name is None else NamePattern(self.time_in_name),
        )

    @model_validator(mode="after")
    def _parameters_are_possible(self) -> CameraSettings:
        self.parameters()
        return self

    def parameters(self) -> MeasurementParameters:
        """The declared parameters of the measurement."""
        names = (each.name for each in fields(MeasurementParameters))
        return MeasurementParameters(**{name: getattr(self, name) for name in names})

    def choice(self) -> Choice:
        """Which of the camera's files are its images."""
        return Choice(self.include, self.exclude)


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
    models: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    cameras: dict[str, CameraSettings] = Field(default_factory=dict)

    def camera(self, name: str) -> CameraSettings:
        """The settings of a camera, whether it has a table of its own or not."""
        return self.cameras.get(name) or self.cameras.get("*") or CameraSettings()

    @field_validator("cameras")
    @classmethod
    def _path_has_one_camera(cls, cameras: dict[str, CameraSettings]) -> dict[str, CameraSettings]:
        if "*" in cameras and cameras["*"].path is not None:
            raise ValueError("a path belongs to one camera, not to '*'")
        return cameras
