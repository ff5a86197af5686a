"""Declared parameters of the measurement, for files that do not say how they were measured."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

from thermal.errors import UnsupportedImage
from thermal.measurement import UNKNOWN, MeasurementParameters, correct_emissivity

_NEEDED: Final = ("emissivity", "camera_emissivity", "reflected_c")


def corrected(celsius: NDArray[Any], declared: MeasurementParameters) -> NDArray[Any]:
    """(H, W) °C for the declared emissivity; unchanged if nothing is declared.

    Raises `UnsupportedImage` if something is missing, or is declared that cannot be applied.
    """
    if declared == UNKNOWN:
        return celsius
    known = declared.known()
    for name in known.keys() - set(_NEEDED):
        raise UnsupportedImage(
            f"`{name}` is declared for this camera, but only raw values of a radiometric file can "
            "be converted with it, not temperatures: remove it"
        )
    for name in _NEEDED:
        if name not in known:
            raise UnsupportedImage(
                f"`{name}` is not declared for this camera: temperatures are corrected with "
                "`emissivity`, `camera_emissivity` and `reflected_c` together"
            )
    return correct_emissivity(
        celsius,
        camera=known["camera_emissivity"],
        surface=known["emissivity"],
        reflected_c=known["reflected_c"],
    )


def refuse_for_counts(declared: MeasurementParameters) -> None:
    """Raise `UnsupportedImage` if parameters are declared: they cannot be applied to counts."""
    if declared != UNKNOWN:
        name = next(iter(declared.known()))
        raise UnsupportedImage(
            f"`{name}` is declared for this camera, but the file holds counts: declare their "
            "`scale` too, or remove it"
        )
