"""Image files to frames: `decode` picks the format by content and reads it."""

from __future__ import annotations

from thermal.decode.dispatch import FORMATS, IMAGE_SUFFIXES, decode
from thermal.decode.format import DecodeOptions, MatrixUnit, Radiometry

__all__ = ["FORMATS", "IMAGE_SUFFIXES", "DecodeOptions", "MatrixUnit", "Radiometry", "decode"]
