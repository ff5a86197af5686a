"""Cameras that keep sending the same image: what is said about them, and what to do.

Two thermal images are never equal: the sensor's noise differs. A camera whose files keep the same
content shows the past, and would be normal for ever.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.results.wall import CameraView

#: Images in a row that must be equal. Fewer may be one that was uploaded again under other names.
FEWEST: Final = 5

FROZEN_REMEDY: Final = "restart the camera, and what uploads its images"


@dataclass(frozen=True)
class FrozenImages:
    """The latest images of a camera, all with the same content."""

    count: int
    since: float  #: Unix s; when the first of them arrived
    is_limit: bool  #: whether there may be more


def identical_images(view: CameraView) -> int:
    """How many of the latest images in a row have the content of the latest; 0 without any."""
    recent = view.recent
    return sum(1 for _ in takewhile(lambda result: result.sha256 == recent[0].sha256, recent))


def frozen_images(view: CameraView) -> FrozenImages | None:
    """The latest images, if enough of them are equal to tell that the camera is frozen."""
    count = identical_images(view)
    if count < FEWEST:
        return None
    return FrozenImages(count, view.recent[count - 1].arrived_at, count == len(view.recent))


def frozen_text(frozen: FrozenImages) -> str:
    """``the last 45 images are the same, since 14:03``; local time."""
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(frozen.since))
    number = f"{frozen.count} or more" if frozen.is_limit else f"{frozen.count}"
    return f"the last {number} images are the same, since {since}"
