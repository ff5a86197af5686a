"""Small valid files of every kind that is read, built here byte by byte or by another writer."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: FLIR calibration of an E40, in the units of the record: kelvin, metres, fractions.
E40 = {
    32: 0.95,  # emissivity
    36: 2.0,  # object distance
    40: 294.15,  # reflected apparent temperature
    44: 287.15,  # atmospheric temperature
    48: 292.15,  # window temperature
    52: 0.98,  # window transmission
    60: 0.49,  # relative humidity
    88: 14866.514,  # Planck R1
    92: 1395.7,  # Planck B
    96: 1.0,  # Planck F
    112: 0.006569,  # atmospheric transmission: alpha 1, alpha 2, beta 1, beta 2, X
    116: 0.01262,
    120: -0.002276,
    124: -0.00667,
    128: 1.9,
    780: 0.011086479,  # Planck R2
}
PLANCK_O = -5859


#: Formats whose files may end in zeros: their pixels are stored last and uncompressed.
UNCOMPRESSED = (".bmp",)


def written(suffix: str, pixels: NDArray[Any], *params: int) -> bytes:
    """`pixels` as OpenCV writes them."""
    _, encoded = cv2.imencode(suffix, pixels, params)
    return encoded.tobytes()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """`image` as Pillow writes it."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(
    blocks: Sequence[bytes],
    width: int,
    height: int,
    bits: int,
    *,
    tags: Mapping[int, int | None] | None = None,
    order: str = "<",
    pages: int = 1,
    next_page_tags: Mapping[int, int] | None = None,
) -> bytes:
    """A TIFF of strips or tiles; `tags` adds, replaces or (None) removes single values."""
    tiled = tags is not None and 322 in tags
    offsets = [8 + sum(map(len, blocks[:index])) for index in range(len(blocks))]
    listed: dict[int, tuple[int, ...] | None] = {
        256: (width,), 257: (height,), 258: (bits,), 259: (1,), 262: (1,), 277: (1,),
        324 if tiled else 273: tuple(offsets), 325 if tiled else 279: tuple(map(len, blocks)),
    }  # fmt: skip
    listed |= {tag: None if value is None else (value,) for tag, value in (tags or {}).items()}
    body = b"".join(blocks) + b"\0" * (sum(map(len, blocks)) % 2)
    start = 8 + len(body)
    parts = [b"II" if order == "<" else b"MM", struct.pack(f"{order}HI", 42, start), body]
    for page in range(pages):
        shown = {tag: values for tag, values in listed.items() if values}
        if page:
            shown |= {tag: (value,) for tag, value in (next_page_tags or {}).items()}
        directory = _tiff_directory(shown, order, start, last=page == pages - 1)
        parts.append(directory)
        start += len(directory)
    return b"".join(parts)


def _tiff_directory(
    shown: Mapping[int, tuple[int, ...]], order: str, start: int, *, last: bool
) -> bytes:
    end = start + 6 + 12 * len(shown)
    entries, outside = b"", b""
    for tag in sorted(shown):
        values = struct.pack(f"{order}{len(shown[tag])}I", *shown[tag])
        if len(values) > 4:
            outside, values = outside + values, struct.pack(f"{order}I", end + len(outside))
        entries += struct.pack(f"{order}HHI", tag, 4, len(shown[tag])) + values
    following = struct.pack(f"{order}I", 0 if last else end + len(outside))
    return struct.pack(f"{order}H", len(shown)) + entries + following + outside


def flir(
    raw: NDArray[np.uint16],
    *,
    as_png: bool = False,
    calibration: Mapping[int, float] = E40,
    chunk_bytes: int = 65_000,
    records: Sequence[int] = (32, 1),
    claimed_size: tuple[int, int] | None = None,
    time: tuple[int, int, int] = (0, 0, 0),
    raw_range: tuple[int, int] = (0, 0),
    median_and_extent: tuple[int, int] = (0, 0),
    big_endian_png: bool = False,
) -> bytes:
    """A FLIR radiometric JPEG around the raw values (H, W); see `fff`."""
    container = fff(
        raw,
        as_png=as_png,
        calibration=calibration,
        records=records,
        claimed_size=claimed_size,
        time=time,
        raw_range=raw_range,
        median_and_extent=median_and_extent,
        big_endian_png=big_endian_png,
    )
    pieces = [container[at : at + chunk_bytes] for at in range(0, len(container), chunk_bytes)]
    segments = [
        app_segment(1, b"FLIR\0\x01" + bytes([number, len(pieces) - 1]) + piece)
        for number, piece in enumerate(pieces)
    ]
    return with_segments(written(".jpg", np.full((16, 16), 90, np.uint8)), *segments)


def fff(
    raw: NDArray[np.uint16],
    *,
    as_png: bool = False,
    calibration: Mapping[int, float] = E40,
    records: Sequence[int] = (32, 1),
    claimed_size: tuple[int, int] | None = None,
    time: tuple[int, int, int] = (0, 0, 0),
    raw_range: tuple[int, int] = (0, 0),
    median_and_extent: tuple[int, int] = (0, 0),
    big_endian_png: bool = False,
) -> bytes:
    """A FLIR container with the raw values (H, W).

    `time` is in Unix seconds, milliseconds, and minutes west of Greenwich; `raw_range` is the
    camera's measuring range, `median_and_extent` what the record says of `raw`.
    """
    info = bytearray(2476)
    info[:2] = b"\x02\0"
    for offset, value in calibration.items():
        struct.pack_into("<f", info, offset, value)
    struct.pack_into("<i", info, 776, PLANCK_O)
    struct.pack_into("<IIh", info, 0x384, *time)
    struct.pack_into("<HH", info, 784, *raw_range)
    struct.pack_into("<ii", info, 824, *median_and_extent)
    height, width = claimed_size or raw.shape
    content = raw.astype("<u2").tobytes()
    if as_png:
        content = written(".png", raw if big_endian_png else raw.byteswap())
    contents = {
        1: struct.pack("<HHH26x", 2, width, height) + content,
        32: bytes(info),
    }
    directory, body, start = b"", b"", 64 + 32 * 14
    for kind in records:
        directory += struct.pack(
            ">HHIIII12x", kind, 1, 100, 1, start + len(body), len(contents[kind])
        )
        body += contents[kind]
    head = b"FFF\0" + bytes(16) + struct.pack(">III", 100, 64, 14) + bytes(32)
    return head + directory.ljust(32 * 14, b"\0") + body


def infiray(
    raw: NDArray[np.uint16],
    *,
    claimed_width: int | None = None,
    claimed_height: int | None = None,
    claimed_bytes: int | None = None,
    kept: int | None = None,
    settings: tuple[float, ...] = (25.0, 2.0, 0.95, 0.45, 23.5),
) -> bytes:
    """An InfiRay IJPEG around temperatures (H, W) in 1/64 K; `kept` cuts them off."""
    height, width = raw.shape
    shape = width if claimed_width is None else claimed_width, claimed_height or height
    size = raw.nbytes if claimed_bytes is None else claimed_bytes
    header = bytearray(80)
    header[:10] = b"\0\x02\0\x01IJPEG\0"
    struct.pack_into("<QHHHB", header, 0x20, raw.nbytes, 0, *shape, 16)
    struct.pack_into("<QHHHB", header, 0x30, size, 0, *shape, 16)
    content = bytes(raw.nbytes) + raw.astype("<u2").tobytes()[:kept]
    pieces = [content[at : at + 60_000] for at in range(0, len(content), 60_000)]
    segments = [app_segment(2, bytes(header)), *(app_segment(3, piece) for piece in pieces)]
    picture = written(".jpg", np.full((16, 16), 90, np.uint8))
    return with_segments(picture, *segments, app_segment(5, struct.pack("<5f", *settings)))


def app_segment(number: int, payload: bytes) -> bytes:
    """A JPEG application segment."""
    return bytes([0xFF, 0xE0 + number]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """The JPEG with segments right after its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def exif(**texts: str) -> bytes:
    """An EXIF block (TIFF structure) with ASCII values by tag name."""
    block = Image.Exif()
    names = {"model": 272, "time": 306}
    inner = {"original": 36867, "fraction": 37521, "zone": 36881, "time_zone": 36880}
    for name, text in texts.items():
        if name in names:
            block[names[name]] = text
        else:
            block.get_ifd(34665)[inner[name]] = text
    return block.tobytes()


def csv(values: NDArray[Any], separator: str = ",", decimals: int = 2) -> bytes:
    """The matrix as text with a line end after each row."""
    rows = (separator.join(f"{value:.{decimals}f}" for value in row) for row in values)
    return "".join(f"{row}\n" for row in rows).encode()


def samples() -> dict[str, bytes]:
    """One valid small file of every kind, by a name that ends with its suffix."""
    noise = np.random.default_rng(7)
    grey = noise.integers(0, 256, (12, 10), np.uint8)
    counts = noise.integers(0, 65536, (12, 10), np.uint16)
    celsius = noise.normal(30, 5, (12, 10)).astype(np.float32)
    colour = noise.integers(0, 256, (12, 10, 3), np.uint8)
    rgb = Image.fromarray(colour)
    return {
        "grey.png": written(".png", grey),
        "16-bit.png": written(".png", counts),
        "palette.png": saved(rgb.quantize(8), "PNG"),
        "baseline.jpg": written(".jpg", grey),
        "progressive.jpg": written(".jpg", colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "restarts.jpg": written(".jpg", colour, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        "grey.bmp": written(".bmp", grey),
        "alpha.bmp": saved(rgb.convert("RGBA"), "BMP"),
        "lzw.tif": written(".tif", counts, cv2.IMWRITE_TIFF_COMPRESSION, 5),
        "deflate.tif": written(".tif", colour, cv2.IMWRITE_TIFF_COMPRESSION, 8),
        "strips.tif": tiff([counts[:8].tobytes(), counts[8:].tobytes()], 10, 12, 16, tags={278: 8}),
        "float.tif": written(".tif", celsius, cv2.IMWRITE_TIFF_COMPRESSION, 1),
        "raw.flir.jpg": flir(counts),
        "png.flir.jpg": flir(counts, as_png=True, chunk_bytes=1000),
        "one.fff": fff(counts),
        "p2pro.infiray.jpg": infiray(counts % 2000 + 18_000),
        "comma.csv": csv(celsius),
    }
