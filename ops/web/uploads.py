"""Puts uploads over HTTP into the watch directory, as if a camera had written them there.

An upload is written under a temporary name that the producer ignores, and linked to its final name
once complete. So all images take the same path, with the same guarantees.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.config.wiring import camera_config, producer_config
from ops.web.problems import Problem
from producer.ignored import directory_ignored, file_ignored
from storage.files.directories import directory_beneath
from storage.files.paths import OutsideRoot
from thermal.decode import FORMATS
from thermal.errors import DecodeError, ImageTooLarge
from thermal.sandbox import EncodedImage

if TYPE_CHECKING:
    from ops.config.settings import Settings
    from producer.naming import WatchRoot
    from thermal.sandbox import Sandbox

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
    directory = settings.watch[0].absolute()
    if not directory.is_dir():
        raise Problem(HTTPStatus.CONFLICT, f"the watch directory {directory} does not exist")
    root, *linked = producer_config(settings, roots=(directory,)).watched(directory)
    for each in linked:
        if each.camera_of("") == camera:
            return _checked(each, camera, Place(Path(each.path), "", _name(name, media_type, now)))
    place = Place(directory, _directory(settings, root, camera, now), _name(name, media_type, now))
    return _checked(root, camera, place)


def _checked(root: WatchRoot, camera: str, place: Place) -> Place:
    """`place`, unless the producer would ignore a file there or give it to another camera."""
    found = root.camera_of(place.directory)
    if found != camera:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"images in {place.directory or place.root} belong to camera {found!r}",
        )
    if root.ignores(place.path, camera):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{place.name}: the settings of camera {camera!r} exclude files of this name",
        )
    return place


def _directory(settings: Settings, watched: WatchRoot, camera: str, now: float) -> str:
    root = Path(watched.path)
    configured = settings.cameras.get(camera)
    if configured and configured.path is not None:
        directory = configured.path
    elif _is_odd(camera) or directory_ignored(camera):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "camera: not a valid folder name")
    else:
        day = datetime.fromtimestamp(now, UTC)
        directory = watched.layout.directory_of(camera, f"{day:%Y-%m-%d}")
    # the producer does not follow links, so it would not see a file in a linked folder
    place = (root / directory).resolve()
    if not place.is_relative_to(root.resolve()) or place != root.resolve() / directory:
        raise Problem(
            HTTPStatus.CONFLICT, f"the folder of camera {camera!r} lies outside {root} or is a link"
        )
    relative = os.path.relpath(place, root.resolve())
    return "" if relative == "." else relative


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
    if file_ignored(name):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{name}: not the suffix of an image file")
    return name


def _is_odd(name: str) -> bool:
    """Whether `name` is not a plain file or folder name, or one that some systems reject."""
    return (
        name in ("", ".", "..")
        or any(char in "/\\" or not char.isprintable() for char in name)
        or len(name.encode("utf-8", "replace")) > LONGEST_NAME
    )


@dataclass(frozen=True)
class TemporaryFile:
    """A file of an upload in progress, which the producer ignores."""

    directory: int  #: descriptor of the destination folder; what is done relative to it stays there
    name: str

    def open(self, flags: int) -> int:
        """A descriptor of the file."""
        return os.open(
            self.name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666, dir_fd=self.directory
        )


@contextmanager
def temporary_file(place: Place) -> Iterator[TemporaryFile]:
    """A file in the destination folder, deleted at the end.

    If the upload is refused, folders that were made for it are removed too.

    Raises:
        Problem: a folder has become a link (409).
    """
    name = f".{secrets.token_hex(8)}.uploading"
    try:
        with directory_beneath(os.fspath(place.root), place.directory) as directory:
            try:
                yield TemporaryFile(directory, name)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
    except OutsideRoot as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error


def put_in_place(
    settings: Settings, sandbox: Sandbox, camera: str, temporary: TemporaryFile, place: Place
) -> int:
    """Link a complete upload to its final name; return its size in bytes.

    Raises:
        Problem: it is too large (413), cannot be decoded with the camera's settings (422), or the
            name exists (409).
        OSError: the file system rejects it.
    """
    with os.fdopen(temporary.open(os.O_RDONLY), "rb") as file:
        data = file.read()
        os.fsync(file.fileno())
    options = camera_config(settings, camera).decode
    with sandbox.decoder() as decoder:
        decoder.start([EncodedImage(data, Path(place.name).suffix, options)])
        (found,) = decoder.results()
    if isinstance(found, ImageTooLarge):
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(found)) from found
    if isinstance(found, DecodeError):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"not an image that can be read: {found}"
        ) from found
    folder = temporary.directory
    try:
        # unlike rename, never replaces a file
        os.link(temporary.name, place.name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"{place.path} exists already; give another name, or none to have one made",
        ) from None
    return len(data)
