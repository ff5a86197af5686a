"""Puts uploads over HTTP into the watch directory, as if a camera had written them there.

An upload is written under a temporary name that the producer ignores, and linked to its final name
once complete. So all images take the same path, with the same guarantees.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.config.wiring import camera_config
from ops.web.problems import Problem
from producer.naming import WatchRoot, is_frame_name, is_ignored
from thermal.decode import FORMATS
from thermal.errors import ImageTooLarge, ThermalError

if TYPE_CHECKING:
    from ops.config.settings import Settings

#: File suffix by media type, for uploads without a name.
SUFFIXES: Final = {format.media_type: format.suffixes[0] for format in FORMATS}
#: Longest file name in bytes; every file system accepts it.
LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class Place:
    """The destination of an upload."""

    root: Path
    directory: str  #: relative to `root`; '' means `root` itself
    name: str

    @property
    def path(self) -> str:
        """Path relative to `root`."""
        return f"{self.directory}/{self.name}" if self.directory else self.name


def find_place(
    settings: Settings, camera: str, name: str | None, media_type: str, now: float
) -> Place:
    """The destination of an image of `camera`. Without `name`, one is made from `now` (Unix s).

    Raises:
        Problem: no watch directory (409), a camera or name that is not allowed (409, 422), or a
            type that is not an image (415).
    """
    if not settings.watch:
        raise Problem(
            HTTPStatus.CONFLICT, "no watch directory is configured on this machine (`watch`)"
        )
    root = settings.watch[0].absolute()
    if not root.is_dir():
        raise Problem(HTTPStatus.CONFLICT, f"the watch directory {root} does not exist")
    return Place(root, _directory(settings, root, camera), _name(name, media_type, now))


def _directory(settings: Settings, root: Path, camera: str) -> str:
    configured = settings.cameras.get(camera)
    directory = configured.path if configured and configured.path is not None else camera
    if directory == camera and (_is_odd(camera) or is_ignored(camera)):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "camera: not a valid folder name")
    # the producer does not follow links, so it would not see a file in a linked folder
    place = (root / directory).resolve()
    if not place.is_relative_to(root.resolve()) or place != root.resolve() / directory:
        raise Problem(
            HTTPStatus.CONFLICT, f"the folder of camera {camera!r} lies outside {root} or is a link"
        )
    relative = os.path.relpath(place, root.resolve())
    relative = "" if relative == "." else relative
    cameras = {n: Path(c.path) for n, c in settings.cameras.items() if c.path is not None}
    if WatchRoot.at(root, cameras).camera_of(relative) != camera:
        raise Problem(HTTPStatus.CONFLICT, f"images in {relative or root} belong to another camera")
    return relative


def _name(name: str | None, media_type: str, now: float) -> str:
    if name is None:
        suffix = SUFFIXES.get(media_type)
        if suffix is None:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"unknown type: send Content-Type {', '.join(SUFFIXES)}, or `name` with a suffix",
            )
        moment = datetime.fromtimestamp(now, UTC)
        return f"{moment:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}{suffix}"
    if _is_odd(name):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name: not a valid file name")
    if not is_frame_name(name):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{name}: not the suffix of an image file")
    return name


def _is_odd(name: str) -> bool:
    """Whether `name` is not a plain file or folder name, or one that some systems reject."""
    return (
        name in ("", ".", "..")
        or any(char in "/\\" or not char.isprintable() for char in name)
        or len(name.encode("utf-8", "replace")) > LONGEST_NAME
    )


@contextmanager
def temporary_file(place: Place) -> Iterator[Path]:
    """A path in the destination folder that the producer ignores; deleted at the end."""
    directory = place.root / place.directory
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{secrets.token_hex(8)}.uploading"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(settings: Settings, camera: str, temporary: Path, place: Place) -> int:
    """Link a complete upload to its final name; return its size in bytes.

    Raises:
        Problem: it is too large (413), cannot be decoded with the camera's settings (422), or the
            name exists (409).
        OSError: the file system rejects it.
    """
    from thermal.decode import decode

    data = temporary.read_bytes()
    try:
        options = camera_config(settings, camera).decode
        decode(data, suffix=Path(place.name).suffix, options=options)
    except ImageTooLarge as error:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except ThermalError as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"not an image that can be read: {error}"
        ) from error
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    target = temporary.with_name(place.name)
    try:
        os.link(temporary, target)  # unlike rename, never replaces a file
    except FileExistsError:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"{place.path} exists already; give another name, or none to have one made",
        ) from None
    return len(data)
