"""Whether memory grows, per kind of process, across restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.faults.soak_system import Usage

#: Seconds after which a process has finished loading.
WARM_UP_S = 30.0
MIB = 1 << 20


@dataclass(frozen=True)
class MemoryUse:
    """The memory of one kind of process, in MiB."""

    process: str
    first: float  #: when the first process had finished loading
    last: float
    largest: float
    growth_per_h: float  #: within one process's life, so restarts do not count
    growth_error_per_h: float  #: its standard error
    observed_h: float  #: total time after loading, over all processes

    def line(self) -> str:
        """One line of the report."""
        return (
            f"{self.process:<18} {self.first:6.1f} {self.last:6.1f} {self.largest:6.1f} "
            f"{self.growth_per_h:+8.1f} ± {self.growth_error_per_h:.1f} over {self.observed_h:.2f}"
        )


class Memory:
    """Samples of all processes."""

    def __init__(self) -> None:
        self._samples: dict[str, list[tuple[float, int, int]]] = {}  # time, life, bytes
        self._now: Sequence[Usage] = ()

    def note(self, usage: Sequence[Usage], now: float) -> None:
        """Record samples at `now`, in seconds; processes still loading are ignored."""
        self._now = usage
        for sample in usage:
            if sample.age_s >= WARM_UP_S:
                kind = sample.process.rstrip("-0123456789")
                self._samples.setdefault(kind, []).append((now, sample.life, sample.bytes))

    def line(self) -> str:
        """The latest sample, in short."""
        return ", ".join(f"{u.process} {u.bytes // MIB}" for u in self._now) + " MiB"

    def report(self) -> list[MemoryUse]:
        """All kinds of processes that ever finished loading."""
        return [_use(kind, samples) for kind, samples in sorted(self._samples.items())]


def _use(kind: str, samples: Sequence[tuple[float, int, int]]) -> MemoryUse:
    times, lives, sizes = np.array(samples, dtype=np.float64).T
    hours, mib = times / 3600, sizes / MIB
    observed = 0.0
    for life in np.unique(lives):
        of_life = lives == life
        observed += float(np.ptp(hours[of_life]))
        hours[of_life] -= hours[of_life].mean()
        mib[of_life] -= mib[of_life].mean()
    spread = float((hours**2).sum())
    slope = float((hours * mib).sum()) / spread if spread else 0.0
    left = float(((mib - slope * hours) ** 2).sum())
    error = float(np.sqrt(left / max(len(times) - 2, 1) / spread)) if spread else 0.0
    return MemoryUse(
        process=kind,
        first=round(sizes[0] / MIB, 1),
        last=round(sizes[-1] / MIB, 1),
        largest=round(sizes.max() / MIB, 1),
        growth_per_h=round(slope, 1),
        growth_error_per_h=round(error, 1),
        observed_h=round(observed, 3),
    )
