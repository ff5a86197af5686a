"""What the C library does with memory that is given back."""

from __future__ import annotations

import ctypes
from typing import Final

#: Parameters of mallopt(3).
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
#: Bytes of free memory that a heap keeps at its end.
KEPT_BYTES: Final = 512 * 1024 * 1024
#: Bytes from which a block is mapped for itself, and unmapped when it is given back; glibc's limit.
MAPPED_BYTES: Final = 32 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Keep memory that is given back for the next image; False where the C library cannot.

    A worker allocates the same megabytes for each image. glibc gives them back to the kernel in
    between, which then hands them out page by page, cleared: many page faults an image or none,
    depending on what lies at the end of the heap.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES) and kept)
