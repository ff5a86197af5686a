"""The contenders of the benchmark, and how each is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, Literal

from ops.bench.database import NewDatabase
from ops.bench.jobs import running_jobs
from ops.bench.processes import ask, await_ready, cpu_s, process, python
from ops.bench.site import Site, running_site
from ops.config.wiring import available_cores
from thermal.detection.bundle import Bundle

CEILING: Final = "ceiling"
THERMALWATCH: Final = "thermalwatch"
SCRIPT: Final = "script"
WARM_RQ: Final = "warm RQ"
TEXTBOOK_RQ: Final = "textbook RQ"

#: Images of the first run, from which the number for a full round is estimated.
PILOT = 128


@dataclass
class Contender:
    """One way to score images, and its measurements."""

    name: str
    run: Callable[[int], float] = field(repr=False)  #: images → images/s
    pids: Sequence[int] = field(repr=False)  #: of its processes
    workers: int = 1
    threads: int = 1  #: of each worker
    database: str | None = None
    images: int = 0  #: per round
    rounds: list[float] = field(default_factory=list)  #: images/s
    cpu_ms_rounds: list[float] = field(default_factory=list)  #: per image, of all its processes

    @property
    def images_per_s(self) -> float:
        """Median of the rounds."""
        return median(self.rounds)

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of one core per image; median of the rounds."""
        return median(self.cpu_ms_rounds)

    def over(self, other: Contender) -> float:
        """Speed relative to another contender: median of the ratios within each round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return median(mine / its for mine, its in pairs)

    def choose_images(self, run_s: float) -> None:
        """Choose the number of images so that a round takes about `run_s`; also warms up."""
        if self.images > 0:
            return
        self.run(PILOT)
        self.images, took_s = PILOT, 0.0
        while took_s < run_s / 2:  # by the clock, because the rate of a few images is unreliable
            self.images = round(self.images * min(4.0, run_s / took_s if took_s else 1.0))
            begun = time.monotonic()
            self.run(self.images)
            took_s = time.monotonic() - begun
        self.images = max(PILOT, round(self.images * run_s / took_s))

    def measure(self) -> None:
        """Run and record a round."""
        before = cpu_s(self.pids)
        self.rounds.append(self.run(self.images))
        self.cpu_ms_rounds.append(1000 * (cpu_s(self.pids) - before) / self.images)


@dataclass(frozen=True)
class Inputs:
    """Images and model that all contenders of an image size use."""

    folder: Path
    model: Path
    bundle: Bundle
    paths: Sequence[Path]
    device: str


@dataclass(frozen=True)
class Field:
    """All running contenders of an image size; `site` is the system with one worker."""

    contenders: list[Contender]
    site: Site
    site_contender: Contender


def start(
    stack: ExitStack,
    inputs: Inputs,
    *,
    workers: Sequence[int],
    databases: Mapping[str, NewDatabase],
    cold_jobs: int,
) -> Field:
    """Start all contenders; they end with `stack`."""
    cores = available_cores()
    shares = sorted({(number, max(1, cores // number)) for number in workers} | {(1, 1)})
    threads = sorted({of_each for _, of_each in shares})
    contenders = [_child(stack, inputs, CEILING, of_each) for of_each in threads]
    sites: dict[str, tuple[Site, Contender]] = {}
    for database, new in databases.items():
        for number, of_each in shares:
            site = _site(stack, inputs, database, new, number, of_each)
            sites.setdefault(f"{database} {number} {of_each}", site)
            contenders.append(site[1])
    # one thread each: for single images, more threads make it slower
    contenders.append(_child(stack, inputs, SCRIPT, 1))
    contenders.append(_jobs(stack, inputs, "warm"))
    contenders.append(_jobs(stack, inputs, "fork", images=cold_jobs))
    first = next(iter(databases))
    return Field(contenders, *sites[f"{first} 1 {max(1, cores // min(workers))}"])


def _child(stack: ExitStack, inputs: Inputs, name: str, threads: int) -> Contender:
    log = inputs.folder / f"{name}-{threads}.log"
    words = (name, inputs.model, inputs.paths[0].parent, inputs.device, threads)
    child = stack.enter_context(
        process(python("ops.bench.child", *words), log=log, threads=threads)
    )
    await_ready(child, log)
    return Contender(name, lambda count: count / ask(child, count), [child.pid], threads=threads)


def _site(
    stack: ExitStack,
    inputs: Inputs,
    database: str,
    new: NewDatabase,
    workers: int,
    threads: int,
) -> tuple[Site, Contender]:
    folder = inputs.folder / f"{database}-{workers}-{threads}"
    folder.mkdir()
    site = stack.enter_context(
        running_site(
            folder,
            inputs.bundle,
            inputs.paths,
            database_url=new(folder),
            workers=workers,
            threads=threads,
            device=inputs.device,
        )
    )
    return site, Contender(THERMALWATCH, site.burst, site.pids, workers, threads, database)


def _jobs(
    stack: ExitStack,
    inputs: Inputs,
    kind: Literal["fork", "warm"],
    images: int = 0,
) -> Contender:
    jobs = stack.enter_context(
        running_jobs(
            inputs.folder / f"rq-{kind}",
            kind,
            inputs.model,
            inputs.paths,
            threads=1,
            device=inputs.device,
        )
    )
    name = WARM_RQ if kind == "warm" else TEXTBOOK_RQ
    return Contender(name, jobs.run, jobs.pids, database="sqlite", images=images)
