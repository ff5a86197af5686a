"""The one path of an image: decode ▸ check the unit ▸ score ▸ measure hotspots.

Workers, `thermalwatch score` and the benchmark all call `inspect`, so an image gets the same score,
the same hotspots or the same refusal everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from thermal.decode import DecodeOptions, decode
from thermal.errors import DecodeError, ImageTooLarge, UnsupportedImage
from thermal.frame import Frame
from thermal.hotspots import HotspotReport, HotspotRule, default_rule, measure

if TYPE_CHECKING:
    from thermal.detection.detector import Detector, Scored

#: Reasons that an unfinished upload can cause too.
_INCOMPLETE: Final = frozenset({"empty", "corrupt", "unsupported"})


@dataclass(frozen=True, eq=False)
class Content:
    """The bytes of an image file, and how to read and measure them."""

    data: bytes
    suffix: str = ""  #: of the file name, such as ``.csv``: identifies formats without a signature
    options: DecodeOptions = field(default_factory=DecodeOptions)
    hotspot: HotspotRule | None = None  #: None: the default rule for the frame's unit and depth


@dataclass(frozen=True, eq=False)
class Inspected:
    """The values of one image, its score and its hotspots."""

    frame: Frame
    scored: Scored
    report: HotspotReport


@dataclass(frozen=True)
class Refusal:
    """Why an image cannot be scored."""

    reason: str  #: one word: empty, corrupt, unsupported, too_large or unit_mismatch
    detail: str  #: a sentence for the user

    @property
    def may_be_incomplete(self) -> bool:
        """Whether an upload still in progress could be the cause."""
        return self.reason in _INCOMPLETE


def inspect(
    contents: Iterable[Content],
    detector: Detector,
    *,
    progress: Callable[[], None] = lambda: None,
) -> list[Inspected | Refusal]:
    """Decode, score and measure images; returns one result per image, in the same order.

    `contents` is consumed one at a time, so a generator can read file after file without holding
    all their bytes. Pass at most `detector.images_a_pass` images to score them in one forward pass.
    `progress` is called after each step. Thread-safe.

    Raises:
        FloatingPointError: a score is not a number; the model or its device is at fault, because
            frames hold only finite numbers.
        RuntimeError: raised by torch when the device fails.
    """
    decoded: list[tuple[Frame, HotspotRule | None] | Refusal] = []
    for content in contents:
        decoded.append(_decode(content, detector))
        progress()
    found = [item for item in decoded if not isinstance(item, Refusal)]
    scores = iter(_finite(detector.score([frame for frame, _ in found])))
    progress()
    answers: list[Inspected | Refusal] = []
    for item in decoded:
        if isinstance(item, Refusal):
            answers.append(item)
            continue
        frame, rule = item
        report = measure(frame, rule or default_rule(frame.unit, frame.bit_depth))
        answers.append(Inspected(frame, next(scores), report))
        progress()
    return answers


def _decode(content: Content, detector: Detector) -> tuple[Frame, HotspotRule | None] | Refusal:
    try:
        frame = decode(content.data, suffix=content.suffix, options=content.options)
    except ImageTooLarge as error:
        return Refusal("too_large", str(error))
    except DecodeError as error:
        return Refusal(_reason(content.data, error), str(error))
    unit = detector.bundle.normalization.unit
    if frame.unit != unit:
        return Refusal(
            "unit_mismatch",
            f"the image is in {frame.unit}, the model was trained in {unit}: declare the "
            "camera's scale, or train a model on images like this one",
        )
    return frame, content.hotspot


def _reason(data: bytes, error: DecodeError) -> str:
    if not data:
        return "empty"
    return "unsupported" if isinstance(error, UnsupportedImage) else "corrupt"


def _finite(scored: list[Scored]) -> list[Scored]:
    if not all(math.isfinite(one.score) for one in scored):
        raise FloatingPointError("a score is not a number")
    return scored
