"""TIFF variants that OpenCV does not read: BigTIFF, float16, 12-bit and 32-bit integers, zstd.

tifffile decodes them. Before that, size, number of pages and completeness are settled on the
directory: tifffile fills with zeros what a truncated file lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.raster import check_size
from thermal.errors import CorruptImage, DecodeError, UnsupportedImage

#: What is read, as messages call it. Other compressions are of pictures, not of measurements.
_COMPRESSIONS: Final = {
    1: "none",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34925: "LZMA",
    34926: "zstd",
    50000: "zstd",
}

#: Photometric interpretations: grey, RGB and the YCbCr of JPEG.
_GREY, _RGB, _YCBCR = 1, 2, 6

_DTYPES: Final = frozenset({"u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"})

#: Largest whole number up to which float32 keeps each.
_LARGEST_EXACT: Final = 1 << 24

#: Orientation tag → how the pixels are turned upright.
_UPRIGHT: Final[dict[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def read_variant(data: bytes, max_pixels: int) -> NDArray[Any]:
    """The pixels of a TIFF: (H, W), or (H, W, 3) BGR; alpha is dropped.

    Raises `ImageTooLarge`, `UnsupportedImage` or `CorruptImage`.
    """
    import tifffile  # loads slowly, and few files need it

    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page = _only_page(file)
            _check(page, len(data), max_pixels)
            pixels = page.asarray(maxworkers=1)
            return _arranged(pixels, page)
    except (DecodeError, MemoryError):
        raise
    except ImportError as error:  # there is no address space for the library of a codec
        raise MemoryError from error
    except Exception as error:  # of many types, by what is wrong with the file
        raise CorruptImage(f"damaged: the TIFF cannot be decoded: {error}") from error


def _only_page(file: Any) -> Any:
    pages = [page for page in file.pages if not page.subfiletype & 0b101]  # nor preview, nor mask
    if len(pages) > 1:
        raise UnsupportedImage(
            f"several frames: a TIFF of {len(pages)} pages; one file must hold one frame"
        )
    if not pages:
        raise CorruptImage("damaged: the TIFF holds no image")
    return pages[0]


def _check(page: Any, file_bytes: int, max_pixels: int) -> None:
    check_size(page.imagewidth, page.imagelength, max_pixels)
    samples, dtype = page.samplesperpixel, page.dtype
    if page.compression not in _COMPRESSIONS:
        raise UnsupportedImage(
            f"TIFF compression {int(page.compression)} is not read; write it uncompressed or with "
            f"one of {', '.join(sorted(set(_COMPRESSIONS.values()) - {'none'}))}"
        )
    grey = page.photometric == _GREY and samples <= 2
    colour = page.photometric in (_RGB, _YCBCR) and samples in (3, 4)
    is_read = dtype is not None and dtype.str[1:] in _DTYPES
    if not (is_read and (grey or (colour and dtype.kind == "u"))) or page.imagedepth != 1:
        raise UnsupportedImage(
            f"a TIFF with {samples} samples of {page.bitspersample} bits (photometric "
            f"{int(page.photometric)}, sample format {int(page.sampleformat)}) is not read"
        )
    extents = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not extents or any(size <= 0 for _, size in extents):
        raise CorruptImage("damaged: the TIFF does not list all of its strips or tiles")
    if any(offset + size > file_bytes for offset, size in extents):
        raise CorruptImage("cut off: pixel data lie behind the end of the file")


def _arranged(pixels: NDArray[Any], page: Any) -> NDArray[Any]:
    """One plane, or three in OpenCV's order, turned upright."""
    if page.samplesperpixel > 1:
        planes = pixels if page.planarconfig == 1 else np.moveaxis(pixels, 0, -1)
        pixels = planes[..., 0] if page.samplesperpixel == 2 else planes[..., 2::-1]
    if pixels.shape[:2] != (page.imagelength, page.imagewidth):
        raise CorruptImage("damaged: the TIFF's pixels are not what its header says")
    if pixels.dtype.kind in "ui" and pixels.dtype.itemsize == 4 and _is_large(pixels):
        raise UnsupportedImage(
            f"a TIFF of 32-bit values over {_LARGEST_EXACT:,}, which cannot be kept exactly"
        )
    tag = page.tags.get(274)
    turn = _UPRIGHT.get(int(tag.value) if tag else 1)
    return np.ascontiguousarray(turn(pixels) if turn else pixels)


def _is_large(pixels: NDArray[Any]) -> bool:
    return int(pixels.max()) > _LARGEST_EXACT or int(pixels.min()) < -_LARGEST_EXACT
