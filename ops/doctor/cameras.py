"""The cameras: their latest uploads, their clocks, what scans left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from ops.doctor.check import Check
from ops.terminal import printable

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine


def cameras(engine: Engine) -> Iterator[Check]:
    from ops.camera_clock import clock_offset_s, clock_text
    from ops.failing_uploads import failing_remedy, failing_text, failing_uploads
    from ops.frozen_images import FROZEN_REMEDY, frozen_images, frozen_text
    from storage.results.wall import RECENT, view_cameras

    yield from newest_files(engine)
    views = view_cameras(engine, recent=RECENT)
    failing = {view.name: failed for view in views if (failed := failing_uploads(view))}
    for camera, failed in failing.items():
        text, remedy = failing_text(failed), failing_remedy(failed)
        yield Check(f"uploads of {printable(camera)}", text, remedy)
    if views and not failing:
        yield Check("uploads", "every camera's latest uploads could be scored or are pending")
    frozen = {view.name: images for view in views if (images := frozen_images(view))}
    for camera, images in frozen.items():
        yield Check(f"images of {printable(camera)}", frozen_text(images), FROZEN_REMEDY)
    if views and not frozen:
        yield Check("images", "no camera keeps sending the same one")
    clocks = {v.name: told for v in views if (told := clock_text(clock_offset_s(v.recent)))}
    for camera, offset in clocks.items():
        yield Check(
            f"clock of {printable(camera)}",
            offset,
            "set the camera's clock and time zone (NTP); its frames are listed by arrival",
        )
    if views and not clocks:
        yield Check("camera clocks", "none is known to be wrong")


def scans(redis: Redis) -> Iterator[Check]:
    """What the last scan of each watch directory found and left alone."""
    from producer.heartbeat import living_producers
    from producer.ignored import ignored_text

    for producer in living_producers(redis):
        for root in producer.roots:
            ignored = ignored_text(root.ignored) or "nothing"
            yield Check(f"scan of {root.root}", f"{root.frames} images; ignored: {ignored}")
            if root.endings:
                yield _unread(root.root, root.endings)


#: Endings of thermal files that are not read, lower case.
_THERMAL: Final = (
    ".csq", ".ats", ".is2", ".is3", ".bmt", ".irg", ".iri", ".irb", ".fpf", ".ravi",
)  # fmt: skip


def _unread(root: str, endings: Mapping[str, int]) -> Check:
    """The files that nothing reads, by ending."""
    name = f"unread files in {printable(root)}"
    counted = ", ".join(
        f"{count:,} {printable(end) or 'without'}" for end, count in endings.items()
    )
    thermal = ", ".join(end for end in endings if end in _THERMAL)
    if not thermal:
        return Check(name, f"by ending: {counted}")
    return Check(
        name,
        f"by ending: {counted}; thermal files among them: {thermal}",
        "export radiometric JPEG, float TIFF or CSV instead; docs/formats.md lists what is read",
    )


def newest_files(engine: Engine) -> Iterator[Check]:
    """Open the newest file of each camera, as a worker would."""
    from storage.errors import StorageError
    from storage.files.paths import open_beneath, text_to_path
    from storage.frames.audit import newest_frames

    opened = 0
    for frame in newest_frames(engine):
        try:
            os.close(open_beneath(text_to_path(frame.root), text_to_path(frame.path)))
            opened += 1
        except FileNotFoundError:
            continue  # moved or deleted since
        except (OSError, StorageError) as error:
            yield Check(
                f"newest file of {printable(frame.camera)}",
                f"{printable(frame.path)}: {error}",
                "let the user that runs the workers read the files (umask or group of the server)",
            )
    yield Check("newest files", f"those of {opened} cameras can be opened")
