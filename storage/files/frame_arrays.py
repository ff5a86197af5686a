"""A frame's stored arrays, in one file: measured values and anomaly map.

The format is NumPy's ``.npz`` without pickles. The bytes depend only on the arrays, so a repeated
batch writes an identical file.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.errors import DamagedArtifact

#: Deflate's fastest level: thermal images are noisy, so higher levels gain little.
_LEVEL: Final = 1
_NAMES: Final = ("values", "anomaly_map")
_HALF_MAX: Final = 65504.0


@dataclass(frozen=True, eq=False)
class FrameArrays:
    """The stored arrays of a frame."""

    values: NDArray[np.float32]  #: (H, W), in the unit of the result's temperatures
    anomaly_map: NDArray[np.float32]  #: (h, w) σ, at the model's size; stored as float16


def encode_arrays(arrays: FrameArrays) -> bytes:
    """Encode the arrays as an ``.npz`` file; the anomaly map is clipped to float16's range."""
    halves = np.clip(arrays.anomaly_map, -_HALF_MAX, _HALF_MAX).astype("<f2")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, array in zip(_NAMES, (arrays.values.astype("<f4"), halves), strict=True):
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980 regardless of the clock
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return target.getvalue()


def decode_arrays(data: bytes) -> FrameArrays:
    """Decode a file that `encode_arrays` wrote; both arrays are returned as float32.

    Raises:
        DamagedArtifact: the bytes are not such a file.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            values, anomaly_map = (archive[name] for name in _NAMES)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedArtifact(f"the stored values of a frame are damaged: {error}") from error
    if values.ndim != 2 or anomaly_map.ndim != 2:
        raise DamagedArtifact("the stored values of a frame are damaged: not two-dimensional")
    return FrameArrays(values.astype(np.float32), anomaly_map.astype(np.float32))
