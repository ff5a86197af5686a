"""Where an upload over HTTP goes: into the watch directory, as if a camera had put it there.

It is written under a name that the producer ignores and linked to its own name when it is
complete. So there is one path for all images, with all its guarantees.
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

#: Suffix of a file by what its type says, where the upload has no name.
SUFFIXES: Final = {format.media_type: format.suffixes[0] for format in FORMATS}
#: Bytes of a file name that any file system takes.
LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class Place:
    """Where an upload goes."""

    root: Path
    directory: str  #: relative to the root; '' is the root
    name: str

    @property
    def path(self) -> str:
        """Relative to the root."""
        return f"{self.directory}/{self.name}" if self.directory else self.name


def find_place(
    settings: Settings, camera: str, name: str | None, media_type: str, now: float
) -> Place:
    """Where an image of a camera goes; raises `Problem` for what cannot be one."""
    if not settings.watch:
        raise Problem(
            HTTPStatus.CONFLICT, "no watch directory is configured on this machine (`watch`)"
        )
    root = settings.watch[0].absolute()
    if not root.is_dir():
        raise Problem(HTTPStatus.CONFLICT, f"the watch directory {root} is not there")
    return Place(root, _directory(settings, root, camera), _name(name, media_type, now))


def _directory(settings: Settings, root: Path, camera: str) -> str:
    configured = settings.cameras.get(camera)
    directory = configured.path if configured and configured.path is not None else camera
    if directory == camera and (_is_odd(camera) or is_ignored(camera)):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "camera: not a name of a folder")
    # `resolve` follows links, which the producer does not: such a folder would not be watched
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
                f"say what it is: Content-Type {', '.join(SUFFIXES)}, or `name` with its ending",
            )
        moment = datetime.fromtimestamp(now, UTC)
        return f"{moment:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}{suffix}"
    if _is_odd(name):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name: not a plain file name")
    if not is_frame_name(name):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{name}: not an image by its ending")
    return name


def _is_odd(name: str) -> bool:
    """Whether a name is none of a single file or folder, or one that some system refuses."""
    return (
        name in ("", ".", "..")
        or any(char in "/\\" or not char.isprintable() for char in name)
        or len(name.encode("utf-8", "replace")) > LONGEST_NAME
    )


@contextmanager
def temporary_file(place: Place) -> Iterator[Path]:
    """A name beside the place that the producer ignores; what is left there is deleted."""
    directory = place.root / place.directory
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{secrets.token_hex(8)}.uploading"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(settings: Settings, camera: str, temporary: Path, place: Place) -> int:
    """Give a complete upload its name; its size in bytes.

    Raises:
        Problem: it is no image that the camera's frames are read as, or the name is taken.
        OSError: as the operating system says.
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
        os.link(temporary, target)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"{place.path} is there already; give another name, or none to get one",
        ) from None
    return len(data)
