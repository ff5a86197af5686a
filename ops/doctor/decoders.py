"""The programs that measure thermal files which are not read here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ops.doctor.check import Check
from ops.terminal import printable

if TYPE_CHECKING:
    from ops.config.settings import Settings


def decoders(settings: Settings) -> Iterator[Check]:
    """Whether each camera's decoder can be started on this machine."""
    for name, camera in settings.cameras.items():
        if camera.decoder:
            check, program = f"decoder of {printable(name)}", printable(camera.decoder[0])
            if shutil.which(camera.decoder[0]) is None:
                yield Check(
                    check,
                    f"{program}: no such program, or it cannot be executed",
                    "install it on every machine with workers, and name it by its full path",
                )
            else:
                yield Check(check, f"{program} is there")
