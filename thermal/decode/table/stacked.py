"""Frames directly below one another in a table, with nothing between them that says so.

Frames of one scene are alike row by row, and where the next one begins all columns jump from the
foot of the scene to its top. A single image does not do both, however it is divided. Frames of
different scenes, or of a scene without contrast, are not found; a model refuses them by their
shape.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.table.layout import Table
from thermal.errors import UnsupportedImage

#: Fewest rows and columns of a frame that is looked for.
_SHORTEST: Final = 8
#: The step to the next frame is so many times the largest between other rows.
_JUMP: Final = 1.5
#: Pixels of one frame and the next differ by at most this share of the spread in a frame.
_ALIKE: Final = 0.5


def refuse_stacked(values: NDArray[np.float64], table: Table) -> None:
    """Raise `UnsupportedImage` if the (H, W) values are several frames of one scene."""
    height, width = values.shape
    finite = np.isfinite(values)
    if width < _SHORTEST or height < 2 * _SHORTEST or not finite.any():
        return
    whole = np.where(finite, values, np.median(values[finite]))
    steps = np.median(np.abs(np.diff(whole, axis=0)), axis=1)  # (H-1,)
    for rows in range(height // 2, _SHORTEST - 1, -1):
        if height % rows == 0 and _jumps(steps, rows) and _are_alike(whole, rows):
            raise UnsupportedImage(
                f"several frames: {height // rows} of {width}×{rows} px below one another, the "
                f"second from line {table.rows[rows].number} on; one file must hold one frame"
            )


def _jumps(steps: NDArray[np.float64], rows: int) -> bool:
    """Whether the (H-1,) steps between rows are largest after every `rows` of them."""
    others = np.delete(steps, np.s_[rows - 1 :: rows])
    return float(steps[rows - 1 :: rows].min()) > _JUMP * float(others.max())


def _are_alike(values: NDArray[np.float64], rows: int) -> bool:
    """Whether each `rows` of the (H, W) values show what those before them do, warmer or colder."""
    frames = values.reshape(-1, rows, values.shape[1])
    # what differs between columns, such as a lens's edge, is alike in the halves of an image too
    frames = frames - np.median(frames, axis=1, keepdims=True)
    change = np.diff(frames, axis=0)
    low, high = np.quantile(frames[0], [0.16, 0.84])
    return bool(np.median(np.abs(change)) < _ALIKE * (high - low) / 2)
