"""Keeps freed memory in the process for the next image."""

from __future__ import annotations

import ctypes
from typing import Final

#: Parameters of mallopt(3).
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
#: Bytes of free memory that a heap keeps at its end before it is trimmed.
KEPT_BYTES: Final = 512 * 1024 * 1024
#: Blocks of this many bytes or more get their own mapping, unmapped when freed; glibc's maximum.
MAPPED_BYTES: Final = 32 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Reuse freed memory for the next image; False if the C library is not glibc.

    A worker allocates the same megabytes for each image. By default glibc may return them to the
    kernel in between, which hands them out again page by page, zeroed: many page faults per image,
    depending on what lies at the end of the heap.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES) and kept)
