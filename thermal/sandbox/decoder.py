"""What decodes files for `thermal.inspection`: this process, or one of a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from thermal.decode import DecodeOptions, decode
from thermal.errors import DecodeError
from thermal.frame import Frame


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """The bytes of an image file, and how to read them."""

    data: bytes
    suffix: str = ""  #: of the file name, such as ``.csv``: identifies formats without a signature
    options: DecodeOptions = field(default_factory=DecodeOptions)


class Decoder(Protocol):
    """Takes a few files, then gives their frames, in their order."""

    def start(self, files: Sequence[EncodedImage]) -> None:
        """Hand over files with the same options."""

    def results(self) -> list[Frame | DecodeError]:
        """The frames of the files handed over last, or the reasons why there are none."""


class InProcess:
    """Decodes in this process, without limits: for files that the user trusts."""

    def __init__(self) -> None:
        self._files: Sequence[EncodedImage] = ()

    def start(self, files: Sequence[EncodedImage]) -> None:
        """Remember the files until their frames are asked for."""
        self._files = files

    def results(self) -> list[Frame | DecodeError]:
        """Decode the files."""
        return [_decoded(file) for file in self._files]


def _decoded(file: EncodedImage) -> Frame | DecodeError:
    try:
        return decode(file.data, suffix=file.suffix, options=file.options)
    except DecodeError as error:
        return error
