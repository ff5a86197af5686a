"""Errors of the functional core.

::

    ThermalError
    ├── DecodeError          the bytes are not a thermal image that can be used
    │   ├── UnsupportedImage   a format or variant that is not read (by design)
    │   │   └── ScaleCannotApply  a scale is declared for something else than counts
    │   ├── ImageTooLarge      over the limit on bytes or pixels; nothing was decoded
    │   ├── ImpossibleUnit     values that no scene has in the unit that is declared
    │   ├── CorruptImage       cut off or damaged; an upload in progress looks like this
    │   ├── DecodeTooSlow      takes longer than a file may
    │   └── DecodeCrashed      ends the process that decodes it
    ├── UnitMismatch         the frame's unit is not the one the model was trained in
    ├── BundleError          a model bundle that is missing, damaged or not of our schema
    ├── TrainingError        training cannot start or gave no usable model
    └── DatasetError         a folder is not in the layout that was asked for
"""


class ThermalError(Exception):
    """Root of all errors that `thermal` raises on purpose."""


class DecodeError(ThermalError):
    """The bytes are not a thermal image that can be used."""


class UnsupportedImage(DecodeError):
    """A format, or a variant of one, that is not read by design."""


class ScaleCannotApply(UnsupportedImage):
    """A scale is declared for counts, and the file holds something else."""


class ImageTooLarge(DecodeError):
    """More bytes or pixels than allowed; raised before anything is decoded."""


class ImpossibleUnit(DecodeError):
    """Values that no scene has in the unit that is declared, or in °C."""


class CorruptImage(DecodeError):
    """Cut off or damaged content."""


class DecodeTooSlow(DecodeError):
    """Decoding takes longer than a file may."""


class DecodeCrashed(DecodeError):
    """Decoding ends the process that does it: a library cannot cope with the content."""


class UnitMismatch(ThermalError):
    """The frame is in another unit than the model was trained in."""


class BundleError(ThermalError):
    """A model bundle that is missing, damaged, or not of our schema."""


class TrainingError(ThermalError):
    """Training cannot start, or gave no usable model."""


class DatasetError(ThermalError):
    """A folder is not in the layout that was asked for."""
