"""Cameras whose latest uploads could not be scored: what is said about them, and what to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.results.wall import CameraView, FailedUploads

#: Uploads in a row that must fail before a camera that has results counts as unreadable. One that
#: never had a result counts at once.
FEWEST: Final = 3
_REMEDIES: Final = {
    "empty": "free space, or raise the quota, where the camera uploads to",
    "corrupt": "check space and quota where the camera uploads to, and the camera's connection",
    "missing": "something moves or deletes the files before they are read: let it wait",
    "unreadable": "let the workers' user read the files (umask or group of the server)",
    "unsupported": "set the camera to a format of the README's table, or exclude these files",
    "too_slow": "look at one of them: such files are damaged, or far larger than needed",
    "crashed": "look at one of them: such files are damaged, perhaps on purpose",
    "unit_mismatch": "compare the camera's scale and unit with the images its model was trained on",
    "shape_mismatch": "undo the camera's turn or crop, or train a model on its new images",
}


def failing_uploads(view: CameraView) -> FailedUploads | None:
    """The uploads that failed since the camera's last result, if there are enough to tell."""
    failed = view.failed
    if failed is None or (view.recent and failed.count < FEWEST):
        return None
    return failed


def failing_text(failed: FailedUploads) -> str:
    """``the last 45 uploads cannot be scored (empty), since 14:03``; local time."""
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(failed.since))
    number = f"{failed.count} or more" if failed.is_limit else f"{failed.count}"
    uploads = "the last upload" if number == "1" else f"the last {number} uploads"
    return f"{uploads} cannot be scored ({failed.reason}), since {since}"


def failing_remedy(failed: FailedUploads) -> str:
    """What to do about it."""
    return _REMEDIES.get(failed.reason, "open one of them on the system page to see why")
