"""What readers of pictures share: the limit on size, and pixels decoded by OpenCV.

OpenCV is fast, but it allocates what a header claims and fills up what is missing. So sizes and
completeness are settled first, by each format's reader, and OpenCV sees only what passed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from cv2.utils.logging import setLogLevel
from numpy.typing import NDArray

from thermal.errors import CorruptImage, ImageTooLarge

setLogLevel(0)  # what OpenCV would print about a bad file, we raise

#: Longest side in pixels that OpenCV decodes.
_MAX_SIDE = 1 << 20

#: Pixels above which it is tried whether there is memory, and the bytes that each takes at least.
_LARGE_PIXELS = 1 << 22
_BYTES_PER_PIXEL = 8


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise CorruptImage for an empty size and ImageTooLarge for one over the limit.

    Raises MemoryError if there is too little memory to decode it; OpenCV would only say that it
    failed, as for a damaged image.
    """
    if width <= 0 or height <= 0:
        raise CorruptImage(f"damaged: the header claims {width}×{height} px")
    if width * height > max_pixels or max(width, height) > _MAX_SIDE:
        raise ImageTooLarge(f"{width}×{height} px is over the limit of {max_pixels:,} px")
    if width * height > _LARGE_PIXELS:
        np.empty(_BYTES_PER_PIXEL * width * height, np.uint8)


def decode_pixels(
    data: bytes, flags: int = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
) -> NDArray[Any]:
    """(H, W) or (H, W, 3) BGR pixels of checked bytes, alpha dropped. Raises CorruptImage."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    # Typed as never None; it is None for what cannot be decoded.
    if pixels is None or pixels.size == 0:
        raise CorruptImage("damaged: the pixel data cannot be decoded")
    return pixels


def to_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """(H, W) luma (ITU-R BT.601) of (H, W, 3) BGR; equal channels keep their exact values."""
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
