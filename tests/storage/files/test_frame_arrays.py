"""Stored arrays of a frame: lossless values, reproducible bytes, no pickles."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from storage.errors import DamagedArtifact
from storage.files.frame_arrays import FrameArrays, decode_arrays, encode_arrays

matrices = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(matrices, matrices)
def test_values_are_stored_exactly_and_the_map_to_three_digits(
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    anomaly_map: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> None:
    found = decode_arrays(encode_arrays(FrameArrays(values, anomaly_map)))
    assert found.values.dtype == found.anomaly_map.dtype == np.float32
    assert np.array_equal(found.values, values)
    held = np.clip(anomaly_map, -65504, 65504)
    assert np.allclose(found.anomaly_map, held, rtol=1e-3, atol=1e-7)


def test_equal_arrays_are_encoded_to_equal_bytes() -> None:
    one = FrameArrays(np.ones((3, 4), np.float32), np.zeros((2, 2), np.float32))
    assert encode_arrays(one) == encode_arrays(one)


def test_pickled_arrays_are_rejected() -> None:
    target = io.BytesIO()
    odd = np.array([[object()]], dtype=object)
    np.savez(target, values=odd, anomaly_map=odd)
    with pytest.raises(DamagedArtifact):
        decode_arrays(target.getvalue())


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_damaged_artifact(data: bytes) -> None:
    with pytest.raises(DamagedArtifact):
        decode_arrays(data)


def test_a_truncated_or_incomplete_file_raises_damaged_artifact() -> None:
    whole = encode_arrays(FrameArrays(np.ones((9, 9), np.float32), np.ones((2, 2), np.float32)))
    target = io.BytesIO()
    np.savez(target, values=np.ones((2, 2)))
    for data in (whole[:-30], whole[: len(whole) // 2], target.getvalue()):
        with pytest.raises(DamagedArtifact):
            decode_arrays(data)
