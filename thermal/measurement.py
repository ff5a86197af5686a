"""Parameters of a temperature measurement, and the correction of °C for another emissivity.

A camera that was set to emissivity ε₁ and reflected temperature T_r gave T₁ for the radiation
ε₁ W(T₁) + (1 − ε₁) W(T_r). With the surface's real emissivity ε₂ the same radiation means

    W(T₂) = (ε₁ W(T₁) + (ε₂ − ε₁) W(T_r)) / ε₂,

where W is Planck's law at 10 µm, the middle of the band of uncooled cameras (7.5 to 14 µm). See
Vollmer and Möllmann, Infrared Thermal Imaging, 2nd edition (2018), chapters 2 and 3. It says
nothing about the air and windows between camera and surface, and is not for cameras of other bands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ZERO_C_IN_K: Final = 273.15

#: c₂ / λ in K, with c₂ = 14,387.77 µm K and λ = 10 µm.
_PLANCK_K: Final = 1438.777

#: Lowest and highest temperatures of surroundings, °C: the clear sky and the inside of a furnace.
_SURROUNDINGS_C: Final = (-150.0, 2500.0)
#: Surroundings in this range were certainly entered in kelvin: it is −23 to 57 °C.
_KELVIN: Final = (250.0, 330.0)
_AIR_C: Final = (-80.0, 150.0)
_FARTHEST_M: Final = 50_000.0


@dataclass(frozen=True)
class MeasurementParameters:
    """What temperatures were computed with; None where that is not known or does not matter.

    Raises:
        ValueError: a parameter is not a number, or physically impossible.
    """

    #: Emissivity of what the camera sees, above 0 to 1.
    emissivity: float | None = None
    #: Reflected apparent temperature, °C.
    reflected_c: float | None = None
    #: Distance to the object, m.
    distance_m: float | None = None
    #: Relative humidity of the air, 0 to 1.
    humidity: float | None = None
    #: Temperature of the air, °C.
    atmosphere_c: float | None = None
    #: Transmission of a window before the camera, above 0 to 1.
    window_transmission: float | None = None
    #: Temperature of that window, °C.
    window_c: float | None = None
    #: Emissivity that the camera was set to when it computed the °C in its files, above 0 to 1.
    camera_emissivity: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.known().items():
            if not math.isfinite(value):
                raise ValueError(f"{name}: should be a number, given {value}")
            low, high = _BOUNDS[name]
            if name in _SHARES and not 0 < value <= 1:
                raise ValueError(f"{name}: should be above 0 and at most 1, given {value:g}")
            if not low <= value <= high:
                raise ValueError(
                    f"{name}: should lie between {low:g} and {high:g}, given {value:g}"
                )
            if name in _SURROUNDINGS and _KELVIN[0] <= value <= _KELVIN[1]:
                raise ValueError(
                    f"{name}: {value:g} °C was meant in kelvin, which is "
                    f"{value - ZERO_C_IN_K:.2f} °C"
                )

    def known(self) -> dict[str, float]:
        """The known parameters by name."""
        return {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }


_SHARES: Final = frozenset({"emissivity", "window_transmission", "camera_emissivity"})
_SURROUNDINGS: Final = frozenset({"reflected_c", "window_c"})
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "emissivity": (0.0, 1.0),
    "reflected_c": _SURROUNDINGS_C,
    "distance_m": (0.0, _FARTHEST_M),
    "humidity": (0.0, 1.0),
    "atmosphere_c": _AIR_C,
    "window_transmission": (0.0, 1.0),
    "window_c": _SURROUNDINGS_C,
    "camera_emissivity": (0.0, 1.0),
}

#: Nothing is known or declared.
UNKNOWN: Final = MeasurementParameters()


def correct_emissivity(
    celsius: NDArray[Any], *, camera: float, surface: float, reflected_c: float
) -> NDArray[np.float64]:
    """°C for the emissivity `surface`, from (H, W) °C of a camera that was set to `camera`.

    Values that are not possible temperatures stay as they are. −inf where the surface would have
    to radiate less than nothing.
    """
    kelvin = celsius.astype(np.float64) + ZERO_C_IN_K
    possible = kelvin > 0  # false for NaN
    with np.errstate(all="ignore"):
        seen = camera * _radiance(kelvin)
        reflected = (surface - camera) * _radiance(np.float64(reflected_c + ZERO_C_IN_K))
        emitted = (seen + reflected) / surface
        corrected = _PLANCK_K / np.log1p(1 / emitted) - ZERO_C_IN_K
    corrected = np.where(emitted > 0, corrected, -np.inf)
    return np.where(possible, corrected, celsius)


def _radiance(kelvin: Any) -> Any:
    """Planck's law at one wavelength, in an arbitrary unit."""
    return 1 / np.expm1(_PLANCK_K / kelvin)
