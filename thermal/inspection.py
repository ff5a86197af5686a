"""The one path of an image: decode ▸ check unit, depth and shape ▸ score ▸ measure hotspots.

Workers, `thermalwatch score` and the benchmark all call `inspect`, so an image gets the same score,
the same hotspots or the same refusal everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from thermal.errors import (
    DecodeCrashed,
    DecodeError,
    DecodeTooSlow,
    ImageTooLarge,
    ImpossibleUnit,
    UnsupportedImage,
)
from thermal.frame import Frame
from thermal.hotspots import HotspotReport, HotspotRule, default_rule, measure
from thermal.sandbox import Decoder, EncodedImage, InProcess

if TYPE_CHECKING:
    from thermal.detection.detector import Detector, Scored

#: Reasons that an unfinished upload can cause too.
_INCOMPLETE: Final = frozenset({"empty", "corrupt", "unsupported"})


#: Words for errors of decoding; all others are `corrupt`.
_REASONS: Final = {
    ImageTooLarge: "too_large",
    UnsupportedImage: "unsupported",
    ImpossibleUnit: "unit_mismatch",
    DecodeTooSlow: "too_slow",
    DecodeCrashed: "crashed",
}


#: Most files, and most of their bytes, that are decoded together.
GROUP_FILES: Final = 16
GROUP_BYTES: Final = 256 * 1024


@dataclass(frozen=True, eq=False)
class Content(EncodedImage):
    """The bytes of an image file, and how to read and measure them."""

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

    #: one word: empty, corrupt, unsupported, too_large, too_slow, crashed, unit_mismatch or
    #: shape_mismatch
    reason: str
    detail: str  #: a sentence for the user

    @property
    def may_be_incomplete(self) -> bool:
        """Whether an upload still in progress could be the cause."""
        return self.reason in _INCOMPLETE


def inspect(
    contents: Iterable[Content],
    detector: Detector,
    *,
    decoder: Decoder | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[Inspected | Refusal]:
    """Decode, score and measure images; returns one result per image, in the same order.

    `contents` is consumed as they are decoded, so a generator can read file after file without
    holding all their bytes. The default decoder is this process. Pass at most
    `detector.images_a_pass` images to score them in one forward pass. `progress` is called after
    each step. Thread-safe, if each thread has a decoder of its own.

    Raises:
        FloatingPointError: a score is not a number; the model or its device is at fault, because
            frames hold only finite numbers.
        RuntimeError: raised by torch when the device fails.
        SandboxUnavailable: `decoder` cannot start its process.
    """
    decoded: list[tuple[Frame, HotspotRule | None] | Refusal] = []
    for item in _decode_all(contents, detector, decoder or InProcess()):
        decoded.append(item)
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


def _decode_all(
    contents: Iterable[Content], detector: Detector, decoder: Decoder
) -> Iterator[tuple[Frame, HotspotRule | None] | Refusal]:
    """Decode the files in their order; the next ones are read while a few are decoded."""
    waiting: Sequence[Content] = ()
    for files in _grouped(contents):
        if waiting:
            yield from _checked(waiting, decoder, detector)
        decoder.start(files)
        waiting = files
    if waiting:
        yield from _checked(waiting, decoder, detector)


def _grouped(contents: Iterable[Content]) -> Iterator[Sequence[Content]]:
    """Group small files that share their options; a large file is a group of its own."""
    group: list[Content] = []
    size = 0
    for content in contents:
        if group and (
            len(group) == GROUP_FILES
            or size + len(content.data) > GROUP_BYTES
            or content.options != group[0].options
        ):
            yield group
            group, size = [], 0
        group.append(content)
        size += len(content.data)
    if group:
        yield group


def _checked(
    files: Sequence[Content], decoder: Decoder, detector: Detector
) -> Iterator[tuple[Frame, HotspotRule | None] | Refusal]:
    for content, found in zip(files, decoder.results(), strict=True):
        if isinstance(found, DecodeError):
            yield Refusal(_reason(content.data, found), str(found))
        else:
            other = detector.bundle.mismatch(found)
            yield Refusal(other.reason, other.detail) if other else (found, content.hotspot)


def _reason(data: bytes, error: DecodeError) -> str:
    if not data:
        return "empty"
    return next((word for kind, word in _REASONS.items() if isinstance(error, kind)), "corrupt")


def _finite(scored: list[Scored]) -> list[Scored]:
    if not all(math.isfinite(one.score) for one in scored):
        raise FloatingPointError("a score is not a number")
    return scored
