"""Runs all checks. Each problem comes with its remedy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ops.doctor import machine
from ops.doctor.check import Check
from ops.doctor.decoders import decoders
from ops.doctor.services import services

if TYPE_CHECKING:
    from ops.config.settings import Settings


def examine(settings: Settings) -> list[Check]:
    """Run all checks that apply to these settings. Problems are findings, not exceptions."""
    checks = list(services(settings))
    if settings.data is not None:
        checks.append(machine.disk(settings.data))
    checks += [machine.watch(root, settings.watching.observer) for root in settings.watch]
    checks += decoders(settings)
    checks += [machine.device(settings.device), machine.system_clock(time.time())]
    return checks
