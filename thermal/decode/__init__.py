"""Image files to frames: `decode` picks the format by content and reads it."""

from __future__ import annotations

from thermal.decode.dispatch import IMAGE_SUFFIXES, DecodeOptions, MatrixUnit, Radiometry, decode

__all__ = ["IMAGE_SUFFIXES", "DecodeOptions", "MatrixUnit", "Radiometry", "decode"]
