"""What is right for each input from public bug reports; `docs/formats.md` has this as a table.

``python -m tests.thermal.decode.cases`` rewrites that table. A folder's entry holds for its files
without one of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from thermal.decode import DecodeOptions
from thermal.frame import LinearScale, Unit

ROOT: Final = Path(__file__).resolve().parents[4] / "shared" / "cases" / "files"
PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "formats.md"

#: Unit of a file's numbers → what they are of the true temperatures in °C.
Scale = Literal["°C", "°C × 10", "K × 10", "K × 100", "K × 100 / 32", "°C, whole"]


@dataclass(frozen=True)
class Truth:
    """The true temperatures (truth.npy, 60×80 px) come out, in a unit."""

    scale: Scale = "°C"
    missing: int = 0  #: pixels that have no value in the file, or one out of range
    options: DecodeOptions = field(default_factory=DecodeOptions)

    def __str__(self) -> str:
        unit = "°C" if self.scale == "°C" else f"counts ({self.scale})"
        return f"{unit}; {self.missing} px missing or out of range" if self.missing else unit


@dataclass(frozen=True)
class Range:
    """A frame of this unit, shape, lowest and highest value."""

    unit: Unit
    shape: tuple[int, int]
    low: float
    high: float
    captured_at: str | None = None
    options: DecodeOptions = field(default_factory=DecodeOptions)

    def __str__(self) -> str:
        height, width = self.shape
        unit = "°C" if self.unit == "celsius" else "counts"
        time = f", captured at {self.captured_at}" if self.captured_at else ""
        return f"{self.low:g} to {self.high:g} {unit}, {width}×{height} px{time}"


@dataclass(frozen=True)
class Refused:
    """A refusal whose message has these words."""

    words: str
    options: DecodeOptions = field(default_factory=DecodeOptions)

    def __str__(self) -> str:
        return f"refused: {self.words}"


@dataclass(frozen=True)
class Elsewhere:
    """Not a matter of one file: what is right, and the test that has these inputs."""

    result: str
    test: str
    options: DecodeOptions = field(default_factory=DecodeOptions)

    def __str__(self) -> str:
        return f"{self.result}: `{self.test}`"


Expected = Truth | Range | Refused | Elsewhere

_PICTURE: Final = Range("counts", (60, 80), 17, 230)
_COUNTS_8: Final = Range("counts", (60, 80), 14, 236)
_KELVIN_10: Final = DecodeOptions(matrix_unit="counts", scale=LinearScale(0.1, -273.15))
_KELVIN_100: Final = DecodeOptions(matrix_unit="counts", scale=LinearScale(0.01, -273.15))
_LEPTON: Final = DecodeOptions(scale=LinearScale(0.01, -273.15))
_SEVERAL: Final = Refused("several frames")
_KINDS: Final = "tests/thermal/detection/test_frame_kind.py"
_NO_SCENE: Final = "which no scene has: say with `matrix_unit`"

FOLDERS: Final[Mapping[str, Expected]] = {
    "csv-multiframe": _SEVERAL,
    "csv-odd-cells": Truth(),
    "csv-pandas-header": Truth(),
    "csv-space": Truth(),
    "depth-mix": Elsewhere(
        "under a model of 16 bits 000.png is scored, 010.png is `unit_mismatch`", _KINDS
    ),
    "dji-new": Refused("a DJI R-JPEG"),
    "first-frame-flat": Elsewhere(
        "an anomaly; the threshold is back within 20 frames", "tests/thermal/test_first_frame.py"
    ),
    "over-range": Range("celsius", (120, 160), -2.09, 160),
    "png-odd": Truth("K × 100"),
    "shape-change": Elsewhere(
        "under a model of 160×120 px those turned by 90°, cropped and thin are "
        "`shape_mismatch`, the others are scored",
        _KINDS,
    ),
    "tiff-variants": Truth(),
    "unit-uti-csv": Truth(),
}

FILES: Final[Mapping[str, Expected]] = {
    "csv-long/spot-log.csv": Refused("each line begins with a time"),
    "csv-long/xyt-rgb.csv": Refused("a list of pixels"),
    "csv-long/xyt.csv": Refused("a list of pixels"),
    "csv-odd-cells/comma_comma.csv": Refused("decimal commas between commas"),
    "csv-odd-cells/comma_comma_1dec.csv": Refused("decimal commas between commas"),
    **{
        f"csv-odd-cells/{name}.csv": Truth(missing=1)
        for name in ("dashes", "empty_cell", "na_excel", "nan")
    },
    **{
        f"flir-byte-order/FLIR_{camera}_png_{order}.jpg": frame
        for camera, frame in (
            ("AX8", Range("celsius", (60, 80), 24.36, 25.47)),
            ("B60", Range("celsius", (180, 180), -68.08, -0.23)),
        )
        for order in ("correct_MMheader", "correct_order", "swapped_MMheader")
    },
    **{
        f"flir-parameters/E40_{name}.jpg": Range("celsius", (120, 160), low, high)
        for name, low, high in (  # test_flir_parameters.py checks them against the formula
            ("E08", 17.28, 25.38), ("E08_OD20", 17.40, 25.67), ("E08_OD20_RH90", 17.45, 25.80),
            ("IRT082", 17.67, 25.79), ("IRT082_IRWT40", 12.06, 20.62), ("OD0", 17.83, 24.59),
            ("OD100_RH10_AT35", 16.53, 23.81), ("OD20_RH100", 18.03, 25.07),
            ("OD5000", 21.46, 33.45), ("RH1.5percent", 17.85, 24.63), ("RH80percent", 17.89, 24.72),
        )
    },
    **{
        f"flir-parameters/E40_{name}.jpg": Refused("an impossible parameter")
        for name in ("ATzero", "E0", "E1.2", "OD-1", "RT298C", "RTnan")
    },
    "flir-parameters/E40_E005.jpg": Refused("give no temperature with an emissivity of"),
    "flir-parameters/E40_E03_RT60.jpg": Refused("give no temperature with an emissivity of"),
    "flir-captured-at/FLIR_E40.jpg": Range(
        "celsius", (120, 160), 17.88, 24.70, captured_at="2013-04-12T10:24:01.131Z"
    ),
    "infiray-ijpeg/p2pro.jpg": Truth(),
    "jpeg-odd/a.gif": Refused("GIF"),
    "jpeg-odd/a.gif.jpg": Refused("GIF"),
    "jpeg-odd/a.jp2.jpg": Refused("JPEG 2000"),
    "jpeg-odd/a.webp.jpg": Refused("WebP"),
    "jpeg-odd/avif.avif": Refused("AVIF"),
    "jpeg-odd/avif.avif.jpg": Refused("AVIF"),
    "jpeg-odd/cmyk.jpg": Refused("a JPEG of 4 channels"),
    "jpeg-odd/grey-progressive.jpg": Range("counts", (60, 80), 15, 238),
    "jpeg-odd/html.jpg": Refused("the content is text"),
    "jpeg-odd/junk-before-eoi.jpg": _PICTURE,
    "jpeg-odd/leading-newline.jpg": Refused("an image begins behind 2 foreign bytes"),
    "jpeg-odd/no-eoi.jpg": Refused("no end-of-image marker"),
    "jpeg-odd/normal-ycc.jpg": _PICTURE,
    "jpeg-odd/orient1.jpg": Range("counts", (60, 80), 15, 238),
    "jpeg-odd/orient3.jpg": Range("counts", (60, 80), 15, 238),
    "jpeg-odd/orient6.jpg": Range("counts", (80, 60), 15, 238),
    "jpeg-odd/orient8.jpg": Range("counts", (80, 60), 15, 238),
    "jpeg-odd/rgb-colorspace.jpg": Range("counts", (60, 80), 16, 226),
    "over-range/inf.tif": Range("celsius", (120, 160), -2.09, 10_000),
    "parrot-thermal/anafi.jpg": Refused("a Parrot thermal JPEG"),
    "png-odd/1x40000.png": Range("counts", (1, 40_000), 29_395, 30_033),
    "png-odd/1xN.png": Range("counts", (1, 80), 29_395, 30_033),
    "png-odd/Nx1.png": Range("counts", (60, 1), 29_317, 29_726),
    "png-odd/dead.png": Truth("K × 100", missing=2),
    "png-odd/flat_ffc.png": Range("counts", (60, 80), 29_500, 29_500),
    "png-odd/g8.png": _COUNTS_8,
    "png-odd/la.png": _COUNTS_8,
    "png-odd/lepton_telemetry_62rows.png": Range("counts", (62, 80), 1304, 65_066),
    "png-odd/onebit.png": Range("counts", (60, 80), 0, 255),
    "png-odd/pal.png": Range("counts", (60, 80), 16, 226),
    "png-odd/rgb.png": Range("counts", (60, 80), 16, 226),
    "png-odd/rgba.png": Range("counts", (60, 80), 16, 226),
    "png-odd/rotated.png": Range("counts", (80, 60), 28_981, 31_440),
    "png-odd/u12in16.png": Truth("K × 10"),
    "png-odd/u16_flir_swapped.png": Refused("the two bytes of its values are exchanged"),
    "png-odd/zeros.png": Range("counts", (60, 80), 0, 0),
    "scale-impossible/dead.png": Truth(missing=2, options=_LEPTON),
    "scale-impossible/i16_nodata.tif": Truth(
        missing=1, options=DecodeOptions(scale=LinearScale(0.1, 0.0))
    ),
    "scale-impossible/zeros.png": Refused("hold no possible value", _LEPTON),
    "scale-on-colour/normal-ycc.jpg": Refused("a colour picture", _LEPTON),
    "scale-on-colour/rgb.png": Refused("a colour picture", _LEPTON),
    "scale-on-colour/u16.png": Truth(options=_LEPTON),
    "tiff-variants/f32_52pct_nan.tif": Refused("2,480 of 4,800 pixels hold no possible value"),
    "tiff-variants/f32_deflate_pred2.tif": Refused("cut off"),
    "tiff-variants/f32_mostly_nan.tif": Refused("3,200 of 4,800 pixels hold no possible value"),
    "tiff-variants/f32_nan.tif": Truth(missing=3),
    "tiff-variants/f32_nodata0.tif": Range("celsius", (60, 80), 0, 41.25),
    "tiff-variants/f32_rgb3.tif": Refused("3 samples of 32 bits"),
    "tiff-variants/i16.tif": Truth("°C × 10"),
    "tiff-variants/i16_nodata.tif": Truth("°C × 10", missing=1),
    "tiff-variants/i32.tif": Truth("K × 100"),
    "tiff-variants/i8.tif": Truth("°C, whole"),
    "tiff-variants/minwhite16.tif": Refused("white is zero"),
    "tiff-variants/minwhite_f32.tif": Refused("white is zero"),
    "tiff-variants/shaped_truncate.tif": Refused("3 samples of 32 bits"),
    "tiff-variants/shaped_truncate5.tif": _SEVERAL,
    "tiff-variants/two_pages.tif": _SEVERAL,
    "tiff-variants/u12_packed.tif": Truth("K × 100 / 32"),
    **{
        f"tiff-variants/u16_{name}.tif": Truth("K × 100")
        for name in (
            "3d_1", "deflate_pred2_be", "jpeg2000", "la", "lzw_pred2", "packbits", "planar",
            "rgba", "rps7", "tiled",
        )
    },
    "tiff-variants/u16_dt.tif": Range(
        "counts", (60, 80), 28_981, 31_440, captured_at="2024-07-01T12:30:00"
    ),
    "tiff-variants/u16_jpegls.tif": Refused("cut off"),
    "tiff-variants/u16_orient3.tif": Range("counts", (60, 80), 28_981, 31_440),
    "tiff-variants/u32.tif": Truth("K × 100"),
    "tiff-variants/u8_jpeg.tif": Range("counts", (60, 80), 84, 208),
    "trailer-thermal/hik-like-trailer.jpg": Refused("a HIKMICRO JPEG"),
    "unit-of-matrix/counts14.csv": Refused(_NO_SCENE),
    "unit-of-matrix/counts14_float.tif": Refused(_NO_SCENE),
    "unit-of-matrix/fahrenheit.csv": Truth(options=DecodeOptions(matrix_unit="fahrenheit")),
    "unit-of-matrix/fahrenheit_header.csv": Truth(),
    "unit-of-matrix/kelvin10.csv": Truth(options=_KELVIN_10),
    "unit-of-matrix/kelvin100.csv": Truth(options=_KELVIN_100),
    "unit-of-matrix/kelvin100_float.tif": Truth(options=_KELVIN_100),
    "unit-of-matrix/kelvin10_float.tif": Truth(options=_KELVIN_10),
    "unit-of-matrix/kelvin_float.tif": Truth(options=DecodeOptions(matrix_unit="kelvin")),
    "unit-of-matrix/kelvin_header.csv": Truth(),
    "unit-uti-csv/en_10cols.csv": Refused("state a pixel of 41.2 at x = 30, y = 20"),
}  # fmt: skip


def expected_of(path: str) -> Expected | None:
    """What is right for a file, by its path below `ROOT`; None if nothing says."""
    return FILES.get(path) or FOLDERS.get(path.partition("/")[0])


def paths() -> list[str]:
    """All inputs, relative to `ROOT`; empty where they are not there."""
    named = {"README.md", "truth.npy", "thermalwatch.toml"}
    found = (path for path in ROOT.rglob("*") if path.is_file() and path.name not in named)
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def table(inputs: list[str]) -> str:
    """The table of `docs/formats.md`: files of one folder with the same result share a row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for path in inputs:
        folder, _, name = path.partition("/")
        expected = expected_of(path)
        if expected is not None:
            declared = _declared(expected.options)
            rows.setdefault((folder, f"{expected}{declared}"), []).append(name)
    lines = ["| kind | files | result |", "|---|---|---|"]
    lines += [
        f"| {folder} | {', '.join(names)} | {result} |" for (folder, result), names in rows.items()
    ]
    return "\n".join(lines) + "\n"


def _declared(options: DecodeOptions) -> str:
    parts = []
    if options.matrix_unit is not None:
        parts.append(f'`matrix_unit = "{options.matrix_unit}"`')
    if options.scale is not None:
        parts.append(f"a scale of {options.scale.gain:g} and {options.scale.offset:g}")
    return f" with {' and '.join(parts)}" if parts else ""


BEGIN, END = "<!-- cases -->\n", "<!-- end of cases -->\n"


def page() -> str:
    """The text that docs/formats.md should have."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table(paths())}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
